// Package runs has the commands that start runs and look at them: what ran and
// runs, what waits, sleeps or is due. How a run is played again is trials'.
package runs

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/trama-run/trama/cmd/trama/internal/cli"
	"github.com/trama-run/trama/host/admin"
	"github.com/trama-run/trama/host/grant"
	"github.com/trama-run/trama/host/run/record"
)

// runsFilter says which runs are listed.
type runsFilter struct {
	flow, status, before string
	limit                int
}

// program is one execution of trama.
type program struct{ *cli.Program }

// Commands returns "runs", and what starts runs and lists those to come; more are
// commands that "runs" has beside those of this room.
func Commands(of *cli.Program, more ...*cobra.Command) []*cobra.Command {
	p := program{of}
	return []*cobra.Command{p.runsCommand(more), p.activateCommand(), p.eventCommand(), p.scheduleCommand(), p.sessionCommand()}
}

func (p program) runsCommand(more []*cobra.Command) *cobra.Command {
	var filter runsFilter
	list := &cobra.Command{
		Use:   "list",
		Short: "List runs, newest first",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return p.listRuns(c.Context(), filter) },
	}
	list.Flags().StringVar(&filter.flow, "flow", "", "only runs of this flow")
	list.Flags().StringVar(&filter.status, "status", "", "only runs of this status: queued, running, waiting, done, failed or cancelled")
	list.Flags().StringVar(&filter.before, "before", "", "only runs older than the one with this `id`")
	list.Flags().IntVar(&filter.limit, "limit", 20, "how many at most")
	var full, asTest bool
	show := &cobra.Command{
		Use:   "show ID",
		Short: "Show each step of a run",
		Args:  cobra.ExactArgs(1),
		RunE:  func(c *cobra.Command, args []string) error { return p.showRun(c.Context(), args[0], full, asTest) },
	}
	show.Flags().BoolVar(&full, "full", false, "cut no value")
	show.Flags().BoolVar(&asTest, "as-test", false, "print a case for trama flow test that does what the run did")
	cancel := &cobra.Command{
		Use:   "cancel ID",
		Short: "End a run that waits, sleeps or can't go on",
		Args:  cobra.ExactArgs(1),
		RunE:  func(c *cobra.Command, args []string) error { return p.cancelRun(c.Context(), args[0]) },
	}
	p.ClientFlags(list, show, cancel)
	return cli.Group("runs", "Look at what ran, and play it again", append(more, list, show, cancel, p.retryCommand())...)
}

func (p program) listRuns(ctx context.Context, filter runsFilter) error {
	query := url.Values{"limit": {strconv.Itoa(filter.limit)}}
	for name, value := range map[string]string{"flow": filter.flow, "status": filter.status, "before": filter.before} {
		if value != "" {
			query.Set(name, value)
		}
	}
	var runs []admin.RunInfo
	if done, err := p.Fetch(ctx, "/v1/runs?"+query.Encode(), &runs); done || err != nil {
		return err
	}
	t := cli.NewTable(p.Stdout, "ID", "FLOW", "STATUS", "STARTED", "TOOK", "STEPS", "ERROR")
	for _, r := range runs {
		duration, failure := "", ""
		if r.Ended != nil {
			duration = cli.Took(r.Ended.Sub(r.Started))
		}
		if r.Error != nil {
			failure = "node " + r.Error.Node + ": " + r.Error.Code
		}
		if r.Refused != nil {
			failure = "its caller got: " + r.Refused.Code
		}
		t.Row(r.ID, fmt.Sprintf("%s v%d", r.Flow, r.Version), string(r.Status), cli.When(r.Started), duration, strconv.Itoa(r.Steps), failure)
	}
	return t.End()
}

func (p program) showRun(ctx context.Context, id string, full, asTest bool) error {
	c, err := p.Client()
	if err != nil {
		return err
	}
	var detail admin.RunDetail
	data, err := c.Do(ctx, "GET", "/v1/runs/"+url.PathEscape(id), nil, &detail)
	if err != nil {
		return err
	}
	if asTest {
		return p.asTest(detail)
	}
	if p.JSON {
		return p.PrintJSON(data)
	}
	width := cli.ShownWidth
	if full {
		width = 0
	}
	return writeRun(p.Stdout, detail, width)
}

// writeRun writes a run for people: what it was, each step, what plugins
// logged, and what became of its messages.
func writeRun(w io.Writer, r admin.RunDetail, width int) error {
	head := cli.NewTable(w)
	head.Row("run", r.ID)
	head.Row("flow", fmt.Sprintf("%s v%d", r.Flow, r.Version))
	head.Row("status", string(r.Status))
	if r.Refused != nil {
		head.Row("refused", r.Refused.Code+": "+r.Refused.Message)
	}
	head.Row("key", r.Key)
	head.Row("trigger", r.Trigger)
	if from := r.From; from != nil {
		if from.Channel != "" {
			head.Row("channel", from.Channel)
		}
		if from.Request != "" {
			head.Row("request", from.Request)
		}
	}
	head.Row("started", cli.When(r.Started))
	if r.Ended != nil {
		head.Row("took", cli.Took(r.Ended.Sub(r.Started)))
	}
	if r.Label != "" {
		head.Row("ended as", r.Label)
	}
	if r.Result != nil {
		head.Row("result", cli.Compact(r.Result, width))
	}
	if r.Reason != "" {
		head.Row("reason", r.Reason)
	}
	if r.Error != nil {
		head.Row("error", "node "+r.Error.Node+": "+cli.ErrorText(&r.Error.Error))
	}
	if err := head.End(); err != nil {
		return err
	}
	fmt.Fprintf(w, "\nevent  %s\n", cli.Compact(r.Event, width))
	for _, step := range r.Steps {
		WriteStep(w, step, width)
	}
	if n := r.LeftSteps - len(r.Last); n > 0 {
		fmt.Fprintf(w, "\n%d more steps were not kept\n", n)
	}
	for _, step := range r.Last {
		WriteStep(w, step, width)
	}
	if len(r.Lines) > 0 {
		fmt.Fprint(w, "\nlog\n")
		lines := cli.NewTable(w)
		for _, l := range r.Lines {
			lines.Row("  "+l.At.Local().Format("15:04:05.000"), l.Node, l.Level, l.Text)
		}
		if err := lines.End(); err != nil {
			return err
		}
	}
	if r.LeftLines > 0 {
		fmt.Fprintf(w, "  %d more lines were not kept\n", r.LeftLines)
	}
	if len(r.Deliveries) == 0 {
		return nil
	}
	fmt.Fprint(w, "\nmessages\n")
	messages := cli.NewTable(w)
	earlier := func(a, b string) int {
		return cmp.Or(r.Deliveries[a].At.Compare(r.Deliveries[b].At), cmp.Compare(a, b))
	}
	for _, id := range slices.SortedFunc(maps.Keys(r.Deliveries), earlier) {
		d := r.Deliveries[id]
		messages.Row("  "+id, d.State, cli.When(d.At), d.MessageID, cli.ErrorText(d.Error))
	}
	return messages.End()
}

// WriteStep writes one step of a run; values are cut after width characters, or
// if it is 0 not at all.
func WriteStep(w io.Writer, s record.Step, width int) {
	where := s.Node
	if s.Path != "" {
		where = s.Path + "/" + where
	}
	if s.Flow != "" {
		where += " of " + s.Flow
	}
	parts := []string{fmt.Sprintf("%3d  %s", s.Ordinal, where), s.Type}
	if s.Port != "" {
		parts = append(parts, "-> "+s.Port)
	}
	parts = append(parts, cli.Took(s.Duration))
	if s.Attempt > 1 {
		parts = append(parts, fmt.Sprintf("attempt %d", s.Attempt))
	}
	fmt.Fprintf(w, "\n%s\n", cli.Printable(strings.Join(parts, "  ")))
	for _, value := range []struct {
		name  string
		value any
	}{{"input", s.Input}, {"output", s.Output}, {"sent", s.Sent}} {
		if value.value != nil {
			fmt.Fprintf(w, "     %-7s %s\n", value.name, cli.Compact(value.value, width))
		}
	}
	if s.Error != nil {
		fmt.Fprintf(w, "     error   %s\n", cli.Printable(cli.ErrorText(s.Error)))
		if s.Error.Detail != nil {
			fmt.Fprintf(w, "     detail  %s\n", cli.Compact(s.Error.Detail, width))
		}
	}
	if s.EffectID != "" {
		fmt.Fprintf(w, "     effect  %s\n", cli.Printable(s.EffectID))
	}
	if c := s.Cost; c != nil {
		fmt.Fprintf(w, "     cost    %d units of fuel, %s of guest time, %s of memory\n", c.Fuel, cli.Took(c.GuestTime), grant.Size(c.MemoryBytes))
	}
}
