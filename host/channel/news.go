package channel

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/outbox"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/pdk/abi"
)

const (
	// kindMessage finds a delivery by a service's message id.
	kindMessage store.Kind = "message"
	// kindEarly is news of a message whose send is not committed yet, by the
	// service's message id.
	kindEarly store.Kind = "early_news"
)

// Bounds of early news.
const (
	earlyTTL = 10 * time.Minute // longer than any send takes until its commit
	maxEarly = 10_000           // of all channels, in that time
	maxNews  = 500              // characters of an error's message that are kept
)

// States that news gives a delivery, beside "sent" and "read".
const (
	stateDelivered = "delivered"
	stateFailed    = "failed" // after the service had taken it
)

// ranks orders the states of a delivery: news never takes it back.
var ranks = map[string]int{outbox.StateSent: 1, stateDelivered: 2, "read": 3, stateFailed: 4, outbox.StateDead: 5, outbox.StateCancelled: 6}

// news adds a status to a batch, if it is of a message that we sent and later
// than what is known.
//
// A service may tell what became of a message before our commit of the send,
// which is when we learn that the message is ours. So while the channel sends
// anything, news of an unknown message is kept for the commit that knows it
// (see catchUp). Each of the two commits expects that the other's record has
// not come meanwhile: whichever is second sees the first.
//
// News of unknown messages is dropped otherwise: another system may send from
// the same number.
func (c *Channels) news(ctx context.Context, batch *store.Batch, ch catalog.Channel, s abi.Status) error {
	if len(s.Ref) > store.MaxName || strings.ContainsRune(s.Ref, 0) || s.MessageID == "" {
		s.Ref = "" // it is no effect id, or there is nothing to find by it
	}
	// Asked before the look into the store: a send that ends in between is
	// found there.
	sending := c.config.Sending(endpointOf(ch.ID))
	message := messageID(ch.ID, s.MessageID)
	effect, err := c.config.Store.Load(ctx, message)
	if errors.Is(err, store.ErrNotFound) && s.Ref != "" {
		if err := c.found(ctx, ch, s); err != nil {
			return err
		}
		effect, err = c.config.Store.Load(ctx, message)
	}
	if errors.Is(err, store.ErrNotFound) {
		if !sending {
			return nil
		}
		return c.keepEarly(ctx, batch, ch, s, message)
	}
	if err != nil {
		return err
	}
	id := deliveryID(string(effect.Value))
	var known outbox.Delivery
	if _, err := c.known(ctx, batch, id, &known); err != nil {
		return err
	}
	if known.MessageID == "" || !strings.HasPrefix(s.MessageID, strings.TrimSuffix(known.MessageID, "…")) {
		return nil // it goes again, under an id of its own
	}
	if later, err := c.takeNews(ctx, batch, string(effect.Value), &known, s, now()); err != nil || !later {
		return err
	}
	if err := c.tellStatus(batch, known.Queue, string(effect.Value), known); err != nil {
		return err
	}
	return setPut(batch, id, known, outbox.DeliveryTTL)
}

// takeNews changes a delivery by a status, if that is later than what is known,
// and adds to the batch what follows from it.
func (c *Channels) takeNews(ctx context.Context, batch *store.Batch, effectID string, d *outbox.Delivery, s abi.Status, at time.Time) (later bool, err error) {
	before := ranks[d.State]
	if ranks[s.State] <= before {
		return false, nil
	}
	d.State, d.At, d.MessageID, d.Error = s.State, at, s.MessageID, s.Error
	switch {
	case before >= ranks[stateDelivered]: // it came through, whatever else is said of it
	case s.State == stateFailed:
		return true, c.givenUp(ctx, batch, effectID, d)
	case ranks[s.State] >= ranks[stateDelivered]:
		through(batch, effectID)
	}
	return true, nil
}

// keepEarly adds news of a message that is not known yet to a batch.
func (c *Channels) keepEarly(ctx context.Context, batch *store.Batch, ch catalog.Channel, s abi.Status, message store.ID) error {
	id := earlyID(ch.ID, s.MessageID)
	var kept abi.Status
	first, err := c.known(ctx, batch, id, &kept)
	if err != nil || ranks[s.State] <= ranks[kept.State] {
		return err
	}
	if first && !c.early.room(now()) {
		c.config.Log.Warn("news of unknown messages comes in too fast: some is dropped", "channel", ch.ID, "message", s.MessageID)
		return nil
	}
	if s.Error != nil {
		short := *s.Error
		short.Message, short.Detail = fmt.Sprintf("%.*s", maxNews, short.Message), nil
		s.Error = &short
	}
	expect(batch, store.Expect{ID: message})
	if err := c.keepRef(ctx, batch, ch, s); err != nil {
		return err
	}
	return setPut(batch, id, s, earlyTTL)
}

// catchUp adds to the commit of a send what came in about it before.
func (c *Channels) catchUp(ctx context.Context, batch *store.Batch, channel, message, effectID string, d *outbox.Delivery) error {
	id := earlyID(channel, message)
	record, err := c.config.Store.Load(ctx, id)
	switch {
	case errors.Is(err, store.ErrNotFound):
	case err != nil:
		return err
	default:
		var s abi.Status
		if err := json.Unmarshal(record.Value, &s); err != nil {
			return fmt.Errorf("early news %s: %w", id.Key, err)
		}
		if _, err := c.takeNews(ctx, batch, effectID, d, s, d.At); err != nil {
			return err
		}
		batch.Delete = append(batch.Delete, id)
	}
	batch.Expect = append(batch.Expect, store.Expect{ID: id, Revision: record.Revision})
	return nil
}

// messageID names the record of a service's message id, which may be anything.
func messageID(channel, id string) store.ID {
	return store.ID{Kind: kindMessage, Key: nameMark("message", channel, id)}
}

func earlyID(channel, id string) store.ID {
	return store.ID{Kind: kindEarly, Key: nameMark("message", channel, id)}
}

// known reads a record: from the batch, where an earlier unit of the same
// request has changed it, or from the store. absent says that there is none.
func (c *Channels) known(ctx context.Context, batch *store.Batch, id store.ID, into any) (absent bool, err error) {
	if i := indexOf(batch, id); i >= 0 {
		return false, json.Unmarshal(batch.Put[i].Value, into)
	}
	record, err := c.config.Store.Load(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	if err := json.Unmarshal(record.Value, into); err != nil {
		return false, fmt.Errorf("%s %s: %w", id.Kind, id.Key, err)
	}
	return false, nil
}

// expect adds a precondition to a batch, once.
func expect(batch *store.Batch, e store.Expect) {
	if !slices.Contains(batch.Expect, e) {
		batch.Expect = append(batch.Expect, e)
	}
}

// setPut sets what a batch puts under an id.
func setPut(batch *store.Batch, id store.ID, value any, ttl time.Duration) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	put := store.Put{ID: id, Value: data, TTL: ttl}
	if i := indexOf(batch, id); i >= 0 {
		batch.Put[i] = put
	} else {
		batch.Put = append(batch.Put, put)
	}
	return nil
}

// indexOf finds the change of a record in a batch; -1 if there is none.
func indexOf(batch *store.Batch, id store.ID) int {
	return slices.IndexFunc(batch.Put, func(p store.Put) bool { return p.ID == id })
}

// early counts the early news that is kept.
type early struct {
	mu    sync.Mutex
	since time.Time // guarded by mu
	count int       // since then; guarded by mu
}

// room takes the place of one, if there is any.
func (e *early) room(now time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if now.Sub(e.since) >= earlyTTL {
		e.since, e.count = now, 0
	}
	e.count++
	return e.count <= maxEarly
}
