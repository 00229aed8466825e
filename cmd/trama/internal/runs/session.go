package runs

import (
	"context"
	"fmt"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/trama-run/trama/cmd/trama/internal/cli"
	record "github.com/trama-run/trama/host/run"
)

func (p program) sessionCommand() *cobra.Command {
	var flow, after string
	var limit int
	list := &cobra.Command{
		Use:   "list",
		Short: "List what waits, sleeps or is to go on, by its key",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return p.listSessions(c.Context(), url.Values{"limit": {strconv.Itoa(limit)}, "flow": {flow}, "after": {after}})
		},
	}
	list.Flags().StringVar(&flow, "flow", "", "only those that stand in the flow with this `id`")
	list.Flags().StringVar(&after, "after", "", "only those after the one with this `key`")
	list.Flags().IntVar(&limit, "limit", 50, "how many at most")
	p.ClientFlags(list)
	return cli.Group("session", "Look at what waits, sleeps or is to go on", list)
}

func (p program) listSessions(ctx context.Context, query url.Values) error {
	var sessions []record.SessionInfo
	if done, err := p.Fetch(ctx, "/v1/sessions?"+query.Encode(), &sessions); done || err != nil {
		return err
	}
	t := cli.NewTable(p.Stdout, "KEY", "FLOW", "AT", "STATUS", "DUE", "RUN")
	for _, s := range sessions {
		due := ""
		if !s.Due.IsZero() {
			due = cli.When(s.Due)
		}
		t.Row(s.Key, fmt.Sprintf("%s v%d", s.Flow, s.Version), s.Node, string(s.Status), due, s.Run)
	}
	return t.End()
}
