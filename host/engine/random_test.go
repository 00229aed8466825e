package engine_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/trama-run/trama/host/engine"
	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/pdk/abi"
	"pgregory.net/rapid"
)

// TestAnyFlow: whatever flows of nodes that wait, call, jump and have sub-runs
// do, and in whatever order it comes, the session keeps its promises.
func TestAnyFlow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		programs := engine.Programs{}
		for _, id := range []string{"f", "g", "h"} {
			document := dump(t, anyFlow(t, id))
			var f flow.Flow
			if err := json.Unmarshal([]byte(document), &f); err != nil {
				t.Fatal(err)
			}
			p, err := engine.Compile(&f, 3)
			if err != nil {
				t.Fatalf("%s: %v", document, err)
			}
			t.Logf("%s", document)
			programs[id] = p
		}
		w := watch{stored: player{programs: programs, stored: true}, kept: player{programs: programs}, seen: map[string]string{}, calls: map[string]int{}}
		e, ok := event{Start: &start{Trigger: "start", Value: map[string]any{"text": "hi", "n": int64(0)}}}, true
		for i := 0; i < 40 && ok && w.play(t, e); i++ {
			w.refuse(t)
			e, ok = w.choose(t)
		}
	})
}

// anyFlow makes a flow whose edges lead anywhere.
func anyFlow(t *rapid.T, id string) map[string]any {
	count := rapid.IntRange(1, 7).Draw(t, "nodes of "+id)
	var nodes []any
	edges := []any{map[string]any{"from": "start", "to": id + "0"}}
	for i := range count {
		name := fmt.Sprintf("%s%d", id, i)
		kind := rapid.SampledFrom([]string{
			"set_flow", "http.request", "run_code", "wait", "wait_reply", "start_inactivity", "end_inactivity",
			"send_message", "emit_event", "conditional", "split", "time_interval", "jump", "for_each", "parallel", "end", "jump", "for_each", "parallel",
		}).Draw(t, "kind")
		with, ports := anyNode(t, kind)
		n := map[string]any{"id": name, "type": kind}
		if with != nil {
			n["with"] = with
		}
		if kind == "http.request" && rapid.Bool().Draw(t, "repeated") {
			n["retry"] = map[string]any{"attempts": 2}
		}
		nodes = append(nodes, n)
		for _, port := range ports {
			// Loops of sub-runs pass 100,000 nodes each time: have few of them.
			to := rapid.IntRange(i, count-1).Draw(t, "edge") + 1
			seldom := 5
			if kind == "for_each" || kind == "parallel" {
				seldom = 20
			}
			if rapid.IntRange(0, seldom).Draw(t, "back") == 0 {
				to = rapid.IntRange(0, i).Draw(t, "edge")
			}
			if to < count {
				edges = append(edges, map[string]any{"from": name, "port": port, "to": fmt.Sprintf("%s%d", id, to)})
			}
		}
	}
	f := map[string]any{
		"schema": 1, "id": id, "triggers": []any{map[string]any{"id": "start", "type": "message"}}, "nodes": nodes, "edges": edges,
	}
	if rapid.IntRange(0, 3).Draw(t, "on_error") == 0 {
		f["on_error"] = id + "0"
	}
	return f
}

// anyNode gives a node's settings and its ports.
func anyNode(t *rapid.T, kind string) (with map[string]any, ports []string) {
	ports = []string{"next", "error"}
	span := rapid.SampledFrom([]string{"1s", "2s", "1m", "{{ input.text }}"})
	maybe := func(name string) {
		if rapid.Bool().Draw(t, name) {
			with[name] = span.Draw(t, "span")
		}
	}
	with = map[string]any{}
	switch kind {
	case "set_flow":
		with["set"] = map[string]any{"n": "{{ (flow.n ?? 0) + 1 }}", "at": "{{ now }}", "last": "{{ input.text ?? nodes.f1 }}"}
	case "http.request":
		with["body"] = "{{ flow.n }}"
	case "run_code":
		with["code"] = "x"
	case "wait":
		with["for"] = span.Draw(t, "for")
	case "wait_reply":
		with["save_as"] = "reply"
		maybe("timeout")
		maybe("debounce")
		if rapid.Bool().Draw(t, "expects") {
			with["expect"], with["retries"], with["retry"] = map[string]any{"type": "integer", "max": "{{ flow.n }}"}, 1, "{{ input.text }}?"
		}
		ports = []string{"next", "error", "timeout", "invalid"}
	case "start_inactivity":
		with["after"] = span.Draw(t, "after")
		ports = append(ports, "inactive")
	case "end_inactivity":
		return nil, []string{"next"}
	case "send_message":
		with["text"] = rapid.SampledFrom([]string{"hello {text}", "{{ len(input) }}"}).Draw(t, "text")
	case "emit_event":
		with["event"], with["data"] = "e", "{{ error }}"
	case "conditional":
		with["branches"] = []any{map[string]any{"port": "a", "when": rapid.SampledFrom([]string{
			"true", "(flow.n ?? 0) % 2 == 0", "input.text == 'x'", "input.label == 'a'", "flow.n"}).Draw(t, "when")}}
		ports = []string{"a", "else", "error"}
	case "split":
		with["ways"] = []any{map[string]any{"port": "a", "weight": 1}, map[string]any{"port": "b", "weight": 1}}
		with["sticky"] = rapid.Bool().Draw(t, "sticky")
		ports = []string{"a", "b"}
	case "time_interval":
		with["from"], with["to"], with["at"] = "09:00", "18:00", "{{ input.text == 'x' ? now : input.text }}"
		ports = []string{"inside", "outside", "error"}
	case "jump":
		with["flow"] = rapid.SampledFrom([]string{"f", "g", "h", "gone"}).Draw(t, "flow")
		if rapid.IntRange(0, 2).Draw(t, "for good") == 0 {
			with["return"] = false
		} else {
			with["ports"] = []any{"a"}
			ports = append(ports, "a")
		}
	case "for_each":
		with["items"] = rapid.SampledFrom([]any{[]any{}, []any{"x"}, []any{int64(1), nil}, []any{1, 2, 3}, "{{ input.results }}"}).Draw(t, "items")
		with["concurrency"] = rapid.IntRange(1, 3).Draw(t, "concurrency")
		ports = append(ports, "each")
	case "parallel":
		branches := []string{"a", "b", "c"}[:rapid.IntRange(1, 3).Draw(t, "branches")]
		with["branches"] = branches
		if rapid.Bool().Draw(t, "one by one") {
			with["concurrency"] = 1
		}
		ports = append(ports, branches...)
	case "end":
		with["label"], with["result"] = rapid.SampledFrom([]string{"a", "b"}).Draw(t, "label"), "{{ nodes.f0 }}"
		ports = []string{"error"}
	}
	return with, ports
}

// watch plays events on a session, stored and kept, and holds it to what a
// session promises.
type watch struct {
	stored, kept player
	seen         map[string]string // effect ids, and what they are of
	calls        map[string]int    // attempts of calls that were asked for, by effect id
	steps        map[string]bool
}

// choose gives an event that the session asks for; ok is false if it asks for
// none.
func (w *watch) choose(t *rapid.T) (e event, ok bool) {
	s := &w.kept.session
	var could []event
	for i, call := range s.Calls() {
		if i == 3 {
			break
		}
		failure := &abi.Error{Code: "x", Message: "it failed", Retryable: i == 0, Detail: json.RawMessage(`{"n": 1}`)}
		could = append(could, event{Result: &result{EffectID: call.EffectID, Output: map[string]any{"text": "x", "n": int64(i)}}},
			event{Result: &result{EffectID: call.EffectID, Error: failure}})
	}
	if n := len(s.Calls()); n > 3 { // the last one first
		could = append(could, event{Result: &result{EffectID: s.Calls()[n-1].EffectID, Output: []any{"y"}}})
	}
	if s.Listens() {
		could = append(could, event{Message: map[string]any{"text": rapid.SampledFrom([]string{"x", "1s", "hi", "1", "2026-02-03T10:00:00Z"}).Draw(t, "text")}})
	}
	if due := s.Due(); !due.IsZero() {
		for _, later := range []time.Duration{0, 500 * time.Millisecond, time.Hour} {
			span := max(due.Sub(w.kept.now), 0) + later + 2*time.Second
			could = append(could, event{Tick: true, After: fmt.Sprintf("%gs", span.Seconds())})
		}
		could = append(could, event{Tick: true}) // often too early
	}
	if s.Over() && s.Run.Status == engine.Failed && rapid.Bool().Draw(t, "retry") {
		could = append(could, event{Retry: true})
	}
	if len(could) == 0 {
		if !s.Over() {
			t.Fatalf("the session is not over and asks for nothing: %s", dump(t, s))
		}
		return e, false
	}
	return rapid.SampledFrom(could).Draw(t, "event"), true
}

// play gives false if the session has become too large to go on.
func (w *watch) play(t *rapid.T, e event) bool {
	kept := w.kept.session
	before := map[string]*engine.Call{}
	if kept.Run != nil {
		for _, call := range kept.Calls() {
			before[call.EffectID] = call
		}
	}
	b := w.kept.play(t, e)
	if w.kept.session.Steps > 3000 || !few(values(w.kept.session.Run), 10_000) {
		return false // a loop of sub-runs: it would take too long to compare
	}
	a := w.stored.play(t, e)
	now := w.kept.now.Add(-time.Second)
	if alike(t, a) != alike(t, b) {
		t.Fatalf("stored, it gave\n%s\nkept in memory\n%s", dump(t, a), dump(t, b))
	}
	if b.Error != "" {
		t.Fatalf("%s: %s", dump(t, e), b.Error)
	}
	own := func(id, of string) {
		if first, ok := w.seen[id]; ok {
			t.Fatalf("%s and %s share the id %s", first, of, id)
		}
		w.seen[id] = of
	}
	for _, effect := range b.Effects {
		own(effect.ID, "an effect of "+effect.Node)
	}
	s := b.Session
	asked := map[string]bool{}
	for _, call := range s.Calls() {
		if asked[call.EffectID] {
			t.Fatalf("two calls with the id %s", call.EffectID)
		}
		asked[call.EffectID] = true
		if attempt, ok := w.calls[call.EffectID]; !ok {
			own(call.EffectID, "a call of "+call.Node)
		} else if call.Attempt < attempt || call.Attempt > attempt+1 {
			t.Fatalf("attempt %d after %d of %s", call.Attempt, attempt, call.EffectID)
		}
		w.calls[call.EffectID] = call.Attempt
	}
	for id := range before { // calls wait for their results, whatever others do
		if !asked[id] && (e.Result == nil || e.Result.EffectID != id) && !s.Over() {
			t.Fatalf("%s: the call %s is gone without its result", dump(t, e), id)
		}
	}
	if s.Paused() && s.Due().After(now) {
		t.Fatalf("it paused at %s and is due at %s", now, s.Due())
	}
	if paused := s.Paused() || kept.Run != nil && kept.Paused(); e.Tick && !paused && !s.Due().IsZero() && !s.Due().After(now) {
		t.Fatalf("after a tick at %s it is due at %s", now, s.Due())
	}
	if s.Over() && (len(s.Calls()) > 0 || s.Listens() || !s.Due().IsZero()) {
		t.Fatalf("it is over and asks for more: %s", dump(t, s))
	}
	last := kept.Steps
	if e.Start != nil {
		last, w.steps = 0, map[string]bool{}
	}
	if s.Steps < last {
		t.Fatalf("%d steps became %d", last, s.Steps)
	}
	for _, step := range b.Steps {
		id := fmt.Sprintf("%d/%d", step.Ordinal, step.Attempt)
		if w.steps[id] && !(e.Retry || w.retried()) {
			t.Fatalf("the step %s came twice: %s", id, dump(t, step))
		}
		w.steps[id] = true
		if step.Ordinal < 1 || step.Ordinal > s.Steps || strings.TrimSpace(step.Node) == "" {
			t.Fatalf("a step of the ordinal %d of %d: %s", step.Ordinal, s.Steps, dump(t, step))
		}
	}
	if e.Retry {
		w.calls["retried"] = 1
	}
	return true
}

// refuse brings what the session does not ask for.
func (w *watch) refuse(t *rapid.T) {
	s := w.kept.session
	events := []engine.Event{{Result: &engine.Result{EffectID: "none"}}, {Start: &engine.Start{Trigger: "start"}}}
	if !s.Listens() {
		events = append(events, engine.Event{Message: &engine.Message{}})
	}
	if s.Run.Status != engine.Failed {
		events = append(events, engine.Event{Retry: true})
	}
	for _, e := range events {
		if _, err := w.kept.programs.Advance(s, e); err == nil {
			t.Fatalf("%s was not refused by %s", dump(t, e), dump(t, s))
		}
	}
}

// alike is what must be the same of two outcomes, without the inputs and outputs
// of steps: those of loops are large, and the session has them.
func alike(t *rapid.T, o outcome) string {
	for i, step := range o.Steps {
		step.Input, step.Output = nil, nil
		o.Steps[i] = step
	}
	return dump(t, o)
}

// few says whether a value has at most so many values in it.
func few(v any, most int) bool {
	var count func(v any)
	count = func(v any) {
		if most--; most < 0 {
			return
		}
		switch v := v.(type) {
		case []any:
			for _, item := range v {
				count(item)
			}
		case map[string]any:
			for _, item := range v {
				count(item)
			}
		}
	}
	count(v)
	return most >= 0
}

// retried says that the session was retried once: a jump that failed is left
// again, with the ordinal that it has.
func (w *watch) retried() bool { return w.calls["retried"] > 0 }
