package sandbox

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/trama-run/trama/host/sandbox/image"
)

// Image is a state of a module's memory and globals that calls start from,
// and the idle instances that are in it. A module has one of its own, taken
// after initialisation; Module.Prepare makes others. It may be used by many
// calls at once.
type Image struct {
	module  *Module
	content *image.Image // nil if the module has no memory, or is not kept
	globals []uint64     // of the module's mutable globals
	kept    bool         // false: every call initialises an instance of its own

	mu      sync.Mutex
	idle    []*instance // guarded by mu; the one used last stands last
	users   int         // guarded by mu; calls
	closing bool        // guarded by mu
	trimmer *time.Timer // guarded by mu; nil while no trim is due

	closed   chan struct{} // closed once everything is released
	closeErr error         // read after closed
}

// Idle instances of one image.
const (
	maxIdle = 8
	idleFor = time.Minute
)

// keep makes an image of what an instance holds now. The instance becomes the
// first idle one, so it must have ended its call.
func (m *Module) keep(in *instance) (*Image, error) {
	i := &Image{module: m, kept: true, closed: make(chan struct{})}
	for _, g := range in.globals {
		i.globals = append(i.globals, g.Get())
	}
	if memory := in.memory.space.Bytes(); len(memory) > 0 {
		n := int64(len(memory))
		if !m.sandbox.memory.tryGrow(n) {
			trimIdle(m.sandbox.open(), n)
			if !m.sandbox.memory.tryGrow(n) {
				return nil, fmt.Errorf("all plugins together hold the %s of memory that the host gives them; an image of %s finds no room", size(m.sandbox.config.MemoryBytes), size(n))
			}
		}
		content, err := m.sandbox.space.Keep(memory)
		if err != nil {
			m.sandbox.memory.give(n)
			return nil, err
		}
		if err := in.memory.space.Load(content); err != nil {
			m.sandbox.memory.give(n)
			return nil, errors.Join(err, content.Close())
		}
		i.content = content
	}
	in.image = i
	i.idle = append(i.idle, in)
	i.dueTrim()
	return i, nil
}

// Bytes is the size of the memory that the image holds.
func (i *Image) Bytes() int64 {
	if i.content == nil {
		return 0
	}
	return int64(len(i.content.Bytes()))
}

// enter begins a use of the image; false if it is closed.
func (i *Image) enter() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.closing {
		return false
	}
	i.users++
	return true
}

// leave ends a use. The last one of a closing image releases it.
func (i *Image) leave() {
	i.mu.Lock()
	i.users--
	last := i.closing && i.users == 0
	i.mu.Unlock()
	if last {
		i.release()
	}
}

// take gives an instance that is in the state of the image.
func (i *Image) take(ctx context.Context, limits Limits) (*instance, error) {
	i.mu.Lock()
	if n := len(i.idle); n > 0 {
		in := i.idle[n-1]
		i.idle[n-1] = nil
		i.idle = i.idle[:n-1]
		i.mu.Unlock()
		return in, nil
	}
	i.mu.Unlock()
	if i.kept {
		return i.module.newInstance(ctx, i)
	}
	return i.module.initialize(ctx, limits)
}

// put takes an instance back after a call that ended well: as idle if it can
// be brought into the state of the image again, else to close it.
func (i *Image) put(in *instance) {
	if !i.kept || !in.rewind() {
		in.close()
		return
	}
	in.idleSince = in.clock.since
	i.mu.Lock()
	full := len(i.idle) >= maxIdle
	if !full {
		i.idle = append(i.idle, in)
		i.dueTrim()
	}
	i.mu.Unlock()
	if full {
		in.close()
	} else if i.module.budget.wanted() {
		i.trim(0) // calls that wait for memory come before calls that may come
	}
}

// dueTrim sees to it that idle instances are looked at. The caller holds mu,
// or nobody else knows the image.
func (i *Image) dueTrim() {
	if i.trimmer == nil {
		i.trimmer = time.AfterFunc(idleFor, func() { i.trim(idleFor) })
	}
}

// trim closes the instances that have been idle for so long, comes again while
// others are, and gives the bytes that were released.
func (i *Image) trim(age time.Duration) (released int64) {
	i.mu.Lock()
	n := 0
	for n < len(i.idle) && time.Since(i.idle[n].idleSince) >= age {
		n++
	}
	old := append([]*instance(nil), i.idle[:n]...)
	i.idle = append(i.idle[:0], i.idle[n:]...)
	clear(i.idle[len(i.idle):cap(i.idle)])
	if i.trimmer != nil {
		i.trimmer.Stop()
		i.trimmer = nil
	}
	if len(i.idle) > 0 {
		i.dueTrim()
	}
	i.mu.Unlock()
	for _, in := range old {
		released += in.memory.held + instanceBytes
		in.close()
	}
	return released
}

// Close refuses new calls from the image, and releases it after the last one.
// It waits for that no longer than ctx.
func (i *Image) Close(ctx context.Context) error {
	i.mu.Lock()
	first := !i.closing
	i.closing = true
	users := i.users
	i.mu.Unlock()
	if first && users == 0 {
		i.release()
	}
	select {
	case <-i.closed:
		return i.closeErr
	case <-ctx.Done():
		return fmt.Errorf("close an image of module %s: calls are still running: %w", i.module.info.SHA256, ctx.Err())
	}
}

// release runs once, when no call uses the image.
func (i *Image) release() {
	i.trim(0)
	if i.content != nil {
		i.module.sandbox.memory.give(i.Bytes())
		i.closeErr = i.content.Close()
	}
	close(i.closed)
	i.module.forget(i)
}
