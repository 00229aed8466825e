package main

import (
	"encoding/json"
	"strings"

	"github.com/trama-run/trama/pdk/abi"
)

// Preview is a request as it would go out, but for what the host adds: the
// connection's base URL and credentials, and its own headers.
type Preview struct {
	Method  string            `json:"method"`
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers"`
	// Body is the text, null if there is none or it is one of those below.
	Body *string `json:"body"`
	// JSON is the same as a value, if it is JSON; null else.
	JSON       json.RawMessage `json:"json"`
	BodyBase64 string          `json:"body_base64,omitempty"`
	Blob       string          `json:"blob,omitempty"` // its id
	Parts      []abi.HTTPPart  `json:"parts,omitempty"`
}

// shown forms a request and sends nothing.
func shown(in Outgoing) (Preview, error) {
	request, err := prepare(in)
	if err != nil {
		return Preview{}, err
	}
	preview := Preview{
		Method: request.Method, URL: request.URL, Headers: request.Headers, JSON: json.RawMessage("null"),
		BodyBase64: request.BodyBase64, Blob: request.BodyBlob, Parts: request.Parts,
	}
	if request.Body != "" {
		preview.Body = &request.Body
		if json.Valid([]byte(request.Body)) && isJSON(header(request.Headers, "Content-Type")) {
			preview.JSON = json.RawMessage(request.Body)
		}
	}
	return preview, nil
}

// Tested is what came of a request: status, headers and body, whatever they are.
type Tested struct {
	Request Preview `json:"request"`
	Response
}

// test sends a request and shows what comes back.
func (e exchange) test(in Outgoing) (Tested, error) {
	preview, err := shown(in)
	if err != nil {
		return Tested{}, err
	}
	request, err := prepare(in)
	if err != nil {
		return Tested{}, err
	}
	answer, err := e.send(request)
	if err != nil {
		return Tested{}, err
	}
	response, _ := read(answer, asAuto) // what is called JSON and isn't is there as text
	return Tested{preview, response}, nil
}

func header(headers map[string]string, name string) string {
	for known, value := range headers {
		if strings.EqualFold(known, name) {
			return value
		}
	}
	return ""
}
