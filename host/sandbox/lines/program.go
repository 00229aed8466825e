package lines

import (
	"errors"
	"math"
	"slices"
)

var (
	errTable = errors.New("no line table")
	errWork  = errors.New("too much to be read")
)

// What the entries of a line table of version 5 are made of.
const (
	contentPath, contentDirectory = 1, 2

	formBlock, formData1, formData2, formData4, formData8, formData16 = 0x09, 0x0b, 0x05, 0x06, 0x07, 0x1e
	formString, formStrp, formLineStrp, formUdata                     = 0x08, 0x0e, 0x1f, 0x0f
)

// file is an entry of a line table. Its texts stay where they are in the
// section: any number of files may be in one directory.
type file struct {
	directory uint64
	name      []byte
}

// header is what a line table's program is read by.
type header struct {
	cursor
	version, minimal, lineRange uint64
	lineBase                    int64
	lengths                     []byte // operands of the opcodes below the special ones
	wide                        bool
}

// readRows reads a unit's line table: DWARF 2 to 5, section 6.2. Its sequences
// come in any order, and those of functions that the linker removed begin at 0
// or at the end of all addresses.
func (t *Table) readRows(u *unit, at int64) error {
	section := t.texts[".debug_line"]
	if at < 0 || at >= int64(len(section)) {
		return errTable
	}
	h := header{cursor: cursor{data: section, at: int(at)}}
	length, wide := h.length()
	if h.bad || length > len(section)-h.at {
		return errTable
	}
	h.data, h.wide = section[:h.at+length], wide
	if h.version = h.uint(2); h.version < 2 || h.version > 5 {
		return errTable
	}
	if h.version == 5 {
		h.skip(2) // the sizes of addresses and of segments
	}
	rest := h.offset(wide)
	if h.bad || rest > uint64(len(h.data)-h.at) {
		return errTable
	}
	program := h.at + int(rest)
	h.minimal = h.uint(1)
	if h.version >= 4 {
		h.skip(1) // operations of one instruction
	}
	h.skip(1) // whether rows are statements
	h.lineBase, h.lineRange = int64(int8(h.uint(1))), h.uint(1)
	opcodes := int(h.uint(1))
	if opcodes == 0 || h.lineRange == 0 {
		return errTable
	}
	h.lengths = h.bytes(opcodes - 1)
	if err := t.readFiles(u, &h); err != nil {
		return err
	}
	h.at = program
	return t.run(u, &h)
}

func (t *Table) readFiles(u *unit, h *header) (err error) {
	if h.version == 5 {
		directories, err := t.entries(h)
		for _, d := range directories {
			u.directories = append(u.directories, d.name)
		}
		if err == nil {
			u.files, err = t.entries(h)
		}
		return err
	}
	u.directories, u.files = [][]byte{nil}, []file{{}} // both are counted from 1
	for name := h.text(); len(name) > 0; name = h.text() {
		u.directories = append(u.directories, name)
		if !t.left.spend(fileWork) {
			return errWork
		}
	}
	for name := h.text(); len(name) > 0; name = h.text() {
		u.files = append(u.files, file{h.uleb(), name})
		h.uleb()
		h.uleb()
		if !t.left.spend(fileWork) {
			return errWork
		}
	}
	if h.bad {
		return errTable
	}
	return nil
}

// entries reads directories or files of version 5.
func (t *Table) entries(h *header) (all []file, err error) {
	type field struct{ content, form uint64 }
	format := make([]field, h.uint(1))
	for i := range format {
		format[i] = field{h.uleb(), h.uleb()}
	}
	for range h.uleb() {
		var f file
		for _, field := range format {
			name, number := t.value(h, field.form)
			switch field.content {
			case contentPath:
				f.name = name
			case contentDirectory:
				f.directory = number
			}
			if !t.left.spend(1 + len(name)/16) {
				return nil, errWork
			}
		}
		if h.bad {
			return nil, errTable
		}
		if !t.left.spend(fileWork) {
			return nil, errWork
		}
		all = append(all, f)
	}
	return all, nil
}

// value reads one value of an entry. A form that isn't allowed there is bad.
func (t *Table) value(h *header, form uint64) (text []byte, number uint64) {
	switch form {
	case formString:
		text = h.text()
	case formLineStrp:
		text = textAt(t.texts[".debug_line_str"], h.offset(h.wide))
	case formStrp:
		text = textAt(t.texts[".debug_str"], h.offset(h.wide))
	case formUdata:
		number = h.uleb()
	case formData1:
		number = h.uint(1)
	case formData2:
		number = h.uint(2)
	case formData4:
		number = h.uint(4)
	case formData8:
		number = h.uint(8)
	case formData16:
		h.skip(16)
	case formBlock:
		h.skip(int(min(h.uleb(), math.MaxInt32)))
	default:
		h.bad = true
	}
	return text, number
}

func textAt(section []byte, at uint64) []byte {
	if at >= uint64(len(section)) {
		return nil
	}
	c := cursor{data: section[at:]}
	return c.text()
}

// Opcodes of line tables.
const (
	opExtended, opCopy, opAdvance, opAdvanceLine, opFile, opColumn = 0, 1, 2, 3, 4, 5
	opConstAdd, opFixedAdvance                                     = 8, 9

	opEndSequence, opSetAddress = 1, 2 // extended ones
)

// run performs the program of a line table, which gives its rows.
func (t *Table) run(u *unit, h *header) error {
	special := byte(len(h.lengths) + 1)
	address, at := uint64(0), row{file: 1, line: 1}
	begun, dead := false, false
	emit := func(ends bool) bool {
		if !begun {
			begun, dead = true, address == 0 || address >= math.MaxUint32-1
		}
		if !dead && address < math.MaxUint32 {
			r := row{address: uint32(address)}
			if !ends && uint64(at.file) < uint64(len(u.files)) && len(u.files[at.file].name) > 0 {
				r.file, r.line, r.column = at.file+1, at.line, at.column
			}
			u.rows = append(u.rows, r)
		}
		return t.left.spend(rowWork)
	}
	for h.at < len(h.data) {
		ok := t.left.spend(1)
		switch op := byte(h.uint(1)); {
		case op >= special:
			step := uint64(op - special)
			address += h.minimal * (step / h.lineRange)
			at.line += uint32(h.lineBase + int64(step%h.lineRange))
			ok = emit(false)
		case op == opExtended:
			length := h.uleb()
			if h.bad || length == 0 || length > uint64(len(h.data)-h.at) {
				return errTable
			}
			next := h.at + int(length)
			switch h.uint(1) {
			case opEndSequence:
				ok = emit(true)
				address, at, begun = 0, row{file: 1, line: 1}, false
			case opSetAddress:
				address = h.uint(next - h.at)
			}
			h.at = next
		case op == opCopy:
			ok = emit(false)
		case op == opAdvance:
			address += h.minimal * h.uleb()
		case op == opAdvanceLine:
			at.line += uint32(h.sleb())
		case op == opFile:
			at.file = uint32(min(h.uleb(), math.MaxUint32-1))
		case op == opColumn:
			at.column = uint32(h.uleb())
		case op == opConstAdd:
			address += h.minimal * (uint64(255-special) / h.lineRange)
		case op == opFixedAdvance:
			address += h.uint(2)
		default:
			for range h.lengths[op-1] {
				h.uleb()
			}
		}
		if h.bad {
			return errTable
		}
		if !ok {
			return errWork
		}
	}
	// Where a sequence ends another may begin, whose row is the one that counts.
	slices.SortStableFunc(u.rows, func(a, b row) int {
		if a.address != b.address {
			return int(int64(a.address) - int64(b.address))
		}
		return int(min(a.file, 1)) - int(min(b.file, 1))
	})
	return nil
}
