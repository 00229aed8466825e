package main

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/trama-run/trama/pdk/abi"
	pdk "github.com/trama-run/trama/pdk/go"
	"github.com/trama-run/trama/plugins/internal/xmljson"
)

// BuildInput is the input of from_json.
type BuildInput struct {
	// JSON is an object with the root element's name as its only key, or the
	// content of the element Root.
	JSON json.RawMessage `json:"json"`
	Root string          `json:"root"`
	Shape
	// Declaration begins the document with <?xml ...?>, unless it is false.
	Declaration *bool    `json:"declaration"`
	Encoding    string   `json:"encoding"`
	Indent      int      `json:"indent"`
	CDATA       []string `json:"cdata"`
}

// Document is the output of from_json: XML in UTF-8, or BodyBase64 in another
// encoding.
type Document struct {
	XML        *string `json:"xml,omitempty"`
	BodyBase64 []byte  `json:"body_base64,omitempty"`
}

const maxIndent = 8

// build gives the document that a JSON value stands for.
func build(in BuildInput) (Document, error) {
	style, err := in.style()
	if err != nil {
		return Document{}, err
	}
	if in.Indent < 0 || in.Indent > maxIndent {
		return Document{}, pdk.Errorf(abi.CodeInvalid, "indent: %d is not between 0 and %d", in.Indent, maxIndent)
	}
	name, content, err := in.root()
	if err != nil {
		return Document{}, err
	}
	elements, err := style.FromJSON(name, name, content)
	if err != nil {
		return Document{}, err
	}
	if len(elements) != 1 {
		return Document{}, pdk.Errorf(abi.CodeInvalid, "%s: a document has one root element, and this makes %d", name, len(elements))
	}
	document, err := elements[0].Document(xmljson.Form{
		Encoding: in.Encoding, Declaration: in.Declaration == nil || *in.Declaration, Indent: in.Indent, CDATA: in.CDATA,
	})
	if err != nil {
		return Document{}, err
	}
	if in.Encoding == "" || strings.EqualFold(in.Encoding, "UTF-8") {
		text := string(document)
		return Document{XML: &text}, nil
	}
	return Document{BodyBase64: document}, nil
}

// root gives the root element's name and its value.
func (in BuildInput) root() (string, json.RawMessage, error) {
	if in.Root != "" {
		if slices.Contains([]string{"", "null"}, string(bytes.TrimSpace(in.JSON))) {
			return in.Root, json.RawMessage(`""`), nil
		}
		return in.Root, in.JSON, nil
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(in.JSON, &members); err != nil || len(members) != 1 {
		return "", nil, pdk.Errorf(abi.CodeInvalid, `json: want an object whose only key is the root element's name, such as {"order": {...}}; or name the element in "root"`)
	}
	for name, value := range members {
		return name, value, nil
	}
	return "", nil, nil // there is one
}
