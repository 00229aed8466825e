package traffic

import (
	"context"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/trama-run/trama/cmd/trama/internal/cli"
	"github.com/trama-run/trama/host/admin"
)

func (p program) deliveryCommand() *cobra.Command {
	var of, state, since, until, after string
	var limit int
	list := &cobra.Command{
		Use:   "list",
		Short: "List what became of messages and alerts, by their effect ids",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			times, err := cli.Times(since, until)
			if err != nil {
				return err
			}
			return p.listDeliveries(c.Context(), url.Values{
				"limit": {strconv.Itoa(limit)}, "run": {of}, "status": {state}, "after": {after}, "since": {times["since"]}, "until": {times["until"]},
			})
		},
	}
	list.Flags().StringVar(&of, "run", "", "only those of the run with this `id`")
	list.Flags().StringVar(&state, "state", "", "only those in this `state`: sent, delivered, read, failed, queued, dead or cancelled")
	list.Flags().StringVar(&since, "since", "", "only from this `time` on: RFC 3339, or a duration ago such as 2h")
	list.Flags().StringVar(&until, "until", "", "only from before this `time`")
	list.Flags().StringVar(&after, "after", "", "only those after the one with this effect `id`")
	list.Flags().IntVar(&limit, "limit", 50, "how many at most")
	show := &cobra.Command{
		Use:   "show EFFECT",
		Short: "Show what became of a message or alert",
		Args:  cobra.ExactArgs(1),
		RunE:  func(c *cobra.Command, args []string) error { return p.showDelivery(c.Context(), args[0]) },
	}
	p.ClientFlags(list, show)
	return cli.Group("delivery", "Look at what became of messages and alerts", list, show)
}

func (p program) listDeliveries(ctx context.Context, query url.Values) error {
	var deliveries []admin.DeliveryInfo
	if done, err := p.Fetch(ctx, "/v1/deliveries?"+query.Encode(), &deliveries); done || err != nil {
		return err
	}
	t := cli.NewTable(p.Stdout, "EFFECT", "AT", "STATE", "RUN", "ERROR")
	for _, d := range deliveries {
		t.Row(d.EffectID, cli.When(d.At), d.State, d.RunID, cli.ErrorText(d.Error))
	}
	return t.End()
}

func (p program) showDelivery(ctx context.Context, id string) error {
	var d admin.DeliveryInfo
	if done, err := p.Fetch(ctx, "/v1/deliveries/"+url.PathEscape(id), &d); done || err != nil {
		return err
	}
	t := cli.NewTable(p.Stdout)
	for _, row := range [][2]string{
		{"effect", d.EffectID}, {"at", cli.When(d.At)}, {"state", d.State}, {"run", d.RunID}, {"message", d.MessageID}, {"error", cli.ErrorText(d.Error)},
	} {
		if row[1] != "" {
			t.Row(row[0], row[1])
		}
	}
	return t.End()
}
