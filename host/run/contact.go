package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/trama-run/trama/host/contact"
	"github.com/trama-run/trama/host/deadletter"
	"github.com/trama-run/trama/host/engine"
	"github.com/trama-run/trama/host/expr"
	"github.com/trama-run/trama/host/kv"
	"github.com/trama-run/trama/host/outbox"
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
func HeldPause(waited time.Duration) time.Duration {
	return min(max(waited/4, heldPause), maxHeldPause)
}

// Letter is one item of a contact's mailbox: a unit that a channel received,
// or one of Start and WithHuman.
type Letter struct {
	Unit      abi.Unit       `json:"unit,omitzero"`
	Start     *contact.Start `json:"start,omitempty"`
	WithHuman *bool          `json:"with_human,omitempty"`
	Received  time.Time      `json:"received"`
}

// MailKey is the key under which a contact's units are worked on; its mailbox
// is the queue of the same name.
func MailKey(k contact.Key) string { return PrefixContact + ":" + string(k) }

// Bounds of what a conversation keeps.
const (
	maxScanned = 100 // letters that are looked at for one that interrupts
	maxInARow  = 16  // things that are done before others have their turn
	maxLater   = 20  // flows that wait for the present one to end
)

// Contact does the work of one conversation: it is the dispatcher's handler of
// PrefixContact.
func (r *Runner) Contact(ctx context.Context, key string) (time.Time, error) {
	who := contact.Key(strings.TrimPrefix(key, PrefixContact+":"))
	channel, address, err := who.Split()
	if err != nil {
		return time.Time{}, err
	}
	for range maxInARow {
		c := conversation{runner: r, key: key, who: who, contact: contact.Contact{Channel: channel, Address: address, FirstSeen: r.now()}}
		again, err := c.next(ctx)
		if err != nil || again.IsZero() || again.After(r.now()) || ctx.Err() != nil {
			return r.contended(key, again, err)
		}
	}
	return r.now(), nil
}

// contended is for work that met a change by an operator, such as a session
// that was cancelled: it is left, and looked at anew.
func (r *Runner) contended(key string, again time.Time, err error) (time.Time, error) {
	if !errors.Is(err, store.ErrConflict) {
		return again, err
	}
	r.config.Log.Info("work was left, since its session was changed meanwhile", "key", key)
	return r.now().Add(time.Second), nil
}

// conversation is the work on one letter of a contact, or on what a crash, a
// retry or a timer left to do.
type conversation struct {
	runner  *Runner
	key     string
	who     contact.Key
	contact contact.Contact
}

// next does one thing and says when to look again; zero: when a letter comes.
func (c *conversation) next(ctx context.Context) (time.Time, error) {
	s := c.runner.config.Store
	if _, _, err := load(ctx, s, store.ID{Kind: KindContact, Key: string(c.who)}, &c.contact); err != nil {
		return time.Time{}, err
	}
	expr.Numbers(c.contact.Vars)
	j := &journey{runner: c.runner, key: c.key, memory: kv.Open(s, string(c.who)), user: c.contact.Scope()}
	found, err := j.load(ctx)
	if err != nil {
		return time.Time{}, err
	}
	j.effect, j.saved = c.send(j), c.save(j)
	if found && len(j.session.Calls()) > 0 {
		return c.resume(ctx, j)
	}
	letters, err := c.letters(ctx, s)
	if err != nil {
		return time.Time{}, err
	}
	if i := slices.IndexFunc(letters, func(l letter) bool { return l.WithHuman != nil }); i >= 0 && (i == 0 || !c.contact.WithHuman) {
		return c.hand(ctx, j, letters[i]) // at once: what was written before is the person's too
	}
	switch {
	case c.contact.WithHuman:
		return c.attended(ctx, j, letters)
	case found && j.session.Retry:
		return c.retry(ctx, j)
	case found:
		return c.wait(ctx, j, letters)
	case len(c.contact.Later) > 0:
		later := c.contact.Later[0]
		c.contact.Later = c.contact.Later[1:]
		return c.begin(ctx, j, later)
	case len(letters) > 0:
		return c.open(ctx, j, letters[0])
	}
	return time.Time{}, nil
}

// load reads the session of a key, with its record and its flows.
func (j *journey) load(ctx context.Context) (found bool, err error) {
	r := j.runner
	if j.revision, found, err = load(ctx, r.config.Store, sessionID(j.key), &j.session); err != nil || !found {
		return false, err
	}
	j.found = map[string]bool{}
	for _, id := range j.session.Intents {
		j.found[id] = true
	}
	if _, _, err := load(ctx, r.config.Store, store.ID{Kind: KindRecord, Key: j.session.ID}, &j.record); err != nil {
		return false, err
	}
	j.programs, err = r.programs(ctx, j.session)
	return true, err
}

// letter is an item of the mailbox.
type letter struct {
	Letter
	position store.Position
}

// letters reads the beginning of the mailbox.
func (c *conversation) letters(ctx context.Context, s store.Store) ([]letter, error) {
	items, err := s.Read(ctx, c.key, 0, maxScanned)
	if err != nil {
		return nil, err
	}
	letters := make([]letter, len(items))
	for i, item := range items {
		letters[i].position = item.Position
		if err := json.Unmarshal(item.Value, &letters[i].Letter); err != nil {
			return nil, fmt.Errorf("mailbox %s: %w", c.key, err)
		}
	}
	return letters, nil
}

// consume takes letters out of the mailbox with the next commit.
func (c *conversation) consume(j *journey, letters ...letter) {
	for _, l := range letters {
		j.changes.Remove = append(j.changes.Remove, store.ItemRef{Queue: c.key, Position: l.position})
		if l.Unit.ID == "" {
			continue
		}
		if l.Received.After(c.contact.LastSeen) {
			c.contact.LastSeen = l.Received
		}
		if l.Unit.Name != "" {
			c.contact.Name = l.Unit.Name
		}
	}
	j.user = c.contact.Scope()
}

// wait does what is due in a session that makes no call: whichever was first, a
// timer or a letter.
func (c *conversation) wait(ctx context.Context, j *journey, letters []letter) (time.Time, error) {
	due, now := j.session.Due(), c.runner.now()
	overdue := !due.IsZero() && !due.After(now)
	if len(letters) == 0 && !overdue {
		return due, nil
	}
	if held := c.runner.held(j.programs, j.session.Pins); held != nil {
		return c.hold(held)
	}
	if overdue && (len(letters) == 0 || due.Before(letters[0].Received)) {
		return c.tick(ctx, j, letters)
	}
	for i, l := range letters {
		found, ok := c.interrupts(l)
		if !ok {
			if j.session.Listens() {
				break // the first letter is the session's
			}
			continue
		}
		return c.interrupt(ctx, j, letters[:i+1], found)
	}
	switch first := letters[0]; {
	case first.Start != nil:
		return c.postpone(ctx, j, first)
	case j.session.Listens():
		c.consume(j, first)
		value := messageValue(c.contact.Channel, first.Unit)
		if err := j.advance(engine.Event{Message: &engine.Message{Value: value, At: first.Received}}); err != nil {
			return time.Time{}, err
		}
		return c.drive(ctx, j)
	case overdue:
		return c.tick(ctx, j, letters)
	}
	return due, nil
}

// tick lets happen what is due.
func (c *conversation) tick(ctx context.Context, j *journey, letters []letter) (time.Time, error) {
	event := engine.Event{Tick: true, Heard: c.contact.LastSeen}
	for i, l := range letters {
		if l.Unit.ID != "" {
			event.Heard = l.Received
		}
		if i == 0 && j.session.Listens() {
			event.Until = l.Received // what is due later is not, if the letter is for the session
		}
	}
	if err := j.advance(event); err != nil {
		return time.Time{}, err
	}
	return c.drive(ctx, j)
}

// interrupts gives the flow that a letter starts even while another waits.
func (c *conversation) interrupts(l letter) (candidate, bool) {
	s := c.runner.config.Catalog().Snapshot()
	if l.Start != nil {
		f, ok := s.Flows[l.Start.Flow]
		if !ok {
			return candidate{}, false
		}
		t, ok := f.Flow.Trigger(l.Start.Trigger)
		return candidate{f, t}, ok && t.Interrupt
	}
	if l.Unit.Message == nil {
		return candidate{}, false
	}
	return c.runner.listener(c.contact.Channel, *l.Unit.Message, true)
}

// interrupt cancels the session and starts another run in its place. Letters
// before the one that interrupts go with the cancelled run.
func (c *conversation) interrupt(ctx context.Context, j *journey, letters []letter, by candidate) (time.Time, error) {
	last := letters[len(letters)-1]
	for _, l := range letters[:len(letters)-1] {
		if l.Start != nil {
			return c.postpone(ctx, j, l) // it has waited longer, and waits on
		}
	}
	if held := c.runner.Held(by.flow); held != nil {
		return c.hold(held)
	}
	old := &journey{runner: j.runner, session: j.session, record: j.record}
	if skipped := len(letters) - 1; skipped > 0 {
		old.record.line(Line{Node: j.record.Node, At: c.runner.now(), Level: "info", Text: fmt.Sprintf("%d messages came while the run did not listen, and were left when it was interrupted", skipped)})
	}
	old.record.cancel(fmt.Sprintf("interrupted by flow %s", by.flow.Flow.ID), c.runner.now())
	put, err := old.record.put()
	if err != nil {
		return time.Time{}, err
	}
	j.changes.Put = append(j.changes.Put, put)
	c.consume(j, letters...)
	if last.Start != nil {
		value, err := expr.ParseJSON(last.Start.Value)
		if err != nil {
			return time.Time{}, err
		}
		return c.start(ctx, j, by, last.Start.ID, value)
	}
	id, err := c.runner.config.ID()
	if err != nil {
		return time.Time{}, err
	}
	return c.start(ctx, j, by, id, messageValue(c.contact.Channel, last.Unit))
}

// postpone keeps a start until the present run has ended.
func (c *conversation) postpone(ctx context.Context, j *journey, l letter) (time.Time, error) {
	c.consume(j, l)
	start := *l.Start
	start.Position = uint64(l.position)
	if len(c.contact.Later) >= maxLater {
		return c.refuse(ctx, j, start, fmt.Sprintf("%d flows wait for the present one to end already, the limit", maxLater))
	}
	c.contact.Later = append(slices.Clip(c.contact.Later), start)
	return c.runner.now(), j.saveOnly(ctx)
}

// refuse makes a dead letter of a start that can't be: it must not hold the
// contact's messages behind it.
func (c *conversation) refuse(ctx context.Context, j *journey, start contact.Start, why string) (time.Time, error) {
	c.runner.config.Log.Warn("start of a flow is a dead letter", "contact", c.who, "flow", start.Flow, "run", start.ID, "reason", why)
	position := store.Position(start.Position)
	start.Position = 0
	value, err := json.Marshal(Letter{Start: &start, Received: c.runner.now()})
	if err != nil {
		return time.Time{}, err
	}
	err = deadletter.Bury(&j.changes, position, deadletter.Letter{
		Queue: c.key, Channel: c.contact.Channel, RunID: start.ID, At: c.runner.now(), Value: value,
		Reason: abi.Error{Code: abi.CodeUnavailable, Message: fmt.Sprintf("flow %s was not started: %s", start.Flow, why)},
	})
	if err != nil {
		return time.Time{}, err
	}
	return c.runner.now(), j.saveOnly(ctx)
}

// hand takes over that a person attends to the contact, or does no more.
func (c *conversation) hand(ctx context.Context, j *journey, l letter) (time.Time, error) {
	c.contact.WithHuman = *l.WithHuman
	c.consume(j, l)
	return c.runner.now(), j.saveOnly(ctx)
}

// attended takes letters while a person attends to the contact: messages are
// the person's, and flows begin later.
func (c *conversation) attended(ctx context.Context, j *journey, letters []letter) (time.Time, error) {
	if len(letters) == 0 {
		return time.Time{}, nil // timers too wait until the person is done
	}
	if letters[0].Start != nil {
		return c.postpone(ctx, j, letters[0])
	}
	c.consume(j, letters[0])
	return c.runner.now(), j.saveOnly(ctx)
}

// open takes a letter into a conversation without a run: to the flow that
// begins with it.
func (c *conversation) open(ctx context.Context, j *journey, l letter) (time.Time, error) {
	if l.Start != nil {
		c.consume(j, l)
		start := *l.Start
		start.Position = uint64(l.position)
		return c.begin(ctx, j, start)
	}
	found, ok := c.runner.listener(c.contact.Channel, *l.Unit.Message, false)
	if !ok {
		return c.unheard(ctx, j, l)
	}
	if held := c.runner.Held(found.flow); held != nil {
		return c.hold(held)
	}
	id, err := c.runner.config.ID()
	if err != nil {
		return time.Time{}, err
	}
	c.consume(j, l)
	return c.start(ctx, j, found, id, messageValue(c.contact.Channel, l.Unit))
}

// unheard is for a message that no flow takes. If a flow listens to the
// channel, and this message only is not for it, the message is consumed; else
// it waits until there is one.
func (c *conversation) unheard(ctx context.Context, j *journey, l letter) (time.Time, error) {
	if !c.runner.listens(c.contact.Channel) {
		return c.hold(&abi.Error{Code: abi.CodeUnavailable, Message: fmt.Sprintf("no flow has a message trigger for channel %q: publish one", c.contact.Channel)})
	}
	c.runner.config.Log.Info("no flow takes the message", "contact", c.who, "unit", l.Unit.ID)
	c.consume(j, l)
	return c.runner.now(), j.saveOnly(ctx)
}

// begin starts a flow that an activation or an event asked for.
func (c *conversation) begin(ctx context.Context, j *journey, s contact.Start) (time.Time, error) {
	snapshot := c.runner.config.Catalog().Snapshot()
	f, ok := snapshot.Flows[s.Flow]
	if broken := snapshot.Broken[s.Flow]; broken != nil {
		return c.hold(&abi.Error{Code: abi.CodeUnavailable, Message: broken.Error()})
	}
	if !ok {
		return c.refuse(ctx, j, s, "it is not published any more")
	}
	t, ok := f.Flow.Trigger(s.Trigger)
	if !ok {
		return c.refuse(ctx, j, s, fmt.Sprintf("it has no trigger %q any more", s.Trigger))
	}
	if held := c.runner.Held(f); held != nil {
		return c.hold(held)
	}
	value, err := expr.ParseJSON(s.Value)
	if err != nil {
		return c.refuse(ctx, j, s, err.Error())
	}
	return c.start(ctx, j, candidate{f, t}, s.ID, value)
}

// start begins a run in the conversation.
func (c *conversation) start(ctx context.Context, j *journey, by candidate, id string, value any) (time.Time, error) {
	j.session, j.programs = c.runner.newSession(id, by.flow)
	j.session.Contact = string(c.who)
	j.record = Record{ID: id, Flow: by.flow.Flow.ID, Version: by.flow.Version, Key: c.key, Trigger: by.trigger.ID, Started: c.runner.now()}
	j.event, _ = value.(map[string]any)
	j.found = nil
	if err := j.advance(engine.Event{Start: &engine.Start{Trigger: by.trigger.ID, Value: value}}); err != nil {
		return time.Time{}, err
	}
	return c.drive(ctx, j)
}

// hold leaves things as they are until what is missing is there.
func (c *conversation) hold(reason *abi.Error) (time.Time, error) {
	level, waited := slog.LevelDebug, c.runner.now().Sub(c.contact.LastSeen) // said once; the doctor says it as long as it holds
	if waited < heldPause {
		level = slog.LevelWarn
	}
	c.runner.config.Log.Log(context.Background(), level, "conversation held", "contact", c.who, "reason", reason.Message)
	return c.runner.now().Add(HeldPause(waited)), nil
}

// retry goes on with a session that had failed.
func (c *conversation) retry(ctx context.Context, j *journey) (time.Time, error) {
	if held := c.runner.held(j.programs, j.session.Pins); held != nil {
		return c.hold(held)
	}
	j.session.Retry = false
	if err := j.advance(engine.Event{Retry: true}); err != nil {
		return time.Time{}, err
	}
	return c.drive(ctx, j)
}

// resume goes on with calls that a crash or a retry left to make.
func (c *conversation) resume(ctx context.Context, j *journey) (time.Time, error) {
	if held := c.runner.held(j.programs, j.session.Pins); held != nil {
		return c.hold(held)
	}
	return c.drive(ctx, j)
}

// drive lets the session go on and stores where it stands.
func (c *conversation) drive(ctx context.Context, j *journey) (time.Time, error) {
	again, err := j.drive(ctx)
	switch {
	case err != nil:
	case j.session.Over():
		again, err = c.runner.now(), j.finish(ctx) // there may be letters, or flows that waited for the end
	default:
		if err = j.commit(ctx); len(j.session.Calls()) == 0 {
			again = c.runner.now() // a letter may wait: next looks
		}
	}
	if errors.Is(err, store.ErrTooBig) {
		j.saved = nil // the contact stays as it was
		code, reason := tooBig(err)
		again, err = c.runner.now(), j.abandon(ctx, code, reason)
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

// saveOnly commits what waits, and leaves the session as it is.
func (j *journey) saveOnly(ctx context.Context) error {
	b := store.Batch{Put: j.changes.Put, Remove: j.changes.Remove, Expect: []store.Expect{{ID: sessionID(j.key), Revision: j.revision}}}
	if err := j.saved(&b); err != nil {
		return err
	}
	_, err := j.runner.config.Store.Commit(ctx, &b)
	return err
}

// send puts messages into the outbox, with the next commit.
func (c *conversation) send(j *journey) func(engine.Effect) error {
	return func(effect engine.Effect) error {
		if effect.Send == nil {
			return fmt.Errorf("run %s: a conversation can't answer a gateway request", j.record.ID)
		}
		data, err := json.Marshal(outbox.Message{Head: outbox.Head{EffectID: effect.ID, At: c.runner.now(), RunID: j.session.ID}, Message: effect.Send.Message})
		if err != nil {
			return err
		}
		key := outbox.ContactKey(c.who)
		j.changes.Append = append(j.changes.Append, store.Append{Queue: key, Value: data})
		j.wake(key)
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
