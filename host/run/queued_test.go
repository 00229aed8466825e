package run

import (
	"testing"
	"time"

	"github.com/trama-run/trama/host/engine"
)

const looking = `schema: 1
id: looking
triggers: [{id: now, type: activate}, {id: ev, type: event, event: go}, {id: at_once, type: event, event: stop, interrupt: true}]
nodes:
  - {id: look, type: slow.look}
  - {id: say, type: send_message, with: {text: "looked"}}
edges: [{from: now, to: look}, {from: ev, to: look}, {from: at_once, to: look}, {from: look, to: say}]
`

// wantQueue fails unless so many runs have not begun, and gives the id of the
// newest.
func (r *rig) wantQueue(n int) (id string) {
	r.Helper()
	list, err := r.runner.Queue(r.Context(), "", "", 10)
	if err != nil || len(list) != n {
		r.Fatalf("the queue has %+v, %v; want %d", list, err, n)
	}
	for i, q := range list {
		if q.Flow != "looking" || q.Key != "contact:wa/p:1" || q.Trigger == "" || q.Status != Queued || q.Started.IsZero() || i > 0 && q.ID >= list[i-1].ID {
			r.Errorf("in the queue: %+v", q)
		}
	}
	if n > 0 {
		id = list[0].ID
	}
	return id
}

// TestCancelQueued: a run that has not begun is listed and can be cancelled,
// wherever its start is; then it never begins.
func TestCancelQueued(t *testing.T) {
	emit := func(r *rig, event string) {
		r.Helper()
		if _, err := r.runner.Emit(r.Context(), Event{Name: event, Contact: "wa/p:1"}); err != nil {
			r.Fatal(err)
		}
	}
	for name, test := range map[string]struct {
		before func(r *rig)
		after  func(r *rig)
		runs   []string
	}{
		"in the mailbox": {before: func(r *rig) { r.activate("looking", nil) }},
		"behind another run": {
			before: func(r *rig) { r.says("wa/p:1", "oi"); emit(r, "go"); r.work() },
			after:  func(r *rig) { r.says("wa/p:1", "Ana") },
			runs:   []string{"asking done"},
		},
		"that would interrupt": {
			before: func(r *rig) { r.says("wa/p:1", "oi"); emit(r, "stop") },
			after:  func(r *rig) { r.says("wa/p:1", "Ana") },
			runs:   []string{"asking done"},
		},
		"of one with a person": {
			before: func(r *rig) { r.human(true); emit(r, "go"); r.work() },
			after:  func(r *rig) { r.human(false) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, asking, looking)
			test.before(r)
			id := r.wantQueue(1)
			if l, err := r.runner.Look(t.Context(), id); err != nil || l.Status != Queued {
				t.Errorf("it is %s, %v", l.Status, err)
			}
			r.open() // it is on disk
			if err := r.runner.Cancel(t.Context(), id); err != nil {
				t.Fatal(err)
			}
			r.is(r.runner.Cancel(t.Context(), id), ErrNotStored)
			r.wantQueue(0)
			r.call = func() { t.Error("a cancelled run made a call") }
			r.work()
			if test.after != nil {
				test.after(r)
			}
			r.pass(time.Minute)
			r.wantRuns(append(test.runs, "looking cancelled")...)
			if dead := r.dead(); len(dead) > 0 {
				t.Errorf("dead letters %+v", dead)
			}
			r.call = nil
			r.activate("looking", nil) // the next one goes
			r.pass(time.Minute)
			r.wantRuns(append(test.runs, "looking cancelled", "looking done")...)
			r.wantQueue(0)
		})
	}
}

// TestQueue: what a message has started is listed while it makes its first calls,
// and what is to run for nobody until its first commit, held or not.
func TestQueue(t *testing.T) {
	r := newRig(t, `schema: 1
id: alone
triggers: [{id: ev, type: event, event: go}, {id: each, type: schedule, every: 1h}, {id: said, type: message}]
nodes: [{id: look, type: slow.look}, {id: emit, type: emit_event, with: {event: looked}}]
edges: [{from: ev, to: look}, {from: each, to: look}, {from: said, to: look}, {from: look, to: emit}]
`)
	if err := r.runner.SetSchedules(t.Context()); err != nil {
		t.Fatal(err)
	}
	seen := 0
	want := func(trigger string) {
		t.Helper()
		seen++
		for _, flow := range []string{"", "alone", "other"} {
			list, err := r.runner.Queue(t.Context(), flow, "", 10)
			if err != nil || (len(list) == 1) == (flow == "other") || len(list) > 1 {
				t.Fatalf("%s: the queue of %q has %+v, %v", trigger, flow, list, err)
			}
			for _, q := range list {
				if q.Flow != "alone" || q.Trigger != trigger || q.Status != Queued || q.Started.IsZero() {
					t.Errorf("in the queue: %+v", q)
				}
				if l, err := r.runner.Look(t.Context(), q.ID); err != nil || l.Status != Queued || l.Trigger != trigger {
					t.Errorf("it is %+v, %v", l, err)
				}
				if older, err := r.runner.Queue(t.Context(), "", q.ID, 10); err != nil || len(older) > 0 {
					t.Errorf("before it is %+v, %v", older, err)
				}
				if trigger == "said" {
					r.is(r.runner.Cancel(t.Context(), q.ID), ErrNotStored)
				}
			}
		}
	}
	for _, test := range []struct {
		trigger string
		do      func()
	}{
		{"said", func() { r.says("wa/p:1", "oi") }},
		{"ev", func() {
			r.gone = true // it is held
			if _, err := r.runner.Emit(t.Context(), Event{Name: "go"}); err != nil {
				t.Fatal(err)
			}
			want("ev")
			r.work()
			want("ev")
			r.gone = false
			r.pass(time.Minute)
		}},
		{"each", func() { r.pass(time.Hour) }},
	} {
		r.call = func() { want(test.trigger) }
		before := seen
		test.do()
		if seen == before {
			t.Errorf("%s: no call was made", test.trigger)
		}
		if list, err := r.runner.Queue(t.Context(), "", "", 10); err != nil || len(list) > 0 {
			t.Errorf("%s: behind its end the queue has %+v, %v", test.trigger, list, err)
		}
	}
	r.wantRuns("alone done", "alone done", "alone done")
}

// TestCancelUnbegun: what is to run for nobody can be cancelled before it begins.
func TestCancelUnbegun(t *testing.T) {
	r := newRig(t, looking)
	if _, err := r.runner.Emit(t.Context(), Event{Name: "go"}); err != nil {
		t.Fatal(err)
	}
	list, err := r.runner.Queue(t.Context(), "", "", 10)
	if err != nil || len(list) != 1 {
		t.Fatalf("%+v, %v", list, err)
	}
	if err := r.runner.Cancel(t.Context(), list[0].ID); err != nil {
		t.Fatal(err)
	}
	r.call = func() { t.Error("a cancelled run made a call") }
	r.work()
	r.wantRuns("looking cancelled")
	if list, err := r.runner.Queue(t.Context(), "", "", 10); err != nil || len(list) > 0 {
		t.Errorf("the queue has %+v, %v", list, err)
	}
}

// TestCancelFirstCalls: what a run does before its first commit ends with its
// cancellation, and is not done again.
func TestCancelFirstCalls(t *testing.T) {
	r := newRig(t, looking)
	r.activate("looking", nil)
	id, made := r.wantQueue(1), 0
	r.call = func() {
		made++
		r.wantQueue(1)
		if err := r.runner.Cancel(t.Context(), id); err != nil {
			t.Error(err)
		}
	}
	r.pass(time.Minute)
	r.pass(time.Minute)
	if got := r.records(); made != 1 || len(got) != 1 || got[0].Status != engine.Cancelled || got[0].Trigger != "now" || got[0].Ended == nil {
		t.Errorf("%d calls; the record %+v", made, got)
	}
	r.wantSent("wa/p:1")
}
