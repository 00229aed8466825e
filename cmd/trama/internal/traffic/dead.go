package traffic

import (
	"context"
	"fmt"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/trama-run/trama/cmd/trama/internal/cli"
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
	values, err := cli.Times(f.since, f.until)
	if err != nil {
		return nil, err
	}
	for name, value := range map[string]string{"queue": f.queue, "channel": f.channel, "code": f.code} {
		if value != "" {
			values[name] = value
		}
	}
	return values, nil
}

func (p program) deadCommand() *cobra.Command {
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
				return cli.Usage("an ID is of one dead letter: leave the other flags out")
			}
			if len(args) == 1 {
				return p.replay(c.Context(), args[0])
			}
			if !chosen && !all {
				return cli.Usage("name the dead letter's ID, choose some by --queue, --channel, --code, --since or --until, or say --all")
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
	p.ClientFlags(list, show, replay, cancel)
	return cli.Group("dead", "Look at events, messages and alerts that could not be worked on", list, show, replay, cancel)
}

func (p program) listDead(ctx context.Context, filter deadFilter, before string, limit int) error {
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
	if done, err := p.Fetch(ctx, "/v1/dead-letters?"+query.Encode(), &letters); done || err != nil {
		return err
	}
	t := cli.NewTable(p.Stdout, "ID", "AT", "CHANNEL", "QUEUE", "REASON")
	for _, d := range letters {
		t.Row(d.ID, cli.When(d.At), d.Channel, d.Queue, cli.ErrorText(&d.Reason))
	}
	return t.End()
}

func (p program) showDead(ctx context.Context, id string, width int) error {
	var d struct {
		admin.DeadLetter
		Content any `json:"content"`
	}
	if done, err := p.Fetch(ctx, "/v1/dead-letters/"+url.PathEscape(id), &d); done || err != nil {
		return err
	}
	t := cli.NewTable(p.Stdout)
	for _, row := range [][2]string{
		{"id", d.ID}, {"at", cli.When(d.At)}, {"queue", d.Queue}, {"channel", d.Channel},
		{"run", d.RunID}, {"effect", d.EffectID}, {"reason", cli.ErrorText(&d.Reason)},
	} {
		if row[1] != "" {
			t.Row(row[0], row[1])
		}
	}
	for n, try := range d.Tries {
		t.Row(fmt.Sprint("try ", n+1), cli.When(try.At)+"  "+try.Code+": "+try.Message)
	}
	content := d.Content
	if content == nil {
		content = d.Value
	}
	t.Row("content", cli.Compact(content, width))
	return t.End()
}

func (p program) replay(ctx context.Context, id string) error {
	c, err := p.Client()
	if err != nil {
		return err
	}
	data, err := c.Do(ctx, "POST", "/v1/dead-letters/"+url.PathEscape(id)+"/replay", nil, nil)
	if err != nil {
		return err
	}
	if p.JSON {
		return p.PrintJSON(data)
	}
	_, err = fmt.Fprintf(p.Stdout, "dead letter %s is back in its queue\n", cli.Printable(id))
	return err
}

func (p program) replayAll(ctx context.Context, filter deadFilter) error {
	c, err := p.Client()
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
	data, err := c.Do(ctx, "POST", "/v1/dead-letters/replay", body, &done)
	if err != nil {
		return err
	}
	if p.JSON {
		return p.PrintJSON(data)
	}
	text := fmt.Sprintf("%d dead letters are back in their queues\n", done.Replayed)
	if done.More {
		text += "there may be more: do it again\n"
	}
	_, err = fmt.Fprint(p.Stdout, text)
	return err
}

func (p program) cancelDead(ctx context.Context, id string) error {
	c, err := p.Client()
	if err != nil {
		return err
	}
	data, err := c.Do(ctx, "DELETE", "/v1/dead-letters/"+url.PathEscape(id), nil, nil)
	if err != nil {
		return err
	}
	if p.JSON {
		return p.PrintJSON(data)
	}
	_, err = fmt.Fprintf(p.Stdout, "dead letter %s is removed\n", cli.Printable(id))
	return err
}
