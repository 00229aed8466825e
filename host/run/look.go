package run

import (
	"context"
	"fmt"

	"github.com/trama-run/trama/host/engine"
	"github.com/trama-run/trama/host/run/record"
	"github.com/trama-run/trama/host/store/document"
)

// Look is how a run stands.
type Look struct {
	record.Record
	// Variables are the scope "flow": as it is now, or as the record kept it.
	Variables any
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
		q, found, err := r.notBegun(ctx, id)
		if err == nil && !found {
			err = fmt.Errorf("run %q: %w", id, ErrNoRun)
		}
		l.Record = q.record(id)
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
