package run

import (
	"context"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/engine"
	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/host/run/trigger"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/host/store/document"
)

// Start begins a flow that has no contact and no caller, durably, at a trigger
// of whatever type. It returns the run's id.
func (r *Runner) Start(ctx context.Context, f catalog.Flow, at string, value any) (string, error) {
	id, err := r.config.ID()
	if err != nil {
		return "", err
	}
	t, _ := f.Flow.Trigger(at)
	var b store.Batch
	if err := r.store(&b, trigger.Candidate{Flow: f, Trigger: flow.Trigger{ID: at, Type: t.Type}}, id, value, Event{}); err != nil {
		return "", err
	}
	return id, r.begin(ctx, &b)
}

// Session returns the session that is stored for a key, if there is one.
func (r *Runner) Session(ctx context.Context, key string) (s engine.Session, found bool, err error) {
	var stored session
	_, found, err = document.Load(ctx, r.config.Store, sessionID(key), &stored)
	return stored.Session, found, err
}
