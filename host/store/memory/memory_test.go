package memory

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/host/store/storetest"
)

func TestConformance(t *testing.T) {
	var mu sync.Mutex
	disks := map[string]*Disk{} // by directory
	storetest.Run(t, storetest.Engine{
		Open: func(t *testing.T, dir string) store.Store {
			mu.Lock()
			defer mu.Unlock()
			if disks[dir] == nil {
				disks[dir] = NewDisk()
			}
			return Open(disks[dir], nil)
		},
		Restore: func(dir string, r io.Reader) error {
			d, err := Restore(r)
			mu.Lock()
			defer mu.Unlock()
			disks[dir] = d
			return err
		},
	})
}

func TestSorted(t *testing.T) {
	s := sorted[int]{compare: cmp.Compare[int]}
	want := map[int]bool{}
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 40_000 {
		x := r.IntN(9000)
		if i < 3000 {
			x = i // as a queue grows
		}
		if r.IntN(2) == 0 || i < 3000 {
			s.add(x)
			want[x] = true
		} else {
			s.remove(x)
			delete(want, x)
		}
		if i%997 != 0 {
			continue
		}
		all := make([]int, 0, len(want))
		for x := range want {
			all = append(all, x)
		}
		slices.Sort(all)
		from := r.IntN(9000)
		cut, _ := slices.BinarySearch(all, from)
		var up, down []int
		s.up(from, func(x int) bool { up = append(up, x); return true })
		s.down(from, func(x int) bool { down = append(down, x); return true })
		slices.Reverse(down)
		if !slices.Equal(up, all[cut:]) || !slices.Equal(down, all[:cut]) {
			t.Fatalf("after %d changes: %d up and %d down from %d, want %d and %d", i, len(up), len(down), from, len(all)-cut, cut)
		}
	}
	for _, c := range s.chunks {
		if len(c) == 0 || len(c) > chunkSize {
			t.Fatalf("a chunk of %d", len(c))
		}
	}
}

// TestClock: what has a time to live follows the owner's clock, and its memory
// is given back.
func TestClock(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	d := NewDisk()
	s := Open(d, func() time.Time { return now })
	commit := func(b store.Batch) store.Result {
		t.Helper()
		res, err := s.Commit(context.Background(), &b)
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	id := store.ID{Kind: "k", Key: "a"}
	put := func(ttl time.Duration) { commit(store.Batch{Put: []store.Put{{ID: id, TTL: ttl}}}) }
	there := func(want bool) {
		t.Helper()
		if _, err := s.Load(context.Background(), id); want != (err == nil) || !want && !errors.Is(err, store.ErrNotFound) {
			t.Fatalf("load: %v, want it there: %v", err, want)
		}
	}
	put(time.Hour)
	now = now.Add(time.Hour)
	there(true)
	put(2 * time.Hour) // a later end takes the place of the first
	now = now.Add(time.Hour)
	commit(store.Batch{})
	there(true)
	put(0)
	now = now.Add(100 * time.Hour)
	there(true)
	commit(store.Batch{Tx: "t", Append: []store.Append{{Queue: "q", Mark: "m", MarkTTL: time.Minute}}})
	put(time.Millisecond)
	now = now.Add(time.Second)
	there(false)
	if res := commit(store.Batch{Append: []store.Append{{Queue: "q", Mark: "m", MarkTTL: time.Minute}}}); res.Positions[0] != 0 {
		t.Fatal("a mark ended early")
	}
	now = now.Add(25 * time.Hour)
	if found, err := s.Resolve(context.Background(), "t"); found || err != nil {
		t.Fatalf("resolve after 25 h: %v, %v", found, err)
	}
	commit(store.Batch{})
	if n := len(d.records) + len(d.marks) + len(d.txs) + len(d.ends.chunks) + len(d.keys["k"].chunks); n != 0 {
		t.Fatalf("%d expired entries are kept", n)
	}
}

// TestCrash: a second life ends the first and has what it committed.
func TestCrash(t *testing.T) {
	d := NewDisk()
	first := Open(d, nil)
	if _, err := first.Commit(context.Background(), &store.Batch{Tx: "t"}); err != nil {
		t.Fatal(err)
	}
	second := Open(d, nil)
	if _, err := first.Commit(context.Background(), &store.Batch{}); !errors.Is(err, store.ErrClosed) {
		t.Fatalf("commit in a life that ended: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if found, err := second.Resolve(context.Background(), "t"); !found || err != nil {
		t.Fatalf("resolve in the second life: %v, %v", found, err)
	}
}

// TestDeterministic plays one seed twice.
func TestDeterministic(t *testing.T) {
	play := func() (log []any) {
		r := rand.New(rand.NewPCG(7, 7))
		now := time.Unix(0, 0)
		s := Open(NewDisk(), func() time.Time { return now })
		name := func() string { return fmt.Sprint(r.IntN(40)) }
		for range 3000 {
			now = now.Add(time.Duration(r.IntN(1000)) * time.Millisecond)
			res, err := s.Commit(context.Background(), &store.Batch{
				Put:    []store.Put{{ID: store.ID{Kind: "k", Key: name()}, TTL: time.Duration(r.IntN(20)) * time.Second}},
				Append: []store.Append{{Queue: name(), Mark: name(), MarkTTL: time.Second}},
				Remove: []store.ItemRef{{Queue: name(), Position: store.Position(r.IntN(6000))}},
				Wake:   []store.Wake{{Key: name(), At: now.Add(time.Duration(r.IntN(9)) * time.Second)}},
			})
			due, dueErr := s.Due(context.Background(), store.Wake{}, now, 10)
			list, listErr := s.List(context.Background(), "k", name(), 10, r.IntN(2) == 0)
			items, readErr := s.Read(context.Background(), name(), 0, 5)
			log = append(log, res, err, due, dueErr, list, listErr, items, readErr)
		}
		return log
	}
	if !reflect.DeepEqual(play(), play()) {
		t.Fatal("the same calls gave other answers")
	}
}

// BenchmarkCommit: a session put, its wake moved, an input taken and one added,
// among many.
func BenchmarkCommit(b *testing.B) {
	for _, n := range []int{1000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := Open(NewDisk(), nil)
			value := make([]byte, 300)
			var last store.Position
			step := func(i int) {
				key := fmt.Sprint(i * 7919 % n)
				res, err := s.Commit(context.Background(), &store.Batch{
					Put:    []store.Put{{ID: store.ID{Kind: "session", Key: key}, Value: value}},
					Append: []store.Append{{Queue: "q", Value: value, Mark: fmt.Sprint(i), MarkTTL: time.Hour}},
					Remove: []store.ItemRef{{Queue: "q", Position: last}},
					Wake:   []store.Wake{{Key: key, At: time.Unix(int64(i), 0)}},
				})
				if err != nil {
					b.Fatal(err)
				}
				last = res.Positions[0]
			}
			for i := range n {
				step(i)
			}
			b.ReportAllocs()
			for i := n; b.Loop(); i++ {
				step(i)
			}
		})
	}
}
