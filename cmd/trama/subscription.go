package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/trama-run/trama/cmd/trama/internal/cli"
	"github.com/trama-run/trama/host/admin"
	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/webhook"
)

// subscriptionCommands are those that subscriptions have beside those of all
// objects.
func (p *program) subscriptionCommands() []*cobra.Command {
	state := &cobra.Command{
		Use:   "state ID",
		Short: "Show how a subscription does, with its last deliveries",
		Args:  cobra.ExactArgs(1),
		RunE:  func(c *cobra.Command, args []string) error { return p.subscriptionState(c.Context(), args[0]) },
	}
	test := &cobra.Command{
		Use:   "test ID",
		Short: "Send a test event to a subscription now, and tell what came of it",
		Args:  cobra.ExactArgs(1),
		RunE:  func(c *cobra.Command, args []string) error { return p.testSubscription(c.Context(), args[0]) },
	}
	enable := &cobra.Command{
		Use:   "enable ID",
		Short: "Enable a subscription that was disabled for its failures",
		Args:  cobra.ExactArgs(1),
		RunE:  func(c *cobra.Command, args []string) error { return p.enableSubscription(c.Context(), args[0]) },
	}
	var typ, code, since, until string
	replay := &cobra.Command{
		Use:   "replay ID [EVENT]",
		Short: "Send dead deliveries of a subscription again, under their ids",
		Long: `Send dead deliveries of a subscription again, under their ids: that of one event,
those that the flags choose, or all of them.`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(c *cobra.Command, args []string) error {
			q := admin.ReplayRequest{Type: typ, Code: code}
			if len(args) == 2 {
				q.Event = args[1]
			}
			values, err := cli.Times(since, until)
			if err != nil {
				return err
			}
			q.Since, q.Until = values["since"], values["until"]
			return p.replaySubscription(c.Context(), args[0], q)
		},
	}
	replay.Flags().StringVar(&typ, "type", "", "only events of this `type`, such as run.finished")
	replay.Flags().StringVar(&code, "code", "", "only those whose reason has this `code`")
	replay.Flags().StringVar(&since, "since", "", "only those that died from this `time` on: RFC 3339, or a duration ago such as 2h")
	replay.Flags().StringVar(&until, "until", "", "only those that died before this `time`")
	commands := []*cobra.Command{state, test, enable, replay}
	p.ClientFlags(commands...)
	return commands
}

func subscriptionPath(id, what string) string {
	return "/v1/subscriptions/" + url.PathEscape(id) + "/" + what
}

func (p *program) subscriptionState(ctx context.Context, id string) error {
	var s webhook.Status
	if done, err := p.Fetch(ctx, subscriptionPath(id, "state"), &s); done || err != nil {
		return err
	}
	t := cli.NewTable(p.Stdout)
	t.Row("active", strconv.FormatBool(s.Active))
	if s.Held != "" {
		t.Row("held", s.Held)
	}
	if !s.Failing.IsZero() {
		t.Row("failing since", fmt.Sprintf("%s, %d tries", cli.When(s.Failing), s.Failed))
	}
	if s.Disabled != nil {
		t.Row("disabled", cli.When(s.Disabled.At)+", "+s.Disabled.Reason)
	}
	if !s.Taken.IsZero() {
		t.Row("last taken", cli.When(s.Taken))
	}
	if s.Missed > 0 {
		t.Row("missed", fmt.Sprintf("%d events while it was disabled; they are not sent any more", s.Missed))
	}
	waiting := strconv.Itoa(s.Waiting)
	if s.Waiting == webhook.MaxWaiting {
		waiting += " or more"
	}
	t.Row("waiting", waiting)
	for _, warning := range s.Warnings {
		t.Row("warning", warning)
	}
	if err := t.End(); err != nil || len(s.Attempts) == 0 {
		return err
	}
	fmt.Fprintln(p.Stdout)
	t = cli.NewTable(p.Stdout, "AT", "EVENT", "TYPE", "STATUS", "MS", "ERROR")
	for _, a := range s.Attempts {
		t.Row(attemptCells(a)...)
	}
	return t.End()
}

// heldSubscriptions says of subscriptions that were set why nothing is sent to
// them so far, as the doctor would.
func (p *program) heldSubscriptions(ctx context.Context, changes []catalog.Change) error {
	c, err := p.Client()
	if err != nil {
		return err
	}
	for _, change := range changes {
		_, id, _ := strings.Cut(change.Object, "/")
		var status webhook.Status
		if _, err := c.Do(ctx, http.MethodGet, subscriptionPath(id, "state"), nil, &status); err != nil {
			return err
		}
		if status.Held != "" {
			fmt.Fprintln(p.Stdout, "held: "+cli.Printable(status.Held))
		}
	}
	return nil
}

func attemptCells(a webhook.Attempt) []string {
	status := "-"
	if a.Status > 0 {
		status = strconv.Itoa(a.Status)
	}
	return []string{cli.When(a.At), a.Event, a.Type, status, strconv.FormatInt(a.Millis, 10), a.Error}
}

func (p *program) testSubscription(ctx context.Context, id string) error {
	c, err := p.Client()
	if err != nil {
		return err
	}
	var a webhook.Attempt
	data, err := c.Do(ctx, http.MethodPost, subscriptionPath(id, "test"), nil, &a)
	if err != nil {
		return err
	}
	if p.JSON {
		err = p.PrintJSON(data)
	} else if a.Error == "" {
		_, err = fmt.Fprintf(p.Stdout, "%s answered %d after %d ms\n", cli.Printable(id), a.Status, a.Millis)
	} else {
		_, err = fmt.Fprintln(p.Stderr, cli.Printable(a.Error))
	}
	if err == nil && a.Error != "" {
		err = cli.ErrReported
	}
	return err
}

func (p *program) enableSubscription(ctx context.Context, id string) error {
	c, err := p.Client()
	if err != nil {
		return err
	}
	data, err := c.Do(ctx, http.MethodPost, subscriptionPath(id, "enable"), nil, nil)
	if err != nil {
		return err
	}
	if p.JSON {
		return p.PrintJSON(data)
	}
	_, err = fmt.Fprintf(p.Stdout, "%s is enabled; what waited while it was not is sent with: trama subscription replay %s\n", cli.Printable(id), cli.Printable(id))
	return err
}

func (p *program) replaySubscription(ctx context.Context, id string, q admin.ReplayRequest) error {
	c, err := p.Client()
	if err != nil {
		return err
	}
	var done admin.Replayed
	data, err := c.Do(ctx, http.MethodPost, subscriptionPath(id, "replay"), q, &done)
	if err != nil {
		return err
	}
	if p.JSON {
		return p.PrintJSON(data)
	}
	more := ""
	if done.More {
		more = "; there are more"
	}
	_, err = fmt.Fprintf(p.Stdout, "%d deliveries go out again%s\n", done.Replayed, more)
	return err
}
