package sandbox

import (
	"fmt"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/trama-run/trama/host/sandbox/image"
)

// linearMemory backs a guest's memory for wazero. It counts against what all
// guests may hold together, and remembers when it was refused more, so that
// the trap which then follows can be told as what it is.
//
// wazero frees a memory while a guest that called proc_exit may still be
// returning through it, so Free does nothing; release does it, when no guest
// code runs.
type linearMemory struct {
	space   *image.Memory
	limit   uint64 // bytes
	budget  budget
	held    int64  // taken from budget
	refused uint64 // the size in bytes that was refused last; 0 if none was
	crowded bool   // it was refused because guests together hold too much
	shrinks bool   // Reallocate is asked by shrink
}

var (
	_ experimental.MemoryAllocator = (*linearMemory)(nil)
	_ experimental.LinearMemory    = (*linearMemory)(nil)
)

// Allocate gives the memory itself: a module has one at most.
func (m *linearMemory) Allocate(uint64, uint64) experimental.LinearMemory { return m }

// Reallocate grows to size bytes, unless the memory has them already: one that
// was loaded from an image is as large as that from the start.
func (m *linearMemory) Reallocate(size uint64) []byte {
	have := m.space.Bytes()
	if m.shrinks {
		return have
	}
	if size <= uint64(len(have)) {
		return have[:size:size]
	}
	if size > m.limit {
		m.refused = size
		return nil
	}
	if more := int64(size) - m.held; more > 0 {
		if !m.budget.tryGrow(more) {
			m.refused, m.crowded = size, true
			return nil
		}
		m.held += more
	}
	buf := m.space.Resize(size)
	if buf == nil {
		m.refused, m.crowded = size, true // the operating system has no more
	}
	return buf
}

// rewind brings the memory back to an image, or to nothing for a module whose
// image has no memory. It reports false if it can't.
func (m *linearMemory) rewind(guest api.Memory, to *image.Image) (bool, error) {
	want := 0
	if to != nil {
		want = len(to.Bytes())
	}
	switch have := len(m.space.Bytes()); {
	case have > want && to == nil:
		return false, nil // there is nothing that it could be loaded from
	case have > want:
		return m.shrink(guest)
	case to == nil:
		return true, nil
	}
	return true, m.space.Restore()
}

// shrink brings a memory that has grown back to its image. WebAssembly has no
// way for it, but wazero takes the size of what Reallocate gives for the
// memory's: so it is asked to grow once more, and gets less. Making another
// instance instead takes as long as twenty calls of a Go plugin, since wazero
// fills its table element by element. A memory at its module's own maximum is
// not even asked for.
func (m *linearMemory) shrink(guest api.Memory) (bool, error) {
	if err := m.space.Restore(); err != nil {
		return false, err
	}
	m.shrinks = true
	_, ok := guest.Grow(1)
	m.shrinks = false
	if !ok {
		return false, nil
	}
	have := int64(len(m.space.Bytes()))
	if int64(guest.Size()) != have {
		return false, fmt.Errorf("the memory has %d bytes after it was brought back to %d", guest.Size(), have)
	}
	held := have + int64(m.space.Kept())
	m.budget.give(m.held - held)
	m.held = held
	return true, nil
}

// Free does nothing; see linearMemory.
func (m *linearMemory) Free() {}

// release gives everything back.
func (m *linearMemory) release() error {
	m.budget.give(m.held)
	m.held = 0
	return m.space.Release()
}
