package xmljson

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/trama-run/trama/pdk/abi"
)

// FromJSON makes the elements that a JSON value named name stands for, in the
// default style: an object's members become attributes ("@name"), text
// ("#text") and child elements, in the order given; an array repeats its
// element; null stands for no element, and a string, number or boolean for
// text. place names the value in errors, such as "body.order".
//
// "#order", a list of names, puts the child elements of its object that it
// names first, in its order, before the others; a name that is not there is
// skipped. It is for senders whose objects lose their order and receivers
// that want one (xs:sequence), and is never written.
func FromJSON(place, name string, value json.RawMessage) ([]*Element, error) {
	return DefaultStyle().FromJSON(place, name, value)
}

// FromJSON is [FromJSON] in another style: what AppendJSON of the style has
// made becomes the same elements again.
func (s Style) FromJSON(place, name string, value json.RawMessage) ([]*Element, error) {
	b := builder{style: s, decoder: json.NewDecoder(bytes.NewReader(value))}
	b.decoder.UseNumber()
	return b.elements(place, name, 0)
}

type builder struct {
	style   Style
	decoder *json.Decoder
	nodes   int // elements and attributes so far
}

// elements reads one value.
func (b *builder) elements(place, name string, depth int) ([]*Element, error) {
	token, err := b.decoder.Token()
	if err != nil {
		return nil, invalid(place, "%v", err)
	}
	if token == nil {
		return nil, nil
	}
	if err := checkName(name); err != nil {
		return nil, invalid(place, "%v", err)
	}
	if depth > MaxDepth {
		return nil, &abi.Error{Code: abi.CodeLimit, Message: fmt.Sprintf("%s: nested deeper than %d", place, MaxDepth)}
	}
	if b.nodes++; b.nodes > MaxNodes {
		return nil, &abi.Error{Code: abi.CodeLimit, Message: fmt.Sprintf("%s: more than %d elements and attributes; send it in parts", place, MaxNodes)}
	}
	switch token {
	case json.Delim('['):
		return b.array(place, name, depth)
	case json.Delim('{'):
		element, err := b.object(place, name, depth)
		return []*Element{element}, err
	}
	text, err := scalar(token)
	if err != nil {
		return nil, invalid(place, "%v", err)
	}
	return []*Element{{Name: name, Text: text}}, nil
}

func (b *builder) array(place, name string, depth int) (all []*Element, err error) {
	for i := 0; b.decoder.More(); i++ {
		at := fmt.Sprintf("%s[%d]", place, i)
		elements, err := b.elements(at, name, depth+1)
		if err != nil {
			return nil, err
		}
		if len(elements) > 1 {
			return nil, invalid(at, "an array directly inside an array; XML has no element for it")
		}
		all = append(all, elements...)
	}
	_, err = b.decoder.Token()
	return all, err
}

func (b *builder) object(place, name string, depth int) (*Element, error) {
	element := &Element{Name: name}
	var order []string
	for b.decoder.More() {
		key, err := b.decoder.Token()
		if err != nil {
			return nil, invalid(place, "%v", err)
		}
		member := key.(string) // encoding/json gives only strings here
		at := place + "." + member
		if member == "#order" {
			if order, err = b.order(at); err != nil {
				return nil, err
			}
			continue
		}
		switch name, isAttribute := b.attribute(member); {
		case b.style.AttributesKey != "" && member == b.style.AttributesKey:
			err = b.group(element, at, "")
		case b.style.SplitNamespaces && isAttribute && name == "xmlns":
			err = b.group(element, at, "xmlns")
		case isAttribute:
			err = b.setAttribute(element, at, name)
		case member == b.style.TextKey:
			var text *string
			if text, err = b.text(at); text != nil {
				element.Text += *text
			}
		default:
			var children []*Element
			children, err = b.elements(at, member, depth+1)
			element.Children = append(element.Children, children...)
		}
		if err != nil {
			return nil, err
		}
	}
	element.reorder(order)
	_, err := b.decoder.Token()
	return element, err
}

// attribute says whether a key is an attribute's, and whose.
func (b *builder) attribute(key string) (name string, ok bool) {
	if b.style.AttributesKey != "" || b.style.AttributePrefix == "" {
		return "", false
	}
	return strings.CutPrefix(key, b.style.AttributePrefix)
}

// group reads an object of attributes, or of the namespaces that a "xmlns"
// gathers: a text there is the default one alone.
func (b *builder) group(element *Element, place, kind string) error {
	token, err := b.decoder.Token()
	if err != nil {
		return invalid(place, "%v", err)
	}
	if text, ok := token.(string); ok && kind != "" {
		element.Attributes = append(element.Attributes, Attribute{Name: kind, Value: text})
		return nil
	}
	if token == nil {
		return nil
	}
	if token != json.Delim('{') {
		return invalid(place, "want an object with a member for each attribute")
	}
	for b.decoder.More() {
		key, err := b.decoder.Token()
		if err != nil {
			return invalid(place, "%v", err)
		}
		name := key.(string) // encoding/json gives only strings here
		at := place + "." + name
		switch {
		case kind != "" && name == b.style.TextKey:
			name = kind
		case kind != "":
			name = kind + ":" + name
		}
		if err := b.setAttribute(element, at, name); err != nil {
			return err
		}
	}
	_, err = b.decoder.Token()
	return err
}

// setAttribute reads the value of an attribute; null leaves it out.
func (b *builder) setAttribute(element *Element, place, name string) error {
	text, err := b.text(place)
	if err != nil || text == nil {
		return err
	}
	if err := checkName(name); err != nil {
		return invalid(place, "%v", err)
	}
	b.nodes++
	element.Attributes = append(element.Attributes, Attribute{Name: name, Value: *text})
	return nil
}

// text reads a scalar; nil for null.
func (b *builder) text(place string) (*string, error) {
	token, err := b.decoder.Token()
	if err != nil {
		return nil, invalid(place, "%v", err)
	}
	if token == nil {
		return nil, nil
	}
	text, err := scalar(token)
	if err != nil {
		return nil, invalid(place, "%v", err)
	}
	return &text, nil
}

// order reads the value of "#order".
func (b *builder) order(place string) ([]string, error) {
	var names []*string // null is no name
	err := b.decoder.Decode(&names)
	if err != nil || names == nil || slices.Contains(names, nil) {
		return nil, invalid(place, `want a list of the names of child elements, such as ["customer", "total"]`)
	}
	order := make([]string, len(names))
	for i, name := range names {
		order[i] = *name
	}
	return order, nil
}

// reorder puts the children with these names first, in this order.
func (e *Element) reorder(names []string) {
	place := make(map[string]int, len(names)) // from the end, so that no place is the last
	for i, name := range names {
		place[name] = max(place[name], len(names)-i)
	}
	slices.SortStableFunc(e.Children, func(a, b *Element) int {
		return cmp.Compare(place[b.Name], place[a.Name])
	})
}

// scalar gives the text of a string, number (as written) or boolean.
func scalar(token json.Token) (string, error) {
	switch value := token.(type) {
	case string:
		for i, r := range value {
			if !isChar(r) {
				return "", fmt.Errorf("character %U at byte %d is not allowed in XML", r, i)
			}
		}
		return value, nil
	case json.Number:
		return value.String(), nil
	case bool:
		if value {
			return "true", nil
		}
		return "false", nil
	}
	return "", fmt.Errorf("an object or array where text belongs")
}

func invalid(place, format string, args ...any) error {
	return &abi.Error{Code: abi.CodeInvalid, Message: place + ": " + fmt.Sprintf(format, args...)}
}
