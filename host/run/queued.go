package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/trama-run/trama/host/engine"
	"github.com/trama-run/trama/host/run/mail"
	"github.com/trama-run/trama/host/run/record"
	"github.com/trama-run/trama/host/run/told"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/host/store/document"
)

// Queued is the status of a run that is asked for and of which nothing is
// committed yet: it waits for its turn, or makes its first calls.
//
// What an activation or an event has asked for in a contact's conversation has a
// record of its own until then; what runs for nobody, or for a caller who asks
// for the answer later, is stored as a session that has not begun; and what a
// message has started makes its first calls at once, and is known in memory.
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
	list, err := r.asked(ctx, flow, before, most)
	if err != nil {
		return nil, err
	}
	others, err := r.unbegun(ctx)
	if err != nil {
		return nil, err
	}
	for _, one := range append(others, r.first.all()...) {
		if (before == "" || one.ID < before) && (flow == "" || flow == one.Flow) {
			switch begun, err := r.recorded(ctx, one.ID); {
			case err != nil:
				return nil, err
			case !begun:
				list = append(list, one)
			}
		}
	}
	slices.SortFunc(list, func(a, b record.Record) int { return strings.Compare(b.ID, a.ID) })
	list = slices.CompactFunc(list, func(a, b record.Record) bool { return a.ID == b.ID })
	return list[:min(most, len(list))], nil
}

// recorded says whether a run has a record.
func (r *Runner) recorded(ctx context.Context, id string) (bool, error) {
	_, err := r.config.Store.Load(ctx, record.ID(id))
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// maxUnbegun is how many sessions of runs without a contact are looked at for
// those that have not begun: the newest, which most of them are. unbegunPage are
// in memory at a time.
const (
	maxUnbegun  = 1000
	unbegunPage = 50
)

// unbegun lists runs without a contact that are stored and have not begun.
func (r *Runner) unbegun(ctx context.Context) (list []record.Record, err error) {
	before := PrefixRun + ";" // behind all that begin with PrefixRun:
	for seen := 0; seen < maxUnbegun; seen += unbegunPage {
		stored, err := r.config.Store.List(ctx, kindSession, before, unbegunPage, true)
		if err != nil {
			return nil, err
		}
		for _, one := range stored {
			if before = one.ID.Key; !strings.HasPrefix(before, PrefixRun+":") {
				return list, nil
			}
			var s session
			if err := json.Unmarshal(one.Value, &s); err != nil {
				return nil, fmt.Errorf("session %s: %w", before, err)
			}
			if s.Begin != nil {
				list = append(list, s.queued(before).record(s.ID))
			}
		}
		if len(stored) < unbegunPage {
			break
		}
	}
	return list, nil
}

// queued is what is shown of a session that has not begun.
func (s *session) queued(key string) queued {
	return queued{Flow: s.Run.Flow, Trigger: s.Begin.Trigger, Key: key, At: s.Made}
}

// first are the runs that make their first calls, and of which nothing is stored.
type first struct {
	mu   sync.Mutex
	runs map[string]queued // by id; guarded by mu
}

// add notes one until leave is called.
func (f *first) add(id string, q queued) (leave func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.runs[id] = q
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.runs, id)
	}
}

func (f *first) all() (list []record.Record) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for id, q := range f.runs {
		list = append(list, q.record(id))
	}
	return list
}

func (f *first) find(id string) (q queued, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	q, ok = f.runs[id]
	return q, ok
}

// notBegun gives a run of which nothing is committed, wherever it is known.
func (r *Runner) notBegun(ctx context.Context, id string) (q queued, found bool, err error) {
	if _, found, err := document.Load(ctx, r.config.Store, queuedID(id), &q); err != nil || found {
		return q, found, err
	}
	var s session
	if _, found, err := document.Load(ctx, r.config.Store, sessionID(PrefixRun+":"+id), &s); err != nil || found && s.Begin != nil {
		if err == nil {
			q = s.queued(PrefixRun + ":" + id)
		}
		return q, err == nil, err
	}
	q, found = r.first.find(id)
	return q, found, nil
}

// asked is Queue for what is asked for in contacts' conversations.
func (r *Runner) asked(ctx context.Context, flow, before string, most int) ([]record.Record, error) {
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
			begun, err := r.recorded(ctx, before)
			switch {
			case begun: // since the list was read
			case err != nil:
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
