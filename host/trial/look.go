package trial

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/trama-run/trama/host/contact"
	"github.com/trama-run/trama/host/engine"
	"github.com/trama-run/trama/host/expr"
	"github.com/trama-run/trama/host/fallback"
	"github.com/trama-run/trama/host/run"
	"github.com/trama-run/trama/host/run/record"
	"github.com/trama-run/trama/host/store"
)

// Session gives the session as it stands, if there is one.
func (w *World) Session(ctx context.Context) (engine.Session, bool, error) {
	return w.runner.Session(ctx, w.key)
}

// Answer gives what the gateway's caller got; nil: nothing yet, or there is no
// such caller.
func (w *World) Answer() *run.Answer { return w.answer }

// Now is the trial's clock.
func (w *World) Now() time.Time { return w.clock }

// Log gives what the runner warned of, one a line.
func (w *World) Log() string { return strings.TrimSpace(w.log.String()) }

// Wrong lists requests and calls that the trial had no answer for.
func (w *World) Wrong() []string { return w.answers.wrong }

// Records gives the records of the trial's runs, in the order in which they
// began; those that they started elsewhere are not among them.
func (w *World) Records(ctx context.Context) ([]record.Record, error) {
	stored, err := w.store.List(ctx, record.Kind, "", 10_000, false)
	if err != nil {
		return nil, err
	}
	var records []record.Record
	for _, s := range stored {
		var r record.Record
		if err := json.Unmarshal(s.Value, &r); err != nil {
			return nil, fmt.Errorf("record %s: %w", s.ID.Key, err)
		}
		if r.Key == w.key {
			records = append(records, r)
		}
	}
	slices.SortStableFunc(records, func(a, b record.Record) int { return a.Started.Compare(b.Started) })
	return records, nil
}

// User gives the variables of the contact, as flows see them.
func (w *World) User(ctx context.Context) (map[string]any, error) {
	who, found, err := w.contact(ctx)
	if err != nil || !found {
		return nil, err
	}
	for name, value := range who.Vars {
		who.Vars[name] = expr.Numbers(value)
	}
	return who.Scope(), nil
}

// Numbered says whether a number stands before something that the contact was
// asked, in the text: then the number is what it writes.
func (w *World) Numbered(ctx context.Context, n int) (bool, error) {
	who, found, err := w.contact(ctx)
	if err != nil || !found || who.Choices == nil || who.Choices.Late {
		return false, err
	}
	return slices.ContainsFunc(who.Choices.List, func(c fallback.Choice) bool { return c.Number == n }), nil
}

// contact gives the trial's contact, if it has one.
func (w *World) contact(ctx context.Context) (who contact.Contact, found bool, err error) {
	if w.who == "" {
		return who, false, nil
	}
	record, err := w.store.Load(ctx, store.ID{Kind: run.KindContact, Key: string(w.who)})
	if errors.Is(err, store.ErrNotFound) {
		return who, false, nil
	}
	if err != nil {
		return who, false, err
	}
	err = expr.UnmarshalJSON(record.Value, &who)
	return who, err == nil, err
}
