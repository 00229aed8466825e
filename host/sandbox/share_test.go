package sandbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// tryTake takes an amount if it is free and nobody waits.
func (s *share) tryTake(amount int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.lines) > 0 || s.free < amount {
		return false
	}
	s.free -= amount
	return true
}

// TestShareTakesTurns: whatever one plugin has waiting, each other plugin is
// served in the next round.
func TestShareTakesTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShare(1)
		ctx := context.Background()
		if !s.tryTake(1) || s.tryTake(1) {
			t.Fatal("one is free, and not two")
		}
		var mu sync.Mutex
		var order []string
		for _, w := range []string{"a1", "a2", "a3", "a4", "b1", "c1", "b2"} {
			go func() {
				if err := s.take(ctx, w[:1], 1); err != nil {
					t.Error(err)
				}
				mu.Lock()
				order = append(order, w)
				mu.Unlock()
				s.give(1)
			}()
			synctest.Wait() // it stands in its line
		}
		if !s.wanted() {
			t.Error("nobody is seen to wait")
		}
		s.give(1)
		synctest.Wait()
		if want := []string{"a1", "b1", "c1", "a2", "b2", "a3", "a4"}; !slices.Equal(order, want) {
			t.Errorf("served %v, want %v", order, want)
		}
		if s.wanted() || !s.tryTake(1) {
			t.Error("something is left over or lost")
		}
	})
}

// TestShareKeepsOrder: a small wish does not pass a large one, which would
// never be served.
func TestShareKeepsOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShare(10)
		if !s.tryTake(8) {
			t.Fatal("8 of 10 are not free")
		}
		served := make(chan int64, 2)
		for _, amount := range []int64{5, 1} {
			go func() {
				if err := s.take(context.Background(), amount, amount); err != nil {
					t.Error(err)
				}
				served <- amount
			}()
			synctest.Wait()
		}
		if len(served) > 0 || s.tryTake(1) {
			t.Error("a small wish passed a large one")
		}
		s.give(3)
		synctest.Wait()
		if a, b := <-served, len(served); a != 5 || b != 0 {
			t.Errorf("served %d first, then %d more", a, b)
		}
		s.give(5)
		if got := <-served; got != 1 {
			t.Errorf("served %d", got)
		}
	})
}

// TestShareIsLeft: who gives up waiting loses nothing and holds nobody up.
func TestShareIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShare(4)
		if !s.tryTake(3) {
			t.Fatal("3 of 4 are not free")
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		left, served := make(chan error, 1), make(chan error, 1)
		go func() { left <- s.take(ctx, "large", 4) }()
		synctest.Wait()
		go func() { served <- s.take(context.Background(), "small", 1) }()
		if err := <-left; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
		s.give(4)
		if !s.tryTake(4) {
			t.Error("an amount was lost")
		}
	})
}

// TestShareAdds: whatever happens at once, in the end all is free again.
func TestShareAdds(t *testing.T) {
	s := newShare(7)
	var wg sync.WaitGroup
	for g := range 16 {
		wg.Go(func() {
			for i := range 200 {
				amount := int64(1 + (g+i)%7)
				ctx, cancel := context.WithTimeout(context.Background(), time.Duration((g*i)%50)*time.Microsecond)
				if s.take(ctx, fmt.Sprint(g%3), amount) == nil {
					s.give(amount)
				}
				cancel()
			}
		})
	}
	wg.Wait()
	if s.wanted() || !s.tryTake(7) || s.tryTake(1) {
		t.Error("what was given is not what was taken")
	}
}
