package lines

import (
	"bytes"
	"debug/dwarf"
	"encoding/binary"
	"time"
)

// What is read of one module at most. A table of a few bytes can ask for any
// amount of work and memory: attributes may take no bytes, any number of entries
// may name one long string, and any number of units one table of abbreviations.
const (
	maxBytes        = 16 << 20 // of all sections; the most that a module has
	maxUnits        = 10_000
	maxDeclarations = 100_000 // of abbreviations, in each table that a unit names
	maxDeclared     = 1_000_000
	maxAttributes   = 64       // of one abbreviation
	maxString       = 64 << 10 // bytes of one string that is named by its offset
	maxText         = 1 << 10  // bytes that are kept of a name
	// maxWork is in units of some 30 ns and 16 bytes: a field, an instruction
	// of a line table, 16 bytes of a string.
	maxWork = 6_000_000
	maxTime = 200 * time.Millisecond
	// lookEvery is the work behind which the time is looked at.
	lookEvery = 10_000
)

// The work of what is kept, by its size and by how long it takes to sort and to
// search.
const (
	rowWork   = 9
	fileWork  = 12
	rangeWork = 24
)

// budget is what may still be read of a module.
type budget struct {
	work, look int
	end        time.Time // of the reading that is under way
}

// spend reports whether so much may be done. Once it may not, nothing may.
func (b *budget) spend(work int) bool {
	b.work -= work
	if b.look -= work; b.look <= 0 && b.work > 0 {
		b.look = lookEvery
		if time.Now().After(b.end) {
			b.work = 0
		}
	}
	return b.work > 0
}

// entryWork is the work of reading an entry.
func entryWork(e *dwarf.Entry) int {
	work := 1 + len(e.Field)
	for _, f := range e.Field {
		if s, ok := f.Val.(string); ok {
			work += len(s) / 16
		}
	}
	return work
}

// acceptable reports that debug/dwarf, which has no bounds of its own, can read
// any one entry of the sections within some megabytes, and gives the offsets of
// the units' first entries.
func acceptable(s map[string][]byte) (units []dwarf.Offset, ok bool) {
	total := 0
	for _, data := range s {
		total += len(data)
	}
	if total > maxBytes || hasLong(s[".debug_str"]) || hasLong(s[".debug_line_str"]) {
		return nil, false
	}
	declarations, declared, seen := maxDeclarations, maxDeclared, map[uint64]bool{}
	for c := (cursor{data: s[".debug_info"]}); c.at < len(c.data); {
		length, wide := c.length()
		begin, next := c.at, c.at+length
		if next > len(c.data) || length == 0 || len(units) == maxUnits {
			return nil, false
		}
		version, kind, abbreviations := c.uint(2), byte(0), uint64(0)
		if version >= 5 {
			kind = byte(c.uint(1))
			c.skip(1)
			abbreviations = c.offset(wide)
		} else {
			abbreviations = c.offset(wide)
			c.skip(1)
		}
		switch kind {
		case 4, 5: // of split files
			c.skip(8)
		case 2, 6: // of types
			c.skip(8)
			c.offset(wide)
		}
		if c.bad || c.at > next || begin == next {
			return nil, false
		}
		if c.at < next {
			units = append(units, dwarf.Offset(c.at))
		}
		c.at = next
		if !seen[abbreviations] {
			seen[abbreviations] = true
			if !declares(s[".debug_abbrev"], abbreviations, &declarations, &declared) {
				return nil, false
			}
		}
	}
	return units, true
}

// declares takes the abbreviations of one table, and their attributes, from what
// is left of them.
func declares(section []byte, at uint64, declarations, attributes *int) bool {
	if at > uint64(len(section)) {
		return false
	}
	const implicitConst = 0x21
	for c := (cursor{data: section[at:]}); c.at < len(c.data); *declarations-- {
		if c.uleb() == 0 {
			return !c.bad
		}
		c.uleb()
		c.skip(1)
		for n := 0; ; n++ {
			name, form := c.uleb(), c.uleb()
			if form == implicitConst {
				c.sleb()
			}
			if c.bad || n > maxAttributes || *attributes <= 0 || *declarations <= 0 {
				return false
			}
			if name == 0 && form == 0 {
				break
			}
			*attributes--
		}
	}
	return true
}

// hasLong reports a string that is too long.
func hasLong(texts []byte) bool {
	for len(texts) > maxString {
		end := bytes.IndexByte(texts[:maxString+1], 0)
		if end < 0 {
			return true
		}
		texts = texts[end+1:]
	}
	return false
}

// cursor reads a section. What is beyond its end is 0, and bad.
type cursor struct {
	data []byte
	at   int
	bad  bool
}

func (c *cursor) bytes(n int) []byte {
	if n < 0 || n > len(c.data)-c.at {
		c.bad, c.at = true, len(c.data)
		return nil
	}
	c.at += n
	return c.data[c.at-n : c.at]
}

func (c *cursor) skip(n int) { c.bytes(n) }

// uint reads a number of at most 8 bytes.
func (c *cursor) uint(n int) uint64 {
	var all [8]byte
	copy(all[:], c.bytes(min(n, len(all))))
	return binary.LittleEndian.Uint64(all[:])
}

// length reads the length of a unit, and whether its offsets have 8 bytes.
func (c *cursor) length() (n int, wide bool) {
	length := c.uint(4)
	if length == 0xffffffff {
		length, wide = c.uint(8), true
	}
	if length > uint64(len(c.data)) {
		c.bad, length = true, uint64(len(c.data))+1
	}
	return int(length), wide
}

func (c *cursor) offset(wide bool) uint64 {
	if wide {
		return c.uint(8)
	}
	return c.uint(4)
}

func (c *cursor) uleb() (v uint64) {
	for shift := 0; ; shift += 7 {
		b := c.uint(1)
		v |= (b & 0x7f) << min(shift, 64)
		if b < 0x80 {
			return v
		}
	}
}

func (c *cursor) sleb() (v int64) {
	for shift := 0; ; {
		b := c.uint(1)
		v |= int64((b & 0x7f) << min(shift, 64))
		shift += 7
		if b < 0x80 {
			if b&0x40 != 0 && shift < 64 {
				v |= -1 << shift
			}
			return v
		}
	}
}

// text reads a string that ends with a 0.
func (c *cursor) text() []byte {
	end := bytes.IndexByte(c.data[c.at:], 0)
	if end < 0 {
		c.bad, c.at = true, len(c.data)
		return nil
	}
	return c.bytes(end + 1)[:end]
}
