package runs

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"

	"github.com/spf13/cobra"

	"github.com/trama-run/trama/cmd/trama/internal/cli"
	"github.com/trama-run/trama/host/admin"
	record "github.com/trama-run/trama/host/run"
)

func (p program) eventCommand() *cobra.Command {
	var e record.Event
	var data string
	emit := &cobra.Command{
		Use:   "emit NAME",
		Short: "Start the flows that have a trigger for an event",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			e.Name = args[0]
			if data != "" {
				if !json.Valid([]byte(data)) {
					return cli.Usage(`--data: want JSON, such as '{"order": 7}'`)
				}
				e.Data = json.RawMessage(data)
			}
			return p.emit(c.Context(), e)
		},
	}
	emit.Flags().StringVar(&data, "data", "", "what flows see as input.data, as `JSON`")
	emit.Flags().StringVar(&e.Contact, "contact", "", "`key` of the contact in whose conversation the flows start")
	emit.Flags().StringVar(&e.ID, "id", "", "`name` of this event: it starts flows once in eight days")
	p.ClientFlags(emit)
	return cli.Group("event", "Emit events", emit)
}

func (p program) emit(ctx context.Context, e record.Event) error {
	c, err := p.Client()
	if err != nil {
		return err
	}
	var started record.Started
	data, err := c.Do(ctx, "POST", "/v1/events/"+url.PathEscape(e.Name), e, &started)
	if err != nil {
		return err
	}
	if p.JSON {
		return p.PrintJSON(data)
	}
	t := cli.NewTable(p.Stdout, "FLOW", "RUN")
	for _, id := range slices.Sorted(maps.Keys(started.Runs)) {
		t.Row(id, started.Runs[id])
	}
	return t.End()
}

func (p program) scheduleCommand() *cobra.Command {
	list := &cobra.Command{
		Use:   "list",
		Short: "List the schedules of flows, and when each is due next",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return p.listSchedules(c.Context()) },
	}
	p.ClientFlags(list)
	return cli.Group("schedule", "Look at the schedules of flows", list)
}

func (p program) listSchedules(ctx context.Context) error {
	var list []admin.ScheduleInfo
	if done, err := p.Fetch(ctx, "/v1/schedules", &list); done || err != nil {
		return err
	}
	t := cli.NewTable(p.Stdout, "FLOW", "TRIGGER", "WHEN", "NEXT", "LAST", "MISSED", "HELD")
	for _, s := range list {
		next, last := "never", ""
		if !s.Next.IsZero() {
			next = cli.When(s.Next)
		}
		if !s.Last.IsZero() {
			last = cli.When(s.Last)
		}
		t.Row(s.Flow, s.Trigger, s.When, next, last, s.Missed, s.Held)
	}
	return t.End()
}

// cancelRun ends a run.
func (p program) cancelRun(ctx context.Context, id string) error {
	c, err := p.Client()
	if err != nil {
		return err
	}
	data, err := c.Do(ctx, "POST", "/v1/runs/"+url.PathEscape(id)+"/cancel", nil, nil)
	if err != nil {
		return err
	}
	if p.JSON {
		return p.PrintJSON(data)
	}
	_, err = fmt.Fprintf(p.Stdout, "run %s is cancelled\n", cli.Printable(id))
	return err
}
