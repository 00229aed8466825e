// Package jsontext reads and writes JSON where its shape is known, in an eighth
// of the guest's work that encoding/json takes: a plugin pays for each
// instruction, and what its host says is often longer than what it does with it.
// Whatever is not the plain case is left to encoding/json.
//
// It knows nothing of plugins.
package jsontext

import (
	"bytes"
	"unicode/utf8"
)

// AppendString appends text as a JSON string. As in encoding/json, bytes that
// are not UTF-8 become U+FFFD; <, > and & stay as they are.
func AppendString(to []byte, text string) []byte {
	const hex = "0123456789abcdef"
	to = append(to, '"')
	done := 0 // what is before it, to has
	for i := 0; i < len(text); {
		c := text[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(text[i:])
			if r == utf8.RuneError && size == 1 {
				to = append(append(to, text[done:i]...), "\uFFFD"...)
				done = i + 1
			}
			i += size
			continue
		}
		to = append(to, text[done:i]...)
		switch c {
		case '"', '\\':
			to = append(to, '\\', c)
		case '\n':
			to = append(to, '\\', 'n')
		case '\r':
			to = append(to, '\\', 'r')
		case '\t':
			to = append(to, '\\', 't')
		default:
			to = append(to, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		i++
		done = i
	}
	return append(append(to, text[done:]...), '"')
}

// Valid says whether data is one JSON value (RFC 8259), as json.Valid does.
func Valid(data []byte) bool {
	var room [64]byte
	open := room[:0] // the brackets around what comes next
	const (
		value  = iota // one must come
		first         // a value, or the end of its array
		name          // a member's
		member        // a member's name, or the end of its object
		after         // what follows a value
	)
	for at, next := 0, value; ; {
		for at < len(data) && (data[at] == ' ' || data[at] == '\n' || data[at] == '\r' || data[at] == '\t') {
			at++
		}
		if at == len(data) {
			return next == after && len(open) == 0
		}
		c := data[at]
		switch {
		case next == after:
			switch {
			case len(open) == 0:
				return false
			case c == ',' && open[len(open)-1] == '{':
				next = name
			case c == ',':
				next = value
			case c == open[len(open)-1]+2: // the brackets are two apart in ASCII
				open = open[:len(open)-1]
			default:
				return false
			}
			at++
		case next == member && c == '}', next == first && c == ']':
			open, next = open[:len(open)-1], after
			at++
		case next == name, next == member:
			n := stringLength(data[at:])
			if n == 0 {
				return false
			}
			for at += n; at < len(data) && (data[at] == ' ' || data[at] == '\n' || data[at] == '\r' || data[at] == '\t'); at++ {
			}
			if at == len(data) || data[at] != ':' {
				return false
			}
			at++
			next = value
		case c == '{', c == '[':
			if len(open) == maxDepth {
				return false
			}
			if open, next = append(open, c), member; c == '[' {
				next = first
			}
			at++
		default:
			n := scalarLength(data[at:])
			if n == 0 {
				return false
			}
			at += n
			next = after
		}
	}
}

// maxDepth is that of encoding/json.
const maxDepth = 10_000

// scalarLength gives the length of the string, number or word that data begins
// with, 0 if it does with none.
func scalarLength(data []byte) int {
	switch c := data[0]; c {
	case '"':
		return stringLength(data)
	case 't', 'f', 'n':
		for _, word := range [...]string{"true", "false", "null"} {
			if len(data) >= len(word) && string(data[:len(word)]) == word {
				return len(word)
			}
		}
		return 0
	default:
		return numberLength(data)
	}
}

func numberLength(data []byte) int {
	at := 0
	digits := func() bool {
		from := at
		for at < len(data) && data[at]-'0' <= 9 {
			at++
		}
		return at > from
	}
	if data[0] == '-' {
		at++
	}
	if at < len(data) && data[at] == '0' {
		at++
	} else if !digits() {
		return 0
	}
	if at < len(data) && data[at] == '.' {
		if at++; !digits() {
			return 0
		}
	}
	if at < len(data) && data[at]|0x20 == 'e' {
		if at++; at < len(data) && (data[at] == '+' || data[at] == '-') {
			at++
		}
		if !digits() {
			return 0
		}
	}
	return at
}

// stringLength gives the length of the string that data begins with, quotes
// included, 0 if it does with none.
func stringLength(data []byte) int {
	if data[0] != '"' {
		return 0
	}
	for at := 1; at < len(data); at++ {
		switch c := data[at]; {
		case c == '"':
			return at + 1
		case c < ' ':
			return 0
		case c == '\\':
			if at++; at == len(data) {
				return 0
			}
			if data[at] != 'u' {
				if bytes.IndexByte([]byte(`"\/bfnrt`), data[at]) < 0 {
					return 0
				}
				continue
			}
			if _, ok := hex4(data[at+1:]); !ok {
				return 0
			}
			at += 4
		}
	}
	return 0
}

// hex4 reads the four digits of an escape.
func hex4(data []byte) (r rune, ok bool) {
	if len(data) < 4 {
		return 0, false
	}
	for _, c := range data[:4] {
		switch {
		case c-'0' <= 9:
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}
