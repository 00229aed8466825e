package run

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/trama-run/trama/host/engine"
	"github.com/trama-run/trama/host/kv"
	"github.com/trama-run/trama/host/run/record"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/host/trace"
	"github.com/trama-run/trama/pdk/abi"
)

// journey is one session while a goroutine drives it. The fields above the line
// are stored; those below live as long as the drive.
type journey struct {
	session session
	record  record.Record
	user    map[string]any

	runner   *Runner
	key      string
	event    map[string]any // that started the run; nil once it is in the record
	programs engine.Programs
	revision store.Revision  // of the session record; 0: not stored yet
	found    map[string]bool // effect ids of intents that were found, not made here
	steps    []record.Step   // not yet in the record
	cost     *record.Cost    // of the call whose result comes next
	changes  store.Batch     // to go with the next commit
	memory   *kv.Memory      // of the contact; nil: there is none
	// effect takes the messages and answers that the run wants sent at the next
	// commit.
	effect func(engine.Effect) error
	// saved is called when a commit is made, to add what goes with it.
	saved func(*store.Batch) error
	// committed is called after each commit; nil: nobody waits for it.
	committed func()
	// owed says that something waits for the next commit: the result of a
	// call that changed something outside, or an answer. It is made before the
	// next call at the latest.
	owed bool
	// recorded is when the record was last stored in this drive, and since when
	// the drive began or the session was last stored.
	recorded, since time.Time
	// known says that among what is owed is the result of such a call: it is
	// not dropped as long as the process lives.
	known bool
}

// advance gives the engine an event and takes over what came of it.
func (j *journey) advance(event engine.Event) error {
	env := j.runner.environment()
	event.Now, event.User, event.Env, event.Talks = j.runner.now(), j.user, env.values, j.runner.config.Talks
	outcome, err := j.programs.Advance(j.session.Session, event)
	if err != nil {
		return fmt.Errorf("run %s of flow %s: %w", j.record.ID, j.record.Flow, err)
	}
	switch passed := len(j.record.Steps) + j.record.LeftSteps + len(j.steps); {
	case event.Start != nil:
		j.record.KeepStart(event, env.recorded, j.session.Flows)
	case event.Result == nil:
		j.record.KeepInput(event, passed)
	}
	j.session.Session, j.user = outcome.Session, outcome.User
	if j.steps == nil {
		j.steps = make([]record.Step, 0, max(len(outcome.Steps), 4)) // of a call and an answer
	}
	for i, step := range outcome.Steps {
		s := record.Step{Step: step}
		if i == 0 { // the first step after a call's result is the call's
			s.Cost, j.cost = j.cost, nil
		}
		j.steps = append(j.steps, s)
	}
	// An answer waits for the commit of what goes out with it.
	j.owed = j.owed || slices.ContainsFunc(outcome.Effects, func(e engine.Effect) bool { return e.Alert != nil || e.Emit != nil })
	for _, effect := range outcome.Effects {
		if err := j.take(effect); err != nil {
			return err
		}
	}
	return nil
}

// take adds what an effect needs to the next commit.
func (j *journey) take(e engine.Effect) error {
	switch {
	case e.Alert != nil:
		return j.alert(e)
	case e.Emit != nil:
		return j.emit(e)
	}
	return j.effect(e)
}

// manyChanges is how many changes wait for a commit at most before the session
// goes on: what one move adds fits beside them (see [store.MaxChanges]).
const manyChanges = 100

// maxInlinePause is how long a session that needs no commit waits for a retry
// without one.
const maxInlinePause = 5 * time.Second

// longStretch is how long a session makes pure calls before it is stored at the
// next: so long is the work that a crash repeats, and so long a run of a message
// is shown as queued and can't be cancelled; one of a gateway is not shown.
const longStretch = time.Second

// drive makes the calls that the session asks for, several at once where it has
// sub-runs, until it can't go on now: it is over, or waits. It returns the
// instant at which to look again (zero: none). What is not committed when it
// returns is in changes.
func (j *journey) drive(ctx context.Context) (time.Time, error) {
	ctx, span := trace.Begin(ctx, trace.Inside, "run "+j.record.Flow)
	defer func() {
		span.Text("trama.flow", j.record.Flow)
		span.Text("trama.run", j.record.ID)
		if status := j.session.Status(); status == engine.Failed {
			span.Fail(string(status))
		}
		span.End()
	}()
	j.since = j.runner.now()
	var w work
	defer w.wait()
	for {
		if j.session.Over() {
			return time.Time{}, nil // the intents tell of calls that are still being made
		}
		if err := ctx.Err(); err != nil {
			return time.Time{}, j.cut(ctx, &w, err)
		}
		if waiting := len(j.changes.Append) + len(j.changes.Put) + len(j.changes.Wake); waiting >= manyChanges {
			if err := j.checkpoint(ctx); err != nil {
				return time.Time{}, j.cut(ctx, &w, err)
			}
		}
		if j.session.Paused() {
			if err := j.advance(engine.Event{Tick: true}); err != nil {
				return time.Time{}, err
			}
			continue
		}
		ready, later := j.ready(w.running)
		if len(ready)+len(w.running) == 0 {
			if pause := later.Sub(j.runner.now()); !later.IsZero() && j.revision == 0 && j.session.Due().IsZero() && pause <= maxInlinePause {
				if err := j.runner.sleep(ctx, pause); err != nil {
					return time.Time{}, err
				}
				continue
			}
			return earlier(later, j.session.Due()), nil
		}
		if j.runner.config.InOrder && len(ready) > 1 {
			ready = ready[:1]
		}
		results, err := j.begin(ctx, &w, ready)
		if err == nil && len(results) == 0 {
			var one ended
			if one, err = w.next(ctx); err == nil {
				results = append(results, j.conclude(one))
			}
		}
		if err != nil {
			return time.Time{}, j.cut(ctx, &w, err)
		}
		for _, result := range results {
			if j.session.Over() {
				break
			}
			if err := j.advance(engine.Event{Result: result}); err != nil {
				return time.Time{}, err
			}
		}
	}
}

// cut ends a drive that can't go on. If the run itself is the reason, it was
// driven for too long or is too big, then it has the results of the calls that
// are still being made, so that its error ports and its record know of them. If
// the host stops, or somebody else has the session, the intents tell of them.
func (j *journey) cut(ctx context.Context, w *work, cause error) error {
	if !errors.Is(ctx.Err(), context.DeadlineExceeded) && !errors.Is(cause, store.ErrTooBig) {
		return cause
	}
	for len(w.running) > 0 && !j.session.Over() {
		one := <-w.ended
		delete(w.running, one.call.EffectID)
		if err := j.advance(engine.Event{Result: j.conclude(one)}); err != nil {
			return err
		}
	}
	return cause
}

// earlier gives the first of two instants; the zero one is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// ready gives the calls that may be made now and are not being made, and the
// instant at which the first of the others may.
func (j *journey) ready(running map[string]bool) (ready []*engine.Call, later time.Time) {
	now := j.runner.now()
	for _, call := range j.session.Calls() {
		switch {
		case running[call.EffectID]:
		case !call.NotBefore.After(now):
			ready = append(ready, call)
		case later.IsZero() || call.NotBefore.Before(later):
			later = call.NotBefore
		}
	}
	return ready, later
}

// maxRefused is how many calls that can't be made have their results at once:
// what these lead to is committed before that of the next.
const maxRefused = 10

// begin begins calls. What is owed to the disk is committed first, and so are
// the intents of calls that may change something outside. Calls that can't be
// made have their results at once; so has one that has no other beside it,
// since it is made here.
func (j *journey) begin(ctx context.Context, w *work, calls []*engine.Call) (results []*engine.Result, err error) {
	var begun []*asked
	must := j.owed && len(calls) > 0
	intents := j.session.Intents
	for _, call := range calls {
		a, refused := j.ask(call)
		if refused != nil {
			if results = append(results, refused); len(results) == maxRefused {
				break
			}
			continue
		}
		must = must || a.effect != abi.EffectPure
		begun = append(begun, a)
	}
	if len(results) > 0 {
		// The engine has them first: a commit now would store the calls as
		// still to be made, and no intents any more that say that they were.
		return results, nil
	}
	if must || len(begun) > 0 && j.runner.now().Sub(j.since) >= longStretch {
		err := j.checkpoint(ctx)
		if !must && (errors.Is(err, store.ErrNoSpace) || errors.Is(err, store.ErrTooBig)) { // a run that changes nothing needs no disk
			j.since, err = j.runner.now(), nil
		}
		if err != nil {
			j.session.Intents = intents // these calls are not made
			return nil, err
		}
	}
	if len(begun) == 1 && len(w.running) == 0 {
		one := j.runner.perform(ctx, j, begun[0])
		if stopped(ctx) {
			return nil, ctx.Err()
		}
		return append(results, j.conclude(one)), nil
	}
	for _, a := range begun {
		w.start(func() ended { return j.runner.perform(ctx, j, a) }, a.call.EffectID)
	}
	return results, nil
}
