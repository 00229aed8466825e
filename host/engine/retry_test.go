package engine_test

import (
	"strings"
	"testing"
	"time"

	"github.com/trama-run/trama/host/engine"
	"github.com/trama-run/trama/pdk/abi"
)

// TestRetryOfTooMuch: a run that failed since it held too much is retried where
// it failed. No call that was made is made again.
func TestRetryOfTooMuch(t *testing.T) {
	for name, c := range map[string]struct {
		then  string // the node after the call
		bytes int    // that each call gives
	}{
		"over a wait":           {"type: wait, with: {for: 1h}", 200_000},
		"over a wait in a jump": {"type: jump, with: {flow: g}", 200_000},
		"of what it gathered":   {"type: set_flow, with: {set: {n: 1}}", 9 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			programs := flowOf(t, `
nodes:
  - {id: all, type: for_each, with: {items: [1, 2], concurrency: 2}}
  - {id: pay, type: http.request, with: {n: "{{ input }}"}}
  - {id: then, `+c.then+`}
edges:
  - {from: start, to: all}
  - {from: all, port: each, to: pay}
  - {from: pay, to: then}
`)
			programs["g"] = compile(t, []byte("schema: 1\nid: g\ntriggers: [{id: start, type: call}]\nnodes: [{id: hold, type: wait, with: {for: 1h}}]\nedges: [{from: start, to: hold}]\n"))
			s := advance(t, programs, begin("r", programs, "start"), engine.Event{Start: &engine.Start{Trigger: "start"}}).Session
			for _, call := range s.Calls() {
				s = advance(t, programs, s, engine.Event{Result: &engine.Result{EffectID: call.EffectID, Output: strings.Repeat("x", c.bytes)}}).Session
			}
			for again := range 3 {
				if f := s.Run.Failure; f == nil || f.Code != abi.CodeLimit || f.Node != "all" || s.Run.Status != engine.Failed {
					t.Fatalf("retried %d times, it is %s: %+v", again, s.Run.Status, f)
				}
				s = advance(t, programs, s, engine.Event{Retry: true}).Session
				if calls := s.Calls(); len(calls) > 0 {
					t.Fatalf("retried %d times, it calls %s anew: %s", again+1, calls[0].Node, calls[0].EffectID)
				}
			}
		})
	}
}

// TestRetryInAnotherVersion: the call that failed is made as its node is in the
// version that the session moved to, with its effect id; if it can't be, a
// further retry still has that id.
func TestRetryInAnotherVersion(t *testing.T) {
	const (
		before = `{id: do, type: http.request, with: {url: /old, n: "{{ input.n }}"}}`
		after  = `{id: do, type: http.request, timeout: 9s, connection: other, with: {url: /new, n: "{{ input.n }}"}}`
		bad    = `{id: do, type: http.request, with: {n: "{{ input.n.m.o + 1 }}"}}`
	)
	for name, c := range map[string]struct {
		around   string
		versions []string
	}{
		"at the top": {"nodes:\n  - %s\nedges: [{from: start, to: do}]\n", []string{bad, after}},
		"in a loop": {`
nodes:
  - {id: all, type: for_each, with: {items: ["{{ input }}"]}}
  - %s
edges: [{from: start, to: all}, {from: all, port: each, to: do}]
`, []string{after}}} {
		t.Run(name, func(t *testing.T) {
			version := func(n int, do string) *engine.Program {
				return compileAs(t, []byte("schema: 1\nid: f\ntriggers: [{id: start, type: message}]\n"+strings.Replace(c.around, "%s", do, 1)), n)
			}
			from := version(3, before)
			programs := engine.Programs{"f": from}
			s := advance(t, programs, begin("r", programs, "start"), engine.Event{Start: &engine.Start{Trigger: "start", Value: map[string]any{"n": int64(1)}}}).Session
			id := s.Calls()[0].EffectID
			if name == "at the top" {
				s = advance(t, programs, s, engine.Event{Result: &engine.Result{EffectID: id, Error: &abi.Error{Code: "down", Message: "no"}}}).Session
			} else { // the host ended it in the middle
				run := *s.Run
				run.Status, run.Failure = engine.Failed, &engine.Failure{Node: "all"}
				s.Run = &run
			}
			for i, do := range c.versions {
				to := version(4+i, do)
				if err := s.Move(from, to, nil); err != nil {
					t.Fatal(err)
				}
				from, programs = to, engine.Programs{"f": to}
				s = advance(t, programs, s, engine.Event{Retry: true}).Session
				if do == bad {
					if f := s.Run.Failure; f == nil || f.Code != abi.CodeInvalid {
						t.Fatalf("with a bad node: %+v", s.Run)
					}
					continue
				}
				calls := s.Calls()
				if len(calls) != 1 {
					t.Fatalf("it is %s: %+v", s.Run.Status, s.Run.Failure)
				}
				call, input := calls[0], calls[0].Input.(map[string]any)
				if call.EffectID != id || call.Moved || call.Connection != "other" || call.Timeout != 9*time.Second || input["url"] != "/new" || input["n"] != int64(1) {
					t.Errorf("it calls %+v, want the effect id %s", call, id)
				}
			}
		})
	}
}
