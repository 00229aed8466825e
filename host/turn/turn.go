// Package turn lets one goroutine at a time work on a name, such as a queue or
// the key of a contact. It must not know what the names are of.
package turn

import (
	"context"
	"slices"
	"sync"
)

// Turns holds names. Make one with New.
type Turns struct {
	mu   sync.Mutex
	held map[string]chan struct{} // guarded by mu; closed when the name is let go
}

// New returns turns of which none is taken.
func New() *Turns { return &Turns{held: map[string]chan struct{}{}} }

// Take waits for a name and holds it until leave is called.
func (t *Turns) Take(ctx context.Context, name string) (leave func(), err error) {
	for {
		leave, other := t.try(name)
		if other == nil {
			return leave, nil
		}
		select {
		case <-other:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// TakeAll is Take for several names, in an order in which nobody waits for one
// who waits for them.
func (t *Turns) TakeAll(ctx context.Context, names ...string) (leave func(), err error) {
	var all []func()
	leave = func() {
		for _, one := range all {
			one()
		}
	}
	names = slices.Clone(names)
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		one, err := t.Take(ctx, name)
		if err != nil {
			leave()
			return nil, err
		}
		all = append(all, one)
	}
	return leave, nil
}

// Try takes a name if nobody has it: it is for who holds another already.
func (t *Turns) Try(name string) (leave func(), ok bool) {
	leave, other := t.try(name)
	return leave, other == nil
}

func (t *Turns) try(name string) (leave func(), other chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if other, taken := t.held[name]; taken {
		return nil, other
	}
	mine := make(chan struct{})
	t.held[name] = mine
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.held, name)
		close(mine)
	}, nil
}
