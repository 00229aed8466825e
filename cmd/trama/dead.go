package main

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/trama-run/trama/host/admin"
	"github.com/trama-run/trama/host/deadletter"
)

// deadFilter are the flags that choose dead letters.
type deadFilter struct{ queue, channel, code, since, until string }

func (f *deadFilter) flags(c *cobra.Command) {
	c.Flags().StringVar(&f.queue, "queue", "", "only those of queues whose names begin with this `prefix`")
	c.Flags().StringVar(&f.channel, "channel", "", "only those of the channel with this `id`")
	c.Flags().StringVar(&f.code, "code", "", "only those whose reason has this `code`")
	c.Flags().StringVar(&f.since, "since", "", "only those from this `time` on: RFC 3339, or a duration ago such as 2h")
	c.Flags().StringVar(&f.until, "until", "", "only those from before this `time`")
}

// values gives the filter as the admin API takes it.
func (f *deadFilter) values() (map[string]string, error) {
	values := map[string]string{}
	for name, value := range map[string]string{"queue": f.queue, "channel": f.channel, "code": f.code} {
		if value != "" {
			values[name] = value
		}
	}
	for name, text := range map[string]string{"since": f.since, "until": f.until} {
		if text == "" {
			continue
		}
		at, err := time.Parse(time.RFC3339, text)
		if ago, durationErr := time.ParseDuration(text); err != nil && durationErr == nil {
			at, err = time.Now().Add(-ago), nil
		}
		if err != nil {
			return nil, usageError{fmt.Sprintf("--%s %q: want a time such as 2026-01-02T15:04:05Z, or a duration such as 2h", name, text)}
		}
		values[name] = at.UTC().Format(time.RFC3339)
	}
	return values, nil
}

func (p *program) deadCommand() *cobra.Command {
	var listed, replayed deadFilter
	var before string
	var limit, width int
	var all bool
	list := &cobra.Command{
		Use:   "list",
		Short: "List dead letters, newest first",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return p.listDead(c.Context(), listed, before, limit) },
	}
	listed.flags(list)
	list.Flags().StringVar(&before, "before", "", "only those older than the one with this `id`")
	list.Flags().IntVar(&limit, "limit", 100, "how many, at most")
	show := &cobra.Command{
		Use:   "show ID",
		Short: "Show a dead letter with its tries and its content",
		Args:  cobra.ExactArgs(1),
		RunE:  func(c *cobra.Command, args []string) error { return p.showDead(c.Context(), args[0], width) },
	}
	show.Flags().IntVar(&width, "width", 2000, "cut the content after this many characters; 0: never")
	replay := &cobra.Command{
		Use:   "replay [ID]",
		Short: "Put dead letters back to where they came from: one, or those that the flags choose",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			chosen := replayed != deadFilter{}
			if len(args) == 1 && (chosen || all) {
				return usageError{"an ID is of one dead letter: leave the other flags out"}
			}
			if len(args) == 1 {
				return p.replay(c.Context(), args[0])
			}
			if !chosen && !all {
				return usageError{"name the dead letter's ID, choose some by --queue, --channel, --code, --since or --until, or say --all"}
			}
			return p.replayAll(c.Context(), replayed)
		},
	}
	replayed.flags(replay)
	replay.Flags().BoolVar(&all, "all", false, "all of them")
	cancel := &cobra.Command{
		Use:   "cancel ID",
		Short: "Give a dead letter up: it is removed",
		Args:  cobra.ExactArgs(1),
		RunE:  func(c *cobra.Command, args []string) error { return p.cancelDead(c.Context(), args[0]) },
	}
	p.clientFlags(list, show, replay, cancel)
	return group("dead", "Look at events, messages and alerts that could not be worked on", list, show, replay, cancel)
}

func (p *program) listDead(ctx context.Context, filter deadFilter, before string, limit int) error {
	c, err := p.client()
	if err != nil {
		return err
	}
	values, err := filter.values()
	if err != nil {
		return err
	}
	query := url.Values{"limit": {strconv.Itoa(limit)}}
	if before != "" {
		query.Set("before", before)
	}
	for name, value := range values {
		query.Set(name, value)
	}
	var letters []deadletter.Letter
	data, err := c.do(ctx, "GET", "/v1/dead-letters?"+query.Encode(), nil, &letters)
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

func (p *program) showDead(ctx context.Context, id string, width int) error {
	c, err := p.client()
	if err != nil {
		return err
	}
	var d struct {
		admin.DeadLetter
		Content any `json:"content"`
	}
	data, err := c.do(ctx, "GET", "/v1/dead-letters/"+url.PathEscape(id), nil, &d)
	if err != nil {
		return err
	}
	if p.json {
		return p.printJSON(data)
	}
	t := newTable(p.stdout)
	for _, row := range [][2]string{
		{"id", d.ID}, {"at", when(d.At)}, {"queue", d.Queue}, {"channel", d.Channel},
		{"run", d.RunID}, {"effect", d.EffectID}, {"reason", errorText(&d.Reason)},
	} {
		if row[1] != "" {
			t.row(row[0], row[1])
		}
	}
	for n, try := range d.Tries {
		t.row(fmt.Sprint("try ", n+1), when(try.At)+"  "+try.Code+": "+try.Message)
	}
	content := d.Content
	if content == nil {
		content = d.Value
	}
	t.row("content", compact(content, width))
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

func (p *program) replayAll(ctx context.Context, filter deadFilter) error {
	c, err := p.client()
	if err != nil {
		return err
	}
	values, err := filter.values()
	if err != nil {
		return err
	}
	body := map[string]any{"all": len(values) == 0}
	for name, value := range values {
		body[name] = value
	}
	var done admin.Replayed
	data, err := c.do(ctx, "POST", "/v1/dead-letters/replay", body, &done)
	if err != nil {
		return err
	}
	if p.json {
		return p.printJSON(data)
	}
	text := fmt.Sprintf("%d dead letters are back in their queues\n", done.Replayed)
	if done.More {
		text += "there may be more: do it again\n"
	}
	_, err = fmt.Fprint(p.stdout, text)
	return err
}

func (p *program) cancelDead(ctx context.Context, id string) error {
	c, err := p.client()
	if err != nil {
		return err
	}
	data, err := c.do(ctx, "DELETE", "/v1/dead-letters/"+url.PathEscape(id), nil, nil)
	if err != nil {
		return err
	}
	if p.json {
		return p.printJSON(data)
	}
	_, err = fmt.Fprintf(p.stdout, "dead letter %s is removed\n", printable(id))
	return err
}
