package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/trama-run/trama/host/deadletter"
	"github.com/trama-run/trama/host/store"
)

// Bounds of what operators ask for.
const (
	queuePage = 500 // names of queues that are read at once
	itemPage  = 10  // items in memory at a time: each is up to store.MaxValue
	maxCancel = 200 // items that one commit takes out
)

// Waiting is an item that was not sent yet.
type Waiting struct {
	Queue string `json:"queue"`
	Head
	// Failed is how often it was tried, and Next when it is tried again.
	Failed int       `json:"failed,omitempty"`
	Next   time.Time `json:"next,omitzero"`
	// LastFailure is why the last try failed.
	LastFailure string `json:"last_failure,omitempty"`
	// Held is why nothing can be sent to where it goes now.
	Held string `json:"held,omitempty"`

	position store.Position
}

// Waiting lists up to most items that were not sent yet, of the queues whose
// names begin with prefix, in the order of these names.
func (o *Outbox) Waiting(ctx context.Context, prefix string, most int) ([]Waiting, error) {
	list := []Waiting{}
	err := o.eachQueue(ctx, prefix, func(queue string) (bool, error) {
		err := o.eachItem(ctx, queue, func(w Waiting) bool {
			if lane, ok := o.lane(queue); ok {
				if _, held := lane.Sender.Endpoint(Item{Queue: queue, Head: w.Head}); held != nil {
					w.Held = held.Message
				}
			}
			list = append(list, w)
			return len(list) < most
		})
		return len(list) < most, err
	})
	return list, err
}

// eachQueue calls do with the outboxes that have work: a queue with items has
// a wake.
func (o *Outbox) eachQueue(ctx context.Context, prefix string, do func(queue string) (more bool, err error)) error {
	for _, lane := range slices.Sorted(maps.Keys(o.config.Lanes)) {
		of := lane + ":"
		if strings.HasPrefix(prefix, of) {
			of = prefix
		} else if !strings.HasPrefix(of, prefix) {
			continue
		}
		for after := ""; ; {
			wakes, err := o.config.Store.Wakes(ctx, of, after, queuePage)
			if err != nil {
				return err
			}
			if len(wakes) == 0 {
				break
			}
			for _, w := range wakes {
				if more, err := do(w.Key); err != nil || !more {
					return err
				}
				after = w.Key
			}
		}
	}
	return nil
}

// eachItem reads a queue's items until do has enough.
func (o *Outbox) eachItem(ctx context.Context, queue string, do func(Waiting) bool) error {
	var state attempts
	if err := o.load(ctx, store.ID{Kind: kindAttempts, Key: queue}, &state); err != nil {
		return err
	}
	for after := store.Position(0); ; {
		items, err := o.config.Store.Read(ctx, queue, after, itemPage)
		if err != nil || len(items) == 0 {
			return err
		}
		for _, item := range items {
			after = item.Position
			w := Waiting{Queue: queue, position: item.Position}
			if err := json.Unmarshal(item.Value, &w.Head); err != nil {
				w.LastFailure = fmt.Sprintf("the item can't be read: %v", err)
			}
			if state.Position == item.Position {
				w.Failed, w.Next = state.Failed, state.Next
				if len(state.Tries) > 0 {
					w.LastFailure = state.Tries[len(state.Tries)-1].Message
				}
			}
			if !do(w) {
				return nil
			}
		}
	}
}

// Cancel takes an item that was not sent out of its queue for good; a send in
// progress is waited for. It returns store.ErrNotFound if no item waits under
// this effect id: it was sent, or is dead. An item that was tried and failed
// may have arrived nevertheless.
func (o *Outbox) Cancel(ctx context.Context, effectID string) (Waiting, error) {
	var found Waiting
	err := o.eachQueue(ctx, "", func(queue string) (bool, error) {
		err := o.eachItem(ctx, queue, func(w Waiting) bool {
			if w.EffectID == effectID {
				found = w
			}
			return found.Queue == ""
		})
		return found.Queue == "", err
	})
	if err != nil {
		return Waiting{}, err
	}
	if found.Queue == "" {
		return Waiting{}, store.ErrNotFound
	}
	n, err := o.cancel(ctx, found.Queue, func(w Waiting) bool { return w.EffectID == effectID })
	if err == nil && n == 0 { // it was sent meanwhile
		err = store.ErrNotFound
	}
	return found, err
}

// CancelQueue takes all items that wait in a queue out of it for good, and
// says how many they were.
func (o *Outbox) CancelQueue(ctx context.Context, queue string) (int, error) {
	if _, ok := o.lane(queue); !ok {
		return 0, store.ErrNotFound
	}
	return o.cancel(ctx, queue, func(Waiting) bool { return true })
}

// cancel takes the chosen items of a queue out, while nothing of it is sent.
func (o *Outbox) cancel(ctx context.Context, queue string, chosen func(Waiting) bool) (cancelled int, err error) {
	unlock, err := o.queues.Take(ctx, queue)
	if err != nil {
		return 0, err
	}
	defer unlock()
	for {
		var batch store.Batch
		var broken error
		err := o.eachItem(ctx, queue, func(w Waiting) bool {
			if chosen(w) {
				batch.Remove = append(batch.Remove, store.ItemRef{Queue: queue, Position: w.position})
				if w.Failed > 0 { // the first one's tries go with it
					batch.Delete = []store.ID{{Kind: kindAttempts, Key: queue}}
				}
				broken = o.recordCancelled(&batch, queue, w.Head)
			}
			return broken == nil && len(batch.Remove) < maxCancel
		})
		if err = errors.Join(err, broken); err != nil || len(batch.Remove) == 0 {
			return cancelled, err
		}
		// The next item need not wait for the next try of one that is gone.
		batch.Wake = []store.Wake{{Key: queue, At: o.now()}}
		if _, err := o.config.Store.Commit(ctx, &batch); err != nil {
			return cancelled, err
		}
		cancelled += len(batch.Remove)
		o.config.Log.Info("cancelled", "queue", queue, "items", len(batch.Remove))
		o.config.Poke()
	}
}

// recordCancelled adds to a batch that an item was cancelled.
func (o *Outbox) recordCancelled(batch *store.Batch, queue string, h Head) error {
	id := store.ID{Kind: KindDelivery, Key: h.EffectID}
	if h.EffectID == "" || slices.ContainsFunc(batch.Put, func(p store.Put) bool { return p.ID == id }) {
		return nil
	}
	data, err := json.Marshal(Delivery{RunID: h.RunID, Queue: queue, State: StateCancelled, At: o.now()})
	batch.Put = append(batch.Put, store.Put{ID: id, Value: data, TTL: DeliveryTTL})
	return err
}

// GiveUp removes a dead letter for good; what it was of is then cancelled. It
// returns store.ErrNotFound if there is none with this id.
func (o *Outbox) GiveUp(ctx context.Context, id string) error {
	letter, revision, err := deadletter.Load(ctx, o.config.Store, id)
	if err != nil {
		return err
	}
	var batch store.Batch
	if err := o.recordCancelled(&batch, letter.Queue, Head{EffectID: letter.EffectID, RunID: letter.RunID}); err != nil {
		return err
	}
	return deadletter.Remove(ctx, o.config.Store, id, revision, batch)
}
