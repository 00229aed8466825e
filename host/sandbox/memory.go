package sandbox

import "github.com/tetratelabs/wazero/experimental"

// linearMemory backs a guest's memory and remembers when it was refused more,
// so that the trap which then follows can be told as what it is. It lies on
// the Go heap and is never unmapped: wazero frees a memory while a guest that
// called proc_exit may still be returning through it.
type linearMemory struct {
	limit   uint64 // bytes
	buf     []byte
	refused uint64 // the size in bytes that was refused last; 0 if none was
}

var (
	_ experimental.MemoryAllocator = (*linearMemory)(nil)
	_ experimental.LinearMemory    = (*linearMemory)(nil)
)

// Allocate gives the memory itself: a module has one at most.
func (m *linearMemory) Allocate(uint64, uint64) experimental.LinearMemory { return m }

// Reallocate grows to size bytes, with room for a little more, so that a
// guest which grows page by page isn't copied page by page.
func (m *linearMemory) Reallocate(size uint64) []byte {
	if size > m.limit {
		m.refused = size
		return nil
	}
	if size > uint64(cap(m.buf)) {
		room := size
		if len(m.buf) > 0 {
			room = min(size+size/4, m.limit)
		}
		grown := make([]byte, size, room)
		copy(grown, m.buf)
		m.buf = grown
	}
	m.buf = m.buf[:size]
	return m.buf
}

// Free does nothing; see linearMemory.
func (m *linearMemory) Free() {}
