// Package xmljson turns XML documents into JSON and JSON into XML elements,
// for the plugins that speak XML.
//
// [Decode] makes UTF-8 of a document's bytes, [Parse] a tree of [Element]s of
// the text, [Element.AppendJSON] JSON of the tree. [FromJSON] and
// [Element.AppendXML] go the other way. Order is kept both ways. Nothing is
// ever fetched, and no entity beyond XML's own five is expanded: a document
// type declaration is refused. It knows nothing of SOAP and does no I/O.
//
// Every error is an *abi.Error; those about XML text have its line and column
// as detail.
package xmljson

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/trama-run/trama/pdk/abi"
)

// Codes of this package's errors.
const (
	CodeMalformed = "xml_malformed"        // the text is not well-formed XML
	CodeDTD       = "dtd_refused"          // it has a document type declaration
	CodeEntity    = "entity_refused"       // it refers to an entity that XML doesn't define
	CodeEncoding  = "encoding_unsupported" // its bytes are in an encoding not known here
	CodeCollision = "name_collision"       // two things would get one JSON key
)

// Bounds of a document.
const (
	MaxDepth = 200     // elements inside each other
	MaxNodes = 100_000 // elements and attributes together: their tree fits the default memory
)

// Element is one XML element.
type Element struct {
	Name       string // as written, with its prefix: "soap:Body"
	Space      string // the namespace that the prefix stands for; Parse sets it
	Attributes []Attribute
	// Text is all character data directly inside, joined. Whitespace between
	// child elements is left out.
	Text     string
	Children []*Element
}

// Attribute is one attribute, namespace declarations included.
type Attribute struct {
	Name  string // as written
	Value string
}

// Local gives the name without its prefix.
func (e *Element) Local() string { return local(e.Name) }

// Child gives the first child with this namespace and local name, or nil.
func (e *Element) Child(space, name string) *Element {
	for _, child := range e.Children {
		if child.Space == space && child.Local() == name {
			return child
		}
	}
	return nil
}

func local(name string) string { return name[strings.IndexByte(name, ':')+1:] }

func prefix(name string) string {
	before, _, found := strings.Cut(name, ":")
	if !found {
		return ""
	}
	return before
}

// declares says whether an attribute declares a namespace, and for which
// prefix; "" is the default namespace.
func (a Attribute) declares() (prefix string, ok bool) {
	if a.Name == "xmlns" {
		return "", true
	}
	return strings.CutPrefix(a.Name, "xmlns:")
}

// Namespaces in scope everywhere.
const (
	spaceXML   = "http://www.w3.org/XML/1998/namespace"
	spaceXMLNS = "http://www.w3.org/2000/xmlns/"
)

// scope is the namespaces in force, innermost first.
type scope struct {
	prefix, space string
	outer         *scope
}

func (s *scope) lookup(prefix string) (space string, ok bool) {
	for ; s != nil; s = s.outer {
		if s.prefix == prefix {
			return s.space, true
		}
	}
	return "", prefix == ""
}

// declare adds an element's namespace declarations.
func (s *scope) declare(attributes []Attribute) (*scope, error) {
	for _, attribute := range attributes {
		name, ok := attribute.declares()
		if !ok {
			continue
		}
		switch value := attribute.Value; {
		case name != "" && value == "":
			return nil, fmt.Errorf("prefix %q is bound to no namespace", name)
		case name == "xmlns", value == spaceXMLNS, (name == "xml") != (value == spaceXML):
			return nil, fmt.Errorf("%s=%q changes what a reserved prefix or namespace means", attribute.Name, value)
		}
		s = &scope{prefix: name, space: attribute.Value, outer: s}
	}
	return s, nil
}

// failAt makes an error about the place at offset bytes into text. Line and
// column count from 1; the column counts characters.
func failAt(code, text string, offset int, format string, args ...any) *abi.Error {
	before := text[:min(max(offset, 0), len(text))]
	line := strings.Count(before, "\n") + 1
	column := utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:]) + 1
	detail, _ := json.Marshal(map[string]int{"line": line, "column": column}) // two integers: can't fail
	return &abi.Error{
		Code:    code,
		Message: fmt.Sprintf("xml line %d, column %d: %s", line, column, fmt.Sprintf(format, args...)),
		Detail:  detail,
	}
}
