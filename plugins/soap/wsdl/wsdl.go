// Package wsdl reads what a SOAP service says of itself: WSDL 1.1 (W3C Note,
// 15 March 2001) and the XML schemas in it, and makes of each operation what a
// call needs to know. Documents are texts that the caller gives, each by its
// location; nothing is fetched. It knows nothing of envelopes or HTTP.
package wsdl

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/trama-run/trama/pdk/abi"
	"github.com/trama-run/trama/plugins/internal/xmljson"
	"github.com/trama-run/trama/plugins/soap/typed"
)

// Codes of this package's errors.
const (
	CodeInvalid = "wsdl_invalid" // a document is no WSDL 1.1, or names what is not there
	// CodeMissing: documents are imported that were not given; the detail is
	// {"locations": [...]}, each as Documents wants it.
	CodeMissing = "wsdl_missing"
)

// Namespaces.
const (
	spaceWSDL   = "http://schemas.xmlsoap.org/wsdl/"
	spaceSOAP11 = "http://schemas.xmlsoap.org/wsdl/soap/"
	spaceSOAP12 = "http://schemas.xmlsoap.org/wsdl/soap12/"
	spaceXSD    = "http://www.w3.org/2001/XMLSchema"
)

// Bounds of what is read.
const (
	maxDocuments = 200
	maxDepth     = 100 // of groups, extensions and types inside each other
)

// Service is one of a document's services.
type Service struct {
	Name  string
	Ports []Port
}

// Port is a service under one address and version of SOAP.
type Port struct {
	Name       string
	Address    string
	Version    string // "1.1" or "1.2"
	Operations []Operation
}

// Operation is one that a port offers.
type Operation struct {
	Name   string
	Style  string // "document" or "rpc"
	Action string
	OneWay bool
	Types  typed.Descriptor
	// Unsupported says why it can't be called; empty: it can.
	Unsupported string
	// Notes say what the descriptor leaves out of the schema.
	Notes []string
}

// node is an element, and those around it, whose prefixes hold in it.
type node struct {
	*xmljson.Element
	outer *node
}

func (n node) attribute(name string) string {
	for _, a := range n.Attributes {
		if a.Name == name {
			return strings.TrimSpace(a.Value)
		}
	}
	return ""
}

// all gives the children with a namespace and one of these names.
func (n node) all(space string, names ...string) []node {
	var found []node
	for _, child := range n.Children {
		if child.Space == space && slices.Contains(names, child.Local()) {
			found = append(found, node{child, &n})
		}
	}
	return found
}

func (n node) first(space string, names ...string) (node, bool) {
	for _, found := range n.all(space, names...) {
		return found, true
	}
	return node{}, false
}

// qname is a qualified name.
type qname struct{ space, local string }

// resolve gives what a prefixed name in an attribute's value means.
func (n node) resolve(name string) qname {
	prefix, local, found := strings.Cut(name, ":")
	declaration := "xmlns:" + prefix
	if !found {
		prefix, local, declaration = "", name, "xmlns"
	}
	for at := &n; at != nil; at = at.outer {
		for _, a := range at.Attributes {
			if a.Name == declaration {
				return qname{a.Value, local}
			}
		}
	}
	return qname{prefix, local}
}

// reader is a set of documents.
type reader struct {
	documents map[string]string
	missing   []string
	loaded    map[string]bool // by location, and the namespace that a schema takes
	messages  map[qname]node
	portTypes map[qname]node
	bindings  map[qname]node
	services  []node
	schemas   schemas
}

// Read reads a WSDL document and those that it imports, which are in documents
// by their locations relative to it ("xsd/order.xsd").
func Read(text string, documents map[string]string) ([]Service, error) {
	r := reader{
		documents: documents, loaded: map[string]bool{},
		messages: map[qname]node{}, portTypes: map[qname]node{}, bindings: map[qname]node{},
		schemas: schemas{elements: map[qname]item{}, types: map[qname]item{}, groups: map[qname]item{}, attributes: map[qname]item{}, attributeGroups: map[qname]item{}},
	}
	root, err := xmljson.Parse(text)
	if err != nil {
		return nil, err
	}
	if root.Space != spaceWSDL || root.Local() != "definitions" {
		return nil, fail("<%s> is no WSDL 1.1 document, whose root is <definitions> of %s", root.Name, spaceWSDL)
	}
	if err := r.definitions(node{root, nil}, ""); err != nil {
		return nil, err
	}
	if len(r.missing) > 0 {
		detail, err := json.Marshal(map[string]any{"locations": r.missing})
		if err != nil {
			return nil, err
		}
		return nil, &abi.Error{Code: CodeMissing, Detail: detail,
			Message: fmt.Sprintf("the document imports %s: give them as documents, by these locations", strings.Join(r.missing, ", "))}
	}
	if len(r.services) == 0 {
		return nil, fail("the document has no service; give the one that has, with this as one of its documents")
	}
	services := make([]Service, 0, len(r.services))
	for _, n := range r.services {
		service, err := r.service(n)
		if err != nil {
			return nil, err
		}
		services = append(services, service)
	}
	return services, nil
}

// definitions takes one WSDL document.
func (r *reader) definitions(root node, location string) error {
	target := root.attribute("targetNamespace")
	index := func(to map[qname]node, kind string) {
		for _, n := range root.all(spaceWSDL, kind) {
			to[qname{target, n.attribute("name")}] = n
		}
	}
	index(r.messages, "message")
	index(r.portTypes, "portType")
	index(r.bindings, "binding")
	r.services = append(r.services, root.all(spaceWSDL, "service")...)
	for _, types := range root.all(spaceWSDL, "types") {
		for _, s := range types.all(spaceXSD, "schema") {
			if err := r.schema(s, location, ""); err != nil {
				return err
			}
		}
	}
	for _, n := range root.all(spaceWSDL, "import") {
		if err := r.load(n.attribute("location"), location, ""); err != nil {
			return err
		}
	}
	return nil
}

// schema takes one schema. A schema without a namespace of its own takes that
// of the one that includes it.
func (r *reader) schema(n node, location, adopted string) error {
	target := n.attribute("targetNamespace")
	if target == "" {
		target = adopted
	}
	r.schemas.add(n, target)
	for _, other := range n.all(spaceXSD, "import", "include", "redefine") {
		take := ""
		if other.Local() != "import" {
			take = target
		}
		if at := other.attribute("schemaLocation"); at != "" {
			if err := r.load(at, location, take); err != nil {
				return err
			}
		}
	}
	return nil
}

// load takes the document at a location, which is relative to that of the
// document that names it.
func (r *reader) load(location, from, adopted string) error {
	base, err := url.Parse(from)
	if err != nil {
		return fail("location %.100q: %v", from, err)
	}
	reference, err := url.Parse(location)
	if err != nil {
		return fail("location %.100q: %v", location, err)
	}
	if base.IsAbs() || reference.IsAbs() {
		reference = base.ResolveReference(reference)
		location = reference.String()
	} else {
		location = relative(from, location)
	}
	if key := location + " " + adopted; r.loaded[key] {
		return nil
	} else if r.loaded[key] = true; len(r.loaded) > maxDocuments {
		return fail("more than %d documents", maxDocuments)
	}
	text, ok := r.documents[location]
	if !ok {
		if !slices.Contains(r.missing, location) {
			r.missing = append(r.missing, location)
		}
		return nil
	}
	root, err := xmljson.Parse(text)
	if err != nil {
		failure := asError(err)
		failure.Message = location + ": " + failure.Message
		return failure
	}
	switch {
	case root.Space == spaceWSDL && root.Local() == "definitions":
		return r.definitions(node{root, nil}, location)
	case root.Space == spaceXSD && root.Local() == "schema":
		return r.schema(node{root, nil}, location, adopted)
	}
	return fail("%s: <%s> is neither WSDL 1.1 nor an XML schema", location, root.Name)
}

// relative joins a relative location to that of the document that names it,
// and keeps "../" at the beginning.
func relative(from, location string) string {
	if strings.HasPrefix(location, "/") {
		return location
	}
	parts := strings.Split(from, "/")
	parts = parts[:len(parts)-1]
	for part := range strings.SplitSeq(location, "/") {
		switch {
		case part == "." || part == "":
		case part == ".." && len(parts) > 0 && parts[len(parts)-1] != "..":
			parts = parts[:len(parts)-1]
		default:
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, "/")
}

func fail(format string, args ...any) *abi.Error {
	return &abi.Error{Code: CodeInvalid, Message: "wsdl: " + fmt.Sprintf(format, args...)}
}

func asError(err error) *abi.Error {
	if failure, ok := err.(*abi.Error); ok { //nolint:errorlint // xmljson wraps none
		return failure
	}
	return fail("%v", err)
}
