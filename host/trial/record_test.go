package trial

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/engine"
	"github.com/trama-run/trama/host/run/record"
	"github.com/trama-run/trama/host/workspace"
)

var recorded = workspace.Files{
	"flows/fragile.yaml": []byte(`
schema: 1
id: fragile
triggers: [{id: start, type: gateway}]
nodes:
  - {id: parse, type: xml.to_json, with: {xml: "{{ input.body }}"}}
  - {id: news, type: emit_event, with: {event: order.made}}
  - {id: reply, type: response.json, with: {body: "{{ nodes.parse }}"}}
edges:
  - {from: start, to: parse}
  - {from: parse, to: news}
  - {from: news, to: reply}
`),
	"flows/wide.yaml": []byte(`
schema: 1
id: wide
triggers: [{id: start, type: gateway}]
nodes:
  - {id: all, type: for_each, with: {items: "{{ input.body }}", concurrency: 4}}
  - {id: parse, type: xml.to_json, with: {xml: "<a>{{ input }}</a>"}}
  - {id: news, type: emit_event, with: {event: item.seen, data: "{{ nodes.parse.a }}"}}
  - {id: reply, type: response.json, with: {body: "{{ nodes.all.results }}"}}
edges:
  - {from: start, to: all}
  - {from: all, port: each, to: parse}
  - {from: parse, to: news}
  - {from: all, to: reply}
`),
	"flows/long.yaml": []byte(`
schema: 1
id: long
triggers: [{id: start, type: gateway}]
nodes:
  - {id: all, type: for_each, with: {items: "{{ input.body }}"}}
  - {id: keep, type: set_flow, with: {set: {last: "{{ input }}"}}}
  - {id: parse, type: xml.to_json, with: {xml: "<a"}}
edges:
  - {from: start, to: all}
  - {from: all, port: each, to: keep}
  - {from: all, to: parse}
`),
}

// passesAgain writes the case of a record, reads it, and plays it.
func passesAgain(t *testing.T, b *Bench, r record.Record) (Case, []string) {
	t.Helper()
	c, notes := CaseOf(r)
	text, err := Write(c, notes)
	if err != nil {
		t.Fatal(err)
	}
	written, problems := Parse("again.test.yaml", text, "")
	if len(problems) > 0 {
		t.Fatalf("%v\n%s", problems, text)
	}
	passes(t, b, written[0])
	return c, notes
}

// TestCaseOfARetriedRun: it ends where the run had failed.
func TestCaseOfARetriedRun(t *testing.T) {
	b := open(t, recorded)
	w, err := b.World(t.Context(), Case{Flow: "fragile", Event: map[string]any{"body": "<a>1</a>"}, Calls: []Call{
		{Node: "parse", Error: &CallError{Code: "down", Message: "not now"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Begin(t.Context(), map[string]any{"body": "<a>1</a>"}); err != nil {
		t.Fatal(err)
	}
	w.answers.calls = nil // the second time, the plugin works
	if _, err := w.runner.Retry(t.Context(), "trial", false); err != nil {
		t.Fatal(err)
	}
	if err := w.End(t.Context()); err != nil {
		t.Fatal(err)
	}
	records, err := w.Records(t.Context())
	w.Close(t.Context())
	if err != nil || len(records) != 1 || records[0].Status != engine.Done {
		t.Fatalf("records %+v, %v", records, err)
	}
	c, notes := passesAgain(t, b, records[0])
	if !slices.Equal(c.Expect.Steps, []string{"parse"}) || c.Expect.Status != "failed" || !c.Expect.Answer.IsZero() || !c.Expect.Events.IsZero() || len(c.Calls) != 1 {
		t.Errorf("the case is %+v", c)
	}
	if len(notes) != 1 || !strings.Contains(notes[0], "was retried") {
		t.Errorf("notes: %q", notes)
	}
}

// TestCaseOfSubRunsAtOnce: in which order they came to an end is no matter.
func TestCaseOfSubRunsAtOnce(t *testing.T) {
	b := open(t, recorded)
	r := recordOf(t, b, Case{Flow: "wide", Event: map[string]any{"body": []any{"x", "y", "z"}}})
	subs := slices.DeleteFunc(slices.Clone(r.Steps), func(s record.Step) bool { return s.Path == "" })
	if len(subs) != 6 {
		t.Fatalf("%d steps of sub-runs", len(subs))
	}
	// As a server keeps it that had the last item's call back first.
	slices.SortStableFunc(subs, func(a, b record.Step) int { return strings.Compare(b.Path, a.Path) })
	copy(r.Steps, subs)
	c, _ := passesAgain(t, b, r)
	if want := []string{"all[0]/parse.next", "all[0]/news.next", "all[1]/parse.next"}; !slices.Equal(c.Expect.Steps[:3], want) {
		t.Errorf("expects %q", c.Expect.Steps)
	}
	slices.Reverse(c.Expect.Steps[:6])
	r2, err := b.Run(t.Context(), c)
	if err != nil || len(r2.Failures) == 0 {
		t.Errorf("one sub-run's steps in another order: %q, %v", r2.Failures, err)
	}
}

// TestCaseOfALongRun: the steps that were not kept are not compared, how it
// ended is.
func TestCaseOfALongRun(t *testing.T) {
	b := open(t, recorded)
	items := make([]any, 600)
	for i := range items {
		items[i] = int64(i)
	}
	r := recordOf(t, b, Case{Flow: "long", Event: map[string]any{"body": items}})
	if r.LeftSteps == 0 || r.Status != engine.Failed {
		t.Fatalf("%s, %d steps left", r.Status, r.LeftSteps)
	}
	c, _ := passesAgain(t, b, r)
	if c.Expect.Steps != nil || c.Expect.Status != "failed" || c.Expect.Error.IsZero() {
		t.Errorf("expects %+v", c.Expect)
	}
}

func TestByPath(t *testing.T) {
	for _, test := range []struct{ steps, want string }{
		{"a other/x b", "a other/x b"},
		{"g[10]/a g[2]/a g[2]/b g g[1]/c g[0]/c", "g[2]/a g[2]/b g[10]/a g g[0]/c g[1]/c"},
		{"g[1]/a g[1]/h[1]/x g[0]/a g[1]/h[0]/x g[1]/h g[0]/b", "g[0]/a g[0]/b g[1]/a g[1]/h[0]/x g[1]/h[1]/x g[1]/h"},
		{"j/g[b]/x j/g[a]/x j/g", "j/g[a]/x j/g[b]/x j/g"},
	} {
		if got := byPath(strings.Fields(test.steps), func(s string) string { return s }); fmt.Sprint(got) != "["+test.want+"]" {
			t.Errorf("%s: %q", test.steps, got)
		}
	}
}
