package run

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/trama-run/trama/host/contact"
	"github.com/trama-run/trama/host/engine"
	"github.com/trama-run/trama/host/expr"
	"github.com/trama-run/trama/host/run/mail"
	"github.com/trama-run/trama/host/run/record"
	"github.com/trama-run/trama/host/run/told"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/host/store/document"
)

// Errors of what operators ask of runs.
var (
	// ErrNoRun: there is no record of the run, and no session.
	ErrNoRun = errors.New("there is no such run")
	// ErrNotStored: the run has ended or, one of a gateway or a message, is being
	// driven and not stored yet.
	ErrNotStored = errors.New("the run has no stored session: it has ended, or answers a request or a message right now")
)

// Standing is where a stored session stands.
type Standing struct {
	Run     string        `json:"run"`
	Flow    string        `json:"flow"`
	Version int           `json:"version"`
	Node    string        `json:"node,omitempty"`
	Status  engine.Status `json:"status"`
	// Listens says that a message would move it on; Due when time will.
	Listens bool      `json:"listens,omitempty"`
	Due     time.Time `json:"due,omitzero"`
}

// Standing gives where the session of a contact stands; nil if there is none.
func (r *Runner) Standing(ctx context.Context, who contact.Key) (*Standing, error) {
	who, err := Whose(ctx, r.config.Store, who)
	if err != nil {
		return nil, err
	}
	var s session
	if _, found, err := document.Load(ctx, r.config.Store, sessionID(mail.Key(who)), &s); err != nil || !found {
		return nil, err
	}
	standing := s.standing()
	return &standing, nil
}

// SetWithHuman says that a person attends to a contact, or does no more. While
// one does, flows are silent: messages are the person's, timers wait, and
// flows that are to start do so afterwards.
func (r *Runner) SetWithHuman(ctx context.Context, who string, on bool) error {
	key, err := r.Known(ctx, contact.Key(who))
	if err != nil {
		return err
	}
	if err := mail.Check(r.config.Catalog().Snapshot(), string(key)); err != nil {
		return err
	}
	var b store.Batch
	if err := mail.Post(&b, key, mail.Letter{WithHuman: &on}, r.now()); err != nil {
		return err
	}
	if _, err := r.config.Store.Commit(ctx, &b); err != nil {
		return err
	}
	r.config.Poke()
	return nil
}

// Cancel ends a run that waits, sleeps, can't go on or has not begun: its session
// is removed, and its record says so. Who drives it at that moment can't commit any more,
// and leaves it; a call that is being made may still take effect.
func (r *Runner) Cancel(ctx context.Context, id string) error {
	for {
		if queued, err := r.cancelQueued(ctx, id); queued && !errors.Is(err, store.ErrConflict) || err != nil && !queued {
			return err
		}
		key, err := r.keyOf(ctx, id)
		if err != nil {
			return err
		}
		var s session
		revision, found, err := document.Load(ctx, r.config.Store, sessionID(key), &s)
		if err != nil {
			return err
		}
		if !found || s.ID != id {
			return ErrNotStored
		}
		ended := record.Record{ID: id, Flow: s.Run.Flow, Version: s.Run.Version, Key: key, Trigger: s.Run.TriggerID, Started: r.now()}
		if s.Begin != nil {
			ended.Trigger = s.Begin.Trigger
		}
		if _, _, err := document.Load(ctx, r.config.Store, record.ID(id), &ended); err != nil {
			return err
		}
		ended.Cancel("cancelled by an operator", r.now())
		put, err := ended.Put()
		if err != nil {
			return err
		}
		b := store.Batch{
			Expect: []store.Expect{{ID: sessionID(key), Revision: revision}},
			Delete: []store.ID{sessionID(key)},
			Put:    []store.Put{put},
			Wake:   []store.Wake{{Key: key}},
		}
		if s.Contact != "" {
			b.Wake[0].At = r.now() // letters may wait, or flows for the end of this one
		}
		if s.Done != "" {
			b.Wake = append(b.Wake, store.Wake{Key: s.Done, At: r.now()})
		}
		if err := s.cancelled(&b, r.now()); err != nil {
			return err
		}
		if err := told.End(r.config.Subscribers, &b, ended, s.Contact); err != nil {
			return err
		}
		_, err = r.config.Store.Commit(ctx, &b)
		if errors.Is(err, store.ErrConflict) {
			continue // it moved on: look again where it is
		}
		if err == nil {
			r.over(key)
			r.config.Poke()
		}
		return err
	}
}

// keyOf finds the key whose session a run may be: from its record or, where
// that has gone, among all sessions.
func (r *Runner) keyOf(ctx context.Context, id string) (key string, err error) {
	var known record.Record
	if _, found, err := document.Load(ctx, r.config.Store, record.ID(id), &known); err != nil || found {
		return known.Key, err
	}
	if q, found := r.first.find(id); found {
		return q.Key, nil
	}
	err = r.eachSession(ctx, func(stored store.Record, s session) error {
		if s.ID == id {
			key = stored.ID.Key
		}
		return nil
	})
	if err == nil && key == "" {
		err = fmt.Errorf("run %q: %w", id, ErrNoRun)
	}
	return key, err
}

// Contacts lists up to max contacts in the order of their keys, after one.
func (r *Runner) Contacts(ctx context.Context, after string, max int) ([]contact.Contact, error) {
	records, err := r.config.Store.List(ctx, KindContact, after, max, false)
	if err != nil {
		return nil, err
	}
	list := make([]contact.Contact, len(records))
	for i, record := range records {
		if err := expr.UnmarshalJSON(record.Value, &list[i]); err != nil {
			return nil, fmt.Errorf("contact %s: %w", record.ID.Key, err)
		}
	}
	return list, nil
}
