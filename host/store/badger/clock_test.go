//go:build linux

package badger

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	badgerdb "github.com/dgraph-io/badger/v4"

	"github.com/trama-run/trama/host/store"
)

// clocked has one of everything that could depend on a clock, under a name.
func clocked(name string, now time.Time) *store.Batch {
	return &store.Batch{
		Tx:     name,
		Put:    []store.Put{{ID: store.ID{Kind: "k", Key: name}}, {ID: store.ID{Kind: "ttl", Key: name}, TTL: time.Hour}},
		Append: []store.Append{{Queue: "q", Value: []byte(name), Mark: name, MarkTTL: time.Hour}},
		Wake:   []store.Wake{{Key: name, At: now.Add(time.Minute)}},
	}
}

// TestClockJumps writes by the machine's clock, goes on in a life whose clock
// says the year 2000, and comes back. Nothing but what has a time to live may
// follow the clock; a wake is due at its instant and not before.
func TestClockJumps(t *testing.T) {
	dir := t.TempDir()
	ctx := context.Background()
	var s *Store
	check := func(when string, wakes []string, until time.Time, ttl map[string]bool) {
		t.Helper()
		for name, lives := range ttl {
			if _, err := s.Load(ctx, store.ID{Kind: "k", Key: name}); err != nil {
				t.Errorf("%s: record %s: %v", when, name, err)
			}
			_, err := s.Load(ctx, store.ID{Kind: "ttl", Key: name})
			if lives != (err == nil) || !lives && !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s: record with a time to live %s: %v, want it there: %v", when, name, err, lives)
			}
		}
		items, err := s.Read(ctx, "q", 0, 9)
		if err != nil || len(items) != len(ttl) {
			t.Errorf("%s: %d items, %v; want %d", when, len(items), err, len(ttl))
		}
		due, err := s.Due(ctx, store.Wake{}, until, 9)
		if err != nil || len(due) != len(wakes) {
			t.Fatalf("%s: due %v, %v; want %v", when, due, err, wakes)
		}
		for i, w := range due {
			if w.Key != wakes[i] {
				t.Errorf("%s: due %v, want %v", when, due, wakes)
			}
		}
	}
	commit := func(name string, now time.Time) {
		t.Helper()
		if _, err := s.Commit(ctx, clocked(name, now)); err != nil {
			t.Fatal(err)
		}
	}
	duplicate := func(mark string, want bool) {
		t.Helper()
		res, err := s.Commit(ctx, &store.Batch{Append: []store.Append{{Queue: "other", Mark: mark, MarkTTL: time.Hour}}})
		if err != nil || (res.Positions[0] == 0) != want {
			t.Errorf("mark %s: position %v, %v; want a duplicate: %v", mark, res.Positions, err, want)
		}
	}
	closeStore := func() {
		t.Helper()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}

	present := time.Now()
	s = openTest(t, dir)
	commit("present", present)
	closeStore()

	synctest.Test(t, func(t *testing.T) {
		past := time.Now() // 2000-01-01
		s = openTest(t, dir)
		commit("past", past)
		check("26 years back", []string{"past"}, past.Add(time.Minute), map[string]bool{"present": true, "past": true})
		check("26 years back, before the minute", nil, past.Add(time.Minute-1), map[string]bool{"present": true, "past": true})
		duplicate("present", true)
		duplicate("past", true)
		time.Sleep(2 * time.Hour) // a jump forward
		check("two hours later", []string{"past"}, time.Now(), map[string]bool{"present": true, "past": false})
		duplicate("present", true)
		duplicate("past", false)
		closeStore()
	})

	s = openTest(t, dir)
	defer closeStore()
	check("in the present again", []string{"past", "present"}, present.Add(time.Minute), map[string]bool{"present": true, "past": false})
	check("before the minute", []string{"past"}, present.Add(time.Minute-1), map[string]bool{"present": true, "past": false})
	duplicate("present", true)

	// The engine itself hides what has an end: nothing else has one.
	v := s.view()
	defer v.close()
	ends := map[byte]int{}
	err := v.scan(ctx, nil, nil, false, func(item *badgerdb.Item) (bool, error) {
		if item.ExpiresAt() != 0 {
			ends[item.Key()[0]]++
			if string(item.Key()[:2]) != "rt" && item.Key()[0] != keyMark && item.Key()[0] != keyTx {
				t.Errorf("entry %q has an end", item.Key())
			}
		}
		return true, nil
	})
	if err != nil || ends[keyRecord] == 0 || ends[keyMark] == 0 || ends[keyTx] == 0 {
		t.Errorf("entries with an end: %v, %v", ends, err)
	}
}
