package trial

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/contact"
	"github.com/trama-run/trama/host/fallback"
	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/host/native"
	"github.com/trama-run/trama/host/outbox"
	"github.com/trama-run/trama/host/run"
	"github.com/trama-run/trama/host/run/mail"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/host/store/memory"
	"github.com/trama-run/trama/pdk/abi"
)

// Bounds of a trial.
const (
	maxWork = 20_000 // pieces of work, over all of a trial
	maxTime = 400 * 24 * time.Hour
)

// start is when trials begin that say nothing else: a Monday, at noon.
var start = time.Date(2026, time.January, 5, 12, 0, 0, 0, time.UTC)

// World is one trial: a store, a clock and a runner of its own.
type World struct {
	bench   *Bench
	flow    catalog.Flow
	trigger flow.Trigger
	who     contact.Key // empty: the run has no contact
	key     string      // of the session

	store    store.Store
	runner   *run.Runner
	handlers map[string]func(context.Context, string) (time.Time, error)
	answers  *answers
	log      bytes.Buffer // what the runner warns of
	began    time.Time
	clock    time.Time
	name     string // of the first run
	runs     int    // that have begun
	received int
	worked   int

	sent   []abi.Message
	unsent []string    // what the channel has no form for
	answer *run.Answer // that the gateway's caller got
}

// World begins a trial: nothing has happened in it yet. Close must be called,
// and no other trial goes on until then.
func (b *Bench) World(ctx context.Context, c Case) (_ *World, err error) {
	w := &World{bench: b, store: memory.Open(memory.NewDisk(), nil), answers: newAnswers(c.HTTP, c.Calls), name: cmp.Or(c.Run, "trial")}
	if w.began = c.Now.Time; w.began.IsZero() {
		w.began = start
	}
	w.clock = w.began
	if w.flow, err = b.Flow(c.Flow); err != nil {
		return nil, err
	}
	if w.trigger, err = triggerOf(w.flow.Flow, c); err != nil {
		return nil, err
	}
	env := map[string]any{}
	for _, values := range []map[string]any{b.env, c.Env} {
		for name, value := range values {
			env[name] = value
		}
	}
	own, err := native.Add(b.plugins, func() native.Runs { return w.runner })
	if err != nil {
		return nil, err
	}
	b.trying.Lock()
	b.answers = w.answers
	w.runner = run.New(run.Config{
		Store: w.store, Catalog: func() *catalog.Catalog { return b.catalog }, Plugins: plugins{own, w.answers}, Env: env,
		Able: b.able, Talks: w.talks, Secret: func(string) error { return nil }, Poke: func() {}, Now: func() time.Time { return w.clock },
		Sleep: func(_ context.Context, d time.Duration) error { w.clock = w.clock.Add(max(d, 0)); return nil },
		ID:    w.id, InOrder: true, Log: slog.New(slog.NewTextHandler(&w.log, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	w.handlers = map[string]func(context.Context, string) (time.Time, error){
		mail.Prefix: w.runner.Contact, run.PrefixRun: w.runner.Alone, outbox.PrefixContact: w.deliver,
	}
	if withContact(w.trigger, c) {
		err = w.meet(ctx, c)
	}
	if err == nil {
		if held := w.runner.Held(w.flow); held != nil {
			err = held
		}
	}
	if err != nil {
		w.Close(ctx)
	}
	return w, err
}

// Close ends the trial.
func (w *World) Close(ctx context.Context) {
	w.runner.Close(ctx)
	w.bench.trying.Unlock()
}

// triggerOf gives the trigger of a case.
func triggerOf(f *flow.Flow, c Case) (flow.Trigger, error) {
	if c.Trigger != "" {
		t, ok := f.Trigger(c.Trigger)
		if !ok {
			return t, fmt.Errorf("flow %q has no trigger %q", f.ID, c.Trigger)
		}
		return t, nil
	}
	for _, t := range f.Triggers {
		if suits(t, c) {
			return t, nil
		}
	}
	return f.Triggers[0], nil
}

// suits says whether a trigger takes what a case begins with.
func suits(t flow.Trigger, c Case) bool {
	switch {
	case c.Activate != nil:
		return t.Type == flow.TriggerActivate
	case c.Event != nil:
		return !isMessage(t) && t.Type != flow.TriggerActivate
	}
	return len(c.Messages) == 0 || isMessage(t)
}

func isMessage(t flow.Trigger) bool {
	return t.Type == flow.TriggerMessage || t.Type == flow.TriggerReferral
}

// withContact says whether a case plays in a conversation.
func withContact(t flow.Trigger, c Case) bool {
	return isMessage(t) || t.Type == flow.TriggerActivate || c.Contact != "" || len(c.Messages) > 0 || len(c.User) > 0
}

// talks says whether flows can start for contacts of a channel: the trial's own is
// one, whether or not it is of the workspace.
func (w *World) talks(channel string) bool {
	own, _, err := w.who.Split()
	return err == nil && own == channel || slices.Contains(w.bench.channels(), channel)
}

// id names a run; the names sort as they are given.
func (w *World) id() (string, error) {
	w.runs++
	if w.runs == 1 {
		return w.name, nil
	}
	return fmt.Sprintf("%s-%04d", w.name, w.runs), nil
}

// meet stores the contact.
func (w *World) meet(ctx context.Context, c Case) error {
	w.who = contact.Key(c.Contact)
	if w.who == "" {
		w.who = someone(cmp.Or(w.trigger.Channel, w.bench.channels()[0]))
	}
	channel, address, err := w.who.Split()
	if err != nil {
		return err
	}
	w.key = mail.Key(w.who)
	who := contact.Contact{Channel: channel, Address: address, FirstSeen: w.clock}
	who.SetScope(c.User)
	who.Name, _ = c.User[contact.FieldProfileName].(string)
	if text, ok := c.User[contact.FieldHeardAt].(string); ok {
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return fmt.Errorf("user: heard_at: %q is no instant: write it with its zone, as 2026-01-05T12:00:00Z", text)
		}
		who.Hear(w.who, at, at)
	}
	data, err := json.Marshal(who)
	if err != nil {
		return err
	}
	_, err = w.store.Commit(ctx, &store.Batch{Put: []store.Put{{ID: store.ID{Kind: run.KindContact, Key: string(w.who)}, Value: data}}})
	return err
}

// Begin starts the flow at a trigger that is no message, with an event or, of
// an activation, its variables.
func (w *World) Begin(ctx context.Context, event map[string]any) (err error) {
	if w.trigger.Type == flow.TriggerActivate {
		_, err = w.runner.Activate(ctx, run.Activation{Flow: w.flow.Flow.ID, Trigger: w.trigger.ID, Contacts: []string{string(w.who)}, Variables: event})
		if err != nil {
			return err
		}
		return w.settle(ctx)
	}
	event = w.fill(event)
	switch {
	case w.trigger.Type == flow.TriggerGateway && w.who == "":
		w.key = run.PrefixRun + ":" + w.name
		w.answer, err = w.runner.Drive(w.flow, w.trigger.ID, event)
	case w.who == "":
		w.key = run.PrefixRun + ":" + w.name
		_, err = w.runner.Start(ctx, w.flow, w.trigger.ID, event)
	default:
		id, _ := w.id()
		err = w.post(ctx, map[string]any{"start": map[string]any{"id": id, "flow": w.flow.Flow.ID, "trigger": w.trigger.ID, "value": event}})
	}
	if err != nil {
		return err
	}
	return w.settle(ctx)
}

// fill adds to an event what its source always gives.
func (w *World) fill(event map[string]any) map[string]any {
	all := map[string]any{}
	now := w.clock.Format(time.RFC3339)
	switch w.trigger.Type {
	case flow.TriggerGateway:
		all = map[string]any{"method": "POST", "path": "/", "params": map[string]any{}, "query": map[string]any{}, "headers": map[string]any{}, "client": map[string]any{"ip": "127.0.0.1"}, "body": nil}
		for _, r := range w.bench.catalog.Snapshot().Routes {
			if r.Flow == w.flow.Flow.ID {
				all["method"], all["path"] = r.Method, r.Path
				break
			}
		}
	case flow.TriggerEvent:
		all["event"], all["data"] = w.trigger.Event, nil
	case flow.TriggerSchedule:
		all["scheduled_at"], all["fired_at"], all["trigger"], all["missed"] = now, now, w.trigger.ID, int64(0)
	}
	for name, value := range event {
		all[name] = value
	}
	return all
}

// Receive lets the contact write.
func (w *World) Receive(ctx context.Context, m abi.Message) error {
	return w.receive(ctx, abi.Unit{Message: &m})
}

func (w *World) receive(ctx context.Context, u abi.Unit) error {
	_, address, err := w.who.Split()
	if err != nil {
		return err
	}
	w.received++
	u.ID, u.From = cmp.Or(u.ID, fmt.Sprintf("message-%d", w.received)), address
	u.TimeMillis = cmp.Or(u.TimeMillis, w.clock.UnixMilli())
	u.Message.Type = cmp.Or(u.Message.Type, abi.MessageText)
	if err := w.post(ctx, map[string]any{"unit": u}); err != nil {
		return err
	}
	return w.settle(ctx)
}

// post puts a letter into the mailbox.
func (w *World) post(ctx context.Context, letter map[string]any) error {
	letter["received"] = w.clock
	data, err := json.Marshal(letter)
	if err != nil {
		return err
	}
	_, err = w.store.Commit(ctx, &store.Batch{
		Append: []store.Append{{Queue: w.key, Value: data}}, Wake: []store.Wake{{Key: w.key, At: w.clock}},
	})
	return err
}

// Advance lets time pass, until an instant; what is due until then happens.
func (w *World) Advance(ctx context.Context, to time.Time) error {
	if to.Before(w.clock) {
		return fmt.Errorf("time can't go back from %s to %s", w.clock.Format(time.RFC3339Nano), to.Format(time.RFC3339Nano))
	}
	if err := w.until(ctx, to); err != nil {
		return err
	}
	if to.After(w.clock) {
		w.clock = to
	}
	return w.settle(ctx)
}

// until does what is due until an instant, in the order of its instants.
func (w *World) until(ctx context.Context, last time.Time) error {
	for {
		due, err := w.store.Due(ctx, store.Wake{}, last, 1)
		if err != nil || len(due) == 0 {
			return err
		}
		if w.worked++; w.worked > maxWork {
			return fmt.Errorf("nothing comes to an end after %d pieces of work: %s is due again at %s\n%s", maxWork, due[0].Key, due[0].At.Format(time.RFC3339Nano), w.Log())
		}
		wake := due[0]
		if wake.At.After(w.clock) {
			w.clock = wake.At.Add(time.Millisecond - 1).Truncate(time.Millisecond) // runs know milliseconds: never early
		}
		prefix, _, _ := strings.Cut(wake.Key, ":")
		var next time.Time
		if handler := w.handlers[prefix]; handler != nil { // others' work, as that of alerts, is none here
			if next, err = handler(ctx, wake.Key); err != nil {
				return err
			}
		}
		wake.At = next
		if _, err := w.store.Commit(ctx, &store.Batch{Wake: []store.Wake{wake}}); err != nil {
			return err
		}
	}
}

// settle does what is due now, and lets calls be repeated that a session waits
// for: only a timer or a message is waited for then.
func (w *World) settle(ctx context.Context) error {
	for {
		if err := w.until(ctx, w.clock); err != nil {
			return err
		}
		s, found, err := w.runner.Session(ctx, w.key)
		if err != nil || !found || len(s.Calls()) == 0 {
			return err
		}
		due, err := w.Due(ctx)
		if err != nil || due.IsZero() {
			return err
		}
		if err := w.until(ctx, due); err != nil {
			return err
		}
	}
}

// End skips all waits until none is left.
func (w *World) End(ctx context.Context) error {
	for {
		due, err := w.Due(ctx)
		if err != nil || due.IsZero() {
			return err
		}
		if due.Sub(w.began) > maxTime {
			return fmt.Errorf("it has not come to an end after %s", maxTime)
		}
		if err := w.until(ctx, due); err != nil {
			return err
		}
	}
}

// Due is when there is work next; zero: never.
func (w *World) Due(ctx context.Context) (time.Time, error) {
	wakes, err := w.store.Due(ctx, store.Wake{}, w.clock.Add(10*maxTime), 1)
	if err != nil || len(wakes) == 0 {
		return time.Time{}, err
	}
	return wakes[0].At, nil
}

// deliver is the handler of outboxes: it takes the messages of the trial's
// contact as sent, but for those that would be dead letters, and those of others
// away.
func (w *World) deliver(ctx context.Context, key string) (time.Time, error) {
	items, err := w.store.Read(ctx, key, 0, 1000)
	if err != nil {
		return time.Time{}, err
	}
	var b store.Batch
	for _, item := range items {
		b.Remove = append(b.Remove, store.ItemRef{Queue: key, Position: item.Position})
		var out outbox.Message
		if err := json.Unmarshal(item.Value, &out); err != nil {
			return time.Time{}, err
		}
		if key != outbox.ContactKey(w.who) {
			continue
		}
		if lacks := fallback.Lacks(out.Message, w.bench.able(outbox.Channel(key))); lacks != nil {
			w.unsent = append(w.unsent, "not sent: "+lacks.Message)
		} else {
			w.sent = append(w.sent, out.Message)
		}
	}
	if len(items) > 0 {
		_, err = w.store.Commit(ctx, &b)
	}
	return time.Time{}, err
}

// TakesMessages says whether a message starts the flow, Talks whether it plays
// in a conversation.
func (w *World) TakesMessages() bool { return isMessage(w.trigger) }
func (w *World) Talks() bool         { return w.who != "" }

// Take gives the messages that were sent since it was called last, as they reach
// the channel, and a line for each that it has no form for.
func (w *World) Take() (sent []abi.Message, unsent []string) {
	sent, unsent = w.sent, w.unsent
	w.sent, w.unsent = nil, nil
	return sent, unsent
}
