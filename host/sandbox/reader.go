package sandbox

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/tetratelabs/wazero/api"
)

// reader reads the primitives of the WebAssembly binary format. The first
// error stays; from then on everything reads as zero.
type reader struct {
	data    []byte
	at, end int
	place   string // of what is being read, for errors
	err     error  // a *ModuleError
}

// fail reports a module that is not sound.
func (r *reader) fail(format string, args ...any) { r.report(stageParse, format, args) }

// refuse reports a sound module that the host does not take.
func (r *reader) refuse(format string, args ...any) { r.report(stageVerify, format, args) }

func (r *reader) report(stage, format string, args []any) {
	if r.err == nil {
		r.err = &ModuleError{Stage: stage, Offset: int64(r.at), Place: r.place, Reason: fmt.Sprintf(format, args...)}
	}
}

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

func (r *reader) name() string {
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

// each reads as many entries as the section says it has.
func (r *reader) each(what string, most uint32, entry func()) {
	section := r.place
	for i := range r.count(what, most) {
		r.place = fmt.Sprintf("%s %d", what, i)
		entry()
		if r.err != nil {
			return
		}
	}
	r.place = section
}

// limits reads the limits of a table or memory and gives the minimum.
func (r *reader) limits(what string) int64 {
	flags := r.byte()
	if flags > 1 {
		r.refuse("%s limits 0x%x (shared or 64-bit) belong to a proposal that is not supported", what, flags)
	}
	low := r.u32()
	if flags == 1 {
		if high := r.u32(); r.err == nil && high < low {
			r.fail("%s minimum %d is over its maximum %d", what, low, high)
		}
	}
	return int64(low)
}

func (r *reader) valueType() api.ValueType {
	t := r.byte()
	if r.err == nil && valueTypeName(t) == "" {
		r.refuse("value type 0x%x belongs to a proposal that is not supported", t)
	}
	return t
}

// valueTypes reads a vector of value types, one byte each.
func (r *reader) valueTypes() string {
	var types []byte
	for range r.count("value type", maxName) {
		types = append(types, r.valueType())
		if r.err != nil {
			return ""
		}
	}
	return string(types)
}

func valueTypeName(t api.ValueType) string {
	switch t {
	case 0x7f:
		return "i32"
	case 0x7e:
		return "i64"
	case 0x7d:
		return "f32"
	case 0x7c:
		return "f64"
	case 0x7b:
		return "v128"
	case 0x70:
		return "funcref"
	case 0x6f:
		return "externref"
	}
	return ""
}

// signature is a function's type: one byte, its value type, for each
// parameter and result. So signatures are compared with ==.
type signature struct{ params, results string }

func takes(params ...api.ValueType) signature { return signature{params: string(params)} }

func (s signature) gives(results ...api.ValueType) signature {
	s.results = string(results)
	return s
}

// String writes "(i64, i32) -> i64", or "(i64) -> ()" without a result.
func (s signature) String() string {
	results := names(s.results)
	if len(s.results) != 1 {
		results = "(" + results + ")"
	}
	return "(" + names(s.params) + ") -> " + results
}

func names(types string) string {
	list := make([]string, len(types))
	for i := range types {
		list[i] = valueTypeName(types[i])
	}
	return strings.Join(list, ", ")
}
