package meter

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/trama-run/trama/host/sandbox/wasm"
	"github.com/trama-run/trama/host/sandbox/wasm/opcode"
)

// writer makes the rewritten module, section by section, in their order.
type writer struct {
	m     *wasm.Module
	shift uint32 // functions from this index on move up by one
	fuel  uint32 // indexes of the two globals
	stack uint32

	counting bool
	traced   bool // moved is wanted
	origin   int  // of the code section's contents, in the file

	out     []byte
	moved   Moved
	globals []Global
	data    []Segment
	err     error

	signatures []wasm.Signature // those of the module and those added
	index      map[wasm.Signature]uint32
	body       body
}

func (w *writer) module() {
	w.out = make([]byte, 0, len(w.m.Bytes)+len(w.m.Bytes)/2)
	w.out = append(w.out, "\x00asm\x01\x00\x00\x00"...)
	w.section(wasm.SectionType, w.typeSection)
	w.section(wasm.SectionImport, w.importSection)
	w.copy(wasm.SectionFunction)
	w.section(wasm.SectionTable, w.tableSection)
	w.copy(wasm.SectionMemory)
	w.section(wasm.SectionGlobal, w.globalSection)
	w.section(wasm.SectionExport, w.exportSection)
	w.section(wasm.SectionElement, w.elementSection)
	if w.keepsData() {
		w.section(wasm.SectionDataCount, func() { w.u32(uint32(len(w.m.Data))) })
	}
	if len(w.m.Bodies) > 0 {
		w.section(wasm.SectionCode, w.codeSection)
	}
	w.section(wasm.SectionData, w.dataSection)
	w.nameSection()
	w.offsetSections()
}

// section writes a section, unless it has no contents.
func (w *writer) section(id byte, contents func()) {
	start := len(w.out)
	w.bytes(id)
	if w.sized(contents) == 0 {
		w.out = w.out[:start]
	}
}

// sized writes contents behind their length, which it gives.
func (w *writer) sized(contents func()) int {
	start := len(w.out)
	w.bytes(make([]byte, binary.MaxVarintLen32)...)
	behind := len(w.out)
	contents()
	n := len(w.out) - behind
	front := wasm.AppendU32(w.out[:start], uint32(n))
	w.out = append(front, w.out[behind:]...)
	return n
}

func (w *writer) copy(id byte) {
	if content, found := w.m.Section(id); found {
		w.section(id, func() { w.out = append(w.out, content...) })
	}
}

func (w *writer) u32(v uint32)     { w.out = wasm.AppendU32(w.out, v) }
func (w *writer) bytes(b ...byte)  { w.out = append(w.out, b...) }
func (w *writer) raw(from, to int) { w.out = append(w.out, w.m.Bytes[from:to]...) }

// function gives the new index of a function.
func (w *writer) function(i uint32) uint32 {
	if i >= w.shift {
		return i + 1
	}
	return i
}

// types finds or adds the types that the rewritten module needs: that of
// trip, and those of blocks with several results around a body.
func (w *writer) types() {
	w.signatures = slices.Clone(w.m.Types)
	w.index = map[wasm.Signature]uint32{}
	for i, s := range w.signatures {
		w.index[s] = uint32(i)
	}
	w.needType(tripType())
	for _, t := range w.m.Functions[w.m.ImportedFunctions:] {
		if s := w.m.Types[t]; len(s.Results) > 1 {
			w.needType(wasm.Signature{Results: s.Results})
		}
	}
}

func (w *writer) needType(s wasm.Signature) {
	if _, found := w.index[s]; !found {
		w.index[s] = uint32(len(w.signatures))
		w.signatures = append(w.signatures, s)
	}
}

func tripType() wasm.Signature { return wasm.Signature{Params: string([]byte{wasm.I32})} }

func (w *writer) typeSection() {
	w.u32(uint32(len(w.signatures)))
	for _, s := range w.signatures {
		w.bytes(0x60)
		w.out = wasm.AppendName(w.out, s.Params)
		w.out = wasm.AppendName(w.out, s.Results)
	}
}

// importSection puts trip behind the imports of the module.
func (w *writer) importSection() {
	w.u32(uint32(len(w.m.Imports)) + 1)
	if content, found := w.m.Section(wasm.SectionImport); found {
		entries, _ := skipU32(content)
		w.bytes(entries...)
	}
	w.out = wasm.AppendName(wasm.AppendName(w.out, TripModule), TripName)
	w.bytes(0)
	w.u32(w.index[tripType()])
}

// tableSection gives each table that may grow an equal part of what is left of
// [wasm.MaxTable].
func (w *writer) tableSection() {
	tables := w.m.Tables[w.m.ImportedTables:]
	if len(tables) == 0 {
		return
	}
	left, growing := uint32(wasm.MaxTable), uint32(0)
	for _, t := range tables {
		left -= t.Min // refuse has seen to it that there is as much
		if !t.HasMax || t.Max > t.Min {
			growing++
		}
	}
	w.u32(uint32(len(tables)))
	for _, t := range tables {
		most := t.Min + left/max(growing, 1)
		if t.HasMax {
			most = min(most, t.Max)
		}
		w.bytes(t.Type, 1)
		w.u32(t.Min)
		w.u32(most)
	}
}

// globalSection adds fuel and stack, and finds what must be exported.
func (w *writer) globalSection() {
	globals := w.m.Globals[w.m.ImportedGlobals:]
	w.u32(uint32(len(globals)) + 2)
	for i, g := range globals {
		w.bytes(g.Type, 0)
		if g.Mutable {
			w.out[len(w.out)-1] = 1
		}
		w.expr(g.Init)
		if g.Mutable && settable(g.Type) {
			w.globals = append(w.globals, Global{exportGlobal + strconv.Itoa(w.m.ImportedGlobals+i), g.Type})
		}
	}
	w.bytes(wasm.I64, 1, 0x42, 0, 0x0b)
	w.bytes(wasm.I32, 1, 0x41, 0, 0x0b)
}

func (w *writer) expr(e wasm.Expr) {
	if e.Op == opcode.RefFunc {
		w.bytes(byte(opcode.RefFunc))
		w.u32(w.function(uint32(e.Value)))
		w.bytes(0x0b)
		return
	}
	w.raw(e.Start, e.End)
}

func (w *writer) exportSection() {
	n := len(w.m.Exports) + len(w.globals) + 2
	if w.m.Start >= 0 {
		n++
	}
	w.u32(uint32(n))
	export := func(name string, kind byte, index uint32) {
		w.out = wasm.AppendName(w.out, name)
		w.bytes(kind)
		w.u32(index)
	}
	for _, e := range w.m.Exports {
		switch e.Kind {
		case "function":
			export(e.Name, 0, w.function(e.Index))
		case "table":
			export(e.Name, 1, e.Index)
		case "memory":
			export(e.Name, 2, e.Index)
		case "global":
			export(e.Name, 3, e.Index)
		}
	}
	if w.m.Start >= 0 {
		export(ExportStart, 0, w.function(uint32(w.m.Start)))
	}
	export(ExportFuel, 3, w.fuel)
	export(ExportStack, 3, w.stack)
	next := 0
	for i, g := range w.m.Globals {
		if i >= w.m.ImportedGlobals && g.Mutable && settable(g.Type) {
			export(w.globals[next].Export, 3, uint32(i))
			next++
		}
	}
}

func (w *writer) elementSection() {
	if len(w.m.Elements) == 0 {
		return
	}
	w.u32(uint32(len(w.m.Elements)))
	for _, e := range w.m.Elements {
		w.u32(e.Flags)
		if e.Mode == wasm.Active {
			if e.Flags&2 != 0 {
				w.u32(e.Table)
			}
			w.expr(e.Offset)
		}
		switch {
		case e.Flags&3 == 0:
		case e.Flags&4 != 0:
			w.bytes(e.Type)
		default:
			w.bytes(0)
		}
		w.u32(uint32(len(e.Functions) + len(e.Exprs)))
		for _, f := range e.Functions {
			w.u32(w.function(f))
		}
		for _, x := range e.Exprs {
			w.expr(x)
		}
	}
}

// keepsData: instructions name data segments, so these must keep their places.
func (w *writer) keepsData() bool {
	_, initialises := w.m.First(opcode.MemoryInit)
	_, drops := w.m.First(opcode.DataDrop)
	return initialises || drops
}

// dataSection turns active segments into empty passive ones, which is what
// they are after an instantiation, and gives their contents to the host.
func (w *writer) dataSection() {
	keep := w.keepsData()
	if keep {
		w.u32(uint32(len(w.m.Data)))
	}
	for i, d := range w.m.Data {
		contents := d.Bytes
		if d.Mode == wasm.Active {
			if d.Offset.Op != opcode.I32Const {
				w.err = fmt.Errorf("data segment %d: its offset is %s, so its place depends on an import", i, d.Offset.Op)
				return
			}
			w.data = append(w.data, Segment{uint32(d.Offset.Value & math.MaxUint32), d.Bytes})
			contents = nil
		}
		if keep {
			w.bytes(1)
			w.u32(uint32(len(contents)))
			w.bytes(contents...)
		}
	}
}

// nameSection keeps the names of functions, for stack traces. All other custom
// sections describe the module as it was, and go. A name section that can't be
// read goes too: WebAssembly lets no custom section make a module invalid.
func (w *writer) nameSection() {
	for _, s := range w.m.Sections {
		if s.ID != wasm.SectionCustom || s.Name != "custom name" {
			continue
		}
		_, content, _ := sized(w.m.Bytes[s.Offset : s.Offset+s.Bytes])
		if names, ok := functionNames(content, w.function); ok {
			w.section(wasm.SectionCustom, func() {
				w.out = wasm.AppendName(w.out, "name")
				w.bytes(1)
				w.u32(uint32(len(names)))
				w.bytes(names...)
			})
		}
		return
	}
}
