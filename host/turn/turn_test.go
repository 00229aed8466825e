package turn

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"
)

// TestOneAtATime: who holds a name is alone with it, in whatever order names
// are asked for.
func TestOneAtATime(t *testing.T) {
	turns := New()
	names := []string{"a", "b", "c"}
	inside := map[string]*sync.Mutex{"a": {}, "b": {}, "c": {}}
	var all sync.WaitGroup
	for n := range 60 {
		some := slices.Clone(names[n%3:])
		if n%2 == 0 {
			slices.Reverse(some)
		}
		all.Go(func() {
			leave, err := turns.TakeAll(t.Context(), append(some, some[0])...)
			if err != nil {
				t.Error(err)
				return
			}
			defer leave()
			for _, name := range some {
				if !inside[name].TryLock() {
					t.Errorf("two hold %s", name)
					continue
				}
				defer inside[name].Unlock()
			}
		})
	}
	all.Wait()
	if _, ok := turns.Try("a"); !ok {
		t.Error("a is not let go")
	}
	if _, ok := turns.Try("a"); ok {
		t.Error("a is taken twice")
	}
}

// TestImpatient: who waits no longer holds nothing.
func TestImpatient(t *testing.T) {
	turns := New()
	leave, _ := turns.Try("b")
	ctx, stop := context.WithTimeout(t.Context(), time.Millisecond)
	defer stop()
	if _, err := turns.TakeAll(ctx, "a", "b"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want that it gave up", err)
	}
	if _, ok := turns.Try("a"); !ok {
		t.Error("a is still held by who gave up")
	}
	leave()
	if _, ok := turns.Try("b"); !ok {
		t.Error("b is not let go")
	}
}
