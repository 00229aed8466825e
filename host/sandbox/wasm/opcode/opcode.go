// Package opcode has the instructions of WebAssembly Core 2 as a table: their
// names, what follows them in the binary format, and what they pop and push.
package opcode

import "fmt"

// Op is an instruction: its opcode, or behind a prefix byte the opcode plus
// 0x100 (prefix 0xfc) or 0x200 (prefix 0xfd, vectors).
type Op uint16

// Where the opcodes behind a prefix start, and how many there are in all,
// gaps included.
const (
	Misc   Op = 0x100
	Vector Op = 0x200
	Count     = 0x300
)

// The instructions that are handled one by one; [Op.String] names all.
const (
	Unreachable  Op = 0x00
	Nop          Op = 0x01
	Block        Op = 0x02
	Loop         Op = 0x03
	If           Op = 0x04
	Else         Op = 0x05
	End          Op = 0x0b
	Br           Op = 0x0c
	BrIf         Op = 0x0d
	BrTable      Op = 0x0e
	Return       Op = 0x0f
	Call         Op = 0x10
	CallIndirect Op = 0x11
	GlobalGet    Op = 0x23
	TableSet     Op = 0x26
	MemoryGrow   Op = 0x40
	I32Const     Op = 0x41
	I64Const     Op = 0x42
	F32Const     Op = 0x43
	F64Const     Op = 0x44
	RefNull      Op = 0xd0
	RefFunc      Op = 0xd2
	MemoryInit   Op = Misc + 8
	DataDrop     Op = Misc + 9
	MemoryCopy   Op = Misc + 10
	MemoryFill   Op = Misc + 11
	TableInit    Op = Misc + 12
	ElemDrop     Op = Misc + 13
	TableCopy    Op = Misc + 14
	TableGrow    Op = Misc + 15
	TableFill    Op = Misc + 17
	V128Const    Op = Vector + 12
)

// String gives the name in the text format, or that of the proposal to which
// the opcode belongs.
func (op Op) String() string {
	if int(op) < Count && infos[op].Name != "" {
		return infos[op].Name
	}
	code := fmt.Sprintf("opcode 0x%02x", uint16(op))
	switch {
	case op >= Vector:
		code = fmt.Sprintf("opcode 0xfd 0x%02x", uint16(op-Vector))
	case op >= Misc:
		code = fmt.Sprintf("opcode 0xfc 0x%02x", uint16(op-Misc))
	}
	if p := op.Proposal(); p != "" {
		return code + " (" + p + ")"
	}
	return code
}

// Proposal names the proposal that an opcode outside of Core 2 belongs to; it
// is empty if there is none.
func (op Op) Proposal() string {
	switch {
	case op >= 0x06 && op <= 0x0a, op == 0x18, op == 0x19, op == 0x1f:
		return "exception handling"
	case op == 0x12, op == 0x13:
		return "tail calls"
	case op == 0x14, op == 0x15, op >= 0xd4 && op <= 0xd6:
		return "function references"
	case op == 0xd3, op == 0xfb:
		return "garbage collection"
	case op >= 0xe0 && op <= 0xe6:
		return "stack switching"
	case op == 0xfe:
		return "threads"
	case op == Misc+0x12:
		return "memory control"
	case op >= Misc+0x13 && op <= Misc+0x16:
		return "wide arithmetic"
	case op >= Count && op < Count+0x100:
		return "relaxed SIMD"
	}
	return ""
}

// Info describes one instruction. Without a Name there is none.
type Info struct {
	Name    string
	Operand Operand
	// Most is the greatest alignment, as a power of 2, or the greatest lane.
	Most byte
	// Pops and Pushes leave out what depends on a type: the parameters and
	// results of blocks, branches and calls.
	Pops, Pushes int8
}

// Info gives what is known of an opcode; of one past [Count], nothing. It is a
// part of the table, to be read only: walks through code ask millions of times.
func (op Op) Info() *Info {
	if op >= Count {
		return &infos[0xff] // which is none
	}
	return &infos[op]
}

// Operand says what follows an opcode.
type Operand byte

// The operands. Those from Control on belong to instructions that move control
// or depend on a function's type.
const (
	NoOperand Operand = iota
	ValueTypes
	LocalIndex
	GlobalIndex
	TableIndex
	Memory // alignment and offset
	MemoryLane
	ZeroByte
	ZeroBytes
	I32Value
	I64Value
	Bytes4
	Bytes8
	Bytes16
	Lane
	Lanes16
	RefType
	DeclaredFunction
	DataAndZero
	DataIndex
	ElementAndTable
	ElementIndex
	TableAndTable

	Control // nothing follows
	BlockType
	Label
	Labels
	FunctionIndex
	TypeAndTable
)
