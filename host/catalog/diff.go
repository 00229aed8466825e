package catalog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/trama-run/trama/host/flow"
)

// Difference is one part of a flow that two versions do not share.
type Difference struct {
	// Part is flow, trigger, node or edge.
	Part string `json:"part"`
	// Name is the id of a trigger or node, and "<from>:<port>" of an edge; empty
	// for the flow's own fields.
	Name   string `json:"name,omitempty"`
	Action string `json:"action"` // added, removed, changed
	// Fields are those that changed, or all that a part which was added or
	// removed has.
	Fields []FieldDifference `json:"fields,omitempty"`
}

// FieldDifference is one field before and after: JSON values, absent where
// there was none.
type FieldDifference struct {
	Field string          `json:"field"` // such as "with.branches[0].when"
	From  json.RawMessage `json:"from,omitempty"`
	To    json.RawMessage `json:"to,omitempty"`
}

// parts are the lists of a flow document: each entry has a name that two
// versions know it by.
var parts = []struct {
	field, part string
	name        func(entry map[string]any) string
}{
	{"triggers", "trigger", entryID},
	{"nodes", "node", entryID},
	{"edges", "edge", func(entry map[string]any) string {
		if entry["port"] == nil { // as if it were spelled out
			entry["port"] = flow.PortNext
		}
		return fmt.Sprint(entry["from"], ":", entry["port"])
	}},
}

func entryID(entry map[string]any) string { return fmt.Sprint(entry["id"]) }

// Diff tells what differs between two flow documents: by meaning, so that
// neither the order of fields nor the layout of a file counts. Documents of
// the same meaning have no difference.
func Diff(from, to json.RawMessage) ([]Difference, error) {
	before, err := fields(from)
	if err != nil {
		return nil, err
	}
	after, err := fields(to)
	if err != nil {
		return nil, err
	}
	differences := []Difference{}
	var moved []FieldDifference
	for _, p := range parts {
		old, oldOrder := named(before[p.field], p.name)
		now, nowOrder := named(after[p.field], p.name)
		for _, name := range union(oldOrder, nowOrder) {
			if d, differs := compare(p.part, name, old[name], now[name]); differs {
				differences = append(differences, d)
			}
		}
		in := func(m map[string]any) func(string) bool {
			return func(name string) bool { return m[name] == nil }
		}
		oldOrder, nowOrder = slices.DeleteFunc(oldOrder, in(now)), slices.DeleteFunc(nowOrder, in(old))
		if !slices.Equal(oldOrder, nowOrder) {
			moved = append(moved, difference("order of "+p.field, oldOrder, nowOrder))
		}
		delete(before, p.field)
		delete(after, p.field)
	}
	own, _ := compare("flow", "", before, after)
	if own.Fields = append(own.Fields, moved...); len(own.Fields) > 0 {
		differences = append([]Difference{own}, differences...)
	}
	return differences, nil
}

func fields(document json.RawMessage) (map[string]any, error) {
	var m map[string]any
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.UseNumber()
	if err := decoder.Decode(&m); err != nil {
		return nil, fmt.Errorf("document: %w", err)
	}
	return m, nil
}

// named gives the entries of a list by name, and the names in their order.
func named(list any, name func(map[string]any) string) (map[string]any, []string) {
	entries, order := map[string]any{}, []string{}
	items, _ := list.([]any)
	for _, item := range items {
		if entry, ok := item.(map[string]any); ok {
			n := name(entry)
			entries[n] = entry
			order = append(order, n)
		}
	}
	return entries, order
}

// union gives the names of both lists: those of the second in their order,
// each one that is gone behind the one that it followed.
func union(old, now []string) []string {
	all := slices.Clone(now)
	at := 0
	for _, name := range old {
		if i := slices.Index(all, name); i >= 0 {
			at = i + 1
			continue
		}
		all = slices.Insert(all, at, name)
		at++
	}
	return all
}

// compare tells how an entry differs; nil is an entry that is not there.
func compare(part, name string, from, to any) (Difference, bool) {
	d := Difference{Part: part, Name: name, Action: "changed"}
	switch {
	case from == nil:
		d.Action, from = "added", map[string]any{}
	case to == nil:
		d.Action, to = "removed", map[string]any{}
	}
	d.walk("", from, to)
	return d, len(d.Fields) > 0
}

// walk adds the fields under a path that differ.
func (d *Difference) walk(path string, from, to any) {
	switch from := from.(type) {
	case map[string]any:
		if to, ok := to.(map[string]any); ok {
			both := maps.Clone(from)
			maps.Copy(both, to)
			for _, key := range slices.Sorted(maps.Keys(both)) {
				a, inFrom := from[key]
				b, inTo := to[key]
				switch {
				case inFrom && inTo:
					d.walk(join(path, key), a, b)
				case inFrom:
					d.Fields = append(d.Fields, FieldDifference{Field: join(path, key), From: encode(a)})
				default:
					d.Fields = append(d.Fields, FieldDifference{Field: join(path, key), To: encode(b)})
				}
			}
			return
		}
	case []any:
		if to, ok := to.([]any); ok && len(from) == len(to) {
			for i := range from {
				d.walk(path+"["+strconv.Itoa(i)+"]", from[i], to[i])
			}
			return
		}
	}
	if a, b := encode(from), encode(to); !bytes.Equal(a, b) {
		d.Fields = append(d.Fields, FieldDifference{Field: path, From: a, To: b})
	}
}

// join adds a key to a path; one that would be read as more than one is quoted.
func join(path, key string) string {
	if key == "" || strings.ContainsAny(key, ".[] \"") {
		return path + "[" + strconv.Quote(key) + "]"
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

func difference(field string, from, to any) FieldDifference {
	return FieldDifference{Field: field, From: encode(from), To: encode(to)}
}

// encode gives the JSON of what JSON was made of.
func encode(value any) json.RawMessage {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil { // maps, lists, strings and json.Number always encode
		panic(err)
	}
	return bytes.TrimSpace(b.Bytes())
}
