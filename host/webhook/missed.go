package webhook

import (
	"context"
	"encoding/json"
	"time"

	"github.com/trama-run/trama/host/store"
)

// kindMissed is the kind of what subscriptions missed, by their ids. It is no
// part of their states: it is written by whoever causes an event, at a time
// when an operator may be enabling the subscription.
const kindMissed store.Kind = "subscription_missed"

func missedID(id string) store.ID { return store.ID{Kind: kindMissed, Key: id} }

// missed is what a subscription did not get since it was disabled at a time.
type missed struct {
	Since  time.Time `json:"since"`
	Events int       `json:"events"`
}

// miss counts an event for subscriptions that were disabled for their failures
// and would have got it. Their counts go with the batch once in a while.
func (w *Webhooks) miss(b *store.Batch, misses []*subscription, typ string, body []byte) error {
	if len(misses) == 0 {
		return nil
	}
	scope, err := scopeOf(body)
	if err != nil {
		return err
	}
	for _, s := range misses {
		if !w.takes(s, typ, scope) {
			continue
		}
		w.mu.Lock()
		k := w.states[s.ID]
		w.mu.Unlock()
		if k == nil { // it has gone meanwhile
			continue
		}
		if err := k.miss(b, w, s.ID); err != nil {
			return err
		}
	}
	return nil
}

func (k *kept) miss(b *store.Batch, w *Webhooks, id string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := w.now()
	if k.state.Disabled == nil { // it was enabled meanwhile
		return nil
	}
	if k.state.Missed++; now.Sub(k.counted) < writeEvery {
		return nil
	}
	value, err := json.Marshal(missed{k.state.Disabled.At, k.state.Missed})
	if err != nil {
		return err
	}
	b.Put, k.counted = append(b.Put, store.Put{ID: missedID(id), Value: value}), now
	return nil
}

// readMissed takes in what a disabled subscription missed.
func (w *Webhooks) readMissed(ctx context.Context, id string, state *State) error {
	var m missed
	found, err := load(ctx, w.config.Store, missedID(id), &m)
	if found && m.Since.Equal(state.Disabled.At) {
		state.Missed = max(state.Missed, m.Events)
	}
	return err
}
