package storetest

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/trama-run/trama/host/store"
)

// model is the store as a few maps: what every engine must look like.
type model struct {
	seq     uint64
	records map[store.ID]store.Record
	items   []store.Item // of all queues, by position
	marks   map[string]bool
	wakes   map[string]store.Wake
	txs     map[string]bool
}

func newModel() *model {
	return &model{records: map[store.ID]store.Record{}, marks: map[string]bool{}, wakes: map[string]store.Wake{}, txs: map[string]bool{}}
}

// apply does what Commit does, given what it answered: an engine may choose
// its numbers, as long as they grow.
func (m *model) apply(b *store.Batch, res store.Result, err error) error {
	for _, e := range b.Expect {
		if m.records[e.ID].Revision != e.Revision {
			if !errors.Is(err, store.ErrConflict) {
				return fmt.Errorf("got %v, want a conflict", err)
			}
			return nil
		}
	}
	if err != nil {
		return err
	}
	if uint64(res.Revision) <= m.seq || len(res.Positions) != len(b.Append) {
		return fmt.Errorf("revision %d after %d, %d positions for %d appends", res.Revision, m.seq, len(res.Positions), len(b.Append))
	}
	m.seq = uint64(res.Revision)
	for _, p := range b.Put {
		m.records[p.ID] = store.Record{ID: p.ID, Revision: res.Revision, Value: p.Value}
	}
	for _, id := range b.Delete {
		delete(m.records, id)
	}
	for i, a := range b.Append {
		duplicate := a.Mark != "" && m.marks[a.Mark]
		if duplicate != (res.Positions[i] == 0) {
			return fmt.Errorf("append %d: position %d, duplicate %v", i, res.Positions[i], duplicate)
		}
		if duplicate {
			continue
		}
		if uint64(res.Positions[i]) < m.seq || i > 0 && res.Positions[i] <= res.Positions[i-1] && res.Positions[i-1] != 0 {
			return fmt.Errorf("position %d after %d", res.Positions[i], m.seq)
		}
		m.seq = uint64(res.Positions[i])
		m.items = append(m.items, store.Item{Queue: a.Queue, Position: res.Positions[i], Value: a.Value})
		if a.Mark != "" {
			m.marks[a.Mark] = true
		}
	}
	for _, r := range b.Remove {
		m.items = slices.DeleteFunc(m.items, func(it store.Item) bool { return it.Queue == r.Queue && it.Position == r.Position })
	}
	for _, w := range b.Wake {
		switch {
		case w.Revision != 0 && w.Revision != m.wakes[w.Key].Revision:
		case w.At.IsZero():
			delete(m.wakes, w.Key)
		default:
			m.wakes[w.Key] = store.Wake{Key: w.Key, At: w.At, Revision: res.Revision}
		}
	}
	if b.Tx != "" {
		m.txs[b.Tx] = true
	}
	return nil
}

func (m *model) list(kind store.Kind, after string, max int, reverse bool) []store.Record {
	var out []store.Record
	for id, r := range m.records {
		if id.Kind == kind && (after == "" || !reverse && id.Key > after || reverse && id.Key < after) {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b store.Record) int { return cmp.Compare(a.ID.Key, b.ID.Key) })
	if reverse {
		slices.Reverse(out)
	}
	return out[:min(max, len(out))]
}

func (m *model) read(queue string, after store.Position, max int) []store.Item {
	var out []store.Item
	for _, it := range m.items {
		if it.Queue == queue && it.Position > after {
			out = append(out, it)
		}
	}
	return out[:min(max, len(out))]
}

func (m *model) due(after store.Wake, until time.Time, max int) []store.Wake {
	order := func(a, b store.Wake) int {
		return cmp.Or(store.Instant(a.At).Compare(store.Instant(b.At)), cmp.Compare(a.Key, b.Key))
	}
	var out []store.Wake
	for _, w := range m.wakes {
		if !w.At.After(until) && order(w, after) > 0 {
			out = append(out, w)
		}
	}
	slices.SortFunc(out, order)
	return out[:min(max, len(out))]
}

func (m *model) wakesOf(prefix, after string, max int) []store.Wake {
	var out []store.Wake
	for key, w := range m.wakes {
		if strings.HasPrefix(key, prefix) && key > after {
			out = append(out, w)
		}
	}
	slices.SortFunc(out, func(a, b store.Wake) int { return cmp.Compare(a.Key, b.Key) })
	return out[:min(max, len(out))]
}

var (
	someKey   = rapid.SampledFrom([]string{"a", "b", "ba", "c\xff", "d"})
	someKind  = rapid.SampledFrom([]store.Kind{"k", "kk"})
	someQueue = rapid.SampledFrom([]string{"q", "qq", "q\x00q"})
	someTime  = rapid.Custom(func(t *rapid.T) time.Time { return time.Unix(0, rapid.Int64Range(-5, 20).Draw(t, "ns")) })
	someValue = rapid.Custom(func(t *rapid.T) []byte {
		if rapid.IntRange(0, 30).Draw(t, "long") == 0 {
			return noise(300<<10, rapid.Uint64().Draw(t, "seed"))
		}
		return rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "value")
	})
)

func (m *model) someID(t *rapid.T) store.ID {
	return store.ID{Kind: someKind.Draw(t, "kind"), Key: someKey.Draw(t, "key")}
}

// batch draws a batch that often meets what is there.
func (m *model) batch(t *rapid.T) *store.Batch {
	n := func(what string, most int) int { return rapid.IntRange(0, most).Draw(t, what) }
	b := &store.Batch{Intake: rapid.Bool().Draw(t, "intake")}
	if n("with tx", 3) == 0 {
		b.Tx = "tx" + fmt.Sprint(n("tx", 9))
	}
	for range n("expects", 2) {
		e := store.Expect{ID: m.someID(t)}
		if n("right", 6) > 0 {
			e.Revision = m.records[e.ID].Revision
		} else {
			e.Revision = store.Revision(n("revision", int(m.seq)))
		}
		b.Expect = append(b.Expect, e)
	}
	changed := map[store.ID]bool{}
	for range n("changes", 3) {
		id := m.someID(t)
		if changed[id] {
			continue
		}
		changed[id] = true
		if n("delete", 3) == 0 {
			b.Delete = append(b.Delete, id)
			continue
		}
		p := store.Put{ID: id, Value: someValue.Draw(t, "value")}
		if n("with ttl", 3) == 0 {
			p.TTL = time.Hour
		}
		b.Put = append(b.Put, p)
	}
	for range n("appends", 3) {
		a := store.Append{Queue: someQueue.Draw(t, "queue"), Value: someValue.Draw(t, "value")}
		if n("with mark", 1) == 0 {
			a.Mark, a.MarkTTL = fmt.Sprint(n("mark", 9)), time.Hour
		}
		b.Append = append(b.Append, a)
	}
	for range n("removes", 3) {
		ref := store.ItemRef{Queue: someQueue.Draw(t, "queue"), Position: store.Position(n("position", int(m.seq)))}
		if len(m.items) > 0 && n("there", 4) > 0 {
			it := m.items[n("item", min(2, len(m.items)-1))]
			ref = store.ItemRef{Queue: it.Queue, Position: it.Position}
		}
		b.Remove = append(b.Remove, ref)
	}
	woken := map[string]bool{}
	for range n("wakes", 2) {
		w := store.Wake{Key: someKey.Draw(t, "wake")}
		if woken[w.Key] {
			continue
		}
		woken[w.Key] = true
		if n("clear", 2) > 0 {
			w.At = someTime.Draw(t, "at")
		}
		switch n("seen", 3) {
		case 0:
			w.Revision = m.wakes[w.Key].Revision
		case 1:
			w.Revision = store.Revision(n("revision", int(m.seq)))
		}
		b.Wake = append(b.Wake, w)
	}
	return b
}

// testModel runs random batches, reads and reopenings, and compares each
// answer with the model's.
func testModel(t *testing.T, f *fixture) {
	runs := 0
	rapid.Check(t, func(rt *rapid.T) {
		run := newRun(t, f, runs)
		runs++
		defer run.close(t)
		m := newModel()
		rt.Repeat(map[string]func(*rapid.T){
			"commit": func(rt *rapid.T) {
				b := m.batch(rt)
				res, err := run.Commit(ctx, b)
				if err := m.apply(b, res, err); err != nil {
					rt.Fatalf("commit: %v", err)
				}
			},
			"commit 2": func(rt *rapid.T) {
				b := m.batch(rt)
				res, err := run.Commit(ctx, b)
				if err := m.apply(b, res, err); err != nil {
					rt.Fatalf("commit: %v", err)
				}
			},
			"load": func(rt *rapid.T) {
				id := m.someID(rt)
				got, err := run.Load(ctx, id)
				want, there := m.records[id]
				if there != (err == nil) || !there && !errors.Is(err, store.ErrNotFound) || there && !sameRecord(got, want) {
					rt.Fatalf("load %v: revision %d, %v; want revision %d", id, got.Revision, err, want.Revision)
				}
			},
			"list": func(rt *rapid.T) {
				kind, reverse, max := someKind.Draw(rt, "kind"), rapid.Bool().Draw(rt, "reverse"), rapid.IntRange(0, 6).Draw(rt, "max")
				after := rapid.SampledFrom([]string{"", "a", "b", "bb", "d"}).Draw(rt, "after")
				got, err := run.List(ctx, kind, after, max, reverse)
				want := m.list(kind, after, max, reverse)
				if err != nil || !slices.EqualFunc(got, want, sameRecord) {
					rt.Fatalf("list: %s, %v; want %s", keys(got), err, keys(want))
				}
			},
			"read": func(rt *rapid.T) {
				queue, max := someQueue.Draw(rt, "queue"), rapid.IntRange(0, 5).Draw(rt, "max")
				after := store.Position(0)
				if rapid.Bool().Draw(rt, "from the middle") {
					after = store.Position(rapid.Uint64Range(0, m.seq+2).Draw(rt, "after"))
				}
				got, err := run.Read(ctx, queue, after, max)
				want := m.read(queue, after, max)
				if err != nil || !slices.EqualFunc(got, want, sameItem) {
					rt.Fatalf("read %q after %d: %d items, %v; want %d", queue, after, len(got), err, len(want))
				}
			},
			"due": func(rt *rapid.T) {
				until, max := someTime.Draw(rt, "until"), rapid.IntRange(0, 5).Draw(rt, "max")
				var after store.Wake
				if rapid.Bool().Draw(rt, "behind one") {
					after = store.Wake{At: someTime.Draw(rt, "its time"), Key: rapid.SampledFrom([]string{"", "a", "b", "bb", "d"}).Draw(rt, "its key")}
				}
				got, err := run.Due(ctx, after, until, max)
				want := m.due(after, until, max)
				if err != nil || !slices.EqualFunc(got, want, sameWake) {
					rt.Fatalf("due after %v: %v, %v; want %v", after, got, err, want)
				}
			},
			"wakes": func(rt *rapid.T) {
				prefix, max := rapid.SampledFrom([]string{"", "b", "ba", "c", "e"}).Draw(rt, "prefix"), rapid.IntRange(0, 5).Draw(rt, "max")
				after := rapid.SampledFrom([]string{"", "a", "b", "bb", "d"}).Draw(rt, "after")
				got, err := run.Wakes(ctx, prefix, after, max)
				want := m.wakesOf(prefix, after, max)
				if err != nil || !slices.EqualFunc(got, want, sameWake) {
					rt.Fatalf("wakes of %q after %q: %v, %v; want %v", prefix, after, got, err, want)
				}
			},
			"resolve": func(rt *rapid.T) {
				tx := "tx" + fmt.Sprint(rapid.IntRange(0, 9).Draw(rt, "tx"))
				got, err := run.Resolve(ctx, tx)
				if err != nil || got != m.txs[tx] {
					rt.Fatalf("resolve %s: %v, %v; want %v", tx, got, err, m.txs[tx])
				}
			},
			"reopen": func(rt *rapid.T) {
				if rapid.IntRange(0, 4).Draw(rt, "really") == 0 {
					run.reopen(t)
				}
			},
		})
	})
	if runs < 10 {
		t.Fatalf("only %d runs", runs)
	}
}

// newRun opens an own directory for one run of the model.
func newRun(t *testing.T, f *fixture, n int) *fixture {
	run := &fixture{engine: f.engine, dir: fmt.Sprintf("%s/model-%d", t.TempDir(), n)}
	run.Store = f.engine.Open(t, run.dir)
	return run
}

func (f *fixture) close(t *testing.T) {
	if err := f.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

func sameRecord(a, b store.Record) bool {
	return a.ID == b.ID && a.Revision == b.Revision && bytes.Equal(a.Value, b.Value)
}

func sameItem(a, b store.Item) bool {
	return a.Queue == b.Queue && a.Position == b.Position && bytes.Equal(a.Value, b.Value)
}

func sameWake(a, b store.Wake) bool {
	return a.Key == b.Key && a.Revision == b.Revision && a.At.Equal(b.At)
}
