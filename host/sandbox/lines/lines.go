// Package lines says which line of the author's source an instruction of a
// plugin came from, by the DWARF that compilers leave in a module's custom
// sections.
//
// What it reads is the module's own, so it may be anything: it is read when
// somebody asks for the first time, each unit once, within the bounds of bounds.go,
// and what can't be read has no places. The package must not know how modules run.
//
// Sources: DWARF 5, and "DWARF for WebAssembly" (yurydelendik.github.io/webassembly-dwarf),
// by which an address is an offset in the contents of the code section.
package lines

import (
	"cmp"
	"debug/dwarf"
	"math"
	"path"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"
)

// Sections are the custom sections that hold what is needed.
func Sections() []string {
	return []string{".debug_abbrev", ".debug_info", ".debug_line", ".debug_str",
		".debug_addr", ".debug_line_str", ".debug_str_offsets", ".debug_ranges", ".debug_rnglists"}
}

// Place is a place in the source. Function is set for what was inlined, and for
// what something was inlined into it is empty: the module's names have it.
type Place struct {
	Function     string
	File         string // as the compiler was given it
	Line, Column int    // 0: not known
}

// Table finds places. It may be used from many goroutines.
type Table struct {
	mu       sync.Mutex
	sections map[string][]byte // until they are parsed
	texts    map[string][]byte // those that line tables are read from
	data     *dwarf.Data       // nil if there is nothing to be read
	index    []span            // in ascending order
	units    map[dwarf.Offset]*unit
	names    map[dwarf.Offset]string // of entries that inlined calls stand for
	seek     int                     // the work of a seek, which reads the first entry of a unit
	left     budget
	time     time.Duration // that is left
}

// span is a range of code of a unit, which is known by its first entry.
type span struct {
	low, high uint64
	unit      dwarf.Offset
}

// unit is what was compiled at once.
type unit struct {
	rows        []row     // in ascending order of their addresses
	inlined     []inlined // outer ones before those within them
	directory   string    // that it was compiled in
	directories [][]byte
	files       []file
}

// row says where the code from an address on came from. A file is its index and
// one; 0 is none.
type row struct {
	address            uint32
	file, line, column uint32
}

// inlined is a range of code that a call was replaced by.
type inlined struct {
	low, high          uint32
	function           string
	file, line, column uint32 // of the call
}

// New makes a table of the sections of one module by their names. It keeps them
// and reads nothing yet.
func New(sections map[string][]byte) *Table {
	return &Table{sections: sections, left: budget{work: maxWork}, time: maxTime}
}

// Find gives the places of the instruction at an offset: where it stands in the
// innermost of the functions that were inlined there, then where each of these
// was called. Nothing is known of an instruction without places.
func (t *Table) Find(offset uint32) (places []Place) {
	t.mu.Lock()
	defer t.mu.Unlock()
	defer func() {
		if recover() != nil { // what a parser finds in bytes that are no DWARF
			places, t.data = nil, nil
		}
	}()
	u := t.unitOf(offset)
	if u == nil {
		return nil
	}
	i := sort.Search(len(u.rows), func(i int) bool { return u.rows[i].address > offset }) - 1
	if i < 0 || u.rows[i].file == 0 {
		return nil
	}
	at := u.place(u.rows[i].file, u.rows[i].line, u.rows[i].column)
	for _, call := range slices.Backward(u.inlined) {
		if call.low <= offset && offset < call.high {
			at.Function = call.function
			places = append(places, at)
			at = u.place(call.file, call.line, call.column)
		}
	}
	return append(places, at)
}

func (u *unit) place(number, line, column uint32) Place {
	p := Place{Line: int(line), Column: int(column)}
	if i := int(number) - 1; i >= 0 && i < len(u.files) {
		p.File = u.path(u.files[i])
	}
	return p
}

// path gives a file as it is found from the directory that its compiler ran in.
func (u *unit) path(f file) string {
	name := cut(string(f.name))
	if !path.IsAbs(name) && f.directory < uint64(len(u.directories)) {
		name = path.Join(cut(string(u.directories[f.directory])), name)
	}
	if rest, ok := strings.CutPrefix(path.Clean(name), path.Clean(u.directory)+"/"); ok {
		return rest
	}
	return path.Clean(name)
}

// cut gives the beginning of a text, in memory of its own.
func cut(text string) string { return strings.Clone(text[:min(len(text), maxText)]) }

// unitOf gives the unit of an address, read at its first use; nil without one.
func (t *Table) unitOf(offset uint32) *unit {
	began := time.Now()
	t.left.end = began.Add(t.time)
	defer func() { t.time -= time.Since(began) }()
	if t.sections != nil {
		t.parse()
	}
	i, _ := slices.BinarySearchFunc(t.index, uint64(offset)+1, func(s span, at uint64) int { return cmp.Compare(s.low, at) })
	if i--; i < 0 || uint64(offset) >= t.index[i].high || t.data == nil {
		return nil
	}
	at := t.index[i].unit
	if u := t.units[at]; u != nil {
		return u
	}
	u := new(unit)
	t.units[at] = u
	reader := t.data.Reader()
	entry, ok := t.entry(reader, at)
	if !ok {
		return u
	}
	dir, _ := entry.Val(dwarf.AttrCompDir).(string)
	u.directory = cut(dir)
	table, ok := entry.Val(dwarf.AttrStmtList).(int64)
	if !ok || t.readRows(u, table) != nil {
		*u = unit{} // what there is of it may be anything
		return u
	}
	if entry.Children {
		t.readInlined(u, reader)
	}
	return u
}

// parse makes the index of the units. One that is not whole is none.
func (t *Table) parse() {
	s := t.sections
	t.sections = nil
	offsets, ok := acceptable(s)
	if !ok {
		return
	}
	data, err := dwarf.New(s[".debug_abbrev"], nil, nil, s[".debug_info"], nil, nil, s[".debug_ranges"], s[".debug_str"])
	if err != nil {
		return
	}
	for _, name := range []string{".debug_addr", ".debug_line_str", ".debug_str_offsets", ".debug_rnglists"} {
		if len(s[name]) > 0 && data.AddSection(name, s[name]) != nil {
			return
		}
	}
	t.texts = map[string][]byte{}
	for _, name := range []string{".debug_line", ".debug_line_str", ".debug_str"} {
		t.texts[name] = s[name]
	}
	t.units, t.names, t.data = map[dwarf.Offset]*unit{}, map[dwarf.Offset]string{}, data
	reader := data.Reader()
	for _, at := range offsets {
		entry, ok := t.entry(reader, at)
		if ok {
			t.seek = max(t.seek, entryWork(entry))
			for _, r := range t.ranges(entry) {
				t.index = append(t.index, span{r[0], r[1], at})
			}
		}
		if t.left.work <= 0 {
			t.index, t.data, t.texts = nil, nil, nil
			return
		}
	}
	slices.SortFunc(t.index, func(a, b span) int { return cmp.Compare(a.low, b.low) })
}

// entry reads the entry at an offset.
func (t *Table) entry(reader *dwarf.Reader, at dwarf.Offset) (*dwarf.Entry, bool) {
	if !t.left.spend(t.seek) {
		return nil, false
	}
	reader.Seek(at)
	return t.next(reader)
}

// next reads the next entry.
func (t *Table) next(reader *dwarf.Reader) (*dwarf.Entry, bool) {
	e, err := reader.Next()
	if err != nil || e == nil {
		return nil, false
	}
	return e, t.left.spend(entryWork(e))
}

// ranges gives the code of an entry. What the linker removed is at 0.
func (t *Table) ranges(e *dwarf.Entry) [][2]uint64 {
	listed := e.Val(dwarf.AttrRanges) != nil
	if listed && !t.left.spend(2*t.seek) {
		return nil
	}
	all, err := t.data.Ranges(e)
	if err != nil || !t.left.spend(rangeWork*len(all)) {
		return nil
	}
	return slices.DeleteFunc(all, func(r [2]uint64) bool { return r[0] == 0 || r[0] >= r[1] || r[1] > math.MaxUint32 })
}

// readInlined reads which calls of a unit were inlined. The reader stands at the
// unit's children.
func (t *Table) readInlined(u *unit, reader *dwarf.Reader) {
	for depth := 1; depth > 0; {
		e, ok := t.next(reader)
		if !ok {
			return
		}
		if e.Tag == 0 {
			depth--
			continue
		}
		if e.Children {
			depth++
		}
		if e.Tag != dwarf.TagInlinedSubroutine {
			continue
		}
		ranges := t.ranges(e)
		if len(ranges) == 0 {
			continue
		}
		number := func(a dwarf.Attr) uint32 {
			n, _ := e.Val(a).(int64)
			return uint32(n)
		}
		call := inlined{file: number(dwarf.AttrCallFile) + 1, line: number(dwarf.AttrCallLine), column: number(dwarf.AttrCallColumn)}
		call.function = t.nameOf(e, 3)
		for _, r := range ranges {
			call.low, call.high = uint32(r[0]), uint32(r[1])
			u.inlined = append(u.inlined, call)
		}
	}
}

// nameOf gives the name of an entry, or of what it stands for.
func (t *Table) nameOf(e *dwarf.Entry, hops int) string {
	if linkage, ok := e.Val(dwarf.AttrLinkageName).(string); ok && t.left.spend(len(linkage)/16) {
		if name := Name(linkage); name != linkage {
			return cut(name)
		}
	}
	if name, ok := e.Val(dwarf.AttrName).(string); ok {
		return cut(name)
	}
	for _, a := range []dwarf.Attr{dwarf.AttrAbstractOrigin, dwarf.AttrSpecification} {
		at, ok := e.Val(a).(dwarf.Offset)
		if !ok || hops == 0 {
			continue
		}
		if name, ok := t.names[at]; ok {
			return name
		}
		if origin, ok := t.entry(t.data.Reader(), at); ok {
			t.names[at] = t.nameOf(origin, hops-1)
			return t.names[at]
		}
	}
	return ""
}
