package simulation

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/trama-run/trama/host/channel"
	"github.com/trama-run/trama/host/outbox"
	"github.com/trama-run/trama/host/run/mail"
	"github.com/trama-run/trama/host/store"
)

// Mutant is a store that breaks a promise, around one that keeps it.
type Mutant struct {
	Name string
	Wrap func(store.Store) store.Store
}

// Mutants are what the checker must catch. What one has in memory is lost with
// the process.
func Mutants() []Mutant {
	return []Mutant{
		{"acknowledged before it is stored", func(s store.Store) store.Store { return early{s} }},
		{"marks are ignored", func(s store.Store) store.Store { return unmarked{s} }},
		{"intents are not stored", func(s store.Store) store.Store { return careless{s} }},
		{"timers are in memory", func(s store.Store) store.Store { return &forgetful{Store: s, timers: map[string]store.Wake{}} }},
		{"mailboxes are out of order", func(s store.Store) store.Store { return shuffled{s} }},
		{"results are lost", func(s store.Store) store.Store { return lossy{s} }},
		{"sends are not noted", func(s store.Store) store.Store { return &resending{Store: s, left: map[store.ItemRef]bool{}} }},
		{"wakes come early", func(s store.Store) store.Store { return hasty{s} }},
	}
}

// early says that new work is stored, and stores it a little later.
type early struct{ store.Store }

func (m early) Commit(ctx context.Context, b *store.Batch) (store.Result, error) {
	if !b.Intake {
		return m.Store.Commit(ctx, b)
	}
	late := *b
	go func() {
		time.Sleep(20 * time.Millisecond)
		m.Store.Commit(context.WithoutCancel(ctx), &late) //nolint:errcheck // nobody waits for it: that is what is wrong
	}()
	return store.Result{Positions: slices.Repeat([]store.Position{1}, len(b.Append))}, nil
}

// unmarked takes the same thing twice.
type unmarked struct{ store.Store }

func (m unmarked) Commit(ctx context.Context, b *store.Batch) (store.Result, error) {
	changed := *b
	changed.Append = slices.Clone(b.Append)
	for i := range changed.Append {
		changed.Append[i].Mark, changed.Append[i].MarkTTL = "", 0
	}
	return m.Store.Commit(ctx, &changed)
}

// careless forgets that a call was begun.
type careless struct{ store.Store }

func (m careless) Commit(ctx context.Context, b *store.Batch) (store.Result, error) {
	i := slices.IndexFunc(b.Put, func(p store.Put) bool { return p.ID.Kind == kindSession })
	if i < 0 {
		return m.Store.Commit(ctx, b)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(b.Put[i].Value, &fields); err != nil {
		return store.Result{}, err
	}
	delete(fields, "intents")
	value, err := json.Marshal(fields)
	if err != nil {
		return store.Result{}, err
	}
	changed := *b
	changed.Put = slices.Clone(b.Put)
	changed.Put[i].Value = value
	return m.Store.Commit(ctx, &changed)
}

// forgetful keeps wakes of later in memory.
type forgetful struct {
	store.Store
	mu     sync.Mutex
	count  store.Revision        // guarded by mu
	timers map[string]store.Wake // guarded by mu
}

// ours begins the revisions of wakes in memory.
const ours store.Revision = 1 << 62

func (m *forgetful) Commit(ctx context.Context, b *store.Batch) (store.Result, error) {
	changed := *b
	changed.Wake = nil
	var later, gone []store.Wake
	for _, w := range b.Wake {
		if w.Revision < ours {
			w2 := w
			if time.Until(w.At) > time.Second {
				w2.At = time.Time{}
			}
			changed.Wake = append(changed.Wake, w2)
		}
		if time.Until(w.At) > time.Second {
			later = append(later, w)
		} else {
			gone = append(gone, w)
		}
	}
	result, err := m.Store.Commit(ctx, &changed)
	if err != nil {
		return result, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, w := range append(gone, later...) {
		had, there := m.timers[w.Key]
		if w.Revision >= ours && (!there || had.Revision != w.Revision) {
			continue
		}
		delete(m.timers, w.Key)
	}
	for _, w := range later {
		if _, there := m.timers[w.Key]; !there {
			m.count++
			m.timers[w.Key] = store.Wake{Key: w.Key, At: w.At, Revision: ours + m.count}
		}
	}
	return result, nil
}

func (m *forgetful) Due(ctx context.Context, after store.Wake, until time.Time, max int) ([]store.Wake, error) {
	wakes, err := m.Store.Due(ctx, after, until, max)
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, w := range m.timers {
		if !w.At.After(until) && !slices.ContainsFunc(wakes, func(s store.Wake) bool { return s.Key == w.Key }) {
			wakes = append(wakes, w)
		}
	}
	slices.SortFunc(wakes, func(a, b store.Wake) int {
		if c := a.At.Compare(b.At); c != 0 {
			return c
		}
		return strings.Compare(a.Key, b.Key)
	})
	return wakes, err
}

// shuffled gives the second letter of a mailbox first.
type shuffled struct{ store.Store }

func (m shuffled) Read(ctx context.Context, queue string, after store.Position, max int) ([]store.Item, error) {
	items, err := m.Store.Read(ctx, queue, after, max)
	if len(items) > 1 && strings.HasPrefix(queue, mail.Prefix+":") {
		items[0], items[1] = items[1], items[0]
	}
	return items, err
}

// lossy says that a session with a call is stored, and stores all but the
// session.
type lossy struct{ store.Store }

func (m lossy) Commit(ctx context.Context, b *store.Batch) (store.Result, error) {
	i := slices.IndexFunc(b.Put, func(p store.Put) bool { return p.ID.Kind == kindSession })
	if i < 0 || len(b.Expect) != 1 || b.Expect[0].Revision == 0 || Point(b) != PointIntent {
		return m.Store.Commit(ctx, b)
	}
	changed := *b
	changed.Put = slices.Delete(slices.Clone(b.Put), i, i+1)
	result, err := m.Store.Commit(ctx, &changed)
	result.Revision = b.Expect[0].Revision
	return result, err
}

// resending says that a sent message has left the outbox, once for each.
type resending struct {
	store.Store
	mu   sync.Mutex
	left map[store.ItemRef]bool // guarded by mu
}

func (m *resending) Commit(ctx context.Context, b *store.Batch) (store.Result, error) {
	for _, ref := range b.Remove {
		if !strings.HasPrefix(ref.Queue, outbox.PrefixContact+":") {
			continue
		}
		m.mu.Lock()
		again := m.left[ref]
		m.left[ref] = true
		m.mu.Unlock()
		if !again {
			return m.Store.Commit(ctx, &store.Batch{Wake: []store.Wake{{Key: ref.Queue, At: time.Now()}}})
		}
	}
	return m.Store.Commit(ctx, b)
}

// hasty hides that a wake is not due, and the sessions' own times too.
type hasty struct{ store.Store }

func (m hasty) Load(ctx context.Context, id store.ID) (store.Record, error) {
	r, err := m.Store.Load(ctx, id)
	if err == nil && id.Kind == kindSession {
		r.Value = []byte(strings.ReplaceAll(string(r.Value), `"due":"`, `"due":"1999-01-01T00:00:00Z","was":"`))
	}
	return r, err
}

func (m hasty) Due(ctx context.Context, after store.Wake, until time.Time, max int) ([]store.Wake, error) {
	wakes, err := m.Store.Due(ctx, after, until.Add(5*time.Second), max)
	for i := range wakes {
		wakes[i].At = wakes[i].At.Add(-5 * time.Second)
	}
	return wakes, err
}

// Points of a commit, by what it is for.
const (
	PointIntake = "intake" // a webhook
	PointDeal   = "deal"   // units go to their mailboxes
	PointStart  = "start"  // an operator lets a run begin
	PointIntent = "intent" // a call that changes something is about to be made
	PointResult = "result" // a session that makes no such call: results, waits
	PointEnd    = "end"    // of a session
	PointSent   = "sent"   // what became of a message
	PointTimer  = "timer"  // a wake is moved
	PointOther  = "other"
)

// Points lists those that webhooks and calls lead to.
var Points = [...]string{PointIntake, PointDeal, PointIntent, PointResult, PointEnd, PointSent, PointTimer}

// Point says what a batch is for.
func Point(b *store.Batch) string {
	intake := channel.PrefixIntake + ":"
	for _, a := range b.Append {
		if strings.HasPrefix(a.Queue, intake) {
			return PointIntake
		}
	}
	for _, r := range b.Remove {
		switch {
		case strings.HasPrefix(r.Queue, intake):
			return PointDeal
		case strings.HasPrefix(r.Queue, outbox.PrefixContact+":"):
			return PointSent
		}
	}
	if b.Intake {
		return PointStart
	}
	for _, p := range b.Put {
		if p.ID.Kind == kindSession {
			if strings.Contains(string(p.Value), `"intents":["`) {
				return PointIntent
			}
			return PointResult
		}
	}
	for _, id := range b.Delete {
		if id.Kind == kindSession {
			return PointEnd
		}
	}
	if len(b.Put)+len(b.Append)+len(b.Delete)+len(b.Remove) == 0 {
		return PointTimer
	}
	return PointOther
}
