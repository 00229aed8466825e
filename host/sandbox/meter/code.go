package meter

import (
	"fmt"

	"github.com/trama-run/trama/host/sandbox/wasm"
	"github.com/trama-run/trama/host/sandbox/wasm/opcode"
)

// edit is a place in a body where bytes are put in, or instead of others.
type edit struct {
	at   int // in the file
	skip int // bytes that are left out
	kind editKind
	n    uint32
}

type editKind byte

const (
	charge      editKind = iota // n units of fuel
	chargeCheck                 // the same, then a look whether any is left
	branch                      // br n, for return
	call                        // call n
	refFunc                     // ref.func n
	bulk                        // units for the number on top of the stack, shifted by n
	grow                        // the same, shifted the other way
)

// body is what plan finds out about one function.
type body struct {
	edits   []edit
	open    int  // the edit that charges the basic block; -1 in dead code
	scratch bool // a local is needed
}

// maxLeaf is the frame in bytes up to which a function that calls nothing
// takes no stack.
const maxLeaf = 4096

// frame estimates the bytes of stack that a call of the function takes: an
// engine keeps what it can't hold in registers, and needs more of that in a
// long body. For most code, wazero 1.12.0 takes a fifth to one and a half of the
// estimate. It gives each value of a local that outlives a call a place of its
// own, which is not counted here: QuickJS takes twice the estimate, and a body
// that is written for it many times as much. Then the engine's own bound of
// 50 MB ends the recursion, after it has allocated some 180 MB for one call.
func frame(m *wasm.Module, i int) int {
	b := m.Bodies[i]
	t := m.Type(uint32(m.ImportedFunctions + i))
	slot := 8
	if b.Vectors {
		slot = 16
	}
	slots := len(t.Params) + len(t.Results) + int(b.Locals) + b.Height + b.Kept
	return 64 + slot*slots + (b.End-b.Start)/16
}

func (w *writer) codeSection() {
	for _, s := range w.m.Sections {
		if s.ID == wasm.SectionCode {
			w.origin = int(s.Offset)
		}
	}
	start := len(w.out)
	w.u32(uint32(len(w.m.Bodies)))
	for i := range w.m.Bodies {
		if err := w.plan(i); err != nil {
			w.err = err
			return
		}
		first := len(w.moved)
		n := w.sized(func() { w.write(i) })
		w.moved.shift(min(first, len(w.moved)), len(w.out)-n-start)
		if len(w.out) > maxWasm {
			w.err = fmt.Errorf("the module grows over %d MiB when it is metered: it has too many branches and loops for its size", maxWasm>>20)
			return
		}
	}
}

// plan walks through a body once and lists its edits.
func (w *writer) plan(i int) error {
	p := &w.body
	p.edits, p.scratch = p.edits[:0], false
	p.open = 0
	p.edits = append(p.edits, edit{at: w.m.Bodies[i].Code, kind: chargeCheck})
	c := w.m.Code(i)
	for c.Next() {
		if !c.Reachable {
			p.open = -1
		}
		if p.open >= 0 && costs(c.Op) {
			p.edits[p.open].n++
		}
		switch c.Op {
		case opcode.Loop:
			p.begin(c, chargeCheck)
		case opcode.If, opcode.Else, opcode.BrIf:
			p.begin(c, charge)
		case opcode.End:
			// Behind a block that nothing branches out of, the basic block goes
			// on; or nothing does, if control does not get to its end.
			if b := c.Closed; b.Op != opcode.Loop && (b.Targeted || b.Op != opcode.Block) {
				p.begin(c, charge)
			}
		case opcode.Return:
			p.edits = append(p.edits, edit{c.At, c.End - c.At, branch, uint32(c.Depth() - 1)})
		case opcode.Call:
			p.edits = append(p.edits, edit{c.At, c.End - c.At, call, w.function(c.Index)})
		case opcode.RefFunc:
			p.edits = append(p.edits, edit{c.At, c.End - c.At, refFunc, w.function(c.Index)})
		case opcode.MemoryFill, opcode.MemoryCopy, opcode.MemoryInit:
			p.bulk(c, bulk, bytesShift)
		case opcode.TableFill, opcode.TableCopy, opcode.TableInit, opcode.TableGrow:
			p.bulk(c, bulk, 0)
		case opcode.MemoryGrow:
			p.bulk(c, grow, pageShift)
		}
	}
	return c.Err()
}

// begin starts a basic block behind the instruction.
func (p *body) begin(c *wasm.Code, kind editKind) {
	if c.Live() {
		p.open = len(p.edits)
		p.edits = append(p.edits, edit{at: c.End, kind: kind})
	}
}

func (p *body) bulk(c *wasm.Code, kind editKind, shift uint32) {
	if c.Reachable {
		p.scratch = true
		p.edits = append(p.edits, edit{at: c.At, kind: kind, n: shift})
	}
}

func costs(op opcode.Op) bool {
	switch op {
	case opcode.Nop, opcode.Block, opcode.Loop, opcode.Else, opcode.End:
		return false
	}
	return true
}

// write writes the body with its edits.
func (w *writer) write(i int) {
	m := w.m
	began := len(w.out)
	b := m.Bodies[i]
	t := m.Functions[m.ImportedFunctions+i]
	scratch := uint32(len(m.Types[t].Params)) + b.Locals
	if w.body.scratch {
		w.u32(b.GroupCount + 1)
		w.raw(b.Groups, b.Code)
		w.bytes(1, wasm.I32)
	} else {
		w.raw(b.Start, b.Code)
	}
	size := frame(m, i)
	counted := b.Calls || size > maxLeaf
	entry := w.body.edits[0]
	w.enter(entry.n, counted, size)
	at := b.Code
	if counted {
		w.bytes(byte(opcode.Block))
		w.blockType(t)
	}
	for _, e := range w.body.edits[1:] {
		w.keep(at, e.at, began)
		w.note(e.at, began)
		w.edit(e, scratch, counted)
		at = e.at + e.skip
	}
	w.keep(at, b.End, began)
	if counted {
		w.take(-int64(size))
		w.bytes(byte(opcode.End))
	}
}

func (w *writer) edit(e edit, scratch uint32, counted bool) {
	switch e.kind {
	case charge, chargeCheck:
		w.charge(e.n)
		if e.kind == chargeCheck {
			w.check()
		}
	case branch:
		if !counted {
			w.bytes(byte(opcode.Return))
			return
		}
		w.bytes(byte(opcode.Br))
		w.u32(e.n)
	case call:
		w.bytes(byte(opcode.Call))
		w.u32(e.n)
	case refFunc:
		w.bytes(byte(opcode.RefFunc))
		w.u32(e.n)
	case bulk, grow:
		w.bulk(e, scratch)
	}
}

// The instructions that are only written, by opcode.
const (
	ifOp     = 0x04
	localGet = 0x20
	localTee = 0x22
	getOp    = 0x23 // global.get
	setOp    = 0x24 // global.set
	i32Const = 0x41
	i64Const = 0x42
	i32LtS   = 0x48
	i64LtS   = 0x53
	i32Sub   = 0x6b
	i32ShrU  = 0x76
	i64Sub   = 0x7d
	i64Or    = 0x84
	i64Shl   = 0x86
	i64ShrU  = 0x88
	extendS  = 0xac // i64.extend_i32_s
	extendU  = 0xad // i64.extend_i32_u
	empty    = 0x40 // block type
)

// enter charges for a function's first basic block and, if counted, for its
// frame, and looks at both at once.
func (w *writer) enter(cost uint32, counted bool, size int) {
	if !w.counting {
		return
	}
	w.charge(cost)
	if !counted {
		if cost > 0 {
			w.check()
		}
		return
	}
	w.take(int64(size))
	w.global(getOp, w.fuel)
	w.global(getOp, w.stack)
	w.bytes(extendS, i64Or, i64Const, 0, i64LtS, ifOp, empty)
	w.global(getOp, w.stack)
	w.bytes(i32Const, 31, i32ShrU) // 1 if the stack is below zero: ReasonStack
	w.bytes(byte(opcode.Call))
	w.u32(w.shift)
	w.bytes(byte(opcode.End))
}

// charge takes fuel.
func (w *writer) charge(cost uint32) {
	if cost == 0 || !w.counting {
		return
	}
	w.global(getOp, w.fuel)
	w.bytes(i64Const)
	w.out = wasm.AppendS64(w.out, int64(cost))
	w.bytes(i64Sub)
	w.global(setOp, w.fuel)
}

// check calls trip if fuel is below zero.
func (w *writer) check() {
	if !w.counting {
		return
	}
	w.global(getOp, w.fuel)
	w.bytes(i64Const, 0, i64LtS, ifOp, empty, i32Const, ReasonFuel, byte(opcode.Call))
	w.u32(w.shift)
	w.bytes(byte(opcode.End))
}

// take takes stack, or gives it back.
func (w *writer) take(size int64) {
	if !w.counting {
		return
	}
	w.global(getOp, w.stack)
	w.bytes(i32Const)
	w.out = wasm.AppendS64(w.out, size)
	w.bytes(i32Sub)
	w.global(setOp, w.stack)
}

// bulk charges for the unsigned number on top of the stack, which stays there.
func (w *writer) bulk(e edit, scratch uint32) {
	if !w.counting {
		return
	}
	w.bytes(localTee)
	w.u32(scratch)
	w.global(getOp, w.fuel)
	w.bytes(localGet)
	w.u32(scratch)
	w.bytes(extendU)
	if e.n > 0 {
		shift := byte(i64ShrU)
		if e.kind == grow {
			shift = i64Shl
		}
		w.bytes(i64Const, byte(e.n), shift)
	}
	w.bytes(i64Sub)
	w.global(setOp, w.fuel)
	w.check()
}

func (w *writer) global(op byte, index uint32) {
	w.bytes(op)
	w.u32(index)
}

// blockType gives the block around a body the results of the function.
func (w *writer) blockType(t uint32) {
	switch results := w.m.Types[t].Results; len(results) {
	case 0:
		w.bytes(empty)
	case 1:
		w.bytes(results[0])
	default:
		w.out = wasm.AppendS64(w.out, int64(w.index[wasm.Signature{Results: results}]))
	}
}
