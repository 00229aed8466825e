package run

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/contact"
	"github.com/trama-run/trama/host/engine"
	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/host/run/mail"
	"github.com/trama-run/trama/host/run/record"
	"github.com/trama-run/trama/host/run/trigger"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/host/store/document"
)

// Errors of starting flows.
var (
	// ErrNoFlow: no flow has a trigger for it; nothing was started.
	ErrNoFlow = errors.New("no flow has a trigger for it")
	// ErrIDUsed: the id is one of a request with another content; nothing was
	// started.
	ErrIDUsed = errors.New("the id was used for another request")
)

// Event is an event that starts each flow with a trigger for it: in the
// conversation of a contact (its key), or without one if it is empty.
type Event struct {
	Name    string `json:"event"`
	Data    any    `json:"data,omitempty"`
	Contact string `json:"contact,omitempty"`
	// ID, if it is not empty, lets the event start flows once in eight days.
	ID string `json:"id,omitempty"`
	// Done, if it is not empty, is a key that is woken when a run of the event
	// ends that has no contact; see [Stored].
	Done string `json:"-"`
	// From is where the event came in, if it came by a webhook.
	From *contact.Origin `json:"-"`

	run  string // that emitted it; empty: none
	hops int    // events that led to it, each emitted by a run that the one before started
}

// maxHops is how long a chain of events may be that start runs which emit the
// next: flows that start one another must not do so without end.
const maxHops = 10

// hops is the member of an event that counts those before it; runs keep their
// event, so that what they emit counts on.
const hops = "hops"

// Started is what came of an event or an activation.
type Started struct {
	// Runs are the ids of the runs: of an event by flow, of an activation by
	// contact.
	Runs map[string]string `json:"runs"`
	// Repeated says that the request with this id was made before: Runs are
	// those of that time.
	Repeated bool `json:"repeated,omitempty"`
}

// Emit starts the flows that have a trigger for an event, durably.
func (r *Runner) Emit(ctx context.Context, e Event) (Started, error) {
	if e.Contact != "" {
		if _, err := r.named(ctx, contact.Key(e.Contact)); errors.Is(err, ErrAway) {
			return Started{}, err
		}
	}
	return r.once(ctx, "event/"+e.Name, e.ID, e, func(b *store.Batch) (map[string]string, error) {
		runs, err := r.AddEvent(b, e)
		if err == nil && len(runs) == 0 && !r.heard(e.Name) {
			err = fmt.Errorf("event %q: %w", e.Name, ErrNoFlow)
		}
		return runs, err
	})
}

const (
	// kindStarted is the kind of what was started by requests with an id.
	kindStarted store.Kind = "started"
	// DedupWindow is how long an id that comes from outside is known, of
	// webhooks, units and requests: longer than the week for which services
	// redeliver.
	DedupWindow = 8 * 24 * time.Hour
)

// started is kept of a request with an id.
type started struct {
	Sum  string            `json:"sum"` // of the request
	Runs map[string]string `json:"runs"`
}

// once starts what a request asks for. If the request has an id, it does so
// the first time, and gives the same answer afterwards.
func (r *Runner) once(ctx context.Context, kind, id string, request any, fill func(*store.Batch) (map[string]string, error)) (Started, error) {
	if id == "" {
		var b store.Batch
		runs, err := fill(&b)
		if err != nil {
			return Started{}, err
		}
		return Started{Runs: runs}, r.begin(ctx, &b)
	}
	content, err := json.Marshal(request)
	if err != nil {
		return Started{}, err
	}
	record := store.ID{Kind: kindStarted, Key: kind + "/" + sum([]byte(id))}
	for {
		var before started
		if _, found, err := document.Load(ctx, r.config.Store, record, &before); err != nil || found {
			if err == nil && before.Sum != sum(content) {
				err = fmt.Errorf("id %q: %w", id, ErrIDUsed)
			}
			return Started{before.Runs, true}, err
		}
		b := store.Batch{Expect: []store.Expect{{ID: record}}}
		runs, err := fill(&b)
		if err != nil {
			return Started{}, err
		}
		value, err := json.Marshal(started{sum(content), runs})
		if err != nil {
			return Started{}, err
		}
		b.Put = append(b.Put, store.Put{ID: record, Value: value, TTL: DedupWindow})
		if err := r.begin(ctx, &b); !errors.Is(err, store.ErrConflict) { // else another was first
			return Started{Runs: runs}, err
		}
	}
}

func sum(data []byte) string {
	s := sha256.Sum256(data)
	return hex.EncodeToString(s[:])
}

// begin commits what starts runs.
func (r *Runner) begin(ctx context.Context, b *store.Batch) error {
	b.Intake = true
	if _, err := r.config.Store.Commit(ctx, b); err != nil {
		return err
	}
	r.config.Poke()
	return nil
}

// AddEvent adds to a batch the runs that an event starts, and gives their ids
// by flow. The id of the event is not looked at: who commits the batch knows
// that it does so once.
func (r *Runner) AddEvent(b *store.Batch, e Event) (map[string]string, error) {
	value := map[string]any{"event": e.Name, "data": e.Data}
	if e.Contact != "" {
		if err := mail.Check(r.config.Catalog().Snapshot(), e.Contact); err != nil {
			return nil, err
		}
		if key, err := r.written(e.Contact); err == nil { // else it may be one that is known so
			e.Contact = string(key)
		}
		value["contact"] = e.Contact
	}
	if e.hops > 0 {
		value[hops] = int64(e.hops)
	}
	runs := map[string]string{}
	for _, c := range r.published.Now().Event(e.Name) {
		if runs[c.Flow.Flow.ID] != "" {
			continue // by its first trigger for it
		}
		id, err := r.config.ID()
		if err != nil {
			return nil, err
		}
		if e.Contact == "" {
			err = r.store(b, c, id, value, e)
		} else {
			err = r.post(b, contact.Key(e.Contact), contact.Start{ID: id, Flow: c.Flow.Flow.ID, Trigger: c.Trigger.ID, From: e.From}, value)
		}
		if err != nil {
			return nil, err
		}
		runs[c.Flow.Flow.ID] = id
	}
	return runs, r.tellEvent(b, e)
}

// Stored says whether a run without a contact, which an event has started, is
// not over.
func Stored(ctx context.Context, s store.Store, id string) (bool, error) {
	_, err := s.Load(ctx, sessionID(PrefixRun+":"+id))
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// store adds to a batch a run of its own, which has not begun.
func (r *Runner) store(b *store.Batch, c trigger.Candidate, id string, value any, e Event) error {
	s, _ := r.newSession(id, c.Flow)
	s.Done, s.From = e.Done, e.From
	s.Begin = &engine.Start{Trigger: c.Trigger.ID, Value: value}
	data, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("run of flow %s: %w", c.Flow.Flow.ID, err)
	}
	key := PrefixRun + ":" + id
	b.Put = append(b.Put, store.Put{ID: sessionID(key), Value: data})
	b.Wake = append(b.Wake, store.Wake{Key: key, At: r.now()})
	return nil
}

// post adds to a batch the start of a flow in a contact's conversation.
func (r *Runner) post(b *store.Batch, who contact.Key, start contact.Start, value any) error {
	var err error
	if start.Value, err = json.Marshal(value); err != nil {
		return fmt.Errorf("mailbox of %s: %w", who, err)
	}
	if err := enqueue(b, start.ID, queued{Flow: start.Flow, Trigger: start.Trigger, Key: mail.Key(who), At: r.now()}); err != nil {
		return err
	}
	return mail.Post(b, who, mail.Letter{Start: &start}, r.now())
}

// MaxActivated is how many contacts one call may activate: each is three
// changes of one commit.
const MaxActivated = 300

// Activation starts a flow for contacts.
type Activation struct {
	Flow    string `json:"flow"`
	Trigger string `json:"trigger,omitempty"` // of type activate; the flow's first if empty
	// Contacts are keys: "<channel>/<scheme>:<path>". They need not have
	// written before.
	Contacts []string `json:"contacts"`
	// Variables are what the flow sees as input, beside the contact.
	Variables map[string]any `json:"variables,omitempty"`
	// Each are variables of one contact, by its key: they go over Variables.
	Each map[string]map[string]any `json:"each,omitempty"`
	// ID, if it is not empty, lets the activation start the flow once in eight
	// days.
	ID string `json:"id,omitempty"`
	// Starts is how many runs have led to it, of one that a run asks for: see
	// [plugin.Caller].
	Starts int `json:"-"`
}

// ErrChain: flows start one another without end; nothing was started.
var ErrChain = errors.New("flows start one another without end")

// Activate starts a flow in the conversations of contacts, durably: all of them
// or, if one can't be, none.
func (r *Runner) Activate(ctx context.Context, a Activation) (Started, error) {
	if a.Starts > maxHops {
		return Started{}, fmt.Errorf("flow %q: %d runs led to this one, the limit, and none of them has waited: %w", a.Flow, maxHops, ErrChain)
	}
	return r.once(ctx, "activation/"+a.Flow, a.ID, a, func(b *store.Batch) (map[string]string, error) { return r.activate(ctx, b, a) })
}

func (r *Runner) activate(ctx context.Context, b *store.Batch, a Activation) (map[string]string, error) {
	f, ok := r.config.Catalog().Snapshot().Flows[a.Flow]
	if !ok {
		return nil, fmt.Errorf("flow %q is not published: %w", a.Flow, ErrNoFlow)
	}
	at := slices.IndexFunc(f.Flow.Triggers, func(t flow.Trigger) bool {
		return t.Type == flow.TriggerActivate && (a.Trigger == "" || t.ID == a.Trigger)
	})
	if at < 0 {
		return nil, fmt.Errorf("flow %q has no trigger %q of type %s: %w", a.Flow, a.Trigger, flow.TriggerActivate, ErrNoFlow)
	}
	if len(a.Contacts) == 0 || len(a.Contacts) > MaxActivated {
		return nil, fmt.Errorf("%w: %d contacts; name 1 to %d in one call", mail.ErrNoContact, len(a.Contacts), MaxActivated)
	}
	var wrong []error
	runs := map[string]string{}
	started := map[contact.Key]string{} // some may be named twice, and not alike
	for _, who := range a.Contacts {
		key, err := r.named(ctx, contact.Key(who))
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		if id, twice := started[key]; twice {
			runs[who] = id
			continue
		}
		id, err := r.config.ID()
		if err != nil {
			return nil, err
		}
		runs[who], started[key] = id, id
		value := map[string]any{}
		maps.Copy(value, a.Variables)
		maps.Copy(value, a.Each[who])
		value["contact"] = string(key)
		if a.Starts > 0 {
			value[hops] = int64(a.Starts)
		}
		if err := r.post(b, key, contact.Start{ID: id, Flow: a.Flow, Trigger: f.Flow.Triggers[at].ID}, value); err != nil {
			return nil, err
		}
	}
	for who := range a.Each {
		if !slices.Contains(a.Contacts, who) {
			wrong = append(wrong, fmt.Errorf("%w: each has variables of %q, which is not among the contacts", mail.ErrNoContact, who))
		}
	}
	if len(wrong) > 10 {
		wrong = append(wrong[:10], fmt.Errorf("and %d more", len(wrong)-10))
	}
	return runs, errors.Join(wrong...)
}

// hops is what the run's trigger says of those before it.
func (j *journey) hops() (before int64) {
	if trigger, ok := j.session.Run.Trigger.(map[string]any); ok {
		before, _ = trigger[hops].(int64)
	}
	return before
}

// emit adds the runs that an emitted event starts to the next commit.
func (j *journey) emit(e engine.Effect) error {
	before := j.starts()
	if before >= maxHops {
		text := fmt.Sprintf("the event %q started nothing: %d events led to it, the limit; flows start one another without end", e.Emit.Event, before)
		j.record.KeepLine(record.Line{Node: e.Node, At: j.runner.now(), Level: "error", Text: text})
		j.runner.config.Log.Error("event starts nothing", "run", j.record.ID, "flow", j.record.Flow, "node", e.Node, "error", text)
		return nil
	}
	runs, err := j.runner.AddEvent(&j.changes, Event{Name: e.Emit.Event, Data: e.Emit.Data, Contact: e.Emit.Contact, run: j.record.ID, hops: before + 1})
	if errors.Is(err, mail.ErrNoContact) {
		j.record.KeepLine(record.Line{Node: e.Node, At: j.runner.now(), Level: "error", Text: "the event started nothing: " + err.Error()})
		return nil
	}
	if err == nil && len(runs) == 0 && !j.runner.heard(e.Emit.Event) {
		j.record.KeepLine(record.Line{Node: e.Node, At: j.runner.now(), Level: "warn", Text: fmt.Sprintf("the event %q started nothing: no flow has a trigger for it", e.Emit.Event)})
	}
	return err
}

// tellEvent adds to the batch that starts runs of an event that it happened.
func (r *Runner) tellEvent(b *store.Batch, e Event) error {
	data := map[string]any{"event": e.Name, "data": e.Data}
	if e.Contact != "" {
		data["contact"] = e.Contact
	}
	if e.run != "" {
		data["run_id"] = e.run
	}
	_, err := r.config.Subscribers.Tell(b, eventType(e.Name), "", data)
	return err
}

// heard says whether anybody outside subscribes to an event.
func (r *Runner) heard(name string) bool { return r.config.Subscribers.Heard(eventType(name)) }

func eventType(name string) string { return catalog.EventFlow + ":" + name }
