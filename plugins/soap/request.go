package main

import (
	"encoding/json"
	"strings"

	"github.com/trama-run/trama/pdk/abi"
	pdk "github.com/trama-run/trama/pdk/go"
	"github.com/trama-run/trama/plugins/internal/xmljson"
	"github.com/trama-run/trama/plugins/soap/typed"
)

// Call is the input of call.
type Call struct {
	// Version of SOAP: "1.1", which is the default, or "1.2".
	Version string `json:"version"`
	// URL is absolute, or continues the base URL of the node's connection;
	// empty is that base URL itself.
	URL string `json:"url"`
	// Action is the SOAPAction, without quotes.
	Action string `json:"action"`
	// Operation is the element inside the SOAP body. "Add" puts it and its
	// children into Namespace, "m:Add" the element alone, under prefix m.
	Operation string `json:"operation"`
	Namespace string `json:"namespace"`
	// Body is the content of that element, Headers of the SOAP header, as
	// xmljson.FromJSON reads it.
	Body    json.RawMessage `json:"body"`
	Headers json.RawMessage `json:"headers"`
	// Types, which the operation wsdl makes, say how Body, Headers and the
	// answer are written.
	Types *typed.Descriptor `json:"types"`
	// Arrays are paths of elements that are arrays in the output's body.
	Arrays        []string `json:"arrays"`
	KeepPrefixes  bool     `json:"keep_prefixes"`
	TimeoutMillis int64    `json:"timeout_millis"`
}

// Namespaces of envelopes and of what bodies often refer to.
const (
	soap11 = "http://schemas.xmlsoap.org/soap/envelope/"
	soap12 = "http://www.w3.org/2003/05/soap-envelope"
	xsi    = "http://www.w3.org/2001/XMLSchema-instance"
	xsd    = "http://www.w3.org/2001/XMLSchema"
)

// request makes the HTTP request of a call (SOAP 1.1, sections 4 and 6.1; SOAP
// 1.2 part 2, section 7.4).
func (in Call) request() (abi.HTTPRequest, error) {
	if strings.ContainsFunc(in.Action, func(r rune) bool { return r < ' ' || r == '"' || r == '\\' || r > '~' }) {
		return abi.HTTPRequest{}, pdk.Errorf(abi.CodeInvalid, "action: %q has a quote, a backslash, a control or a non-ASCII character; an action is a URI", in.Action)
	}
	if in.TimeoutMillis < 0 {
		return abi.HTTPRequest{}, pdk.Errorf(abi.CodeInvalid, "timeout_millis: %d is negative; leave it out to wait as long as the node may", in.TimeoutMillis)
	}
	space, headers := soap11, map[string]string{"Content-Type": "text/xml; charset=utf-8", "SOAPAction": `"` + in.Action + `"`}
	switch in.Version {
	case "", "1.1":
	case "1.2":
		space, headers = soap12, map[string]string{"Content-Type": "application/soap+xml; charset=utf-8"}
		if in.Action != "" {
			headers["Content-Type"] += `; action="` + in.Action + `"`
		}
	default:
		return abi.HTTPRequest{}, pdk.Errorf(abi.CodeInvalid, `version: %q is not known; use "1.1" or "1.2"`, in.Version)
	}
	envelope, security, err := in.envelope(space)
	if err != nil {
		return abi.HTTPRequest{}, err
	}
	return abi.HTTPRequest{
		Method: "POST", URL: in.URL, Headers: headers,
		Body: envelope, TimeoutMillis: in.TimeoutMillis, WSSecurity: security,
	}, nil
}

// envelope writes the envelope, and says where the host may put credentials.
func (in Call) envelope(space string) (string, *abi.WSSecurity, error) {
	body := &xmljson.Element{Name: "soap:Body"}
	operation, err := in.element()
	if err != nil {
		return "", nil, err
	}
	if operation != nil {
		body.Children = []*xmljson.Element{operation}
	}
	header, err := in.header()
	if err != nil {
		return "", nil, err
	}
	text := []byte(`<?xml version="1.0" encoding="UTF-8"?>` + "\n" +
		`<soap:Envelope xmlns:soap="` + space + `" xmlns:xsi="` + xsi + `" xmlns:xsd="` + xsd + `">`)
	security := &abi.WSSecurity{At: len(text), NoHeader: true, Envelope: space}
	if len(header.Children) > 0 {
		if text, err = header.AppendXML(text, "soap", "xsi", "xsd"); err != nil {
			return "", nil, err
		}
		security.At, security.NoHeader = len(text)-len("</soap:Header>"), false
	}
	if text, err = body.AppendXML(text, "soap", "xsi", "xsd"); err != nil {
		return "", nil, err
	}
	return string(text) + "</soap:Envelope>", security, nil
}

// header makes the SOAP header: what the types describe by them, the rest as
// it is written.
func (in Call) header() (*xmljson.Element, error) {
	header := &xmljson.Element{Name: "soap:Header"}
	if isNull(in.Headers) {
		return header, nil
	}
	if !isObject(in.Headers) {
		return nil, pdk.Errorf(abi.CodeInvalid, "headers: want an object with an element for each SOAP header")
	}
	rest := in.Headers
	if in.Types != nil && len(in.Types.Header) > 0 {
		var members map[string]json.RawMessage
		if err := json.Unmarshal(in.Headers, &members); err != nil {
			return nil, pdk.Errorf(abi.CodeInvalid, "headers: %v", err)
		}
		for _, known := range in.Types.Header {
			value, ok := members[known.Name]
			if delete(members, known.Name); !ok || isNull(value) {
				continue
			}
			element, err := in.Types.Encode("headers."+known.Name, known, value)
			if err != nil {
				return nil, err
			}
			header.Children = append(header.Children, element)
		}
		var err error
		if rest, err = json.Marshal(members); err != nil {
			return nil, err
		}
	}
	elements, err := xmljson.FromJSON("headers", "soap:Header", rest)
	if err != nil {
		return nil, err
	}
	header.Attributes = elements[0].Attributes // an object is one element
	header.Children = append(header.Children, elements[0].Children...)
	return header, nil
}

// element makes the operation's element; nil if the types have none.
func (in Call) element() (*xmljson.Element, error) {
	if in.Types != nil {
		return in.typed()
	}
	if in.Operation == "" {
		return nil, pdk.Errorf(abi.CodeInvalid, "operation: the name of the element inside the SOAP body is missing")
	}
	content := in.Body
	if isNull(content) {
		content = json.RawMessage(`{}`)
	}
	if !isObject(content) {
		return nil, pdk.Errorf(abi.CodeInvalid, "body: want an object with the children of <%s>", in.Operation)
	}
	elements, err := xmljson.FromJSON("body", in.Operation, content)
	if err != nil {
		return nil, err
	}
	operation := elements[0] // an object is one element
	if in.Namespace != "" {
		declaration := xmljson.Attribute{Name: "xmlns", Value: in.Namespace}
		if prefix, _, ok := strings.Cut(in.Operation, ":"); ok {
			declaration.Name = "xmlns:" + prefix
		}
		operation.Attributes = append([]xmljson.Attribute{declaration}, operation.Attributes...)
	}
	return operation, nil
}

// typed makes the operation's element by its types.
func (in Call) typed() (*xmljson.Element, error) {
	root := in.Types.Input
	if root == nil {
		if !isNull(in.Body) && strings.TrimSpace(string(in.Body)) != "{}" {
			return nil, pdk.Errorf(abi.CodeInvalid, "body: the operation takes none")
		}
		return nil, nil
	}
	if name := in.Operation[strings.IndexByte(in.Operation, ':')+1:]; name != "" && name != root.Name {
		return nil, pdk.Errorf(abi.CodeInvalid, "operation: %q, and the types are of %q", in.Operation, root.Name)
	}
	return in.Types.Encode("body", *root, in.Body)
}

func isNull(value json.RawMessage) bool { return len(value) == 0 || string(value) == "null" }

func isObject(value json.RawMessage) bool { return len(value) > 0 && value[0] == '{' }
