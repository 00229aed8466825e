package xmljson

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

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
	b := builder{decoder: json.NewDecoder(bytes.NewReader(value))}
	b.decoder.UseNumber()
	return b.elements(place, name, 0)
}

type builder struct {
	decoder *json.Decoder
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
		attribute, isAttribute := strings.CutPrefix(member, "@")
		if !isAttribute && member != "#text" {
			children, err := b.elements(at, member, depth+1)
			if err != nil {
				return nil, err
			}
			element.Children = append(element.Children, children...)
			continue
		}
		token, err := b.decoder.Token()
		if err != nil {
			return nil, invalid(at, "%v", err)
		}
		if token == nil {
			continue
		}
		text, err := scalar(token)
		if err != nil {
			return nil, invalid(at, "%v", err)
		}
		if !isAttribute {
			element.Text += text
			continue
		}
		if err := checkName(attribute); err != nil {
			return nil, invalid(at, "%v", err)
		}
		element.Attributes = append(element.Attributes, Attribute{Name: attribute, Value: text})
	}
	element.reorder(order)
	_, err := b.decoder.Token()
	return element, err
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

// AppendXML appends the element as XML. Its prefixes must be declared by it,
// an element around it inside this tree, or be among declared.
func (e *Element) AppendXML(dst []byte, declared ...string) ([]byte, error) {
	names := &scope{prefix: "xml", space: spaceXML}
	for _, prefix := range declared {
		names = &scope{prefix: prefix, space: "declared", outer: names}
	}
	return e.appendXML(dst, names)
}

func (e *Element) appendXML(dst []byte, outer *scope) ([]byte, error) {
	names, err := resolve(e, outer)
	if err != nil {
		return nil, invalid("<"+e.Name+">", "%v", err)
	}
	dst = append(append(dst, '<'), e.Name...)
	for _, attribute := range e.Attributes {
		dst = append(append(append(dst, ' '), attribute.Name...), `="`...)
		dst = append(appendEscaped(dst, attribute.Value, true), '"')
	}
	if e.Text == "" && len(e.Children) == 0 {
		return append(dst, "/>"...), nil
	}
	dst = appendEscaped(append(dst, '>'), e.Text, false)
	for _, child := range e.Children {
		if dst, err = child.appendXML(dst, names); err != nil {
			return nil, err
		}
	}
	dst = append(append(dst, "</"...), e.Name...)
	return append(dst, '>'), nil
}

// appendEscaped writes text so that a parser gives it back unchanged: also
// the whitespace that parsers normalise (XML 1.0, 2.11 and 3.3.3).
func appendEscaped(dst []byte, text string, attribute bool) []byte {
	for i := range len(text) {
		switch c := text[i]; {
		case c == '&':
			dst = append(dst, "&amp;"...)
		case c == '<':
			dst = append(dst, "&lt;"...)
		case c == '>':
			dst = append(dst, "&gt;"...)
		case c == '\r':
			dst = append(dst, "&#13;"...)
		case attribute && c == '"':
			dst = append(dst, "&quot;"...)
		case attribute && c == '\n':
			dst = append(dst, "&#10;"...)
		case attribute && c == '\t':
			dst = append(dst, "&#9;"...)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// checkName refuses what is no qualified name (Namespaces in XML, 4).
func checkName(name string) error {
	parts := strings.Split(name, ":")
	for _, part := range parts {
		if len(parts) > 2 || !isNCName(part) {
			return fmt.Errorf("%q can't be the name of an XML element or attribute", name)
		}
	}
	return nil
}

func isNCName(name string) bool {
	if name == "" || !utf8.ValidString(name) {
		return false
	}
	for i, r := range name {
		if !isNameStart(r) && (i == 0 || !isNameRest(r)) {
			return false
		}
	}
	return true
}

// isNameStart and isNameRest are NameStartChar and NameChar of XML 1.0 (fifth
// edition), 2.3, without the colon.
func isNameStart(r rune) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r == '_':
		return true
	case r < 0xc0, r == 0xd7, r == 0xf7, r == 0x37e, r >= 0x300 && r <= 0x36f:
		return false
	}
	return r <= 0x1fff || r >= 0x200c && r <= 0x200d || r >= 0x2070 && r <= 0x218f ||
		r >= 0x2c00 && r <= 0x2fef || r >= 0x3001 && r <= 0xd7ff || r >= 0xf900 && r <= 0xfdcf ||
		r >= 0xfdf0 && r <= 0xfffd || r >= 0x10000 && r <= 0xeffff
}

func isNameRest(r rune) bool {
	return r == '-' || r == '.' || r >= '0' && r <= '9' || r == 0xb7 ||
		r >= 0x300 && r <= 0x36f || r >= 0x203f && r <= 0x2040
}

// isChar is Char of XML 1.0, 2.2.
func isChar(r rune) bool {
	return r >= ' ' && r <= 0xd7ff || r == '\t' || r == '\n' || r == '\r' ||
		r >= 0xe000 && r <= 0xfffd || r >= 0x10000 && r <= 0x10ffff
}

func invalid(place, format string, args ...any) error {
	return &abi.Error{Code: abi.CodeInvalid, Message: place + ": " + fmt.Sprintf(format, args...)}
}
