package sandbox

import (
	"context"
	"slices"
	"sync"
)

// share hands out an amount of something that all plugins use together. Who
// must wait stands in the line of its plugin, and the lines are served in
// turn: a plugin with a thousand waiting calls delays another's one by a
// single turn.
type share struct {
	mu    sync.Mutex
	free  int64
	lines []*line // those with waiters, in the order of their turns
}

// line is the waiters of one plugin, the first that came first.
type line struct {
	key     any
	waiters []*waiter
}

type waiter struct {
	key    any
	amount int64
	ready  chan struct{} // closed when the amount is the waiter's
}

func newShare(amount int64) *share { return &share{free: amount} }

// tryGrow takes an amount if it is free, past those who wait: who has begun
// can't wait, and comes to its end soonest so.
func (s *share) tryGrow(amount int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.free < amount {
		return false
	}
	s.free -= amount
	return true
}

// take waits for an amount. The error is ctx's; then nothing was taken.
func (s *share) take(ctx context.Context, key any, amount int64) error {
	return s.wait(ctx, s.ask(key, amount))
}

// ask takes an amount, and gives nil, or stands in line for it.
func (s *share) ask(key any, amount int64) *waiter {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.lines) == 0 && s.free >= amount {
		s.free -= amount
		return nil
	}
	w := &waiter{key, amount, make(chan struct{})}
	i := slices.IndexFunc(s.lines, func(l *line) bool { return l.key == key })
	if i < 0 {
		i = len(s.lines)
		s.lines = append(s.lines, &line{key: key})
	}
	s.lines[i].waiters = append(s.lines[i].waiters, w)
	return w
}

// wait is the second half of take.
func (s *share) wait(ctx context.Context, w *waiter) error {
	if w == nil {
		return nil
	}
	select {
	case <-w.ready:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.leave(w) {
		s.serve() // who stands behind may want less
	} else {
		s.put(w.amount) // it was handed over at this very moment
	}
	return ctx.Err()
}

// give returns an amount.
func (s *share) give(amount int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put(amount)
}

// wanted reports whether anybody waits.
func (s *share) wanted() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.lines) > 0
}

func (s *share) put(amount int64) {
	s.free += amount
	s.serve()
}

// serve hands out what is free. It never lets a small wish pass a large one:
// the large one would wait for ever.
func (s *share) serve() {
	for len(s.lines) > 0 {
		l := s.lines[0]
		w := l.waiters[0]
		if w.amount > s.free {
			return
		}
		s.free -= w.amount
		close(w.ready)
		s.lines, l.waiters = s.lines[1:], l.waiters[1:]
		if len(l.waiters) > 0 {
			s.lines = append(s.lines, l)
		}
	}
}

// leave takes a waiter out of its line; false if it is not there any more.
func (s *share) leave(w *waiter) bool {
	for i, l := range s.lines {
		if l.key != w.key {
			continue
		}
		at := slices.Index(l.waiters, w)
		if at < 0 {
			return false
		}
		l.waiters = slices.Delete(l.waiters, at, at+1)
		if len(l.waiters) == 0 {
			s.lines = slices.Delete(s.lines, i, i+1)
		}
		return true
	}
	return false
}

// budget is the memory that one plugin may hold: a part of what all may.
type budget struct{ own, all *share }

func (b budget) tryGrow(bytes int64) bool {
	if !b.own.tryGrow(bytes) {
		return false
	}
	if !b.all.tryGrow(bytes) {
		b.own.give(bytes)
		return false
	}
	return true
}

func (b budget) give(bytes int64) {
	b.own.give(bytes)
	b.all.give(bytes)
}

// wanted reports whether anybody waits for memory.
func (b budget) wanted() bool { return b.own.wanted() || b.all.wanted() }
