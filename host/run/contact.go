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
	"github.com/trama-run/trama/host/fallback"
	"github.com/trama-run/trama/host/kv"
	"github.com/trama-run/trama/host/run/mail"
	"github.com/trama-run/trama/host/run/record"
	"github.com/trama-run/trama/host/run/told"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/host/store/document"
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

// ErrLater is the answer of Config.Fetch while the medium is on its way: the
// contact is woken when it is there, and looks itself after a while, since who
// would wake it may be gone with a crash.
var ErrLater = errors.New("the medium of the message is being fetched")

const laterPause = 10 * time.Second

// Contact does the work of one conversation: it is the dispatcher's handler of
// mail.Prefix.
func (r *Runner) Contact(ctx context.Context, key string) (time.Time, error) {
	who := contact.Key(strings.TrimPrefix(key, mail.Prefix+":"))
	channel, address, err := who.Split()
	if err != nil {
		return time.Time{}, err
	}
	leave, err := r.people.Take(ctx, string(who))
	if err != nil {
		return time.Time{}, err
	}
	defer leave()
	var a alias
	if revision, found, err := document.Load(ctx, r.config.Store, aliasID(who), &a); err != nil || found {
		if err != nil {
			return time.Time{}, err
		}
		again, err := r.forward(ctx, who, a, revision)
		return r.contended(key, again, err)
	}
	mail := &mailbox{store: r.config.Store, queue: key}
	for range maxInARow {
		c := conversation{runner: r, key: key, who: who, mail: mail, contact: contact.Contact{Channel: channel, Address: address, FirstSeen: r.now()}}
		again, err := c.next(ctx)
		if errors.Is(err, ErrLater) {
			return r.now().Add(laterPause), nil // nothing is committed; the letter is where it was
		}
		if err != nil || c.joined || again.IsZero() || again.After(r.now()) || ctx.Err() != nil {
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
	asks          *fallback.Choices // what the present commit asks; nil: nothing
	puts          []store.Put       // for the next commit, even if the run is given up in it
	ended         *record.Record    // of a run that was interrupted; told with the next commit
	from          *contact.Origin   // of the event that begins a run
	left          int               // messages that the run which begins has interrupted
	claimed       *store.Expect     // what is queued of a run that begins, for the next commit
	// place is the contact's address that the conversation is with, of channel;
	// wrote says that a message of the contact begins the run, and joined that
	// another address became the contact's, or this one another's.
	place         contact.Key
	channel       string
	wrote, joined bool
}

// next does one thing and says when to look again; zero: when a letter comes.
func (c *conversation) next(ctx context.Context) (time.Time, error) {
	s := c.runner.config.Store
	if _, _, err := document.Load(ctx, s, store.ID{Kind: KindContact, Key: string(c.who)}, &c.contact); err != nil {
		return time.Time{}, err
	}
	expr.Numbers(c.contact.Vars)
	j := &journey{runner: c.runner, key: c.key, memory: kv.Open(s, string(c.who))}
	c.talks(j, c.who)
	j.effect, j.saved, j.committed = c.send(j), c.save(j), c.committed
	found, err := j.load(ctx)
	if found && unreadable(err) {
		return c.runner.now(), j.abandon(ctx, abi.CodeUnavailable, noVersion(err))
	}
	if err != nil {
		return time.Time{}, err
	}
	var held *abi.Error
	most := maxNear
	if found && j.session.At != "" {
		c.talks(j, j.session.At)
	}
	if found {
		if held = c.runner.held(j.programs, j.session.Pins); held == nil {
			held = c.away(c.channel)
		}
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
	for _, l := range letters {
		var wait bool
		if c.joined, wait, err = c.join(ctx, l); err != nil || c.joined {
			return c.runner.now(), err
		}
		if wait {
			return c.runner.now().Add(joinPause), nil
		}
	}
	letters = c.answers(letters)
	if i := slices.IndexFunc(letters, func(l letter) bool { return l.broken != nil }); i >= 0 {
		c.consume(j, letters[i])
		return c.bury(ctx, j, letters[i], deadletter.Letter{Reason: abi.Error{Code: abi.CodeInvalid, Message: fmt.Sprintf("the letter can't be read: %v", letters[i].broken)}})
	}
	if i := slices.IndexFunc(letters, func(l letter) bool { return l.WithHuman != nil }); i >= 0 && (i == 0 || !c.contact.WithHuman) {
		return c.hand(ctx, j, letters[i]) // at once: what was written before is the person's too
	}
	if i := slices.IndexFunc(letters, letter.tells); i >= 0 {
		c.consume(j, letters[i])
		return c.runner.now(), j.saveOnly(ctx)
	}
	if c.contact.Blocked != nil && len(letters) > 0 {
		return c.shut(ctx, j, letters[0])
	}
	if i := slices.IndexFunc(letters, func(l letter) bool { return c.aside(l, &j.session, found) }); i >= 0 {
		c.runner.config.Log.Info("no flow takes what is no message of its own", "contact", c.who, "unit", letters[i].Unit.ID)
		c.consume(j, letters[i])
		return c.runner.now(), j.saveOnly(ctx)
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

// noVersion is the reason to abandon a run.
func noVersion(err error) string {
	return fmt.Sprintf("the version of the flow that the run began with can't be read: %v", err)
}

// load reads the session of a key, with its record and its flows.
func (j *journey) load(ctx context.Context) (found bool, err error) {
	r := j.runner
	if j.revision, found, err = document.Load(ctx, r.config.Store, sessionID(j.key), &j.session); err != nil || !found {
		return false, err
	}
	j.found = map[string]bool{}
	for _, id := range j.session.Intents {
		j.found[id] = true
	}
	_, recorded, err := document.Load(ctx, r.config.Store, record.ID(j.session.ID), &j.record)
	if err != nil {
		return false, err
	}
	if !recorded { // it slept for longer than records are kept
		run := j.session.Run
		j.record = record.Record{ID: j.session.ID, Flow: run.Flow, Version: run.Version, Key: j.key, Trigger: run.TriggerID, Started: j.session.Made}
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
		j.user, c.asks = c.contact.ScopeAt(c.place), nil // as it was, with what is consumed
		code, reason := tooBig(err)
		err = j.abandon(ctx, code, reason)
	}
	return c.runner.now(), err
}

// save adds the contact to each commit.
func (c *conversation) save(j *journey) func(*store.Batch) error {
	return func(b *store.Batch) error {
		c.kept = c.contact
		c.kept.SetScopeAt(c.place, j.user, "flow "+j.record.Flow, c.runner.now())
		if c.kept.Choices = c.settle(j); c.kept.Choices != nil && len(c.kept.Choices.List) == 0 {
			c.kept.Choices = nil
		}
		data, err := json.Marshal(c.kept)
		if err != nil {
			return fmt.Errorf("contact %s: %w", c.who, err)
		}
		c.settleClaim(b)
		b.Put = append(append(b.Put, c.puts...), store.Put{ID: store.ID{Kind: KindContact, Key: string(c.who)}, Value: data})
		if c.ended != nil {
			b.Append = slices.Clip(b.Append)
			return told.End(c.runner.config.Subscribers, b, *c.ended, string(c.who))
		}
		return nil
	}
}

// committed takes over what a commit has stored.
func (c *conversation) committed() {
	c.contact, c.puts, c.ended, c.asks, c.claimed = c.kept, nil, nil, nil, nil
}

// saveOnly commits what waits, and leaves the session as it is.
func (j *journey) saveOnly(ctx context.Context) error {
	b := store.Batch{Put: j.changes.Put, Append: j.changes.Append, Remove: j.changes.Remove, Expect: []store.Expect{{ID: sessionID(j.key), Revision: j.revision}}}
	if err := j.saved(&b); err != nil {
		return err
	}
	_, err := j.runner.config.Store.Commit(ctx, &b)
	return err
}

// heard is messageValue of a message whose medium the host has fetched.
func (c *conversation) heard(ctx context.Context, l letter) (map[string]any, error) {
	u, channel := l.Unit, c.channelOf(l)
	if c.runner.config.Fetch != nil {
		m, err := c.runner.config.Fetch(ctx, channel, c.who, *u.Message)
		if err != nil {
			return nil, err
		}
		u.Message = &m
	}
	return messageValue(channel, u), nil
}

// messageValue is what flows see of a message, as "input" and "trigger".
func messageValue(channel string, u abi.Unit) map[string]any {
	value := engine.MessageValue(*u.Message)
	value["channel"], value["id"], value["from"], value["name"] = channel, u.ID, u.From.Path, u.Name
	value["time_millis"] = u.TimeMillis
	return value
}
