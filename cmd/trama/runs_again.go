package main

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

	"github.com/trama-run/trama/host/admin"
	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/host/trial"
	"github.com/trama-run/trama/host/workspace"
)

// runsAgainCommands are those that do something with a run that was.
func (p *program) runsAgainCommands() []*cobra.Command {
	var file, plugins string
	replay := &cobra.Command{
		Use:   "replay ID",
		Short: "Play a run again from its record, and say where it departs",
		Long: `Play a run again from its record, on this machine and reaching nothing: with the
versions of flows that it had, or with the flow in --flow in the place of its
own, and with the present plugins. What came from outside is taken from the
record; pure calls are made again and compared. Of values that were cut in the
record, the beginnings are compared. The exit code is 1 if it departs.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return p.replayRun(c.Context(), args[0], file, plugins) },
	}
	replay.Flags().StringVar(&file, "flow", "", "`file` of the flow to play it with")
	p.pluginsFlag(replay, &plugins)
	var latest bool
	retry := &cobra.Command{
		Use:   "retry ID",
		Short: "Let a failed run go on from the node that failed",
		Long: `Let a failed run go on from the node that failed: its call is made again with
the same effect id, or the node is entered anew. It keeps its id, its record and
the versions that it began with.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return p.retryRun(c.Context(), args[0], latest) },
	}
	retry.Flags().BoolVar(&latest, "latest", false, "go on in the version that is published now, if it has the node")
	p.clientFlags(replay, retry)
	return []*cobra.Command{replay, retry}
}

func runPath(id string) string { return "/v1/runs/" + url.PathEscape(id) }

func (p *program) retryRun(ctx context.Context, id string, latest bool) error {
	c, err := p.client()
	if err != nil {
		return err
	}
	var r admin.RunInfo
	data, err := c.do(ctx, "POST", runPath(id)+"/retry", admin.RetryRequest{Latest: latest}, &r)
	if err != nil {
		return err
	}
	if p.json {
		return p.printJSON(data)
	}
	_, err = fmt.Fprintf(p.stdout, "run %s of flow %s v%d goes on; see: trama runs show %s\n", r.ID, r.Flow, r.Version, r.ID)
	return err
}

// asTest prints a case that a run's record makes.
func (p *program) asTest(detail admin.RunDetail) error {
	c, notes := trial.CaseOf(detail.Record)
	data, err := trial.Write(c, append([]string{
		fmt.Sprintf("Made of a run: put it into flows/%s%s.", detail.Flow, workspace.CasesSuffix),
		"An entry of calls that is taken out lets the plugin itself be called.",
	}, notes...))
	if err != nil {
		return err
	}
	_, err = p.stdout.Write(data)
	return err
}

func (p *program) replayRun(ctx context.Context, id, file, plugins string) (err error) {
	c, err := p.client()
	if err != nil {
		return err
	}
	var detail admin.RunDetail
	if _, err := c.do(ctx, "GET", runPath(id), nil, &detail); err != nil {
		return err
	}
	files, err := c.flowsOf(ctx, detail)
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
	b, done, err := p.bench(ctx, tried{workspace: filepath.Clean(p.workspace), alone: true, files: files, plugins: plugins})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	result, err := b.Replay(ctx, detail.Record)
	if err != nil {
		return err
	}
	if p.json {
		err = p.printJSON(result)
	} else {
		p.printReplay(result)
	}
	if err == nil && result.Departure != nil {
		return errReported
	}
	return err
}

// flowsOf fetches the versions of flows that a run had.
func (c *client) flowsOf(ctx context.Context, r admin.RunDetail) (workspace.Files, error) {
	versions := maps.Clone(r.Flows)
	if versions == nil {
		versions = map[string]int{}
	}
	versions[r.Flow] = r.Version
	files := workspace.Files{}
	for _, id := range slices.Sorted(maps.Keys(versions)) {
		var version struct {
			Document json.RawMessage `json:"document"`
		}
		if _, err := c.do(ctx, "GET", fmt.Sprintf("%s/versions/%d", flowPath(id), versions[id]), nil, &version); err != nil {
			return nil, err
		}
		files["flows/"+id+".json"] = version.Document
	}
	return files, nil
}

func (p *program) printReplay(r trial.Replay) {
	for _, line := range slices.Concat(r.Cut, r.Notes) {
		fmt.Fprintln(p.stdout, printable(line))
	}
	if d := r.Departure; d != nil {
		fmt.Fprintf(p.stdout, "departs at step %d, node %s, after %d steps that are as recorded:\n", d.Ordinal, printable(d.Node), r.Steps)
		for _, line := range d.Lines {
			fmt.Fprintf(p.stdout, "  %s\n", strings.ReplaceAll(printable(line), "\n", "\n  "))
		}
		return
	}
	fmt.Fprintf(p.stdout, "as recorded: %d steps, %d pure calls made again\n", r.Steps, r.Calls)
}
