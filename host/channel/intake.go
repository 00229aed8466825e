package channel

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/contact"
	"github.com/trama-run/trama/host/run"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/pdk/abi"
)

// Bounds of the intake.
const (
	maxTries = 3   // of one request, before it is a dead letter
	maxUnits = 200 // of one request, in one commit
	batch    = 16  // requests that are read in one go
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
	items, err := c.config.Store.Read(ctx, key, 0, batch+1)
	if err != nil {
		return time.Time{}, err
	}
	for _, item := range items[:min(len(items), batch)] {
		held, err := c.receive(ctx, ch, item)
		if err != nil {
			return time.Time{}, err
		}
		if held {
			return now().Add(run.HeldPause(now().Sub(c.oldest(ctx, key)))), nil
		}
	}
	if len(items) <= batch {
		return time.Time{}, nil
	}
	return now(), nil
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

// receive takes one stored request apart and commits what came of it. held
// says that the adapter can't be called now.
func (c *Channels) receive(ctx context.Context, ch catalog.Channel, item store.Item) (held bool, err error) {
	if ch.Adapter == catalog.AdapterWebhook {
		return false, c.event(ctx, ch, item)
	}
	var units []abi.Unit
	var failure *abi.Error
	for range maxTries {
		units, failure = c.read(ctx, ch, item.Value)
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		if failure == nil {
			break
		}
		if failure.Code == abi.CodeUnavailable {
			return true, nil
		}
	}
	if failure == nil {
		err = c.deal(ctx, ch, item, units)
		if !errors.Is(err, store.ErrTooBig) && !errors.Is(err, store.ErrInvalid) {
			return false, err
		}
		failure = &abi.Error{Code: abi.CodeLimit, Message: err.Error()}
	}
	c.config.Log.Error("webhook is a dead letter", "channel", ch.ID, "error", failure)
	return false, c.bury(ctx, ch, item, *failure)
}

// deal commits the units of a request, the last of them in its place. A stop
// in between costs nothing: each unit is known by its mark.
func (c *Channels) deal(ctx context.Context, ch catalog.Channel, item store.Item, units []abi.Unit) error {
	received := receivedAt(item)
	for {
		some := units[:min(len(units), maxUnits)]
		batch := store.Batch{}
		if len(some) == len(units) {
			batch = removal(item)
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
	config, err := configOf(ch)
	if err != nil {
		return nil, &abi.Error{Code: abi.CodeInvalid, Message: err.Error()}
	}
	output, failure := c.call(ctx, ch, abi.FuncReceive, "", abi.Receive{
		Channel: ch.ID, Config: config, Method: stored.Method, Headers: stored.Headers, Query: stored.Query,
		Body: stored.Body, ReceivedMillis: stored.Received.UnixMilli(),
	})
	if failure != nil {
		return nil, failure
	}
	var received abi.Received
	if err := json.Unmarshal(output, &received); err != nil {
		return nil, &abi.Error{Code: abi.CodeBadOutput, Message: fmt.Sprintf("channel %s: receive returned %v", ch.ID, err)}
	}
	for _, u := range received.Units {
		if u.ID == "" || u.From.Path == "" || (u.Message == nil) == (u.Status == nil) {
			return nil, &abi.Error{Code: abi.CodeBadOutput, Message: fmt.Sprintf("channel %s: receive returned the unit %q without an id, an address, or one of message and status", ch.ID, u.ID)}
		}
		if contact.CheckAddress(u.From) != nil {
			return nil, &abi.Error{Code: abi.CodeBadOutput, Message: fmt.Sprintf("channel %s: receive returned the unit %q with the address %.80q: want a scheme of lower-case letters, digits, + - and ., and a path of at most %d bytes without control characters", ch.ID, u.ID, u.From, contact.MaxPath)}
		}
	}
	return received.Units, nil
}

// sort adds one unit to a batch: a message to its contact's mailbox, a status
// to the delivery that it is news of. Whether a message came before a timer was
// due is decided by when its request was stored, however long that waited.
func (c *Channels) sort(ctx context.Context, batch *store.Batch, ch catalog.Channel, u abi.Unit, received time.Time) error {
	if u.Status != nil {
		return c.news(ctx, batch, ch, *u.Status)
	}
	value, err := json.Marshal(run.Letter{Unit: u, Received: received})
	if err != nil {
		return err
	}
	mailbox := run.MailKey(contact.KeyOf(ch.ID, u.From))
	batch.Append = append(batch.Append, store.Append{
		Queue: mailbox, Value: value,
		Mark: nameMark("unit", ch.ID, u.ID), MarkTTL: dedupWindow,
	})
	if !slices.ContainsFunc(batch.Wake, func(w store.Wake) bool { return w.Key == mailbox }) {
		batch.Wake = append(batch.Wake, store.Wake{Key: mailbox, At: now()})
	}
	return nil
}
