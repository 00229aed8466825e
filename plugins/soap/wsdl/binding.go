package wsdl

import (
	"strings"

	"github.com/trama-run/trama/plugins/soap/typed"
)

// service reads the ports of a service that speak SOAP over HTTP.
func (r *reader) service(n node) (Service, error) {
	service := Service{Name: n.attribute("name")}
	for _, p := range n.all(spaceWSDL, "port") {
		space, version := spaceSOAP11, "1.1"
		address, ok := p.first(spaceSOAP11, "address")
		if !ok {
			space, version = spaceSOAP12, "1.2"
			if address, ok = p.first(spaceSOAP12, "address"); !ok {
				continue // a port for plain HTTP
			}
		}
		port := Port{Name: p.attribute("name"), Address: address.attribute("location"), Version: version}
		name := p.resolve(p.attribute("binding"))
		binding, ok := r.bindings[name]
		if !ok {
			return service, fail("port %s: there is no binding %q of %q", port.Name, name.local, name.space)
		}
		var err error
		if port.Operations, err = r.operations(binding, space); err != nil {
			return service, err
		}
		service.Ports = append(service.Ports, port)
	}
	return service, nil
}

// operations reads a binding, and what its port type says of each operation.
func (r *reader) operations(binding node, space string) ([]Operation, error) {
	name := binding.resolve(binding.attribute("type"))
	portType, ok := r.portTypes[name]
	if !ok {
		return nil, fail("binding %s: there is no portType %q of %q", binding.attribute("name"), name.local, name.space)
	}
	style := "document"
	if soap, ok := binding.first(space, "binding"); ok && soap.attribute("style") != "" {
		style = soap.attribute("style")
	}
	var all []Operation
	for _, bound := range binding.all(spaceWSDL, "operation") {
		o := Operation{Name: bound.attribute("name"), Style: style}
		if soap, ok := bound.first(space, "operation"); ok {
			o.Action = soap.attribute("soapAction")
			if s := soap.attribute("style"); s != "" {
				o.Style = s
			}
		}
		abstract, found := findNamed(portType, o.Name)
		if !found {
			return nil, fail("operation %s: portType %s does not have it", o.Name, name.local)
		}
		if err := r.operation(&o, bound, abstract, space); err != nil {
			o.Unsupported, o.Types = err.Error(), typed.Descriptor{}
		}
		all = append(all, o)
	}
	return all, nil
}

func findNamed(portType node, name string) (node, bool) {
	for _, n := range portType.all(spaceWSDL, "operation") {
		if n.attribute("name") == name {
			return n, true
		}
	}
	return node{}, false
}

// operation makes the descriptor. Its errors say why it can't be called.
func (r *reader) operation(o *Operation, bound, abstract node, space string) error {
	b := builder{schemas: &r.schemas, types: map[string]typed.Type{}, keys: map[any]string{}}
	d := &o.Types
	asked, has := abstract.first(spaceWSDL, "input")
	if !has {
		return fail("it only answers, which a caller can't ask for")
	}
	in, _ := bound.first(spaceWSDL, "input")
	var err error
	if d.Input, err = r.message(&b, o, asked, in, space, o.Name); err != nil {
		return err
	}
	if d.Header, err = r.headers(&b, in, space); err != nil {
		return err
	}
	answered, has := abstract.first(spaceWSDL, "output")
	o.OneWay = !has
	if has {
		out, _ := bound.first(spaceWSDL, "output")
		if d.Output, err = r.message(&b, o, answered, out, space, o.Name+"Response"); err != nil {
			return err
		}
	}
	for _, n := range abstract.all(spaceWSDL, "fault") {
		parts, err := r.parts(n, n.attribute("message"))
		if err != nil {
			return err
		}
		for _, part := range parts {
			if name := part.attribute("element"); name != "" {
				e, err := b.reference(part.resolve(name), 0)
				if err != nil {
					return err
				}
				d.Faults = append(d.Faults, e)
			}
		}
	}
	b.derive()
	d.Types = b.types
	o.Notes = b.notes
	return nil
}

func (r *reader) parts(at node, message string) ([]node, error) {
	name := at.resolve(message)
	n, ok := r.messages[name]
	if !ok {
		return nil, fail("there is no message %q of %q", name.local, name.space)
	}
	return n.all(spaceWSDL, "part"), nil
}

// message describes the element inside the SOAP body; nil: the body is empty.
func (r *reader) message(b *builder, o *Operation, abstract, bound node, space, wrapper string) (*typed.Element, error) {
	parts, err := r.parts(abstract, abstract.attribute("message"))
	if err != nil {
		return nil, err
	}
	body := node{}
	if bound.Element != nil {
		if multipart, ok := bound.first("http://schemas.xmlsoap.org/wsdl/mime/", "multipartRelated"); ok {
			return nil, fail("%s has attachments (mime:%s), which are not supported", o.Name, multipart.Local())
		}
		body, _ = bound.first(space, "body")
	}
	namespace := ""
	if body.Element != nil {
		if body.attribute("use") == "encoded" {
			return nil, fail("%s is %s/encoded, which WS-I Basic Profile 1.1 (R2706) forbids and this does not speak: ask the service for a literal binding, or write the body by hand without types", o.Name, o.Style)
		}
		namespace = body.attribute("namespace")
		if names := strings.Fields(body.attribute("parts")); len(names) > 0 {
			parts = named(parts, names)
		}
	}
	for _, h := range r.headerParts(bound, space) {
		parts = without(parts, abstract, h)
	}
	if o.Style == "rpc" {
		return r.wrapper(b, parts, qname{namespace, wrapper})
	}
	switch {
	case len(parts) == 0:
		return nil, nil
	case len(parts) > 1:
		return nil, fail("%s has %d parts in its body, and document style has one", o.Name, len(parts))
	case parts[0].attribute("element") == "":
		return nil, fail("%s names a type where document style has an element (WS-I Basic Profile 1.1, R2204)", o.Name)
	}
	e, err := b.reference(parts[0].resolve(parts[0].attribute("element")), 0)
	return &e, err
}

// wrapper makes the element that rpc style puts around the parts, which are in
// no namespace (WS-I Basic Profile 1.1, R2735).
func (r *reader) wrapper(b *builder, parts []node, name qname) (*typed.Element, error) {
	t := typed.Type{}
	for _, part := range parts {
		if part.attribute("type") == "" {
			return nil, fail("%s: part %s names an element where rpc style has a type (WS-I Basic Profile 1.1, R2203)", name.local, part.attribute("name"))
		}
		e := typed.Element{Name: part.attribute("name"), Required: true}
		if err := b.named(&e, part.resolve(part.attribute("type")), 0); err != nil {
			return nil, err
		}
		t.Elements = append(t.Elements, e)
	}
	key := b.free(name.local)
	b.types[key] = t
	return &typed.Element{Name: name.local, Namespace: name.space, Type: key}, nil
}

func named(parts []node, names []string) []node {
	var kept []node
	for _, name := range names {
		for _, part := range parts {
			if part.attribute("name") == name {
				kept = append(kept, part)
			}
		}
	}
	return kept
}

// headerParts gives what a binding puts into the SOAP header.
func (r *reader) headerParts(bound node, space string) []node {
	if bound.Element == nil {
		return nil
	}
	return bound.all(space, "header")
}

// without leaves out the part that a header takes from the same message.
func without(parts []node, abstract, header node) []node {
	if header.resolve(header.attribute("message")) != abstract.resolve(abstract.attribute("message")) {
		return parts
	}
	var kept []node
	for _, part := range parts {
		if part.attribute("name") != header.attribute("part") {
			kept = append(kept, part)
		}
	}
	return kept
}

func (r *reader) headers(b *builder, bound node, space string) ([]typed.Element, error) {
	var all []typed.Element
	for _, h := range r.headerParts(bound, space) {
		parts, err := r.parts(h, h.attribute("message"))
		if err != nil {
			return nil, err
		}
		for _, part := range named(parts, []string{h.attribute("part")}) {
			if name := part.attribute("element"); name != "" {
				e, err := b.reference(part.resolve(name), 0)
				if err != nil {
					return nil, err
				}
				all = append(all, e)
			}
		}
	}
	return all, nil
}
