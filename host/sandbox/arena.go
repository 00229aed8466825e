package sandbox

import (
	"encoding/binary"
	"slices"
	"sort"
)

// arena is the memory that a guest shares with the host: Extism's "kernel
// memory". It lives in the host, and what describes its blocks lies outside of
// it, so nothing that a guest stores can break an allocation. A call's blocks
// are forgotten, and their bytes zeroed, when the call ends.
//
// Offsets start at arenaBase, because 0 means "none", and blocks are in
// ascending order of their offset.
type arena struct {
	buf    []byte // its length is what guests see; its capacity may be left over
	blocks []block
	top    uint64 // where the next block starts
	high   uint64 // the highest top of this call: what there is to zero
	max    uint64 // bound of len(buf)
	next   int    // where the next search for a freed block begins
	work   int64  // bytes gone through since the caller last cleared it
	budget budget // of the plugin, for what is beyond firstArena
	held   int64  // taken from budget

	inputOffset, inputLength   uint64
	callInput                  uint64 // inputOffset at the start of the call
	outputOffset, outputLength uint64
	errorOffset                uint64
}

type block struct {
	offset, size, room uint32 // room is the size up to the next block
	state              blockState
}

type blockState uint8

const (
	live   blockState = iota
	freed             // may be used again
	pinned            // freed by the guest, but it holds the output or the error
)

const (
	arenaBase  = 64                     // what lies before it stays zero
	blockAlign = 16                     // bounds the block table to the size of the arena
	firstBlock = arenaBase + blockAlign // so that an empty range may end before a block
)

func newArena(b budget) arena {
	return arena{buf: make([]byte, firstArena), top: firstBlock, max: firstArena, budget: b}
}

// begin starts a call, which may share so many bytes.
func (a *arena) begin(limit int64) { a.max = max(uint64(limit), firstArena) }

// setInput gives the call its input, before anything else is in the arena. It
// reports whether it fits.
func (a *arena) setInput(input []byte) bool {
	offset, ok := a.put(input)
	a.inputOffset, a.inputLength, a.callInput = offset, uint64(len(input)), offset
	return ok
}

// end forgets the call, its size too. A buffer that grew much is given back.
func (a *arena) end() {
	a.reset()
	a.callInput, a.work = 0, 0
	a.buf = a.buf[:firstArena]
	if cap(a.buf) > keptArena {
		a.release()
		a.buf = make([]byte, firstArena)
	}
	if cap(a.blocks) > keptArena/blockAlign {
		a.blocks = nil
	}
}

// release gives back what was taken from the budget.
func (a *arena) release() {
	a.budget.give(a.held)
	a.held = 0
}

// reset frees and zeroes everything.
func (a *arena) reset() {
	clear(a.buf[:a.high])
	a.work += int64(a.high)
	a.blocks, a.top, a.high = a.blocks[:0], firstBlock, 0
	a.inputOffset, a.inputLength = 0, 0
	a.outputOffset, a.outputLength = 0, 0
	a.errorOffset, a.next = 0, 0
}

// alloc gives the offset of a new block; 0 if n is 0. ok is false if the
// arena may not hold n bytes more.
func (a *arena) alloc(n uint64) (offset uint64, ok bool) {
	if n == 0 {
		return 0, true
	}
	if n > a.max {
		return 0, false
	}
	room := (n + blockAlign - 1) &^ (blockAlign - 1)
	if a.top+room > a.max {
		return a.reuse(n, room)
	}
	return a.append(n, room)
}

// append makes a block behind all others. Freed blocks stay as they are until
// the arena is full, because guests free blocks twice: go-pdk frees a request
// that the host has freed already, and would hit the response in its place.
func (a *arena) append(n, room uint64) (offset uint64, ok bool) {
	offset, end := a.top, a.top+room
	if end > uint64(len(a.buf)) && !a.grow(min(max(2*uint64(len(a.buf)), end), a.max)) {
		return 0, false
	}
	a.blocks = append(a.blocks, block{offset: uint32(offset), size: uint32(n), room: uint32(room)})
	a.top, a.high = end, max(a.high, end)
	return offset, true
}

// grow makes the buffer larger. It costs the same work whether the room is
// left over from another call or not: what was is no business of this one.
func (a *arena) grow(size uint64) (ok bool) {
	a.work += int64(a.high)
	if size > uint64(cap(a.buf)) {
		more := int64(size) - int64(cap(a.buf))
		if !a.budget.tryGrow(more) {
			return false
		}
		a.held += more
		grown := make([]byte, size)
		copy(grown, a.buf[:a.high])
		a.buf = grown
	}
	a.buf = a.buf[:size]
	return true
}

// reuse gives a part of a freed block, once the arena is full.
func (a *arena) reuse(n, room uint64) (uint64, bool) {
	i := a.fit(room)
	if i < 0 {
		a.merge()
		if a.top+room <= a.max {
			return a.append(n, room)
		}
		if i = a.fit(room); i < 0 {
			return 0, false
		}
	}
	const worthKeeping = 128
	b := &a.blocks[i]
	offset, rest := uint64(b.offset), uint64(b.room)-room
	if rest < worthKeeping {
		room, rest = uint64(b.room), 0
	}
	b.size, b.room, b.state = uint32(n), uint32(room), live
	if rest > 0 {
		a.blocks = slices.Insert(a.blocks, i+1, block{offset: uint32(offset + room), room: uint32(rest), state: freed})
	}
	a.next = i + 1
	return offset, true
}

// fit gives the next freed block that is large enough, or -1. It begins where
// the last search ended, so that steady use does not search at all.
func (a *arena) fit(room uint64) int {
	for k := range a.blocks {
		i := (a.next + k) % len(a.blocks)
		if b := a.blocks[i]; b.state == freed && uint64(b.room) >= room {
			a.work += int64(k * blockAlign)
			return i
		}
	}
	a.work += int64(len(a.blocks) * blockAlign)
	return -1
}

// merge joins freed neighbours; those at the end become free space.
func (a *arena) merge() {
	kept := a.blocks[:0]
	a.work += int64(len(a.blocks) * blockAlign)
	for _, b := range a.blocks {
		if last := len(kept) - 1; b.state == freed && last >= 0 && kept[last].state == freed {
			kept[last].room += b.room
		} else {
			kept = append(kept, b)
		}
	}
	if last := len(kept) - 1; last >= 0 && kept[last].state == freed {
		a.top, kept = uint64(kept[last].offset), kept[:last]
	}
	a.blocks, a.next = kept, 0
}

// free releases the live block that starts at offset; any other offset is
// ignored, as Extism does.
func (a *arena) free(offset uint64) {
	i := a.find(offset)
	if i < 0 {
		return
	}
	b := &a.blocks[i]
	b.state = freed
	if offset == a.inputOffset {
		a.inputLength = 0
	}
	if end := offset + uint64(b.room); offset <= a.outputOffset && a.outputOffset < end ||
		offset <= a.errorOffset && a.errorOffset < end {
		b.state = pinned
	}
}

// find gives the index of the live block that starts at offset, or -1.
func (a *arena) find(offset uint64) int {
	n := len(a.blocks)
	i := n - 1 // the newest block is asked for most
	if n == 0 || uint64(a.blocks[i].offset) != offset {
		i = sort.Search(n, func(i int) bool { return uint64(a.blocks[i].offset) >= offset })
	}
	if i == n || uint64(a.blocks[i].offset) != offset || a.blocks[i].state != live {
		return -1
	}
	return i
}

// length gives the size of the live block that starts at offset, else 0.
func (a *arena) length(offset uint64) uint64 {
	if i := a.find(offset); i >= 0 {
		return uint64(a.blocks[i].size)
	}
	return 0
}

// block gives a view of the live block that starts at offset, else nothing.
// It is valid until the next alloc.
func (a *arena) block(offset uint64) []byte {
	i := a.find(offset)
	if i < 0 {
		return nil
	}
	return a.buf[offset : offset+uint64(a.blocks[i].size)]
}

// put copies data into a new block.
func (a *arena) put(data []byte) (offset uint64, ok bool) {
	offset, ok = a.alloc(uint64(len(data)))
	if ok {
		copy(a.buf[offset:], data)
	}
	return offset, ok
}

// holds reports whether [offset, offset+n) lies in the arena, with Extism's
// reading of an empty range: it must begin behind the first offset.
func (a *arena) holds(offset, n uint64) bool {
	end := uint64(len(a.buf))
	last := offset + n - 1
	return n <= end && offset >= arenaBase && offset < end && last >= arenaBase && last < end
}

func (a *arena) loadByte(offset uint64) byte {
	if offset >= uint64(len(a.buf)) {
		return 0
	}
	return a.buf[offset]
}

func (a *arena) storeByte(offset uint64, v byte) {
	if offset < arenaBase || offset >= uint64(len(a.buf)) {
		return
	}
	a.buf[offset] = v
	a.high = max(a.high, offset+1)
}

// load reads eight bytes; ok is false past the memory.
func (a *arena) load(offset uint64) (v uint64, ok bool) {
	if offset > uint64(len(a.buf))-8 {
		return 0, false
	}
	return binary.LittleEndian.Uint64(a.buf[offset:]), true
}

// store writes eight bytes; ok is false past the memory. What lies before the
// first block is not the guest's and stays zero.
func (a *arena) store(offset, v uint64) (ok bool) {
	if offset > uint64(len(a.buf))-8 {
		return false
	}
	if offset >= arenaBase {
		binary.LittleEndian.PutUint64(a.buf[offset:], v)
		a.high = max(a.high, offset+8)
	}
	return true
}
