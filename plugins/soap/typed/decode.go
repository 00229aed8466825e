package typed

import (
	"strings"

	"github.com/trama-run/trama/plugins/internal/xmljson"
)

// AppendJSON appends the JSON of an element that a schema describes. What it
// does not describe is kept in the style of xmljson, without prefixes.
func (d *Descriptor) AppendJSON(dst []byte, of Element, element *xmljson.Element) ([]byte, error) {
	if isNil(element) {
		return append(dst, "null"...), nil
	}
	if strings.HasPrefix(of.Type, Own) && of.Type != Own+"anyType" {
		if len(element.Children) == 0 {
			return read(dst, of.Type, element.Text), nil
		}
		return element.AppendValueJSON(dst, loose())
	}
	key, named := of.Type, ""
	if name, ok := attribute(element, "type"); ok {
		local := name[strings.IndexByte(name, ':')+1:]
		if derived, ok := d.derived(local, key); ok {
			key, named = derived, local
		}
	}
	t, known := d.Types[key]
	if !known {
		return element.AppendValueJSON(dst, loose())
	}
	if t.Text != "" && len(t.Attributes) == 0 {
		return read(dst, t.Text, element.Text), nil
	}
	dst = append(dst, '{')
	if named != "" && named != d.Types[of.Type].Name {
		dst = appendString(member(dst, "@xsi:type"), named)
	}
	for _, a := range t.Attributes {
		for _, given := range element.Attributes {
			if given.Name[strings.IndexByte(given.Name, ':')+1:] == a.Name && !strings.HasPrefix(given.Name, "xmlns") {
				dst = read(member(dst, "@"+a.Name), a.Type, given.Value)
				break
			}
		}
	}
	if t.Text != "" {
		dst = read(member(dst, "#text"), t.Text, element.Text)
	}
	dst, err := d.children(dst, t, element)
	return append(dst, '}'), err
}

func (d *Descriptor) children(dst []byte, t Type, element *xmljson.Element) ([]byte, error) {
	var err error
	taken := map[*xmljson.Element]bool{}
	names := map[string]bool{}
	for _, of := range t.Elements {
		if names[of.Name] {
			continue
		}
		names[of.Name] = true
		var found []*xmljson.Element
		for _, child := range element.Children {
			if child.Local() == of.Name { // services differ in what they qualify
				found = append(found, child)
				taken[child] = true
			}
		}
		if len(found) == 0 && !of.Array {
			continue
		}
		dst = member(dst, of.Name)
		if len(found) == 1 && !of.Array {
			if dst, err = d.AppendJSON(dst, of, found[0]); err != nil {
				return dst, err
			}
			continue
		}
		dst = append(dst, '[')
		for i, child := range found {
			if i > 0 {
				dst = append(dst, ',')
			}
			if dst, err = d.AppendJSON(dst, of, child); err != nil {
				return dst, err
			}
		}
		dst = append(dst, ']')
	}
	rest := &xmljson.Element{Name: element.Name}
	for _, child := range element.Children {
		if !taken[child] {
			rest.Children = append(rest.Children, child)
		}
	}
	if len(rest.Children) == 0 {
		return dst, nil
	}
	inner, err := rest.AppendContentJSON(nil, loose())
	if err != nil {
		return dst, err
	}
	if dst[len(dst)-1] != '{' {
		dst = append(dst, ',')
	}
	return append(dst, inner[1:len(inner)-1]...), nil
}

func loose() xmljson.Style {
	style := xmljson.DefaultStyle()
	style.StripPrefixes = true
	return style
}

// attribute finds one of the namespace of xsi, whatever its prefix is.
func attribute(element *xmljson.Element, name string) (string, bool) {
	for _, a := range element.Attributes {
		if prefix, local, ok := strings.Cut(a.Name, ":"); ok && local == name && prefix != "xmlns" {
			return strings.TrimSpace(a.Value), true
		}
	}
	return "", false
}

func isNil(element *xmljson.Element) bool {
	value, ok := attribute(element, "nil")
	return ok && (value == "true" || value == "1")
}

// member begins a member of an object.
func member(dst []byte, name string) []byte {
	if dst[len(dst)-1] != '{' {
		dst = append(dst, ',')
	}
	return append(appendString(dst, name), ':')
}
