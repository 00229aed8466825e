package run

import (
	"context"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/pdk/abi"
)

// flows of calls: one answers at once, one calls a plugin first, one fails, one
// answers with more than the store takes, one answers and goes on.
const (
	echoes = `
schema: 1
id: echoes
triggers: [{id: start, type: gateway}]
nodes: [{id: reply, type: response.json, with: {status: 201, headers: {X-A: b}, body: {n: "{{ input.body.n }}"}}}]
edges: [{from: start, to: reply}]
`
	slowly = `
schema: 1
id: slowly
triggers: [{id: start, type: gateway}]
nodes:
  - {id: work, type: slow.go, with: {}}
  - {id: reply, type: response.json, with: {body: "{{ trigger.body.n }}"}}
edges: [{from: start, to: work}, {from: work, to: reply}]
`
	fails = `
schema: 1
id: fails
triggers: [{id: start, type: gateway}]
nodes: [{id: bad, type: response.json, with: {status: "{{ input.body.n }}"}}]
edges: [{from: start, to: bad}]
`
	huge = `
schema: 1
id: huge
triggers: [{id: start, type: gateway}]
nodes: [{id: reply, type: response.json, with: {body: ["{{ input.text }}", "{{ input.text }}", "{{ input.text }}"]}}]
edges: [{from: start, to: reply}]
`
	goesOn = `
schema: 1
id: goes-on
triggers: [{id: start, type: gateway}]
nodes:
  - {id: reply, type: response.json, with: {body: first}}
  - {id: pause, type: wait, with: {for: 30m}}
  - {id: bad, type: response.json, with: {status: 200}}
edges: [{from: start, to: reply}, {from: reply, to: pause}, {from: pause, to: bad}]
`
)

var numbered = map[string]any{"body": map[string]any{"n": int64(9007199254740993)}}

// later starts a run of a flow for which nobody waits.
func (r *rig) later(flow string, event map[string]any) (id string) {
	r.Helper()
	id, err := r.runner.Later(r.Context(), r.catalog.Snapshot().Flows[flow], "start", event, Keep{Route: "POST /x", Caller: "client erp", For: time.Hour}, nil, func() {})
	if err != nil {
		r.Fatal(err)
	}
	return id
}

func (r *rig) kept(id string) Call {
	r.Helper()
	c, err := r.runner.Call(r.Context(), id)
	if err != nil {
		r.Fatal(err)
	}
	return c
}

func TestLater(t *testing.T) {
	r := newRig(t, echoes)
	id := r.later("echoes", numbered)
	r.open() // the host that took it is gone
	if c := r.kept(id); c.Answered != nil || c.Route != "POST /x" || c.Caller != "client erp" || !c.Made.Equal(began) {
		t.Fatalf("before it began: %+v", c)
	}
	r.now = r.now.Add(time.Minute)
	r.work()
	c := r.kept(id)
	if c.Answered == nil || !c.Answered.Equal(r.now) || c.Failure != nil || c.Response == nil || c.Response.Status != 201 ||
		!maps.Equal(c.Response.Headers, map[string]string{"X-A": "b"}) || c.Response.Body.(map[string]any)["n"] != int64(9007199254740993) || c.Caller != "client erp" {
		t.Fatalf("when it is over: %+v", c)
	}
	if a := c.Answer(); a.RunID != id || a.Response != c.Response {
		t.Errorf("as an answer: %+v", a)
	}
	r.now = r.now.Add(time.Hour + time.Minute)
	if _, err := r.runner.Call(t.Context(), id); !errors.Is(err, ErrNoRun) {
		t.Errorf("after its time: %v", err)
	}
}

func TestLaterEnds(t *testing.T) {
	r := newRig(t, fails, goesOn, huge)
	failed, went, big := r.later("fails", numbered), r.later("goes-on", numbered), r.later("huge", map[string]any{"text": strings.Repeat("x", 3<<20)})
	r.work()
	if c := r.kept(failed); c.Answered == nil || c.Failure == nil || c.Response != nil {
		t.Errorf("one that failed: %+v", c)
	}
	if c := r.kept(big); c.Answered == nil || c.Failure == nil || c.Failure.Code != abi.CodeLimit || c.Response != nil {
		t.Errorf("an answer that can't be stored: %+v", c)
	}
	if c := r.kept(went); c.Answered == nil || c.Response == nil || c.Response.Body != "first" {
		t.Errorf("one that goes on: %+v", c)
	}
	r.now = r.now.Add(30 * time.Minute)
	r.work() // it fails, after it has answered
	if s := r.records()[1].Status; s != "failed" {
		t.Fatalf("it is %s", s)
	}
	if c := r.kept(went); c.Failure != nil || c.Response == nil {
		t.Errorf("how it ended came over its answer: %+v", c)
	}
}

func TestLaterCancelled(t *testing.T) {
	r := newRig(t, slowly)
	id := r.later("slowly", numbered)
	if err := r.runner.Cancel(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	r.work()
	if c := r.kept(id); c.Answered == nil || c.Failure == nil || c.Failure.Code != CodeCancelled {
		t.Errorf("%+v", c)
	}
}

// TestKept: a run that a caller waits for is on disk before it begins, goes on
// after a crash, and the caller's key leads to its answer.
func TestKept(t *testing.T) {
	r := newRig(t, slowly)
	slow := r.catalog.Snapshot().Flows["slowly"]
	once, err := r.runner.Once(t.Context(), "k")
	if err != nil || once.Run != "" || once.Key != "k" {
		t.Fatalf("a key that is new: %+v, %v", once, err)
	}
	once.Sum, once.For = "sum", time.Hour
	calls, crashed, ended := 0, make(chan struct{}), make(chan struct{})
	runner := r.runner
	r.call = func() {
		if calls++; calls == 1 {
			close(crashed)
			<-ended // the first host never learns what came of it
			runner.cancel()
		}
	}
	ctx, leave := context.WithCancel(t.Context())
	go func() { <-crashed; leave() }()
	a, err := runner.Kept(ctx, slow, "start", numbered, Keep{Route: "POST /x", For: time.Hour}, &once, func() {})
	if !errors.Is(err, context.Canceled) || a.RunID == "" {
		t.Fatalf("%+v, %v", a, err)
	}
	known, err := r.runner.Once(t.Context(), "k")
	if err != nil || known.Run != a.RunID || known.Sum != "sum" {
		t.Fatalf("the key: %+v, %v; want run %s", known, err, a.RunID)
	}
	if _, err := runner.Kept(t.Context(), slow, "start", numbered, Keep{For: time.Hour}, &once, func() {}); !errors.Is(err, store.ErrConflict) {
		t.Errorf("a second call with the key of which nothing was known: %v", err)
	}
	if runs := len(runner.active); runs != 1 {
		t.Errorf("%d runs are driven", runs)
	}
	close(ended)
	runner.gone.Wait()
	r.open()
	r.now = r.now.Add(2 * lease)
	r.work()
	if c := r.kept(a.RunID); c.Response == nil || c.Response.Body != int64(9007199254740993) || calls != 2 {
		t.Errorf("after a crash in the middle, and %d calls: %+v", calls, c)
	}
	if known, err = r.runner.Once(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	again, err := r.runner.Kept(t.Context(), slow, "start", numbered, Keep{For: time.Hour}, &known, func() {})
	if err != nil || again.RunID == a.RunID || again.Response == nil {
		t.Errorf("a call that takes the key over: %+v, %v", again, err)
	}
	if taken, err := r.runner.Once(t.Context(), "k"); err != nil || taken.Run != again.RunID {
		t.Errorf("the key then: %+v, %v", taken, err)
	}
}

// TestKeyOfLongRun: a caller's key is known while its run goes on, however long
// that takes, and for its time from the answer on.
func TestKeyOfLongRun(t *testing.T) {
	const late = `
schema: 1
id: late
triggers: [{id: start, type: gateway}]
nodes:
  - {id: pause, type: wait, with: {for: 1000h}}
  - {id: reply, type: response.json, with: {body: done}}
edges: [{from: start, to: pause}, {from: pause, to: reply}]
`
	r := newRig(t, late, fails)
	begin := func(flow, key string) string {
		t.Helper()
		id, err := r.runner.Later(t.Context(), r.catalog.Snapshot().Flows[flow], "start", numbered, Keep{Route: "POST /x", For: time.Hour}, &Once{Key: key, Sum: "sum", For: time.Minute}, func() {})
		if err != nil {
			t.Fatal(err)
		}
		r.work()
		return id
	}
	known := func(key string) Once {
		t.Helper()
		o, err := r.runner.Once(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	ends, cancelled := begin("late", "ends"), begin("late", "cancelled")
	r.now = r.now.Add(999 * time.Hour)
	r.open()
	r.work()
	for key, id := range map[string]string{"ends": ends, "cancelled": cancelled} {
		if o := known(key); o.Run != id || o.Sum != "sum" {
			t.Fatalf("while its run goes on, the key %s is %+v, want run %s", key, o, id)
		}
		if c := r.kept(id); c.Answered != nil {
			t.Fatalf("%+v", c)
		}
	}
	if err := r.runner.Cancel(t.Context(), cancelled); err != nil {
		t.Fatal(err)
	}
	r.now = r.now.Add(time.Hour)
	failed := begin("fails", "failed")
	if c := r.kept(ends); c.Answered == nil {
		t.Fatalf("%+v", c)
	}
	for _, rec := range r.records() { // it slept for longer than records are kept
		if rec.ID == ends && (rec.Status != "done" || rec.Flow != "late" || rec.Trigger != "start" || rec.Key != PrefixRun+":"+ends) {
			t.Errorf("its record: %+v", rec)
		}
	}
	if o := known("failed"); o.Run != failed {
		t.Errorf("%+v", o)
	}
	if o := known("ends"); o.Run != ends || o.Sum != "sum" {
		t.Errorf("when it is answered: %+v", o)
	}
	r.now = r.now.Add(time.Minute + time.Second)
	for _, key := range []string{"ends", "cancelled", "failed"} {
		if o := known(key); o.Run != "" {
			t.Errorf("the key %s stays: %+v", key, o)
		}
	}

	// A run that is retried takes its key from no other.
	r.now = r.now.Add(time.Second)
	other := begin("late", "failed")
	if _, err := r.runner.Retry(t.Context(), failed, false); err != nil {
		t.Fatal(err)
	}
	r.work()
	if o := known("failed"); o.Run != other {
		t.Errorf("after a retry: %+v, want run %s", o, other)
	}
}
