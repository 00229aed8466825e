package expr

import (
	"encoding/json"
	"errors"
	"fmt"
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

// ParseExact is [ParseJSON] for what comes from strangers and is passed on: an
// [*Inexact] error tells of a member that is there twice (RFC 8259, section 4,
// leaves it open which one counts), of an integer that would be rounded, and of
// what is nested deeper than MaxDepth.
func ParseExact(data []byte) (any, error) {
	if !utf8.Valid(data) {
		return nil, errNotUTF8
	}
	r := reader{data: data, exact: true}
	v, ok := r.all()
	switch {
	case ok:
		return v, nil
	case r.fault != nil:
		slices.Reverse(r.fault.Path)
		return nil, r.fault
	}
	if _, err := parseSlowly(data); err != nil {
		return nil, err // it tells better what is wrong
	}
	return nil, errors.New("json: it can't be read")
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

// take passes a byte if it is next.
func (r *reader) take(c byte) bool {
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
	all := map[string]any{}
	if r.take('}') {
		return all, true
	}
	for members := 1; ; members++ {
		if r.space() != '"' {
			return nil, false
		}
		name, ok := r.text()
		if !ok || !r.take(':') {
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
		if r.take('}') {
			return all, true
		}
		if !r.take(',') {
			return nil, false
		}
	}
}

func (r *reader) list(depth int) (any, bool) {
	r.at++
	all := []any{}
	if r.take(']') {
		return all, true
	}
	for {
		value, ok := r.value(depth + 1)
		if !ok {
			return r.under(strconv.Itoa(len(all)))
		}
		all = append(all, value)
		if r.take(']') {
			return all, true
		}
		if !r.take(',') {
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
		return nil, false
	}
	if whole && r.exact {
		if _, err := n.Int64(); err != nil && strconv.FormatFloat(f, 'f', -1, 64) != n.String() {
			return r.refuse(fmt.Sprintf("the integer %.*s needs more than 64 bits and would be rounded: send it as text", maxShown, n))
		}
	}
	return Numbers(n), true
}
