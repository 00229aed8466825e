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
