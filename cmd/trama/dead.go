package main

import (
	"context"
	"fmt"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/trama-run/trama/host/channel"
)

func (p *program) deadCommand() *cobra.Command {
	var before string
	list := &cobra.Command{
		Use:   "list",
		Short: "List dead letters, newest first",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return p.listDead(c.Context(), before) },
	}
	list.Flags().StringVar(&before, "before", "", "only those older than the one with this `id`")
	replay := &cobra.Command{
		Use:   "replay ID",
		Short: "Put a dead letter back to where it came from",
		Args:  cobra.ExactArgs(1),
		RunE:  func(c *cobra.Command, args []string) error { return p.replay(c.Context(), args[0]) },
	}
	p.clientFlags(list, replay)
	return group("dead", "Look at events and messages that could not be worked on", list, replay)
}

func (p *program) listDead(ctx context.Context, before string) error {
	c, err := p.client()
	if err != nil {
		return err
	}
	var letters []channel.DeadLetter
	data, err := c.do(ctx, "GET", "/v1/dead-letters?"+url.Values{"before": {before}}.Encode(), nil, &letters)
	if err != nil {
		return err
	}
	if p.json {
		return p.printJSON(data)
	}
	t := newTable(p.stdout, "ID", "AT", "CHANNEL", "QUEUE", "REASON")
	for _, d := range letters {
		t.row(d.ID, when(d.At), d.Channel, d.Queue, errorText(&d.Reason))
	}
	return t.end()
}

func (p *program) replay(ctx context.Context, id string) error {
	c, err := p.client()
	if err != nil {
		return err
	}
	data, err := c.do(ctx, "POST", "/v1/dead-letters/"+url.PathEscape(id)+"/replay", nil, nil)
	if err != nil {
		return err
	}
	if p.json {
		return p.printJSON(data)
	}
	_, err = fmt.Fprintf(p.stdout, "dead letter %s is back in its queue\n", printable(id))
	return err
}
