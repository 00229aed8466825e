package dispatch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/host/store/badger"
)

// open returns a real store in a directory of the test's.
func open(t *testing.T) store.Store {
	t.Helper()
	s, err := badger.Open(badger.Config{Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func wakeUp(t *testing.T, s store.Store, key string, at time.Time) {
	t.Helper()
	if _, err := s.Commit(t.Context(), &store.Batch{Wake: []store.Wake{{Key: key, At: at}}}); err != nil {
		t.Fatal(err)
	}
}

// start runs a dispatcher until the test ends.
func start(t *testing.T, s store.Store, handlers map[string]Handler) *Dispatcher {
	t.Helper()
	d := New(s, slog.New(slog.DiscardHandler), handlers)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx, time.Second) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return d
}

func within(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within a minute", what)
		}
	}
}

func due(t *testing.T, s store.Store) int {
	t.Helper()
	wakes, err := s.Due(t.Context(), store.Wake{}, time.Now().Add(24*time.Hour), 1000)
	if err != nil {
		t.Fatal(err)
	}
	return len(wakes)
}

func TestDueKeysRunAndTheirWakesGo(t *testing.T) {
	s := open(t)
	var ran atomic.Int64
	for i := range 300 { // more than run at once, and than one window
		wakeUp(t, s, fmt.Sprintf("a:%d", i), time.Now())
	}
	start(t, s, map[string]Handler{"a": func(context.Context, string) (time.Time, error) {
		ran.Add(1)
		return time.Time{}, nil
	}})
	within(t, "all keys done", func() bool { return due(t, s) == 0 })
	if ran.Load() != 300 {
		t.Errorf("handlers ran %d times for 300 wakes", ran.Load())
	}
}

func TestNeverEarly(t *testing.T) {
	s := open(t)
	at := time.Now().Add(700 * time.Millisecond)
	wakeUp(t, s, "a:1", at)
	ran := make(chan time.Time, 1)
	start(t, s, map[string]Handler{"a": func(context.Context, string) (time.Time, error) {
		ran <- time.Now()
		return time.Time{}, nil
	}})
	if got := <-ran; got.Before(at) {
		t.Errorf("ran %s early", at.Sub(got))
	}
}

func TestOneAtATimeAndNoWakeLost(t *testing.T) {
	s := open(t)
	var inside, overlaps, seen atomic.Int64
	var pending atomic.Int64
	d := start(t, s, map[string]Handler{"a": func(context.Context, string) (time.Time, error) {
		if inside.Add(1) > 1 {
			overlaps.Add(1)
		}
		seen.Add(pending.Swap(0))
		time.Sleep(time.Millisecond)
		inside.Add(-1)
		return time.Time{}, nil
	}})
	// Work that comes while the handler runs sets a newer wake, which the
	// handler's end must not clear.
	var producers sync.WaitGroup
	for range 4 {
		producers.Go(func() {
			for range 50 {
				pending.Add(1)
				wakeUp(t, s, "a:1", time.Now())
				d.Poke()
			}
		})
	}
	producers.Wait()
	within(t, "all work seen", func() bool { return seen.Load() == 200 })
	if overlaps.Load() != 0 {
		t.Errorf("the handler ran twice at once %d times", overlaps.Load())
	}
}

func TestNextWakeAndFailures(t *testing.T) {
	s := open(t)
	var later, failed, panicked atomic.Int64
	d := start(t, s, map[string]Handler{
		"later": func(context.Context, string) (time.Time, error) {
			if later.Add(1) == 1 {
				return time.Now().Add(300 * time.Millisecond), nil
			}
			return time.Time{}, nil
		},
		"fail": func(context.Context, string) (time.Time, error) {
			if failed.Add(1) == 1 {
				return time.Time{}, errors.New("boom")
			}
			return time.Time{}, nil
		},
		"panic": func(context.Context, string) (time.Time, error) {
			if panicked.Add(1) == 1 {
				panic("boom")
			}
			return time.Time{}, nil
		},
	})
	wakeUp(t, s, "later:1", time.Now())
	wakeUp(t, s, "fail:1", time.Now())
	wakeUp(t, s, "panic:1", time.Now())
	wakeUp(t, s, "unknown:1", time.Now()) // of a later version: stays, harms nobody
	within(t, "second runs", func() bool { return later.Load() == 2 && failed.Load() == 2 && panicked.Load() == 2 })
	within(t, "only the unknown key left", func() bool { return due(t, s) == 1 })
	if failing := d.Failing(); len(failing) != 1 || failing[0].Key != "unknown:1" || !strings.Contains(failing[0].Error, "newer version") {
		t.Errorf("failing: %+v, want the unknown key and why", failing)
	}
}

func TestWorkOfAStoppedHostGoesOn(t *testing.T) {
	s := open(t)
	wakeUp(t, s, "a:1", time.Now())
	d := New(s, slog.New(slog.DiscardHandler), map[string]Handler{"a": func(ctx context.Context, _ string) (time.Time, error) {
		<-ctx.Done() // stopped in the middle of its work
		return time.Time{}, nil
	}})
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := d.Run(ctx, 100*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if n := due(t, s); n != 1 {
		t.Fatalf("%d wakes after the stop, want the one that was not done", n)
	}
}

// TestNoPrefixStopsAnother: work of one kind that is slow, and far more of it
// than can run, holds up no other.
func TestNoPrefixStopsAnother(t *testing.T) {
	s := open(t)
	for i := range 2 * window {
		wakeUp(t, s, fmt.Sprint("slow:", i), time.Now())
	}
	release := make(chan struct{})
	defer close(release)
	var slow, quick atomic.Int64
	d := start(t, s, map[string]Handler{
		"slow": func(context.Context, string) (time.Time, error) {
			slow.Add(1)
			<-release
			return time.Time{}, nil
		},
		"quick": func(context.Context, string) (time.Time, error) {
			quick.Add(1)
			return time.Time{}, nil
		},
	})
	within(t, "slow keys", func() bool { return slow.Load() == maxRunning })
	wakeUp(t, s, "quick:1", time.Now())
	d.Poke()
	within(t, "the quick key", func() bool { return quick.Load() == 1 })
	if n := slow.Load(); n != maxRunning {
		t.Errorf("%d slow keys run, want %d", n, maxRunning)
	}
}

// TestManyOverdue: however much work of one kind is overdue, what stands behind
// all of it is seen.
func TestManyOverdue(t *testing.T) {
	s := open(t)
	past := time.Now().Add(-time.Hour)
	for i := 0; i < deepWindow+window; i += 500 {
		b := &store.Batch{}
		for n := range 500 {
			b.Wake = append(b.Wake, store.Wake{Key: fmt.Sprint("slow:", i+n), At: past})
		}
		if _, err := s.Commit(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	release := make(chan struct{})
	defer close(release)
	var quick atomic.Int64
	d := start(t, s, map[string]Handler{
		"slow": func(context.Context, string) (time.Time, error) { <-release; return time.Time{}, nil },
		"quick": func(context.Context, string) (time.Time, error) {
			quick.Add(1)
			return time.Time{}, nil
		},
	})
	for i := range int64(3) {
		wakeUp(t, s, fmt.Sprint("quick:", i), time.Now())
		d.Poke()
		within(t, "the quick key", func() bool { return quick.Load() == i+1 })
	}
}

// TestLateBehindOverdue: a wake that is committed a while after its instant is
// seen at the next look, though others of later instants were read before.
func TestLateBehindOverdue(t *testing.T) {
	s := open(t)
	now := time.Now()
	for i := range maxRunning + window + 1 {
		wakeUp(t, s, fmt.Sprint("slow:", i), now.Add(-time.Hour))
	}
	release := make(chan struct{})
	var seen sync.Map
	d := New(s, slog.New(slog.DiscardHandler), map[string]Handler{
		"slow":  func(context.Context, string) (time.Time, error) { <-release; return time.Time{}, nil },
		"quick": func(_ context.Context, key string) (time.Time, error) { seen.Store(key, true); return time.Time{}, nil },
	})
	var workers sync.WaitGroup
	defer workers.Wait()
	defer close(release)
	look := func(after time.Duration, key string) {
		t.Helper()
		now = now.Add(after)
		d.now = func() time.Time { return now }
		d.deep.anew = now.Add(time.Hour) // not from the first wake
		if _, err := d.start(t.Context(), &workers); err != nil {
			t.Fatal(err)
		}
		within(t, key, func() bool { _, ok := seen.Load(key); return ok })
	}
	wakeUp(t, s, "quick:1", now)
	look(0, "quick:1")
	wakeUp(t, s, "quick:2", now.Add(-700*time.Millisecond))
	look(time.Second, "quick:2")
}

// TestAside: keys that wait for something outside hold none of their kind that
// does not; they are bounded all the same.
func TestAside(t *testing.T) {
	s := open(t)
	for i := range maxHeld + 10 {
		wakeUp(t, s, fmt.Sprint("a:", i), time.Now())
	}
	release := make(chan struct{})
	var held, most atomic.Int64
	d := start(t, s, map[string]Handler{"a": func(ctx context.Context, _ string) (time.Time, error) {
		now := held.Add(1)
		defer held.Add(-1)
		for before := most.Load(); now > before && !most.CompareAndSwap(before, now); before = most.Load() {
		}
		back, other := Aside(ctx), Aside(ctx)
		<-release
		other()
		back()
		return time.Time{}, nil
	}})
	letGo := sync.OnceFunc(func() { close(release) })
	defer letGo() // before the dispatcher is waited for
	within(t, "all places taken", func() bool { return held.Load() == maxHeld })
	letGo()
	within(t, "all keys done", func() bool { return due(t, s) == 0 })
	if most.Load() != maxHeld {
		t.Errorf("%d keys were held at once, want %d at most", most.Load(), maxHeld)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if c := d.counts["a"]; c != (count{}) {
		t.Errorf("at the end %+v are counted", c)
	}
	Aside(t.Context())() // of who has no place
}

// TestFailuresOfWhatIsGone: what nobody tries any more does not fail.
func TestFailuresOfWhatIsGone(t *testing.T) {
	now := time.Now()
	d := New(nil, slog.New(slog.DiscardHandler), nil)
	d.now = func() time.Time { return now }
	d.failed("run:1", errors.New("broken"))
	if now = now.Add(maxPause); len(d.Failing()) != 1 {
		t.Error("a failure is forgotten while it may be tried again")
	}
	if now = now.Add(2 * time.Second); len(d.Failing()) != 0 {
		t.Errorf("failing: %+v", d.Failing())
	}
}
