package wasm

import "github.com/trama-run/trama/host/sandbox/wasm/opcode"

func (p *parser) global() {
	p.globalType()
	if p.r.err != nil {
		return
	}
	g := &p.m.Globals[len(p.m.Globals)-1]
	g.Init = p.expr(g.Type)
}

// expr reads a constant expression that gives a value of the type.
func (p *parser) expr(want byte) Expr {
	r, m := &p.r, p.m
	e := Expr{Start: r.at}
	e.Op = r.op()
	var got byte
	switch e.Op {
	case opcode.I32Const:
		e.Value, got = r.signed(32), I32
	case opcode.I64Const:
		e.Value, got = r.signed(64), I64
	case opcode.F32Const:
		r.skip(4)
		got = F32
	case opcode.F64Const:
		r.skip(8)
		got = F64
	case opcode.V128Const:
		r.skip(16)
		got = V128
	case opcode.RefNull:
		got = r.refType()
	case opcode.RefFunc:
		i := p.functionIndex()
		if r.err == nil {
			m.declare(i)
		}
		e.Value, got = int64(i), FuncRef
	case opcode.GlobalGet:
		i := p.below("imported global", m.ImportedGlobals)
		if r.err != nil {
			return e
		}
		if m.Globals[i].Mutable {
			r.fail("a constant expression reads global %d, which is mutable", i)
		}
		e.Value, got = int64(i), m.Globals[i].Type
	default:
		r.failAt(e.Start, "%s can't stand in a constant expression", e.Op)
	}
	if r.err == nil && got != want {
		r.failAt(e.Start, "a constant expression gives %s where %s is wanted", TypeName(got), TypeName(want))
	}
	if end := r.byte(); r.err == nil && end != 0x0b {
		r.failAt(r.at-1, "a constant expression has one instruction")
	}
	e.End = r.at
	return e
}

// declare notes the functions which exports let ref.func name; those of
// elements and globals are added as they are read.
func (p *parser) declare() {
	m := p.m
	for _, e := range m.Exports {
		if e.Kind == "function" {
			m.declare(e.Index)
		}
	}
}

func (m *Module) declare(function uint32) {
	if m.declared == nil {
		m.declared = make([]bool, len(m.Functions))
	}
	m.declared[function] = true
}

// element reads an element segment, which has one of eight forms: bit 0 says
// that it is not active; bit 1 that it names a table, or is declarative; bit 2
// that it has expressions, not function indexes.
func (p *parser) element() {
	r, m := &p.r, p.m
	e := Element{Flags: r.u32(), Type: FuncRef}
	if e.Flags > 7 {
		r.fail("form %d of an element segment does not exist", e.Flags)
	}
	if r.err != nil {
		return
	}
	if e.Flags&1 == 0 {
		if e.Flags&2 != 0 {
			e.Table = p.below("table", len(m.Tables))
		} else if len(m.Tables) == 0 {
			r.fail("it fills a table, but there is none")
		}
		e.Offset = p.expr(I32)
	} else if e.Flags&2 != 0 {
		e.Mode = Declarative
	} else {
		e.Mode = Passive
	}
	if e.Flags&3 != 0 {
		if e.Flags&4 != 0 {
			e.Type = r.refType()
		} else if kind := r.byte(); kind != 0 {
			r.fail("element kind 0x%x does not exist", kind)
		}
	}
	n := r.u32()
	if p.elements += uint64(n); p.elements > maxElementItems {
		r.refuse("over %d elements in all element segments", maxElementItems)
	}
	for range n {
		if r.err != nil {
			return
		}
		if e.Flags&4 != 0 {
			e.Exprs = append(e.Exprs, p.expr(e.Type))
		} else if i := p.functionIndex(); r.err == nil {
			m.declare(i)
			e.Functions = append(e.Functions, i)
		}
	}
	if r.err == nil && e.Mode == Active && m.Tables[e.Table].Type != e.Type {
		r.fail("it has elements of type %s, but table %d has %s", TypeName(e.Type), e.Table, TypeName(m.Tables[e.Table].Type))
	}
	m.Elements = append(m.Elements, e)
}

func (p *parser) dataSegment() {
	r, m := &p.r, p.m
	var d Data
	switch form := r.u32(); form {
	case 2:
		if i := r.u32(); r.err == nil && i != 0 {
			r.fail("memory %d does not exist", i)
		}
		fallthrough
	case 0:
		if len(m.Memories) == 0 {
			r.fail("it fills memory, but there is none")
		}
		d.Offset = p.expr(I32)
	case 1:
		d.Mode = Passive
	default:
		r.fail("form %d of a data segment does not exist", form)
	}
	d.Bytes = r.bytes()
	m.Data = append(m.Data, d)
}
