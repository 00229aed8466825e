package sandbox

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/tetratelabs/wazero/api"
)

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
	// under the time limit.
	Start bool `json:"start,omitempty"`
}

// Import is one imported function.
type Import struct {
	Module    string `json:"module"`
	Name      string `json:"name"`
	Signature string `json:"signature"` // "(i64, i32) -> i64"
}

// Export is one export. Signature is empty for anything but a function.
type Export struct {
	Name      string `json:"name"`
	Kind      string `json:"kind"` // function, table, memory, global
	Signature string `json:"signature,omitempty"`
}

// Callable reports whether the host can call it: it is a function () -> i32.
func (e Export) Callable() bool { return e.Signature == takes().gives(i32).String() }

// Section is one section of the file. A custom section has its own name.
type Section struct {
	Name   string `json:"name"`
	Offset int64  `json:"offset"` // of the contents
	Bytes  int64  `json:"bytes"`
}

// ModuleError says why a file is not acceptable as a plugin.
type ModuleError struct {
	Stage  string // "parse": not a sound module; "verify": a sound one that the host does not take
	Offset int64  // in the file
	Place  string // such as `import 3 "env.abort"`
	Reason string
}

func (e *ModuleError) Error() string {
	return fmt.Sprintf("%s: %s at offset %d: %s", e.Stage, e.Place, e.Offset, e.Reason)
}

// Stages of [ModuleError].
const (
	stageParse  = "parse"
	stageVerify = "verify"
)

// MaxModule is the size in bytes up to which a module is taken.
const MaxModule = 16 * mib

// Caps on a module. A standard Go plugin has about 2 MB, 1,300 functions,
// 36,000 data segments and a table of 5,400; a JavaScript engine about 1 MB.
const (
	maxTypes     = 10_000
	maxImports   = 1_000
	maxFunctions = 50_000
	maxTables    = 16
	maxTable     = 65_536 // elements of all tables at the start
	maxGlobals   = 10_000
	maxExports   = 10_000
	maxElements  = 10_000
	maxSegments  = 100_000
	maxBody      = mib    // bytes of one function
	maxLocals    = 50_000 // of one function
	maxName      = 1_000  // bytes
)

// Inspect parses a module and checks that it is a plugin which the sandbox
// takes; it runs nothing and does not read function bodies. On an error, which
// holds a [ModuleError], Info has what was read until there.
func Inspect(wasm []byte) (Info, error) {
	sum := sha256.Sum256(wasm)
	info := Info{SHA256: hex.EncodeToString(sum[:]), Size: int64(len(wasm))}
	p := parser{r: reader{data: wasm, end: len(wasm), place: "file"}, info: &info, segments: -1}
	p.module()
	if p.r.err != nil {
		return info, newError(KindRefused, "%s", p.r.err).because(p.r.err)
	}
	return info, nil
}

// parser fills an Info. An error stays in the reader, and ends all loops.
type parser struct {
	r    reader
	info *Info

	types     []signature
	functions []uint32 // the type of each function, imported ones first
	imported  int
	bodies    int
	segments  int64 // as the DataCount section has it; -1 without one
	offered   map[string]map[string]signature
}

// sectionNames are the sections by id; sectionOrder is how they must follow
// each other (WebAssembly Core 2, binary format, modules).
func sectionNames() []string {
	return []string{"custom", "type", "import", "function", "table", "memory", "global", "export",
		"start", "element", "code", "data", "data count"}
}

func sectionOrder() []byte { return []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 10, 11} }

func (p *parser) module() {
	r := &p.r
	if r.end > MaxModule {
		r.refuse("%s is over the limit of %s for one plugin", size(int64(r.end)), size(MaxModule))
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
	last := -1
	for r.err == nil && r.at < r.end {
		last = p.section(last)
	}
	p.finish()
}

// section reads one section; last is the rank of the one before it.
func (p *parser) section(last int) int {
	r := &p.r
	r.place = "section header"
	id := r.byte()
	n := r.u32()
	if r.err != nil {
		return last
	}
	if int(id) >= len(sectionNames()) {
		r.refuse("section %d belongs to a proposal that is not supported", id)
		return last
	}
	name := sectionNames()[id]
	r.place = "section " + name
	if int64(n) > int64(r.end-r.at) {
		r.fail("it has %d bytes by its header, but the file ends after %d", n, r.end-r.at)
		return last
	}
	if rank := slices.Index(sectionOrder(), id); rank >= 0 {
		if rank <= last {
			r.fail("it is out of order or stands twice")
			return last
		}
		last = rank
	}
	whole := r.end
	start := r.at
	r.end = start + int(n)
	p.contents(id, &name)
	if r.err == nil && r.at != r.end {
		r.fail("%d bytes are left over", r.end-r.at)
	}
	p.info.Sections = append(p.info.Sections, Section{Name: name, Offset: int64(start), Bytes: int64(n)})
	r.end = whole
	return last
}

func (p *parser) contents(id byte, name *string) {
	r := &p.r
	switch id {
	case 0:
		*name = "custom " + r.name()
		r.at = r.end
	case 1:
		r.each("type", maxTypes, p.functionType)
	case 2:
		r.each("import", maxImports, p.imports)
	case 3:
		r.each("function", maxFunctions, func() {
			p.functions = append(p.functions, p.typeIndex())
		})
	case 4:
		var elements int64
		r.each("table", maxTables, func() { elements += p.table(elements) })
	case 5:
		r.each("memory", 1, p.memory)
	case 6:
		r.count("global", maxGlobals)
		r.at = r.end // initial values are wazero's to validate
	case 7:
		r.each("export", maxExports, p.export)
	case 8:
		p.functionIndex()
		p.info.Start = true
	case 9:
		r.count("element segment", maxElements)
		r.at = r.end
	case 10:
		r.each("body", maxFunctions, p.body)
	case 11:
		if n := r.count("data segment", maxSegments); p.segments >= 0 && int64(n) != p.segments {
			r.fail("%d data segments, but the data count section says %d", n, p.segments)
		}
		r.at = r.end
	case 12:
		p.segments = int64(r.u32())
	}
}

func (p *parser) functionType() {
	r := &p.r
	if form := r.byte(); r.err == nil && form != 0x60 {
		r.refuse("type form 0x%x belongs to a proposal that is not supported", form)
	}
	params := r.valueTypes()
	p.types = append(p.types, signature{params, r.valueTypes()})
}

func (p *parser) imports() {
	r := &p.r
	start := r.at
	im := Import{Module: r.name(), Name: r.name()}
	r.place = fmt.Sprintf("%s %q", r.place, im.Module+"."+im.Name)
	kind := r.byte()
	if r.err != nil {
		return
	}
	if kind != 0 {
		r.at = start
		r.refuse("it imports a %s; plugins may import functions only", externKind(kind))
		return
	}
	t := p.typeIndex()
	if r.err != nil {
		return
	}
	got := p.types[t]
	im.Signature = got.String()
	p.info.Imports = append(p.info.Imports, im)
	p.functions = append(p.functions, t)
	p.imported++
	if reason := p.notImportable(im, got); reason != "" {
		r.at = start
		r.refuse("%s", reason)
	}
}

// table reads a table's type and gives its minimum; before is what the tables
// before it have.
func (p *parser) table(before int64) int64 {
	r := &p.r
	if t := r.byte(); r.err == nil && t != api.ValueTypeExternref && t != 0x70 {
		r.refuse("table type 0x%x belongs to a proposal that is not supported", t)
	}
	low := r.limits("table")
	if before+low > maxTable {
		r.refuse("tables start with %d elements, over the limit of %d", before+low, maxTable)
	}
	return low
}

func (p *parser) memory() {
	r := &p.r
	pages := r.limits("memory")
	if pages > maxMemory {
		r.refuse("memory starts with %d pages of 64 KiB, over the limit of %d", pages, maxMemory)
	}
	p.info.MemoryMin = pages * pageSize
}

func (p *parser) export() {
	r := &p.r
	name := r.name()
	r.place = fmt.Sprintf("%s %q", r.place, name)
	kind := r.byte()
	e := Export{Name: name, Kind: externKind(kind)}
	if kind == 0 {
		if i := p.functionIndex(); r.err == nil {
			e.Signature = p.types[p.functions[i]].String()
		}
	} else {
		r.u32()
	}
	p.info.Exports = append(p.info.Exports, e)
}

func (p *parser) body() {
	r := &p.r
	n := r.u32()
	if r.err != nil {
		return
	}
	if int64(n) > int64(r.end-r.at) {
		r.fail("the body has %d bytes by its header, but the section ends after %d", n, r.end-r.at)
		return
	}
	if n > maxBody {
		r.refuse("the body has %s, over the limit of %s for one function", size(int64(n)), size(maxBody))
		return
	}
	section, end := r.end, r.at+int(n)
	r.end = end
	var locals uint64
	for range r.u32() {
		locals += uint64(r.u32())
		r.valueType()
		if r.err != nil {
			return
		}
		if locals > maxLocals {
			r.refuse("the function has over %d locals", maxLocals)
			return
		}
	}
	r.at, r.end = end, section
	p.bodies++
}

// finish checks what needs the whole module.
func (p *parser) finish() {
	r := &p.r
	p.info.Functions = len(p.functions) - p.imported
	if r.err != nil {
		return
	}
	r.place = "module"
	if p.bodies != p.info.Functions {
		r.fail("%d functions are declared, %d have a body", p.info.Functions, p.bodies)
		return
	}
	names := map[string]bool{}
	for _, e := range p.info.Exports {
		if names[e.Name] {
			r.fail("the export %q stands twice", e.Name)
			return
		}
		names[e.Name] = true
	}
	if !slices.ContainsFunc(p.info.Exports, Export.Callable) {
		r.refuse("it exports no function () -> i32, so there is nothing to call: this is not an Extism plugin")
	}
}

// typeIndex reads the index of a type that exists.
func (p *parser) typeIndex() uint32 {
	t := p.r.u32()
	if int64(t) >= int64(len(p.types)) {
		p.r.fail("type %d does not exist; there are %d", t, len(p.types))
	}
	return t
}

// functionIndex reads the index of a function that exists.
func (p *parser) functionIndex() uint32 {
	i := p.r.u32()
	if int64(i) >= int64(len(p.functions)) {
		p.r.fail("function %d does not exist; there are %d", i, len(p.functions))
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
	}
	return fmt.Sprintf("kind %d", kind)
}
