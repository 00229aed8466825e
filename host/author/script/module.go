package script

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/trama-run/trama/host/sandbox/wasm"
	"github.com/trama-run/trama/host/sandbox/wasm/opcode"
	"github.com/trama-run/trama/pdk/abi"
)

// writer makes the plugin's module of the engine's: the same code and tables;
// the image as data and globals; an export for each operation; and none of the
// imports that the program can't reach, in whose place stand functions that
// trap. So functions have new indexes: first the imports that are kept, then
// those of the engine in their order, then the exports, then the traps.
type writer struct {
	m          *wasm.Module
	image      image
	operations []string
	out        []byte

	kept      []int // imports, by their index in the engine
	signature []wasm.Signature
	index     []uint32 // of each of the engine's functions
	traps     []int    // imports that are taken out
	call      uint32   // the engine's call, by its new index
}

// kept are the engine's exports that stay as they are.
var kept = [...]string{exportMemory, abi.ExportInput, abi.ExportOutput}

// reserved reports whether an operation can't have the name.
func reserved(name string) bool { return slices.Contains(kept[:], name) }

// write gives the module of a plugin. host has the names of the functions of
// trama:host/v1 that its program may call.
func write(engine *wasm.Module, image image, operations []string, host map[string]bool) ([]byte, error) {
	w := &writer{m: engine, image: image, operations: operations, signature: slices.Clone(engine.Types)}
	if err := w.plan(host); err != nil {
		return nil, err
	}
	w.out = append(w.out, "\x00asm\x01\x00\x00\x00"...)
	code, err := w.code()
	if err != nil {
		return nil, err
	}
	w.section(wasm.SectionType, w.types())
	w.section(wasm.SectionImport, w.imports())
	w.section(wasm.SectionFunction, w.functions())
	w.copy(wasm.SectionTable)
	w.section(wasm.SectionMemory, w.memory())
	w.section(wasm.SectionGlobal, w.globals())
	w.section(wasm.SectionExport, w.exports())
	elements, err := w.elements()
	if err != nil {
		return nil, err
	}
	w.section(wasm.SectionElement, elements)
	w.section(wasm.SectionCode, code)
	w.section(wasm.SectionData, w.data())
	w.section(wasm.SectionCustom, w.names())
	return w.out, nil
}

// plan decides on the indexes.
func (w *writer) plan(host map[string]bool) error {
	for i, im := range w.m.Imports {
		blocks := im.Name == abi.BlockRead || im.Name == abi.BlockWrite
		if im.Module != abi.ModuleTrama || host[im.Name] || blocks && len(host) > 0 {
			w.kept = append(w.kept, i)
		} else {
			w.traps = append(w.traps, i)
		}
	}
	w.index = make([]uint32, len(w.m.Functions))
	behind := len(w.kept) + len(w.m.Bodies) + len(w.operations)
	for at, i := range w.kept {
		w.index[i] = uint32(at)
	}
	for at, i := range w.traps {
		w.index[i] = uint32(behind + at)
	}
	for i := range w.m.Bodies {
		w.index[w.m.ImportedFunctions+i] = uint32(len(w.kept) + i)
	}
	for _, e := range w.m.Exports {
		if e.Name == exportCall && e.Signature == "(i32) -> i32" {
			w.call = w.index[e.Index]
			return nil
		}
	}
	return fmt.Errorf("it has no export %q (i32) -> i32", exportCall)
}

// typeOf finds or adds a type.
func (w *writer) typeOf(s wasm.Signature) uint32 {
	i := slices.Index(w.signature, s)
	if i < 0 {
		i = len(w.signature)
		w.signature = append(w.signature, s)
	}
	return uint32(i)
}

func (w *writer) operationType() uint32 {
	return w.typeOf(wasm.Signature{Results: string([]byte{wasm.I32})})
}

func (w *writer) types() []byte {
	w.operationType()
	b := number(nil, len(w.signature))
	for _, s := range w.signature {
		b = wasm.AppendName(wasm.AppendName(append(b, 0x60), s.Params), s.Results)
	}
	return b
}

func (w *writer) imports() []byte {
	b := number(nil, len(w.kept))
	for _, i := range w.kept {
		im := w.m.Imports[i]
		b = append(wasm.AppendName(wasm.AppendName(b, im.Module), im.Name), 0)
		b = number(b, int(w.m.Functions[i]))
	}
	return b
}

func (w *writer) functions() []byte {
	b := number(nil, len(w.m.Bodies)+len(w.operations)+len(w.traps))
	for _, t := range w.m.Functions[w.m.ImportedFunctions:] {
		b = number(b, int(t))
	}
	for range w.operations {
		b = number(b, int(w.operationType()))
	}
	for _, i := range w.traps {
		b = number(b, int(w.m.Functions[i]))
	}
	return b
}

func (w *writer) memory() []byte {
	pages := len(w.image.memory) / pageSize
	if limits := w.m.Memories[0].Limits; limits.HasMax {
		return number(number([]byte{1, 1}, pages), int(limits.Max))
	}
	return number([]byte{1, 0}, pages)
}

const pageSize = 65536

func (w *writer) globals() []byte {
	b := number(nil, len(w.m.Globals))
	for i, g := range w.m.Globals {
		if !g.Mutable {
			b = append(append(b, g.Type, 0), w.m.Bytes[g.Init.Start:g.Init.End]...)
			continue
		}
		b = append(b, g.Type, 1)
		value := w.image.globals[uint32(i)]
		switch g.Type {
		case wasm.I32:
			b = wasm.AppendS64(append(b, 0x41), int64(int32(value)))
		case wasm.I64:
			b = wasm.AppendS64(append(b, 0x42), int64(value))
		case wasm.F32:
			b = binary.LittleEndian.AppendUint32(append(b, 0x43), uint32(value))
		case wasm.F64:
			b = binary.LittleEndian.AppendUint64(append(b, 0x44), value)
		}
		b = append(b, 0x0b)
	}
	return b
}

func (w *writer) exports() []byte {
	var b []byte
	n := 0
	for _, e := range w.m.Exports {
		if !slices.Contains(kept[:], e.Name) {
			continue
		}
		n++
		if e.Kind == "memory" {
			b = number(append(wasm.AppendName(b, e.Name), 2), int(e.Index))
		} else {
			b = number(append(wasm.AppendName(b, e.Name), 0), int(w.index[e.Index]))
		}
	}
	for i, name := range w.operations {
		n++
		b = number(append(wasm.AppendName(b, name), 0), w.entry(i))
	}
	return append(number(nil, n), b...)
}

// entry gives the function of an operation.
func (w *writer) entry(i int) int { return len(w.kept) + len(w.m.Bodies) + i }

func (w *writer) elements() ([]byte, error) {
	b := number(nil, len(w.m.Elements))
	for i, e := range w.m.Elements {
		if e.Flags != 0 || e.Offset.Op != opcode.I32Const {
			return nil, fmt.Errorf("element segment %d has a form that the builder does not write", i)
		}
		b = append(append(b, 0), w.m.Bytes[e.Offset.Start:e.Offset.End]...)
		b = number(b, len(e.Functions))
		for _, f := range e.Functions {
			b = number(b, int(w.index[f]))
		}
	}
	return b, nil
}

// code copies the engine's bodies with the new indexes in their calls.
func (w *writer) code() ([]byte, error) {
	b := number(make([]byte, 0, len(w.m.Bytes)), len(w.m.Bodies)+len(w.operations)+len(w.traps))
	var body []byte
	for i, from := range w.m.Bodies {
		body = body[:0]
		copied := from.Start
		c := w.m.Code(i)
		for c.Next() {
			switch c.Op {
			case opcode.Call:
				body = append(body, w.m.Bytes[copied:c.At]...)
				body = number(append(body, byte(opcode.Call)), int(w.index[c.Index]))
				copied = c.End
			case opcode.RefFunc:
				return nil, fmt.Errorf("function %d has ref.func, which the builder does not write", w.m.ImportedFunctions+i)
			}
		}
		if err := c.Err(); err != nil {
			return nil, err
		}
		body = append(body, w.m.Bytes[copied:from.End]...)
		b = append(number(b, len(body)), body...)
	}
	for i := range w.operations {
		body = wasm.AppendS64(append(body[:0], 0, 0x41), int64(i)) // no locals; i32.const i
		body = append(number(append(body, byte(opcode.Call)), int(w.call)), 0x0b)
		b = append(number(b, len(body)), body...)
	}
	for range w.traps {
		b = append(b, 3, 0, 0x00, 0x0b) // no locals; unreachable
	}
	return b, nil
}

// gap is how many zero bytes may stand within a data segment, since a segment
// of its own takes as many.
const gap = 12

// data gives the image as segments without its zeros.
func (w *writer) data() []byte {
	var b []byte
	n, memory := 0, w.image.memory
	for start := 0; start < len(memory); {
		if memory[start] == 0 {
			start++
			continue
		}
		end := start + 1 // behind the last byte that is not zero
		for at := end; at < len(memory) && at-end <= gap; at++ {
			if memory[at] != 0 {
				end = at + 1
			}
		}
		n++
		b = append(wasm.AppendS64(append(b, 0, 0x41), int64(int32(start))), 0x0b)
		b = append(number(b, end-start), memory[start:end]...)
		start = end
	}
	return append(number(nil, n), b...)
}

// engineName is how the names of the engine's functions begin in a plugin, as do
// those of other languages' PDKs: where one of them stops, the fault is not.
const engineName = "trama:"

// names gives the section with the functions' names, for stack traces.
func (w *writer) names() []byte {
	named := map[uint32]string{}
	for i, name := range functionNames(w.m) {
		if int(i) < len(w.index) {
			named[w.index[i]] = engineName + name
		}
	}
	for i, name := range w.operations {
		named[uint32(w.entry(i))] = name
	}
	var list []byte
	n := 0
	for i := range uint32(len(w.index) + len(w.operations)) {
		if name := named[i]; name != "" {
			list = wasm.AppendName(number(list, int(i)), name)
			n++
		}
	}
	list = append(number(nil, n), list...)
	return append(number(append(wasm.AppendName(nil, "name"), 1), len(list)), list...)
}

func (w *writer) section(id byte, contents []byte) {
	w.out = append(number(append(w.out, id), len(contents)), contents...)
}

func (w *writer) copy(id byte) {
	if contents, found := w.m.Section(id); found {
		w.section(id, contents)
	}
}
