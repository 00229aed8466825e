package engine_test

import (
	"testing"
	"time"

	"github.com/trama-run/trama/host/engine"
	"github.com/trama-run/trama/pdk/abi"
)

// TestTheTimerOutlivesARetry: a called flow that failed has its inactivity timer
// when the operator lets it go on, and the contact has the whole time again.
func TestTheTimerOutlivesARetry(t *testing.T) {
	called := compile(t, []byte(`
schema: 1
id: called
triggers: [{id: start, type: message}]
nodes:
  - {id: watch, type: start_inactivity, with: {after: 10m}}
  - {id: get, type: http.request}
  - {id: reply, type: wait_reply}
  - {id: bye, type: end, with: {label: silent}}
edges:
  - {from: start, to: watch}
  - {from: watch, to: get}
  - {from: watch, port: inactive, to: bye}
  - {from: get, to: reply}
`))
	caller := func(more string) engine.Programs {
		programs := flowOf(t, `
nodes:
  - {id: ask, type: jump, with: {flow: called}}
  - {id: hold, type: wait, with: {for: 1h}}
edges:
  - {from: start, to: ask}
`+more)
		programs["called"] = called
		return programs
	}
	fails := func(programs engine.Programs) engine.Session {
		out := advance(t, programs, begin("r", programs, "start"), engine.Event{Start: &engine.Start{Trigger: "start"}})
		return advance(t, programs, out.Session, engine.Event{Result: &engine.Result{
			EffectID: out.Session.Calls()[0].EffectID, Error: &abi.Error{Code: "x", Message: "it failed"}}}).Session
	}

	programs := caller("  - {from: ask, to: hold}\n")
	s := fails(programs)
	if s.Run.Status != engine.Failed || !s.Due().IsZero() {
		t.Fatalf("%s, due %s", s.Run.Status, s.Due())
	}
	retried := began.Add(72 * time.Hour)
	s = advance(t, programs, s, engine.Event{Now: retried, Retry: true}).Session
	s = advance(t, programs, s, engine.Event{Now: retried, Result: &engine.Result{EffectID: s.Calls()[0].EffectID}}).Session
	if due := retried.Add(10 * time.Minute); !s.Listens() || !s.Due().Equal(due) {
		t.Fatalf("listens: %v, due %s, want %s", s.Listens(), s.Due(), due)
	}
	s = advance(t, programs, s, engine.Event{Now: s.Due(), Tick: true}).Session
	if s.Run.Node != "hold" || s.Run.Nodes["ask"].(map[string]any)["label"] != "silent" {
		t.Errorf("it stands at %s with %v", s.Run.Node, s.Run.Nodes)
	}

	// Where the caller goes on without it, the timer's port is gone.
	s = fails(caller("  - {from: ask, port: error, to: hold}\n"))
	if s.Run.Node != "hold" || s.Silence != nil || !s.Due().Equal(began.Add(time.Hour)) {
		t.Errorf("it stands at %s, due %s, with %+v", s.Run.Node, s.Due(), s.Silence)
	}
}

func TestAJumpForGoodEndsTheTimer(t *testing.T) {
	programs := flowOf(t, `
nodes:
  - {id: watch, type: start_inactivity, with: {after: 10m}}
  - {id: over, type: jump, with: {flow: other, return: false}}
edges:
  - {from: start, to: watch}
  - {from: watch, to: over}
`)
	programs["other"] = compile(t, []byte(`
schema: 1
id: other
triggers: [{id: start, type: message}]
nodes: [{id: reply, type: wait_reply}]
edges: [{from: start, to: reply}]
`))
	s := advance(t, programs, begin("r", programs, "start"), engine.Event{Start: &engine.Start{Trigger: "start"}}).Session
	if s.Run.Node != "reply" || s.Silence != nil || !s.Due().IsZero() || s.Flow != "f" {
		t.Errorf("it stands at %s of %s, begun by %q, due %s", s.Run.Node, s.Run.Flow, s.Flow, s.Due())
	}
}

// TestInstantsAreMilliseconds: whatever is due is at an instant that the clock
// of runs, which has milliseconds, can show.
func TestInstantsAreMilliseconds(t *testing.T) {
	programs := flowOf(t, `
nodes:
  - {id: get, type: http.request, retry: {attempts: 9, backoff: 1s}}
  - {id: nap, type: wait, with: {for: "1.0000001s"}}
  - {id: until, type: wait, with: {until: "2027-01-01T00:00:00.0000001Z"}}
edges:
  - {from: start, to: get}
  - {from: get, to: nap}
  - {from: nap, to: until}
`)
	exact := func(at time.Time) {
		t.Helper()
		if at.IsZero() || !at.Equal(at.Truncate(time.Millisecond)) {
			t.Errorf("%s is not exact", at.Format(time.RFC3339Nano))
		}
	}
	s := advance(t, programs, begin("r", programs, "start"), engine.Event{Start: &engine.Start{Trigger: "start"}}).Session
	for range 8 {
		s = advance(t, programs, s, engine.Event{Result: &engine.Result{
			EffectID: s.Calls()[0].EffectID, Error: &abi.Error{Code: "x", Message: "busy", Retryable: true}}}).Session
		exact(s.Calls()[0].NotBefore)
	}
	s = advance(t, programs, s, engine.Event{Result: &engine.Result{EffectID: s.Calls()[0].EffectID}}).Session
	exact(s.Due())
	s = advance(t, programs, s, engine.Event{Now: s.Due(), Tick: true}).Session
	exact(s.Due())
	if s.Run.Node != "until" {
		t.Errorf("it stands at %s", s.Run.Node)
	}
}
