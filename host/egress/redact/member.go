package redact

import (
	"math/bits"
	"strings"
)

// Bounds of what is looked for in JSON.
const (
	maxMember = 128 // bytes of a name
	maxLevel  = 4   // JSON in a text of JSON, in one of that, and so on
)

// Members takes the values out of those members of JSON that carry credentials:
// texts, numbers, lists and objects as a whole. It looks into texts that are
// JSON themselves, and takes JSON that is cut off, or stands in other text.
//
// Of a row of a form, {"key": "deal[name]", "value": "x"}, the key is a name: it
// says whether the value is to be taken out (see [Row]).
//
// A quote in a text of JSON has a backslash before it, one in a text of that
// has three, and so on: these tell which JSON it belongs to.
func Members(text string) string {
	var out strings.Builder
	copied := 0
	rows := strings.Contains(text, "key") && strings.Contains(text, "value")
	var of row
	for at := 0; ; {
		next := strings.IndexByte(text[at:], '"')
		if next < 0 {
			break
		}
		open := at + next
		level, plain := quote(text, copied, open)
		at = open + 1
		if !plain || level > maxLevel {
			continue
		}
		name, after := untilQuote(text[:min(at+maxMember, len(text))], at, level)
		if after > len(text) || after == name {
			continue
		}
		colon := afterSpace(text, after, level)
		if colon >= len(text) || text[colon] != ':' {
			continue
		}
		value := afterSpace(text, colon+1, level)
		end := value
		called := unescaped(text[open+1 : name])
		if rows && begins(text, open, level) {
			of = rowAt(text, open+1, level)
		}
		secret, told := of.member(called, open)
		if !told {
			secret = IsSecretMember(called)
		}
		if secret {
			end = valueEnd(text, value, level)
		}
		at = max(value, end)
		if known := text[value:end]; end == value || known == "true" || known == "false" || known == "null" {
			continue
		}
		delimiter := strings.Repeat(`\`, 1<<level-1) + `"`
		out.WriteString(text[copied:value] + delimiter + Mark + delimiter)
		copied = end
	}
	if copied == 0 {
		return text
	}
	out.WriteString(text[copied:])
	return out.String()
}

// begins says whether the quote of a level at an offset is that of an object's
// first member.
func begins(text string, open, level int) bool {
	for at := open - (1<<level - 1); at > 0; at-- {
		switch b := text[at-1]; {
		case isSpace(b):
		case level > 0 && strings.IndexByte("nrt", b) >= 0 && at > 1 && text[at-2] == '\\': // \n, as it looks in a text
			for at > 1 && text[at-2] == '\\' {
				at--
			}
		default:
			return b == '{'
		}
	}
	return false
}

// quote gives the level of the quote at an offset, by the backslashes before
// it that stand at or after from; plain: none of them are of the text itself.
func quote(text string, from, at int) (level int, plain bool) {
	n := uint(0)
	for i := at - 1; i >= from && text[i] == '\\'; i-- {
		n++
	}
	level = bits.TrailingZeros(^n)
	return level, n == 1<<level-1
}

// untilQuote gives where a text of a level ends that begins at an offset, and
// where what follows its closing quote begins: the same offset if it is cut off
// by the end of what it is in.
func untilQuote(text string, from, level int) (end, after int) {
	for at := from; ; {
		next := strings.IndexByte(text[at:], '"')
		if next < 0 {
			return len(text), len(text)
		}
		at += next
		switch l, _ := quote(text, from, at); {
		case l == level:
			return at - (1<<l - 1), at + 1
		case l < level:
			return at - (1<<l - 1), at - (1<<l - 1)
		}
		at++
	}
}

// valueEnd gives where a value of a level ends that begins at an offset.
func valueEnd(text string, from, level int) int {
	depth := 0
	for at := from; at < len(text); at++ {
		switch b := text[at]; b {
		case '"':
			l, _ := quote(text, from, at)
			if l < level {
				return at - (1<<l - 1)
			}
			if l > level { // no JSON
				continue
			}
			end, after := untilQuote(text, at+1, level)
			if depth == 0 || after == end {
				return after
			}
			at = after - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth <= 0 {
				return at + min(depth+1, 1)
			}
		case ',', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return at
			}
		}
	}
	return len(text)
}

// afterSpace gives where the white space of a level ends.
func afterSpace(text string, at, level int) int {
	for at < len(text) {
		switch b := text[at]; {
		case isSpace(b):
			at++
		case b == '\\' && level > 0: // \n, as it looks in a text
			rest := strings.TrimLeft(text[at:], `\`)
			if rest == "" || !strings.Contains("nrt", rest[:1]) {
				return at
			}
			at = len(text) - len(rest) + 1
		default:
			return at
		}
	}
	return at
}

// unescaped gives the name of a member without its escapes.
func unescaped(name string) string {
	for range maxLevel {
		if !strings.Contains(name, `\`) {
			break
		}
		name = unescapeAll(name)
	}
	return name
}
