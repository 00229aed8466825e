package run

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/engine"
	"github.com/trama-run/trama/host/run/record"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/host/store/document"
)

// Migration moves the sessions of a flow that wait to another version of it.
type Migration struct {
	Flow string `json:"flow,omitempty"`
	From int    `json:"from"`
	To   int    `json:"to"`
	// Map gives nodes of the old version the names that they have in the new
	// one; the others keep theirs.
	Map map[string]string `json:"map,omitempty"`
	// DryRun changes nothing.
	DryRun bool `json:"dry_run,omitempty"`
}

// Migrated is what became of one session.
type Migrated struct {
	Key  string `json:"key"`
	Run  string `json:"run"`
	Node string `json:"node"` // where it stood
	// Reason is why it was left where it is; empty: it was moved.
	Reason string `json:"reason,omitempty"`
}

// StuckError: a session can't stand in another version of a flow.
type StuckError struct{ Reason string }

func (e *StuckError) Error() string { return e.Reason }

// Migrate moves the sessions that wait, each with a commit of its own, and says
// of each what became of it.
func (r *Runner) Migrate(ctx context.Context, m Migration) ([]Migrated, error) {
	to, err := r.config.Catalog().Program(ctx, m.Flow, m.To)
	if err != nil {
		return nil, err
	}
	list := []Migrated{}
	err = r.eachSession(ctx, func(stored store.Record, s session) error {
		if s.Flows[m.Flow] != m.From {
			return nil
		}
		one := Migrated{Key: stored.ID.Key, Run: s.ID, Node: s.Position().Node}
		switch err := r.migrate(ctx, stored, s, to, m); {
		case errors.Is(err, store.ErrConflict):
			one.Reason = ErrMoved.Error() + "; migrate again"
		case isStuck(err):
			one.Reason = err.Error()
		case err != nil:
			return err
		}
		list = append(list, one)
		return nil
	})
	return list, err
}

func isStuck(err error) bool { _, ok := errors.AsType[*StuckError](err); return ok }

// migrate moves one session.
func (r *Runner) migrate(ctx context.Context, stored store.Record, s session, to *engine.Program, m Migration) error {
	switch {
	case len(s.Calls()) > 0 || len(s.Intents) > 0 || s.Retry:
		return &StuckError{"a call is to be made first"}
	case r.driven(stored.ID.Key):
		return &StuckError{"a caller waits for its answer"}
	}
	if err := r.move(ctx, &s, to, r.config.Catalog().Snapshot().Flows, m.Map); err != nil || m.DryRun {
		return err
	}
	b := store.Batch{Expect: []store.Expect{{ID: stored.ID, Revision: stored.Revision}}}
	moved := record.Record{}
	id := record.ID(s.ID)
	revision, known, err := document.Load(ctx, r.config.Store, id, &moved)
	if err != nil {
		return err
	}
	if !known { // it has not begun
		moved = record.Record{ID: s.ID, Flow: s.Run.Flow, Key: stored.ID.Key, Started: r.now()}
	}
	moved.Version = s.Run.Version
	moved.KeepMove(m.Flow, m.From, m.To, r.now())
	if b.Put, err = puts(moved, stored.ID, s); err != nil {
		return err
	}
	if known {
		b.Expect = append(b.Expect, store.Expect{ID: id, Revision: revision})
	} else {
		b.Put = b.Put[:1]
	}
	_, err = r.config.Store.Commit(ctx, &b)
	return err
}

// move lets a session go on in another version of a flow that it is pinned to.
// beside are the flows that it may jump to from there, names gives nodes the
// names that they have there.
func (r *Runner) move(ctx context.Context, s *session, to *engine.Program, beside map[string]catalog.Flow, names map[string]string) error {
	flow, version := to.Flow().ID, s.Flows[to.Flow().ID]
	from, err := r.config.Catalog().Program(ctx, flow, version)
	if err != nil {
		return err
	}
	if begin := s.Begin; begin != nil && s.Run.Flow == flow {
		if _, ok := to.Flow().Trigger(begin.Trigger); !ok {
			return &StuckError{fmt.Sprintf("it begins at trigger %q, which version %d does not have", begin.Trigger, to.Version())}
		}
		s.Run.Version = to.Version()
	}
	if err := s.Move(from, to, names); err != nil {
		return &StuckError{err.Error()}
	}
	flows := map[string]int{flow: to.Version()}
	for id, v := range s.Flows {
		flows[id] = cmp.Or(flows[id], v)
	}
	programs, _ := r.reach(catalog.Flow{Flow: to.Flow(), Program: to, Beside: beside})
	for id, p := range programs {
		if flows[id] == 0 || id == flow { // one that it is pinned to keeps its version
			flows[id] = p.Version()
			for _, name := range r.needs(p).plugins {
				s.pin(name, r.config.Plugins)
			}
		}
	}
	s.Flows = flows
	return nil
}
