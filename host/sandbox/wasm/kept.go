package wasm

import "github.com/trama-run/trama/host/sandbox/wasm/opcode"

// registers is how many values an engine may hold in registers, at most.
const registers = 16

// kept counts the operands of a body that an engine must keep in memory: those
// below the arguments of a call, and those that are too many for its
// registers. A compiler may give each a place of its own, so two that are
// never alive at once count twice. Locals are not followed.
type kept struct {
	n        int
	operands int // of the stack, from its bottom, that are counted
}

// step is told of each instruction.
func (k *kept) step(c *Code) {
	k.operands = min(k.operands, c.low)
	if c.Reachable && (c.Op == opcode.Call || c.Op == opcode.CallIndirect) {
		k.count(c.low)
	}
	k.count(c.height - registers)
}

// count sees to it that so many operands are counted, from the bottom.
func (k *kept) count(operands int) {
	if operands > k.operands {
		k.n += operands - k.operands
		k.operands = operands
	}
}
