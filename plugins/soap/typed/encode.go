package typed

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/trama-run/trama/pdk/abi"
	"github.com/trama-run/trama/plugins/internal/xmljson"
)

func appendString(dst []byte, text string) []byte { return xmljson.AppendString(dst, text) }

// Encode makes the element of a JSON value. Place names the value in errors.
// The prefix xsi must be declared around it.
func (d *Descriptor) Encode(place string, root Element, value json.RawMessage) (*xmljson.Element, error) {
	decoder := json.NewDecoder(bytes.NewReader(value))
	decoder.UseNumber()
	var content any
	if len(value) > 0 {
		if err := decoder.Decode(&content); err != nil {
			return nil, invalid(place, "%v", err)
		}
	}
	if content == nil {
		content = map[string]any{}
	}
	e := encoder{d: d, prefixes: map[string]string{}}
	element, err := e.element(place, root, content, 0)
	if err != nil {
		return nil, err
	}
	declarations := make([]xmljson.Attribute, 0, len(e.spaces)+len(element.Attributes))
	for _, space := range e.spaces {
		declarations = append(declarations, xmljson.Attribute{Name: "xmlns:" + e.prefixes[space], Value: space})
	}
	element.Attributes = append(declarations, element.Attributes...)
	return element, nil
}

type encoder struct {
	d        *Descriptor
	prefixes map[string]string
	spaces   []string // in the order of their first use
	nodes    int
}

// name qualifies a name.
func (e *encoder) name(space, local string) string {
	if space == "" {
		return local
	}
	prefix, ok := e.prefixes[space]
	if !ok {
		prefix = fmt.Sprintf("n%d", len(e.spaces))
		e.prefixes[space] = prefix
		e.spaces = append(e.spaces, space)
	}
	return prefix + ":" + local
}

func (e *encoder) element(place string, of Element, value any, depth int) (*xmljson.Element, error) {
	if e.nodes++; depth > xmljson.MaxDepth || e.nodes > xmljson.MaxNodes {
		return nil, &abi.Error{Code: abi.CodeLimit, Message: fmt.Sprintf("%s: nested deeper than %d, or more than %d elements", place, xmljson.MaxDepth, xmljson.MaxNodes)}
	}
	element := &xmljson.Element{Name: e.name(of.Namespace, of.Name)}
	if value == nil {
		element.Attributes = []xmljson.Attribute{{Name: "xsi:nil", Value: "true"}}
		return element, nil
	}
	if of.Type == Own+"anyType" {
		return e.untyped(place, element.Name, value)
	}
	if strings.HasPrefix(of.Type, Own) {
		text, err := scalar(of.Type, of.Enum, value)
		if err != nil {
			return nil, invalid(place, "%v", err)
		}
		element.Text = text
		return element, nil
	}
	return element, e.complex(place, element, of.Type, value, depth)
}

// complex fills an element of a complex type.
func (e *encoder) complex(place string, element *xmljson.Element, key string, value any, depth int) error {
	object, isObject := value.(map[string]any)
	if named, ok := object["@xsi:type"]; ok {
		name, _ := named.(string)
		derived, ok := e.d.derived(name[strings.IndexByte(name, ':')+1:], key)
		if !ok {
			return invalid(place+".@xsi:type", "%.60q is no type that may stand here", fmt.Sprint(named))
		}
		key = derived
		element.Attributes = append(element.Attributes, xmljson.Attribute{Name: "xsi:type", Value: e.name(e.d.Types[key].Namespace, e.d.Types[key].Name)})
	}
	t, known := e.d.Types[key]
	switch {
	case !known:
		return invalid(place, "types has no %q", key)
	case t.Abstract:
		return invalid(place, `the type %s is abstract; name one that extends it as "@xsi:type"`, t.Name)
	case t.Text != "" && !isObject:
		object = map[string]any{"#text": value}
	case !isObject:
		return invalid(place, "want an object with the children of <%s>", element.Name)
	}
	done := map[string]bool{"@xsi:type": true, "#order": true}
	for _, attribute := range t.Attributes {
		member := "@" + attribute.Name
		done[member] = true
		value := object[member]
		if value == nil {
			if attribute.Required {
				return invalid(place+"."+member, "the schema requires this attribute")
			}
			continue
		}
		text, err := scalar(attribute.Type, attribute.Enum, value)
		if err != nil {
			return invalid(place+"."+member, "%v", err)
		}
		element.Attributes = append(element.Attributes, xmljson.Attribute{Name: e.name(attribute.Namespace, attribute.Name), Value: text})
	}
	if t.Text != "" {
		done["#text"] = true
		text, err := scalar(t.Text, t.Enum, object["#text"])
		if err != nil {
			return invalid(place+".#text", "%v", err)
		}
		element.Text = text
	}
	for _, child := range t.Elements {
		if done[child.Name] {
			continue // a name that stands in two places of a type
		}
		done[child.Name] = true
		children, err := e.member(place+"."+child.Name, child, object, depth)
		if err != nil {
			return err
		}
		element.Children = append(element.Children, children...)
	}
	return e.rest(place, element, t, object, done)
}

// member makes the elements of one member of an object.
func (e *encoder) member(place string, of Element, object map[string]any, depth int) ([]*xmljson.Element, error) {
	value, there := object[of.Name]
	list, isList := value.([]any)
	switch {
	case !there || value == nil && !of.Nillable || of.Array && isList && len(list) == 0 || value == nil && of.Array:
		if of.Required {
			return nil, invalid(place, "the schema requires this element")
		}
		return nil, nil
	case isList && !of.Array && of.Type != Own+"anyType":
		return nil, invalid(place, "a list, but the schema has this element once")
	case !isList || !of.Array:
		list = []any{value}
	}
	elements := make([]*xmljson.Element, 0, len(list))
	for i, item := range list {
		at := place
		if of.Array {
			at = fmt.Sprintf("%s[%d]", place, i)
		}
		if item == nil && !of.Nillable {
			return nil, invalid(at, "null, and the schema has no xsi:nil here")
		}
		element, err := e.element(at, of, item, depth+1)
		if err != nil {
			return nil, err
		}
		elements = append(elements, element)
	}
	return elements, nil
}

// rest takes the members that the type does not name.
func (e *encoder) rest(place string, element *xmljson.Element, t Type, object map[string]any, done map[string]bool) error {
	for _, name := range slices.Sorted(maps.Keys(object)) {
		if done[name] {
			continue
		}
		if !t.Any || strings.HasPrefix(name, "@") || name == "#text" {
			var known []string
			for _, child := range t.Elements {
				known = append(known, child.Name)
			}
			return invalid(place+"."+name, "the schema has no such member; it has %s", strings.Join(known, ", "))
		}
		data, err := json.Marshal(object[name])
		if err != nil {
			return invalid(place+"."+name, "%v", err)
		}
		elements, err := xmljson.FromJSON(place+"."+name, name, data)
		if err != nil {
			return err
		}
		element.Children = append(element.Children, elements...)
	}
	return nil
}

func (e *encoder) untyped(place, name string, value any) (*xmljson.Element, error) {
	data, err := json.Marshal(value)
	if err != nil {
		return nil, invalid(place, "%v", err)
	}
	elements, err := xmljson.FromJSON(place, name, data)
	if err != nil {
		return nil, err
	}
	if len(elements) != 1 {
		return nil, invalid(place, "want one value, this makes %d elements", len(elements))
	}
	return elements[0], nil
}

func scalar(name string, enum []string, value any) (string, error) {
	if object, ok := value.(map[string]any); ok && len(object) == 1 && object["#text"] != nil {
		value = object["#text"]
	}
	text, err := write(name, value)
	if err == nil && len(enum) > 0 && !slices.Contains(enum, text) {
		err = fmt.Errorf("%.60q is not one of %s", text, strings.Join(enum, ", "))
	}
	if err == nil && !xmljson.Writable(text) {
		err = fmt.Errorf("it holds a character that XML does not have")
	}
	return text, err
}

func invalid(place, format string, args ...any) error {
	return &abi.Error{Code: abi.CodeInvalid, Message: place + ": " + fmt.Sprintf(format, args...)}
}
