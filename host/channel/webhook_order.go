package channel

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/run"
	"github.com/trama-run/trama/host/signature"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/pdk/abi"
)

// PrefixOrder begins the keys of webhook events that wait for those before them
// that are about the same: "order:<channel>/<what>", which is also their queue.
const PrefixOrder = "order"

// Kinds of what is kept of the events about one thing, by channel and thing.
const (
	// kindLatest keeps the time of the newest.
	kindLatest store.Kind = "webhook-latest"
	// kindRunning keeps the runs of the one whose turn it is, by the key of its
	// line.
	kindRunning store.Kind = "webhook-running"
)

// latestTTL is how long the newest event about a thing is known: longer than
// any service delivers again.
const latestTTL = 30 * 24 * time.Hour

// place gives what a stored request is about, and marks it if it is older than
// one before it. It is empty if the request doesn't say.
func (c *Channels) place(ctx context.Context, batch *store.Batch, ch catalog.Channel, p *prepared, stored *raw) (about string, err error) {
	q := stored.request()
	about = placed(p.Order, q)
	at, timed := signature.Time(placed(p.Time, q))
	if about == "" || !timed {
		return about, nil
	}
	id := store.ID{Kind: kindLatest, Key: ch.ID + "/" + short(about)}
	latest := time.Time{}
	record, err := c.config.Store.Load(ctx, id)
	if err == nil {
		err = json.Unmarshal(record.Value, &latest)
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return about, err
	}
	stale := at.Before(latest)
	stored.Stale = &stale
	if stale {
		return about, nil
	}
	value, err := json.Marshal(at.UTC())
	batch.Put = append(batch.Put, store.Put{ID: id, Value: value, TTL: latestTTL})
	return about, err
}

// line puts a stored request at the end of the line of those about the same.
func (c *Channels) line(ctx context.Context, batch *store.Batch, ch catalog.Channel, item store.Item, about string, stored raw) error {
	value, err := json.Marshal(stored)
	if err != nil {
		return fmt.Errorf("channel %s: %w", ch.ID, err)
	}
	key := PrefixOrder + ":" + ch.ID + "/" + short(about)
	batch.Append = append(batch.Append, store.Append{Queue: key, Value: value})
	batch.Wake = append(batch.Wake, store.Wake{Key: key, At: now()})
	_, err = c.config.Store.Commit(ctx, batch)
	switch {
	case err == nil:
		c.config.Poke()
		return nil
	case errors.Is(err, store.ErrTooBig), errors.Is(err, store.ErrInvalid):
		return c.bury(ctx, ch, item, abi.Error{Code: abi.CodeLimit, Message: err.Error()})
	}
	return fmt.Errorf("channel %s: %w", ch.ID, err)
}

// Order starts the flows of the events about one thing, one event after the
// other: it is the dispatcher's handler of PrefixOrder. The end of a run wakes
// it; it also looks by itself, for runs that an operator ended.
func (c *Channels) Order(ctx context.Context, key string) (time.Time, error) {
	id, _, _ := strings.Cut(strings.TrimPrefix(key, PrefixOrder+":"), "/")
	for {
		items, err := c.config.Store.Read(ctx, key, 0, 1)
		if err != nil {
			return time.Time{}, err
		}
		at := store.ID{Kind: kindRunning, Key: key}
		record, err := c.config.Store.Load(ctx, at)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return time.Time{}, err
		}
		if err == nil {
			var runs current
			if err := json.Unmarshal(record.Value, &runs); err != nil {
				return time.Time{}, fmt.Errorf("line %s: %w", key, err)
			}
			on, err := c.on(ctx, runs)
			if err != nil {
				return time.Time{}, err
			}
			if on {
				return now().Add(run.HeldPause(now().Sub(runs.Since))), nil
			}
		}
		if len(items) == 0 {
			if record.Revision == 0 {
				return time.Time{}, nil
			}
			_, err := c.config.Store.Commit(ctx, &store.Batch{Delete: []store.ID{at}})
			return time.Time{}, err
		}
		if again, err := c.turn(ctx, key, id, items[0]); err != nil || !again.IsZero() {
			return again, err
		}
	}
}

// turn starts the flows of the first of a line.
func (c *Channels) turn(ctx context.Context, key, id string, item store.Item) (again time.Time, err error) {
	ch, _, held := c.find(id)
	if held == nil && ch.Adapter != catalog.AdapterWebhook {
		held = &abi.Error{Message: fmt.Sprintf("channel %q has another adapter than when the event came", id)}
	}
	var p *prepared
	if held == nil {
		p, held = c.prepare(ch)
	}
	if held != nil {
		c.config.Log.Debug("webhook events held", "line", key, "reason", held.Message)
		return now().Add(run.HeldPause(now().Sub(receivedAt(item)))), nil
	}
	var stored raw
	if err := json.Unmarshal(item.Value, &stored); err != nil {
		return time.Time{}, c.bury(ctx, ch, item, abi.Error{Code: abi.CodeInvalid, Message: fmt.Sprintf("stored request: %v", err)})
	}
	batch := removal(item)
	_, err = c.begin(ctx, &batch, ch, p, item, stored, key)
	return time.Time{}, err
}

// current is whose turn it is in a line.
type current struct {
	Runs  []string  `json:"runs"`
	Since time.Time `json:"since"`
}

// running adds to a batch that it is the turn of some runs.
func running(batch *store.Batch, key string, runs map[string]string) error {
	value, err := json.Marshal(current{slices.Sorted(maps.Values(runs)), now()})
	batch.Put = append(batch.Put, store.Put{ID: store.ID{Kind: kindRunning, Key: key}, Value: value})
	return err
}

// on says whether one of the runs goes on.
func (c *Channels) on(ctx context.Context, runs current) (bool, error) {
	for _, id := range runs.Runs {
		switch on, err := run.Stored(ctx, c.config.Store, id); {
		case err != nil:
			return false, err
		case on:
			return true, nil
		}
	}
	return false, nil
}
