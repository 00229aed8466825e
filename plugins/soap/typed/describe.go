package typed

import (
	"slices"
	"strings"
)

// Schema gives the JSON Schema (2020-12) of an element's JSON. That of what is
// sent refuses members and values that the schema lacks; that of what comes
// back lets them through: the call has been done by then.
func (d *Descriptor) Schema(root *Element, sent bool) map[string]any {
	if root == nil {
		return map[string]any{"type": []string{"object", "null"}}
	}
	s := schemas{d: d, sent: sent, uses: map[string]int{}, defs: map[string]any{}}
	s.count(root.Type)
	schema := s.of(*root)
	if len(s.defs) > 0 {
		if len(schema) == 1 && schema["$ref"] != nil {
			schema = map[string]any{"$ref": schema["$ref"]}
		}
		schema["$defs"] = s.defs
	}
	return schema
}

type schemas struct {
	d    *Descriptor
	sent bool
	uses map[string]int // how often a type is named, within what is reached
	defs map[string]any
}

// count walks through the types that one reaches.
func (s *schemas) count(key string) {
	if s.uses[key]++; s.uses[key] > 1 {
		return
	}
	for _, e := range s.d.Types[key].Elements {
		s.count(e.Type)
	}
	for other, t := range s.d.Types {
		if other != key && t.Name != "" && s.d.extends(other, key) {
			s.count(other)
		}
	}
}

func (s *schemas) of(e Element) map[string]any {
	var schema map[string]any
	if strings.HasPrefix(e.Type, Own) {
		schema = s.own(e.Type, e.Enum)
	} else {
		schema = s.complex(e.Type)
	}
	if e.Nillable {
		schema = map[string]any{"anyOf": []any{schema, map[string]any{"type": "null"}}}
	}
	if e.Array {
		schema = map[string]any{"type": "array", "items": schema}
		if e.Required && s.sent {
			schema["minItems"] = 1
		}
	}
	return schema
}

func (s *schemas) complex(key string) map[string]any {
	if s.uses[key] > 1 {
		if _, begun := s.defs[key]; !begun {
			s.defs[key] = nil
			s.defs[key] = s.variants(key)
		}
		return map[string]any{"$ref": "#/$defs/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(key)}
	}
	return s.variants(key)
}

// variants gives a type's schema, or those of it and all that extend it.
func (s *schemas) variants(key string) map[string]any {
	var all []any
	if !s.d.Types[key].Abstract {
		all = append(all, s.object(key, false))
	}
	var others []string
	for other, t := range s.d.Types {
		if other != key && t.Name != "" && !t.Abstract && s.d.extends(other, key) {
			others = append(others, other)
		}
	}
	slices.Sort(others)
	for _, other := range others {
		all = append(all, s.object(other, true))
	}
	if len(all) == 1 {
		return all[0].(map[string]any) //nolint:forcetypeassert // made above
	}
	return map[string]any{"anyOf": all}
}

func (s *schemas) object(key string, named bool) map[string]any {
	t := s.d.Types[key]
	if t.Text != "" && len(t.Attributes) == 0 {
		return s.own(t.Text, t.Enum)
	}
	properties, required := map[string]any{}, []string{}
	if named {
		properties["@xsi:type"] = map[string]any{"const": t.Name}
		required = append(required, "@xsi:type")
	}
	for _, a := range t.Attributes {
		properties["@"+a.Name] = s.own(a.Type, a.Enum)
		if a.Required {
			required = append(required, "@"+a.Name)
		}
	}
	if t.Text != "" {
		properties["#text"] = s.own(t.Text, t.Enum)
		required = append(required, "#text")
	}
	for _, e := range t.Elements {
		properties[e.Name] = s.of(e)
		if e.Required && !slices.Contains(required, e.Name) {
			required = append(required, e.Name)
		}
	}
	schema := map[string]any{"type": "object", "properties": properties}
	if len(required) > 0 {
		schema["required"] = required
	}
	if s.sent && !t.Any {
		schema["additionalProperties"] = false
	}
	return schema
}

// own gives the schema of one of XML Schema's own types.
func (s *schemas) own(name string, enum []string) map[string]any {
	if len(enum) > 0 && kindOf(name) == textual {
		if s.sent {
			return map[string]any{"enum": enum}
		}
		return map[string]any{"type": "string", "examples": enum}
	}
	local := strings.TrimPrefix(name, Own)
	switch kindOf(name) {
	case boolean:
		return map[string]any{"type": "boolean"}
	case integer:
		if slices.Contains(largeIntegers, local) {
			return map[string]any{"type": []string{"integer", "string"}}
		}
		return map[string]any{"type": "integer"}
	case number:
		return map[string]any{"type": []string{"number", "string"}}
	}
	switch local {
	case "anyType":
		return map[string]any{}
	case "date":
		return map[string]any{"type": "string", "examples": []string{"2026-01-31"}}
	case "dateTime":
		return map[string]any{"type": "string", "examples": []string{"2026-01-31T12:00:00Z"}}
	case "base64Binary":
		return map[string]any{"type": "string", "contentEncoding": "base64"}
	}
	return map[string]any{"type": "string"}
}

// Example gives a value for an element, with one of all that it may hold.
func (d *Descriptor) Example(root *Element) any {
	if root == nil {
		return map[string]any{}
	}
	return (&examples{d, maxExample}).example(*root, nil)
}

// maxExample is how many types an example goes into: types that hold others
// twice each would else be without an end.
const maxExample = 1000

type examples struct {
	*Descriptor
	left int
}

func (d *examples) example(e Element, around []string) any {
	var value any
	if strings.HasPrefix(e.Type, Own) {
		value = sample(e.Type, e.Enum)
	} else {
		value = d.exampleOf(e.Type, around)
	}
	if e.Array {
		return []any{value}
	}
	return value
}

func (d *examples) exampleOf(key string, around []string) any {
	t := d.Types[key]
	object := map[string]any{}
	if t.Abstract {
		var names []string
		for other, o := range d.Types {
			if !o.Abstract && o.Name != "" && d.extends(other, key) {
				names = append(names, other)
			}
		}
		if len(names) == 0 {
			return object
		}
		key = slices.Min(names)
		t = d.Types[key]
		object["@xsi:type"] = t.Name
	}
	if t.Text != "" && len(t.Attributes) == 0 {
		return sample(t.Text, t.Enum)
	}
	around = append(slices.Clone(around), key)
	for _, a := range t.Attributes {
		object["@"+a.Name] = sample(a.Type, a.Enum)
	}
	if t.Text != "" {
		object["#text"] = sample(t.Text, t.Enum)
	}
	for _, e := range t.Elements {
		if !slices.Contains(around, e.Type) && len(around) < 20 && d.left > 0 {
			d.left--
			object[e.Name] = d.example(e, around)
		}
	}
	return object
}

func sample(name string, enum []string) any {
	if len(enum) > 0 {
		return enum[0]
	}
	switch kindOf(name) {
	case boolean:
		return true
	case integer:
		return 1
	case number:
		return 1.5
	}
	switch strings.TrimPrefix(name, Own) {
	case "date":
		return "2026-01-31"
	case "dateTime":
		return "2026-01-31T12:00:00Z"
	case "time":
		return "12:00:00"
	case "base64Binary":
		return "YQ=="
	}
	return "text"
}
