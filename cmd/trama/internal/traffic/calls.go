package traffic

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/trama-run/trama/cmd/trama/internal/cli"
	"github.com/trama-run/trama/host/calllog"
)

func (p program) callsCommand() *cobra.Command {
	var f calllog.Filter
	var route, since, until string
	var limit int
	list := &cobra.Command{
		Use:   "list",
		Short: "List calls in and out, the last that ended first",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			times, err := cli.Times(since, until)
			if err != nil {
				return err
			}
			query := url.Values{"limit": {strconv.Itoa(limit)}}
			for name, value := range map[string]string{
				"kind": f.Kind, "direction": f.Direction, "name": f.Name, "route": route, "method": f.Method, "endpoint": f.Endpoint, "status": f.Status,
				"run": f.Run, "contact": f.Contact, "client": f.Client, "request": f.RequestID, "effect": f.EffectID, "before": f.Before,
				"since": times["since"], "until": times["until"],
			} {
				if value != "" {
					query.Set(name, value)
				}
			}
			return p.listCalls(c.Context(), query)
		},
	}
	flags := list.Flags()
	flags.StringVar(&f.Run, "run", "", "only those of the run with this `id`")
	flags.StringVar(&route, "route", "", "only those of a route, such as \"POST /orders/:id\"")
	flags.StringVar(&f.Endpoint, "endpoint", "", "only those to a host, or to a path or URL and what is below it")
	flags.StringVar(&f.Status, "status", "", "only those answered so: 404, 5xx, or none for no answer")
	flags.StringVar(&f.Kind, "kind", "", "only gateway, webhook, connector, alert, subscription or host")
	flags.StringVar(&f.Name, "name", "", "only those of a route, channel, plugin.function, alert or subscription")
	flags.StringVar(&f.Direction, "direction", "", "only in or out")
	flags.StringVar(&f.Method, "method", "", "only those of this method")
	flags.StringVar(&f.Contact, "contact", "", "only those for the contact with this key")
	flags.StringVar(&f.Client, "client", "", "only those of this client")
	flags.StringVar(&f.RequestID, "request", "", "only the one with this request `id`")
	flags.StringVar(&f.EffectID, "effect", "", "only those of the effect with this `id`, all attempts")
	flags.StringVar(&since, "since", "", "only those that began at this `time` or later: RFC 3339, or a duration ago such as 2h")
	flags.StringVar(&until, "until", "", "only those that began before this `time`")
	flags.StringVar(&f.Before, "before", "", "only those that ended before the one with this `id`")
	flags.IntVar(&limit, "limit", 20, "how many at most")
	show := &cobra.Command{
		Use:   "show ID",
		Short: "Show a call with what was asked and answered",
		Args:  cobra.ExactArgs(1),
		RunE:  func(c *cobra.Command, args []string) error { return p.showCall(c.Context(), args[0]) },
	}
	p.ClientFlags(list, show)
	return cli.Group("calls", "Look at calls in and out: requests, webhooks, what plugins sent", list, show)
}

func (p program) listCalls(ctx context.Context, query url.Values) error {
	var calls []calllog.Call
	if done, err := p.Fetch(ctx, "/v1/calls?"+query.Encode(), &calls); done || err != nil {
		return err
	}
	t := cli.NewTable(p.Stdout, "ID", "BEGAN", "KIND", "NAME", "CALL", "STATUS", "TOOK", "TRY", "RUN")
	for _, call := range calls {
		try := ""
		if call.Attempt > 0 {
			try = strconv.Itoa(call.Attempt)
		}
		t.Row(call.ID, cli.When(call.At), call.Kind, call.Name, call.Method+" "+call.Endpoint, answered(call), cli.Took(call.Duration), try, call.Run)
	}
	return t.End()
}

// answered is the status of a call, or that there was no answer.
func answered(c calllog.Call) string {
	if c.Status == 0 {
		return "none"
	}
	return strconv.Itoa(c.Status)
}

func (p program) showCall(ctx context.Context, id string) error {
	var call calllog.Call
	if done, err := p.Fetch(ctx, "/v1/calls/"+url.PathEscape(id), &call); done || err != nil {
		return err
	}
	head := cli.NewTable(p.Stdout)
	attempt := ""
	if call.Attempt > 0 {
		attempt = strconv.Itoa(call.Attempt)
	}
	for _, line := range [][2]string{
		{"call", call.ID}, {"kind", call.Kind + ", " + call.Direction}, {"name", call.Name}, {"began", cli.When(call.At)}, {"took", cli.Took(call.Duration)},
		{"status", answered(call)}, {"error", call.Error}, {"attempt", attempt}, {"run", call.Run}, {"node", call.Node}, {"contact", call.Contact},
		{"client", call.Client}, {"peer", call.Peer}, {"request", call.RequestID}, {"effect", call.EffectID}, {"trace", call.Trace},
	} {
		if line[1] != "" {
			head.Row(line[0], line[1])
		}
	}
	if err := head.End(); err != nil {
		return err
	}
	fmt.Fprintf(p.Stdout, "\n%s\n", cli.Printable(call.Method+" "+call.Endpoint))
	writePart(p.Stdout, call.Request)
	fmt.Fprintf(p.Stdout, "\n%s\n", answered(call))
	writePart(p.Stdout, call.Response)
	return nil
}

// writePart writes one half of a call.
func writePart(w io.Writer, part calllog.Part) {
	for _, name := range slices.Sorted(maps.Keys(part.Headers)) {
		fmt.Fprintf(w, "  %s\n", cli.Printable(name+": "+part.Headers[name]))
	}
	switch {
	case part.Body != "":
		fmt.Fprintf(w, "\n%s\n", cli.Printable(part.Body))
	case part.BodyBase64 != "":
		fmt.Fprintf(w, "\n(base64) %s\n", part.BodyBase64)
	}
	if part.Cut {
		fmt.Fprintf(w, "(the body had %d bytes; what is not here was not kept)\n", part.Bytes)
	}
}
