package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trama-run/trama/host/store"
)

func testAtomic(t *testing.T, f *fixture) {
	at := time.Unix(1000, 0)
	res := f.commit(t, store.Batch{
		Put:    []store.Put{put("a", "1", "one"), put("b", "2", "two")},
		Append: []store.Append{{Queue: "q", Value: []byte("x")}, {Queue: "p", Value: []byte("y")}},
		Wake:   []store.Wake{{Key: "k", At: at}},
	})
	equal(t, "positions", len(res.Positions), 2)
	check := func() {
		t.Helper()
		for _, want := range []store.Put{put("a", "1", "one"), put("b", "2", "two")} {
			r := f.load(t, want.ID)
			equal(t, "revision", r.Revision, res.Revision)
			equal(t, "value", string(r.Value), string(want.Value))
			equal(t, "id", r.ID, want.ID)
		}
		equal(t, "q", texts(f.read(t, "q", 0, 9)), "x ")
		equal(t, "p", texts(f.read(t, "p", 0, 9)), "y ")
		equal(t, "due", wakeKeys(f.due(t, at, 9)), "k ")
	}
	check()

	// A batch that loses leaves nothing of all it asked for.
	f.refuse(t, store.ErrConflict, store.Batch{
		Tx:     "lost",
		Expect: []store.Expect{{ID: id("a", "1"), Revision: res.Revision}, {ID: id("b", "2"), Revision: res.Revision - 1}},
		Put:    []store.Put{put("a", "1", "changed"), put("c", "3", "new")},
		Delete: []store.ID{id("b", "2")},
		Append: []store.Append{{Queue: "q", Value: []byte("z"), Mark: "m", MarkTTL: time.Hour}},
		Remove: []store.ItemRef{{Queue: "p", Position: res.Positions[1]}},
		Wake:   []store.Wake{{Key: "k"}},
	})
	check()
	f.absent(t, id("c", "3"))
	if ok, err := f.Resolve(ctx, "lost"); ok || err != nil {
		t.Fatalf("resolve of a lost batch: %v, %v", ok, err)
	}
	again := f.commit(t, store.Batch{Append: []store.Append{{Queue: "r", Value: []byte("z"), Mark: "m", MarkTTL: time.Hour}}})
	if again.Positions[0] == 0 {
		t.Fatal("the lost batch left its mark")
	}
	f.reopen(t)
	check()
}

func testPreconditions(t *testing.T, f *fixture) {
	a := id("k", "a")
	first := f.commit(t, store.Batch{Expect: []store.Expect{{ID: a}}, Put: []store.Put{put("k", "a", "1")}}).Revision
	f.refuse(t, store.ErrConflict, store.Batch{Expect: []store.Expect{{ID: a}}, Put: []store.Put{put("k", "a", "2")}})
	f.reopen(t)
	f.refuse(t, store.ErrConflict, store.Batch{Expect: []store.Expect{{ID: a}}, Put: []store.Put{put("k", "a", "2")}})
	second := f.commit(t, store.Batch{Expect: []store.Expect{{ID: a, Revision: first}}, Put: []store.Put{put("k", "a", "2")}}).Revision
	if second <= first {
		t.Fatalf("revision %d after %d", second, first)
	}
	f.refuse(t, store.ErrConflict, store.Batch{Expect: []store.Expect{{ID: a, Revision: first}}, Delete: []store.ID{a}})
	// A precondition on a record that the batch does not change.
	f.refuse(t, store.ErrConflict, store.Batch{Expect: []store.Expect{{ID: a, Revision: first}}, Put: []store.Put{put("k", "b", "1")}})
	f.absent(t, id("k", "b"))
	f.commit(t, store.Batch{Expect: []store.Expect{{ID: a, Revision: second}, {ID: id("k", "b")}}, Put: []store.Put{put("k", "b", "1")}})
	// Deleted and absent are the same.
	f.commit(t, store.Batch{Expect: []store.Expect{{ID: a, Revision: second}}, Delete: []store.ID{a}})
	f.refuse(t, store.ErrConflict, store.Batch{Expect: []store.Expect{{ID: a, Revision: second}}})
	f.commit(t, store.Batch{Expect: []store.Expect{{ID: a}}, Put: []store.Put{put("k", "a", "3")}})
	equal(t, "value", string(f.load(t, a).Value), "3")
}

// testCounter lets goroutines add to one record; each addition must count.
func testCounter(t *testing.T, f *fixture) {
	const workers, each = 8, 12
	counter := id("k", "counter")
	add := func() error {
		for {
			var rev store.Revision
			n := 0
			r, err := f.Load(ctx, counter)
			switch {
			case err == nil:
				rev = r.Revision
				if n, err = strconv.Atoi(string(r.Value)); err != nil {
					return err
				}
			case !errors.Is(err, store.ErrNotFound):
				return err
			}
			_, err = f.Commit(ctx, &store.Batch{
				Expect: []store.Expect{{ID: counter, Revision: rev}},
				Put:    []store.Put{put("k", "counter", strconv.Itoa(n+1))},
				Append: []store.Append{{Queue: "log", Value: []byte(strconv.Itoa(n + 1))}},
			})
			if !errors.Is(err, store.ErrConflict) {
				return err
			}
		}
	}
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for range each {
				if err := add(); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	equal(t, "counter", string(f.load(t, counter).Value), strconv.Itoa(workers*each))
	for i, it := range f.read(t, "log", 0, workers*each+1) {
		equal(t, "log entry", string(it.Value), strconv.Itoa(i+1))
	}
}

func testRecord(t *testing.T, f *fixture) {
	a := id("k", "a")
	f.absent(t, a)
	f.commit(t, store.Batch{Delete: []store.ID{a}}) // of nothing
	for _, v := range []string{"one", "", "a longer one\x00with a zero"} {
		rev := f.commit(t, store.Batch{Put: []store.Put{put("k", "a", v)}}).Revision
		r := f.load(t, a)
		equal(t, "value", string(r.Value), v)
		equal(t, "revision", r.Revision, rev)
		f.absent(t, id("ka", ""+"a"))
		f.absent(t, id("k", "aa"))
	}
	f.commit(t, store.Batch{Delete: []store.ID{a}})
	f.absent(t, a)
	f.reopen(t)
	f.absent(t, a)
}

func testRecordTTL(t *testing.T, f *fixture) {
	short, long := id("k", "short"), id("k", "long")
	f.commit(t, store.Batch{Put: []store.Put{
		{ID: short, Value: []byte("s"), TTL: time.Second},
		{ID: long, Value: []byte("l"), TTL: time.Hour},
	}})
	equal(t, "short", string(f.load(t, short).Value), "s")
	f.reopen(t)
	eventually(t, "a record with a TTL disappears", func() bool {
		_, err := f.Load(ctx, short)
		return errors.Is(err, store.ErrNotFound)
	})
	equal(t, "long", string(f.load(t, long).Value), "l")
	equal(t, "list", keys(f.list(t, "k", "", 9, false)), "long=l ")
	f.commit(t, store.Batch{Expect: []store.Expect{{ID: short}}, Put: []store.Put{put("k", "short", "again")}})
	// A put without TTL ends the TTL of the one before.
	f.commit(t, store.Batch{Put: []store.Put{{ID: long, Value: []byte("1"), TTL: 100 * time.Millisecond}}})
	f.commit(t, store.Batch{Put: []store.Put{put("k", "long", "2")}})
	time.Sleep(150 * time.Millisecond)
	equal(t, "kept", string(f.load(t, long).Value), "2")
}

func testOwnership(t *testing.T, f *fixture) {
	value, item := []byte("value"), []byte("item")
	f.commit(t, store.Batch{
		Put:    []store.Put{{ID: id("k", "a"), Value: value}},
		Append: []store.Append{{Queue: "q", Value: item}},
	})
	copy(value, "XXXXX")
	copy(item, "XXXX")
	for range 2 {
		r := f.load(t, id("k", "a"))
		equal(t, "value", string(r.Value), "value")
		copy(r.Value, "YYYYY")
		items := f.read(t, "q", 0, 1)
		equal(t, "item", texts(items), "item ")
		copy(items[0].Value, "YYYY")
		recs := f.list(t, "k", "", 1, false)
		equal(t, "list", keys(recs), "a=value ")
		copy(recs[0].Value, "YYYYY")
	}
}

func testList(t *testing.T, f *fixture) {
	b := store.Batch{Put: []store.Put{put("other", "z", "o"), put("k\x01", "n", "o"), put("kk", "n", "o"), put("j", "n", "o")}}
	for _, k := range []string{"b", "a", "\xff", "c", "ab", "\xff\xff"} {
		b.Put = append(b.Put, put("k", k, "1"))
	}
	f.commit(t, b)
	f.commit(t, store.Batch{Put: []store.Put{put("k", "c", "2")}, Delete: []store.ID{id("k", "b")}})
	for _, c := range []struct {
		after   string
		max     int
		reverse bool
		want    string
	}{
		{"", 99, false, "a=1 ab=1 c=2 \xff=1 \xff\xff=1 "},
		{"", 99, true, "\xff\xff=1 \xff=1 c=2 ab=1 a=1 "},
		{"", 2, false, "a=1 ab=1 "},
		{"ab", 2, false, "c=2 \xff=1 "},
		{"aa", 1, false, "ab=1 "},
		{"", 1, true, "\xff\xff=1 "},
		{"c", 9, true, "ab=1 a=1 "},
		{"b", 1, true, "ab=1 "},
		{"a", 9, true, ""},
		{"\xff\xff", 9, false, ""},
		{"", 0, false, ""},
	} {
		got := keys(f.list(t, "k", c.after, c.max, c.reverse))
		equal(t, fmt.Sprintf("list after %q, max %d, reverse %v", c.after, c.max, c.reverse), got, c.want)
	}
	equal(t, "no such kind", len(f.list(t, "none", "", 9, true)), 0)
}

func testBig(t *testing.T, f *fixture) {
	sizes := []int{1, 100_000, 256 << 10, 256<<10 + 1, 1 << 20, store.MaxValue}
	want := map[string][]byte{}
	for i, n := range sizes {
		v := noise(n, uint64(i))
		want[fmt.Sprint(n)] = v
		f.commit(t, store.Batch{
			Put:    []store.Put{{ID: id("k", fmt.Sprint(n)), Value: v}},
			Append: []store.Append{{Queue: "q", Value: v}},
		})
	}
	check := func() {
		t.Helper()
		for key, v := range want {
			if !bytes.Equal(f.load(t, id("k", key)).Value, v) {
				t.Fatalf("record of %d bytes differs", len(v))
			}
		}
		equal(t, "listed", len(f.list(t, "k", "", 999, false)), len(want))
		for i, it := range f.read(t, "q", 0, 99) {
			if !bytes.Equal(it.Value, noise(sizes[i], uint64(i))) {
				t.Fatalf("item of %d bytes differs", sizes[i])
			}
		}
	}
	check()
	f.reopen(t)
	check()

	// Many middling values in one batch.
	var b store.Batch
	for i := range 100 {
		v := noise(100_000, uint64(i))
		want["m"+fmt.Sprint(i)] = v
		b.Put = append(b.Put, store.Put{ID: id("k", "m"+fmt.Sprint(i)), Value: v})
	}
	f.commit(t, b)
	check()

	// Replaced, deleted, removed, refused.
	big := fmt.Sprint(store.MaxValue)
	want[big] = noise(store.MaxValue, 77)
	delete(want, fmt.Sprint(1<<20))
	f.commit(t, store.Batch{Put: []store.Put{{ID: id("k", big), Value: want[big]}}, Delete: []store.ID{id("k", fmt.Sprint(1<<20))}})
	f.refuse(t, store.ErrConflict, store.Batch{Expect: []store.Expect{{ID: id("k", big)}}, Put: []store.Put{{ID: id("k", big), Value: noise(1<<20, 5)}}})
	check()
	f.absent(t, id("k", fmt.Sprint(1<<20)))
	for _, it := range f.read(t, "q", 0, 99) {
		f.commit(t, store.Batch{Remove: []store.ItemRef{{Queue: "q", Position: it.Position}}})
	}
	equal(t, "queue", len(f.read(t, "q", 0, 9)), 0)
	f.reopen(t)
	delete(want, "none")
	for key, v := range want {
		if !bytes.Equal(f.load(t, id("k", key)).Value, v) {
			t.Fatalf("record of %d bytes differs", len(v))
		}
	}
}

func testLimits(t *testing.T, f *fixture) {
	long := strings.Repeat("n", store.MaxName)
	f.commit(t, store.Batch{
		Tx:     long,
		Put:    []store.Put{put(long, long, "v")},
		Append: []store.Append{{Queue: long, Mark: long, MarkTTL: time.Hour}},
		Wake:   []store.Wake{{Key: long, At: time.Unix(1, 0)}},
	})
	equal(t, "long names", string(f.load(t, id(long, long)).Value), "v")
	equal(t, "long queue", len(f.read(t, long, 0, 1)), 1)

	tooMany := store.Batch{Put: []store.Put{put("k", "in", "v")}}
	for range store.MaxChanges {
		tooMany.Append = append(tooMany.Append, store.Append{Queue: "q"})
	}
	tooMuch := store.Batch{Put: []store.Put{put("k", "in", "v")}}
	v := make([]byte, store.MaxValue)
	for i := range store.MaxBatch/store.MaxValue + 1 {
		tooMuch.Put = append(tooMuch.Put, store.Put{ID: id("k", fmt.Sprint(i)), Value: v})
	}
	in := []store.Put{put("k", "in", "v")}
	for _, c := range []struct {
		name  string
		want  error
		batch store.Batch
	}{
		{"value", store.ErrTooBig, store.Batch{Put: append(in, store.Put{ID: id("k", "x"), Value: make([]byte, store.MaxValue+1)})}},
		{"item", store.ErrTooBig, store.Batch{Put: in, Append: []store.Append{{Queue: "q", Value: make([]byte, store.MaxValue+1)}}}},
		{"changes", store.ErrTooBig, tooMany},
		{"batch", store.ErrTooBig, tooMuch},
		{"key", store.ErrTooBig, store.Batch{Put: append(in, put("k", long+"n", "v"))}},
		{"mark", store.ErrTooBig, store.Batch{Put: in, Append: []store.Append{{Queue: "q", Mark: long + "n", MarkTTL: time.Hour}}}},
		{"empty key", store.ErrInvalid, store.Batch{Put: append(in, put("k", "", "v"))}},
		{"empty kind", store.ErrInvalid, store.Batch{Put: append(in, put("", "k", "v"))}},
		{"zero byte", store.ErrInvalid, store.Batch{Put: append(in, put("k\x00", "k", "v"))}},
		{"empty queue", store.ErrInvalid, store.Batch{Put: in, Append: []store.Append{{}}}},
		{"mark without ttl", store.ErrInvalid, store.Batch{Put: in, Append: []store.Append{{Queue: "q", Mark: "m"}}}},
		{"negative ttl", store.ErrInvalid, store.Batch{Put: append(in, store.Put{ID: id("k", "x"), TTL: -1})}},
		{"put twice", store.ErrInvalid, store.Batch{Put: append(in, put("k", "in", "w"))}},
		{"put and delete", store.ErrInvalid, store.Batch{Put: in, Delete: []store.ID{in[0].ID}}},
		{"wake twice", store.ErrInvalid, store.Batch{Put: in, Wake: []store.Wake{{Key: "k"}, {Key: "k"}}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f.refuse(t, c.want, c.batch)
			f.absent(t, in[0].ID)
			equal(t, "queue", len(f.read(t, "q", 0, 1)), 0)
		})
	}
}

func testResolve(t *testing.T, f *fixture) {
	resolve := func(tx string, want bool) {
		t.Helper()
		got, err := f.Resolve(ctx, tx)
		if err != nil || got != want {
			t.Fatalf("resolve %q: %v, %v; want %v", tx, got, err, want)
		}
	}
	resolve("t1", false)
	f.commit(t, store.Batch{Tx: "t1", Put: []store.Put{put("k", "a", "v")}})
	f.commit(t, store.Batch{Tx: "t2"})
	resolve("t1", true)
	resolve("t2", true)
	resolve("t", false)
	f.reopen(t)
	resolve("t1", true)
	resolve("t3", false)
}

func testSequence(t *testing.T, f *fixture) {
	var last uint64
	grow := func(n uint64) {
		t.Helper()
		if n <= last {
			t.Fatalf("sequence number %d after %d", n, last)
		}
		last = n
	}
	for range 4 {
		grow(uint64(f.commit(t, store.Batch{Put: []store.Put{put("k", "a", "v")}}).Revision))
		res := f.commit(t, store.Batch{Append: []store.Append{{Queue: "q"}, {Queue: "q"}}})
		grow(uint64(res.Positions[0]))
		grow(uint64(res.Positions[1]))
		grow(uint64(f.commit(t, store.Batch{Delete: []store.ID{id("k", "a")}}).Revision))
		f.commit(t, store.Batch{Remove: []store.ItemRef{{Queue: "q", Position: res.Positions[0]}, {Queue: "q", Position: res.Positions[1]}}})
		f.reopen(t)
	}
	// Queues that were emptied in another life still take and give items.
	f.commit(t, store.Batch{Append: []store.Append{{Queue: "q", Value: []byte("x")}}})
	equal(t, "queue", texts(f.read(t, "q", 0, 9)), "x ")
}

func testContexts(t *testing.T, f *fixture) {
	f.commit(t, store.Batch{Put: []store.Put{put("k", "a", "v")}, Append: []store.Append{{Queue: "q"}}})
	done, cancel := context.WithCancel(ctx)
	cancel()
	for name, call := range map[string]func() error{
		"commit": func() error {
			_, err := f.Commit(done, &store.Batch{Put: []store.Put{put("k", "b", "v")}})
			return err
		},
		"load":    func() error { _, err := f.Load(done, id("k", "a")); return err },
		"list":    func() error { _, err := f.List(done, "k", "", 1, false); return err },
		"read":    func() error { _, err := f.Read(done, "q", 0, 1); return err },
		"due":     func() error { _, err := f.Due(done, store.Wake{}, time.Now(), 1); return err },
		"wakes":   func() error { _, err := f.Wakes(done, "", "", 1); return err },
		"resolve": func() error { _, err := f.Resolve(done, "t"); return err },
	} {
		if err := call(); !errors.Is(err, context.Canceled) {
			t.Errorf("%s with a cancelled context: %v", name, err)
		}
	}
	f.absent(t, id("k", "b"))
}

func testClosed(t *testing.T, f *fixture) {
	// Commits that run while the store closes are applied or refused.
	var all sync.WaitGroup
	applied := make([]bool, 64)
	start := make(chan struct{})
	for i := range applied {
		all.Go(func() {
			<-start
			_, err := f.Commit(ctx, &store.Batch{Put: []store.Put{put("k", fmt.Sprint(i), "v")}})
			applied[i] = err == nil
			if err != nil && !errors.Is(err, store.ErrClosed) {
				t.Error(err)
			}
		})
	}
	old := f.Store
	close(start)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	all.Wait()
	if err := f.Close(); err != nil {
		t.Fatalf("second close: %v", err)
	}
	f.refuse(t, store.ErrClosed, store.Batch{Put: []store.Put{put("k", "late", "v")}})
	if _, err := old.Load(ctx, id("k", "0")); !errors.Is(err, store.ErrClosed) {
		t.Fatalf("load after close: %v", err)
	}
	f.Store = f.engine.Open(t, f.dir)
	for i, ok := range applied {
		_, err := f.Load(ctx, id("k", fmt.Sprint(i)))
		if ok && err != nil || !ok && !errors.Is(err, store.ErrNotFound) {
			t.Errorf("record %d: applied %v, load %v", i, ok, err)
		}
	}
}
