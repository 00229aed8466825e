package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/trama-run/trama/host/engine"
	"github.com/trama-run/trama/host/run/record"
	"github.com/trama-run/trama/host/run/told"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/pdk/abi"
)

// commit stores the session as it is now, with everything that came since the
// last commit.
func (j *journey) commit(ctx context.Context) error {
	j.recorded = time.Time{}
	return j.checkpoint(ctx)
}

// checkpoint is commit in the middle of a drive: a large record may wait.
func (j *journey) checkpoint(ctx context.Context) error {
	data, err := json.Marshal(j.session)
	if err != nil {
		return fmt.Errorf("run %s: %w", j.record.ID, err)
	}
	id := sessionID(j.key)
	return j.write(ctx, store.Batch{
		Expect: []store.Expect{{ID: id, Revision: j.revision}},
		Put:    []store.Put{{ID: id, Value: data}},
	})
}

// finish stores the end of the session and takes its state away; of one that
// failed, the state is kept for a retry.
func (j *journey) finish(ctx context.Context) error {
	var b store.Batch
	if j.revision != 0 {
		id := sessionID(j.key)
		b.Expect, b.Delete = []store.Expect{{ID: id, Revision: j.revision}}, []store.ID{id}
	}
	if j.session.Done != "" {
		j.wake(j.session.Done)
	}
	if j.session.Run.Status == engine.Failed && !j.record.Secret {
		data, err := json.Marshal(j.session)
		if err != nil {
			return fmt.Errorf("run %s: %w", j.record.ID, err)
		}
		if len(data) <= maxFailed {
			b.Put = append(b.Put, store.Put{ID: store.ID{Kind: kindFailed, Key: j.session.ID}, Value: data, TTL: record.TTL})
		}
	}
	return j.write(ctx, b)
}

// abandon ends a session that can't go on: it fails, what it wanted since the
// last commit is given up, and what it was given is consumed. Where it stood,
// with the calls that it was to make, is kept for a retry.
func (j *journey) abandon(ctx context.Context, code, reason string) error {
	j.changes, j.committed = store.Batch{Remove: j.changes.Remove}, nil
	if j.memory != nil {
		j.memory.Forget()
	}
	j.fail(code, reason)
	return j.finish(ctx)
}

// fail ends the session from outside.
func (j *journey) fail(code, reason string) {
	run := *j.session.Run
	run.Status = engine.Failed
	run.Failure = &engine.Failure{Node: run.Node, Error: abi.Error{Code: code, Message: fmt.Sprintf("node %s: %s", run.Node, reason)}}
	j.session.Run = &run
}

// tooBig is the reason to abandon a run whose commit the store refuses.
func tooBig(cause error) (code, reason string) {
	return abi.CodeLimit, fmt.Sprintf("the run or its contact holds more than can be stored: %v", cause)
}

// How soon a commit is repeated while the disk is full, if a result waits for it
// that nobody else knows.
const (
	minFullPause = 100 * time.Millisecond
	maxFullPause = 10 * time.Second
)

// write commits a batch with the record and with the changes that wait. If it
// fails, they still wait.
func (j *journey) write(ctx context.Context, b store.Batch) error {
	j.note()
	now := j.runner.now()
	recorded := j.session.Over() || j.record.Due(j.recorded, now)
	if recorded {
		put, err := j.record.Put()
		if err != nil {
			return err
		}
		b.Put = append(b.Put, put)
	}
	b.Put = append(b.Put, j.changes.Put...)
	b.Append, b.Remove, b.Wake = j.changes.Append, j.changes.Remove, slices.Clone(j.changes.Wake)
	for i, wake := range b.Wake {
		if !wake.At.IsZero() && wake.At.Before(now) { // what is due is read in order: who comes late stands where it would be passed over
			b.Wake[i].At = now
		}
	}
	if j.saved != nil {
		if err := j.saved(&b); err != nil {
			return err
		}
	}
	if j.session.Over() {
		b.Append = slices.Clip(b.Append)
		if err := told.End(j.runner.config.Subscribers, &b, j.record, j.session.Contact); err != nil {
			return err
		}
	}
	if j.memory != nil {
		if err := j.memory.Save(&b); err != nil {
			return err
		}
	}
	result, err := j.runner.config.Store.Commit(ctx, &b)
	for pause := minFullPause; j.known && errors.Is(err, store.ErrNoSpace) && j.runner.sleep(ctx, pause) == nil; pause = min(2*pause, maxFullPause) {
		result, err = j.runner.config.Store.Commit(ctx, &b)
	}
	if err != nil {
		return fmt.Errorf("run %s: %w", j.record.ID, err)
	}
	if len(b.Wake) > 0 {
		j.runner.config.Poke()
	}
	if j.session.Over() {
		j.told()
	}
	j.revision, j.changes, j.owed = result.Revision, store.Batch{}, false
	j.known, j.since = false, now
	if recorded {
		j.recorded = now
	}
	if j.memory != nil {
		j.memory.Saved(result.Revision)
	}
	if j.committed != nil {
		j.committed()
	}
	return nil
}

// told says that the run is over, to who counts.
func (j *journey) told() {
	if j.runner.config.Ended != nil {
		j.runner.config.Ended(j.record.Flow, j.record.Status, j.runner.now().Sub(j.record.Started))
	}
}

// note brings the record up to date.
func (j *journey) note() {
	if j.event != nil {
		j.record.KeepEvent(j.event)
		j.event = nil
	}
	for _, s := range j.steps {
		j.record.KeepStep(s)
	}
	j.steps = nil
	j.record.KeepUser(j.user)
	run := j.session.Run
	j.record.Node, j.record.Status = j.session.Position().Node, j.session.Status()
	if j.session.Over() {
		j.record.KeepEnd(run, j.runner.now())
	}
}

// noted is the record, up to date.
func (j *journey) noted() *record.Record {
	j.note()
	return &j.record
}

// wake sets a key's wake for now, once in a commit.
func (j *journey) wake(key string) {
	if !slices.ContainsFunc(j.changes.Wake, func(w store.Wake) bool { return w.Key == key }) {
		j.changes.Wake = append(j.changes.Wake, store.Wake{Key: key, At: j.runner.now()})
	}
}
