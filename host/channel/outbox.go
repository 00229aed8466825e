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

// Kinds of the records that deliveries leave.
const (
	// KindDelivery is what became of a message, by effect id.
	KindDelivery store.Kind = "delivery"
	// kindMessage finds a delivery by "<channel>/<service's message id>".
	kindMessage store.Kind = "message"
	// kindAttempts counts the failed sends of an outbox's first message.
	kindAttempts store.Kind = "attempts"
)

// deliveryTTL is how long a delivery can be looked up.
const deliveryTTL = 30 * 24 * time.Hour

// pauses are those before each repeat of a failed send; after the last the
// message is a dead letter.
var pauses = [...]time.Duration{time.Second, 5 * time.Second, 30 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour}

// maxRetryAfter is the longest that another system may have us wait.
const maxRetryAfter = 24 * time.Hour

// Delivery is what became of a message.
type Delivery struct {
	RunID     string     `json:"run_id"`
	MessageID string     `json:"message_id,omitempty"` // the service's
	State     string     `json:"state"`                // sent, delivered, read, failed, dead
	At        time.Time  `json:"at"`
	Error     *abi.Error `json:"error,omitempty"`
}

// attempts is the state of an outbox's first message.
type attempts struct {
	Position store.Position `json:"position"`
	Failed   int            `json:"failed"`
	Next     time.Time      `json:"next"`
}

// Outbox sends a contact's messages in their order: it is the dispatcher's
// handler of run.PrefixOutbox. A message is sent at least once, with one
// effect id for all repeats; it leaves the outbox with the commit that says
// what became of it.
func (c *Channels) Outbox(ctx context.Context, key string) (time.Time, error) {
	who := contact.Key(strings.TrimPrefix(key, run.PrefixOutbox+":"))
	channel, address, err := who.Split()
	if err != nil {
		return time.Time{}, err
	}
	items, err := c.config.Store.Read(ctx, key, 0, 2)
	if err != nil || len(items) == 0 {
		return time.Time{}, err
	}
	var out run.Outgoing
	if err := json.Unmarshal(items[0].Value, &out); err != nil {
		return time.Time{}, fmt.Errorf("outbox %s: %w", key, err)
	}
	if held := c.Held(channel); held != nil {
		c.config.Log.Debug("outbox held", "contact", who, "reason", held.Message)
		return now().Add(run.HeldPause(now().Sub(out.At))), nil
	}
	var state attempts
	if err := c.loadAttempts(ctx, key, &state); err != nil {
		return time.Time{}, err
	}
	if state.Position != items[0].Position {
		state = attempts{Position: items[0].Position}
	}
	if time.Until(state.Next) > 0 {
		return state.Next, nil
	}
	again, err := c.send(ctx, channel, address, items[0], out, state)
	if err != nil || !again.IsZero() || len(items) == 1 {
		return again, err
	}
	return now(), nil // the next message
}

func (c *Channels) loadAttempts(ctx context.Context, key string, into *attempts) error {
	record, err := c.config.Store.Load(ctx, store.ID{Kind: kindAttempts, Key: key})
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(record.Value, into)
}

// send sends one message and commits what became of it. It returns when to try
// again, if the message has not left the outbox.
func (c *Channels) send(ctx context.Context, channel string, to abi.Address, item store.Item, out run.Outgoing, state attempts) (again time.Time, err error) {
	ch := c.config.Catalog().Snapshot().Channels[channel]
	sent, failure := c.deliver(ctx, ch, to, out)
	if ctx.Err() != nil {
		return time.Time{}, ctx.Err() // cut short: the message is sent again, with the same effect id
	}
	if failure != nil && failure.Code == abi.CodeUnavailable {
		return now().Add(run.HeldPause(now().Sub(out.At))), nil // the plugin went between the look and the call
	}
	if failure != nil && failure.Retryable && state.Failed < len(pauses) {
		asked := min(failure.RetryAfterMillis, maxRetryAfter.Milliseconds()) // the other side's word, up to a day
		pause := max(pauses[state.Failed], time.Duration(asked)*time.Millisecond)
		state.Failed, state.Next = state.Failed+1, now().Add(pause)
		c.config.Log.Warn("message not sent", "contact", to, "channel", channel, "failed", state.Failed, "again_at", state.Next, "error", failure)
		return state.Next, c.put(ctx, store.ID{Kind: kindAttempts, Key: item.Queue}, state, 0, &store.Batch{})
	}
	batch := store.Batch{
		Remove: []store.ItemRef{{Queue: item.Queue, Position: item.Position}},
		Delete: []store.ID{{Kind: kindAttempts, Key: item.Queue}},
	}
	delivery := Delivery{RunID: out.RunID, MessageID: sent.MessageID, State: "sent", At: now(), Error: failure}
	if failure != nil {
		delivery.State = "dead"
		c.config.Log.Error("message is a dead letter", "contact", to, "channel", channel, "error", failure)
		if err := bury(&batch, item.Position, DeadLetter{Queue: item.Queue, Channel: channel, Reason: *failure, Value: item.Value}); err != nil {
			return time.Time{}, err
		}
	} else if sent.MessageID != "" {
		batch.Put = append(batch.Put, store.Put{ID: messageID(channel, sent.MessageID), Value: []byte(out.EffectID), TTL: deliveryTTL})
	}
	return time.Time{}, c.put(ctx, store.ID{Kind: KindDelivery, Key: out.EffectID}, delivery, deliveryTTL, &batch)
}

// put commits a batch with one more record in it.
func (c *Channels) put(ctx context.Context, id store.ID, value any, ttl time.Duration, batch *store.Batch) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	batch.Put = append(batch.Put, store.Put{ID: id, Value: data, TTL: ttl})
	_, err = c.config.Store.Commit(ctx, batch)
	return err
}

// deliver calls the adapter.
func (c *Channels) deliver(ctx context.Context, ch catalog.Channel, to abi.Address, out run.Outgoing) (abi.Sent, *abi.Error) {
	config, err := configOf(ch)
	if err != nil {
		return abi.Sent{}, &abi.Error{Code: abi.CodeInvalid, Message: err.Error()}
	}
	output, failure := c.call(ctx, ch, abi.FuncSend, out.EffectID, abi.Send{
		Channel: ch.ID, Config: config, To: to, Message: out.Message, EffectID: out.EffectID,
	})
	if failure != nil {
		return abi.Sent{}, failure
	}
	var sent abi.Sent
	if err := json.Unmarshal(output, &sent); err != nil {
		return abi.Sent{}, &abi.Error{Code: abi.CodeBadOutput, Message: fmt.Sprintf("channel %s: send returned %v", ch.ID, err)}
	}
	return sent, nil
}

// ranks orders the states of a delivery: news never takes it back.
var ranks = map[string]int{"sent": 1, "delivered": 2, "read": 3, "failed": 4, "dead": 5}

// news adds a status to a batch, if it is of a message that we sent and later
// than what is known. News of unknown messages is dropped: another system may
// send from the same number.
func (c *Channels) news(ctx context.Context, batch *store.Batch, ch catalog.Channel, s abi.Status) error {
	effect, err := c.config.Store.Load(ctx, messageID(ch.ID, s.MessageID))
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	id := store.ID{Kind: KindDelivery, Key: string(effect.Value)}
	known, err := c.delivery(ctx, batch, id)
	if err != nil {
		return err
	}
	if ranks[s.State] <= ranks[known.State] {
		return nil
	}
	known.State, known.At, known.MessageID, known.Error = s.State, now(), s.MessageID, s.Error
	value, err := json.Marshal(known)
	if err != nil {
		return err
	}
	put := store.Put{ID: id, Value: value, TTL: deliveryTTL}
	if i := indexOf(batch, id); i >= 0 {
		batch.Put[i] = put
	} else {
		batch.Put = append(batch.Put, put)
	}
	return nil
}

// messageID names the record of a service's message id, which may be anything.
func messageID(channel, id string) store.ID {
	return store.ID{Kind: kindMessage, Key: nameMark("message", channel, id)}
}

// indexOf finds the change of a record in a batch; -1 if there is none.
func indexOf(batch *store.Batch, id store.ID) int {
	return slices.IndexFunc(batch.Put, func(p store.Put) bool { return p.ID == id })
}

// delivery returns what is known of a delivery: from the batch, where an
// earlier unit of the same request has changed it, or from the store.
func (c *Channels) delivery(ctx context.Context, batch *store.Batch, id store.ID) (known Delivery, err error) {
	if i := indexOf(batch, id); i >= 0 {
		return known, json.Unmarshal(batch.Put[i].Value, &known)
	}
	record, err := c.config.Store.Load(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return known, nil
	}
	if err != nil {
		return known, err
	}
	if err := json.Unmarshal(record.Value, &known); err != nil {
		return known, fmt.Errorf("delivery %s: %w", id.Key, err)
	}
	return known, nil
}
