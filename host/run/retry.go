package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/trama-run/trama/host/engine"
	"github.com/trama-run/trama/host/store"
)

// Errors of bringing a failed run back. What wraps them says more.
var (
	// ErrNotFailed: there is no failed session with this id that was kept.
	ErrNotFailed = errors.New("nothing to retry")
	// ErrKeyTaken: another session has the run's place.
	ErrKeyTaken = errors.New("its place is taken")
	// ErrMoved: somebody else changed the session meanwhile.
	ErrMoved = errors.New("it has moved on meanwhile")
)

// Retry brings a failed run back, durably and once: its node is entered anew,
// or its call made again with the same effect id, and its record goes on. It
// stays on the versions that it began with or, if latest is set, moves to those
// that are published now. Errors: ErrNotFailed, ErrKeyTaken, ErrMoved, a
// *StuckError if it can't stand in the latest version.
func (r *Runner) Retry(ctx context.Context, id string, latest bool) (Record, error) {
	var s session
	var record Record
	failed := store.ID{Kind: kindFailed, Key: id}
	revision, found, err := load(ctx, r.config.Store, failed, &s)
	if err != nil {
		return record, err
	}
	recorded, known, err := load(ctx, r.config.Store, store.ID{Kind: KindRecord, Key: id}, &record)
	if err != nil {
		return record, err
	}
	switch {
	case !known:
		return record, fmt.Errorf("run %s: %w: there is no record of it", id, ErrNotFailed)
	case !found && record.Status != engine.Failed:
		return record, fmt.Errorf("run %s: %w: it is %s", id, ErrNotFailed, record.Status)
	case !found:
		return record, fmt.Errorf("run %s: %w: its state was over %d bytes, or is older than two weeks, so it was not kept", id, ErrNotFailed, maxFailed)
	}
	if _, taken, err := load(ctx, r.config.Store, sessionID(record.Key), &session{}); err != nil {
		return record, err
	} else if taken {
		return record, fmt.Errorf("run %s: %w: %s has another run that is not over; let it end, or cancel it", id, ErrKeyTaken, record.Key)
	}
	if latest {
		for flow := range s.Flows {
			to, ok := r.config.Catalog().Snapshot().Flows[flow]
			if !ok {
				continue // it is not published any more, and ends as it began
			}
			if err := r.move(ctx, &s, to.Program, nil); err != nil {
				return record, err
			}
		}
		record.Version = s.Run.Version
	}
	s.Retry = true
	record.Status, record.Error, record.Ended = engine.Running, nil, nil
	b := store.Batch{
		Intake: true,
		Expect: []store.Expect{{ID: failed, Revision: revision}, {ID: sessionID(record.Key)}, {ID: store.ID{Kind: KindRecord, Key: id}, Revision: recorded}},
		Delete: []store.ID{failed},
		Wake:   []store.Wake{{Key: record.Key, At: r.now()}},
	}
	if b.Put, err = puts(record, sessionID(record.Key), s); err != nil {
		return record, err
	}
	if _, err := r.config.Store.Commit(ctx, &b); errors.Is(err, store.ErrConflict) {
		return record, fmt.Errorf("run %s: %w", id, ErrMoved)
	} else if err != nil {
		return record, err
	}
	r.config.Poke()
	return record, nil
}

// puts gives the changes that store a record and a session.
func puts(record Record, id store.ID, s session) ([]store.Put, error) {
	data, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("run %s: %w", record.ID, err)
	}
	put, err := record.put()
	return []store.Put{{ID: id, Value: data}, put}, err
}
