package wasm

// op reads an opcode of Core 2.
func (r *reader) op() Op {
	at := r.at
	op := Op(r.byte())
	if op < 0xfc && opcodes[op].name != "" {
		return op
	}
	if op == 0xfc || op == 0xfd {
		prefix, most := prefixMisc, uint32(0xff)
		if op == 0xfd {
			prefix, most = prefixVector, 0x1ff
		}
		code := r.u32()
		if code > most {
			r.failAt(at, "opcode 0x%02x 0x%x does not exist", byte(op), code)
			return 0
		}
		op = prefix + Op(code)
	}
	if r.err == nil && (int(op) >= opCount || opcodes[op].name == "") {
		if op.proposal() != "" {
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
func (c *Code) typed(info *opcode) (t Signature, arity int) {
	switch info.operand {
	case blockType:
		t = c.blockType()
	case label:
		arity = c.label()
	case labels:
		arity = c.labels()
	case functionIndex:
		c.Index = c.below("function", len(c.m.Functions))
		if c.r.err == nil {
			t = c.m.Type(c.Index)
		}
	case typeAndTable:
		c.Index = c.below("type", len(c.m.Types))
		c.below("table", len(c.m.Tables))
		if c.r.err == nil {
			t = c.m.Types[c.Index]
		}
	}
	return t, arity
}

// plain reads what stands behind any other instruction.
func (c *Code) plain(info *opcode) {
	r, m := &c.r, c.m
	switch info.operand {
	case none:
	case localIndex:
		if c.Index = r.u32(); uint64(c.Index) >= c.locals {
			r.failAt(c.At, "%s: local %d does not exist; there are %d", c.Op, c.Index, c.locals)
		}
	case globalIndex:
		c.Index = c.below("global", len(m.Globals))
	case i32Value:
		r.signed(32)
	case i64Value:
		r.signed(64)
	case bytes4:
		r.skip(4)
	case bytes8:
		r.skip(8)
	case bytes16:
		r.skip(16)
	case memory, memoryLane:
		c.memoryOperand(info)
	case lane:
		c.lane(info.most)
	case lanes16:
		for range 16 {
			c.lane(31) // of two vectors
		}
	case refType:
		r.refType()
	case valueTypes:
		if n := r.u32(); r.err == nil && n != 1 {
			r.failAt(c.At, "select has %d types, not one", n)
		}
		r.valueType()
	case declaredFunction:
		c.Index = c.below("function", len(m.Functions))
		if r.err == nil && (m.declared == nil || !m.declared[c.Index]) {
			r.failAt(c.At, "ref.func: function %d is not declared by an element, export or global", c.Index)
		}
	case zeroBytes:
		c.memoryZero()
		c.memoryZero()
	case zeroByte:
		c.memoryZero()
	default:
		c.segment(info)
	}
}

// segment reads the indexes of tables and segments.
func (c *Code) segment(info *opcode) {
	m := c.m
	switch info.operand {
	case dataIndex, dataAndZero:
		if c.r.err == nil && m.segments < 0 {
			c.r.failAt(c.At, "%s needs a data count section", c.Op)
		}
		c.Index = c.below("data segment", len(m.Data))
	case elementIndex, elementAndTable:
		c.Index = c.below("element segment", len(m.Elements))
	case tableIndex, tableAndTable:
		c.Index = c.below("table", len(m.Tables))
	}
	switch info.operand {
	case dataAndZero:
		c.memoryZero()
	case elementAndTable, tableAndTable:
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

func (c *Code) memoryOperand(info *opcode) {
	r := &c.r
	c.needMemory()
	if align := r.u32(); align > uint32(info.most) {
		if align >= 1<<6 && align < 1<<7 {
			r.refuseAt(c.At, "%s: multi-memory is a proposal that is not supported", c.Op)
		}
		r.failAt(c.At, "%s: alignment 2^%d is over the natural 2^%d", c.Op, align, info.most)
	}
	r.u32()
	if info.operand == memoryLane {
		c.lane(16>>info.most - 1)
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
