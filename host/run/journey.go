package run

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/trama-run/trama/host/engine"
	"github.com/trama-run/trama/host/expr"
	"github.com/trama-run/trama/host/kv"
	"github.com/trama-run/trama/host/plugin"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/pdk/abi"
)

// journey is one run while a goroutine drives it. The fields above the line
// are stored; those below live as long as the drive.
type journey struct {
	session session
	record  Record
	user    map[string]any

	runner   *Runner
	key      string
	event    map[string]any // that started the run; nil once it is in the record
	program  *engine.Program
	revision store.Revision // of the session record; 0: not stored yet
	steps    []Step         // not yet in the record
	cost     *Cost          // of the call whose result comes next
	changes  store.Batch    // to go with the next commit
	memory   *kv.Memory     // of the contact; nil: there is none
	// effect takes what the run wants done outside at the next commit.
	effect func(engine.Effect) error
	// saved is called when a commit is made, to add what goes with it.
	saved func(*store.Batch) error
	// committed is called after each commit; nil: nobody waits for it.
	committed func()
	// owed says that something waits for the next commit: the result of a
	// call that changed something outside, or an answer. It is made before the
	// next call at the latest.
	owed bool
}

// advance gives the engine an event and takes over what came of it.
func (j *journey) advance(event engine.Event) error {
	event.Now, event.User, event.Env = now(), j.user, j.runner.config.Env
	outcome, err := j.program.Advance(j.session.Run, event)
	if err != nil {
		return fmt.Errorf("run %s of flow %s: %w", j.record.ID, j.record.Flow, err)
	}
	j.session.Run, j.user = outcome.Run, outcome.User
	for i, step := range outcome.Steps {
		s := Step{Step: step}
		if i == 0 { // the first step after a call's result is the call's
			s.Cost, j.cost = j.cost, nil
		}
		j.steps = append(j.steps, s)
	}
	for _, effect := range outcome.Effects {
		if err := j.effect(effect); err != nil {
			return err
		}
	}
	return nil
}

// drive makes the calls that the run asks for until it waits or ends, or must
// be looked at again later; that instant is returned (zero: none). What is not
// committed when it returns is in changes.
func (j *journey) drive(ctx context.Context) (time.Time, error) {
	for j.session.Run.Status == engine.Running {
		call := j.session.Run.Pending
		if call == nil {
			return time.Time{}, fmt.Errorf("run %s is running and waits for no call", j.record.ID)
		}
		if wait := time.Until(call.NotBefore); wait > 0 {
			if j.revision != 0 || wait > maxInlinePause {
				return call.NotBefore, j.commit(ctx)
			}
			if err := sleep(ctx, wait); err != nil {
				return time.Time{}, err
			}
		}
		result, err := j.call(ctx, call)
		if err != nil {
			return time.Time{}, err
		}
		if err := j.advance(engine.Event{Result: result}); err != nil {
			return time.Time{}, err
		}
	}
	return time.Time{}, nil
}

// maxInlinePause is how long a run that needs no commit waits for a retry
// without one.
const maxInlinePause = 5 * time.Second

// call makes one call. What is owed to the disk is committed first, and so is
// the intent of a call that may change something outside.
func (j *journey) call(ctx context.Context, call *engine.Call) (*engine.Result, error) {
	result := &engine.Result{EffectID: call.EffectID}
	j.pin(call.Plugin)
	_, effect, refused := j.runner.target(call, j.session.Pins[call.Plugin])
	if refused != nil {
		result.Error = refused
		return result, nil
	}
	// An intent that is found, not made here, is of a call that was cut short:
	// every call that ended took its intent away.
	if effect == abi.EffectUnsafe && j.session.Intent == call.EffectID {
		j.session.Intent = ""
		result.Error = &abi.Error{Code: abi.CodeUnknown, Message: fmt.Sprintf("node %s: the host stopped during this call, so it is not known whether it took effect; it is not repeated because the plugin says that a repeat may do it twice", call.Node)}
		return result, nil
	}
	if effect != abi.EffectPure {
		j.session.Intent = call.EffectID
	}
	if effect != abi.EffectPure || j.owed {
		if err := j.commit(ctx); err != nil {
			return nil, err
		}
	}
	output, usage, writes, failure := j.runner.perform(ctx, j, call)
	if ctx.Err() != nil {
		return nil, ctx.Err() // cut short by our own end: the intent stays
	}
	if usage != (plugin.Usage{}) {
		j.cost = &Cost{Fuel: usage.Fuel, GuestTime: usage.GuestTime, MemoryBytes: usage.MemoryBytes}
	}
	j.session.Intent, j.owed = "", effect != abi.EffectPure
	if failure != nil {
		result.Error = settled(failure, effect)
		return result, nil
	}
	value, err := expr.ParseJSON(output)
	if err != nil {
		result.Error = &abi.Error{Code: abi.CodeBadOutput, Message: fmt.Sprintf("node %s: output of %s.%s: %v", call.Node, call.Plugin, call.Operation, err)}
		return result, nil
	}
	result.Output = value
	if writes != nil && writes.Keep() {
		j.owed = true // before the next call, so that no commit has those of two
	}
	return result, nil
}

// settled is a call's failure as the flow may act on it. An unsafe call is made
// at most once, so it is never retryable, and where it was cut short its
// outcome is unknown.
func settled(failure *abi.Error, effect abi.Effect) *abi.Error {
	if effect != abi.EffectUnsafe || failure.Code == abi.CodeUnavailable { // the latter: nothing was called
		return failure
	}
	final := *failure
	final.Retryable, final.RetryAfterMillis = false, 0
	if final.Code == abi.CodeTimeout || final.Code == abi.CodeTrap {
		final.Code = abi.CodeUnknown
		final.Message = "it is not known whether it took effect: " + final.Message
	}
	return &final
}

// commit stores the run as it is now, with everything that came since the last
// commit.
func (j *journey) commit(ctx context.Context) error {
	id := store.ID{Kind: kindSession, Key: j.key}
	data, err := json.Marshal(j.session)
	if err != nil {
		return fmt.Errorf("run %s: %w", j.record.ID, err)
	}
	return j.write(ctx, store.Batch{
		Expect: []store.Expect{{ID: id, Revision: j.revision}},
		Put:    []store.Put{{ID: id, Value: data}},
	})
}

// finish stores the end of the run and takes its session away.
func (j *journey) finish(ctx context.Context) error {
	var b store.Batch
	if j.revision != 0 {
		id := store.ID{Kind: kindSession, Key: j.key}
		b.Expect, b.Delete = []store.Expect{{ID: id, Revision: j.revision}}, []store.ID{id}
	}
	return j.write(ctx, b)
}

// abandon ends a run that can't go on: it fails, what it wanted since the last
// commit is given up, and what it was given is consumed.
func (j *journey) abandon(ctx context.Context, code, reason string) error {
	j.changes, j.committed = store.Batch{Remove: j.changes.Remove}, nil
	if j.memory != nil {
		j.memory.Forget()
	}
	j.session.Run.Status, j.session.Run.Pending = engine.Failed, nil
	j.session.Run.Failure = &engine.Failure{Node: j.session.Run.Node, Error: abi.Error{
		Code: code, Message: fmt.Sprintf("node %s: %s", j.session.Run.Node, reason),
	}}
	return j.finish(ctx)
}

// tooBig is the reason to abandon a run whose commit the store refuses.
func tooBig(cause error) (code, reason string) {
	return abi.CodeLimit, fmt.Sprintf("the run or its contact holds more than can be stored: %v", cause)
}

// write commits a batch with the record and with the changes that wait. If it
// fails, they still wait.
func (j *journey) write(ctx context.Context, b store.Batch) error {
	j.note()
	put, err := j.record.put()
	if err != nil {
		return err
	}
	b.Put = append(b.Put, put)
	b.Append, b.Remove, b.Wake = j.changes.Append, j.changes.Remove, slices.Clone(j.changes.Wake)
	if j.saved != nil {
		if err := j.saved(&b); err != nil {
			return err
		}
	}
	if j.memory != nil {
		if err := j.memory.Save(&b); err != nil {
			return err
		}
	}
	result, err := j.runner.config.Store.Commit(ctx, &b)
	if err != nil {
		return fmt.Errorf("run %s: %w", j.record.ID, err)
	}
	if len(b.Wake) > 0 {
		j.runner.config.Poke()
	}
	j.revision, j.changes, j.owed = result.Revision, store.Batch{}, false
	if j.memory != nil {
		j.memory.Saved(result.Revision)
	}
	if j.committed != nil {
		j.committed()
	}
	return nil
}

// note brings the record up to date.
func (j *journey) note() {
	if j.event != nil {
		j.record.event(j.event)
		j.event = nil
	}
	for _, s := range j.steps {
		j.record.step(s)
	}
	j.steps = nil
	run := j.session.Run
	j.record.Node, j.record.Status = run.Node, run.Status
	if run.Status == engine.Done || run.Status == engine.Failed {
		j.record.end(run.Result, run.Failure)
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
