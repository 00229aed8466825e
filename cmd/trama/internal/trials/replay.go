package trials

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/trama-run/trama/cmd/trama/internal/cli"
	"github.com/trama-run/trama/host/admin"
	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/host/trial"
	"github.com/trama-run/trama/host/workspace"
)

// ReplayCommand returns the one of "runs" that plays a run again.
func ReplayCommand(of *cli.Program) *cobra.Command {
	p := program{of}
	var file, plugins string
	c := &cobra.Command{
		Use:   "replay ID",
		Short: "Play a run again from its record, and say where it departs",
		Long: `Play a run again from its record, on this machine and reaching nothing: with the
versions of flows that it began with, or with the flow in --flow in the place of its
own, and with the present plugins. What came from outside is taken from the
record; pure calls are made again and compared. Of values that were cut in the
record, the beginnings are compared. Of a run that was moved to another version,
the replay ends there. The exit code is 1 if it departs.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return p.replayRun(c.Context(), args[0], file, plugins) },
	}
	c.Flags().StringVar(&file, "flow", "", "`file` of the flow to play it with")
	p.pluginsFlag(c, &plugins)
	p.ClientFlags(c)
	return c
}

func (p program) replayRun(ctx context.Context, id, file, plugins string) (err error) {
	c, err := p.Client()
	if err != nil {
		return err
	}
	var detail admin.RunDetail
	if _, err := c.Do(ctx, "GET", "/v1/runs/"+url.PathEscape(id), nil, &detail); err != nil {
		return err
	}
	files, err := flowsOf(ctx, c, detail)
	if err != nil {
		return err
	}
	if file != "" {
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		f, err := flow.Parse(file, data)
		if err != nil {
			return err
		}
		if f.ID != detail.Flow {
			return fmt.Errorf("%s is flow %q, and run %s is of flow %q", file, f.ID, id, detail.Flow)
		}
		files["flows/"+detail.Flow+".json"] = data
	}
	b, done, err := p.bench(ctx, tried{workspace: filepath.Clean(p.Workspace), alone: true, files: files, plugins: plugins})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	result, err := b.Replay(ctx, detail.Record)
	if err != nil {
		return err
	}
	if p.JSON {
		err = p.PrintJSON(result)
	} else {
		p.printReplay(result)
	}
	if err == nil && result.Departure != nil {
		return cli.ErrReported
	}
	return err
}

// flowsOf fetches the versions of flows that a run began with.
func flowsOf(ctx context.Context, c *cli.Client, r admin.RunDetail) (workspace.Files, error) {
	versions := r.Began()
	files := workspace.Files{}
	for _, id := range slices.Sorted(maps.Keys(versions)) {
		var version struct {
			Document json.RawMessage `json:"document"`
		}
		if _, err := c.Do(ctx, "GET", fmt.Sprintf("/v1/flows/%s/versions/%d", url.PathEscape(id), versions[id]), nil, &version); err != nil {
			return nil, err
		}
		files["flows/"+id+".json"] = version.Document
	}
	return files, nil
}

func (p program) printReplay(r trial.Replay) {
	for _, line := range slices.Concat(r.Cut, r.Notes) {
		fmt.Fprintln(p.Stdout, cli.Printable(line))
	}
	if d := r.Departure; d != nil {
		fmt.Fprintf(p.Stdout, "departs at step %d, node %s, after %d steps that are as recorded:\n", d.Ordinal, cli.Printable(d.Node), r.Steps)
		for _, line := range d.Lines {
			fmt.Fprintf(p.Stdout, "  %s\n", strings.ReplaceAll(cli.Printable(line), "\n", "\n  "))
		}
		return
	}
	fmt.Fprintf(p.Stdout, "as recorded: %d steps, %d pure calls made again\n", r.Steps, r.Calls)
}
