package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/trama-run/trama/host/engine"
	"github.com/trama-run/trama/host/run/mail"
	"github.com/trama-run/trama/host/run/record"
	"github.com/trama-run/trama/host/run/told"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/host/store/document"
)

// Queued is the status of a run that an activation or an event has asked for in
// a contact's conversation and of which nothing is committed yet: it waits for
// its turn, or makes its first calls.
const Queued engine.Status = "queued"

// kindQueued is the kind of what is kept of such runs, by run id, until their
// first commit.
const kindQueued store.Kind = "queued"

// queued is what is kept of a run before it has a record.
type queued struct {
	Flow    string    `json:"flow"`
	Trigger string    `json:"trigger,omitempty"`
	Key     string    `json:"key"`
	At      time.Time `json:"at"`
}

func queuedID(run string) store.ID { return store.ID{Kind: kindQueued, Key: run} }

// record is what is shown of it.
func (q queued) record(id string) record.Record {
	return record.Record{ID: id, Flow: q.Flow, Trigger: q.Trigger, Key: q.Key, Status: Queued, Started: q.At}
}

// enqueue adds to a batch that a run is to come.
func enqueue(b *store.Batch, id string, q queued) error {
	data, err := json.Marshal(q)
	if err != nil {
		return fmt.Errorf("run %s: %w", id, err)
	}
	b.Put = append(b.Put, store.Put{ID: queuedID(id), Value: data, TTL: record.TTL})
	return nil
}

// Queue lists up to most runs that have not begun, newest first, older than the
// one with the id before ("": all), of a flow ("": of all).
func (r *Runner) Queue(ctx context.Context, flow, before string, most int) ([]record.Record, error) {
	list := []record.Record{}
	for len(list) < most {
		stored, err := r.config.Store.List(ctx, kindQueued, before, most, true)
		if err != nil || len(stored) == 0 {
			return list, err
		}
		for _, s := range stored {
			before = s.ID.Key
			var q queued
			if err := json.Unmarshal(s.Value, &q); err != nil {
				return nil, fmt.Errorf("record %s %s: %w", s.ID.Kind, s.ID.Key, err)
			}
			if flow != "" && flow != q.Flow {
				continue
			}
			_, err := r.config.Store.Load(ctx, record.ID(before))
			switch {
			case err == nil: // it has begun since the list was read
			case !errors.Is(err, store.ErrNotFound):
				return nil, err
			case len(list) < most:
				list = append(list, q.record(before))
			}
		}
	}
	return list, nil
}

// cancelQueued ends a run that has not begun; false: there is no such run. Its
// letter is dropped when its turn comes.
func (r *Runner) cancelQueued(ctx context.Context, id string) (bool, error) {
	var q queued
	revision, found, err := document.Load(ctx, r.config.Store, queuedID(id), &q)
	if err != nil || !found {
		return false, err
	}
	ended := q.record(id)
	ended.Cancel("cancelled by an operator", r.now())
	put, err := ended.Put()
	if err != nil {
		return true, err
	}
	b := store.Batch{
		Expect: []store.Expect{{ID: queuedID(id), Revision: revision}, {ID: put.ID}},
		Delete: []store.ID{queuedID(id)},
		Put:    []store.Put{put},
		Wake:   []store.Wake{{Key: q.Key, At: r.now()}},
	}
	if err := told.End(r.config.Subscribers, &b, ended, strings.TrimPrefix(q.Key, mail.Prefix+":")); err != nil {
		return true, err
	}
	if _, err = r.config.Store.Commit(ctx, &b); err == nil {
		r.config.Poke()
	}
	return true, err
}

// claim takes the start of a run over, for the next commit: it conflicts with a
// cancellation at the same time. cancelled: there was one before.
func (c *conversation) claim(ctx context.Context, id string) (cancelled bool, err error) {
	var q queued
	revision, found, err := document.Load(ctx, c.runner.config.Store, queuedID(id), &q)
	if err != nil {
		return false, err
	}
	c.claimed = &store.Expect{ID: queuedID(id), Revision: revision}
	if found {
		return false, nil
	}
	var known record.Record
	_, _, err = document.Load(ctx, c.runner.config.Store, record.ID(id), &known)
	return known.Status == engine.Cancelled, err
}

// settleClaim adds to a commit that the run has begun, or never will.
func (c *conversation) settleClaim(b *store.Batch) {
	if c.claimed == nil {
		return
	}
	b.Expect = append(b.Expect, *c.claimed)
	if c.claimed.Revision != 0 {
		b.Delete = append(b.Delete, c.claimed.ID)
	}
}
