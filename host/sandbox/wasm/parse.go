package wasm

import (
	"slices"
	"strings"
)

// Parse reads a module of WebAssembly Core 2. An error holds a [ModuleError];
// the module then has what was read until there, and is never nil.
func Parse(data []byte) (*Module, error) {
	p := parser{
		r: reader{data: data, end: len(data), place: "file", index: -1},
		m: &Module{Bytes: data, Start: -1, segments: -1},
	}
	p.module()
	return p.m, p.r.err
}

// parser fills a Module. An error stays in the reader, and ends all loops.
type parser struct {
	r reader
	m *Module

	elements, locals uint64 // of the whole module
}

// Section ids.
const (
	SectionCustom byte = iota
	SectionType
	SectionImport
	SectionFunction
	SectionTable
	SectionMemory
	SectionGlobal
	SectionExport
	SectionStart
	SectionElement
	SectionCode
	SectionData
	SectionDataCount
)

// sectionNames are the sections by id; sectionOrder is how they must follow
// each other (WebAssembly Core 2, binary format, modules).
var sectionNames = [...]string{"custom", "type", "import", "function", "table", "memory", "global", "export",
	"start", "element", "code", "data", "data count"}

var sectionOrder = []byte{SectionType, SectionImport, SectionFunction, SectionTable, SectionMemory, SectionGlobal,
	SectionExport, SectionStart, SectionElement, SectionDataCount, SectionCode, SectionData}

func (p *parser) module() {
	r := &p.r
	r.head()
	last := -1
	for r.err == nil && r.at < r.end {
		last = p.section(last)
	}
	p.finish()
}

// head reads what every module begins with.
func (r *reader) head() {
	if r.end > MaxModule {
		r.refuse("%s is over the limit of %s for one plugin", Size(int64(r.end)), Size(MaxModule))
		return
	}
	switch head := string(r.data[:min(8, r.end)]); {
	case head == "\x00asm\x01\x00\x00\x00":
	case head == "\x00asm\x0d\x00\x01\x00":
		r.refuse("this is a WebAssembly component; plugins are core modules: build for wasip1 or wasm32-unknown-unknown")
	case strings.HasPrefix(head, "\x00asm"):
		r.refuse("version %x is not version 1 of WebAssembly", head[4:])
	default:
		r.fail("the file does not begin with \\0asm, so it is not WebAssembly")
	}
	r.at = 8
}

// section reads one section; last is the rank of the one before it.
func (p *parser) section(last int) int {
	r := &p.r
	r.reading("section header")
	id := r.byte()
	n := r.u32()
	if r.err != nil {
		return last
	}
	if int(id) >= len(sectionNames) {
		r.refuse("section %d belongs to a proposal that is not supported", id)
		return last
	}
	name := sectionNames[id]
	r.reading("section " + name)
	if int64(n) > int64(r.end-r.at) {
		r.fail("it has %d bytes by its header, but the file ends after %d", n, r.end-r.at)
		return last
	}
	if rank := slices.Index(sectionOrder, id); rank >= 0 {
		if rank <= last {
			r.fail("it is out of order or stands twice")
			return last
		}
		last = rank
	}
	whole, start := r.end, r.at
	r.end = start + int(n)
	if id == SectionCustom {
		name = "custom " + r.utf8()
		r.at = r.end
	} else {
		p.contents(id)
	}
	if r.err == nil && r.at != r.end {
		r.fail("%d bytes are left over", r.end-r.at)
	}
	p.m.Sections = append(p.m.Sections, Section{ID: id, Name: name, Offset: int64(start), Bytes: int64(n)})
	r.end = whole
	return last
}

func (p *parser) contents(id byte) {
	r, m := &p.r, p.m
	switch id {
	case SectionType:
		each(r, "type", maxTypes, &m.Types, p.functionType)
	case SectionImport:
		each(r, "import", maxImports, &m.Imports, p.imports)
	case SectionFunction:
		each(r, "function", maxFunctions, &m.Functions, func() { m.Functions = append(m.Functions, p.typeIndex()) })
	case SectionTable:
		each(r, "table", maxTables, &m.Tables, p.table)
	case SectionMemory:
		each(r, "memory", 1, &m.Memories, p.memory)
	case SectionGlobal:
		each(r, "global", maxGlobals, &m.Globals, p.global)
	case SectionExport:
		each(r, "export", maxExports, &m.Exports, p.export)
	case SectionStart:
		p.start()
	case SectionElement:
		p.declare()
		each(r, "element segment", maxElements, &m.Elements, p.element)
	case SectionDataCount:
		m.segments = int64(r.u32())
	case SectionCode:
		p.declare()
		each(r, "function", maxFunctions, &m.Bodies, p.body)
	case SectionData:
		each(r, "data segment", maxSegments, &m.Data, p.dataSegment)
	}
}

func (p *parser) functionType() {
	r := &p.r
	if form := r.byte(); r.err == nil && form != 0x60 {
		r.refuse("type form 0x%x belongs to a proposal that is not supported", form)
	}
	params := r.valueTypes("parameter", maxParams)
	results := r.valueTypes("result", maxResults)
	p.m.Types = append(p.m.Types, Signature{params, results})
}

func (p *parser) imports() {
	r, m := &p.r, p.m
	im := Import{offset: r.at}
	im.Module = r.utf8()
	im.Name = r.utf8()
	r.name = im.Module + "." + im.Name
	kind := r.byte()
	im.Kind = externKind(kind)
	switch kind {
	case 0:
		t := p.typeIndex()
		if r.err != nil {
			return
		}
		im.signature = m.Types[t]
		im.Signature = im.signature.String()
		m.Functions = append(m.Functions, t)
		m.ImportedFunctions++
	case 1:
		p.table()
		m.ImportedTables++
	case 2:
		p.memory()
	case 3:
		p.globalType()
		m.ImportedGlobals++
	default:
		r.refuse("it imports %s, which belongs to a proposal that is not supported", im.Kind)
	}
	if r.err == nil {
		m.Imports = append(m.Imports, im)
	}
}

func (p *parser) table() {
	t := Table{offset: p.r.at}
	t.Type = p.r.refType()
	t.Limits = p.r.limits("table")
	p.m.Tables = append(p.m.Tables, t)
	if len(p.m.Tables) > maxTables {
		p.r.refuse("over %d tables", maxTables)
	}
}

func (p *parser) memory() {
	r, m := &p.r, p.m
	memory := Memory{offset: r.at}
	memory.Limits = r.limits("memory")
	if r.err == nil && (memory.Min > maxPages || memory.Max > maxPages) {
		r.fail("over %d pages of memory, which is all that 32 bits address", maxPages)
	}
	m.Memories = append(m.Memories, memory)
	if len(m.Memories) > 1 {
		r.refuse("over one memory: multi-memory is a proposal that is not supported")
	}
}

func (p *parser) globalType() {
	r := &p.r
	g := Global{Type: r.valueType()}
	mutable := r.byte()
	if mutable > 1 {
		r.fail("0x%x says neither mutable nor constant", mutable)
	}
	g.Mutable = mutable == 1
	p.m.Globals = append(p.m.Globals, g)
}

func (p *parser) export() {
	r, m := &p.r, p.m
	e := Export{offset: r.at}
	e.Name = r.utf8()
	r.name = e.Name
	kind := r.byte()
	e.Kind = externKind(kind)
	switch kind {
	case 0:
		e.Index = p.functionIndex()
		if r.err == nil {
			e.Signature = m.Type(e.Index).String()
		}
	case 1:
		e.Index = p.below("table", len(m.Tables))
	case 2:
		e.Index = p.below("memory", len(m.Memories))
	case 3:
		e.Index = p.below("global", len(m.Globals))
	default:
		r.refuse("it exports %s, which belongs to a proposal that is not supported", e.Kind)
	}
	if r.err == nil {
		m.Exports = append(m.Exports, e)
	}
}

func (p *parser) start() {
	i := p.functionIndex()
	if p.r.err != nil {
		return
	}
	if got := p.m.Type(i); got != (Signature{}) {
		p.r.fail("function %d is %s, but a start function is () -> ()", i, got)
		return
	}
	p.m.Start = int64(i)
}

func (p *parser) body() {
	r, m := &p.r, p.m
	i := len(m.Bodies)
	n := r.u32()
	if r.err != nil {
		return
	}
	if int64(n) > int64(r.end-r.at) {
		r.fail("the body has %d bytes by its header, but the section ends after %d", n, r.end-r.at)
		return
	}
	if n > maxBody {
		r.refuse("the body has %s, over the limit of %s for one function", Size(int64(n)), Size(maxBody))
		return
	}
	if i >= len(m.Functions)-m.ImportedFunctions {
		r.fail("the body has no function; there are %d", len(m.Functions)-m.ImportedFunctions)
		return
	}
	section, b := r.end, Body{Start: r.at, End: r.at + int(n)}
	r.end = b.End
	b.GroupCount = r.u32()
	b.Groups = r.at
	var locals uint64
	for range b.GroupCount {
		locals += uint64(r.u32())
		b.Vectors = r.valueType() == V128 || b.Vectors
		if r.err != nil {
			return
		}
		if locals > maxLocals {
			r.refuse("the function has over %d locals", maxLocals)
			return
		}
	}
	if r.err != nil {
		return
	}
	if p.locals += locals; p.locals > maxAllLocals {
		r.refuse("the functions until here have over %d locals together", maxAllLocals)
		return
	}
	b.Locals, b.Code = uint32(locals), r.at
	m.Bodies = append(m.Bodies, b)
	r.at, r.end = b.End, section
}

// finish checks what needs the whole module: above all, the code.
func (p *parser) finish() {
	r, m := &p.r, p.m
	if r.err != nil {
		return
	}
	r.reading("module")
	if defined := len(m.Functions) - m.ImportedFunctions; len(m.Bodies) != defined {
		r.fail("%d functions are declared, %d have a body", defined, len(m.Bodies))
	}
	if m.segments >= 0 && int64(len(m.Data)) != m.segments {
		r.fail("%d data segments, but the data count section says %d", len(m.Data), m.segments)
	}
	names := map[string]bool{}
	for _, e := range m.Exports {
		if names[e.Name] {
			r.fail("the export %q stands twice", e.Name)
		}
		names[e.Name] = true
	}
	p.declare()
	for i := range m.Bodies {
		if r.err != nil {
			return
		}
		r.err = m.check(i)
	}
}

// typeIndex reads the index of a type that exists.
func (p *parser) typeIndex() uint32 { return p.below("type", len(p.m.Types)) }

// functionIndex reads the index of a function that exists.
func (p *parser) functionIndex() uint32 { return p.below("function", len(p.m.Functions)) }

func (p *parser) below(what string, n int) uint32 {
	i := p.r.u32()
	if int64(i) >= int64(n) {
		p.r.fail("%s %d does not exist; there are %d", what, i, n)
	}
	return i
}

func externKind(kind byte) string {
	switch kind {
	case 0:
		return "function"
	case 1:
		return "table"
	case 2:
		return "memory"
	case 3:
		return "global"
	case 4:
		return "tag"
	}
	return "something unknown"
}
