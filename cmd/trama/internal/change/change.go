// Package change sends changes of a server's objects, and says what became of
// the objects, or would: a line for each, and what differs within it. Which
// commands change what it does not know.
package change

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/trama-run/trama/cmd/trama/internal/cli"
	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/problem"
)

// Make sends a change and prints what became of objects.
func Make(ctx context.Context, p *cli.Program, method, path string, body any) error {
	changes, err := Send(ctx, p, method, path, body)
	if err != nil {
		return err
	}
	return Print(p, changes)
}

// Send sends a change and gives what became of objects.
func Send(ctx context.Context, p *cli.Program, method, path string, body any) (changes []catalog.Change, err error) {
	c, err := p.Client()
	if err != nil {
		return nil, err
	}
	if _, err = c.Do(ctx, method, path, body, &changes); err != nil {
		return nil, Mistakes(p, err, "nothing was changed")
	}
	return changes, nil
}

// Mistakes prints the mistakes that the server found in documents, one a line,
// and says what that means.
func Mistakes(p *cli.Program, err error, meaning string) error {
	details, ok := errors.AsType[*problem.Details](err)
	if !ok || details.Status != http.StatusUnprocessableEntity || p.JSON {
		return err
	}
	fmt.Fprintln(p.Stderr, cli.Printable(details.Detail))
	return errors.New(meaning)
}

// Print prints what became of a server's objects.
func Print(p *cli.Program, changes []catalog.Change) error {
	if p.JSON {
		return p.PrintJSON(changes)
	}
	if len(changes) == 0 {
		_, err := fmt.Fprintln(p.Stdout, "nothing changed")
		return err
	}
	t := cli.NewTable(p.Stdout)
	for _, c := range changes {
		note := c.Held
		if c.Wider && c.Held == "" {
			note = "lets a plugin reach more"
		}
		if open := opened(c); open != "" {
			note = "opens to anyone: " + open
		}
		t.Row(c.Action, c.Object, c.Origin.String(), note)
	}
	return t.End()
}

// opened names the routes that a change opens to anyone.
func opened(change catalog.Change) string {
	var names []string
	for _, a := range change.Access {
		if a.Opens {
			names = append(names, a.Route)
		}
	}
	return strings.Join(names, ", ")
}
