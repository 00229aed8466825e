package run

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/contact"
	"github.com/trama-run/trama/host/engine"
	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/host/kv"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/pdk/abi"
)

// KindContact is the kind of contact records, by contact key.
const KindContact store.Kind = "contact"

// heldPause is how soon what is held looks again whether what it needs is
// there, at first; the longer it waits, the more rarely it looks.
const (
	heldPause    = 2 * time.Second
	maxHeldPause = 30 * time.Second
)

// HeldPause is how long work that waits since an instant waits before it looks
// again: many held keys must not keep the store busy.
func HeldPause(since time.Time) time.Duration {
	return min(max(time.Since(since)/4, heldPause), maxHeldPause)
}

// Letter is one item of a contact's mailbox: a unit that a channel received.
type Letter struct {
	Unit     abi.Unit  `json:"unit"`
	Received time.Time `json:"received"`
}

// Outgoing is one item of a contact's outbox: a message to be sent. Being
// there is the intent of the send.
type Outgoing struct {
	EffectID string      `json:"effect_id"`
	At       time.Time   `json:"at"`
	RunID    string      `json:"run_id"`
	Message  abi.Message `json:"message"`
}

// MailKey is the key under which a contact's units are worked on; its mailbox
// is the queue of the same name.
func MailKey(k contact.Key) string { return PrefixContact + ":" + string(k) }

// PrefixOutbox begins the keys of outboxes: "outbox:<contact key>".
const PrefixOutbox = "outbox"

// OutboxKey is the key under which a contact's messages are sent, and the name
// of their queue.
func OutboxKey(k contact.Key) string { return PrefixOutbox + ":" + string(k) }

// Contact does the work of one conversation: it is the dispatcher's handler of
// PrefixContact.
func (r *Runner) Contact(ctx context.Context, key string) (time.Time, error) {
	who := contact.Key(strings.TrimPrefix(key, PrefixContact+":"))
	channel, address, err := who.Split()
	if err != nil {
		return time.Time{}, err
	}
	c := conversation{runner: r, key: key, who: who, contact: contact.Contact{Channel: channel, Address: address, FirstSeen: now()}}
	again, err := c.next(ctx)
	if err != nil || !again.IsZero() {
		return again, err
	}
	more, err := r.config.Store.Read(ctx, key, 0, 1)
	if err != nil || len(more) == 0 {
		return time.Time{}, err
	}
	return now(), nil // one thing at a time, so that a stop has to wait for one
}

// conversation is the work on one unit of a contact, or on what a crash or a
// retry left to do.
type conversation struct {
	runner  *Runner
	key     string
	who     contact.Key
	contact contact.Contact
}

// next does one thing and says when to look again, if not now.
func (c *conversation) next(ctx context.Context) (time.Time, error) {
	s := c.runner.config.Store
	if _, _, err := load(ctx, s, store.ID{Kind: KindContact, Key: string(c.who)}, &c.contact); err != nil {
		return time.Time{}, err
	}
	j := &journey{runner: c.runner, key: c.key, memory: kv.Open(s, string(c.who))}
	var found bool
	var err error
	j.revision, found, err = load(ctx, s, store.ID{Kind: kindSession, Key: c.key}, &j.session)
	if err != nil {
		return time.Time{}, err
	}
	j.effect, j.saved = c.send(j), c.save(j)
	if found {
		if _, _, err := load(ctx, s, store.ID{Kind: KindRecord, Key: j.session.Run.ID}, &j.record); err != nil {
			return time.Time{}, err
		}
		if j.program, err = c.runner.config.Catalog().Program(ctx, j.session.Run.Flow, j.session.Run.Version); err != nil {
			return time.Time{}, err
		}
		if j.session.Run.Status == engine.Running {
			if held := c.runner.held(j.program, j.session.Pins); held != nil {
				return c.hold(held)
			}
			j.user = c.contact.Scope()
			return c.drive(ctx, j)
		}
	}
	items, err := s.Read(ctx, c.key, 0, 1)
	if err != nil {
		return time.Time{}, err
	}
	if len(items) == 0 {
		return time.Time{}, nil
	}
	return c.open(ctx, j, items[0])
}

// open takes a unit from the mailbox into the conversation: to the run that
// waits for it, or else to the flow that begins with it.
func (c *conversation) open(ctx context.Context, j *journey, item store.Item) (time.Time, error) {
	var letter Letter
	if err := json.Unmarshal(item.Value, &letter); err != nil {
		return time.Time{}, fmt.Errorf("mailbox %s: %w", c.key, err)
	}
	c.contact.LastSeen = letter.Received
	if letter.Unit.Name != "" {
		c.contact.Name = letter.Unit.Name
	}
	j.user = c.contact.Scope()
	j.changes.Remove = append(j.changes.Remove, store.ItemRef{Queue: c.key, Position: item.Position})
	value := messageValue(c.contact.Channel, letter.Unit)

	if j.program != nil { // a run waits
		if held := c.runner.held(j.program, j.session.Pins); held != nil {
			return c.hold(held)
		}
		if err := j.advance(engine.Event{Message: &engine.Message{Value: value}}); err != nil {
			return time.Time{}, err
		}
		return c.drive(ctx, j)
	}

	published, trigger, ok := listener(c.runner.config.Catalog().Snapshot(), c.contact.Channel)
	if !ok {
		return c.hold(&abi.Error{Code: abi.CodeUnavailable, Message: fmt.Sprintf("no flow has a message trigger for channel %q: publish one", c.contact.Channel)})
	}
	if held := c.runner.Held(published.Program); held != nil {
		return c.hold(held)
	}
	id, err := newID()
	if err != nil {
		return time.Time{}, err
	}
	j.program = published.Program
	j.session.Run = engine.Run{ID: id, Flow: published.Flow.ID, Version: published.Version}
	j.session.Pins = c.runner.pins(published.Program)
	j.record = Record{ID: id, Flow: published.Flow.ID, Version: published.Version, Key: c.key, Trigger: trigger, Started: now()}
	j.event = value
	if err := j.advance(engine.Event{Start: &engine.Start{Trigger: trigger, Value: value}}); err != nil {
		return time.Time{}, err
	}
	return c.drive(ctx, j)
}

// hold leaves the unit where it is until what is missing is there.
func (c *conversation) hold(reason *abi.Error) (time.Time, error) {
	level := slog.LevelDebug // said once; the doctor says it as long as it holds
	if time.Since(c.contact.LastSeen) < heldPause {
		level = slog.LevelWarn
	}
	c.runner.config.Log.Log(context.Background(), level, "conversation held", "contact", c.who, "reason", reason.Message)
	return now().Add(HeldPause(c.contact.LastSeen)), nil
}

// drive lets the run go on and stores where it stands.
func (c *conversation) drive(ctx context.Context, j *journey) (time.Time, error) {
	again, err := j.drive(ctx)
	switch {
	case err != nil || !again.IsZero():
	case j.session.Run.Status == engine.Waiting:
		err = j.commit(ctx)
	default:
		err = j.finish(ctx)
	}
	if errors.Is(err, store.ErrTooBig) {
		j.saved = nil // the contact stays as it was
		code, reason := tooBig(err)
		err = j.abandon(ctx, code, reason)
	}
	return again, err
}

// save adds the contact to each commit.
func (c *conversation) save(j *journey) func(*store.Batch) error {
	return func(b *store.Batch) error {
		c.contact.SetScope(j.user)
		data, err := json.Marshal(c.contact)
		if err != nil {
			return fmt.Errorf("contact %s: %w", c.who, err)
		}
		b.Put = append(b.Put, store.Put{ID: store.ID{Kind: KindContact, Key: string(c.who)}, Value: data})
		return nil
	}
}

// send puts messages into the outbox, with the next commit.
func (c *conversation) send(j *journey) func(engine.Effect) error {
	return func(effect engine.Effect) error {
		if effect.Send == nil {
			return fmt.Errorf("run %s: a conversation can't answer a gateway request", j.record.ID)
		}
		data, err := json.Marshal(Outgoing{EffectID: effect.ID, At: now(), RunID: j.session.Run.ID, Message: effect.Send.Message})
		if err != nil {
			return err
		}
		outbox := OutboxKey(c.who)
		j.changes.Append = append(j.changes.Append, store.Append{Queue: outbox, Value: data})
		if len(j.changes.Wake) == 0 { // one for all messages of a commit
			j.changes.Wake = append(j.changes.Wake, store.Wake{Key: outbox, At: now()})
		}
		return nil
	}
}

// messageValue is what flows see of a message, as "input" and "trigger".
func messageValue(channel string, u abi.Unit) map[string]any {
	value := engine.MessageValue(*u.Message)
	value["channel"], value["id"], value["from"], value["name"] = channel, u.ID, u.From.Path, u.Name
	value["time_millis"] = u.TimeMillis
	return value
}

// listener finds the flow that a message on a channel starts: one whose
// trigger names the channel before one that takes any, then by flow id.
func listener(s *catalog.Snapshot, channel string) (catalog.Flow, string, bool) {
	type candidate struct {
		flow    catalog.Flow
		trigger string
		named   bool
	}
	var found []candidate
	for _, f := range s.Flows {
		for _, t := range f.Flow.Triggers {
			if t.Type == flow.TriggerMessage && (t.Channel == "" || t.Channel == channel) {
				found = append(found, candidate{f, t.ID, t.Channel != ""})
			}
		}
	}
	if len(found) == 0 {
		return catalog.Flow{}, "", false
	}
	best := slices.MinFunc(found, func(a, b candidate) int {
		if a.named != b.named {
			if a.named {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.flow.Flow.ID, b.flow.Flow.ID)
	})
	return best.flow, best.trigger, true
}
