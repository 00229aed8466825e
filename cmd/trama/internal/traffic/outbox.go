package traffic

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/trama-run/trama/cmd/trama/internal/cli"
	"github.com/trama-run/trama/host/admin"
	"github.com/trama-run/trama/host/outbox"
)

func (p program) outboxCommand() *cobra.Command {
	var queue, cancelled string
	var limit int
	list := &cobra.Command{
		Use:   "list",
		Short: "List messages and alerts that were not sent yet",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return p.listOutbox(c.Context(), queue, limit) },
	}
	list.Flags().StringVar(&queue, "queue", "", "only those of queues whose names begin with this `prefix`")
	list.Flags().IntVar(&limit, "limit", 50, "how many, at most")
	endpoints := &cobra.Command{
		Use:   "endpoints",
		Short: "Show how the places are that messages and alerts go to",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return p.listEndpoints(c.Context()) },
	}
	cancel := &cobra.Command{
		Use:   "cancel [EFFECT]",
		Short: "Cancel what was not sent yet: one message or alert, or all of a queue",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 == (cancelled != "") {
				return cli.Usage("name either an effect id, as trama outbox list shows it, or --queue")
			}
			body := map[string]string{"queue": cancelled}
			if len(args) == 1 {
				body = map[string]string{"effect_id": args[0]}
			}
			return p.cancelOutbox(c.Context(), body)
		},
	}
	cancel.Flags().StringVar(&cancelled, "queue", "", "all that wait in the `queue` of this name")
	p.ClientFlags(list, endpoints, cancel)
	return cli.Group("outbox", "Look at messages and alerts on their way out", list, endpoints, cancel)
}

func (p program) listOutbox(ctx context.Context, queue string, limit int) error {
	var waiting []outbox.Waiting
	if done, err := p.Fetch(ctx, "/v1/outbox?"+url.Values{"queue": {queue}, "limit": {strconv.Itoa(limit)}}.Encode(), &waiting); done || err != nil {
		return err
	}
	t := cli.NewTable(p.Stdout, "EFFECT", "SINCE", "QUEUE", "FAILED", "NEXT", "WHY")
	for _, w := range waiting {
		failed, next := "", ""
		if w.Failed > 0 {
			failed, next = strconv.Itoa(w.Failed), cli.When(w.Next)
		}
		t.Row(w.EffectID, cli.When(w.At), w.Queue, failed, next, cmp.Or(w.Held, w.LastFailure))
	}
	return t.End()
}

func (p program) listEndpoints(ctx context.Context) error {
	var endpoints []outbox.Endpoint
	if done, err := p.Fetch(ctx, "/v1/outbox/endpoints", &endpoints); done || err != nil {
		return err
	}
	t := cli.NewTable(p.Stdout, "ENDPOINT", "BREAKER", "UNTIL", "SENDING", "WAITING", "TRIES", "FAILED", "LAST FAILURE")
	for _, e := range endpoints {
		until := ""
		if !e.Until.IsZero() {
			until = cli.When(e.Until)
		}
		t.Row(e.Name, e.Breaker, until, strconv.Itoa(e.Running), strconv.Itoa(e.Waiting), strconv.Itoa(e.Tries), strconv.Itoa(e.Failed), e.LastFailure)
	}
	return t.End()
}

func (p program) cancelOutbox(ctx context.Context, body any) error {
	c, err := p.Client()
	if err != nil {
		return err
	}
	var done admin.Cancelled
	data, err := c.Do(ctx, "POST", "/v1/outbox/cancel", body, &done)
	if err != nil {
		return err
	}
	if p.JSON {
		return p.PrintJSON(data)
	}
	_, err = fmt.Fprintf(p.Stdout, "%d of %s cancelled\n", done.Cancelled, cli.Printable(done.Queue))
	return err
}
