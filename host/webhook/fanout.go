package webhook

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/trama-run/trama/host/deadletter"
	"github.com/trama-run/trama/host/outbox"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/pdk/abi"
)

// Bounds of dealing out.
const (
	eventPage  = 64      // events that are read at once
	maxDealt   = 300     // deliveries of one commit; each is two changes
	maxDealtTo = 4 << 20 // bytes of them
)

// kindCursor keeps how far the first event was dealt out, where that took more
// than one commit.
const kindCursor store.Kind = "webhook_cursor"

// cursor says that an event has gone to the subscriptions up to an id.
type cursor struct {
	Position store.Position `json:"position"`
	After    string         `json:"after"`
}

// delivery is an item of a subscription's outbox.
type delivery struct {
	outbox.Head
	Event json.RawMessage `json:"event"`
}

// queueOf is the queue of an event on its way to a subscription.
func queueOf(s *subscription, typ, id string) string {
	if s.Ordered {
		return QueuesOf(s.ID, "")
	}
	return QueuesOf(s.ID, typ) + id
}

// inQueue writes a type so that no other begins with it: names of events have
// slashes, too.
var inQueue = strings.NewReplacer("%", "%25", "/", "%2F")

// QueuesOf begins the names of a subscription's queues: of all of them or, if a
// type of event is given, of those for it.
func QueuesOf(id, typ string) string {
	queues := PrefixDelivery + ":" + id + "/"
	if typ != "" {
		queues += inQueue.Replace(typ) + "/"
	}
	return queues
}

// EffectID names an event on its way to a subscription.
func EffectID(event, id string) string { return event + "/" + id }

// FanOut deals events out to the subscriptions that want them, each once: it
// is the dispatcher's handler of PrefixEvents.
func (w *Webhooks) FanOut(ctx context.Context, key string) (time.Time, error) {
	d := dealer{webhooks: w}
	id := store.ID{Kind: kindCursor, Key: key}
	found, err := load(ctx, w.config.Store, id, &d.at)
	if err != nil {
		return time.Time{}, err
	}
	d.stored = found
	items, err := w.config.Store.Read(ctx, key, 0, eventPage)
	if err != nil || len(items) == 0 {
		return time.Time{}, err
	}
	subscriptions := w.index.Load()
	for _, item := range items {
		if err := d.deal(ctx, subscriptions, item); err != nil {
			return time.Time{}, err
		}
	}
	if d.stored {
		d.batch.Delete = append(d.batch.Delete, id)
	}
	if err := d.commit(ctx); err != nil {
		return time.Time{}, err
	}
	if len(items) == eventPage {
		return w.now(), nil
	}
	return time.Time{}, nil
}

// dealer gathers what goes into one commit.
type dealer struct {
	webhooks *Webhooks
	at       cursor
	stored   bool // the cursor is in the store
	batch    store.Batch
	size     int
}

// deal adds one event's deliveries, and takes it out of the queue.
func (d *dealer) deal(ctx context.Context, x *index, item store.Item) error {
	var e struct {
		ID   string `json:"id"`
		Type string `json:"type"`
		Data struct {
			RunID string `json:"run_id"`
		} `json:"data"`
	}
	var event told
	var scope map[string]any
	err := json.Unmarshal(item.Value, &event)
	if err == nil {
		err = json.Unmarshal(event.Event, &e)
	}
	if err == nil && !event.Short {
		scope, err = scopeOf(event.Event)
	}
	gone := store.ItemRef{Queue: item.Queue, Position: item.Position}
	if err != nil {
		d.batch.Remove = append(d.batch.Remove, gone)
		return deadletter.Bury(&d.batch, item.Position, deadletter.Letter{
			Queue: item.Queue, At: d.webhooks.now(), Value: item.Value,
			Reason: abi.Error{Code: abi.CodeInvalid, Message: fmt.Sprintf("the event can't be read: %v", err)},
		})
	}
	after := ""
	if d.at.Position == item.Position {
		after = d.at.After
	}
	for _, s := range x.wants(e.Type) {
		if s.ID <= after {
			continue
		}
		if _, taken := slices.BinarySearch(event.Takers, s.ID); event.Short && s.filter != nil && !taken {
			continue
		}
		if !event.Short && !d.webhooks.takes(s, e.Type, scope) {
			continue
		}
		now := d.webhooks.now()
		value, err := json.Marshal(delivery{
			Head:  outbox.Head{EffectID: EffectID(e.ID, s.ID), At: now, RunID: e.Data.RunID},
			Event: event.Event,
		})
		if err != nil {
			return err
		}
		queue := queueOf(s, e.Type, e.ID)
		d.batch.Append = append(d.batch.Append, store.Append{Queue: queue, Value: value})
		d.wake(queue, now)
		if d.size += len(value); d.full() {
			if err := d.pause(ctx, item, s.ID); err != nil {
				return err
			}
		}
	}
	d.batch.Remove = append(d.batch.Remove, gone)
	return nil
}

func (d *dealer) full() bool { return len(d.batch.Append) >= maxDealt || d.size >= maxDealtTo }

// wake sets a queue's wake, once in a commit.
func (d *dealer) wake(queue string, at time.Time) {
	for _, wake := range d.batch.Wake {
		if wake.Key == queue {
			return
		}
	}
	d.batch.Wake = append(d.batch.Wake, store.Wake{Key: queue, At: at})
}

// pause commits what was dealt, in the middle of an event.
func (d *dealer) pause(ctx context.Context, item store.Item, after string) error {
	value, err := json.Marshal(cursor{item.Position, after})
	if err != nil {
		return err
	}
	d.batch.Put = append(d.batch.Put, store.Put{ID: store.ID{Kind: kindCursor, Key: item.Queue}, Value: value})
	d.stored = true
	return d.commit(ctx)
}

func (d *dealer) commit(ctx context.Context) error {
	if _, err := d.webhooks.config.Store.Commit(ctx, &d.batch); err != nil {
		return fmt.Errorf("deal events out: %w", err)
	}
	if len(d.batch.Wake) > 0 {
		d.webhooks.config.Poke()
	}
	d.batch, d.size = store.Batch{}, 0
	return nil
}
