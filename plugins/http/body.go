package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/trama-run/trama/pdk/abi"
	pdk "github.com/trama-run/trama/pdk/go"
	"github.com/trama-run/trama/plugins/internal/brackets"
)

// Bodies are the forms of a body, of which a request has one; null is none. Any
// method may have one.
type Bodies struct {
	JSON json.RawMessage `json:"json"`
	// Fields are rows of key and value that make JSON: see package brackets.
	Fields []brackets.Row `json:"fields"`
	// Form is an object, or rows of key and value whose keys go as they are.
	Form      json.RawMessage `json:"form"`
	Multipart []Part          `json:"multipart"`
	Text      *string         `json:"text"`
	Base64    *string         `json:"body_base64"`
	// Blob is an [abi.Blob] or its id.
	Blob json.RawMessage `json:"blob"`
}

// Part is a field of a form with files: Value is a text, a number or a boolean.
// One whose content is null, such as the blob of a file that couldn't be had, is
// refused: a file without anything in it would pass for it.
type Part struct {
	Name     string          `json:"name"`
	Value    json.RawMessage `json:"value"`
	Base64   *string         `json:"base64"`
	Blob     json.RawMessage `json:"blob"`
	Filename string          `json:"filename"`
	Type     string          `json:"type"`
}

// put gives a request its body.
func (b Bodies) put(out *abi.HTTPRequest) error {
	var given []string
	for _, form := range []struct {
		name  string
		there bool
	}{
		{"json", isValue(b.JSON)}, {"fields", b.Fields != nil}, {"form", isValue(b.Form)}, {"multipart", b.Multipart != nil},
		{"text", b.Text != nil}, {"body_base64", b.Base64 != nil}, {"blob", isValue(b.Blob)},
	} {
		if form.there {
			given = append(given, form.name)
		}
	}
	if len(given) == 0 {
		return nil
	}
	if len(given) > 1 {
		return pdk.Errorf(abi.CodeInvalid, "both %q and %q are given; a request has one body", given[0], given[1])
	}
	var err error
	switch given[0] {
	case "json":
		var compact bytes.Buffer
		err = json.Compact(&compact, b.JSON)
		out.Body = compact.String()
		setDefault(out.Headers, "Content-Type", "application/json")
	case "fields":
		var body json.RawMessage
		if body, err = brackets.Build(b.Fields); err == nil {
			out.Body = string(body)
			setDefault(out.Headers, "Content-Type", "application/json")
		}
	case "form":
		out.Body, err = formOf(b.Form)
		setDefault(out.Headers, "Content-Type", "application/x-www-form-urlencoded")
	case "multipart":
		if hasHeader(out.Headers, "Content-Type") {
			return pdk.Errorf(abi.CodeInvalid, "headers: Content-Type of a form with files holds its boundary, which is made for each request; leave it out")
		}
		out.Parts, err = partsOf(b.Multipart)
	case "text":
		out.Body = *b.Text
		setDefault(out.Headers, "Content-Type", "text/plain; charset=utf-8")
	case "body_base64":
		out.BodyBase64, err = *b.Base64, checkBase64(*b.Base64)
		setDefault(out.Headers, "Content-Type", "application/octet-stream")
	case "blob":
		var blob abi.Blob
		blob, err = blobOf(b.Blob)
		out.BodyBlob = blob.ID
		if blob.MIME != "" { // else it is what the host knows of the blob
			setDefault(out.Headers, "Content-Type", blob.MIME)
		}
	}
	if err != nil {
		return pdk.Errorf(abi.CodeInvalid, "%s: %v", given[0], err)
	}
	return nil
}

func isValue(data json.RawMessage) bool {
	return len(data) > 0 && !bytes.Equal(data, []byte("null"))
}

// formOf encodes a form: members of objects and items of lists as a[b] and a[0],
// rows as they are.
func formOf(form json.RawMessage) (string, error) {
	var pairs []brackets.Pair
	switch form[0] {
	case '{':
		var err error
		if pairs, err = brackets.Form(form); err != nil {
			return "", err
		}
	case '[':
		var rows []struct {
			Key   string          `json:"key"`
			Value json.RawMessage `json:"value"`
		}
		if err := json.Unmarshal(form, &rows); err != nil {
			return "", fmt.Errorf("its rows are objects with key and value: %w", err)
		}
		for i, row := range rows {
			text, there, err := brackets.Text(row.Value)
			if err != nil {
				return "", fmt.Errorf("row %d, %q: %w", i+1, row.Key, err)
			}
			if there {
				pairs = append(pairs, brackets.Pair{Name: row.Key, Value: text})
			}
		}
	default:
		return "", fmt.Errorf("want an object, or a list of rows with key and value")
	}
	var out strings.Builder
	for i, pair := range pairs {
		if i > 0 {
			out.WriteByte('&')
		}
		out.WriteString(url.QueryEscape(pair.Name) + "=" + url.QueryEscape(pair.Value))
	}
	return out.String(), nil
}

func partsOf(from []Part) ([]abi.HTTPPart, error) {
	if len(from) == 0 {
		return nil, fmt.Errorf("the list is empty; give at least one part")
	}
	parts := make([]abi.HTTPPart, 0, len(from))
	for i, p := range from {
		text, isText, err := brackets.Text(p.Value)
		given := 0
		for _, there := range []bool{isText || err != nil, p.Base64 != nil, isValue(p.Blob)} {
			if there {
				given++
			}
		}
		part := abi.HTTPPart{Name: p.Name, Filename: p.Filename, Type: p.Type, Text: text}
		switch {
		case err != nil:
		case p.Name == "":
			err = fmt.Errorf("it has no name")
		case given > 1:
			err = fmt.Errorf("it has more than one of value, base64 and blob")
		case isValue(p.Blob):
			var blob abi.Blob
			blob, err = blobOf(p.Blob)
			if part.Blob = blob.ID; p.Type == "" && p.Filename != "" {
				part.Type = blob.MIME
			}
		case p.Base64 != nil:
			part.Base64, err = *p.Base64, checkBase64(*p.Base64)
		case !isText:
			err = fmt.Errorf("it has none of value, base64 and blob, or null for it")
		}
		if err != nil {
			return nil, fmt.Errorf("part %d, %q: %w", i+1, p.Name, err)
		}
		parts = append(parts, part)
	}
	return parts, nil
}

func checkBase64(text string) error {
	if _, err := base64.StdEncoding.DecodeString(text); err != nil {
		return fmt.Errorf("it is not standard base64: %w", err)
	}
	return nil
}

// blobOf reads a reference, or its id alone. What a reference says of a file's
// type counts: of one that a contact sent, it is what its bytes are, where the
// host keeps what it was fetched as.
func blobOf(data json.RawMessage) (blob abi.Blob, err error) {
	if data[0] == '"' {
		err = json.Unmarshal(data, &blob.ID)
	} else {
		err = json.Unmarshal(data, &blob)
	}
	if err != nil || blob.ID == "" {
		return abi.Blob{}, fmt.Errorf("want what an answer with \"as\": \"blob\" gives, or the id in it")
	}
	return blob, nil
}
