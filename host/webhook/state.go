package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/trama-run/trama/host/outbox"
	"github.com/trama-run/trama/host/store"
)

// kindState is the kind of what is known of a subscription, by its id.
const kindState store.Kind = "subscription_state"

func stateID(id string) store.ID { return store.ID{Kind: kindState, Key: id} }

// Bounds of what is kept of a subscription.
const (
	maxAttempts = 10          // of the last ones
	writeEvery  = time.Minute // how often it is stored, where nothing turns
	statePage   = 500
	// silence is how long nothing was tried, when what failed before it says
	// nothing any more of the receiver: longer than the longest pause of a
	// delivery's tries.
	silence = 48 * time.Hour
)

// State is how a subscription does.
type State struct {
	// Failing is since when every try has failed, without a silence; zero: the
	// last one was taken, or there was none.
	Failing time.Time `json:"failing_since,omitzero"`
	Where   string    `json:"failing_url,omitempty"` // that fails
	Failed  int       `json:"failed,omitempty"`      // tries since then; 0: nothing could be sent
	Taken   time.Time `json:"last_taken,omitzero"`
	// Disabled is set once it was disabled for its failures.
	Disabled *Disabled `json:"disabled,omitempty"`
	// Missed is how many events it did not get because it was disabled, the last
	// time that it was. A crash forgets those of a minute.
	Missed int `json:"missed,omitempty"`
	// Attempts are the last tries, newest first.
	Attempts []Attempt `json:"attempts,omitempty"`
	// Notices is how many times it was said that it will be disabled.
	Notices int `json:"notices,omitempty"`
}

// Disabled says when and why.
type Disabled struct {
	At     time.Time `json:"at"`
	Reason string    `json:"reason"`
	URL    string    `json:"url"` // that failed: another one is another try
}

// Attempt is one try of a delivery.
type Attempt struct {
	At     time.Time `json:"at"`
	Event  string    `json:"event"`
	Type   string    `json:"type"`
	Status int       `json:"status,omitempty"` // 0: there was no answer
	Millis int64     `json:"millis"`
	Error  string    `json:"error,omitempty"`
	// Renewed says that a token was renewed after a 401, and the event sent
	// again at once.
	Renewed bool `json:"renewed,omitempty"`
	// Unsent says that the event was not sent, for want of a token or a secret
	// that the receiver takes.
	Unsent bool `json:"unsent,omitempty"`
}

// kept is the state of a subscription in memory.
type kept struct {
	mu      sync.Mutex
	read    bool // from the store; guarded by mu, with what follows
	state   State
	written time.Time
	counted time.Time // when a count of what it missed was written last

	slowUntil time.Time // the endpoint has asked to be spared
	slowed    int       // times in a row
}

// readStates takes in which subscriptions fail, or were disabled.
func (w *Webhooks) readStates(ctx context.Context) error {
	for after := ""; ; {
		records, err := w.config.Store.List(ctx, kindState, after, statePage, false)
		if err != nil {
			return fmt.Errorf("subscriptions: %w", err)
		}
		if len(records) == 0 {
			return nil
		}
		for _, r := range records {
			after = r.ID.Key
			k := &kept{read: true}
			if err := json.Unmarshal(r.Value, &k.state); err != nil {
				return fmt.Errorf("subscription %s: %w", after, err)
			}
			if k.state.Disabled != nil {
				w.off[after] = k.state.Disabled.URL
				if err := w.readMissed(ctx, after, &k.state); err != nil {
					return err
				}
			}
			if !k.state.Failing.IsZero() || k.state.Disabled != nil {
				w.states[after] = k
			}
		}
	}
}

// lock gives a subscription's state, held until it is unlocked.
func (w *Webhooks) lock(ctx context.Context, id string) (*kept, error) {
	w.mu.Lock()
	k := w.states[id]
	if k == nil {
		k = &kept{}
		w.states[id] = k
	}
	w.mu.Unlock()
	k.mu.Lock()
	if k.read {
		return k, nil
	}
	if _, err := load(ctx, w.config.Store, stateID(id), &k.state); err != nil {
		k.mu.Unlock()
		return nil, err
	}
	k.read = true
	return k, nil
}

// note takes in a try: whether its subscription turns, and is disabled. gone:
// the receiver has said that it takes no more.
func (w *Webhooks) note(ctx context.Context, s *subscription, a Attempt, gone bool) (disabled bool, err error) {
	k, err := w.lock(ctx, s.ID)
	if err != nil {
		return false, err
	}
	defer k.mu.Unlock()
	if is := w.index.Load().all[s.ID]; is == nil || is.URL != s.URL {
		return false, nil // it says nothing of what the subscription is now
	}
	before, now := k.state, w.now()
	last, silent := k.state.Attempts, k.state.silent(now)
	if a.Unsent && len(last) > 0 && last[0].Unsent { // one stands for all that wait
		last = last[1:]
	}
	k.state.Attempts = append([]Attempt{a}, last[:min(len(last), maxAttempts-1)]...)
	var batch store.Batch
	turned := false
	if a.Error == "" {
		turned = !k.state.Failing.IsZero()
		k.state.healthy()
		k.state.Taken = now
		if turned {
			w.config.Log.Info("a subscription's deliveries are taken again", "subscription", s.ID)
		}
	} else {
		if turned = k.state.Failing.IsZero() || silent || k.state.Where != s.URL; turned {
			k.state.Failing, k.state.Where, k.state.Failed, k.state.Notices = now, s.URL, 0, 0
		}
		if !a.Unsent {
			k.state.Failed++
		}
		turned = w.judge(&batch, s, &k.state, gone) || turned
	}
	if !turned && now.Sub(k.written) < writeEvery {
		return false, nil
	}
	return w.turn(ctx, s, k, before, batch)
}

// turn stores a state that was another before, and disables its subscription if
// it says so now.
func (w *Webhooks) turn(ctx context.Context, s *subscription, k *kept, before State, batch store.Batch) (disabled bool, err error) {
	if err := w.write(ctx, s.ID, k, batch); err != nil {
		k.state = before // it turns with the next try
		return false, err
	}
	if k.state.Disabled == nil || before.Disabled != nil {
		return false, nil
	}
	w.switchOff(s.ID, k.state.Disabled.URL)
	return true, nil
}

// alert tells the operators, if there is an alert for what names none.
func (w *Webhooks) alert(batch *store.Batch, s *subscription, text string, critical bool) {
	if _, err := w.config.Catalog().Snapshot().Alert(""); err != nil {
		return
	}
	level := "warning"
	if critical {
		level = "critical"
	}
	now := w.now()
	data, err := json.Marshal(outbox.Alert{
		Head:  outbox.Head{EffectID: fmt.Sprintf("subscription/%s/%d", s.ID, now.UnixMilli()), At: now},
		Level: level, Text: text,
	})
	if err != nil {
		w.config.Log.Error("operators were not told", "subscription", s.ID, "error", err)
		return
	}
	key := outbox.AlertKey("")
	batch.Append = append(batch.Append, store.Append{Queue: key, Value: data})
	batch.Wake = append(batch.Wake, store.Wake{Key: key, At: now})
}

// write stores a state, with what goes with it.
func (w *Webhooks) write(ctx context.Context, id string, k *kept, batch store.Batch) error {
	value, err := json.Marshal(k.state)
	if err != nil {
		return err
	}
	batch.Put = append(batch.Put, store.Put{ID: stateID(id), Value: value})
	batch.Wake = append(batch.Wake, store.Wake{Key: PrefixFailing + ":" + id, At: w.due(k.state)})
	if _, err := w.config.Store.Commit(ctx, &batch); err != nil {
		return fmt.Errorf("subscription %s: %w", id, err)
	}
	k.written = w.now()
	if len(batch.Append) > 0 {
		w.config.Poke()
	}
	return nil
}

// switchOff takes a subscription out of those that get events; an empty URL
// puts it back.
func (w *Webhooks) switchOff(id, url string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if delete(w.off, id); url != "" {
		w.off[id] = url
	}
	w.rebuild()
}

// ErrNone: no subscription has the id.
var ErrNone = errors.New("there is no such subscription")

// Status is how a subscription does now.
type Status struct {
	State
	// Active says that events go to it now; else Held says why not.
	Active bool `json:"active"`
	// Held is why deliveries wait, or nothing is sent.
	Held string `json:"held,omitempty"`
	// Waiting is how many deliveries are on their way, up to MaxWaiting.
	Waiting  int      `json:"waiting"`
	Warnings []string `json:"warnings,omitempty"`
}

// MaxWaiting is how many deliveries are counted.
const MaxWaiting = 1000

// Status tells how a subscription does. Errors: ErrNone, the store's.
func (w *Webhooks) Status(ctx context.Context, id string) (Status, error) {
	s := w.index.Load().all[id]
	if s == nil {
		return Status{}, ErrNone
	}
	k, err := w.lock(ctx, id)
	if err != nil {
		return Status{}, err
	}
	status := Status{State: k.state}
	status.Attempts = slices.Clone(k.state.Attempts)
	k.mu.Unlock()
	if off := w.disabled(s); off != "" {
		if status.Held = off; s.On() && status.Disabled != nil {
			status.Held = fmt.Sprintf("it was disabled; mend its receiver, then run: trama subscription enable %s", id)
		}
	} else if held := w.held(s); held != nil {
		status.Held = held.Message
	}
	status.Active = status.Held == ""
	if doubt := w.doubts(s); doubt != "" {
		status.Warnings = append(status.Warnings, doubt)
	}
	if failed := s.filter.doubt(); failed != "" {
		status.Warnings = append(status.Warnings, failed)
	}
	if len(s.Secrets) == 0 {
		status.Warnings = append(status.Warnings, "deliveries are not signed, so the receiver can't know that they are ours: name a secret under secrets")
	}
	if slices.Contains(s.Events, "attendance") {
		status.Warnings = append(status.Warnings, "nothing gives the event attendance yet")
	}
	if strings.HasPrefix(s.URL, "http:") {
		status.Warnings = append(status.Warnings, "deliveries are not encrypted")
	}
	status.Waiting, err = w.waiting(ctx, id)
	return status, err
}

// waiting counts the deliveries of a subscription, up to MaxWaiting: a queue
// has one, but that of those that go in order.
func (w *Webhooks) waiting(ctx context.Context, id string) (n int, err error) {
	inOrder := QueuesOf(id, "")
	wakes, err := w.config.Store.Wakes(ctx, inOrder, "", MaxWaiting)
	if err != nil {
		return 0, err
	}
	n = len(wakes)
	if !slices.ContainsFunc(wakes, func(wake store.Wake) bool { return wake.Key == inOrder }) {
		return n, nil
	}
	n--
	for after := store.Position(0); n < MaxWaiting; {
		items, err := w.config.Store.Read(ctx, inOrder, after, eventPage)
		if err != nil {
			return 0, err
		}
		if n += len(items); len(items) < eventPage {
			break
		}
		after = items[len(items)-1].Position
	}
	return min(n, MaxWaiting), nil
}

// Enable takes back that a subscription was disabled for its failures, and
// counts these anew. Errors: ErrNone, the store's.
func (w *Webhooks) Enable(ctx context.Context, id string) error {
	if w.index.Load().all[id] == nil {
		return ErrNone
	}
	k, err := w.lock(ctx, id)
	if err != nil {
		return err
	}
	defer k.mu.Unlock()
	k.state.healthy()
	k.state.Disabled = nil
	if err := w.write(ctx, id, k, store.Batch{}); err != nil {
		return err
	}
	w.switchOff(id, "")
	return nil
}

// Finding is a subscription that does not get what it asked for.
type Finding struct {
	State  string // held, failing, disabled or broken
	ID     string
	Reason string
	Remedy string
}

// Findings lists what operators should know, by id.
func (w *Webhooks) Findings() (list []Finding) {
	x := w.index.Load()
	waiting := map[string]bool{} // for what is not the receiver's
	for id, s := range x.all {
		if !s.On() {
			continue
		}
		if held := w.held(s); held != nil {
			waiting[id] = true
			list = append(list, Finding{State: "held", ID: id, Reason: held.Message})
		} else if doubt := w.doubts(s); doubt != "" {
			waiting[id] = true
			list = append(list, Finding{State: "held", ID: id, Reason: doubt})
		}
		if failed := s.filter.doubt(); failed != "" {
			list = append(list, Finding{"broken", id, failed, "mend its filter so that it holds for all events of its types, such as those without the member that it asks for"})
		}
	}
	w.mu.Lock()
	states := make(map[string]*kept, len(w.states))
	for id, k := range w.states {
		if x.all[id] != nil {
			states[id] = k
		}
	}
	w.mu.Unlock()
	for id, k := range states {
		k.mu.Lock()
		state := k.state
		k.mu.Unlock()
		switch {
		case !x.all[id].On():
		case state.Disabled != nil && state.Disabled.URL == x.all[id].URL:
			list = append(list, Finding{"disabled", id, fmt.Sprintf("disabled at %s: %s", state.Disabled.At.UTC().Format(time.RFC3339), state.Disabled.Reason),
				fmt.Sprintf("mend its receiver, then: trama subscription enable %s, and: trama subscription replay %s", id, id)})
		case !state.Failing.IsZero() && !waiting[id]:
			list = append(list, Finding{"failing", id, state.failures(),
				fmt.Sprintf("mend its receiver; unless one is taken, it is disabled at %s", w.at(state, notices).UTC().Format(time.RFC3339))})
		}
	}
	slices.SortFunc(list, func(a, b Finding) int { return strings.Compare(a.ID, b.ID) })
	return list
}
