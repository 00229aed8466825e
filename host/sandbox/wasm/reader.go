package wasm

import (
	"fmt"
	"slices"
	"unicode/utf8"
)

// reader reads the primitives of the WebAssembly binary format. The first
// error stays; from then on everything reads as zero.
type reader struct {
	data    []byte
	at, end int
	err     error // a *ModuleError

	// What is being read, for errors: "export", 3, "run". An index below 0 is
	// left out, and so is an empty name.
	place string
	index int
	name  string
}

// fail reports a module that is not sound.
func (r *reader) fail(format string, args ...any) { r.report(StageParse, r.at, format, args) }

// refuse reports a sound module that the host does not take.
func (r *reader) refuse(format string, args ...any) { r.report(StageVerify, r.at, format, args) }

func (r *reader) failAt(at int, format string, args ...any) { r.report(StageParse, at, format, args) }

func (r *reader) refuseAt(at int, format string, args ...any) {
	r.report(StageVerify, at, format, args)
}

func (r *reader) report(stage string, at int, format string, args []any) {
	if r.err != nil {
		return
	}
	place := r.place
	if r.index >= 0 {
		place = fmt.Sprintf("%s %d", place, r.index)
	}
	if r.name != "" {
		place = fmt.Sprintf("%s %q", place, r.name)
	}
	r.err = &ModuleError{Stage: stage, Offset: int64(at), Place: place, Reason: fmt.Sprintf(format, args...)}
}

// reading says what is read from now on.
func (r *reader) reading(place string) { r.place, r.index, r.name = place, -1, "" }

func (r *reader) byte() byte {
	if r.err == nil && r.at >= r.end {
		r.fail("it ends early")
	}
	if r.err != nil {
		return 0
	}
	r.at++
	return r.data[r.at-1]
}

// u32 reads an unsigned LEB128 number of at most 32 bits.
func (r *reader) u32() uint32 {
	if r.at < r.end && r.data[r.at] < 0x80 {
		r.at++
		return uint32(r.data[r.at-1])
	}
	return r.longU32()
}

func (r *reader) longU32() uint32 {
	var v uint64
	for shift := 0; shift < 35; shift += 7 {
		b := r.byte()
		v |= uint64(b&0x7f) << shift
		if b < 0x80 {
			if v > 1<<32-1 {
				break
			}
			return uint32(v)
		}
	}
	r.fail("a number has over 32 bits")
	return 0
}

// signed reads a signed LEB128 number of at most the given bits.
func (r *reader) signed(bits int) int64 {
	if r.at < r.end && r.data[r.at] < 0x80 {
		r.at++
		return int64(int8(r.data[r.at-1]<<1)) >> 1
	}
	var v int64
	for shift := 0; shift < bits; shift += 7 {
		b := r.byte()
		v |= int64(b&0x7f) << shift
		if b >= 0x80 {
			continue
		}
		if left := bits - shift; left < 7 {
			// What goes beyond the type's width must repeat its sign.
			if top := int8(b<<1) >> left; top != 0 && top != -1 {
				break
			}
		}
		if b&0x40 != 0 && shift+7 < 64 {
			v |= -1 << (shift + 7)
		}
		return v
	}
	r.fail("a number has over %d bits", bits)
	return 0
}

// skip passes n bytes.
func (r *reader) skip(n int) {
	if r.err == nil && n > r.end-r.at {
		r.fail("it ends early")
	}
	if r.err == nil {
		r.at += n
	}
}

// bytes reads a length and passes as many bytes, which it gives.
func (r *reader) bytes() []byte {
	n := r.u32()
	if r.err == nil && int64(n) > int64(r.end-r.at) {
		r.fail("%d bytes go past the end", n)
	}
	if r.err != nil {
		return nil
	}
	r.at += int(n)
	return r.data[r.at-int(n) : r.at : r.at]
}

func (r *reader) utf8() string {
	n := r.u32()
	if r.err != nil {
		return ""
	}
	if int64(n) > int64(r.end-r.at) {
		r.fail("a name of %d bytes goes past the end", n)
		return ""
	}
	if n > maxName {
		r.refuse("a name has %d bytes, over the limit of %d", n, maxName)
		return ""
	}
	s := string(r.data[r.at : r.at+int(n)])
	r.at += int(n)
	if !utf8.ValidString(s) {
		r.fail("a name is not UTF-8")
		return ""
	}
	return s
}

// count reads the number of entries of a section.
func (r *reader) count(what string, most uint32) uint32 {
	n := r.u32()
	if n > most {
		r.refuse("%d entries (%s), over the limit of %d", n, what, most)
		return 0
	}
	return n
}

// each reads as many entries as the section says it has. Each call of entry
// appends one to the list.
func each[T any](r *reader, what string, most uint32, list *[]T, entry func()) {
	section := r.place
	n := int(r.count(what, most))
	*list = slices.Grow(*list, min(n, r.end-r.at)) // an entry has a byte or more
	for i := range n {
		r.place, r.index, r.name = what, i, ""
		entry()
		if r.err != nil {
			return
		}
	}
	r.reading(section)
}

// limits reads the limits of a table or memory.
func (r *reader) limits(what string) Limits {
	flags := r.byte()
	if flags > 1 {
		r.refuse("%s limits 0x%x (shared or 64-bit) belong to a proposal that is not supported: %s", what, flags, limitsProposal(flags))
	}
	l := Limits{Min: r.u32(), HasMax: flags == 1}
	if l.HasMax {
		l.Max = r.u32()
		if r.err == nil && l.Max < l.Min {
			r.fail("%s minimum %d is over its maximum %d", what, l.Min, l.Max)
		}
	}
	return l
}

func limitsProposal(flags byte) string {
	if flags&4 != 0 {
		return "memory64"
	}
	return "threads"
}

func (r *reader) valueType() byte {
	t := r.byte()
	if r.err == nil && TypeName(t) == "" {
		r.refuse("value type 0x%x belongs to a proposal that is not supported", t)
	}
	return t
}

func (r *reader) refType() byte {
	t := r.byte()
	if r.err == nil && t != FuncRef && t != ExternRef {
		r.refuse("reference type 0x%x belongs to a proposal that is not supported", t)
	}
	return t
}

// valueTypes reads a vector of value types, one byte each.
func (r *reader) valueTypes(what string, most uint32) string {
	n := r.count(what, most)
	start := r.at
	for range n {
		r.valueType()
		if r.err != nil {
			return ""
		}
	}
	return string(r.data[start:r.at])
}
