// Package outbox delivers what runs want said to the outside, durably: it is
// in a queue from the commit that wanted it until the commit that says what
// became of it.
//
// The items of one queue are sent one at a time, in their order, each at least
// once with one effect id for all tries. Each ends in one of three ways:
// taken by the other side, dead (with its tries and the reason, and it can be
// put back: see host/deadletter), or cancelled by an operator. A failed try is
// repeated by a schedule; queues of one endpoint share a bound on sends at the
// same time and a breaker, which spares an endpoint that fails. While nothing may
// go there, be it that an operator has to mend something first, one of them looks
// for all; then they go in the order in which they came.
//
// Queues, tries and outcomes are in the store. The state of endpoints is in
// memory alone: a restart finds every breaker closed, and loses nothing by it,
// since [Outbox.Run] then has all look.
// The package must not know what items say or how they travel: a [Sender] does.
package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/trama-run/trama/host/cause"
	"github.com/trama-run/trama/host/deadletter"
	"github.com/trama-run/trama/host/dispatch"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/host/trace"
	"github.com/trama-run/trama/host/turn"
	"github.com/trama-run/trama/pdk/abi"
)

// Kinds of the records that outboxes leave.
const (
	// KindDelivery is what became of an item, by effect id.
	KindDelivery store.Kind = "delivery"
	// KindTaken is a message that the other side has taken and may still give up,
	// by effect id. Senders that know of such news keep it.
	KindTaken store.Kind = "taken"
	// kindAttempts counts the failed tries of a queue's first item.
	kindAttempts store.Kind = "attempts"
)

// DeliveryTTL is how long it can be looked up what became of an item.
const DeliveryTTL = 30 * 24 * time.Hour

// maxText bounds a failure's message in what is stored of a try.
const maxText = 500

// States of a delivery. A channel's news adds "delivered", "read" and
// "failed".
const (
	StateSent      = "sent"      // the other side has taken it
	StateQueued    = "queued"    // it went on into another outbox, or goes again
	StateDead      = "dead"      // it is a dead letter
	StateCancelled = "cancelled" // by an operator, or by its sender: it must not go
)

// Delivery is what became of an item.
type Delivery struct {
	RunID string `json:"run_id"`
	// Queue is the one that the item was in.
	Queue     string     `json:"queue,omitempty"`
	MessageID string     `json:"message_id,omitempty"` // the other side's
	State     string     `json:"state"`
	At        time.Time  `json:"at"`
	Error     *abi.Error `json:"error,omitempty"`
	// Letter is the id of the dead letter that it became.
	Letter string `json:"letter,omitempty"`
}

// Item is the first of a queue.
type Item struct {
	Head
	Queue    string
	Position store.Position // in the queue
	Value    []byte         // JSON, with the members of Head
}

// Sender sends the items of all queues with one prefix. Its methods are called
// from many goroutines, Send for each queue one at a time.
type Sender interface {
	// Endpoint names where an item goes, such as "channel wa": what fails and
	// is busy together, and is shown to operators. An error holds the item:
	// it waits, without a try, until what is missing is there. A list of what
	// waits asks it of items without position and value.
	Endpoint(item Item) (string, *abi.Error)
	// Send makes one try; it must bound its time by itself. The end of ctx
	// cuts it short, and it is made anew after the next start. By its error
	//   - nil: the other side has the item;
	//   - code unavailable: nothing was tried, so the item waits, and as what is in
	//     the way may be there for all of the endpoint, one looks for all;
	//   - retryable: the item is tried again by the schedule, not before
	//     RetryAfterMillis, and it is a dead letter after the last try;
	//   - any other: the item is a dead letter.
	// The breaker counts retryable errors and those of code unknown as
	// failures of the endpoint, and any other as an answer.
	Send(ctx context.Context, item Item) (Outcome, *abi.Error)
}

// Outcome is what a sender knows of an item that was taken; of one that was not,
// Rest and Settle alone count.
type Outcome struct {
	MessageID string // the other side's id, if it gives one
	State     string // "": StateSent; StateCancelled: nothing was tried
	// Rest is for how long the endpoint takes nothing, whatever queue it is of: it
	// has said so.
	Rest time.Duration
	// Settle, if not nil, adds what belongs into the commit that ends the
	// item, and may change what is said of it: of one that would be a dead letter,
	// that the other side has it after all. If the commit conflicts with another,
	// it is called again with a new batch.
	Settle func(ctx context.Context, batch *store.Batch, d *Delivery) error
}

// Lane is a sender and how its items are tried.
type Lane struct {
	Sender Sender
	Policy Policy
	// Ended, if not nil, adds to the commit that ends an item, sent or dead.
	Ended func(batch *store.Batch, item Item, d Delivery) error
}

// Config joins the outboxes to their surroundings.
type Config struct {
	Store store.Store
	// Lanes are by the prefix of queues.
	Lanes map[string]Lane
	// Poke wakes the dispatcher.
	Poke func()
	// Tried is told of each try by the queue's prefix: sent, again, held,
	// cancelled or dead; nil: nobody asks.
	Tried func(prefix, result string)
	Now   func() time.Time // nil: time.Now
	Log   *slog.Logger
}

// Outbox is all outboxes of a host. Make one with New.
type Outbox struct {
	config    Config
	queues    *turn.Turns // an item is not cancelled while it is sent
	endpoints endpoints
	mended    chan struct{}
	ended     sync.Map // by queue, what became of its first item and could not be committed yet: known
}

// known is what became of an item.
type known struct {
	position store.Position
	endpoint string
	state    attempts
	outcome  Outcome
	failure  *abi.Error
}

// New returns the outboxes in a store.
func New(config Config) *Outbox {
	if config.Now == nil {
		config.Now = time.Now
	}
	return &Outbox{config: config, queues: turn.New(), endpoints: newEndpoints(), mended: make(chan struct{}, 1)}
}

// now is the clock, to the millisecond that records keep.
func (o *Outbox) now() time.Time { return o.config.Now().Truncate(time.Millisecond) }

// Channel is the channel of a queue of messages to a contact, or "".
func Channel(queue string) string {
	rest, ok := strings.CutPrefix(queue, PrefixContact+":")
	if !ok {
		return ""
	}
	channel, _, _ := strings.Cut(rest, "/")
	return channel
}

// lane finds whose a queue is.
func (o *Outbox) lane(queue string) (Lane, bool) {
	prefix, _, _ := strings.Cut(queue, ":")
	lane, ok := o.config.Lanes[prefix]
	return lane, ok
}

// attempts is the state of a queue's first item.
type attempts struct {
	Position store.Position   `json:"position"`
	Failed   int              `json:"failed"`
	Next     time.Time        `json:"next"`
	Tries    []deadletter.Try `json:"tries,omitempty"`
}

// Work makes one try of a queue's first item, if it is time: it is the
// dispatcher's handler of all prefixes.
func (o *Outbox) Work(ctx context.Context, queue string) (time.Time, error) {
	lane, ok := o.lane(queue)
	if !ok {
		return time.Time{}, fmt.Errorf("outbox %s: nobody sends its items", queue)
	}
	unlock, err := o.queues.Take(ctx, queue)
	if err != nil {
		return time.Time{}, err
	}
	defer unlock()
	items, err := o.config.Store.Read(ctx, queue, 0, 2)
	if err != nil {
		return time.Time{}, err
	}
	if k, ok := o.ended.Load(queue); ok && (len(items) == 0 || items[0].Position != k.(known).position) {
		o.ended.Delete(queue) // it was cancelled
	}
	if len(items) == 0 {
		o.wake(ctx, o.endpoints.empty(queue, o.now()))
		return time.Time{}, nil
	}
	again, err := o.first(ctx, lane, items[0])
	if err != nil || !again.IsZero() || len(items) == 1 {
		return again, err
	}
	return o.now(), nil // the next item
}

// first works on a queue's first item. It returns when to look again, if the
// item has not left the queue.
func (o *Outbox) first(ctx context.Context, lane Lane, stored store.Item) (again time.Time, err error) {
	item := Item{Queue: stored.Queue, Position: stored.Position, Value: stored.Value}
	if err := json.Unmarshal(stored.Value, &item.Head); err != nil || item.EffectID == "" {
		failure := &abi.Error{Code: abi.CodeInvalid, Message: fmt.Sprintf("the item can't be read, or has no effect id: %v", err)}
		return time.Time{}, o.end(ctx, stored, item, attempts{}, Outcome{}, failure)
	}
	var state attempts
	if err := o.load(ctx, store.ID{Kind: kindAttempts, Key: stored.Queue}, &state); err != nil {
		return time.Time{}, err
	}
	if state.Position != stored.Position {
		state = attempts{Position: stored.Position}
	}
	if k, ok := o.ended.Load(stored.Queue); ok {
		return time.Time{}, o.conclude(ctx, stored, item, k.(known))
	}
	now := o.now()
	if state.Next.After(now) {
		return state.Next, nil
	}
	var pause time.Duration
	name, held := lane.Sender.Endpoint(item)
	if held != nil {
		o.config.Log.Debug("outbox held", "queue", item.Queue, "reason", held.Message)
		pause = heldPause(now, item.At)
	}
	got := o.endpoints.enter(name, item.Queue, lane.Policy, pause, now)
	o.wake(ctx, got.wakes)
	if !got.ok {
		return now.Add(got.wait), nil
	}
	called := false // the endpoint has answered, or failed to
	var outcome Outcome
	var failure *abi.Error
	defer func() {
		now := o.now()
		wait, wakes := o.endpoints.leave(got.place, now, called, failure, outcome.Rest)
		if o.wake(ctx, wakes); wait > 0 {
			again = now.Add(wait)
		}
	}()
	outcome, failure = send(ctx, lane.Sender, item, name, state.Failed+1)
	if ctx.Err() != nil {
		failure = nil                 // it says nothing of the endpoint
		return time.Time{}, ctx.Err() // cut short: it is sent again, with the same effect id
	}
	result := "sent"
	defer func() {
		if o.config.Tried != nil {
			prefix, _, _ := strings.Cut(item.Queue, ":")
			o.config.Tried(prefix, result)
		}
	}()
	if failure != nil && failure.Code == abi.CodeUnavailable {
		result = "held"
		return o.now(), nil // or later: it stands in line now
	}
	called = outcome.State != StateCancelled
	if !called {
		result = "cancelled"
	}
	if failure != nil {
		result = "dead"
		now = o.now()
		state.Failed++
		state.Tries = append(state.Tries, deadletter.Try{At: now, Code: failure.Code, Message: cut(failure.Message)})
		if pause, again := lane.Policy.pause(item.EffectID, state.Failed, *failure); again {
			result = "again"
			state.Next = now.Add(pause)
			o.config.Log.Warn("not sent", "queue", item.Queue, "run", item.RunID, "effect", item.EffectID, "failed", state.Failed, "again_at", state.Next, "error", failure)
			return state.Next, o.put(ctx, store.ID{Kind: kindAttempts, Key: item.Queue}, state, 0, &store.Batch{})
		}
	}
	return time.Time{}, o.conclude(ctx, stored, item, known{stored.Position, name, state, outcome, failure})
}

// send makes one try.
func send(ctx context.Context, to Sender, item Item, endpoint string, attempt int) (Outcome, *abi.Error) {
	ctx, span := trace.Begin(ctx, trace.Inside, "send to "+endpoint)
	defer span.End()
	ctx = cause.With(ctx, func(of *cause.Cause) { of.Run, of.Effect, of.Attempt = item.RunID, item.EffectID, attempt })
	defer dispatch.Aside(ctx)()
	outcome, failure := to.Send(ctx, item)
	span.Text("trama.run", item.RunID)
	span.Text("trama.effect", item.EffectID)
	span.Number("trama.attempt", int64(attempt))
	if failure != nil {
		span.Fail(failure.Code)
	}
	return outcome, failure
}

// conclude ends an item, or keeps what became of it until that can be stored.
func (o *Outbox) conclude(ctx context.Context, stored store.Item, item Item, k known) error {
	err := o.end(ctx, stored, item, k.state, k.outcome, k.failure)
	if err != nil {
		o.ended.Store(stored.Queue, k)
		return err
	}
	o.ended.Delete(stored.Queue)
	return nil
}

// end commits what became of an item and takes it out of its queue. A conflict
// with another commit, or a disk that is full for a while, repeats the commit,
// never the send; and what can't be stored of the outcome makes the item a dead
// letter.
func (o *Outbox) end(ctx context.Context, stored store.Item, item Item, state attempts, outcome Outcome, failure *abi.Error) error {
	if failure != nil {
		bounded := deadletter.Cut(*failure)
		failure = &bounded
	}
	for {
		batch := store.Batch{
			Remove: []store.ItemRef{{Queue: stored.Queue, Position: stored.Position}},
			Delete: []store.ID{{Kind: kindAttempts, Key: stored.Queue}},
		}
		d := Delivery{RunID: item.RunID, Queue: item.Queue, MessageID: cut(outcome.MessageID), State: StateSent, At: o.now(), Error: failure}
		if outcome.State != "" {
			d.State = outcome.State
		}
		if failure != nil {
			d.State, d.Letter = StateDead, deadletter.ID(stored.Position)
		}
		if outcome.Settle != nil {
			if err := outcome.Settle(ctx, &batch, &d); err != nil {
				return err
			}
		}
		if d.State == StateDead {
			o.config.Log.Error("a dead letter", "queue", item.Queue, "run", item.RunID, "effect", item.EffectID, "error", failure)
			letter := deadletter.Letter{
				Queue: item.Queue, Channel: Channel(item.Queue), EffectID: item.EffectID, RunID: item.RunID,
				Reason: *failure, Tries: state.Tries, At: d.At, Value: stored.Value,
			}
			if err := deadletter.Bury(&batch, stored.Position, letter); err != nil {
				return err
			}
		}
		if lane, ok := o.lane(item.Queue); ok && lane.Ended != nil {
			if err := lane.Ended(&batch, item, d); err != nil {
				return err
			}
		}
		var err error
		if item.EffectID == "" { // what can't be read has no name
			_, err = o.config.Store.Commit(ctx, &batch)
		} else {
			err = o.put(ctx, store.ID{Kind: KindDelivery, Key: item.EffectID}, d, DeliveryTTL, &batch)
		}
		if errors.Is(err, store.ErrConflict) && ctx.Err() == nil {
			continue
		}
		if (failure == nil || outcome.Settle != nil) && (errors.Is(err, store.ErrTooBig) || errors.Is(err, store.ErrInvalid)) {
			if outcome.Settle = nil; failure == nil {
				failure = &abi.Error{Code: abi.CodeLimit, Message: fmt.Sprintf("what follows from the send can't be stored: %v", err)}
			}
			continue
		}
		if err == nil && len(batch.Wake) > 0 {
			o.config.Poke()
		}
		return err
	}
}

// put commits a batch with one more record in it.
func (o *Outbox) put(ctx context.Context, id store.ID, value any, ttl time.Duration, batch *store.Batch) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	batch.Put = append(batch.Put, store.Put{ID: id, Value: data, TTL: ttl})
	_, err = o.config.Store.Commit(ctx, batch)
	return err
}

// load reads a record, if there is one.
func (o *Outbox) load(ctx context.Context, id store.ID, into any) error {
	record, err := o.config.Store.Load(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(record.Value, into); err != nil {
		return fmt.Errorf("record %s %s: %w", id.Kind, id.Key, err)
	}
	return nil
}

// cut bounds a text of another system.
func cut(text string) string {
	if len(text) <= maxText {
		return text
	}
	return strings.ToValidUTF8(text[:maxText], "") + "…"
}
