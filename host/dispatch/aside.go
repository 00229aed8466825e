package dispatch

import (
	"context"
	"sync"
	"time"
)

// asideAfter is how long a handler waits before it gives its place up: a call
// that is over by then was not worth it.
const asideAfter = 20 * time.Millisecond

// placeKey is the key of a handler's place in its context.
type placeKey struct{}

// place is one of those that the keys of a prefix have.
type place struct {
	dispatcher *Dispatcher
	prefix     string

	mu    sync.Mutex
	waits int // what is waited for now; guarded by mu
}

// Aside says that a handler waits for something outside, until back is called:
// if that takes long, another key of its prefix may have its place meanwhile.
// It may wait for several things at once. Outside of handlers it does nothing.
func Aside(ctx context.Context) (back func()) {
	p, ok := ctx.Value(placeKey{}).(*place)
	if !ok {
		return func() {}
	}
	late := time.AfterFunc(asideAfter, func() { p.wait(1) })
	return func() {
		if !late.Stop() {
			p.wait(-1)
		}
	}
}

// wait counts what is waited for. The place is given up while that is anything,
// and taken again even if another has it by then: work that was begun ends.
func (p *place) wait(more int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.waits > 0
	p.waits += more
	after := p.waits > 0
	if before == after {
		return
	}
	d := p.dispatcher
	d.mu.Lock()
	defer d.mu.Unlock()
	if after {
		d.count(p.prefix, 0, 1)
		d.Poke()
		return
	}
	d.count(p.prefix, 0, -1)
}
