package wsdl

import (
	"fmt"
	"maps"
	"slices"

	"github.com/trama-run/trama/plugins/soap/typed"
)

// item is a declaration and the schema that it stands in.
type item struct {
	node
	target     string
	qualified  bool // elementFormDefault
	attributes bool // attributeFormDefault is qualified
}

// schemas is what all schemas declare.
type schemas struct {
	elements, types, groups, attributes, attributeGroups map[qname]item
}

func (s *schemas) add(n node, target string) {
	take := func(to map[qname]item, within node, kinds ...string) {
		for _, declared := range within.all(spaceXSD, kinds...) {
			to[qname{target, declared.attribute("name")}] = item{
				node: declared, target: target,
				qualified:  n.attribute("elementFormDefault") == "qualified",
				attributes: n.attribute("attributeFormDefault") == "qualified",
			}
		}
	}
	for _, redefined := range n.all(spaceXSD, "redefine") {
		take(s.types, redefined, "complexType", "simpleType")
	}
	take(s.elements, n, "element")
	take(s.types, n, "complexType", "simpleType")
	take(s.groups, n, "group")
	take(s.attributes, n, "attribute")
	take(s.attributeGroups, n, "attributeGroup")
}

// builder makes the types that one operation reaches.
type builder struct {
	*schemas
	types map[string]typed.Type
	keys  map[any]string // key of each named type (qname) and anonymous one (*xmljson.Element)
	notes []string
	spent int // particles, attributes and types that were looked at
}

// maxLooks is how often one operation's types are looked into: groups that hold
// groups twice each would else be without an end.
const maxLooks = 100_000

// look counts one look at a declaration, so far inside others.
func (b *builder) look(what string, depth int) error {
	if depth > maxDepth {
		return fail("%s are inside each other more than %d times", what, maxDepth)
	}
	if b.spent++; b.spent > maxLooks {
		return fail("its types have more than %d elements, attributes and groups", maxLooks)
	}
	return nil
}

func (b *builder) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if !slices.Contains(b.notes, text) {
		b.notes = append(b.notes, text)
	}
}

// free gives a key that no type has.
func (b *builder) free(name string) string {
	key := name
	for i := 2; ; i++ {
		if _, taken := b.types[key]; !taken {
			return key
		}
		key = fmt.Sprintf("%s_%d", name, i)
	}
}

// in gives an item for a node inside another's.
func (i item) in(n node) item { i.node = n; return i }

// reference describes an element that is declared at the top of a schema.
func (b *builder) reference(name qname, depth int) (typed.Element, error) {
	declared, ok := b.elements[name]
	if !ok {
		return typed.Element{}, fail("there is no element %q of %q", name.local, name.space)
	}
	e := typed.Element{Name: name.local, Namespace: name.space, Nillable: truth(declared.attribute("nillable"))}
	return e, b.typeOf(&e, declared, depth)
}

func truth(text string) bool { return text == "true" || text == "1" }

// element describes an element inside a type.
func (b *builder) element(at item, depth int) (typed.Element, error) {
	var e typed.Element
	var err error
	if ref := at.attribute("ref"); ref != "" {
		if e, err = b.reference(at.resolve(ref), depth); err != nil {
			return e, err
		}
	} else {
		e = typed.Element{Name: at.attribute("name"), Nillable: truth(at.attribute("nillable"))}
		form := at.attribute("form")
		if form == "qualified" || form == "" && at.qualified {
			e.Namespace = at.target
		}
		if err := b.typeOf(&e, at, depth); err != nil {
			return e, err
		}
	}
	return e, nil
}

// occurs reads minOccurs and maxOccurs of a particle.
func occurs(n node) (required, many, never bool) {
	most, least := n.attribute("maxOccurs"), n.attribute("minOccurs")
	return least != "0", most != "" && most != "0" && most != "1", most == "0"
}

// typeOf finds an element's type: named, inside it, or none.
func (b *builder) typeOf(e *typed.Element, at item, depth int) error {
	if depth > maxDepth {
		return fail("element %s: types are inside each other more than %d times", e.Name, maxDepth)
	}
	if name := at.attribute("type"); name != "" {
		return b.named(e, at.resolve(name), depth+1)
	}
	if inner, ok := at.first(spaceXSD, "simpleType"); ok {
		var err error
		e.Type, e.Enum, err = b.simple(at.in(inner), depth+1)
		return err
	}
	inner, ok := at.first(spaceXSD, "complexType")
	if !ok {
		e.Type = typed.Own + "anyType"
		return nil
	}
	key, known := b.keys[inner.Element]
	if !known {
		key = b.free(e.Name)
		b.keys[inner.Element], b.types[key] = key, typed.Type{}
		t, err := b.complex(at.in(inner), depth+1)
		if err != nil {
			return err
		}
		b.types[key] = t
	}
	e.Type = key
	return nil
}

// named gives an element the type with a name.
func (b *builder) named(e *typed.Element, name qname, depth int) error {
	if name.space == spaceXSD {
		e.Type = typed.Own + name.local
		return nil
	}
	declared, ok := b.schemas.types[name]
	if !ok {
		return fail("element %s: there is no type %q of %q", e.Name, name.local, name.space)
	}
	if declared.Local() == "simpleType" {
		var err error
		e.Type, e.Enum, err = b.simple(declared, depth)
		return err
	}
	var err error
	e.Type, err = b.complexNamed(name, declared, depth)
	return err
}

func (b *builder) complexNamed(name qname, declared item, depth int) (string, error) {
	key, known := b.keys[name]
	if known {
		return key, nil
	}
	key = b.free(name.local)
	b.keys[name], b.types[key] = key, typed.Type{}
	t, err := b.complex(declared, depth+1)
	if err != nil {
		return "", err
	}
	t.Name, t.Namespace = name.local, name.space
	b.types[key] = t
	return key, nil
}

// simple follows a simple type to one of XML Schema's own.
func (b *builder) simple(at item, depth int) (string, []string, error) {
	if depth > maxDepth {
		return "", nil, fail("simple types are inside each other more than %d times", maxDepth)
	}
	restriction, ok := at.first(spaceXSD, "restriction")
	if !ok {
		return typed.Own + "string", nil, nil // a list or union: text
	}
	var enum []string
	for _, value := range restriction.all(spaceXSD, "enumeration") {
		for _, a := range value.Attributes {
			if a.Name == "value" {
				enum = append(enum, a.Value)
			}
		}
	}
	base, inherited, err := b.simpleBase(at.in(restriction), depth+1)
	if enum == nil {
		enum = inherited
	}
	return base, enum, err
}

func (b *builder) simpleBase(at item, depth int) (string, []string, error) {
	name := at.resolve(at.attribute("base"))
	if inner, ok := at.first(spaceXSD, "simpleType"); ok {
		return b.simple(at.in(inner), depth)
	}
	if name.space == spaceXSD {
		return typed.Own + name.local, nil, nil
	}
	declared, ok := b.schemas.types[name]
	if !ok || declared.Local() != "simpleType" {
		return "", nil, fail("there is no simple type %q of %q", name.local, name.space)
	}
	return b.simple(declared, depth)
}

// complex describes a complex type.
func (b *builder) complex(at item, depth int) (typed.Type, error) {
	if err := b.look("types", depth); err != nil {
		return typed.Type{}, err
	}
	t := typed.Type{Abstract: truth(at.attribute("abstract"))}
	if truth(at.attribute("mixed")) {
		b.note("the type %s mixes text and elements; the text between elements can't be written", at.attribute("name"))
	}
	if content, ok := at.first(spaceXSD, "simpleContent", "complexContent"); ok {
		for _, change := range content.all(spaceXSD, "extension", "restriction") {
			if err := b.base(&t, at.in(change), content.Local() == "simpleContent", depth); err != nil {
				return t, err
			}
			if err := b.content(&t, at.in(change), depth); err != nil {
				return t, err
			}
		}
		return t, nil
	}
	return t, b.content(&t, at, depth)
}

// base takes over what a type extends or restricts.
func (b *builder) base(t *typed.Type, at item, simple bool, depth int) error {
	name := at.resolve(at.attribute("base"))
	if name.space == spaceXSD {
		if simple {
			t.Text = typed.Own + name.local
		}
		return nil
	}
	if name.space == "http://schemas.xmlsoap.org/soap/encoding/" {
		return fail("it extends %s of SOAP encoding (rpc/encoded), which is not supported", name.local)
	}
	declared, ok := b.schemas.types[name]
	if !ok {
		return fail("there is no type %q of %q", name.local, name.space)
	}
	if declared.Local() == "simpleType" {
		var err error
		t.Text, t.Enum, err = b.simple(declared, depth+1)
		return err
	}
	// Once more, since the type may be begun and not yet done.
	base, err := b.complex(declared, depth+1)
	if err != nil {
		return err
	}
	key, err := b.complexNamed(name, declared, depth)
	if err != nil {
		return err
	}
	t.Base, t.Text, t.Enum, t.Any = key, base.Text, base.Enum, base.Any
	t.Attributes = base.Attributes
	if at.Local() == "extension" { // a restriction writes all elements again
		t.Elements = base.Elements
	}
	return nil
}

// derive adds the types that extend one which is reached: xsi:type may name
// them.
func (b *builder) derive() {
	for again := true; again; {
		again = false
		for _, name := range slices.SortedFunc(maps.Keys(b.schemas.types), compare) {
			declared := b.schemas.types[name]
			if _, known := b.keys[name]; known || declared.Local() != "complexType" {
				continue
			}
			content, ok := declared.first(spaceXSD, "complexContent", "simpleContent")
			if !ok {
				continue
			}
			for _, change := range content.all(spaceXSD, "extension", "restriction") {
				if _, reached := b.keys[change.resolve(change.attribute("base"))]; !reached {
					continue
				}
				if _, err := b.complexNamed(name, declared, 0); err != nil {
					b.note("the type %s is left out: %v", name.local, err)
					continue
				}
				again = true
			}
		}
	}
}

func compare(a, b qname) int {
	if a.space != b.space {
		return map[bool]int{true: -1, false: 1}[a.space < b.space]
	}
	return map[bool]int{true: -1, false: 1}[a.local < b.local]
}
