package wasm

import "github.com/trama-run/trama/host/sandbox/wasm/opcode"

// Code walks through a function body and checks it: every opcode, index,
// alignment, lane and label, the balance of blocks, and the height of the
// operand stack, which is right where the types are. Use it so:
//
//	c := m.Code(0)
//	for c.Next() {
//		c.Op, c.At ...
//	}
//	return c.Err()
type Code struct {
	Op opcode.Op
	// At and End are where the instruction stands in the file.
	At, End int
	// Index is the instruction's first index: a function, global, type and so
	// on, or the depth of a label.
	Index uint32
	// Reachable says that control can get to the instruction.
	Reachable bool
	// Closed is, behind an end or else instruction, the block that it ends.
	Closed Block

	r       reader
	m       *Module
	locals  uint64
	blocks  []Block
	height  int // of the operand stack
	low     int // the least height while the instruction worked
	highest int
	targets uint32 // of all br_table instructions
	passed  int    // values, by the instruction
	calls   bool
	vectors bool // a type of a block or call until here has one
}

// Block is a block of instructions: the function's body, a block, loop or if.
type Block struct {
	Op       opcode.Op // [opcode.Block] for the body
	Targeted bool      // a branch goes to its label

	dead            bool // control does not get to what follows
	cut             bool // it stands in code that control can't reach
	params, results int
	base            int // operands below its parameters
}

// Code gives the instructions of the function that has body i.
func (m *Module) Code(i int) *Code {
	b := m.Bodies[i]
	t := m.Type(uint32(m.ImportedFunctions + i))
	c := &Code{
		r:      reader{data: m.Bytes, at: b.Code, end: b.End, place: "function", index: m.ImportedFunctions + i},
		m:      m,
		locals: uint64(len(t.Params)) + uint64(b.Locals),
		blocks: make([]Block, 1, 16),
	}
	c.blocks[0] = Block{Op: opcode.Block, results: len(t.Results)}
	return c
}

// check walks through a body and notes what it found out.
func (m *Module) check(i int) error {
	c := m.Code(i)
	b := &m.Bodies[i]
	t := m.Type(uint32(m.ImportedFunctions + i))
	b.Vectors = b.Vectors || t.vectors()
	m.passed += int64(len(t.Params) + len(t.Results))
	var keeps kept
	for c.Next() {
		if m.passed += int64(c.passed); m.passed > maxPassed {
			c.r.refuseAt(c.At, "blocks, calls and branches until here pass over %d values: the engine would take long to check their types", maxPassed)
			break
		}
		keeps.step(c)
		b.Vectors = b.Vectors || c.Op >= opcode.Vector || c.vectors ||
			c.Op == opcode.GlobalGet && m.Globals[c.Index].Type == V128
		if m.first[c.Op] == 0 {
			m.first[c.Op] = int32(c.At)
		}
	}
	b.Height, b.Calls, b.Kept = c.highest, c.calls, keeps.n
	return c.Err()
}

// Err gives what ended the walk, unless it came to the end of the body.
func (c *Code) Err() error { return c.r.err }

// Depth gives the number of blocks around what follows; 1 in the body itself.
func (c *Code) Depth() int { return len(c.blocks) }

// Live reports whether control can get to what follows.
func (c *Code) Live() bool {
	if len(c.blocks) == 0 {
		return false
	}
	top := c.blocks[len(c.blocks)-1]
	return !top.dead && !top.cut
}

// Next goes to the next instruction, and reports whether there is one.
func (c *Code) Next() bool {
	r := &c.r
	if len(c.blocks) == 0 {
		if r.err == nil && r.at != r.end {
			r.fail("%d bytes follow the end of the body", r.end-r.at)
		}
		return false
	}
	top := &c.blocks[len(c.blocks)-1]
	c.Reachable = !top.dead && !top.cut
	c.At = r.at
	c.Op = r.op()
	if r.err != nil {
		return false
	}
	c.passed, c.low = 0, c.height
	info := c.Op.Info()
	if info.Operand >= opcode.Control {
		return c.control(info)
	}
	c.plain(info)
	if c.height-int(info.Pops) < top.base {
		c.pop(int(info.Pops))
		c.push(int(info.Pushes))
	} else {
		c.low = c.height - int(info.Pops)
		c.height = c.low + int(info.Pushes)
		c.highest = max(c.highest, c.height)
	}
	c.End = r.at
	return r.err == nil
}

// control does what Next does for an instruction that depends on a type or
// moves control.
func (c *Code) control(info *opcode.Info) bool {
	r := &c.r
	t, arity := c.typed(info)
	c.passed += len(t.Params) + len(t.Results) + arity
	c.vectors = c.vectors || t.vectors()
	c.pop(int(info.Pops))
	c.push(int(info.Pushes))
	switch c.Op {
	case opcode.Block, opcode.Loop, opcode.If:
		c.open(t)
	case opcode.Else, opcode.End:
		c.close()
	case opcode.Br, opcode.BrTable:
		c.pop(arity)
		c.dead()
	case opcode.BrIf:
		c.pop(arity)
		c.push(arity)
	case opcode.Return:
		c.passed += c.blocks[0].results
		c.pop(c.blocks[0].results)
		c.dead()
	case opcode.Unreachable:
		c.dead()
	case opcode.Call, opcode.CallIndirect:
		c.calls = true
		c.pop(len(t.Params))
		c.push(len(t.Results))
	}
	c.End = r.at
	return r.err == nil
}

func (c *Code) pop(n int) {
	top := &c.blocks[len(c.blocks)-1]
	c.height -= n
	if c.height < top.base {
		if !top.dead {
			c.r.failAt(c.At, "%s has too few operands", c.Op)
		}
		c.height = top.base
	}
	c.low = min(c.low, c.height)
}

func (c *Code) push(n int) {
	c.height += n
	c.highest = max(c.highest, c.height)
}

// dead: control does not go on behind the instruction.
func (c *Code) dead() {
	top := &c.blocks[len(c.blocks)-1]
	top.dead = true
	c.height = top.base
	c.low = min(c.low, c.height)
}

func (c *Code) open(t Signature) {
	if len(c.blocks) > maxDepth {
		c.r.refuseAt(c.At, "blocks are nested over %d deep", maxDepth)
		return
	}
	c.pop(len(t.Params))
	c.blocks = append(c.blocks, Block{
		Op: c.Op, cut: !c.Reachable, params: len(t.Params), results: len(t.Results), base: c.height,
	})
	c.push(len(t.Params))
}

func (c *Code) close() {
	top := &c.blocks[len(c.blocks)-1]
	c.pop(top.results)
	if c.height != top.base {
		c.r.failAt(c.At, "%d operands are left over at the end of the block", c.height-top.base)
	}
	c.height = top.base
	c.Closed = *top
	if c.Op == opcode.Else {
		if top.Op != opcode.If {
			c.r.failAt(c.At, "else stands outside of an if")
		}
		top.Op, top.dead = opcode.Else, false
		c.push(top.params)
		return
	}
	c.blocks = c.blocks[:len(c.blocks)-1]
	c.push(c.Closed.results)
}

// label reads the depth of a block that a branch goes to, and gives the
// number of operands that go with it.
func (c *Code) label() (arity int) {
	depth := c.below("label", len(c.blocks))
	if c.r.err != nil {
		return 0
	}
	c.Index = depth
	b := &c.blocks[len(c.blocks)-1-int(depth)]
	b.Targeted = true
	if b.Op == opcode.Loop {
		return b.params
	}
	return b.results
}

// labels reads what br_table has: a vector of labels, and one more.
func (c *Code) labels() (arity int) {
	r := &c.r
	n := r.u32()
	if r.err == nil && int64(n) >= int64(r.end-r.at) {
		r.fail("%d labels go past the end", n)
		return 0
	}
	if c.targets += n; c.targets > maxTargets {
		r.refuseAt(c.At, "the function has br_table instructions with over %d labels", maxTargets)
	}
	for range n {
		if c.passed += c.label(); r.err != nil {
			return 0
		}
	}
	return c.label()
}

// below reads an index of something that exists n times.
func (c *Code) below(what string, n int) uint32 {
	i := c.r.u32()
	if int64(i) >= int64(n) {
		c.r.failAt(c.At, "%s: %s %d does not exist; there are %d", c.Op, what, i, n)
	}
	return i
}
