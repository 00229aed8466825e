package main

import (
	"encoding/json"

	"github.com/trama-run/trama/pdk/abi"
	pdk "github.com/trama-run/trama/pdk/go"
	"github.com/trama-run/trama/plugins/internal/xmljson"
)

// Input of to_json. One of XML and BodyBase64 is given.
type Input struct {
	// XML is the document as text: its declared encoding is ignored.
	XML *string `json:"xml"`
	// BodyBase64 is the document as bytes, decoded by its own declaration.
	BodyBase64 []byte `json:"body_base64"`
	// Arrays are paths of elements that are arrays however many there are.
	Arrays []string `json:"arrays"`

	Shape
	Trim            *bool `json:"trim"`
	StripNamespaces bool  `json:"strip_namespaces"`
	// Typed makes numbers and booleans of texts that look like them.
	Typed bool `json:"typed"`
}

// Shape says how attributes and text appear in JSON: a convention, and what
// differs from it.
type Shape struct {
	Convention      string  `json:"convention"`
	AttributePrefix *string `json:"attribute_prefix"`
	TextKey         *string `json:"text_key"`
}

func (s Shape) style() (xmljson.Style, error) {
	style, ok := xmljson.Convention(s.Convention)
	if !ok {
		return style, pdk.Errorf(abi.CodeInvalid, "convention: %q is not known; use xml2js, fast-xml-parser or badgerfish, or leave it out", s.Convention)
	}
	if s.AttributePrefix != nil {
		style.AttributePrefix, style.AttributesKey = *s.AttributePrefix, ""
	}
	if s.TextKey != nil {
		style.TextKey = *s.TextKey
	}
	return style, nil
}

// convert gives the document as a JSON object with the root element's name as
// its only key.
func convert(in Input) (json.RawMessage, error) {
	text, err := document(in)
	if err != nil {
		return nil, err
	}
	root, err := xmljson.Parse(text)
	if err != nil {
		return nil, err
	}
	style, err := in.style()
	if err != nil {
		return nil, err
	}
	style.Typed = in.Typed
	style.KeepSpace = in.Trim != nil && !*in.Trim
	style.StripPrefixes = in.StripNamespaces
	style.Arrays = in.Arrays
	return root.AppendJSON(make([]byte, 0, len(text)), style)
}

func document(in Input) (string, error) {
	switch {
	case in.XML != nil && in.BodyBase64 != nil:
		return "", pdk.Errorf(abi.CodeInvalid, `both "xml" and "body_base64" are given; give one`)
	case in.XML != nil:
		return *in.XML, nil
	case in.BodyBase64 != nil:
		return xmljson.Decode(in.BodyBase64, "")
	}
	return "", pdk.Errorf(abi.CodeInvalid, `neither "xml" (text) nor "body_base64" (bytes) is given`)
}
