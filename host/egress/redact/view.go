package redact

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// view is one way to read a source: bytes, and where in the source each of
// them stands.
type view struct {
	bytes    []byte
	from, to []int // offsets into the source
}

func (v *view) add(b byte, from, to int) {
	v.bytes, v.from, v.to = append(v.bytes, b), append(v.from, from), append(v.to, to)
}

func (v *view) append(w view) {
	v.bytes, v.from, v.to = append(v.bytes, w.bytes...), append(v.from, w.from...), append(v.to, w.to...)
}

// part is the view from one byte to before another.
func (v *view) part(from, to int) view {
	return view{v.bytes[from:to], v.from[from:to], v.to[from:to]}
}

// drop takes the first n bytes away, in place.
func (v *view) drop(n int) {
	v.bytes, v.from, v.to = append(v.bytes[:0], v.bytes[n:]...), append(v.from[:0], v.from[n:]...), append(v.to[:0], v.to[n:]...)
}

// A reading appends to out what in says, and tells how many bytes of in that
// took. What it leaves is the beginning of something, so it leaves nothing at
// the end.
type reading func(in *view, end bool, out *view) int

// same reads a source as it is.
func same(in *view, _ bool, out *view) int {
	out.append(*in)
	return len(in.bytes)
}

// maxEscape is the longest escape: two UTF-16 units in JSON.
const maxEscape = len(`\ud83d\udc4b`)

// unescape reads the escapes of JSON, URLs, HTML and XML, in any mix. What is
// no escape stands for itself.
func unescape(in *view, end bool, out *view) int {
	i := 0
	for i < len(in.bytes) {
		switch in.bytes[i] {
		case '\\', '%', '&':
			if !end && len(in.bytes)-i < maxEscape {
				return i
			}
			value, n := escape(in.bytes[i:])
			from, to := in.from[i], in.to[i+n-1]
			for _, b := range value {
				out.add(b, from, to)
			}
			i += n
		default:
			to := i + 1
			for to < len(in.bytes) && in.bytes[to] != '\\' && in.bytes[to] != '%' && in.bytes[to] != '&' {
				to++
			}
			out.append(in.part(i, to))
			i = to
		}
	}
	return i
}

// spaced is unescape with each plus as the space that it is in a query.
func spaced(in *view, end bool, out *view) int {
	from := len(out.bytes)
	n := unescape(in, end, out)
	for i := from; i < len(out.bytes); i++ {
		if out.bytes[i] == '+' {
			out.bytes[i] = ' '
		}
	}
	return n
}

// maxGap is the longest white space that compact passes over: what may be a
// match is held back for as long.
const maxGap = 64

// compact leaves out the white space with which base64 and hexadecimal are
// broken into lines, and writes base64url as base64.
func compact(in *view, end bool, out *view) int {
	for i := 0; i < len(in.bytes); {
		to := i
		for to < len(in.bytes) && !isSpace(in.bytes[to]) {
			to++
		}
		from := len(out.bytes)
		out.append(in.part(i, to))
		for k := from; k < len(out.bytes); k++ {
			switch out.bytes[k] {
			case '-':
				out.bytes[k] = '+'
			case '_':
				out.bytes[k] = '/'
			}
		}
		i = to
		for to < len(in.bytes) && to-i < maxGap && isSpace(in.bytes[to]) {
			to++
		}
		switch {
		case to-i == maxGap:
			out.add(' ', in.from[i], in.to[to-1])
		case to == len(in.bytes) && !end:
			return i
		}
		i = to
	}
	return len(in.bytes)
}

func isSpace(b byte) bool { return b == ' ' || b == '\t' || b == '\r' || b == '\n' }

// escape reads the escape that b begins with, and gives its length. A byte
// that begins none is its own value.
func escape(b []byte) (value []byte, length int) {
	switch b[0] {
	case '%':
		if code, ok := number(b, 1, 3, 16); ok {
			return []byte{byte(code)}, 3
		}
	case '\\':
		if len(b) < 2 {
			break
		}
		if i := strings.IndexByte(`"\/bfnrt`, b[1]); i >= 0 {
			return []byte{"\"\\/\b\f\n\r\t"[i]}, 2
		}
		if code, ok := number(b, 2, 6, 16); ok && b[1] == 'u' {
			if low, ok := number(b, 8, 12, 16); ok && b[6] == '\\' && b[7] == 'u' {
				if r := utf16.DecodeRune(code, low); r != utf8.RuneError {
					return utf8.AppendRune(nil, r), 12
				}
			}
			return utf8.AppendRune(nil, code), 6
		}
	case '&':
		return reference(b)
	}
	return b[:1], 1
}

// reference reads a character reference of HTML, which may lack its semicolon
// if it is a number.
func reference(b []byte) (value []byte, length int) {
	for _, named := range []struct {
		name  string
		value byte
	}{{"&lt;", '<'}, {"&gt;", '>'}, {"&amp;", '&'}, {"&quot;", '"'}, {"&apos;", '\''}} {
		if strings.HasPrefix(string(b[:min(len(b), len(named.name))]), named.name) {
			return []byte{named.value}, len(named.name)
		}
	}
	if len(b) < 3 || b[1] != '#' {
		return b[:1], 1
	}
	from, base := 2, 10
	if b[2] == 'x' || b[2] == 'X' {
		from, base = 3, 16
	}
	to := from
	for to < min(len(b), maxEscape-1) && isDigit(b[to], base) {
		to++
	}
	code, ok := number(b, from, to, base)
	if !ok {
		return b[:1], 1
	}
	if to < len(b) && b[to] == ';' {
		to++
	}
	return utf8.AppendRune(nil, code), to
}

func isDigit(b byte, base int) bool {
	return '0' <= b && b <= '9' || base == 16 && ('a' <= b|0x20 && b|0x20 <= 'f')
}

// number reads b[from:to], if it is there and has digits only.
func number(b []byte, from, to, base int) (rune, bool) {
	if len(b) < to {
		return 0, false
	}
	for _, digit := range b[from:to] {
		if !isDigit(digit, base) {
			return 0, false
		}
	}
	code, err := strconv.ParseInt(string(b[from:to]), base, 32)
	return rune(code), err == nil
}
