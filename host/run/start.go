package run

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/contact"
	"github.com/trama-run/trama/host/engine"
	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/host/store"
)

// Errors of starting flows.
var (
	// ErrNoFlow: no flow has a trigger for the event; nothing was started.
	ErrNoFlow = errors.New("no flow has a trigger for it")
	// ErrNoContact: the contact's key is malformed, or of a channel that is not
	// configured; nothing was started.
	ErrNoContact = errors.New("there is no such contact")
)

// candidate is a trigger of a published flow.
type candidate struct {
	flow    catalog.Flow
	trigger flow.Trigger
}

// triggers lists the triggers of published flows for which is holds, in the
// order of flows and triggers.
func triggers(s *catalog.Snapshot, is func(flow.Trigger) bool) (found []candidate) {
	for _, f := range s.Flows {
		for _, t := range f.Flow.Triggers {
			if is(t) {
				found = append(found, candidate{f, t})
			}
		}
	}
	slices.SortStableFunc(found, func(a, b candidate) int { return cmp.Compare(a.flow.Flow.ID, b.flow.Flow.ID) })
	return found
}

// Emit starts each flow that has a trigger for an event, durably: in the
// conversation of a contact (its key), or without one if it is empty. It
// returns the ids of the runs.
func (r *Runner) Emit(ctx context.Context, event string, data any, who string) ([]string, error) {
	var b store.Batch
	ids, err := r.emit(&b, event, data, who)
	if err != nil {
		return nil, err
	}
	if len(ids) == 0 {
		return nil, fmt.Errorf("event %q: %w", event, ErrNoFlow)
	}
	return ids, r.begin(ctx, &b)
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

func (r *Runner) emit(b *store.Batch, event string, data any, who string) (ids []string, err error) {
	if who != "" {
		if err := r.checkContact(who); err != nil {
			return nil, err
		}
	}
	value := map[string]any{"event": event, "data": data}
	if who != "" {
		value["contact"] = who
	}
	for _, c := range triggers(r.config.Catalog().Snapshot(), func(t flow.Trigger) bool { return t.Type == flow.TriggerEvent && t.Event == event }) {
		id, err := r.config.ID()
		if err != nil {
			return nil, err
		}
		if who == "" {
			err = r.store(b, c, id, value)
		} else {
			err = r.post(b, contact.Key(who), Letter{Start: &contact.Start{ID: id, Flow: c.flow.Flow.ID, Trigger: c.trigger.ID, Value: value}})
		}
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// checkContact says what is wrong with a contact's key.
func (r *Runner) checkContact(who string) error {
	channel, _, err := contact.Key(who).Split()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNoContact, err)
	}
	if _, ok := r.config.Catalog().Snapshot().Channels[channel]; !ok {
		return fmt.Errorf("%w: %q is of the channel %q, which is not configured", ErrNoContact, who, channel)
	}
	return nil
}

// store adds to a batch a run of its own, which has not begun.
func (r *Runner) store(b *store.Batch, c candidate, id string, value any) error {
	s, _ := r.newSession(id, c.flow)
	s.Begin = &engine.Start{Trigger: c.trigger.ID, Value: value}
	data, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("run of flow %s: %w", c.flow.Flow.ID, err)
	}
	key := PrefixRun + ":" + id
	b.Put = append(b.Put, store.Put{ID: sessionID(key), Value: data})
	b.Wake = append(b.Wake, store.Wake{Key: key, At: r.now()})
	return nil
}

// post adds to a batch a letter for a contact.
func (r *Runner) post(b *store.Batch, who contact.Key, l Letter) error {
	l.Received = r.now()
	data, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("mailbox of %s: %w", who, err)
	}
	mailbox := MailKey(who)
	b.Append = append(b.Append, store.Append{Queue: mailbox, Value: data})
	if !slices.ContainsFunc(b.Wake, func(w store.Wake) bool { return w.Key == mailbox }) {
		b.Wake = append(b.Wake, store.Wake{Key: mailbox, At: r.now()})
	}
	return nil
}

// maxActivated is how many contacts one call may activate.
const maxActivated = 500

// Activation starts a flow for contacts.
type Activation struct {
	Flow    string `json:"flow"`
	Trigger string `json:"trigger,omitempty"` // of type activate; the flow's first if empty
	// Contacts are keys: "<channel>/<scheme>:<path>".
	Contacts []string `json:"contacts"`
	// Variables are what the flow sees as input.
	Variables map[string]any `json:"variables,omitempty"`
}

// Activate starts a flow in the conversations of contacts, durably: all of them
// or, if one can't be, none. It returns the ids of the runs by contact.
func (r *Runner) Activate(ctx context.Context, a Activation) (map[string]string, error) {
	found := triggers(r.config.Catalog().Snapshot(), func(t flow.Trigger) bool {
		return t.Type == flow.TriggerActivate && (a.Trigger == "" || t.ID == a.Trigger)
	})
	at := slices.IndexFunc(found, func(c candidate) bool { return c.flow.Flow.ID == a.Flow })
	if at < 0 {
		return nil, fmt.Errorf("flow %q, trigger %q of type %s: %w", a.Flow, a.Trigger, flow.TriggerActivate, ErrNoFlow)
	}
	if len(a.Contacts) == 0 || len(a.Contacts) > maxActivated {
		return nil, fmt.Errorf("%w: %d contacts; name 1 to %d in one call", ErrNoContact, len(a.Contacts), maxActivated)
	}
	var b store.Batch
	ids := map[string]string{}
	for _, who := range a.Contacts {
		if ids[who] != "" {
			continue
		}
		if err := r.checkContact(who); err != nil {
			return nil, err
		}
		id, err := r.config.ID()
		if err != nil {
			return nil, err
		}
		ids[who] = id
		value := map[string]any{"contact": who}
		for name, v := range a.Variables {
			value[name] = v
		}
		if err := r.post(&b, contact.Key(who), Letter{Start: &contact.Start{ID: id, Flow: a.Flow, Trigger: found[at].trigger.ID, Value: value}}); err != nil {
			return nil, err
		}
	}
	return ids, r.begin(ctx, &b)
}

// emit adds the runs that an emitted event starts to the next commit.
func (j *journey) emit(e engine.Effect) error {
	ids, err := j.runner.emit(&j.changes, e.Emit.Event, e.Emit.Data, e.Emit.Contact)
	if errors.Is(err, ErrNoContact) {
		j.record.line(Line{Node: e.Node, At: j.runner.now(), Level: "error", Text: "the event started nothing: " + err.Error()})
		return nil
	}
	if err == nil && len(ids) == 0 {
		j.record.line(Line{Node: e.Node, At: j.runner.now(), Level: "warn", Text: fmt.Sprintf("the event %q started nothing: no flow has a trigger for it", e.Emit.Event)})
	}
	return err
}
