package source

import (
	"cmp"
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

func decodeNode(file string, node *yaml.Node, into any) Problems {
	target := reflect.ValueOf(into)
	if target.Kind() != reflect.Pointer || target.IsNil() {
		panic(fmt.Sprintf("source: decode into %T: want a pointer", into))
	}
	d := decoder{file: file}
	d.decode(node, target.Elem(), "the document")
	d.problems.Sort()
	return d.problems
}

// Unmarshaler is a type that reads itself from a part of a document and
// reports problems with their places.
type Unmarshaler interface {
	UnmarshalSource(Value) Problems
}

type decoder struct {
	file     string
	problems Problems
}

func (d *decoder) place(n *yaml.Node) Place { return Place{d.file, n.Line, n.Column} }

// decode sets target from a node; what names it in messages.
func (d *decoder) decode(n *yaml.Node, target reflect.Value, what string) {
	switch into := target.Addr().Interface().(type) {
	case *Value:
		*into = Value{d.file, n}
		return
	case Unmarshaler:
		d.problems = append(d.problems, into.UnmarshalSource(Value{d.file, n})...)
		return
	case encoding.TextUnmarshaler:
		d.text(n, into, what)
		return
	case json.Unmarshaler:
		data, err := json.Marshal(plain(n, exactScalar))
		if err == nil {
			err = into.UnmarshalJSON(data)
		}
		if err != nil {
			d.problems.Add(d.place(n), "", "%s: %v", what, err)
		}
		return
	}
	switch target.Kind() {
	case reflect.Pointer:
		if isNull(n) {
			target.SetZero()
			return
		}
		target.Set(reflect.New(target.Type().Elem()))
		d.decode(n, target.Elem(), what)
	case reflect.Interface:
		if v := plain(n, scalar); v != nil {
			target.Set(reflect.ValueOf(v))
		}
	case reflect.Struct:
		d.structure(n, target, what)
	case reflect.Map:
		d.mapping(n, target, what)
	case reflect.Slice:
		d.list(n, target, what)
	default:
		d.scalar(n, target, what)
	}
}

func (d *decoder) text(n *yaml.Node, into encoding.TextUnmarshaler, what string) {
	if n.Kind != yaml.ScalarNode || isNull(n) {
		d.wrong(n, what, "text")
		return
	}
	if err := into.UnmarshalText([]byte(n.Value)); err != nil {
		message, hint, _ := strings.Cut(err.Error(), "; ")
		d.problems.Add(d.place(n), hint, "%s: %s", what, message)
	}
}

func (d *decoder) structure(n *yaml.Node, target reflect.Value, what string) {
	fields := fieldsOf(target.Type())
	if fields.place != nil {
		target.FieldByIndex(fields.place).Set(reflect.ValueOf(d.place(n)))
	}
	if n.Kind != yaml.MappingNode {
		d.wrong(n, what, "a mapping with the fields "+strings.Join(fields.names, ", "))
		return
	}
	given := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		field, ok := fields.byName[key.Value]
		if !ok {
			d.problems.Add(d.place(key), Suggest(key.Value, fields.names), "%s has no field %q", what, key.Value)
			continue
		}
		given[key.Value] = true
		d.decode(value, target.FieldByIndex(field.index), fmt.Sprintf("%q", key.Value))
	}
	for _, name := range fields.names {
		if fields.byName[name].required && !given[name] {
			d.problems.Add(d.place(n), fmt.Sprintf("add %q", name+": ..."), "%s lacks the field %q", what, name)
		}
	}
}

func (d *decoder) mapping(n *yaml.Node, target reflect.Value, what string) {
	if isNull(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		d.wrong(n, what, "a mapping")
		return
	}
	m := reflect.MakeMapWithSize(target.Type(), len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		item := reflect.New(target.Type().Elem()).Elem()
		d.decode(value, item, fmt.Sprintf("%q", key.Value))
		m.SetMapIndex(reflect.ValueOf(key.Value).Convert(target.Type().Key()), item)
	}
	target.Set(m)
}

func (d *decoder) list(n *yaml.Node, target reflect.Value, what string) {
	if isNull(n) {
		return
	}
	if n.Kind != yaml.SequenceNode {
		d.wrong(n, what, "a list")
		return
	}
	list := reflect.MakeSlice(target.Type(), len(n.Content), len(n.Content))
	for i, item := range n.Content {
		d.decode(item, list.Index(i), fmt.Sprintf("item %d of %s", i+1, what))
	}
	target.Set(list)
}

func (d *decoder) scalar(n *yaml.Node, target reflect.Value, what string) {
	var v any
	if n.Kind == yaml.ScalarNode {
		v, _ = scalar(n)
	}
	switch kind := target.Kind(); kind {
	case reflect.String:
		if text, ok := v.(string); ok {
			target.SetString(text)
			return
		}
		d.wrong(n, what, "text")
	case reflect.Bool:
		if b, ok := v.(bool); ok {
			target.SetBool(b)
			return
		}
		d.wrong(n, what, "true or false")
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		if i, ok := v.(int64); ok && !target.OverflowInt(i) {
			target.SetInt(i)
			return
		}
		d.wrong(n, what, "a whole number")
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		if i, ok := v.(int64); ok && i >= 0 && !target.OverflowUint(uint64(i)) {
			target.SetUint(uint64(i))
			return
		}
		d.wrong(n, what, "a whole number that is not negative")
	case reflect.Float32, reflect.Float64:
		switch f := v.(type) {
		case float64:
			target.SetFloat(f)
			return
		case int64:
			target.SetFloat(float64(f))
			return
		}
		d.wrong(n, what, "a number")
	default:
		panic(fmt.Sprintf("source: decode into %s: not supported", target.Type()))
	}
}

// wrong reports a value of the wrong type.
func (d *decoder) wrong(n *yaml.Node, what, want string) {
	hint := ""
	if want == "text" && n.Kind == yaml.ScalarNode && !isNull(n) {
		hint = fmt.Sprintf("write %q in quotes", n.Value)
	} else if isNull(n) {
		hint = "give a value or leave the field out"
	}
	d.problems.Add(d.place(n), hint, "%s must be %s, found %s", what, want, describe(n))
}

func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	text := n.Value
	if runes := []rune(text); len(runes) > 40 {
		text = string(runes[:40]) + "..."
	}
	switch n.ShortTag() {
	case "!!null":
		return "nothing"
	case "!!bool":
		return text
	case "!!int", "!!float":
		return "the number " + text
	}
	return fmt.Sprintf("the text %q", text)
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// fields is what a struct says of its document form.
type fields struct {
	names  []string // in the order of the struct
	byName map[string]field
	place  []int // index of the field of type Place
}

type field struct {
	index    []int
	required bool
}

func fieldsOf(t reflect.Type) fields {
	f := fields{byName: map[string]field{}}
	for i := range t.NumField() {
		sf := t.Field(i)
		name, _, _ := strings.Cut(sf.Tag.Get("json"), ",")
		switch {
		case !sf.IsExported() && !sf.Anonymous:
		case sf.Type == reflect.TypeFor[Place]():
			f.place = sf.Index
		case name == "-":
		case sf.Anonymous && name == "" && sf.Type.Kind() == reflect.Struct:
			inner := fieldsOf(sf.Type)
			for _, name := range inner.names {
				in := inner.byName[name]
				f.add(name, field{append(slices.Clone(sf.Index), in.index...), in.required})
			}
		default:
			f.add(cmp.Or(name, sf.Name), field{sf.Index, sf.Tag.Get("source") == "required"})
		}
	}
	return f
}

func (f *fields) add(name string, to field) {
	f.names = append(f.names, name)
	f.byName[name] = to
}
