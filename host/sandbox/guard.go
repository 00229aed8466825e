package sandbox

import (
	"context"
	"errors"
	"sync"
	"time"
)

// guard is the context under which one instance runs. It ends when the guest
// has used up its time or when the caller's context ends, and then for good:
// wazero closes the instance, which is never used again. So one guard serves
// all calls of an instance without garbage.
//
// The clock runs only while guest code does: host functions that wait call
// pause and resume. Times come from a timer, which looks at the clock only;
// metering (fuel) would take its place in start, pause, resume and finish.
type guard struct {
	instance *instance
	done     chan struct{}
	timer    *time.Timer

	mu  sync.Mutex
	err error // guarded by mu; set once, before done is closed

	// Of the current call; only its goroutine touches them.
	caller  context.Context
	detach  func() bool // stops watching caller
	since   time.Time   // when the clock last started
	spent   time.Duration
	allowed time.Duration
}

var _ context.Context = (*guard)(nil)

func newGuard(in *instance) *guard {
	g := &guard{instance: in, done: make(chan struct{})}
	g.timer = time.AfterFunc(time.Hour, func() { g.end(timeUp{}) })
	g.timer.Stop()
	return g
}

// timeUp ends a guard whose guest used up its time.
type timeUp struct{}

func (timeUp) Error() string        { return "guest time used up" }
func (timeUp) Is(target error) bool { return target == context.DeadlineExceeded }

func (g *guard) end(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.err == nil {
		g.err = err
		close(g.done)
	}
}

// start begins a call of at most allowed guest time.
func (g *guard) start(caller context.Context, allowed time.Duration) {
	g.caller, g.spent, g.allowed = caller, 0, allowed
	g.detach = alwaysClean
	if caller.Done() != nil {
		g.detach = context.AfterFunc(caller, func() { g.end(caller.Err()) })
	}
	g.resume()
}

func alwaysClean() bool { return true }

// pause stops the clock. It reports false if the time was up already.
func (g *guard) pause() bool {
	g.spent += time.Since(g.since)
	return g.timer.Stop()
}

// resume lets the clock run on.
func (g *guard) resume() {
	g.since = time.Now()
	g.timer.Reset(max(g.allowed-g.spent, 0))
}

// finish ends a call. It reports whether the guard may serve another: neither
// the timer nor the caller's context has ended it or is about to.
func (g *guard) finish() (clean bool) {
	inTime, attached := g.pause(), g.detach()
	g.caller, g.detach = nil, nil
	return inTime && attached
}

// sleep waits for d or until the guard ends.
func (g *guard) sleep(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-g.done:
	}
}

// reason gives what ended the guard: timeUp, or the error of the caller's
// context; nil while it has not ended.
func (g *guard) reason() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.err
}

func (g *guard) Done() <-chan struct{} { return g.done }

// Err is what wazero asks for to tell a time-out from a cancellation.
func (g *guard) Err() error {
	switch err := g.reason(); {
	case err == nil:
		return nil
	case errors.Is(err, context.DeadlineExceeded):
		return context.DeadlineExceeded
	}
	return context.Canceled
}

// Deadline is unknown: the clock can be paused.
func (g *guard) Deadline() (time.Time, bool) { return time.Time{}, false }

// guardKey finds the guard in a context that wazero or we derived from it.
type guardKey struct{}

// Value keeps the caller's values out of wazero, which reads experimental
// settings from them.
func (g *guard) Value(key any) any {
	if key == (guardKey{}) {
		return g
	}
	return nil
}

// instanceOf gives the instance that a host function was called by.
func instanceOf(ctx context.Context) *instance {
	if g, ok := ctx.(*guard); ok {
		return g.instance
	}
	return ctx.Value(guardKey{}).(*guard).instance
}
