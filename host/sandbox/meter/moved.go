package meter

import (
	"encoding/binary"
	"math"
	"slices"
	"sort"

	"github.com/trama-run/trama/host/sandbox/wasm"
)

// Moved says where code came from. Offsets count from the beginning of the code
// section's contents, as DWARF for WebAssembly counts them. It is in ascending
// order of both.
type Moved []Place

// Place is where a piece of code stands now, and where it stood.
type Place struct{ Now, Before uint32 }

// maxMoved is how many places are kept, of 8 bytes each: a JavaScript engine
// has 200,000. A module with more of them is not traced.
const maxMoved = 2_000_000

// Before gives the place in the original module of an instruction in the
// rewritten one. What was put in counts as what follows it.
func (m Moved) Before(now uint32) uint32 {
	i := sort.Search(len(m), func(i int) bool { return m[i].Now > now }) - 1
	if i < 0 {
		return 0
	}
	before := m[i].Before + now - m[i].Now
	if i+1 < len(m) {
		before = min(before, m[i+1].Before)
	}
	return before
}

// shift moves the places from index first on.
func (m Moved) shift(first, by int) {
	for i := range m[first:] {
		m[first+i].Now += uint32(by)
	}
}

// hasLines says whether a module has a table of its source's lines.
func hasLines(m *wasm.Module) bool {
	has := func(name string) bool {
		return slices.ContainsFunc(m.Sections, func(s wasm.Section) bool { return s.ID == wasm.SectionCustom && s.Name == "custom "+name })
	}
	return has(".debug_line") && has(".debug_info")
}

// keep copies code, and notes where it came from.
func (w *writer) keep(from, to, body int) {
	w.note(from, body)
	w.raw(from, to)
}

// note notes that what is written next stands for what stood at that place of
// the file. body is where the function begins in the output.
func (w *writer) note(from, body int) {
	if !w.traced {
		return
	}
	p := Place{uint32(len(w.out) - body), uint32(from - w.origin)}
	if last := len(w.moved) - 1; last >= 0 && w.moved[last] == p {
		return
	}
	if len(w.moved) == maxMoved {
		w.moved, w.traced = nil, false
		return
	}
	w.moved = append(w.moved, p)
}

// offsetSections gives the rewritten module the least of DWARF 4 that has an
// engine tell the offsets of a trace's frames: one unit over all code with one
// line, of a file without a name. The engine shows "0x1f: ?:1" for a frame then,
// and [Moved] says what 0x1f was. The original's own sections are about code
// that is not there any more.
func (w *writer) offsetSections() {
	if !w.traced || w.err != nil {
		return
	}
	const (
		first = 1 // 0 would be a place that a linker removed
		last  = math.MaxInt32
	)
	u16, u32 := binary.LittleEndian.AppendUint16, binary.LittleEndian.AppendUint32
	custom := func(name string, content []byte) {
		w.section(wasm.SectionCustom, func() {
			w.out = wasm.AppendName(w.out, name)
			w.bytes(content...)
		})
	}
	// One abbreviation: a compile unit (0x11) without children that has
	// stmt_list, low_pc and high_pc.
	custom(".debug_abbrev", []byte{1, 0x11, 0, 0x10, 0x17, 0x11, 0x01, 0x12, 0x06, 0, 0, 0})
	unit := u16(nil, 4)                              // version
	unit = append(u32(unit, 0), 4, 1)                // abbreviations, size of an address, the first of them
	unit = u32(u32(u32(unit, 0), first), last-first) // stmt_list, low_pc, high_pc as a length
	custom(".debug_info", append(u32(nil, uint32(len(unit))), unit...))
	header := []byte{1, 1, 1, 1, 1, 10, 0, 1, 1, 1, 1, 0, 0, 0, 1} // of the line program: opcodes from 10 on are special
	header = append(header, 0, '?', 0, 0, 0, 0, 0)                 // no directories; one file
	program := append([]byte{0, 5, 2}, u32(nil, first)...)         // set_address
	program = append(program, 1)                                   // copy: a row
	program = append(wasm.AppendU32(append(program, 2), last-first), 0, 1, 1)
	lines := append(u32(u16(nil, 4), uint32(len(header))), append(header, program...)...)
	custom(".debug_line", append(u32(nil, uint32(len(lines))), lines...))
}
