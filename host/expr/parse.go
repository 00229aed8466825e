package expr

import (
	"encoding/json"
	"strconv"
)

// maxQuick is how deep the quick reader goes.
const maxQuick = 200

// quick reads a JSON value as [ParseJSON] gives it. It is for the plain JSON
// that nearly all is, and says of anything else, be it wrong or unusual, that
// it has not read it. The data is UTF-8.
func quick(data []byte) (any, bool) {
	r := reader{data: data}
	v, ok := r.value(0)
	r.space()
	return v, ok && r.at == len(data)
}

// reader is how far a text is read.
type reader struct {
	data []byte
	at   int
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
	if depth > maxQuick {
		return nil, false
	}
	switch c := r.space(); c {
	case '{':
		return r.object(depth)
	case '[':
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
	for {
		if r.space() != '"' {
			return nil, false
		}
		name, ok := r.text()
		if !ok || !r.take(':') {
			return nil, false
		}
		value, ok := r.value(depth + 1)
		if !ok {
			return nil, false
		}
		all[name] = value
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
			return nil, false
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
	if _, err := n.Float64(); err != nil {
		return nil, false
	}
	return Numbers(n), true
}
