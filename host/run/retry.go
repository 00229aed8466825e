package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/trama-run/trama/host/contact"
	"github.com/trama-run/trama/host/engine"
	"github.com/trama-run/trama/host/run/mail"
	"github.com/trama-run/trama/host/run/record"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/host/store/document"
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
// stays on the versions that it began with, of plugins too, or, if latest is
// set, moves to those that are published and serve now: its call is as its node
// is there. Errors: ErrNotFailed, ErrKeyTaken, ErrMoved, a
// *StuckError if it can't stand in the latest version.
func (r *Runner) Retry(ctx context.Context, id string, latest bool) (record.Record, error) {
	var s session
	var back record.Record
	failed := store.ID{Kind: kindFailed, Key: id}
	revision, found, err := document.Load(ctx, r.config.Store, failed, &s)
	if err != nil {
		return back, err
	}
	recorded, known, err := document.Load(ctx, r.config.Store, record.ID(id), &back)
	if err != nil {
		return back, err
	}
	switch {
	case !known:
		return back, fmt.Errorf("run %s: %w: there is no record of it", id, ErrNotFailed)
	case !found && back.Status != engine.Failed:
		return back, fmt.Errorf("run %s: %w: it is %s", id, ErrNotFailed, back.Status)
	case !found:
		return back, fmt.Errorf("run %s: %w: its state was over %d bytes, or is older than two weeks, so it was not kept", id, ErrNotFailed, maxFailed)
	}
	if who, of := strings.CutPrefix(back.Key, mail.Prefix+":"); of { // it may have been merged since
		key, err := Whose(ctx, r.config.Store, contact.Key(who))
		if err != nil {
			return back, err
		}
		if s.Contact = string(key); s.At == "" {
			s.At = contact.Key(who)
		}
		back.Key = mail.Key(key)
	}
	if _, taken, err := document.Load(ctx, r.config.Store, sessionID(back.Key), &session{}); err != nil {
		return back, err
	} else if taken {
		return back, fmt.Errorf("run %s: %w: %s has another run that is not over; let it end, or cancel it", id, ErrKeyTaken, back.Key)
	}
	if latest {
		if err := r.latest(ctx, &s, &back); err != nil {
			return back, err
		}
	}
	s.Retry, s.Once = true, nil // its caller's key may have begun another run since
	back.Status, back.Error, back.Ended = engine.Running, nil, nil
	b := store.Batch{
		Intake: true,
		Expect: []store.Expect{{ID: failed, Revision: revision}, {ID: sessionID(back.Key)}, {ID: record.ID(id), Revision: recorded}},
		Delete: []store.ID{failed},
		Wake:   []store.Wake{{Key: back.Key, At: r.now()}},
	}
	if b.Put, err = puts(back, sessionID(back.Key), s); err != nil {
		return back, err
	}
	if _, err := r.config.Store.Commit(ctx, &b); errors.Is(err, store.ErrConflict) {
		return back, fmt.Errorf("run %s: %w", id, ErrMoved)
	} else if err != nil {
		return back, err
	}
	r.config.Poke()
	return back, nil
}

// latest moves a session to what is published and serves now, all of one moment.
// A flow that is not published any more ends as it began, with its plugins.
func (r *Runner) latest(ctx context.Context, s *session, of *record.Record) error {
	published, pins := r.config.Catalog().Snapshot().Flows, s.Pins
	s.Pins = nil
	var gone []string
	for _, flow := range slices.Sorted(maps.Keys(s.Flows)) {
		to, ok := published[flow]
		if !ok {
			gone = append(gone, flow)
			continue
		}
		from := s.Flows[flow]
		if err := r.move(ctx, s, to.Program, published, nil); err != nil {
			return err
		}
		of.KeepMove(flow, from, to.Version, r.now())
	}
	for _, flow := range gone {
		p, err := r.config.Catalog().Program(ctx, flow, s.Flows[flow])
		if err != nil {
			return err
		}
		for _, plugin := range r.needs(p).plugins {
			if s.Pins[plugin] == "" && pins[plugin] != "" {
				if s.Pins == nil {
					s.Pins = map[string]string{}
				}
				s.Pins[plugin] = pins[plugin]
			}
		}
	}
	of.Version = s.Run.Version
	return nil
}

// puts gives the changes that store a record and a session.
func puts(of record.Record, id store.ID, s session) ([]store.Put, error) {
	data, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("run %s: %w", of.ID, err)
	}
	put, err := of.Put()
	return []store.Put{{ID: id, Value: data}, put}, err
}
