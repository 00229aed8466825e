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
	// maxGatewayPause is how long a run is driven on while it sleeps, as callers
	// wait no longer.
	maxGatewayPause = time.Minute
	// maxGatewayRuns is how many are driven at once; memory is bounded by it.
	maxGatewayRuns = 2000
)

// ErrBusy: too many gateway runs are driven; none was started.
var ErrBusy = errors.New("too many runs at once")

// Gateway starts a run of a flow for one request and waits for its answer, no
// longer than ctx: then the context's error comes back with the run's id, and
// the run goes on. The event must not be changed afterwards.
func (r *Runner) Gateway(ctx context.Context, f catalog.Flow, trigger string, event map[string]any) (Answer, error) {
	g, err := r.called(f, trigger, event)
	if err != nil {
		return Answer{}, err
	}
	r.gone.Go(func() { g.launch(trigger) })
	select {
	case a := <-g.answered:
		return a, nil
	case <-ctx.Done():
		return Answer{RunID: g.record.ID}, ctx.Err()
	}
}

// Drive is Gateway for who tries a flow: it comes back when the run is over or
// sleeps for longer than a caller waits. The answer is nil if it has not given
// one.
func (r *Runner) Drive(f catalog.Flow, trigger string, event map[string]any) (*Answer, error) {
	g, err := r.called(f, trigger, event)
	if err != nil {
		return nil, err
	}
	g.launch(trigger)
	select {
	case a := <-g.answered:
		return &a, nil
	default:
		return nil, nil
	}
}

// called makes the run of one request, and counts it in.
func (r *Runner) called(f catalog.Flow, trigger string, event map[string]any) (*gatewayRun, error) {
	id, err := r.config.ID()
	if err != nil {
		return nil, err
	}
	g := r.lone(PrefixRun + ":" + id)
	g.journey.event = event
	g.record = Record{ID: id, Flow: f.Flow.ID, Version: f.Version, Key: g.key, Trigger: trigger, Started: r.now()}
	if !r.enter(g.key) {
		return nil, ErrBusy
	}
	g.session, g.programs = r.newSession(id, f)
	g.session.Caller = true
	return g, nil
}

// launch drives the run from its start.
func (g *gatewayRun) launch(trigger string) {
	r := g.runner
	defer r.leave(g.key)
	defer r.guard(g)
	run, cancel := context.WithTimeout(r.stop, maxGatewayRun)
	defer cancel()
	g.end(run, g.advance(engine.Event{Start: &engine.Start{Trigger: trigger, Value: g.event}}))
}

// Alone goes on with runs that have no contact and no caller that waits: those
// that an event or a schedule started, those that sleep, and those that a stop
// of the host interrupted. It is the dispatcher's handler of PrefixRun.
func (r *Runner) Alone(ctx context.Context, key string) (time.Time, error) {
	if r.driven(key) {
		return r.now().Add(lease), nil
	}
	g := r.lone(key)
	found, err := g.load(ctx)
	if err != nil || !found {
		return time.Time{}, err
	}
	if held := r.held(g.programs, g.session.Pins); held != nil {
		return r.now().Add(HeldPause(r.now().Sub(g.session.since()))), nil
	}
	bounded, cancel := context.WithTimeout(ctx, maxGatewayRun)
	defer cancel()
	again, err := g.alone(bounded)
	again, err = g.giveUp(bounded, again, err)
	return r.contended(key, again, err)
}

// alone does what there is to do now.
func (g *gatewayRun) alone(ctx context.Context) (again time.Time, err error) {
	r := g.runner
	if g.session.Retry {
		g.session.Retry = false
		err = g.advance(engine.Event{Retry: true})
	} else if begin := g.session.Begin; begin != nil {
		g.session.Begin = nil
		g.event, _ = begin.Value.(map[string]any)
		g.record = Record{ID: g.session.ID, Flow: g.session.Run.Flow, Version: g.session.Run.Version, Key: g.key, Trigger: begin.Trigger, Started: r.now()}
		err = g.advance(engine.Event{Start: begin})
	} else if due := g.session.Due(); !due.IsZero() && !due.After(r.now()) {
		err = g.advance(engine.Event{Tick: true})
	}
	if err == nil {
		again, err = g.drive(ctx)
	}
	if err == nil && g.session.Over() {
		return time.Time{}, g.finish(ctx)
	}
	if err == nil {
		err = g.commit(ctx)
	}
	return again, err
}

// lone makes the journey of a run without a contact.
func (r *Runner) lone(key string) *gatewayRun {
	g := &gatewayRun{answered: make(chan Answer, 1)}
	g.journey = journey{runner: r, key: key, effect: g.respond, saved: g.keep, user: map[string]any{}}
	return g
}

// gatewayRun is a journey without a contact; it may have a caller.
type gatewayRun struct {
	journey
	answered chan Answer // takes the first answer
	done     bool        // an answer was given
}

// end drives the run to its end and gives the answer that it has not given. A
// run that sleeps for longer than a caller waits goes on without one.
func (g *gatewayRun) end(ctx context.Context, err error) {
	for err == nil && !g.session.Over() {
		var again time.Time
		if again, err = g.drive(ctx); err != nil || g.session.Over() {
			break
		}
		pause := again.Sub(g.runner.now())
		if err = g.commit(ctx); err == nil && pause > maxGatewayPause {
			return
		}
		if err == nil {
			err = g.runner.sleep(ctx, pause)
		}
		if err == nil {
			err = g.advance(engine.Event{Tick: true})
		}
	}
	if err == nil && g.revision == 0 && !g.owed && g.session.Run.Status != engine.Failed && !g.runner.config.InOrder {
		g.answer(Answer{}) // nothing to commit: the trace need not delay it
		g.runner.records.add(&g.journey)
		return
	}
	if err == nil {
		err = g.finish(ctx)
	}
	_, err = g.giveUp(ctx, time.Time{}, err)
	switch {
	case err == nil && !g.session.Over(): // it waits on, without its caller
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

// giveUp ends a run that can't be stored, or that is driven for too long, with
// its record; any other error goes on.
func (g *gatewayRun) giveUp(ctx context.Context, again time.Time, err error) (time.Time, error) {
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTime)
	defer cancel()
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) && !errors.Is(err, store.ErrTooBig) {
		again, err = g.overrun(last)
	}
	if errors.Is(err, store.ErrTooBig) {
		code, reason := tooBig(err)
		return time.Time{}, g.abandon(last, code, reason)
	}
	return again, err
}

// overrun stores a run that was driven for too long: it fails, unless it is over
// or waits now.
func (g *gatewayRun) overrun(ctx context.Context) (time.Time, error) {
	if !g.session.Over() {
		ready, later := g.ready(nil)
		if len(ready) == 0 && !g.session.Paused() {
			return earlier(later, g.session.Due()), g.commit(ctx)
		}
		g.fail(abi.CodeTimeout, fmt.Sprintf("the run was driven for %s, the limit; split it, or let it wait less", maxGatewayRun))
	}
	return time.Time{}, g.finish(ctx)
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
		return fmt.Errorf("run %s has no contact to send a message to", g.record.ID)
	}
	if g.revision == 0 && !g.owed && g.session.Over() {
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
	if !g.session.Over() {
		wake.At = g.runner.now().Add(lease)
		if ready, later := g.ready(nil); len(ready) == 0 {
			wake.At = earlier(later, g.session.Due())
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
