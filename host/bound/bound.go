// Package bound bounds work in time, as context.WithTimeout does, where the
// work nearly always ends without having waited for anything: the timer is made
// when somebody asks to be told of the end, and a call into the sandbox or a run
// of pure calls asks for nothing.
//
// It must not know what is bounded.
package bound

import (
	"context"
	"sync"
	"time"
)

// For returns a context that ends with its parent, after d, or when end is
// called, whichever is first; the clock and the parent are looked at only when
// somebody asks, so they are late where nobody has. Who made it calls end when
// the work is over.
func For(parent context.Context, d time.Duration) (ctx context.Context, end context.CancelFunc) {
	b := &bounded{Context: parent, until: time.Now().Add(d)}
	if earlier, ok := parent.Deadline(); ok && earlier.Before(b.until) {
		b.until = earlier
	}
	return b, b.end
}

type bounded struct {
	context.Context // the parent
	until           time.Time

	mu    sync.Mutex
	over  error           // why it ended while nobody waited; nil: not known to have
	timed context.Context // made for the first who waits; nil: nobody has
	stop  context.CancelFunc
}

func (b *bounded) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.timed != nil {
		b.stop()
	} else if b.over == nil {
		b.over = context.Canceled
	}
}

// err says why it has ended, and remembers it: mu is held, and timed is nil.
func (b *bounded) err() error {
	if b.over == nil {
		b.over = b.Context.Err()
	}
	if b.over == nil && !time.Now().Before(b.until) {
		b.over = context.DeadlineExceeded
	}
	return b.over
}

// Deadline implements context.Context.
func (b *bounded) Deadline() (time.Time, bool) { return b.until, true }

// Err implements context.Context.
func (b *bounded) Err() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.timed != nil {
		return b.timed.Err()
	}
	return b.err()
}

// Done implements context.Context. Contexts of the standard library that are
// made of this one ask for it.
func (b *bounded) Done() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.timed == nil {
		switch b.err() {
		case nil:
			b.timed, b.stop = context.WithDeadline(b.Context, b.until)
		case context.DeadlineExceeded: // the parent may have ended since, of something else
			b.timed, b.stop = context.WithDeadline(context.WithoutCancel(b.Context), b.until)
		default:
			b.timed, b.stop = context.WithCancel(b.Context)
			b.stop()
		}
	}
	return b.timed.Done()
}

// Value implements context.Context.
func (b *bounded) Value(key any) any {
	b.mu.Lock()
	timed := b.timed
	b.mu.Unlock()
	if timed != nil { // so that the library finds its own context, and needs no goroutine to follow this one
		return timed.Value(key)
	}
	return b.Context.Value(key)
}
