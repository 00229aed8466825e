package source

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Value is a free-form part of a document. It remembers where everything in
// it stands. The zero Value is absent.
type Value struct {
	file string
	node *yaml.Node
}

// ValueOf gives a JSON value as a part of a document, without places.
func ValueOf(v any) Value {
	data, err := json.Marshal(v)
	if err != nil {
		return Value{}
	}
	node, ok := parseJSON(data)
	if !ok {
		return Value{}
	}
	forgetPlaces(node)
	return Value{node: node}
}

// IsZero reports whether the value is absent from its document.
func (v Value) IsZero() bool { return v.node == nil }

// Any gives the value as nil, bool, int64, float64, string, []any and
// map[string]any. Each call gives a new one.
func (v Value) Any() any { return plain(v.node, scalar) }

// Exact gives the value as Any does, but a whole number that is no int64 as
// the json.Number of all its digits, not as the nearest float64.
func (v Value) Exact() any { return plain(v.node, exactScalar) }

// Place is where the value stands, or, with a path of keys and indexes
// ("body", "items", "0"), where that part of it stands: the innermost part
// that exists.
func (v Value) Place(path ...string) Place {
	n := v.node
	for _, step := range path {
		next := child(n, step)
		if next == nil {
			break
		}
		n = next
	}
	if n == nil {
		return Place{File: v.file}
	}
	return Place{v.file, n.Line, n.Column}
}

// Get gives the part of the value under a path of keys and indexes; it is
// absent if there is no such part.
func (v Value) Get(path ...string) Value {
	n := v.node
	for _, step := range path {
		if n = child(n, step); n == nil {
			break
		}
	}
	return Value{v.file, n}
}

// IsMapping reports whether the value is a mapping.
func (v Value) IsMapping() bool { return v.node != nil && v.node.Kind == yaml.MappingNode }

// IsList reports whether the value is a list.
func (v Value) IsList() bool { return v.node != nil && v.node.Kind == yaml.SequenceNode }

// Len is how many items a list has, and 0 for any other value.
func (v Value) Len() int {
	if !v.IsList() {
		return 0
	}
	return len(v.node.Content)
}

// Keys gives the keys of a mapping in the order of the document, and nothing
// for any other value.
func (v Value) Keys() []string {
	if v.node == nil || v.node.Kind != yaml.MappingNode {
		return nil
	}
	keys := make([]string, 0, len(v.node.Content)/2)
	for i := 0; i+1 < len(v.node.Content); i += 2 {
		keys = append(keys, v.node.Content[i].Value)
	}
	return keys
}

// KeyPlace is where a mapping's key stands, or the value itself if it has no
// such key.
func (v Value) KeyPlace(key string) Place {
	if v.node != nil && v.node.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(v.node.Content); i += 2 {
			if n := v.node.Content[i]; n.Value == key {
				return Place{v.file, n.Line, n.Column}
			}
		}
	}
	return v.Place()
}

// Decode reads the value into the value that into points to, as [Decode]
// does. An absent value is read as an empty mapping.
func (v Value) Decode(into any) Problems {
	node := v.node
	if node == nil {
		node = &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	}
	return decodeNode(v.file, node, into)
}

// MarshalJSON gives the value as JSON, with all digits of its whole numbers;
// places are lost.
func (v Value) MarshalJSON() ([]byte, error) { return json.Marshal(v.Exact()) }

// UnmarshalJSON reads JSON; the places are empty.
func (v *Value) UnmarshalJSON(data []byte) error {
	node, ok := parseJSON(data)
	if !ok {
		return fmt.Errorf("source: not valid JSON")
	}
	forgetPlaces(node)
	*v = Value{node: node}
	return nil
}

func forgetPlaces(n *yaml.Node) {
	n.Line, n.Column = 0, 0
	for _, c := range n.Content {
		forgetPlaces(c)
	}
}

func child(n *yaml.Node, step string) *yaml.Node {
	if n == nil {
		return nil
	}
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == step {
				return n.Content[i+1]
			}
		}
	case yaml.SequenceNode:
		if i, err := strconv.Atoi(step); err == nil && i >= 0 && i < len(n.Content) {
			return n.Content[i]
		}
	}
	return nil
}

// plain gives a checked node as a JSON-like Go value.
func plain(n *yaml.Node, scalar func(*yaml.Node) (any, *Problem)) any {
	if n == nil {
		return nil
	}
	switch n.Kind {
	case yaml.MappingNode:
		m := make(map[string]any, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			m[n.Content[i].Value] = plain(n.Content[i+1], scalar)
		}
		return m
	case yaml.SequenceNode:
		list := make([]any, len(n.Content))
		for i, item := range n.Content {
			list[i] = plain(item, scalar)
		}
		return list
	}
	v, problem := scalar(n)
	if problem != nil {
		return n.Value // reported by checker; keep what was written
	}
	return v
}

// scalar gives a scalar node's value: nil, bool, int64, float64 or string.
func scalar(n *yaml.Node) (any, *Problem) {
	switch n.ShortTag() {
	case "!!null":
		return nil, nil
	case "!!bool":
		var b bool
		if err := n.Decode(&b); err != nil {
			return nil, &Problem{Message: fmt.Sprintf("%q is not true or false", n.Value), Hint: "write true or false"}
		}
		return b, nil
	case "!!int", "!!float":
		return number(n.Value)
	}
	// Text, and what YAML 1.1 reads as a timestamp: dates are text here.
	return n.Value, nil
}

// exactScalar gives what scalar gives, and a whole number beyond int64 as a
// json.Number.
func exactScalar(n *yaml.Node) (any, *Problem) {
	v, problem := scalar(n)
	if _, isFloat := v.(float64); isFloat {
		if whole, ok := new(big.Int).SetString(strings.TrimPrefix(n.Value, "+"), 0); ok {
			return json.Number(whole.String()), nil
		}
	}
	return v, problem
}

// number reads a number as JSON does, and YAML's 0x, 0o, 0b and underscores.
func number(text string) (any, *Problem) {
	digits := strings.TrimLeft(text, "+-")
	if len(digits) > 1 && digits[0] == '0' && digits[1] >= '0' && digits[1] <= '9' {
		return nil, &Problem{
			Message: fmt.Sprintf("%s begins with 0, so it may be meant as text or as octal", text),
			Hint:    fmt.Sprintf("write %q in quotes for text, 0o... for octal", text),
		}
	}
	if i, err := strconv.ParseInt(text, 0, 64); err == nil {
		return i, nil
	}
	f, err := strconv.ParseFloat(strings.ReplaceAll(text, "_", ""), 64)
	if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
		return nil, &Problem{Message: text + " is not a number that JSON has", Hint: "write a finite number, or text in quotes"}
	}
	return f, nil
}
