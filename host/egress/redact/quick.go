package redact

import "bytes"

// absent says that nothing hidden is in a text, in no view of it. It keeps no
// account of where things stand, so it is many times faster than taking them
// out; of what it says nothing about, the finders know.
func (m *matcher) absent(text string) bool {
	plain := []byte(text)
	unescaped := unescapeAll(plain)
	twice := bytes.ReplaceAll(unescapeAll(unescaped), []byte("+"), []byte(" "))
	return none(plain, m.plain) && none(unescaped, m.unescaped) && none(twice, m.twice) && none(compactAll(unescaped), m.compact)
}

func none(data []byte, needles []needle) bool {
	for _, n := range needles {
		if bytes.Contains(data, []byte(n.text)) {
			return false
		}
	}
	return true
}

// unescapeAll is unescape for a whole text.
func unescapeAll(data []byte) []byte {
	i := bytes.IndexAny(data, `\%&`)
	if i < 0 {
		return data
	}
	out := make([]byte, 0, len(data))
	for rest := data; ; {
		if i < 0 {
			return append(out, rest...)
		}
		out = append(out, rest[:i]...)
		value, n := escape(rest[i:])
		out = append(out, value...)
		rest = rest[i+n:]
		i = bytes.IndexAny(rest, `\%&`)
	}
}

// compactAll is compact for a whole text, whatever the length of its gaps.
func compactAll(data []byte) []byte {
	if !bytes.ContainsAny(data, " \t\r\n-_") {
		return data
	}
	out := make([]byte, 0, len(data))
	for _, b := range data {
		switch {
		case isSpace(b):
			continue
		case b == '-':
			b = '+'
		case b == '_':
			b = '/'
		}
		out = append(out, b)
	}
	return out
}
