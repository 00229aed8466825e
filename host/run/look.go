package run

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/trama-run/trama/host/engine"
	"github.com/trama-run/trama/host/run/record"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/host/store/document"
)

// Queued is the status of a run that an activation has asked for and that has
// not begun.
const Queued engine.Status = "queued"

// kindQueued is the kind of what is kept of such runs, by run id.
const kindQueued store.Kind = "queued"

// queued is what is kept of a run before it has a record.
type queued struct {
	Flow string    `json:"flow"`
	Key  string    `json:"key"`
	At   time.Time `json:"at"`
}

// Look is how a run stands.
type Look struct {
	record.Record
	// Variables are the scope "flow": as it is now, or as the record kept it.
	Variables any
}

// enqueue adds to a batch that a run is to come.
func enqueue(b *store.Batch, id string, q queued) error {
	data, err := json.Marshal(q)
	if err != nil {
		return fmt.Errorf("run %s: %w", id, err)
	}
	b.Put = append(b.Put, store.Put{ID: store.ID{Kind: kindQueued, Key: id}, Value: data, TTL: record.TTL})
	return nil
}

// Look tells how a run stands, from what is stored. The error wraps ErrNoRun if
// there is none with this id, or it is over for longer than records are kept.
func (r *Runner) Look(ctx context.Context, id string) (Look, error) {
	var l Look
	_, found, err := document.Load(ctx, r.config.Store, record.ID(id), &l.Record)
	if err != nil {
		return l, err
	}
	if !found {
		var q queued
		_, found, err := document.Load(ctx, r.config.Store, store.ID{Kind: kindQueued, Key: id}, &q)
		if err == nil && !found {
			err = fmt.Errorf("run %q: %w", id, ErrNoRun)
		}
		l.ID, l.Flow, l.Key, l.Started, l.Status = id, q.Flow, q.Key, q.At, Queued
		return l, err
	}
	l.Variables = l.Vars
	if l.Ended != nil {
		return l, nil
	}
	var s session
	if _, found, err = document.Load(ctx, r.config.Store, sessionID(l.Key), &s); err != nil || !found || s.ID != id {
		return l, err
	}
	if l.Secret {
		return l, nil
	}
	l.Variables, l.Status = s.Run.Vars, forPeople(s.Run.Status)
	return l, nil
}

// forPeople is a status without the words that only the engine needs: a run
// whose parts run, runs.
func forPeople(s engine.Status) engine.Status {
	if s == engine.Calling || s == engine.Gathering {
		return engine.Running
	}
	return s
}
