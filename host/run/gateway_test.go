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
