package run

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/flow"
)

// TestBusy: a run over the bound is refused before anything of it starts.
func TestBusy(t *testing.T) {
	r := New(Config{Log: slog.New(slog.DiscardHandler)})
	defer r.Close(t.Context())
	for i := range maxGatewayRuns {
		if !r.enter(fmt.Sprint("run:", i)) {
			t.Fatalf("run %d of %d was refused", i+1, maxGatewayRuns)
		}
	}
	a, err := r.Gateway(t.Context(), "GET /", catalog.Flow{Flow: &flow.Flow{ID: "f"}}, "start", nil, func() {})
	if !errors.Is(err, ErrBusy) || a.RunID != "" {
		t.Fatalf("one more: %+v, %v; want ErrBusy", a, err)
	}
	r.leave("run:0")
	if !r.enter("run:next") {
		t.Error("refused after one had ended")
	}
}

// TestCallerWaits: who waits long enough has the answer of a flow that sleeps
// for minutes; for who doesn't, it sleeps without its caller.
func TestCallerWaits(t *testing.T) {
	r := newRig(t, napFirst)
	var passed atomic.Int64
	r.runner.config.Now = func() time.Time { return began.Add(time.Duration(passed.Load())) }
	r.runner.config.Sleep = func(_ context.Context, d time.Duration) error { passed.Add(int64(d)); return nil }
	for wait, answered := range map[time.Duration]bool{6 * time.Minute: true, 4 * time.Minute: false} {
		ctx, cancel := context.WithTimeout(t.Context(), wait)
		over := make(chan bool)
		var a Answer
		var err error
		go func() {
			defer close(over)
			gone := make(chan bool)
			a, err = r.runner.Gateway(ctx, "GET /", r.catalog.Snapshot().Flows["nap"], "start", nil, func() { close(gone) })
			<-gone
		}()
		if !answered {
			cancel() // the caller's time is up, long after the run sleeps
		}
		<-over
		cancel()
		if got := err == nil && a.Response != nil; got != answered {
			t.Errorf("a caller who waits %s: %+v, %v", wait, a, err)
		}
	}
	if got := time.Duration(passed.Load()); got != 5*time.Minute {
		t.Errorf("slept %s", got)
	}
}

const napFirst = `
schema: 1
id: nap
triggers: [{id: start, type: gateway}]
nodes:
  - {id: pause, type: wait, with: {for: 5m}}
  - {id: reply, type: response.json, with: {body: awake}}
edges: [{from: start, to: pause}, {from: pause, to: reply}]
`

// TestJumpsAreOfOneMoment: a run that a request found before a publish begins
// with what was published then, what it jumps to included.
func TestJumpsAreOfOneMoment(t *testing.T) {
	version := func(n int) []string {
		return []string{fmt.Sprintf(`schema: 1
id: outer
triggers: [{id: g, type: gateway}]
nodes:
  - {id: go, type: jump, with: {flow: inner}}
  - {id: say, type: response.json, with: {body: "{{ [%d, input.result] }}"}}
edges: [{from: g, to: go}, {from: go, to: say}]
`, n), fmt.Sprintf(`schema: 1
id: inner
triggers: [{id: c, type: call}]
nodes: [{id: stop, type: end, with: {result: %d}}]
edges: [{from: c, to: stop}]
`, n)}
	}
	r := newRig(t, version(1)...)
	found := r.catalog.Snapshot().Flows["outer"]
	r.apply(version(2)...)
	for want, f := range map[string]catalog.Flow{"[1 1]": found, "[2 2]": r.catalog.Snapshot().Flows["outer"]} {
		answer, err := r.runner.Gateway(t.Context(), "", f, "g", map[string]any{}, func() {})
		if err != nil || answer.Response == nil || fmt.Sprint(answer.Response.Body) != want {
			t.Errorf("%+v, %v, want %s", answer, err, want)
		}
	}
}

// TestOverWithItsCaller: a run that sleeps is not over for who counts it, while
// its caller still waits.
func TestOverWithItsCaller(t *testing.T) {
	r := newRig(t, `
schema: 1
id: sleeps
triggers: [{id: start, type: gateway}]
nodes:
  - {id: pause, type: wait, with: {for: 1h}}
  - {id: reply, type: response.json, with: {body: done}}
edges: [{from: start, to: pause}, {from: pause, to: reply}]
`)
	f := r.catalog.Snapshot().Flows["sleeps"]
	for i, call := range []func(ctx context.Context, over func()) (Answer, error){
		func(ctx context.Context, over func()) (Answer, error) {
			return r.runner.Gateway(ctx, "", f, "start", map[string]any{}, over)
		},
		func(ctx context.Context, over func()) (Answer, error) {
			return r.runner.Kept(ctx, f, "start", map[string]any{}, Keep{For: time.Hour}, nil, over)
		},
	} {
		ctx, leave := context.WithCancel(t.Context())
		over, left := make(chan struct{}), make(chan error, 1)
		go func() {
			_, err := call(ctx, func() { close(over) })
			left <- err
		}()
		for asleep := 0; asleep != i+1; {
			all, err := r.runner.Sessions(t.Context(), "", 10)
			if err != nil {
				t.Fatal(err)
			}
			asleep = 0
			for _, one := range all {
				if one.Node == "pause" {
					asleep++
				}
			}
		}
		r.runner.gone.Wait()
		select {
		case <-over:
			t.Errorf("%d: it is over while its caller waits", i)
		default:
		}
		leave()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("%d: %v", i, err)
		}
		<-over
	}
}
