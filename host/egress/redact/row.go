package redact

import "regexp"

// rowKey is the key of a row of a form, such as deal[name]: without brackets it
// may be one that opens something.
var rowKey = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*(\[[A-Za-z0-9_.-]*\])+$`)

// Row says of an object {key, value} with this key whether the key is a name, and
// so not one that opens something, and whether the value carries credentials.
func Row(key string) (name, secret bool) { return rowKey.MatchString(key), IsSecretMember(key) }

// Bounds of what is taken for a row.
const (
	maxRow        = 4 << 10 // bytes
	maxRowMembers = 8
)

// row is an object of JSON in a text that has a key and a value.
type row struct {
	end          int // where it ends
	name, secret bool
}

// member says whether the row tells of a member with this name, at this offset,
// that it carries credentials.
func (r row) member(name string, at int) (secret, told bool) {
	switch {
	case at >= r.end:
	case name == "key":
		return !r.name, true
	case name == "value":
		return r.secret, true
	}
	return false, false
}

// rowAt gives the row whose members, of a level, begin at an offset; its zero
// value is none. Beside its value it has no objects and no lists.
func rowAt(text string, at, level int) (r row) {
	window := text[:min(at+maxRow, len(text))]
	hasKey, hasValue := false, false
	for range maxRowMembers {
		name, after := untilQuote(window, at, level)
		if after == name || after > len(window) {
			return row{}
		}
		colon := afterSpace(window, after, level)
		if colon >= len(window) || window[colon] != ':' {
			return row{}
		}
		value := afterSpace(window, colon+1, level)
		if value >= len(window) {
			return row{}
		}
		end := valueEnd(window, value, level)
		switch called := unescaped(window[at:max(at, name)]); {
		case called == "value":
			hasValue = true
		case window[value] == '{' || window[value] == '[':
			return row{}
		case called == "key":
			from := value
			for from < end && window[from] == '\\' { // those before the quote of a level
				from++
			}
			to, closed := untilQuote(window, min(from+1, len(window)), level)
			if hasKey || from == end || window[from] != '"' || closed != end || closed == to {
				return row{}
			}
			hasKey = true
			r.name, r.secret = Row(unescaped(window[from+1 : to]))
		}
		r.end = end
		next := afterSpace(window, end, level)
		if next >= len(window) || window[next] != ',' {
			ends := next < len(window) && window[next] == '}' || len(window) == len(text) // or it is cut off
			if !hasKey || !hasValue || !ends {
				return row{}
			}
			return r
		}
		if at = afterSpace(window, next+1, level); at >= len(window) {
			return row{}
		}
		for at < len(window) && window[at] == '\\' {
			at++
		}
		if at >= len(window) || window[at] != '"' {
			return row{}
		}
		at++
	}
	return row{}
}
