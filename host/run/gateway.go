package run

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/engine"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/pdk/abi"
)

// Answer is what a gateway run gives its caller.
type Answer struct {
	RunID string
	// Response is nil if the run ended without one.
	Response *engine.Respond
	// Failure is why the run failed before it answered.
	Failure *abi.Error
}

// Bounds of gateway runs.
const (
	// lease is when a stored gateway run is looked at by the dispatcher: at
	// once after a restart, and in vain while it is driven.
	lease = 5 * time.Second
	// maxGatewayRun is how long a run may be driven in one go.
	maxGatewayRun = 15 * time.Minute
	commitTime    = 30 * time.Second // how long the last commit of a run may wait
	// maxGatewayRuns is how many are driven at once; memory is bounded by it.
	maxGatewayRuns = 2000
)

// ErrBusy: too many gateway runs are driven; none was started.
var ErrBusy = errors.New("too many runs at once")

// Gateway starts a run of a flow for one request and waits for its answer, no
// longer than ctx: then the context's error comes back with the run's id, and
// the run goes on. The event must not be changed afterwards.
func (r *Runner) Gateway(ctx context.Context, f catalog.Flow, trigger string, event map[string]any) (Answer, error) {
	id, err := newID()
	if err != nil {
		return Answer{}, err
	}
	answered := make(chan Answer, 1)
	g := &gatewayRun{answered: answered}
	g.journey = journey{
		runner: r, key: PrefixRun + ":" + id, program: f.Program, effect: g.respond, saved: g.keep, user: map[string]any{}, event: event,
		session: session{Run: engine.Run{ID: id, Flow: f.Flow.ID, Version: f.Version}},
		record:  Record{ID: id, Flow: f.Flow.ID, Version: f.Version, Key: PrefixRun + ":" + id, Trigger: trigger, Started: now()},
	}
	if !r.enter(g.key) {
		return Answer{}, ErrBusy
	}
	g.session.Pins = r.pins(f.Program)
	r.gone.Go(func() {
		defer r.leave(g.key)
		defer r.guard(g)
		run, cancel := context.WithTimeout(r.stop, maxGatewayRun)
		defer cancel()
		g.end(run, g.start(trigger))
	})
	select {
	case a := <-answered:
		return a, nil
	case <-ctx.Done():
		return Answer{RunID: id}, ctx.Err()
	}
}

// Interrupted goes on with gateway runs that a stop of the host interrupted:
// it is the dispatcher's handler of PrefixRun. Nobody waits for the answer.
func (r *Runner) Interrupted(ctx context.Context, key string) (time.Time, error) {
	if r.driven(key) {
		return now().Add(lease), nil
	}
	g := &gatewayRun{answered: make(chan Answer, 1)}
	g.journey = journey{runner: r, key: key, effect: g.respond, saved: g.keep, user: map[string]any{}}
	revision, found, err := load(ctx, r.config.Store, store.ID{Kind: kindSession, Key: key}, &g.session)
	if err != nil || !found {
		return time.Time{}, err
	}
	g.revision = revision
	if _, _, err := load(ctx, r.config.Store, store.ID{Kind: KindRecord, Key: g.session.Run.ID}, &g.record); err != nil {
		return time.Time{}, err
	}
	if g.program, err = r.config.Catalog().Program(ctx, g.session.Run.Flow, g.session.Run.Version); err != nil {
		return time.Time{}, err
	}
	if held := r.held(g.program, g.session.Pins); held != nil {
		return now().Add(heldPause), nil
	}
	bounded, cancel := context.WithTimeout(ctx, maxGatewayRun)
	defer cancel()
	again, err := g.drive(bounded)
	if err == nil && again.IsZero() {
		err = g.finish(ctx)
	}
	return again, g.giveUp(bounded, err)
}

// gatewayRun is a journey with a caller.
type gatewayRun struct {
	journey
	answered chan Answer // takes the first answer
	done     bool        // an answer was given
}

func (g *gatewayRun) start(trigger string) error {
	return g.advance(engine.Event{Start: &engine.Start{Trigger: trigger, Value: g.event}})
}

// end drives the run to its end and gives the answer that it has not given.
func (g *gatewayRun) end(ctx context.Context, err error) {
	for err == nil && g.session.Run.Status == engine.Running {
		var again time.Time
		if again, err = g.drive(ctx); err == nil && !again.IsZero() {
			err = sleep(ctx, time.Until(again))
		}
	}
	if err == nil && g.revision == 0 && g.session.Run.Status != engine.Failed {
		g.answer(Answer{}) // nothing to commit: the trace need not delay it
		g.runner.records.add(&g.journey)
		return
	}
	if err == nil {
		err = g.finish(ctx)
	}
	err = g.giveUp(ctx, err)
	switch {
	case err != nil:
		g.runner.config.Log.Error("gateway run interrupted", "run", g.record.ID, "flow", g.record.Flow, "error", err)
		g.answer(Answer{Failure: &abi.Error{Code: "interrupted", Message: "the run was interrupted", Retryable: g.revision == 0}})
	default:
		a := Answer{}
		if failure := g.session.Run.Failure; failure != nil {
			a.Failure = &failure.Error
		}
		g.answer(a)
	}
}

// giveUp ends a run that can't be stored or that is driven for too long, with
// its record; any other error goes on.
func (g *gatewayRun) giveUp(ctx context.Context, err error) error {
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTime)
	defer cancel()
	switch {
	case errors.Is(err, store.ErrTooBig):
		code, reason := tooBig(err)
		return g.abandon(last, code, reason)
	case err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded):
		return g.abandon(last, abi.CodeTimeout, fmt.Sprintf("the run was driven for %s, the limit; split it, or let it wait less", maxGatewayRun))
	}
	return err
}

// answer gives the caller an answer, if it has none yet.
func (g *gatewayRun) answer(a Answer) {
	if !g.done {
		g.done = true
		a.RunID = g.record.ID
		g.answered <- a
	}
}

// respond takes the response that a node made. If the run has changed
// something outside, or goes on to do more, the answer is given when the run is
// on disk: a caller must not know of an order whose run forgets it in a crash.
func (g *gatewayRun) respond(effect engine.Effect) error {
	if effect.Respond == nil {
		return fmt.Errorf("run %s: a gateway run has no contact to send a message to", g.record.ID)
	}
	if g.revision == 0 && g.session.Run.Status != engine.Running {
		g.answer(Answer{Response: effect.Respond})
		return nil
	}
	g.owed = true
	g.committed = func() { g.answer(Answer{Response: effect.Respond}) }
	return nil
}

// keep adds to each commit of an unfinished run the wake that finds it after
// a crash, and takes it away with the last.
func (g *gatewayRun) keep(b *store.Batch) error {
	wake := store.Wake{Key: g.key}
	if g.session.Run.Status == engine.Running {
		wake.At = now().Add(lease)
		if call := g.session.Run.Pending; call != nil && call.NotBefore.After(wake.At) {
			wake.At = call.NotBefore
		}
	}
	b.Wake = append(b.Wake, wake)
	return nil
}

// guard answers for a run that panicked: one flow's bad luck must not end the
// process.
func (r *Runner) guard(g *gatewayRun) {
	if p := recover(); p != nil {
		r.config.Log.Error("gateway run panicked", "run", g.record.ID, "flow", g.record.Flow, "panic", p)
		g.answer(Answer{Failure: &abi.Error{Code: "internal", Message: "the host failed; its log has the run's id"}})
	}
}

// enter counts a gateway run in, unless there are too many.
func (r *Runner) enter(key string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.active) >= maxGatewayRuns {
		return false
	}
	r.active[key] = true
	return true
}

func (r *Runner) leave(key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.active, key)
}

func (r *Runner) driven(key string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.active[key]
}
