package expr

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxDepth is how deep the quick reader goes: what is nested deeper comes from
// no program that means well, and costs every step of a flow.
const MaxDepth = 200

// maxShown bounds what is quoted of a value.
const maxShown = 40

// quick reads a JSON value as [ParseJSON] gives it. It is for the plain JSON
// that nearly all is, and says of anything else, be it wrong or unusual, that
// it has not read it. The data is UTF-8.
func quick(data []byte) (any, bool) {
	r := reader{data: data}
	return r.all()
}

// Room is asked for memory before a value takes it, some bytes at a time. It
// says whether there is so much.
type Room func(bytes int) bool

// ErrNoRoom says that a value would take more memory than there is room for.
var ErrNoRoom = errors.New("json: the values take more memory than there is")

// roomAtOnce is how many bytes a Room is asked for at the least.
const roomAtOnce = 64 << 10

// ParseExact is [ParseJSON] for what comes from strangers and is passed on: an
// [*Inexact] error tells of a member that is there twice (RFC 8259, section 4,
// leaves it open which one counts), of a number that would be rounded, and of
// what is nested deeper than MaxDepth. A value may take fifty times the memory
// of its text: room is asked for all of it; nil: there is as much as it takes.
func ParseExact(data []byte, room Room) (any, error) {
	if !utf8.Valid(data) {
		return nil, errNotUTF8
	}
	r := reader{data: data, exact: true, room: room}
	v, ok := r.all()
	switch {
	case ok:
		return v, nil
	case r.full:
		return nil, ErrNoRoom
	case r.fault != nil:
		slices.Reverse(r.fault.Path)
		return nil, r.fault
	}
	if err := json.Unmarshal(data, &passed{}); err != nil {
		return nil, err // it tells better what is wrong
	}
	return nil, errors.New("json: it can't be read")
}

// passed is a value of which nothing is kept.
type passed struct{}

func (*passed) UnmarshalJSON([]byte) error { return nil }

// deepByte is what a byte of JSON may take that is nested deeper than MaxDepth:
// the library, which is left to read it, holds it twice.
const deepByte = 120

// ParseWithin is [ParseJSON] for a value that may take so much memory at the most;
// for more, the error is ErrNoRoom.
func ParseWithin(data []byte, most int) (any, error) {
	if !utf8.Valid(data) {
		return nil, errNotUTF8
	}
	left := most
	r := reader{data: data, room: func(more int) bool { left -= more; return left >= 0 }}
	if v, ok := r.all(); ok {
		return v, nil
	}
	if r.full {
		return nil, ErrNoRoom
	}
	if err := json.Unmarshal(data, &passed{}); err != nil {
		return nil, err
	}
	if deepByte*len(data) > most {
		return nil, ErrNoRoom
	}
	return parseSlowly(data)
}

// Weight guesses, from above and without reading it, how much memory the value of
// a JSON text takes.
func Weight(data []byte) int {
	return len(data) + (ofObject+ofFirst)*bytes.Count(data, []byte("{")) + (ofList+ofItem)*bytes.Count(data, []byte("[")) + ofMember*bytes.Count(data, []byte(","))
}

// Inexact is a place of a JSON value that can't be kept as it is.
type Inexact struct {
	Path   []string // names of members, and indexes
	Detail string   // what is wrong there, and what to do
}

func (e *Inexact) Error() string {
	return fmt.Sprintf("json: at /%s: %s", strings.Join(e.Path, "/"), e.Detail)
}

// reader is how far a text is read.
type reader struct {
	data  []byte
	at    int
	exact bool     // what [ParseExact] refuses is not read
	fault *Inexact // that; its path begins at the end until all is read

	room Room
	left int  // bytes that room has given and nothing takes yet
	full bool // it gave no more
}

// What values take beside their texts, in bytes, as Go's runtime lays them out.
const (
	ofObject = 64  // and once it has a member
	ofFirst  = 288 // for eight of them
	ofMember = 80  // of each further one
	ofList   = 24
	ofItem   = 32 // with what is left of shorter lists
	ofText   = 24
	ofNumber = 8
)

// take takes memory for a value.
func (r *reader) take(bytes int) bool {
	r.left -= bytes
	return r.left >= 0 || r.more()
}

// more asks for what take took too much.
func (r *reader) more() bool {
	if r.room == nil {
		r.left = math.MaxInt
		return true
	}
	bytes := max(roomAtOnce, -r.left)
	if !r.room(bytes) {
		r.full = true
		return false
	}
	r.left += bytes
	return true
}

// all reads all there is.
func (r *reader) all() (any, bool) {
	v, ok := r.value(0)
	r.space()
	return v, ok && r.at == len(r.data)
}

// refuse says why the value that is read now is not.
func (r *reader) refuse(detail string) (any, bool) {
	if r.exact {
		r.fault = &Inexact{Detail: detail}
	}
	return nil, false
}

// under says where a value stands that was not read.
func (r *reader) under(name string) (any, bool) {
	if r.fault != nil {
		r.fault.Path = append(r.fault.Path, name)
	}
	return nil, false
}

// space passes white space, and gives the byte that follows; 0 at the end.
func (r *reader) space() byte {
	for ; r.at < len(r.data); r.at++ {
		switch c := r.data[r.at]; c {
		case ' ', '\t', '\r', '\n':
		default:
			return c
		}
	}
	return 0
}

// next passes a byte if it is next.
func (r *reader) next(c byte) bool {
	if r.space() != c || c == 0 {
		return false
	}
	r.at++
	return true
}

func (r *reader) value(depth int) (any, bool) {
	switch c := r.space(); c {
	case '{', '[':
		if depth == MaxDepth {
			return r.refuse(fmt.Sprintf("it is nested deeper than %d levels", MaxDepth))
		}
		if c == '{' {
			return r.object(depth)
		}
		return r.list(depth)
	case '"':
		return r.text()
	case 't':
		return true, r.word("true")
	case 'f':
		return false, r.word("false")
	case 'n':
		return nil, r.word("null")
	}
	return r.number()
}

func (r *reader) word(word string) bool {
	if len(r.data)-r.at < len(word) || string(r.data[r.at:r.at+len(word)]) != word {
		return false
	}
	r.at += len(word)
	return true
}

func (r *reader) object(depth int) (any, bool) {
	r.at++
	if !r.take(ofObject) {
		return nil, false
	}
	all := map[string]any{}
	if r.next('}') {
		return all, true
	}
	for members := 1; ; members++ {
		if r.space() != '"' || members == 1 && !r.take(ofFirst) || members > 8 && !r.take(ofMember) {
			return nil, false
		}
		name, ok := r.text()
		if !ok || !r.next(':') {
			return nil, false
		}
		value, ok := r.value(depth + 1)
		if !ok {
			return r.under(name)
		}
		if all[name] = value; r.exact && len(all) < members {
			r.refuse("the member is there twice: send it once")
			return r.under(name)
		}
		if r.next('}') {
			return all, true
		}
		if !r.next(',') {
			return nil, false
		}
	}
}

func (r *reader) list(depth int) (any, bool) {
	r.at++
	if !r.take(ofList) {
		return nil, false
	}
	all := []any{}
	if r.next(']') {
		return all, true
	}
	for {
		if !r.take(ofItem) {
			return nil, false
		}
		value, ok := r.value(depth + 1)
		if !ok {
			return r.under(strconv.Itoa(len(all)))
		}
		all = append(all, value)
		if r.next(']') {
			return all, true
		}
		if !r.next(',') {
			return nil, false
		}
	}
}

// text reads a text; what is escaped in it is left to the library.
func (r *reader) text() (string, bool) {
	from, escaped := r.at, false
	for r.at++; r.at < len(r.data); r.at++ {
		switch c := r.data[r.at]; {
		case c == '"':
			r.at++
			if !r.take(ofText + r.at - from) {
				return "", false
			}
			if !escaped {
				return string(r.data[from+1 : r.at-1]), true
			}
			var text string
			err := json.Unmarshal(r.data[from:r.at], &text)
			return text, err == nil
		case c == '\\':
			escaped = true
			r.at++
		case c < ' ':
			return "", false
		}
	}
	return "", false
}

// number reads an integer of few digits; others are left to the library.
func (r *reader) number() (any, bool) {
	from := r.at
	if !r.take(ofNumber) {
		return nil, false
	}
	if r.at < len(r.data) && r.data[r.at] == '-' {
		r.at++
	}
	first := r.at
	for r.at < len(r.data) && '0' <= r.data[r.at] && r.data[r.at] <= '9' {
		r.at++
	}
	digits := r.at - first
	if digits == 0 || digits > 1 && r.data[first] == '0' {
		return nil, false
	}
	whole := true
	for ; r.at < len(r.data); r.at++ {
		c := r.data[r.at]
		if !('0' <= c && c <= '9' || c == '.' || c == 'e' || c == 'E' || c == '+' || c == '-') {
			break
		}
		whole = false
	}
	if whole && digits < 19 {
		n, err := strconv.ParseInt(string(r.data[from:r.at]), 10, 64)
		return n, err == nil
	}
	n := json.Number("")
	if err := json.Unmarshal(r.data[from:r.at], &n); err != nil {
		return nil, false
	}
	f, err := n.Float64()
	if err != nil {
		return r.refuse(fmt.Sprintf("the number %.*s is beyond what a 64-bit float holds", maxShown, n))
	}
	if whole && r.exact {
		if _, err := n.Int64(); err != nil && strconv.FormatFloat(f, 'f', -1, 64) != n.String() {
			return r.refuse(fmt.Sprintf("the integer %.*s needs more than 64 bits and would be rounded: send it as text", maxShown, n))
		}
	}
	return Numbers(n), true
}
