package brackets

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// appended is the index of empty brackets.
const appended = -2

// segment is one step of a key: the name of a member, or an index.
type segment struct {
	text  string
	index int // -1 for a name
}

func (s segment) isIndex() bool { return s.index != -1 }

// parse reads a key.
func parse(key string) (path []segment, err error) {
	switch {
	case key == "":
		return nil, errors.New("a row has no key")
	case len(key) > MaxKey:
		return nil, fmt.Errorf("the key has %d bytes, and %d is the most", len(key), MaxKey)
	case !utf8.ValidString(key):
		return nil, errors.New("the key is not UTF-8")
	}
	var text strings.Builder
	inside, escaped, i := false, false, 0
	end := func() error {
		s := segment{text: text.String(), index: -1}
		if inside && !escaped {
			if s.index, err = index(s.text); err != nil {
				return err
			}
		}
		if path = append(path, s); len(path) > MaxDepth {
			return fmt.Errorf("it goes %d levels deep, and %d is the most", len(path), MaxDepth)
		}
		text.Reset()
		escaped = false
		return nil
	}
	for ; i < len(key); i++ {
		switch c := key[i]; {
		case c == '\\' && i+1 == len(key):
			return nil, errors.New(`it ends with a backslash; for one of its own write \\`)
		case c == '\\':
			escaped = true
			i++
			text.WriteByte(key[i])
		case c == '[' && inside:
			return nil, errors.New(`a bracket is opened inside of another; for a letter like any other write \[`)
		case c == ']' && !inside:
			return nil, errors.New(`a bracket is closed that was not opened; for a letter like any other write \]`)
		case c == '[' && i > 0 && len(path) == 0, c == ']':
			if err := end(); err != nil {
				return nil, err
			}
			inside = c == '['
			if !inside && i+1 < len(key) && key[i+1] != '[' {
				return nil, errors.New("there is something between ] and the next [")
			}
		case c == '[':
			inside = true
		default:
			text.WriteByte(c)
		}
	}
	if inside {
		return nil, errors.New("a bracket is not closed")
	}
	if len(path) == 0 {
		return path, end()
	}
	return path, nil
}

// index reads what stands in brackets: a position, nothing for the end, or -1
// for a name.
func index(text string) (int, error) {
	if text == "" {
		return appended, nil
	}
	if strings.Trim(text, "0123456789") != "" || len(text) > 1 && text[0] == '0' {
		return -1, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n > MaxIndex {
		return -1, fmt.Errorf("position %s is more than %d", short(text), MaxIndex)
	}
	return n, nil
}

// escape spells a name so that it is read as itself.
func escape(name string, inside bool) string {
	if n, err := index(name); inside && name != "" && (n >= 0 || err != nil) {
		return `\` + name
	}
	return strings.NewReplacer(`\`, `\\`, `[`, `\[`, `]`, `\]`).Replace(name)
}

// value gives the value of a row as JSON.
func value(row Row) (json.RawMessage, error) {
	given := bytes.TrimSpace(row.Value)
	if len(given) == 0 {
		given = []byte("null")
	}
	if !json.Valid(given) {
		return nil, errors.New("its value is not JSON")
	}
	text, isText := "", given[0] == '"'
	if isText {
		if err := json.Unmarshal(given, &text); err != nil {
			return nil, err
		}
	}
	var parsed bytes.Buffer
	switch row.Type {
	case "":
	case "null":
		return json.RawMessage("null"), nil
	case "text":
		if given[0] == '{' || given[0] == '[' {
			return nil, errors.New("its value is an object or a list, which is no text")
		}
		if !isText && string(given) != "null" {
			text = string(given)
		}
		return quoted(text), nil
	case "number", "boolean", "json":
		if isText {
			given = []byte(strings.TrimSpace(text))
		}
		if !json.Valid(given) || !is(row.Type, given[0]) {
			return nil, fmt.Errorf("%.40q is no %s", given, map[string]string{
				"number": "number: write it with digits and a point, as 1234.5", "boolean": "boolean: write true or false", "json": "JSON",
			}[row.Type])
		}
	default:
		return nil, fmt.Errorf("type %.20q is not known: write text, number, boolean, null or json, or leave it out", row.Type)
	}
	if err := json.Compact(&parsed, given); err != nil {
		return nil, err
	}
	return parsed.Bytes(), nil
}

// is says whether JSON that begins with c is of a type.
func is(kind string, c byte) bool {
	switch kind {
	case "number":
		return c == '-' || c >= '0' && c <= '9'
	case "boolean":
		return c == 't' || c == 'f'
	}
	return true
}
