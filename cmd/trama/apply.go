package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/problem"
	"github.com/trama-run/trama/host/workspace"
)

func (p *program) applyCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "apply DIR",
		Short: "Make a server's objects those of a workspace's files",
		Long: `Make a server's flows, routes, channels, connections and grants those of the
files in DIR: all of them or, if one has a mistake, none. Grants that let a
plugin reach more take effect by this command, and not by a change of the file
alone. The server and its token are found through DIR, unless -w names another
workspace.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if !c.Flags().Changed("workspace") {
				p.workspace = args[0]
			}
			return p.apply(c.Context(), filepath.Clean(args[0]))
		},
	}
	p.clientFlags(c)
	return c
}

func (p *program) apply(ctx context.Context, dir string) error {
	files, err := workspace.ReadFiles(dir)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("%s has no files of a workspace: flows/*.yaml, routes.yaml, channels.yaml, connections.yaml or grants.yaml", dir)
	}
	c, err := p.client()
	if err != nil {
		return err
	}
	texts := make(map[string]string, len(files))
	for name, content := range files {
		texts[name] = string(content)
	}
	var changes []catalog.Change
	_, err = c.do(ctx, "POST", "/v1/apply", texts, &changes)
	if details, ok := errors.AsType[*problem.Details](err); ok && details.Status == http.StatusUnprocessableEntity {
		fmt.Fprintln(p.stderr, printable(details.Detail)) // one line for each mistake
		return errors.New("nothing was applied")
	}
	if err != nil {
		return err
	}
	return p.printChanges(changes)
}

// printChanges prints what became of a server's objects.
func (p *program) printChanges(changes []catalog.Change) error {
	if p.json {
		return p.printJSON(changes)
	}
	if len(changes) == 0 {
		_, err := fmt.Fprintln(p.stdout, "nothing changed")
		return err
	}
	t := newTable(p.stdout)
	for _, c := range changes {
		t.row(c.Action, c.Object, c.Origin.String(), c.Held)
	}
	return t.end()
}
