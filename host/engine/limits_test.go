package engine_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/engine"
	"github.com/trama-run/trama/pdk/abi"
)

// flowOf compiles a flow that a message starts.
func flowOf(t testing.TB, rest string) engine.Programs {
	t.Helper()
	p := compile(t, []byte("schema: 1\nid: f\ntriggers: [{id: start, type: message}]\n"+rest))
	return engine.Programs{"f": p}
}

func advance(t testing.TB, programs engine.Programs, s engine.Session, e engine.Event) engine.Outcome {
	t.Helper()
	if e.Now.IsZero() {
		e.Now = began
	}
	out, err := programs.Advance(s, e)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// onward lets a session go on that paused, and counts the moves.
func onward(t testing.TB, programs engine.Programs, out engine.Outcome) (all engine.Outcome, moves int) {
	t.Helper()
	all = out
	for moves = 1; out.Session.Paused(); moves++ {
		if len(out.Effects) > 100 || len(out.Steps) > 2100 || out.Session.Due().After(began) {
			t.Fatalf("%d effects and %d steps in one move, due at %s", len(out.Effects), len(out.Steps), out.Session.Due())
		}
		var stored engine.Session
		data, err := json.Marshal(out.Session)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(data, &stored); err != nil {
			t.Fatal(err)
		}
		out = advance(t, programs, stored, engine.Event{Tick: true})
		all.Session = out.Session
		all.Effects, all.Steps = append(all.Effects, out.Effects...), append(all.Steps, out.Steps...)
	}
	return all, moves
}

func TestAThousandItems(t *testing.T) {
	programs := flowOf(t, `
nodes:
  - {id: all, type: for_each, with: {items: "{{ 1..1000 }}"}}
  - {id: a, type: set_flow, with: {set: {n: "{{ input * 2 }}"}}}
  - {id: b, type: conditional, with: {branches: [{port: even, when: flow.n % 2 == 0}]}}
  - {id: c, type: set_flow, with: {set: {n: "{{ flow.n + 1 }}"}}}
  - {id: d, type: emit_event, with: {event: seen}}
  - {id: e, type: end, with: {result: "{{ flow.n }}"}}
edges:
  - {from: start, to: all}
  - {from: all, port: each, to: a}
  - {from: a, to: b}
  - {from: b, port: even, to: c}
  - {from: c, to: d}
  - {from: d, to: e}
`)
	out, moves := onward(t, programs, advance(t, programs, begin("r", programs, "start"), engine.Event{Start: &engine.Start{Trigger: "start"}}))
	if run := out.Session.Run; run.Status != engine.Done || out.Session.Steps != 5001 || len(out.Effects) != 1000 || moves != 11 {
		t.Fatalf("%s, %d steps, %d effects, %d moves, %+v", run.Status, out.Session.Steps, len(out.Effects), moves, run.Failure)
	}
	output, _ := out.Session.Run.Nodes["all"].(map[string]any)
	if results, _ := output["results"].([]any); len(results) != 1000 || results[999] != int64(2001) || output["failed"] != int64(0) {
		t.Errorf("got %d results, %v failed", len(results), output["failed"])
	}
}

// TestALongWalkPauses: a run makes no more effects in one move than a commit
// takes, and passes no more nodes than others can wait for, with sub-runs or
// without; and it comes to the same end.
func TestALongWalkPauses(t *testing.T) {
	for name, c := range map[string]struct {
		flow           string
		effects, moves int
		steps          int
	}{
		"a loop of messages": {`
nodes:
  - {id: say, type: send_message, with: {text: hi}}
  - {id: count, type: set_flow, with: {increment: {n: 1}}}
  - {id: more, type: conditional, with: {branches: [{port: again, when: flow.n < 300}]}}
edges:
  - {from: start, to: say}
  - {from: say, to: count}
  - {from: count, to: more}
  - {from: more, port: again, to: say}
`, 300, 4, 900},
		"large values": {`
nodes:
  - {id: all, type: for_each, with: {items: "{{ 1..10 }}"}}
  - {id: tell, type: emit_event, with: {event: seen, data: "{{ repeat('x', 300000) }}"}}
edges:
  - {from: start, to: all}
  - {from: all, port: each, to: tell}
`, 10, 3, 11},
		"sub-runs without an effect": {`
nodes:
  - {id: all, type: for_each, with: {items: "{{ 1..1000 }}", concurrency: 32}}
  - {id: a, type: set_flow, with: {set: {n: 1}}}
  - {id: b, type: set_flow, with: {set: {n: 2}}}
  - {id: c, type: set_flow, with: {set: {n: 3}}}
edges:
  - {from: start, to: all}
  - {from: all, port: each, to: a}
  - {from: a, to: b}
  - {from: b, to: c}
`, 0, 2, 3001},
	} {
		t.Run(name, func(t *testing.T) {
			programs := flowOf(t, c.flow)
			out, moves := onward(t, programs, advance(t, programs, begin("r", programs, "start"), engine.Event{Start: &engine.Start{Trigger: "start"}}))
			if run := out.Session.Run; run.Status != engine.Done || len(out.Effects) != c.effects || moves != c.moves || out.Session.Steps != c.steps {
				t.Errorf("%s, %d effects, %d moves, %d steps, %+v", run.Status, len(out.Effects), moves, out.Session.Steps, run.Failure)
			}
			ids := map[string]bool{}
			for _, e := range out.Effects {
				ids[e.ID] = true
			}
			if len(ids) != c.effects {
				t.Errorf("%d effects have %d ids", c.effects, len(ids))
			}
		})
	}
}

// TestSubRunsBeginAfterAPause: those that had their turn wait beside the others,
// as many at once as the group lets.
func TestSubRunsBeginAfterAPause(t *testing.T) {
	programs := flowOf(t, `
nodes:
  - {id: all, type: for_each, with: {items: "{{ 1..40 }}", concurrency: 20}}
  - {id: say, type: for_each, with: {items: "{{ 1..30 }}"}}
  - {id: one, type: emit_event, with: {event: seen}}
  - {id: get, type: http.request}
edges:
  - {from: start, to: all}
  - {from: all, port: each, to: say}
  - {from: say, port: each, to: one}
  - {from: say, to: get}
`)
	out, _ := onward(t, programs, advance(t, programs, begin("r", programs, "start"), engine.Event{Start: &engine.Start{Trigger: "start"}}))
	if calls := out.Session.Calls(); len(calls) != 20 || len(out.Effects) != 600 {
		t.Fatalf("%d calls, %d effects", len(calls), len(out.Effects))
	}
	for n := 0; len(out.Session.Calls()) > 0; n++ {
		calls := out.Session.Calls()
		out, _ = onward(t, programs, advance(t, programs, out.Session, engine.Event{Result: &engine.Result{EffectID: calls[n%len(calls)].EffectID}}))
	}
	if out.Session.Run.Status != engine.Done || out.Session.Paused() {
		t.Errorf("%s", out.Session.Run.Status)
	}
}

// TestAThousandNodes: the largest flow is passed in one go.
func TestAThousandNodes(t *testing.T) {
	var nodes, edges strings.Builder
	edges.WriteString("edges:\n  - {from: start, to: n0}\n")
	for i := range 1000 {
		fmt.Fprintf(&nodes, "  - {id: n%d, type: set_flow, with: {set: {n: \"{{ (flow.n ?? 0) + 1 }}\"}}}\n", i)
		if i > 0 {
			fmt.Fprintf(&edges, "  - {from: n%d, to: n%d}\n", i-1, i)
		}
	}
	programs := flowOf(t, "nodes:\n"+nodes.String()+edges.String())
	out := advance(t, programs, begin("r", programs, "start"), engine.Event{Start: &engine.Start{Trigger: "start"}})
	if run := out.Session.Run; run.Status != engine.Done || run.Vars["n"] != int64(1000) {
		t.Errorf("%s, %v, %+v", run.Status, run.Vars["n"], run.Failure)
	}
}

// TestResultsCantDouble: what groups give is put together without a copy, so
// that a loop could make a value that no walk through it would end.
func TestResultsCantDouble(t *testing.T) {
	for _, after := range []string{"", "  - {from: twice, port: error, to: twice}\n"} {
		programs := flowOf(t, `
nodes: [{id: twice, type: parallel, with: {branches: [a, b]}}]
edges:
  - {from: start, to: twice}
  - {from: twice, to: twice}
`+after)
		out := advance(t, programs, begin("r", programs, "start"), engine.Event{Start: &engine.Start{Trigger: "start", Value: map[string]any{"text": "x"}}})
		if f := out.Session.Run.Failure; f == nil || f.Code != abi.CodeLimit {
			t.Errorf("%s, %+v", out.Session.Run.Status, f)
		}
		refused := slices.IndexFunc(out.Steps, func(s engine.Step) bool {
			return s.Error != nil && strings.Contains(s.Error.Message, `node "twice": the results of its sub-runs are over the limit of 16777216 bytes`)
		})
		if refused < 10 || refused > 30 {
			t.Errorf("step %d of %d was refused", refused, len(out.Steps))
		}
	}
}

// TestErrorsCount: what errors hold is held by the session, too.
func TestErrorsCount(t *testing.T) {
	programs := flowOf(t, `
nodes:
  - {id: all, type: for_each, with: {items: "{{ 1..1000 }}"}}
  - {id: get, type: http.request}
edges:
  - {from: start, to: all}
  - {from: all, port: each, to: get}
`)
	detail, err := json.Marshal(strings.Repeat("x", 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	out := advance(t, programs, begin("r", programs, "start"), engine.Event{Start: &engine.Start{Trigger: "start"}})
	calls := 0
	for ; !out.Session.Over(); calls++ {
		out = advance(t, programs, out.Session, engine.Event{Result: &engine.Result{
			EffectID: out.Session.Calls()[0].EffectID, Error: &abi.Error{Code: "x", Message: "no", Detail: detail}}})
	}
	if f := out.Session.Run.Failure; f == nil || f.Code != abi.CodeLimit || calls > 17 {
		t.Errorf("after %d calls: %+v", calls, f)
	}
}

// TestRunsAtOnce: groups within groups take fewer at a time rather than more
// than a session may have, and come to their end.
func TestRunsAtOnce(t *testing.T) {
	programs := flowOf(t, `
nodes:
  - {id: a, type: for_each, with: {items: "{{ 1..32 }}", concurrency: 32}}
  - {id: b, type: for_each, with: {items: "{{ 1..32 }}", concurrency: 32}}
  - {id: c, type: for_each, with: {items: [1], concurrency: 3}}
  - {id: get, type: http.request}
edges:
  - {from: start, to: a}
  - {from: a, port: each, to: b}
  - {from: b, port: each, to: c}
  - {from: c, port: each, to: get}
`)
	out := advance(t, programs, begin("r", programs, "start"), engine.Event{Start: &engine.Start{Trigger: "start"}})
	most, calls := 0, 0
	for ; !out.Session.Over(); calls++ {
		pending := out.Session.Calls()
		most = max(most, len(pending))
		out = advance(t, programs, out.Session, engine.Event{Result: &engine.Result{EffectID: pending[calls*7%len(pending)].EffectID, Output: int64(1)}})
	}
	if out.Session.Run.Status != engine.Done || calls != 32*32 || most > 600 || most < 400 {
		t.Errorf("%s after %d calls, %d at once, %+v", out.Session.Run.Status, calls, most, out.Session.Run.Failure)
	}
}

func TestParallelTakesTwoAndThirtyAtOnce(t *testing.T) {
	var branches []string
	edges := "  - {from: start, to: all}\n"
	for i := range 40 {
		name := fmt.Sprintf("b%d", i)
		branches = append(branches, name)
		edges += fmt.Sprintf("  - {from: all, port: %s, to: get}\n", name)
	}
	programs := flowOf(t, "nodes:\n  - {id: all, type: parallel, with: {branches: ["+strings.Join(branches, ", ")+
		"]}}\n  - {id: get, type: http.request}\nedges:\n"+edges)
	out := advance(t, programs, begin("r", programs, "start"), engine.Event{Start: &engine.Start{Trigger: "start"}})
	if n := len(out.Session.Calls()); n != 32 {
		t.Errorf("%d at once", n)
	}
}

// TestOneMegabyte: a value of 1 MiB may be called with, but not be kept over a
// wait.
func TestOneMegabyte(t *testing.T) {
	programs := flowOf(t, `
nodes:
  - {id: keep, type: set_flow, with: {set: {big: "{{ input.text }}"}}}
  - {id: get, type: http.request, with: {body: "{{ flow.big }}"}}
  - {id: free, type: set_flow, with: {set: {big: null}}}
  - {id: hold, type: wait, with: {for: 1h}}
  - {id: late, type: end, with: {result: "{{ len(flow.big) }}"}}
edges:
  - {from: start, to: keep}
  - {from: keep, to: get}
  - {from: get, to: hold}
  - {from: hold, to: free}
  - {from: free, to: late}
`)
	megabyte := strings.Repeat("x", 1<<20)
	out := advance(t, programs, begin("r", programs, "start"), engine.Event{Start: &engine.Start{Trigger: "start", Value: map[string]any{"text": megabyte}}})
	calls := out.Session.Calls()
	if len(calls) != 1 || calls[0].Input.(map[string]any)["body"] != megabyte {
		t.Fatalf("%s, %+v", out.Session.Run.Status, out.Session.Run.Failure)
	}
	out = advance(t, programs, out.Session, engine.Event{Result: &engine.Result{EffectID: calls[0].EffectID, Output: int64(1)}})
	want := `node "hold": the run holds values over the limit of 262144 bytes; let the nodes before the wait give smaller outputs`
	if f := out.Session.Run.Failure; f == nil || f.Code != abi.CodeLimit || f.Message != want {
		t.Errorf("got %+v", f)
	}
}
