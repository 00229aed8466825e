// Package brackets makes JSON of rows of key and value, where a key such as
// deal[name] or contacts[0][name] says the place of its value, and rows of JSON.
//
// It is how people who don't write JSON describe a body, and how PHP's
// http_build_query spells one in a form. What those leave open is decided
// here, and never by guessing: two rows that contradict each other are an
// error. The package must not know HTTP.
package brackets

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Bounds of what rows may say.
const (
	MaxRows  = 2000
	MaxKey   = 1000  // bytes
	MaxDepth = 32    // segments of a key
	MaxIndex = 9_999 // of a list
)

// Row is one value and its place.
type Row struct {
	// Key is a name and segments in brackets. A number is the position in a list,
	// empty brackets are a new item at its end, and all else is the name of a
	// member. A backslash makes what follows it a letter like any other, so \[ is
	// a bracket, and [\0] the member "0". A key that begins with a bracket stands
	// for a body that is a list.
	Key string `json:"key"`
	// Value goes as it is, so a text stays a text, unless Type says otherwise.
	Value json.RawMessage `json:"value"`
	// Type is "text", "number", "boolean", "null" or "json".
	Type string `json:"type,omitempty"`
}

// Build makes one value of all rows. Members stand in the order in which rows
// first name them, items in that of their numbers; numbers that no row has are
// closed up. No rows are an empty object. Errors name the row and its key.
func Build(rows []Row) (json.RawMessage, error) {
	if len(rows) == 0 {
		return json.RawMessage("{}"), nil
	}
	if len(rows) > MaxRows {
		return nil, fmt.Errorf("there are %d rows, and %d is the most", len(rows), MaxRows)
	}
	root := &node{}
	for i, row := range rows {
		if err := root.put(rows, i, row); err != nil {
			return nil, fmt.Errorf("row %d, %q: %w", i+1, short(row.Key), err)
		}
	}
	var out bytes.Buffer
	root.write(&out)
	return out.Bytes(), nil
}

// node is a place: nothing yet, a value, an object or a list.
type node struct {
	leaf    json.RawMessage
	names   []string // of members, in order
	members map[string]*node
	items   map[int]*node
	end     int // one more than the highest index
	row     int // that was here first
}

func (n *node) put(rows []Row, i int, row Row) error {
	path, err := parse(row.Key)
	if err != nil {
		return err
	}
	at := n
	for depth, s := range path {
		if at, err = at.step(s, i); err != nil {
			return fmt.Errorf("%w (row %d, %q)", err, at.row+1, short(rows[at.row].Key))
		}
		switch last := depth == len(path)-1; {
		case at.leaf != nil && last:
			return fmt.Errorf("it is given twice; row %d has it too: for a list write [] at its end", at.row+1)
		case at.leaf != nil:
			return fmt.Errorf("row %d, %q, has a value where this one has members", at.row+1, short(rows[at.row].Key))
		case last && (at.members != nil || at.items != nil):
			return fmt.Errorf("it has a value where row %d, %q, has members", at.row+1, short(rows[at.row].Key))
		}
	}
	at.leaf, err = value(row)
	return err
}

// step goes to a member or item, and makes it if it is not there. On an error it
// gives the node where it stands.
func (n *node) step(s segment, row int) (*node, error) {
	var next *node
	switch {
	case s.index == appended && n.members != nil:
		return n, errors.New("it takes for a list what is an object")
	case s.isIndex() && n.members != nil:
		return n, fmt.Errorf("it takes for a list what is an object; for a member of that name write [\\%s]", s.text)
	case !s.isIndex() && n.items != nil:
		return n, errors.New("it takes for an object what is a list")
	case s.isIndex():
		if s.index == appended {
			if s.index = n.end; s.index > MaxIndex {
				return n, fmt.Errorf("a list has %d items at most", MaxIndex+1)
			}
		}
		if n.items == nil {
			n.items = map[int]*node{}
		}
		if next = n.items[s.index]; next == nil {
			next = &node{row: row}
			n.items[s.index], n.end = next, max(n.end, s.index+1)
		}
	default:
		if n.members == nil {
			n.members = map[string]*node{}
		}
		if next = n.members[s.text]; next == nil {
			next = &node{row: row}
			n.members[s.text], n.names = next, append(n.names, s.text)
		}
	}
	return next, nil
}

func (n *node) write(out *bytes.Buffer) {
	switch {
	case n.leaf != nil:
		out.Write(n.leaf)
	case n.items != nil:
		out.WriteByte('[')
		for i, index := range slices.Sorted(maps.Keys(n.items)) {
			if i > 0 {
				out.WriteByte(',')
			}
			n.items[index].write(out)
		}
		out.WriteByte(']')
	default:
		out.WriteByte('{')
		for i, name := range n.names {
			if i > 0 {
				out.WriteByte(',')
			}
			out.Write(quoted(name))
			out.WriteByte(':')
			n.members[name].write(out)
		}
		out.WriteByte('}')
	}
}

// quoted gives a text as JSON, in which <, > and & stay as they are.
func quoted(text string) []byte {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.Encode(text) //nolint:errcheck // a text always has JSON
	return bytes.TrimSuffix(out.Bytes(), []byte{'\n'})
}

func short(key string) string {
	if runes := []rune(key); len(runes) > 80 {
		return string(runes[:80]) + "…"
	}
	return key
}
