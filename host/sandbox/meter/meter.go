// Package meter rewrites a WebAssembly module so that the host can bound it.
//
// The rewritten module behaves as the original, and besides
//
//   - counts fuel in an exported global, and calls [TripModule]'s [TripName]
//     when that is below zero;
//   - counts the stack it takes in a second global, and calls the same
//     function when that is used up;
//   - runs nothing and copies no data when it is instantiated: its start
//     function is an export, its data segments are a result;
//   - exports every mutable global, so that an instance can be brought back
//     to a kept state;
//   - grows its tables to no more than [wasm.MaxTable] elements together.
//
// # Fuel
//
// Every instruction costs 1, but nop, block, loop, else and end cost nothing.
// Each basic block is charged when it begins, whole: so the count is exact and
// the same on every machine, except that a trap in the middle has paid for the
// rest of its block. Below zero is looked for where a function begins and
// where a loop goes round, so a guest overdraws by what stands between.
// memory.fill, copy and init cost 1 more for each [BytesPerFuel] bytes, the
// table instructions 1 for each element, memory.grow [FuelPerPage] for each
// page; they pay, and are stopped, before they run.
//
// # Stack
//
// A function that calls others, or has a large frame, takes from the stack
// what its frame is estimated at, and gives it back when it returns. A module
// that is written for it can take more than the estimate: see frame. After a
// trap the host must set both globals again.
//
// The package knows no engine and no ABI. The result is for an engine that
// validates it: Rewrite makes no invalid module valid, but does not check
// value types itself.
package meter

import (
	"fmt"
	"strings"

	"github.com/trama-run/trama/host/sandbox/wasm"
	"github.com/trama-run/trama/host/sandbox/wasm/opcode"
)

// The function that a rewritten module imports: (reason i32) -> ().
//
// With [ReasonFuel] it may return, after it has put fuel into the global: the
// guest goes on. If it returns with less than nothing, the guest goes on until
// it trips again. With [ReasonStack] it must not return.
const (
	TripModule = "trama:meter"
	TripName   = "trip"

	ReasonFuel  = 0
	ReasonStack = 1
)

// What a rewritten module exports. The host sets fuel and stack before each
// call, and before the start function.
const (
	ExportFuel   = "trama:fuel"  // global, i64: units left
	ExportStack  = "trama:stack" // global, i32: bytes left
	ExportStart  = "trama:start" // function, () -> ()
	exportGlobal = "trama:g"     // and the index of the global
)

// What bulk instructions cost.
const (
	BytesPerFuel = 8
	FuelPerPage  = 1024

	bytesShift = 3
	pageShift  = 10
)

// maxWasm is the size of a rewritten module. Real ones grow by a fifth to a
// third; one of empty loops alone grows fivefold.
const maxWasm = 4 * wasm.MaxModule

// Result is a rewritten module and what it no longer does by itself.
type Result struct {
	Wasm []byte
	// Globals are the mutable globals of the module by their exports, without
	// fuel and stack. With linear memory they are its state, if Fresh is empty.
	Globals []Global
	// Data is what the host must write into memory, in order, before anything
	// runs. One that does not fit makes the module impossible to instantiate.
	// Bytes share memory with the original file.
	Data []Segment
	// Start is the export to call after that; empty without a start function.
	Start string
	// Fresh says why an instance can't be brought back to a kept state by its
	// memory and globals alone; empty if it can.
	Fresh string
	// Moved says where code came from, for a module that has line tables.
	Moved Moved
}

// Global is an exported mutable global. Type is [wasm.I32], I64, F32 or F64.
type Global struct {
	Export string
	Type   byte
}

// Segment is data for linear memory.
type Segment struct {
	Offset uint32
	Bytes  []byte
}

// Rewrite gives the metered form of a module that [wasm.Parse] took. The same
// module gives the same bytes each time. An error says what the module has
// that can't be rewritten: a use of the names above, a data segment whose
// place depends on an import, tables over [wasm.MaxTable], or so many branches
// that it would grow over 64 MiB.
func Rewrite(m *wasm.Module) (Result, error) { return rewrite(m, true) }

// RewriteUncounted does everything but count fuel and stack: nothing bounds
// what the result does. It is there to measure what counting costs.
func RewriteUncounted(m *wasm.Module) (Result, error) { return rewrite(m, false) }

func rewrite(m *wasm.Module, counting bool) (Result, error) {
	if err := refuse(m); err != nil {
		return Result{}, err
	}
	w := writer{m: m, counting: counting, shift: uint32(m.ImportedFunctions), traced: hasLines(m)}
	w.fuel = uint32(len(m.Globals))
	w.stack = w.fuel + 1
	w.types()
	w.module()
	if w.err != nil {
		return Result{}, w.err
	}
	r := Result{Wasm: w.out, Globals: w.globals, Data: w.data, Fresh: fresh(m), Moved: w.moved}
	if m.Start >= 0 {
		r.Start = ExportStart
	}
	return r, nil
}

func refuse(m *wasm.Module) error {
	for i, im := range m.Imports {
		if strings.HasPrefix(im.Module, TripModule) {
			return fmt.Errorf("import %d %q: the module %q is the host's own", i, im.Module+"."+im.Name, TripModule)
		}
	}
	for i, e := range m.Exports {
		if strings.HasPrefix(e.Name, wasm.Reserved) {
			return fmt.Errorf("export %d %q: names that begin with %q are the host's", i, e.Name, wasm.Reserved)
		}
	}
	var elements uint64
	for i, t := range m.Tables[m.ImportedTables:] {
		if elements += uint64(t.Min); elements > wasm.MaxTable {
			return fmt.Errorf("tables up to %d start with %d elements, over the limit of %d", m.ImportedTables+i, elements, wasm.MaxTable)
		}
	}
	return nil
}

// fresh finds state that is neither memory nor a global which can be set.
// memory.init is none: it reads a segment and writes memory.
func fresh(m *wasm.Module) string {
	for _, op := range []opcode.Op{opcode.TableSet, opcode.TableGrow, opcode.TableFill, opcode.TableCopy, opcode.TableInit,
		opcode.ElemDrop, opcode.DataDrop} {
		if at, found := m.First(op); found {
			return fmt.Sprintf("it uses %s, at offset %d", op, at)
		}
	}
	for i, g := range m.Globals[m.ImportedGlobals:] {
		if g.Mutable && !settable(g.Type) {
			return fmt.Sprintf("its global %d is a mutable %s", m.ImportedGlobals+i, wasm.TypeName(g.Type))
		}
	}
	for _, im := range m.Imports {
		if im.Kind != "function" {
			return fmt.Sprintf("it imports the %s %q", im.Kind, im.Module+"."+im.Name)
		}
	}
	return ""
}

func settable(t byte) bool {
	return t == wasm.I32 || t == wasm.I64 || t == wasm.F32 || t == wasm.F64
}
