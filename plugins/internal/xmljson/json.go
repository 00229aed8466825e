package xmljson

import (
	"strconv"
	"strings"

	"github.com/trama-run/trama/pdk/abi"
)

// Style says what the JSON of an element looks like.
//
// An element without attributes and children is its text as a string. Any
// other is an object: its attributes under AttributePrefix + name, its text
// (if any) under TextKey, its children under their names in the order of
// their first appearance, and children of one name as an array. Values are
// strings, since XML has no numbers, unless Typed is set.
type Style struct {
	AttributePrefix string // such as "@"
	TextKey         string // such as "#text"
	// AttributesKey, if it is set, holds the attributes as an object of their
	// own, such as "$"; AttributePrefix then has no meaning.
	AttributesKey string
	// EveryArray makes arrays of all child elements, EveryObject objects of
	// all elements, also of those with text alone.
	EveryArray, EveryObject bool
	everyBelow              bool // the root alone is no array
	// SplitNamespaces gathers namespace declarations in "<prefix>xmlns", with
	// the default one under TextKey.
	SplitNamespaces bool
	// Typed makes numbers and booleans of texts that are written as JSON
	// writes them, as far as no digit is lost: "007" and "1.50" stay strings.
	Typed bool
	// KeepSpace leaves whitespace at both ends of text.
	KeepSpace bool
	// StripPrefixes drops prefixes from names, and namespace declarations.
	StripPrefixes bool
	// Arrays lists the elements that are arrays even if they appear once or
	// not at all in their parent, as paths from the root: "order.items.item".
	Arrays []string
}

// DefaultStyle is the usual one: "@" and "#text", trimmed, prefixes kept.
func DefaultStyle() Style { return Style{AttributePrefix: "@", TextKey: "#text"} }

// Names of [Convention].
const (
	XML2JS        = "xml2js"
	FastXMLParser = "fast-xml-parser"
	BadgerFish    = "badgerfish"
)

// Convention gives the style of a library's defaults: that of npm's xml2js
// ("$", "_", every child an array) and fast-xml-parser ("@_", "#text"), and
// BadgerFish (http://www.sklar.com/badgerfish/), or for "" the default one.
func Convention(name string) (Style, bool) {
	switch name {
	case "":
		return DefaultStyle(), true
	case XML2JS:
		return Style{AttributesKey: "$", TextKey: "_", EveryArray: true}, true
	case FastXMLParser:
		return Style{AttributePrefix: "@_", TextKey: "#text"}, true
	case BadgerFish:
		return Style{AttributePrefix: "@", TextKey: "$", EveryObject: true, SplitNamespaces: true}, true
	}
	return Style{}, false
}

// AppendJSON appends {"<name>": <element>} to dst.
func (e *Element) AppendJSON(dst []byte, style Style) ([]byte, error) {
	style.EveryArray, style.everyBelow = false, style.EveryArray // a document has one root
	root := &Element{Children: []*Element{e}}
	return root.AppendContentJSON(dst, style)
}

// AppendContentJSON appends the object of e's children alone, {} if there are
// none. Paths of Arrays begin at the children.
func (e *Element) AppendContentJSON(dst []byte, style Style) ([]byte, error) {
	w := writer{style: style, out: append(dst, '{')}
	content := &Element{Name: e.Name, Children: e.Children}
	if err := w.children(content, compileArrays(style.Arrays), &keys{}); err != nil {
		return nil, err
	}
	return append(w.out, '}'), nil
}

// AppendValueJSON appends the element's own value, without its name. Paths of
// Arrays begin at its children.
func (e *Element) AppendValueJSON(dst []byte, style Style) ([]byte, error) {
	w := writer{style: style, out: dst}
	if err := w.element(e, compileArrays(style.Arrays)); err != nil {
		return nil, err
	}
	return w.out, nil
}

// arrays is the tree of declared array paths.
type arrays struct {
	name   string
	always bool // elements of this name are always an array
	inner  []*arrays
}

func compileArrays(paths []string) *arrays {
	root := &arrays{}
	for _, path := range paths {
		at := root
		for name := range strings.SplitSeq(path, ".") {
			next := at.child(name)
			if next == nil {
				next = &arrays{name: name}
				at.inner = append(at.inner, next)
			}
			at = next
		}
		at.always = true
	}
	return root
}

func (a *arrays) child(name string) *arrays {
	if a == nil {
		return nil
	}
	for _, inner := range a.inner {
		if inner.name == name {
			return inner
		}
	}
	return nil
}

func (a *arrays) declaresChildren() bool {
	if a == nil {
		return false
	}
	for _, inner := range a.inner {
		if inner.always {
			return true
		}
	}
	return false
}

type writer struct {
	style Style
	out   []byte
}

// key gives an element's or attribute's name as the style has it.
func (w *writer) key(name string) string {
	if w.style.StripPrefixes {
		return local(name)
	}
	return name
}

func (w *writer) element(e *Element, declared *arrays) error {
	w.style.EveryArray = w.style.EveryArray || w.style.everyBelow
	attributes := e.Attributes
	if w.style.StripPrefixes {
		attributes = nil
		for _, attribute := range e.Attributes {
			if _, declaration := attribute.declares(); !declaration {
				attributes = append(attributes, attribute)
			}
		}
	}
	text := e.Text
	if !w.style.KeepSpace {
		text = strings.Trim(text, " \t\r\n")
	}
	if len(attributes) == 0 && len(e.Children) == 0 && !declared.declaresChildren() && !w.style.EveryObject {
		w.value(text)
		return nil
	}
	w.out = append(w.out, '{')
	var taken keys // what no child may be called
	if err := w.attributes(e, attributes, &taken); err != nil {
		return err
	}
	if text != "" {
		if !taken.add(w.style.TextKey) {
			return collision(w.style.TextKey, e)
		}
		w.member(w.style.TextKey)
		w.value(text)
	}
	if err := w.children(e, declared, &taken); err != nil {
		return err
	}
	w.out = append(w.out, '}')
	return nil
}

// attributes writes the members that stand for e's attributes.
func (w *writer) attributes(e *Element, attributes []Attribute, taken *keys) error {
	prefix, outer := w.style.AttributePrefix, taken
	if w.style.AttributesKey != "" && len(attributes) > 0 {
		outer.add(w.style.AttributesKey)
		w.member(w.style.AttributesKey)
		w.out = append(w.out, '{')
		defer func() { w.out = append(w.out, '}') }()
		prefix, taken = "", &keys{}
	}
	var declarations []Attribute
	for _, attribute := range attributes {
		if _, ok := attribute.declares(); ok && w.style.SplitNamespaces {
			declarations = append(declarations, attribute)
			continue
		}
		key := prefix + w.key(attribute.Name)
		if !taken.add(key) {
			return collision(key, e)
		}
		w.member(key)
		w.value(attribute.Value)
	}
	if declarations == nil {
		return nil
	}
	key := prefix + "xmlns"
	if !taken.add(key) {
		return collision(key, e)
	}
	w.member(key)
	w.out = append(w.out, '{')
	for _, attribute := range declarations {
		name, _ := attribute.declares()
		if name == "" {
			name = w.style.TextKey
		}
		w.member(name)
		w.out = AppendString(w.out, attribute.Value)
	}
	w.out = append(w.out, '}')
	return nil
}

// value writes a text, as a number or boolean if the style wants that.
func (w *writer) value(text string) {
	if w.style.Typed && (text == "true" || text == "false" || exactNumber(text)) {
		w.out = append(w.out, text...)
		return
	}
	w.out = AppendString(w.out, text)
}

// exactNumber says whether text is what JSON writes for a number that comes
// back as the same text: an integer of 64 bits, or a decimal that a float64
// holds and that is written in its shortest form.
func exactNumber(text string) bool {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return strconv.FormatInt(n, 10) == text
	}
	n, err := strconv.ParseFloat(text, 64)
	return err == nil && strings.Contains(text, ".") && strconv.FormatFloat(n, 'f', -1, 64) == text
}

// children writes the members that stand for e's children.
func (w *writer) children(e *Element, declared *arrays, taken *keys) error {
	var names keys
	var groups [][]*Element // the children of each name
	for i, child := range e.Children {
		key := w.key(child.Name)
		if names.add(key) {
			groups = append(groups, e.Children[i:i+1:i+1])
			continue
		}
		at := names.find(key)
		groups[at] = append(groups[at], child)
	}
	for i, group := range groups {
		key := names.list[i]
		if taken.find(key) >= 0 {
			return collision(key, e)
		}
		w.member(key)
		inner := declared.child(key)
		if len(group) == 1 && !w.style.EveryArray && (inner == nil || !inner.always) {
			if err := w.element(group[0], inner); err != nil {
				return err
			}
			continue
		}
		for i, element := range group {
			w.out = append(w.out, "[,"[min(i, 1)])
			if err := w.element(element, inner); err != nil {
				return err
			}
		}
		w.out = append(w.out, ']')
	}
	if declared == nil {
		return nil
	}
	for _, inner := range declared.inner {
		if inner.always && names.find(inner.name) < 0 {
			if taken.find(inner.name) >= 0 {
				return collision(inner.name, e)
			}
			w.member(inner.name)
			w.out = append(w.out, "[]"...)
		}
	}
	return nil
}

// member writes a key, and a comma before it unless it is the object's first.
func (w *writer) member(key string) {
	if w.out[len(w.out)-1] != '{' {
		w.out = append(w.out, ',')
	}
	w.out = append(AppendString(w.out, key), ':')
}

func collision(key string, e *Element) error {
	return &abi.Error{Code: CodeCollision, Message: "element <" + e.Name + ">: two things would have the JSON key \"" + key +
		"\"; choose another attribute_prefix or text_key, or keep the namespace prefixes"}
}
