package storetest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trama-run/trama/host/store"
)

func testQueue(t *testing.T, f *fixture) {
	var pos []store.Position
	for i := range 6 {
		res := f.commit(t, store.Batch{Append: []store.Append{
			{Queue: "q", Value: []byte(fmt.Sprint(i))},
			{Queue: "q2", Value: []byte("other")},
			{Queue: "q", Value: []byte(fmt.Sprint(i) + "b")},
		}})
		pos = append(pos, res.Positions[0], res.Positions[2])
	}
	for i := 1; i < len(pos); i++ {
		if pos[i] <= pos[i-1] {
			t.Fatalf("positions %v do not grow", pos)
		}
	}
	check := func() {
		t.Helper()
		equal(t, "all", texts(f.read(t, "q", 0, 99)), "0 0b 1 1b 2 2b 3 3b 4 4b 5 5b ")
		equal(t, "page", texts(f.read(t, "q", pos[2], 3)), "1b 2 2b ")
		equal(t, "end", texts(f.read(t, "q", pos[11], 3)), "")
		equal(t, "none", texts(f.read(t, "q", 0, 0)), "")
		equal(t, "other", len(f.read(t, "q2", 0, 99)), 6)
		equal(t, "unknown", len(f.read(t, "nothing", 0, 9)), 0)
	}
	check()
	f.reopen(t)
	check()
	for i, it := range f.read(t, "q", 0, 99) {
		equal(t, "position", it.Position, pos[i])
		equal(t, "queue", it.Queue, "q")
	}
	// From the middle, from the front, twice, and one of another queue.
	f.commit(t, store.Batch{Remove: []store.ItemRef{{Queue: "q", Position: pos[5]}, {Queue: "q", Position: pos[0]}}})
	f.commit(t, store.Batch{Remove: []store.ItemRef{{Queue: "q", Position: pos[5]}, {Queue: "q2", Position: pos[1]}}})
	equal(t, "after removal", texts(f.read(t, "q", 0, 99)), "0b 1 1b 2 3 3b 4 4b 5 5b ")
	equal(t, "other", len(f.read(t, "q2", 0, 99)), 6)
	f.reopen(t)
	equal(t, "after reopen", texts(f.read(t, "q", 0, 99)), "0b 1 1b 2 3 3b 4 4b 5 5b ")
}

// testQueueConcurrent reads while many append: a reader that goes on after the
// last position it saw must miss nothing.
func testQueueConcurrent(t *testing.T, f *fixture) {
	const writers, each = 8, 25
	var writing sync.WaitGroup
	var left atomic.Int32
	left.Store(writers)
	for w := range writers {
		writing.Go(func() {
			defer left.Add(-1)
			for i := range each {
				if _, err := f.Commit(ctx, &store.Batch{Append: []store.Append{{Queue: "q", Value: []byte{byte(w), byte(i)}}}}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	var after store.Position
	var next [writers]byte
	seen := 0
	for {
		last := left.Load() == 0
		items, err := f.Read(ctx, "q", after, 7)
		if err != nil {
			t.Fatal(err)
		}
		for _, it := range items {
			if it.Position <= after {
				t.Fatalf("position %d after %d", it.Position, after)
			}
			after = it.Position
			w := it.Value[0]
			equal(t, "order of one writer", it.Value[1], next[w])
			next[w]++
			seen++
		}
		if last && len(items) == 0 {
			break
		}
	}
	writing.Wait()
	equal(t, "items seen", seen, writers*each)
}

// testQueueRemovals works a queue off from its front for long, as consumers
// do, with reads from the start, and goes on in another life.
func testQueueRemovals(t *testing.T, f *fixture) {
	const total, window = 1500, 100
	appended, removed := 0, 0
	step := func() {
		b := store.Batch{}
		for range window {
			b.Append = append(b.Append, store.Append{Queue: "q", Value: []byte(fmt.Sprint(appended))})
			appended++
		}
		for _, it := range f.read(t, "q", 0, window-1) {
			equal(t, "head", string(it.Value), fmt.Sprint(removed))
			b.Remove = append(b.Remove, store.ItemRef{Queue: "q", Position: it.Position})
			removed++
		}
		f.commit(t, b)
	}
	for appended < total {
		step()
	}
	f.reopen(t)
	for appended < total+5*window {
		step()
	}
	for appended > removed {
		b := store.Batch{}
		for _, it := range f.read(t, "q", 0, window) {
			equal(t, "head", string(it.Value), fmt.Sprint(removed))
			b.Remove = append(b.Remove, store.ItemRef{Queue: "q", Position: it.Position})
			removed++
		}
		f.commit(t, b)
	}
	equal(t, "empty", len(f.read(t, "q", 0, 9)), 0)
	f.commit(t, store.Batch{Append: []store.Append{{Queue: "q", Value: []byte("new")}}})
	equal(t, "new", texts(f.read(t, "q", 0, 9)), "new ")
	f.reopen(t)
	equal(t, "new", texts(f.read(t, "q", 0, 9)), "new ")
}

func testMarks(t *testing.T, f *fixture) {
	add := func(queue, mark string, ttl time.Duration) store.Position {
		t.Helper()
		return f.commit(t, store.Batch{
			Put:    []store.Put{put("k", "a", mark)},
			Append: []store.Append{{Queue: queue, Value: []byte(mark), Mark: mark, MarkTTL: ttl}, {Queue: "all"}},
		}).Positions[0]
	}
	if add("q", "m1", time.Hour) == 0 || add("q", "m2", time.Hour) == 0 {
		t.Fatal("a new mark was taken for a duplicate")
	}
	equal(t, "duplicate", add("q", "m1", time.Hour), 0)
	equal(t, "duplicate in another queue", add("other", "m1", time.Hour), 0)
	equal(t, "rest of a duplicate's batch", len(f.read(t, "all", 0, 99)), 4)
	equal(t, "rest of a duplicate's batch", string(f.load(t, id("k", "a")).Value), "m1")
	f.reopen(t)
	equal(t, "duplicate after reopen", add("q", "m2", time.Hour), 0)
	equal(t, "queue", texts(f.read(t, "q", 0, 99)), "m1 m2 ")

	// The mark outlives the item.
	for _, it := range f.read(t, "q", 0, 99) {
		f.commit(t, store.Batch{Remove: []store.ItemRef{{Queue: "q", Position: it.Position}}})
	}
	equal(t, "duplicate after removal", add("q", "m1", time.Hour), 0)

	// Twice in one batch.
	res := f.commit(t, store.Batch{Append: []store.Append{
		{Queue: "q", Value: []byte("first"), Mark: "m3", MarkTTL: time.Hour},
		{Queue: "q", Value: []byte("second"), Mark: "m3", MarkTTL: time.Hour},
	}})
	if res.Positions[0] == 0 || res.Positions[1] != 0 {
		t.Fatalf("positions %v of one mark twice", res.Positions)
	}
	equal(t, "queue", texts(f.read(t, "q", 0, 99)), "first ")

	// The window counts from the append that was applied; duplicates do not
	// stretch it, and it never ends early.
	start := time.Now()
	add("q", "short", 1200*time.Millisecond)
	eventually(t, "a mark ends", func() bool { return add("q", "short", time.Hour) != 0 })
	if d := time.Since(start); d < 1200*time.Millisecond {
		t.Fatalf("a mark of 1.2 s ended after %s", d)
	}
	equal(t, "the new mark", add("q", "short", time.Hour), 0)
}

// testMarksConcurrent sends each event from several goroutines at once.
func testMarksConcurrent(t *testing.T, f *fixture) {
	const events, senders = 20, 6
	var all sync.WaitGroup
	var accepted [events]atomic.Int32
	for range senders {
		all.Go(func() {
			for e := range events {
				res, err := f.Commit(ctx, &store.Batch{Append: []store.Append{{Queue: "q", Mark: fmt.Sprint(e), MarkTTL: time.Hour}}})
				if err != nil {
					t.Error(err)
					return
				}
				if res.Positions[0] != 0 {
					accepted[e].Add(1)
				}
			}
		})
	}
	all.Wait()
	for e := range accepted {
		equal(t, fmt.Sprintf("event %d accepted", e), accepted[e].Load(), 1)
	}
	equal(t, "queue", len(f.read(t, "q", 0, events+1)), events)
}

func testWakes(t *testing.T, f *fixture) {
	at := func(n int) time.Time { return time.Unix(1_700_000_000, int64(n)) }
	set := func(wakes ...store.Wake) { t.Helper(); f.commit(t, store.Batch{Wake: wakes}) }
	far := at(1e9)
	set(store.Wake{Key: "c", At: at(30)}, store.Wake{Key: "a", At: at(10)}, store.Wake{Key: "b", At: at(20)}, store.Wake{Key: "b2", At: at(20)})
	equal(t, "order", wakeKeys(f.due(t, far, 9)), "a b b2 c ")
	equal(t, "max", wakeKeys(f.due(t, far, 2)), "a b ")
	equal(t, "max 0", wakeKeys(f.due(t, far, 0)), "")
	equal(t, "until is included", wakeKeys(f.due(t, at(20), 9)), "a b b2 ")
	equal(t, "before", wakeKeys(f.due(t, at(9), 9)), "")
	if got := f.due(t, far, 1)[0].At; !got.Equal(at(10)) {
		t.Fatalf("wake at %v, want %v", got, at(10))
	}
	// One per key: later, earlier, in another life.
	set(store.Wake{Key: "a", At: at(40)})
	equal(t, "later", wakeKeys(f.due(t, far, 9)), "b b2 c a ")
	set(store.Wake{Key: "c", At: at(5)})
	equal(t, "earlier", wakeKeys(f.due(t, far, 9)), "c b b2 a ")
	f.reopen(t)
	equal(t, "reopened", wakeKeys(f.due(t, far, 9)), "c b b2 a ")
	set(store.Wake{Key: "b", At: at(1)}, store.Wake{Key: "b2"}, store.Wake{Key: "never set"})
	equal(t, "replaced and cleared", wakeKeys(f.due(t, far, 9)), "b c a ")
	set(store.Wake{Key: "b"}, store.Wake{Key: "c"}, store.Wake{Key: "a"})
	equal(t, "all cleared", wakeKeys(f.due(t, far, 9)), "")
	// A wake before all that was ever seen; one before 1970; one far away.
	set(store.Wake{Key: "x", At: at(2)})
	set(store.Wake{Key: "old", At: time.Unix(-5, 0)}, store.Wake{Key: "late", At: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)})
	equal(t, "far apart", wakeKeys(f.due(t, far, 9)), "old x ")
	f.reopen(t)
	equal(t, "far apart, reopened", wakeKeys(f.due(t, far, 9)), "old x ")
}

// testWakesSeen: who clears a wake that it has seen never clears a newer one.
func testWakesSeen(t *testing.T, f *fixture) {
	at := time.Unix(1000, 0)
	rev := f.commit(t, store.Batch{Wake: []store.Wake{{Key: "k", At: at}}}).Revision
	seen := f.due(t, at, 1)[0]
	equal(t, "revision", seen.Revision, rev)
	f.reopen(t)
	equal(t, "revision after reopen", f.due(t, at, 1)[0].Revision, rev)

	again := f.commit(t, store.Batch{Wake: []store.Wake{{Key: "k", At: at}}}).Revision
	clear := store.Wake{Key: "k", Revision: seen.Revision}
	f.commit(t, store.Batch{Wake: []store.Wake{clear}, Put: []store.Put{put("k", "rest", "v")}})
	equal(t, "newer wake", wakeKeys(f.due(t, at, 9)), "k ")
	equal(t, "newer revision", f.due(t, at, 1)[0].Revision, again)
	equal(t, "rest of the batch", string(f.load(t, id("k", "rest")).Value), "v")

	moved := store.Wake{Key: "k", At: at.Add(time.Second), Revision: again}
	f.commit(t, store.Batch{Wake: []store.Wake{moved}})
	equal(t, "moved", wakeKeys(f.due(t, at, 9)), "")
	f.commit(t, store.Batch{Wake: []store.Wake{{Key: "k", Revision: f.due(t, moved.At, 1)[0].Revision}}})
	equal(t, "cleared", wakeKeys(f.due(t, moved.At, 9)), "")
	// The wake that is gone is not the one that was seen.
	f.commit(t, store.Batch{Wake: []store.Wake{moved}})
	equal(t, "not set again", wakeKeys(f.due(t, moved.At, 9)), "")

	// A setter and a clearer at once: while there is mail, a wake is due.
	setting := make(chan struct{})
	go func() {
		defer close(setting)
		for range 40 {
			if _, err := f.Commit(ctx, &store.Batch{Wake: []store.Wake{{Key: "race", At: at}}, Append: []store.Append{{Queue: "mail"}}}); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	for end := false; !end; {
		select {
		case <-setting:
			end = true
		default:
		}
		wakes := f.due(t, at, 9)
		b := store.Batch{}
		for _, it := range f.read(t, "mail", 0, 3) {
			b.Remove = append(b.Remove, store.ItemRef{Queue: "mail", Position: it.Position})
		}
		if len(b.Remove) == 0 {
			for _, w := range wakes {
				b.Wake = append(b.Wake, store.Wake{Key: w.Key, Revision: w.Revision})
			}
		}
		f.commit(t, b)
		if wakes := f.due(t, at, 9); len(wakes) == 0 && len(f.read(t, "mail", 0, 9)) > 0 && len(f.due(t, at, 9)) == 0 {
			t.Fatal("there is mail and nobody is woken")
		}
	}
}
