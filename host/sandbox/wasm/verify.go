package wasm

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/trama-run/trama/host/sandbox/wasm/opcode"
)

const (
	kib = 1 << 10
	mib = 1 << 20

	pageSize = 64 * kib // bytes of a page of linear memory
	maxPages = 65_536   // what 32 bits address
)

// MaxModule is the size in bytes up to which a module is taken.
const MaxModule = 16 * mib

// MaxTable is the number of elements that all tables of a module together may
// start with, and to which they may grow.
const MaxTable = 65_536

// Reserved is how names begin that the host adds to a module.
const Reserved = "trama:"

// Caps on a module. A standard Go plugin has about 2 MB, 1,300 functions,
// 36,000 data segments, blocks nested 296 deep and a table of 5,400; a
// JavaScript engine about 1 MB.
const (
	maxTypes        = 10_000
	maxParams       = 256
	maxResults      = 32
	maxImports      = 1_000
	maxFunctions    = 50_000
	maxTables       = 16
	maxMemory       = maxPages - 1 // pages; the engine miscounts at 2^32 bytes
	maxGlobals      = 10_000
	maxExports      = 10_000
	maxElements     = 10_000  // segments
	maxElementItems = 100_000 // of all segments
	maxSegments     = 100_000 // of data
	maxBody         = mib     // bytes of one function
	maxLocals       = 50_000  // of one function
	maxAllLocals    = 2_000_000
	maxTargets      = 65_536 // labels of all br_table of one function
	maxDepth        = 1_000  // blocks within blocks
	// What all blocks, calls and branches of a module pass, in values, and its
	// functions take and give. The engine's time to check types goes with it, in
	// the host, each time that a module is loaded: 5 million are a quarter of a second.
	maxPassed = 5_000_000
	maxName   = 1_000   // bytes
	maxCustom = 8 * mib // bytes of all custom sections
)

// Offered is what the host offers: functions by module and name.
type Offered map[string]map[string]Signature

// Group is functions that the host calls by name where a module exports them:
// all of them, or none.
type Group map[string]Signature

// Inspect parses a module and checks that it is a plugin which the host
// takes. An error holds a [ModuleError]; the module then has what was read
// until there, and is never nil.
func Inspect(data []byte, offered Offered, optional Group) (*Module, error) {
	m, err := Parse(data)
	if err != nil {
		return m, err
	}
	return m, Verify(m, offered, optional)
}

// Verify checks that a module is a plugin which the host takes. An error
// holds a [ModuleError].
func Verify(m *Module, offered Offered, optional Group) error {
	v := reader{index: -1, place: "module"}
	for i, im := range m.Imports {
		v.place, v.index, v.name = "import", i, im.Module+"."+im.Name
		if reason := notImportable(im, offered); reason != "" {
			v.refuseAt(im.offset, "%s", reason)
			return v.err
		}
	}
	v.tables(m)
	if len(m.Memories) > 0 && m.Memories[0].Min > maxMemory {
		v.place, v.index, v.name = "memory", 0, ""
		v.refuseAt(m.Memories[0].offset, "memory starts with %d pages of 64 KiB, over the limit of %d", m.Memories[0].Min, maxMemory)
	}
	v.exports(m)
	v.group(m, optional)
	v.code(m)
	v.custom(m)
	return v.err
}

func (v *reader) tables(m *Module) {
	var elements int64
	for i, t := range m.Tables {
		v.place, v.index, v.name = "table", i, ""
		if elements += int64(t.Min); elements > MaxTable {
			v.refuseAt(t.offset, "tables start with %d elements, over the limit of %d", elements, MaxTable)
		}
	}
}

func (v *reader) exports(m *Module) {
	for i, e := range m.Exports {
		if strings.HasPrefix(e.Name, Reserved) {
			v.place, v.index, v.name = "export", i, e.Name
			v.refuseAt(e.offset, "names that begin with %q are the host's", Reserved)
		}
	}
	if !slices.ContainsFunc(m.Exports, Export.Callable) {
		v.reading("module")
		v.refuseAt(len(m.Bytes), "it exports no function () -> i32, so there is nothing to call: this is not an Extism plugin%s", functionsOf(m))
	}
}

// functionsOf names functions that a module exports for nobody to call.
func functionsOf(m *Module) string {
	const most = 5
	var named []string
	for _, e := range m.Exports {
		if e.Kind == "function" && !strings.HasPrefix(e.Name, "_") && len(named) < most {
			named = append(named, fmt.Sprintf("%q %s", e.Name, e.Signature))
		}
	}
	if len(named) == 0 {
		return ""
	}
	return "; it exports " + strings.Join(named, ", ")
}

// group refuses functions of a group that have other signatures, or lack one of
// their number.
func (v *reader) group(m *Module, group Group) {
	var found []string
	for i, e := range m.Exports {
		want, known := group[e.Name]
		if !known {
			continue
		}
		v.place, v.index, v.name = "export", i, e.Name
		if e.Signature != want.String() {
			v.refuseAt(e.offset, "it is a %s; want a function %s", strings.TrimSpace(e.Kind+" "+e.Signature), want)
		}
		found = append(found, e.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(group)) {
		if len(found) > 0 && !slices.Contains(found, name) {
			v.place, v.index, v.name = "export", -1, name
			v.refuseAt(len(m.Bytes), "there is none; a module with %q needs it too, as a function %s", found[0], group[name])
		}
	}
}

// code refuses instructions that a rewritten module can't run safely.
func (v *reader) code(m *Module) {
	if at, found := m.First(opcode.RefFunc); found {
		v.place, v.index, v.name = "function", m.functionAt(at), ""
		v.refuseAt(at, "ref.func in a function: the engine keeps host memory at each execution; put the function into a table instead")
	}
}

func (v *reader) custom(m *Module) {
	var total int64
	for _, s := range m.Sections {
		if s.ID != SectionCustom {
			continue
		}
		if total += s.Bytes; total > maxCustom {
			v.reading("section " + s.Name)
			v.refuseAt(int(s.Offset), "custom sections have over %s: build without debug information (-ldflags=-s -w, strip)", Size(maxCustom))
		}
	}
}

// functionAt gives the function whose body has that offset.
func (m *Module) functionAt(at int) int {
	i, found := slices.BinarySearchFunc(m.Bodies, at, func(b Body, at int) int { return b.Start - at })
	if !found {
		i--
	}
	return m.ImportedFunctions + i
}

// notImportable says why something cannot be imported; nothing if it can.
func notImportable(im Import, offered Offered) string {
	if im.Kind != "function" {
		return fmt.Sprintf("it imports a %s; plugins may import functions only", im.Kind)
	}
	functions, found := offered[im.Module]
	if !found {
		reason := fmt.Sprintf("there is no module %q; plugins may import from %s", im.Module, list(slices.Sorted(maps.Keys(offered))))
		if hint := foreignModule(im.Module); hint != "" {
			reason += " (" + hint + ")"
		}
		return reason
	}
	want, found := functions[im.Name]
	if !found {
		return fmt.Sprintf("module %q has no function %q", im.Module, im.Name)
	}
	if im.signature != want {
		return fmt.Sprintf("its signature is %s, but the host's is %s", im.signature, want)
	}
	return ""
}

// list writes "a, b and c".
func list(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " and " + names[last]
}

// foreignModule says what else a module was probably built for.
func foreignModule(module string) string {
	switch module {
	case "env":
		return "it was built for another host, or lacks a symbol at link time; AssemblyScript needs its own abort handler"
	case "extism:host/user":
		return "it wants functions that its own application adds to Extism"
	case "gojs", "go":
		return "it was built with GOOS=js; use GOOS=wasip1 with -buildmode=c-shared"
	case "wbg", "__wbindgen_placeholder__":
		return "it was built with wasm-bindgen, for a browser"
	case "wasi_unstable":
		return "it was built for WASI before preview 1"
	case "http_handler":
		return "it was built for http-wasm"
	}
	return ""
}

// Size writes a number of bytes the way documents take it: 16MiB.
func Size(n int64) string {
	switch {
	case n >= mib && n%mib == 0:
		return fmt.Sprintf("%dMiB", n/mib)
	case n >= kib && n%kib == 0:
		return fmt.Sprintf("%dKiB", n/kib)
	}
	return fmt.Sprintf("%dB", n)
}
