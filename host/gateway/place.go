package gateway

import (
	"context"
	"slices"
	"sync"
)

// maxLine bounds how many runs of a route wait for a place at once; others ask
// again later.
const maxLine = 64

// places are those that a route's concurrency gives to runs, over changes of the
// route. A new call takes one or is refused; a run that goes on by itself, after
// it slept or the host began anew, waits for one, and new calls stand behind it.
type places struct {
	mu    sync.Mutex
	taken int             // guarded by mu
	line  []chan struct{} // of who waits; closed once the place is theirs; guarded by mu
}

// take takes a place, if one of so many is free.
func (p *places) take(most int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken >= most || len(p.line) > 0 {
		return false
	}
	p.taken++
	return true
}

// give gives a place back, and the free ones of so many to who waits; 0: there
// is no bound any more. Nobody waits while none is taken, so none is forgotten.
func (p *places) give(most int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken--
	for len(p.line) > 0 && (p.taken < most || most == 0) {
		close(p.line[0])
		p.line = p.line[1:]
		p.taken++
	}
}

// stand takes a place in the line; nil: it is full. Who would be first in it has
// a free place at once.
func (p *places) stand(most int) chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	mine := make(chan struct{})
	switch {
	case len(p.line) == 0 && p.taken < most:
		p.taken++
		close(mine)
	case len(p.line) == maxLine:
		return nil
	default:
		p.line = append(p.line, mine)
	}
	return mine
}

// wait is take for who waits, no longer than ctx.
func (p *places) wait(ctx context.Context, most int) bool {
	mine := p.stand(most)
	if mine == nil {
		return false
	}
	select {
	case <-mine:
		return true
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	at := slices.Index(p.line, mine)
	if at < 0 { // it came at the same moment
		return true
	}
	p.line = slices.Delete(p.line, at, at+1)
	return false
}

// Place waits until a run of a route, which goes on by itself, may be at work
// beside the others, no longer than ctx. not ok: it may not now, and asks again
// later. leave is called once.
func (g *Gateway) Place(ctx context.Context, name string) (leave func(), ok bool) {
	r := g.state.Load().table.named[name]
	if r == nil || r.Concurrency == 0 {
		return func() {}, true
	}
	return g.leave(r), r.places.wait(ctx, r.Concurrency)
}

// leave gives a route's place back, to as many as the route takes by then.
func (g *Gateway) leave(r *route) func() {
	return func() {
		most := 0
		if now := g.state.Load().table.named[r.name]; now != nil {
			most = now.Concurrency
		}
		r.places.give(most)
	}
}
