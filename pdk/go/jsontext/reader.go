package jsontext

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// Reader reads JSON that a program wrote without white space. Its methods say
// false of anything else, also of what is good JSON: whoever reads begins anew
// with encoding/json then. It checks no more than it needs to read.
type Reader struct{ rest []byte }

// NewReader reads data, which is not to be changed meanwhile.
func NewReader(data []byte) *Reader { return &Reader{data} }

// Ended says whether all has been read.
func (r *Reader) Ended() bool { return len(r.rest) == 0 }

// Take passes over one byte, if it comes next.
func (r *Reader) Take(c byte) bool {
	if len(r.rest) == 0 || r.rest[0] != c {
		return false
	}
	r.rest = r.rest[1:]
	return true
}

// Int reads an integer of at most nine digits, without a sign.
func (r *Reader) Int() (n int, ok bool) {
	at := 0
	for at < len(r.rest) && at < 9 && r.rest[at]-'0' <= 9 {
		n = n*10 + int(r.rest[at]-'0')
		at++
	}
	if at == 0 || at < len(r.rest) && r.rest[at]-'0' <= 9 || at > 1 && r.rest[0] == '0' {
		return 0, false
	}
	r.rest = r.rest[at:]
	return n, true
}

// String reads a string.
func (r *Reader) String() (text string, ok bool) {
	if len(r.rest) == 0 || r.rest[0] != '"' {
		return "", false
	}
	body := r.rest[1:]
	end := bytes.IndexByte(body, '"')
	if end < 0 {
		return "", false
	}
	if bytes.IndexByte(body[:end], '\\') < 0 {
		r.rest = body[end+1:]
		return string(body[:end]), true
	}
	n := stringLength(r.rest)
	if n == 0 {
		return "", false
	}
	body, r.rest = r.rest[1:n-1], r.rest[n:]
	return unescaped(body)
}

// unescaped gives what the inside of a string says, whose escapes are known to
// be good. Half a surrogate pair is no text.
func unescaped(body []byte) (string, bool) {
	out := make([]byte, 0, len(body))
	for {
		at := bytes.IndexByte(body, '\\')
		if at < 0 {
			return string(append(out, body...)), true
		}
		out = append(out, body[:at]...)
		c := body[at+1]
		body = body[at+2:]
		switch c {
		case 'b':
			c = '\b'
		case 'f':
			c = '\f'
		case 'n':
			c = '\n'
		case 'r':
			c = '\r'
		case 't':
			c = '\t'
		case 'u':
			code, _ := hex4(body)
			if utf16.IsSurrogate(code) {
				return "", false
			}
			out, body = utf8.AppendRune(out, code), body[4:]
			continue
		}
		out = append(out, c)
	}
}

// Strings reads an object whose members are strings.
func (r *Reader) Strings() (map[string]string, bool) {
	all := map[string]string{}
	ok := r.Object(func(name string) (ok bool) {
		all[name], ok = r.String()
		return ok
	})
	return all, ok
}

// Object reads an object: member reads the value of each member.
func (r *Reader) Object(member func(name string) bool) bool {
	if !r.Take('{') {
		return false
	}
	if r.Take('}') {
		return true
	}
	for {
		name, ok := r.String()
		if !ok || !r.Take(':') || !member(name) {
			return false
		}
		if r.Take('}') {
			return true
		}
		if !r.Take(',') {
			return false
		}
	}
}
