package channel

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/contact"
	"github.com/trama-run/trama/host/run"
	"github.com/trama-run/trama/host/run/mail"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/pdk/abi"
)

// Bounds of the intake.
const (
	maxTries = 3   // of one request that fails for good, before it is a dead letter
	maxUnits = 200 // in one commit
	inOneGo  = 32  // requests that are read before others have their turn
)

// Intake lets a channel's adapter read the stored requests, in the order in
// which they came: it is the dispatcher's handler of PrefixIntake.
func (c *Channels) Intake(ctx context.Context, key string) (time.Time, error) {
	id := strings.TrimPrefix(key, PrefixIntake+":")
	ch, _, held := c.find(id)
	if held != nil {
		c.config.Log.Debug("intake held", "channel", id, "reason", held.Message)
		return now().Add(run.HeldPause(now().Sub(c.oldest(ctx, key)))), nil
	}
	items, err := c.config.Store.Read(ctx, key, 0, inOneGo+1)
	if err != nil {
		return time.Time{}, err
	}
	more := len(items) > inOneGo
	items = items[:min(len(items), inOneGo)]
	if len(items) > 0 {
		if first, is := c.holds.of(items[0]); is && first.next.After(now()) { // another request has woken the channel
			return first.next, nil
		}
	}
	if ch.Adapter == catalog.AdapterWebhook {
		for _, item := range items {
			if err := c.event(ctx, ch, item); err != nil {
				return time.Time{}, err
			}
		}
	} else {
		requests := c.readAll(ctx, ch, items)
		if ctx.Err() != nil {
			return time.Time{}, ctx.Err()
		}
		ready, next := c.ready(ch, requests)
		left := len(ready) < len(requests)
		if ready, err = c.endSamples(ctx, ready); err != nil {
			return time.Time{}, err
		}
		if err := c.settle(ctx, ch, ready); err != nil {
			return time.Time{}, err
		}
		if left {
			return next, nil
		}
	}
	if !more {
		return time.Time{}, nil
	}
	return now(), nil
}

// request is a stored request that the adapter has read.
type request struct {
	item    store.Item
	units   []abi.Unit
	failure *abi.Error // with units: of a part that could not be read
	sample  string     // the mark of a sample, which holds nothing; empty for others
}

// held says that the adapter can't be called now.
func (q request) held() bool {
	return q.sample == "" && q.failure != nil && q.failure.Code == abi.CodeUnavailable
}

// later says that the same request may be read later.
func (q request) later() bool {
	return q.sample == "" && q.failure != nil && q.failure.Retryable && q.failure.Code != abi.CodeTimeout // an adapter that hangs on it may do so each time
}

// ready gives the requests before the first that holds the channel, and when to
// look at that one again.
func (c *Channels) ready(ch catalog.Channel, requests []request) ([]request, time.Time) {
	for i, q := range requests {
		switch {
		case q.held():
			return requests[:i], now().Add(run.HeldPause(now().Sub(receivedAt(requests[0].item))))
		case q.later():
			if next, again := c.holds.failed(q.item, now()); again {
				c.config.Log.Warn("webhook not read", "channel", ch.ID, "again_at", next, "error", q.failure.Message)
				return requests[:i], next
			}
		}
	}
	return requests, time.Time{}
}

// settle commits what came of requests, in their order and together as far as
// one commit goes: an event must not cost a sync of its own.
func (c *Channels) settle(ctx context.Context, ch catalog.Channel, requests []request) error {
	for len(requests) > 0 {
		n, units := 0, 0
		for n < len(requests) && (n == 0 || units+len(requests[n].units) <= maxUnits) {
			units += len(requests[n].units)
			n++
		}
		together := requests[:n]
		requests = requests[n:]
		err := store.ErrTooBig
		if units <= maxUnits {
			err = c.together(ctx, ch, together)
		}
		if !errors.Is(err, store.ErrTooBig) && !errors.Is(err, store.ErrInvalid) {
			if err != nil {
				return err
			}
			continue
		}
		for _, q := range together { // one of them is the reason: each for itself
			if err := c.receive(ctx, ch, q); err != nil {
				return err
			}
		}
	}
	return nil
}

// together commits several requests at once.
func (c *Channels) together(ctx context.Context, ch catalog.Channel, requests []request) error {
	for {
		var batch store.Batch
		for _, q := range requests {
			batch.Remove = append(batch.Remove, store.ItemRef{Queue: q.item.Queue, Position: q.item.Position})
			if q.failure != nil {
				if err := c.dead(&batch, ch, q.item, *q.failure); err != nil {
					return err
				}
			}
			received := receivedAt(q.item)
			for _, u := range q.units {
				if err := c.sort(ctx, &batch, ch, u, received); err != nil {
					return err
				}
			}
		}
		_, err := c.config.Store.Commit(ctx, &batch)
		if errors.Is(err, store.ErrConflict) && ctx.Err() == nil {
			continue // a message became known while news of it was put down
		}
		if err != nil {
			return fmt.Errorf("channel %s: %w", ch.ID, err)
		}
		if len(batch.Wake) > 0 {
			c.config.Poke()
		}
		return nil
	}
}

// oldest is when the request that waits longest came.
func (c *Channels) oldest(ctx context.Context, key string) time.Time {
	items, err := c.config.Store.Read(ctx, key, 0, 1)
	if err != nil || len(items) == 0 {
		return now()
	}
	return receivedAt(items[0])
}

// receivedAt is when a stored request came; one that can't be read came now.
func receivedAt(item store.Item) time.Time {
	var stored raw
	if err := json.Unmarshal(item.Value, &stored); err != nil {
		return now()
	}
	return stored.Received
}

// receive commits what came of one request.
func (c *Channels) receive(ctx context.Context, ch catalog.Channel, q request) error {
	failure := q.failure
	if failure == nil || len(q.units) > 0 {
		err := c.deal(ctx, ch, q)
		if !errors.Is(err, store.ErrTooBig) && !errors.Is(err, store.ErrInvalid) {
			return err
		}
		failure = &abi.Error{Code: abi.CodeLimit, Message: err.Error()}
	}
	return c.bury(ctx, ch, q.item, *failure)
}

// deal commits the units of a request, the last of them in its place, with a
// dead letter for what of it could not be read. A stop in between costs nothing:
// each unit is known by its mark.
func (c *Channels) deal(ctx context.Context, ch catalog.Channel, q request) error {
	received, units := receivedAt(q.item), q.units
	for {
		some := units[:min(len(units), maxUnits)]
		batch := store.Batch{}
		if len(some) == len(units) {
			batch = removal(q.item)
			if q.failure != nil {
				if err := c.dead(&batch, ch, q.item, *q.failure); err != nil {
					return err
				}
			}
		}
		for _, u := range some {
			if err := c.sort(ctx, &batch, ch, u, received); err != nil {
				return err
			}
		}
		_, err := c.config.Store.Commit(ctx, &batch)
		if errors.Is(err, store.ErrConflict) && ctx.Err() == nil {
			continue // a message became known while news of it was put down
		}
		if err != nil {
			return fmt.Errorf("channel %s: %w", ch.ID, err)
		}
		if len(batch.Wake) > 0 {
			c.config.Poke()
		}
		if units = units[len(some):]; len(units) == 0 {
			return nil
		}
	}
}

// removal begins the batch that takes an item out of its queue.
func removal(item store.Item) store.Batch {
	return store.Batch{Remove: []store.ItemRef{{Queue: item.Queue, Position: item.Position}}}
}

// read calls the adapter.
func (c *Channels) read(ctx context.Context, ch catalog.Channel, value []byte) ([]abi.Unit, *abi.Error) {
	var stored raw
	if err := json.Unmarshal(value, &stored); err != nil {
		return nil, &abi.Error{Code: abi.CodeInvalid, Message: fmt.Sprintf("stored request: %v", err)}
	}
	if ch.Adapter == catalog.AdapterAPIChat {
		return readChat(ch, stored)
	}
	config, err := configOf(ch)
	if err != nil {
		return nil, &abi.Error{Code: abi.CodeInvalid, Message: err.Error()}
	}
	output, failure := c.call(ctx, ch, adapterCall{export: abi.FuncReceive}, abi.Receive{
		Channel: ch.ID, Config: config, Method: stored.Method, Headers: stored.Headers, Query: stored.Query,
		Body: stored.Body, ReceivedMillis: stored.Received.UnixMilli(),
	})
	if failure != nil {
		return nil, failure
	}
	received, failure := contact.Received(output)
	if failure != nil {
		failure.Message = "channel " + ch.ID + ": " + failure.Message
		return nil, failure
	}
	return received.Units, unread(ch, received.Unread)
}

// unread says what of a request is in no unit; nil: nothing.
func unread(ch catalog.Channel, parts []string) *abi.Error {
	if len(parts) == 0 {
		return nil
	}
	return &abi.Error{Code: abi.CodeInvalid, Message: fmt.Sprintf("channel %s: all else in the request is taken; %s", ch.ID, strings.Join(parts, "; "))}
}

// sort adds one unit to a batch: a message, or news of whether its contact may
// be written to, to the mailbox of the address, a status to the delivery that it
// is news of. Whether a message came before a timer was
// due is decided by when its request was stored, however long that waited. A
// unit that can't be written down is [store.ErrInvalid], as what can't be stored
// is: it must not hold those behind it.
func (c *Channels) sort(ctx context.Context, batch *store.Batch, ch catalog.Channel, u abi.Unit, received time.Time) error {
	if u.Status != nil {
		return c.news(ctx, batch, ch, *u.Status)
	}
	err := post(batch, contact.KeyOf(ch.ID, u.From), mail.Letter{Unit: u, Received: received}, nameMark("unit", ch.ID, u.ID))
	if err != nil {
		return fmt.Errorf("%w: %w", store.ErrInvalid, err)
	}
	if u.Message == nil {
		return nil
	}
	return c.tellMessage(batch, ch, u, received)
}
