package redact

import "strings"

// absent says that nothing hidden is in a text, in no view of it. It keeps no
// account of where things stand, so it is many times faster than taking them
// out; of what it says nothing about, the finders know.
func (m *matcher) absent(text string) bool {
	unescaped := unescapeAll(text)
	twice := strings.ReplaceAll(unescapeAll(unescaped), "+", " ")
	return none(text, m.plain) && none(unescaped, m.unescaped) && none(twice, m.twice) && none(compactAll(unescaped), m.compact)
}

func none(text string, needles []needle) bool {
	for _, n := range needles {
		if strings.Contains(text, n.text) {
			return false
		}
	}
	return true
}

// unescapeAll is unescape for a whole text.
func unescapeAll(text string) string {
	i := strings.IndexAny(text, `\%&`)
	if i < 0 {
		return text
	}
	out := make([]byte, 0, len(text))
	for rest := text; ; {
		if i < 0 {
			return string(append(out, rest...))
		}
		out = append(out, rest[:i]...)
		value, n := escape([]byte(rest[i:min(len(rest), i+maxEscape)]))
		out = append(out, value...)
		rest = rest[i+n:]
		i = strings.IndexAny(rest, `\%&`)
	}
}

// compactAll is compact for a whole text, whatever the length of its gaps.
func compactAll(text string) string {
	if !strings.ContainsAny(text, " \t\r\n-_") {
		return text
	}
	out := make([]byte, 0, len(text))
	for i := range len(text) {
		switch b := text[i]; {
		case isSpace(b):
		case b == '-':
			out = append(out, '+')
		case b == '_':
			out = append(out, '/')
		default:
			out = append(out, b)
		}
	}
	return string(out)
}
