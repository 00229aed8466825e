package run

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/trama-run/trama/host/bound"
	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/cause"
	"github.com/trama-run/trama/host/contact"
	"github.com/trama-run/trama/host/dispatch"
	"github.com/trama-run/trama/host/engine"
	"github.com/trama-run/trama/host/run/record"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/host/trace"
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
	// patience is how long a run is driven on, sleeps included, for a caller who
	// does not say how long it waits.
	patience = time.Minute
	// maxGatewayRuns is how many are driven at once; memory is bounded by it.
	maxGatewayRuns = 2000
)

// ErrBusy: too many gateway runs are driven; none was started.
var ErrBusy = errors.New("too many runs at once")

// Gateway starts a run of a flow for one request of a route and waits for its
// answer, no longer than ctx: then the context's error comes back with the
// run's id, and the run goes on. The event must not be changed afterwards. over
// is called once, when nobody waits and the run does nothing any more: it ended,
// sleeps, or was not started. A run that goes on after that takes a place
// itself, see Config.Place.
func (r *Runner) Gateway(ctx context.Context, route string, f catalog.Flow, trigger string, event map[string]any, over func()) (Answer, error) {
	g, err := r.called(f, trigger, event)
	if err != nil {
		over()
		return Answer{}, err
	}
	g.session.Route = route
	return g.waited(ctx, trigger, over)
}

// waited drives the run while its caller waits. over is called when both have
// ended: either may go on without the other.
func (g *gatewayRun) waited(ctx context.Context, trigger string, over func()) (Answer, error) {
	var left atomic.Int32
	half := func() {
		if left.Add(1) == 2 {
			over()
		}
	}
	g.runner.beside(func() {
		defer half()
		g.launch(ctx, trigger)
	})
	defer half()
	return g.wait(ctx)
}

// wait waits for the answer, no longer than ctx.
func (g *gatewayRun) wait(ctx context.Context) (Answer, error) {
	select {
	case a := <-g.answered:
		return a, nil
	case <-ctx.Done():
		return Answer{RunID: g.record.ID}, ctx.Err()
	}
}

// Secretly is Gateway for a run that makes a secret: its record keeps nothing
// of what it took and gave.
func (r *Runner) Secretly(ctx context.Context, f catalog.Flow, trigger string, event map[string]any) (Answer, error) {
	g, err := r.called(f, trigger, event)
	if err != nil {
		return Answer{}, err
	}
	g.record.Secret = true
	r.beside(func() { g.launch(ctx, trigger) })
	return g.wait(ctx)
}

// Drive is Gateway for who tries a flow: it comes back when the run is over or
// sleeps for longer than a caller waits. The answer is nil if it has not given
// one.
func (r *Runner) Drive(f catalog.Flow, trigger string, event map[string]any) (*Answer, error) {
	g, err := r.called(f, trigger, event)
	if err != nil {
		return nil, err
	}
	g.launch(context.Background(), trigger)
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
	g.record = record.Record{ID: id, Flow: f.Flow.ID, Version: f.Version, Key: g.key, Trigger: trigger, Started: r.now()}
	if !r.enter(g.key) {
		return nil, ErrBusy
	}
	g.session, g.programs = r.newSession(id, f)
	g.session.Caller = true
	return g, nil
}

// launch drives the run from its start, as a part of its caller's trace.
func (g *gatewayRun) launch(caller context.Context, trigger string) {
	r := g.runner
	if id := cause.Of(caller).Request; id != "" {
		g.record.From = &contact.Origin{Request: id}
	}
	defer r.leave(g.key)
	defer r.guard(g)
	waits := patience
	if deadline, ok := caller.Deadline(); ok {
		waits = time.Until(deadline)
	}
	g.until = r.now().Add(waits)
	run, cancel := bound.For(cause.Carry(trace.Carry(r.stop, caller), caller), maxGatewayRun)
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
	weight, err := r.weight(ctx, key)
	if err != nil {
		return time.Time{}, err
	}
	if !r.room.take(weight) {
		return r.now().Add(roomPause), nil
	}
	defer r.room.give(weight)
	g := r.lone(key)
	found, err := g.load(ctx)
	if found && unreadable(err) {
		defer r.over(key)
		if begin := g.session.Begin; begin != nil {
			g.begin(begin)
		}
		return time.Time{}, g.abandon(ctx, abi.CodeUnavailable, noVersion(err))
	}
	if err != nil {
		return time.Time{}, err
	}
	if !found {
		r.over(key)
		return time.Time{}, nil
	}
	if held := r.held(g.programs, g.session.Pins); held != nil {
		return r.now().Add(HeldPause(r.now().Sub(g.session.since()))), nil
	}
	leave, ok := r.place(ctx, g)
	if !ok {
		return r.now().Add(HeldPause(r.now().Sub(g.session.since()))), ctx.Err()
	}
	defer leave()
	bounded, cancel := context.WithTimeout(ctx, maxGatewayRun)
	defer cancel()
	again, err := g.alone(bounded)
	again, err = g.giveUp(bounded, again, err)
	return r.contended(key, again, err)
}

// place takes a place for a run among those of its route, unless it has the one
// that its call took.
func (r *Runner) place(ctx context.Context, g *gatewayRun) (leave func(), ok bool) {
	r.mu.Lock()
	_, counted := r.later[g.key]
	r.mu.Unlock()
	route := g.session.route()
	if counted || route == "" || r.config.Place == nil {
		return func() { r.over(g.key) }, true
	}
	defer dispatch.Aside(ctx)()
	return r.config.Place(ctx, route)
}

// alone does what there is to do now.
func (g *gatewayRun) alone(ctx context.Context) (again time.Time, err error) {
	r := g.runner
	if g.session.Retry {
		g.session.Retry = false
		err = g.advance(engine.Event{Retry: true})
	} else if begin := g.session.Begin; begin != nil {
		g.begin(begin)
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

// begin opens the record of a run that was stored before it began.
func (g *gatewayRun) begin(start *engine.Start) {
	g.session.Begin = nil
	g.event, _ = start.Value.(map[string]any)
	g.record = record.Record{ID: g.session.ID, Flow: g.session.Run.Flow, Version: g.session.Run.Version, Key: g.key, Trigger: start.Trigger, Started: g.runner.now(), From: g.session.From}
	g.session.From = nil
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
	until    time.Time   // the caller waits no longer
	done     bool        // an answer was given
	reply    *Answer     // to be kept with the next commit
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
		if err = g.commit(ctx); err == nil && again.After(g.until) {
			return
		}
		if err == nil {
			err = g.runner.sleep(ctx, pause)
		}
		if err == nil {
			err = g.advance(engine.Event{Tick: true})
		}
	}
	if err == nil && g.revision == 0 && !g.owed && g.session.Run.Status != engine.Failed && !g.runner.config.InOrder && !g.runner.config.Subscribers.Want(catalog.EventRun) {
		g.answer(Answer{}) // nothing to commit: the trace need not delay it
		g.record.Status = g.session.Status()
		g.told()
		g.runner.records.Add(g.noted)
		return
	}
	if err == nil {
		err = g.finish(ctx)
	}
	_, err = g.giveUp(ctx, time.Time{}, err)
	switch {
	case err == nil && !g.session.Over(): // it waits on, without its caller
	case errors.Is(err, store.ErrConflict) && g.revision != 0: // nobody else takes the session of a run that is driven
		g.runner.config.Log.Info("gateway run cancelled", "run", g.record.ID, "flow", g.record.Flow)
		g.answer(Answer{Failure: &abi.Error{Code: CodeCancelled, Message: "the run was cancelled"}})
	case err != nil:
		g.runner.config.Log.Error("gateway run interrupted", "run", g.record.ID, "flow", g.record.Flow, "error", err)
		g.answer(Answer{Failure: &abi.Error{Code: CodeInterrupted, Message: "the run was interrupted", Retryable: g.revision == 0 && !errors.Is(err, store.ErrUnknown)}})
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
		g.unsay()
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
	a := g.checked(effect)
	if g.revision == 0 && !g.owed && g.session.Over() && !g.runner.config.Subscribers.Want(catalog.EventRun) {
		g.answer(a)
		return nil
	}
	g.owed = true
	if g.session.Keep != nil {
		g.reply, g.session.Told = &a, true
	}
	g.committed = func() {
		g.reply = nil
		g.answer(a)
	}
	return nil
}

// checked is the answer that a response is: a failure, if it is not what its
// route promises.
func (g *gatewayRun) checked(effect engine.Effect) Answer {
	route := g.session.route()
	if route == "" || g.runner.config.Check == nil {
		return Answer{Response: effect.Respond}
	}
	err := g.runner.config.Check(route, effect.Respond)
	if err == nil {
		return Answer{Response: effect.Respond}
	}
	text := "the caller got an error in place of the answer: " + err.Error()
	g.record.KeepLine(record.Line{Node: effect.Node, At: g.runner.now(), Level: "error", Text: text})
	g.runner.config.Log.Error("answer refused", "run", g.record.ID, "flow", g.record.Flow, "node", effect.Node, "route", route, "error", err)
	g.record.Refused = &abi.Error{Code: CodeBadAnswer, Message: text}
	return Answer{Failure: g.record.Refused}
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
	return g.tell(b)
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

// over tells who waits for it that a run does nothing any more.
func (r *Runner) over(key string) {
	r.mu.Lock()
	tell := r.later[key]
	delete(r.later, key)
	r.mu.Unlock()
	if tell != nil {
		tell()
	}
}
