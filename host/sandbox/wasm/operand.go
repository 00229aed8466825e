package wasm

import "github.com/trama-run/trama/host/sandbox/wasm/opcode"

// op reads an opcode of Core 2.
func (r *reader) op() opcode.Op {
	at := r.at
	op := opcode.Op(r.byte())
	if op < 0xfc && op.Info().Name != "" {
		return op
	}
	if op == 0xfc || op == 0xfd {
		prefix, most := opcode.Misc, uint32(0xff)
		if op == 0xfd {
			prefix, most = opcode.Vector, 0x1ff
		}
		code := r.u32()
		if code > most {
			r.failAt(at, "opcode 0x%02x 0x%x does not exist", byte(op), code)
			return 0
		}
		op = prefix + opcode.Op(code)
	}
	if r.err == nil && op.Info().Name == "" {
		if op.Proposal() != "" {
			r.refuseAt(at, "%s belongs to a proposal that is not supported", op)
		} else {
			r.failAt(at, "%s does not exist", op)
		}
	}
	return op
}

// typed reads what stands behind an instruction that moves control. It gives
// the type of a block or of what is called, and the number of operands that a
// branch takes along.
func (c *Code) typed(info *opcode.Info) (t Signature, arity int) {
	switch info.Operand {
	case opcode.BlockType:
		t = c.blockType()
	case opcode.Label:
		arity = c.label()
	case opcode.Labels:
		arity = c.labels()
	case opcode.FunctionIndex:
		c.Index = c.below("function", len(c.m.Functions))
		if c.r.err == nil {
			t = c.m.Type(c.Index)
		}
	case opcode.TypeAndTable:
		c.Index = c.below("type", len(c.m.Types))
		c.below("table", len(c.m.Tables))
		if c.r.err == nil {
			t = c.m.Types[c.Index]
		}
	}
	return t, arity
}

// plain reads what stands behind any other instruction.
func (c *Code) plain(info *opcode.Info) {
	r, m := &c.r, c.m
	switch info.Operand {
	case opcode.NoOperand:
	case opcode.LocalIndex:
		if c.Index = r.u32(); uint64(c.Index) >= c.locals {
			r.failAt(c.At, "%s: local %d does not exist; there are %d", c.Op, c.Index, c.locals)
		}
	case opcode.GlobalIndex:
		c.Index = c.below("global", len(m.Globals))
	case opcode.I32Value:
		r.signed(32)
	case opcode.I64Value:
		r.signed(64)
	case opcode.Bytes4:
		r.skip(4)
	case opcode.Bytes8:
		r.skip(8)
	case opcode.Bytes16:
		r.skip(16)
	case opcode.Memory, opcode.MemoryLane:
		c.memoryOperand(info)
	case opcode.Lane:
		c.lane(info.Most)
	case opcode.Lanes16:
		for range 16 {
			c.lane(31) // of two vectors
		}
	case opcode.RefType:
		r.refType()
	case opcode.ValueTypes:
		if n := r.u32(); r.err == nil && n != 1 {
			r.failAt(c.At, "select has %d types, not one", n)
		}
		r.valueType()
	case opcode.DeclaredFunction:
		c.Index = c.below("function", len(m.Functions))
		if r.err == nil && (m.declared == nil || !m.declared[c.Index]) {
			r.failAt(c.At, "ref.func: function %d is not declared by an element, export or global", c.Index)
		}
	case opcode.ZeroBytes:
		c.memoryZero()
		c.memoryZero()
	case opcode.ZeroByte:
		c.memoryZero()
	default:
		c.segment(info)
	}
}

// segment reads the indexes of tables and segments.
func (c *Code) segment(info *opcode.Info) {
	m := c.m
	switch info.Operand {
	case opcode.DataIndex, opcode.DataAndZero:
		if c.r.err == nil && m.segments < 0 {
			c.r.failAt(c.At, "%s needs a data count section", c.Op)
		}
		c.Index = c.below("data segment", len(m.Data))
	case opcode.ElementIndex, opcode.ElementAndTable:
		c.Index = c.below("element segment", len(m.Elements))
	case opcode.TableIndex, opcode.TableAndTable:
		c.Index = c.below("table", len(m.Tables))
	}
	switch info.Operand {
	case opcode.DataAndZero:
		c.memoryZero()
	case opcode.ElementAndTable, opcode.TableAndTable:
		c.below("table", len(m.Tables))
	}
}

func (c *Code) lane(most byte) {
	if i := c.r.byte(); c.r.err == nil && i > most {
		c.r.failAt(c.At, "%s: lane %d does not exist; the last is %d", c.Op, i, most)
	}
}

// memoryZero reads the byte that names the only memory.
func (c *Code) memoryZero() {
	c.needMemory()
	if b := c.r.byte(); c.r.err == nil && b != 0 {
		c.r.refuseAt(c.At, "%s of memory 0x%x: multi-memory is a proposal that is not supported", c.Op, b)
	}
}

func (c *Code) needMemory() {
	if c.r.err == nil && len(c.m.Memories) == 0 {
		c.r.failAt(c.At, "%s: there is no memory", c.Op)
	}
}

func (c *Code) memoryOperand(info *opcode.Info) {
	r := &c.r
	c.needMemory()
	if align := r.u32(); align > uint32(info.Most) {
		if align >= 1<<6 && align < 1<<7 {
			r.refuseAt(c.At, "%s: multi-memory is a proposal that is not supported", c.Op)
		}
		r.failAt(c.At, "%s: alignment 2^%d is over the natural 2^%d", c.Op, align, info.Most)
	}
	r.u32()
	if info.Operand == opcode.MemoryLane {
		c.lane(16>>info.Most - 1)
	}
}

// blockType reads nothing (0x40), one result, or the index of a type.
func (c *Code) blockType() Signature {
	r := &c.r
	if r.err == nil && r.at < r.end && r.data[r.at]&0xc0 == 0x40 {
		b := r.byte()
		if b == 0x40 {
			return Signature{}
		}
		if TypeName(b) == "" {
			r.refuseAt(c.At, "%s: value type 0x%x belongs to a proposal that is not supported", c.Op, b)
		}
		return Signature{Results: string([]byte{b})}
	}
	i := r.signed(33)
	if r.err == nil && (i < 0 || i >= int64(len(c.m.Types))) {
		r.failAt(c.At, "%s: type %d does not exist; there are %d", c.Op, i, len(c.m.Types))
	}
	if r.err != nil {
		return Signature{}
	}
	return c.m.Types[i]
}
