package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/trama-run/trama/host/admin"
	"github.com/trama-run/trama/host/grant"
	record "github.com/trama-run/trama/host/run"
	"github.com/trama-run/trama/pdk/abi"
)

// shownWidth is how much of a value "runs show" prints without --full.
const shownWidth = 300

// runsFilter says which runs are listed.
type runsFilter struct {
	flow, status, before string
	limit                int
}

func (p *program) runsCommand() *cobra.Command {
	var filter runsFilter
	list := &cobra.Command{
		Use:   "list",
		Short: "List runs, newest first",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return p.listRuns(c.Context(), filter) },
	}
	list.Flags().StringVar(&filter.flow, "flow", "", "only runs of this flow")
	list.Flags().StringVar(&filter.status, "status", "", "only runs of this status: running, waiting, done, failed or cancelled")
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
	p.clientFlags(list, show, cancel)
	return group("runs", "Look at what ran, and play it again", append([]*cobra.Command{list, show, cancel}, p.runsAgainCommands()...)...)
}

func (p *program) listRuns(ctx context.Context, filter runsFilter) error {
	c, err := p.client()
	if err != nil {
		return err
	}
	query := url.Values{"limit": {strconv.Itoa(filter.limit)}}
	for name, value := range map[string]string{"flow": filter.flow, "status": filter.status, "before": filter.before} {
		if value != "" {
			query.Set(name, value)
		}
	}
	var runs []admin.RunInfo
	data, err := c.do(ctx, "GET", "/v1/runs?"+query.Encode(), nil, &runs)
	if err != nil {
		return err
	}
	if p.json {
		return p.printJSON(data)
	}
	t := newTable(p.stdout, "ID", "FLOW", "STATUS", "STARTED", "TOOK", "STEPS", "ERROR")
	for _, r := range runs {
		duration, failure := "", ""
		if r.Ended != nil {
			duration = took(r.Ended.Sub(r.Started))
		}
		if r.Error != nil {
			failure = "node " + r.Error.Node + ": " + r.Error.Code
		}
		t.row(r.ID, fmt.Sprintf("%s v%d", r.Flow, r.Version), string(r.Status), when(r.Started), duration, strconv.Itoa(r.Steps), failure)
	}
	return t.end()
}

func (p *program) showRun(ctx context.Context, id string, full, asTest bool) error {
	c, err := p.client()
	if err != nil {
		return err
	}
	var detail admin.RunDetail
	data, err := c.do(ctx, "GET", "/v1/runs/"+url.PathEscape(id), nil, &detail)
	if err != nil {
		return err
	}
	if asTest {
		return p.asTest(detail)
	}
	if p.json {
		return p.printJSON(data)
	}
	width := shownWidth
	if full {
		width = 0
	}
	return writeRun(p.stdout, detail, width)
}

// writeRun writes a run for people: what it was, each step, what plugins
// logged, and what became of its messages.
func writeRun(w io.Writer, r admin.RunDetail, width int) error {
	head := newTable(w)
	head.row("run", r.ID)
	head.row("flow", fmt.Sprintf("%s v%d", r.Flow, r.Version))
	head.row("status", string(r.Status))
	head.row("key", r.Key)
	head.row("trigger", r.Trigger)
	head.row("started", when(r.Started))
	if r.Ended != nil {
		head.row("took", took(r.Ended.Sub(r.Started)))
	}
	if r.Label != "" {
		head.row("ended as", r.Label)
	}
	if r.Result != nil {
		head.row("result", compact(r.Result, width))
	}
	if r.Reason != "" {
		head.row("reason", r.Reason)
	}
	if r.Error != nil {
		head.row("error", "node "+r.Error.Node+": "+errorText(&r.Error.Error))
	}
	if err := head.end(); err != nil {
		return err
	}
	fmt.Fprintf(w, "\nevent  %s\n", compact(r.Event, width))
	for _, step := range r.Steps {
		writeStep(w, step, width)
	}
	if r.LeftSteps > 0 {
		fmt.Fprintf(w, "\n%d more steps were not kept\n", r.LeftSteps)
	}
	if len(r.Lines) > 0 {
		fmt.Fprint(w, "\nlog\n")
		lines := newTable(w)
		for _, l := range r.Lines {
			lines.row("  "+l.At.Local().Format("15:04:05.000"), l.Node, l.Level, l.Text)
		}
		if err := lines.end(); err != nil {
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
	messages := newTable(w)
	for _, id := range slices.Sorted(maps.Keys(r.Deliveries)) {
		d := r.Deliveries[id]
		messages.row("  "+id, d.State, when(d.At), d.MessageID, errorText(d.Error))
	}
	return messages.end()
}

func writeStep(w io.Writer, s record.Step, width int) {
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
	parts = append(parts, took(s.Duration))
	if s.Attempt > 1 {
		parts = append(parts, fmt.Sprintf("attempt %d", s.Attempt))
	}
	fmt.Fprintf(w, "\n%s\n", printable(strings.Join(parts, "  ")))
	for _, value := range []struct {
		name  string
		value any
	}{{"input", s.Input}, {"output", s.Output}} {
		if value.value != nil {
			fmt.Fprintf(w, "     %-7s %s\n", value.name, compact(value.value, width))
		}
	}
	if s.Error != nil {
		fmt.Fprintf(w, "     error   %s\n", printable(errorText(s.Error)))
		if s.Error.Detail != nil {
			fmt.Fprintf(w, "     detail  %s\n", compact(s.Error.Detail, width))
		}
	}
	if s.EffectID != "" {
		fmt.Fprintf(w, "     effect  %s\n", printable(s.EffectID))
	}
	if c := s.Cost; c != nil {
		fmt.Fprintf(w, "     cost    %d units of fuel, %s of guest time, %s of memory\n", c.Fuel, took(c.GuestTime), grant.Size(c.MemoryBytes))
	}
}

// errorText gives "code: message"; nothing for nil.
func errorText(e *abi.Error) string {
	if e == nil {
		return ""
	}
	return e.Code + ": " + e.Message
}
