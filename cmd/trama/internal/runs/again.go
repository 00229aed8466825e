package runs

import (
	"context"
	"fmt"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/trama-run/trama/host/admin"
	"github.com/trama-run/trama/host/trial"
	"github.com/trama-run/trama/host/workspace"
)

// retryCommand lets failed runs go on.
func (p program) retryCommand() *cobra.Command {
	var latest bool
	retry := &cobra.Command{
		Use:   "retry ID",
		Short: "Let a failed run go on from the node that failed",
		Long: `Let a failed run go on from the node that failed: its call is made again with
the same effect id, or the node is entered anew. It keeps its id, its record and
the versions that it began with, of flows and of plugins. With --latest it goes
on in those that are published and serve now: the call is as its node is there,
still with the same effect id. A run whose state is over 1 MiB is not kept for
a retry.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return p.retryRun(c.Context(), args[0], latest) },
	}
	retry.Flags().BoolVar(&latest, "latest", false, "go on in the version that is published now, if it has the node, with the present plugins")
	p.ClientFlags(retry)
	return retry
}

func runPath(id string) string { return "/v1/runs/" + url.PathEscape(id) }

func (p program) retryRun(ctx context.Context, id string, latest bool) error {
	c, err := p.Client()
	if err != nil {
		return err
	}
	var r admin.RunInfo
	data, err := c.Do(ctx, "POST", runPath(id)+"/retry", admin.RetryRequest{Latest: latest}, &r)
	if err != nil {
		return err
	}
	if p.JSON {
		return p.PrintJSON(data)
	}
	_, err = fmt.Fprintf(p.Stdout, "run %s of flow %s v%d goes on; see: trama runs show %s\n", r.ID, r.Flow, r.Version, r.ID)
	return err
}

// asTest prints a case that a run's record makes.
func (p program) asTest(detail admin.RunDetail) error {
	c, notes := trial.CaseOf(detail.Record)
	data, err := trial.Write(c, append([]string{
		fmt.Sprintf("Made of a run: put it into flows/%s%s.", detail.Flow, workspace.CasesSuffix),
		"An entry of calls that is taken out lets the plugin itself be called.",
	}, notes...))
	if err != nil {
		return err
	}
	_, err = p.Stdout.Write(data)
	return err
}
