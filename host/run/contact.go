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

	"github.com/trama-run/trama/host/catalog"
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

// maxInARow is how many things are done for a contact before others have their
// turn.
const maxInARow = 16

// Contact does the work of one conversation: it is the dispatcher's handler of
// PrefixContact.
func (r *Runner) Contact(ctx context.Context, key string) (time.Time, error) {
	who := contact.Key(strings.TrimPrefix(key, PrefixContact+":"))
	channel, address, err := who.Split()
	if err != nil {
		return time.Time{}, err
	}
	mail := &mailbox{store: r.config.Store, queue: key}
	for range maxInARow {
		c := conversation{runner: r, key: key, who: who, mail: mail, contact: contact.Contact{Channel: channel, Address: address, FirstSeen: r.now()}}
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
	runner *Runner
	key    string
	who    contact.Key
	mail   *mailbox
	// contact is as it was committed last, but for what is consumed; kept is
	// what the present commit makes of it.
	contact, kept contact.Contact
	puts          []store.Put // for the next commit, even if the run is given up in it
	left          int         // messages that the run which begins has interrupted
}

// next does one thing and says when to look again; zero: when a letter comes.
func (c *conversation) next(ctx context.Context) (time.Time, error) {
	s := c.runner.config.Store
	if _, _, err := load(ctx, s, store.ID{Kind: KindContact, Key: string(c.who)}, &c.contact); err != nil {
		return time.Time{}, err
	}
	expr.Numbers(c.contact.Vars)
	j := &journey{runner: c.runner, key: c.key, memory: kv.Open(s, string(c.who)), user: c.contact.Scope()}
	j.effect, j.saved, j.committed = c.send(j), c.save(j), c.committed
	found, err := j.load(ctx)
	if found && unreadable(err) {
		return c.runner.now(), j.abandon(ctx, abi.CodeUnavailable, fmt.Sprintf("the version of the flow that the run began with can't be read: %v", err))
	}
	if err != nil {
		return time.Time{}, err
	}
	var held *abi.Error
	most := maxNear
	if found {
		held = c.runner.held(j.programs, j.session.Pins)
		ready, _ := j.ready(nil)
		if len(ready) > 0 && held == nil && (!c.contact.WithHuman || len(j.found) > 0) {
			return c.drive(ctx, j) // calls that a crash cut short, or whose time for a retry has come
		}
		if !j.session.Listens() {
			most = maxFar
		}
	}
	letters, err := c.mail.read(ctx, most)
	if err != nil {
		return time.Time{}, err
	}
	if i := slices.IndexFunc(letters, func(l letter) bool { return l.broken != nil }); i >= 0 {
		c.consume(j, letters[i])
		return c.bury(ctx, j, letters[i], deadletter.Letter{Reason: abi.Error{Code: abi.CodeInvalid, Message: fmt.Sprintf("the letter can't be read: %v", letters[i].broken)}})
	}
	if i := slices.IndexFunc(letters, func(l letter) bool { return l.WithHuman != nil }); i >= 0 && (i == 0 || !c.contact.WithHuman) {
		return c.hand(ctx, j, letters[i]) // at once: what was written before is the person's too
	}
	switch {
	case c.contact.WithHuman:
		return c.attended(ctx, j, letters)
	case found && j.session.Retry && held == nil:
		return c.retry(ctx, j)
	case found:
		return c.wait(ctx, j, letters, held)
	}
	return c.idle(ctx, j, letters)
}

// unreadable says whether an error means that the version of a flow can't be
// read, now or later.
func unreadable(err error) bool {
	_, broken := errors.AsType[*catalog.BrokenError](err)
	return broken || errors.Is(err, store.ErrNotFound)
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

// hold says when to look again whether what is missing since an instant is
// there.
func (c *conversation) hold(reason *abi.Error, since time.Time) time.Time {
	level, waited := slog.LevelDebug, c.runner.now().Sub(since) // said once; the doctor says it as long as it holds
	if waited < heldPause {
		level = slog.LevelWarn
	}
	c.runner.config.Log.Log(context.Background(), level, "conversation held", "contact", c.who, "reason", reason.Message)
	return c.runner.now().Add(HeldPause(waited))
}

// retry goes on with a session that had failed.
func (c *conversation) retry(ctx context.Context, j *journey) (time.Time, error) {
	j.session.Retry = false
	if err := j.advance(engine.Event{Retry: true}); err != nil {
		return time.Time{}, err
	}
	return c.drive(ctx, j)
}

// drive lets the session go on and stores where it stands. Letters may wait, or
// flows for its end: next looks.
func (c *conversation) drive(ctx context.Context, j *journey) (time.Time, error) {
	_, err := j.drive(ctx)
	switch {
	case err != nil:
	case j.session.Over():
		err = j.finish(ctx)
	default:
		err = j.commit(ctx)
	}
	if errors.Is(err, store.ErrTooBig) {
		j.user = c.contact.Scope() // as it was, with what is consumed
		code, reason := tooBig(err)
		err = j.abandon(ctx, code, reason)
	}
	return c.runner.now(), err
}

// save adds the contact to each commit.
func (c *conversation) save(j *journey) func(*store.Batch) error {
	return func(b *store.Batch) error {
		c.kept = c.contact
		c.kept.SetScope(j.user)
		data, err := json.Marshal(c.kept)
		if err != nil {
			return fmt.Errorf("contact %s: %w", c.who, err)
		}
		b.Put = append(append(b.Put, c.puts...), store.Put{ID: store.ID{Kind: KindContact, Key: string(c.who)}, Value: data})
		return nil
	}
}

// committed takes over what a commit has stored.
func (c *conversation) committed() { c.contact, c.puts = c.kept, nil }

// saveOnly commits what waits, and leaves the session as it is.
func (j *journey) saveOnly(ctx context.Context) error {
	b := store.Batch{Put: j.changes.Put, Append: j.changes.Append, Remove: j.changes.Remove, Expect: []store.Expect{{ID: sessionID(j.key), Revision: j.revision}}}
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
