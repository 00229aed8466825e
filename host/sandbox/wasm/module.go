// Package wasm reads WebAssembly Core 2 modules and says whether they may be
// plugins.
//
// [Parse] takes the binary format apart and checks what can be checked
// without types: every index, every opcode and its immediates, the balance of
// blocks and the height of the operand stack. Instructions of later proposals
// are refused by name. [Verify] then holds the module against the host's
// rules: its caps, and the functions which it offers. [Inspect] does both.
// [Module.Code] walks through a function body, instruction by instruction.
//
// A Module holds positions in the file, not copies. Value types are checked
// by the engine that compiles the module; this package runs nothing, and does
// not know the plugin ABI: what the host offers is a parameter.
package wasm

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/trama-run/trama/host/sandbox/wasm/opcode"
)

// Module is a parsed module. Its slices share memory with the file.
type Module struct {
	Bytes    []byte // the file
	Sections []Section
	Types    []Signature
	Imports  []Import
	// Functions has the type of each function, the imported ones first.
	Functions []uint32
	// ImportedFunctions, ImportedTables and ImportedGlobals count what stands
	// first in Functions, Tables and Globals.
	ImportedFunctions, ImportedTables, ImportedGlobals int
	Tables                                             []Table
	Memories                                           []Memory // one at most
	Globals                                            []Global
	Exports                                            []Export
	Start                                              int64 // function index; -1 without one
	Elements                                           []Element
	Bodies                                             []Body // of the functions after the imported ones
	Data                                               []Data

	declared []bool              // functions which ref.func may name
	first    [opcode.Count]int32 // where an opcode stands first; 0 if nowhere
	passed   int64               // values; see maxPassed
	segments int64               // as the data count section has it; -1 without one
}

// Section is one section of the file. A custom section has its own name.
type Section struct {
	ID     byte   `json:"-"`
	Name   string `json:"name"`
	Offset int64  `json:"offset"` // of the contents
	Bytes  int64  `json:"bytes"`
}

// Import is one import. Signature is empty for anything but a function.
type Import struct {
	Module    string `json:"module"`
	Name      string `json:"name"`
	Signature string `json:"signature"` // "(i64, i32) -> i64"
	Kind      string `json:"-"`         // function, table, memory, global

	signature Signature
	offset    int
}

// Export is one export. Signature is empty for anything but a function.
type Export struct {
	Name      string `json:"name"`
	Kind      string `json:"kind"` // function, table, memory, global
	Signature string `json:"signature,omitempty"`
	Index     uint32 `json:"-"` // among functions, tables and so on

	offset int
}

// Callable reports whether the host can call it: it is a function () -> i32.
func (e Export) Callable() bool { return e.Signature == "() -> i32" }

// Limits are those of a table, in elements, or of a memory, in pages.
type Limits struct {
	Min, Max uint32
	HasMax   bool
}

// Table is a table's type.
type Table struct {
	Type byte // [FuncRef] or [ExternRef]
	Limits
	offset int
}

// Memory is a memory's type, in pages of 64 KiB.
type Memory struct {
	Limits
	offset int
}

// Global is a global. An imported one has no Init.
type Global struct {
	Type    byte
	Mutable bool
	Init    Expr
}

// Expr is a constant expression: one instruction and its end.
type Expr struct {
	Start, End int // in the file, the end instruction included
	Op         opcode.Op
	Value      int64 // of i32.const and i64.const; an index for ref.func and global.get
}

// Element is an element segment. Functions holds what its elements are, or
// Exprs does.
type Element struct {
	Mode      SegmentMode
	Flags     uint32 // the form, as in the binary format
	Table     uint32
	Offset    Expr // of active ones
	Type      byte
	Functions []uint32
	Exprs     []Expr
}

// Data is a data segment.
type Data struct {
	Mode   SegmentMode
	Offset Expr // of active ones
	Bytes  []byte
}

// SegmentMode says when a segment is copied.
type SegmentMode byte

// The modes: at instantiation, by an instruction, never.
const (
	Active SegmentMode = iota
	Passive
	Declarative
)

// Body is a function's body.
type Body struct {
	Start, End int // of the locals and the code, in the file
	Code       int // where the code starts
	Groups     int // where the groups of locals start, after their count
	GroupCount uint32
	Locals     uint32 // without the parameters
	Height     int    // the most operands that the body has on its stack
	Kept       int    // operands that an engine may have to keep in memory, with a place for each
	Calls      bool   // it has a call instruction
	Vectors    bool   // it may have vectors among its values
}

// Type gives the signature of a function.
func (m *Module) Type(function uint32) Signature { return m.Types[m.Functions[function]] }

// First gives where an instruction stands first in the file, and whether it
// stands anywhere in a body.
func (m *Module) First(op opcode.Op) (offset int, found bool) {
	return int(m.first[op]), m.first[op] != 0
}

// Section gives the contents of the section with that id, and whether there
// is one. Custom sections are not found by their id.
func (m *Module) Section(id byte) ([]byte, bool) {
	for _, s := range m.Sections {
		if s.ID == id && id != 0 {
			return m.Bytes[s.Offset : s.Offset+s.Bytes], true
		}
	}
	return nil, false
}

// Info is what a module shows without being run.
type Info struct {
	SHA256   string    `json:"sha256"` // hex
	Size     int64     `json:"size"`
	Imports  []Import  `json:"imports"`
	Exports  []Export  `json:"exports"`
	Sections []Section `json:"sections"`
	// MemoryMin is the linear memory in bytes that the module starts with.
	MemoryMin int64 `json:"memory_min"`
	// Functions counts those that the module defines.
	Functions int `json:"functions"`
	// Start says that the module runs code when it is instantiated. It runs
	// under the limits of a call.
	Start bool `json:"start,omitempty"`
}

// Info sums the module up. After an error it has what was read until there.
func (m *Module) Info() Info {
	sum := sha256.Sum256(m.Bytes)
	info := Info{
		SHA256: hex.EncodeToString(sum[:]), Size: int64(len(m.Bytes)),
		Imports: m.Imports, Exports: m.Exports, Sections: m.Sections,
		Functions: len(m.Functions) - m.ImportedFunctions, Start: m.Start >= 0,
	}
	if len(m.Memories) > 0 {
		info.MemoryMin = int64(m.Memories[0].Min) * pageSize
	}
	return info
}

// ModuleError says why a file is not acceptable as a plugin.
type ModuleError struct {
	Stage  string // [StageParse] or [StageVerify]
	Offset int64  // in the file
	Place  string // such as `import 3 "env.abort"`
	Reason string
}

// Error gives all four.
func (e *ModuleError) Error() string {
	return fmt.Sprintf("%s: %s at offset %d: %s", e.Stage, e.Place, e.Offset, e.Reason)
}

// Stages of [ModuleError].
const (
	StageParse  = "parse"  // not a sound module
	StageVerify = "verify" // a sound one that the host does not take
)
