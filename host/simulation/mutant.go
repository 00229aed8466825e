package simulation

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/trama-run/trama/host/outbox"
	"github.com/trama-run/trama/host/run"
	"github.com/trama-run/trama/host/run/mail"
	"github.com/trama-run/trama/host/run/record"
	"github.com/trama-run/trama/host/store"
)

// Mutant is a store that breaks a promise, around one that keeps it.
type Mutant struct {
	Name string
	// Rule begins what the checker says of it, among other things.
	Rule string
	Wrap func(store.Store) store.Store
}

// Mutants are what the checker must catch. What one has in memory is lost with
// the process. None is of what an operator does.
func Mutants() []Mutant {
	return []Mutant{
		{"acknowledged before it is stored", "lost", func(s store.Store) store.Store { return early{s} }},
		{"marks are ignored", "once", func(s store.Store) store.Store { return unmarked{s} }},
		{"intents are not stored", "unsafe", func(s store.Store) store.Store { return careless{s} }},
		{"timers are in memory", "unfinished", func(s store.Store) store.Store { return &forgetful{Store: s, timers: map[string]store.Wake{}} }},
		{"mailboxes are out of order", "order", func(s store.Store) store.Store { return shuffled{s} }},
		{"results are lost", "effect id", func(s store.Store) store.Store { return without{s, isIntent, kindSession} }},
		{"sends are not noted", "repeat", func(s store.Store) store.Store { return &resending{Store: s, left: map[store.ItemRef]bool{}} }},
		{"wakes come early", "timers", func(s store.Store) store.Store { return hasty{s} }},
		{"instants are not noted", "schedule", func(s store.Store) store.Store { return without{s, isFiring, kindSchedule} }},
		{"instants start nothing", "schedule", func(s store.Store) store.Store { return without{s, isFiring, kindSession} }},
		{"what interrupts is lost", "lost", func(s store.Store) store.Store { return without{s, isInterrupt, kindSession} }},
		{"what was interrupted goes on", "turns", func(s store.Store) store.Store {
			return &lingering{Store: s, read: map[string][]byte{}, left: map[string][]byte{}}
		}},
		{"tries are not counted", "retry", func(s store.Store) store.Store {
			return edited{s, isAny, kindSession, strings.NewReplacer(`"attempt":2`, `"attempt":1`)}
		}},
		{"tries have effect ids of their own", "effect id", func(s store.Store) store.Store {
			return edited{s, isAny, kindSession, strings.NewReplacer(`"effect_id":"`, `"effect_id":"again `)}
		}},
		{"tries come at once", "retry", func(s store.Store) store.Store {
			return edited{s, isAny, kindSession, strings.NewReplacer(`"not_before":"2`, `"not_before":"1`)}
		}},
	}
}

// operated are mutants of what an operator does.
func operated() []Mutant {
	return []Mutant{
		{"nobody attends to a contact", "silence", func(s store.Store) store.Store {
			return edited{s, isAny, run.KindContact, strings.NewReplacer(`,"with_human":true`, "")}
		}},
		{"a contact is not given back", "unfinished", func(s store.Store) store.Store { return keeping{s} }},
		{"moves are lost", "move", func(s store.Store) store.Store { return without{s, isMove, kindSession} }},
		{"nodes are not mapped", "move", func(s store.Store) store.Store { return edited{s, isMove, kindSession, unmapped()} }},
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

// without says that batches of one sort are stored, and stores all but what
// they put of a kind.
type without struct {
	store.Store
	is   func(*store.Batch) bool
	kind store.Kind
}

func (m without) Commit(ctx context.Context, b *store.Batch) (store.Result, error) {
	if !m.is(b) {
		return m.Store.Commit(ctx, b)
	}
	changed := *b
	changed.Put = slices.DeleteFunc(slices.Clone(b.Put), func(p store.Put) bool { return p.ID.Kind == m.kind })
	result, err := m.Store.Commit(ctx, &changed)
	result.Revision = b.Expect[0].Revision
	return result, err
}

func puts(b *store.Batch, kind store.Kind) bool {
	return slices.ContainsFunc(b.Put, func(p store.Put) bool { return p.ID.Kind == kind })
}

// isIntent: a session that is known is about to make a call.
func isIntent(b *store.Batch) bool {
	return puts(b, kindSession) && len(b.Expect) == 1 && b.Expect[0].Revision != 0 && Point(b) == PointIntent
}

// isFiring: a schedule starts runs.
func isFiring(b *store.Batch) bool { return Point(b) == PointFire && puts(b, kindSession) }

// isMove: a session moves to another version.
func isMove(b *store.Batch) bool { return Point(b) == PointMove }

// isInterrupt: a run takes the place of another one.
func isInterrupt(b *store.Batch) bool {
	return puts(b, kindSession) && slices.ContainsFunc(b.Put, func(p store.Put) bool {
		return p.ID.Kind == record.Kind && strings.Contains(string(p.Value), `"status":"cancelled"`)
	})
}

// lingering brings the session that was interrupted back when the one that
// interrupted it ends.
type lingering struct {
	store.Store
	mu         sync.Mutex
	read, left map[string][]byte // by key; guarded by mu
}

func (m *lingering) Load(ctx context.Context, id store.ID) (store.Record, error) {
	r, err := m.Store.Load(ctx, id)
	if err == nil && id.Kind == kindSession {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.read[id.Key] = r.Value
	}
	return r, err
}

func (m *lingering) Commit(ctx context.Context, b *store.Batch) (store.Result, error) {
	changed := *b
	at := slices.IndexFunc(b.Delete, func(id store.ID) bool { return id.Kind == kindSession })
	if at >= 0 {
		id := b.Delete[at]
		m.mu.Lock()
		old := m.left[id.Key]
		m.mu.Unlock()
		if old == nil {
			return m.Store.Commit(ctx, b)
		}
		changed.Delete = slices.Delete(slices.Clone(b.Delete), at, at+1)
		changed.Put = append(slices.Clip(b.Put), store.Put{ID: id, Value: old})
		changed.Wake = append(slices.Clip(b.Wake), store.Wake{Key: id.Key, At: time.Now()})
	}
	result, err := m.Store.Commit(ctx, &changed)
	if err != nil {
		return result, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if at >= 0 {
		delete(m.left, b.Delete[at].Key)
	}
	if isInterrupt(b) {
		key := b.Expect[0].ID.Key
		m.left[key] = m.read[key]
	}
	return result, nil
}

// keeping forgets that a contact is given back.
type keeping struct{ store.Store }

func (m keeping) Commit(ctx context.Context, b *store.Batch) (store.Result, error) {
	changed := *b
	changed.Append = slices.DeleteFunc(slices.Clone(b.Append), func(a store.Append) bool {
		return strings.Contains(string(a.Value), `"with_human":false`)
	})
	return m.Store.Commit(ctx, &changed)
}

// edited stores other texts in what batches of one sort put of a kind.
type edited struct {
	store.Store
	is   func(*store.Batch) bool
	kind store.Kind
	as   *strings.Replacer
}

func (m edited) Commit(ctx context.Context, b *store.Batch) (store.Result, error) {
	if !m.is(b) {
		return m.Store.Commit(ctx, b)
	}
	changed := *b
	changed.Put = slices.Clone(b.Put)
	for i, p := range b.Put {
		if p.ID.Kind == m.kind {
			changed.Put[i].Value = []byte(m.as.Replace(string(p.Value)))
		}
	}
	return m.Store.Commit(ctx, &changed)
}

func isAny(*store.Batch) bool { return true }

// unmapped gives the nodes at which a session stands the names that they had.
func unmapped() *strings.Replacer {
	var pairs []string
	for old, name := range renamed {
		pairs = append(pairs, `"node":"`+name+`"`, `"node":"`+old+`"`)
	}
	return strings.NewReplacer(pairs...)
}
