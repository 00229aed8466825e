package main

import (
	"encoding/json"
	"strings"

	"github.com/trama-run/trama/pdk/abi"
	pdk "github.com/trama-run/trama/pdk/go"
	"github.com/trama-run/trama/plugins/internal/xmljson"
)

// Call is the input of call.
type Call struct {
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

// request makes the HTTP request of a call (SOAP 1.1, sections 4 and 6.1).
func (in Call) request() (abi.HTTPRequest, error) {
	if strings.ContainsFunc(in.Action, func(r rune) bool { return r < ' ' || r == '"' || r > '~' }) {
		return abi.HTTPRequest{}, pdk.Errorf(abi.CodeInvalid, "action: %q has a quote, a control or a non-ASCII character; an action is a URI", in.Action)
	}
	if in.TimeoutMillis < 0 {
		return abi.HTTPRequest{}, pdk.Errorf(abi.CodeInvalid, "timeout_millis: %d is negative; leave it out to wait as long as the node may", in.TimeoutMillis)
	}
	envelope, err := in.envelope()
	if err != nil {
		return abi.HTTPRequest{}, err
	}
	return abi.HTTPRequest{
		Method: "POST",
		URL:    in.URL,
		Headers: map[string]string{
			"Content-Type": "text/xml; charset=utf-8",
			"SOAPAction":   `"` + in.Action + `"`,
		},
		Body:          envelope,
		TimeoutMillis: in.TimeoutMillis,
	}, nil
}

func (in Call) envelope() (string, error) {
	operation, err := in.element()
	if err != nil {
		return "", err
	}
	envelope := &xmljson.Element{Name: "soap:Envelope", Attributes: []xmljson.Attribute{
		{Name: "xmlns:soap", Value: soap11},
		{Name: "xmlns:xsi", Value: xsi},
		{Name: "xmlns:xsd", Value: xsd},
	}}
	if isObject(in.Headers) {
		header, err := xmljson.FromJSON("headers", "soap:Header", in.Headers)
		if err != nil {
			return "", err
		}
		envelope.Children = header
	} else if !isNull(in.Headers) {
		return "", pdk.Errorf(abi.CodeInvalid, "headers: want an object with an element for each SOAP header")
	}
	body := &xmljson.Element{Name: "soap:Body", Children: []*xmljson.Element{operation}}
	envelope.Children = append(envelope.Children, body)
	text, err := envelope.AppendXML([]byte(`<?xml version="1.0" encoding="UTF-8"?>` + "\n"))
	return string(text), err
}

// element makes the operation's element.
func (in Call) element() (*xmljson.Element, error) {
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

func isNull(value json.RawMessage) bool { return len(value) == 0 || string(value) == "null" }

func isObject(value json.RawMessage) bool { return len(value) > 0 && value[0] == '{' }
