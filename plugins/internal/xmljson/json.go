package xmljson

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/trama-run/trama/pdk/abi"
)

// Style says what the JSON of an element looks like.
//
// An element without attributes and children is its text as a string. Any
// other is an object: its attributes under AttributePrefix + name, its text
// (if any) under TextKey, its children under their names in the order of
// their first appearance, and children of one name as an array. Values are
// always strings: XML has no numbers.
type Style struct {
	AttributePrefix string // such as "@"
	TextKey         string // such as "#text"
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

// AppendJSON appends {"<name>": <element>} to dst.
func (e *Element) AppendJSON(dst []byte, style Style) ([]byte, error) {
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
	if len(attributes) == 0 && len(e.Children) == 0 && !declared.declaresChildren() {
		w.out = AppendString(w.out, text)
		return nil
	}
	w.out = append(w.out, '{')
	var taken keys // what no child may be called
	for _, attribute := range attributes {
		key := w.style.AttributePrefix + w.key(attribute.Name)
		if !taken.add(key) {
			return collision(key, e)
		}
		w.member(key)
		w.out = AppendString(w.out, attribute.Value)
	}
	if text != "" {
		if !taken.add(w.style.TextKey) {
			return collision(w.style.TextKey, e)
		}
		w.member(w.style.TextKey)
		w.out = AppendString(w.out, text)
	}
	if err := w.children(e, declared, &taken); err != nil {
		return err
	}
	w.out = append(w.out, '}')
	return nil
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
		if len(group) == 1 && (inner == nil || !inner.always) {
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

// keys is a set of keys in the order of their arrival. Few are searched one
// by one, which beats a map for nearly every element.
type keys struct {
	list  []string
	index map[string]int // from manyKeys on
}

const manyKeys = 16

// find gives a key's place, or -1.
func (k *keys) find(key string) int {
	if k.index == nil {
		return slices.Index(k.list, key)
	}
	if at, ok := k.index[key]; ok {
		return at
	}
	return -1
}

// add says whether the key is new.
func (k *keys) add(key string) bool {
	if k.find(key) >= 0 {
		return false
	}
	k.list = append(k.list, key)
	switch {
	case k.index != nil:
		k.index[key] = len(k.list) - 1
	case len(k.list) == manyKeys:
		k.index = make(map[string]int, 2*manyKeys)
		for i, known := range k.list {
			k.index[known] = i
		}
	}
	return true
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

// AppendString appends text as a JSON string. Bytes that are not UTF-8 become
// U+FFFD.
func AppendString(dst []byte, text string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(text); {
		c := text[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		size := 1
		if c >= utf8.RuneSelf {
			var r rune
			if r, size = utf8.DecodeRuneInString(text[i:]); r != utf8.RuneError || size > 1 {
				i += size
				continue
			}
		}
		dst = append(dst, text[start:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			if c < ' ' {
				dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			} else {
				dst = append(dst, "\ufffd"...)
			}
		}
		i += size
		start = i
	}
	dst = append(dst, text[start:]...)
	return append(dst, '"')
}
