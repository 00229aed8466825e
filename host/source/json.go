package source

import (
	"bytes"
	"encoding/json"
	"io"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// parseJSON gives the tree of a document that is JSON. YAML's own reader
// takes most of JSON, but not all: it refuses surrogate pairs such as
// "\ud83d\ude00", which many JSON writers emit.
func parseJSON(data []byte) (*yaml.Node, bool) {
	if !json.Valid(data) {
		return nil, false
	}
	r := jsonReader{data: data, decoder: json.NewDecoder(bytes.NewReader(data)), line: 1, column: 1}
	r.decoder.UseNumber()
	token, err := r.decoder.Token()
	if err != nil {
		return nil, false
	}
	node, err := r.value(token)
	return node, err == nil
}

type jsonReader struct {
	data    []byte
	decoder *json.Decoder
	// offset is the place up to which line and column have been counted.
	offset, line, column int
}

// skip counts past the token that was just read and gives the place where it
// begins. The decoder tells only where it ends, so the beginning is found by
// skipping what may stand before it.
func (r *jsonReader) skip() (line, column int) {
	for r.offset < len(r.data) && bytes.IndexByte([]byte(" \t\r\n,:"), r.data[r.offset]) >= 0 {
		r.advance(r.offset + 1)
	}
	line, column = r.line, r.column
	r.advance(int(r.decoder.InputOffset()))
	return line, column
}

func (r *jsonReader) advance(to int) {
	for r.offset < to {
		c, size := utf8.DecodeRune(r.data[r.offset:])
		r.offset += size
		if c == '\n' {
			r.line, r.column = r.line+1, 1
		} else {
			r.column++
		}
	}
}

func (r *jsonReader) next() (*yaml.Node, json.Token, error) {
	token, err := r.decoder.Token()
	if err != nil {
		return nil, nil, err
	}
	if d, ok := token.(json.Delim); ok && (d == '}' || d == ']') {
		r.skip()
		return nil, token, nil
	}
	node, err := r.value(token)
	return node, nil, err
}

func (r *jsonReader) value(token json.Token) (*yaml.Node, error) {
	n := &yaml.Node{Kind: yaml.ScalarNode}
	n.Line, n.Column = r.skip()
	switch t := token.(type) {
	case nil:
		n.Tag, n.Value = "!!null", "null"
	case bool:
		n.Tag, n.Value = "!!bool", "false"
		if t {
			n.Value = "true"
		}
	case json.Number:
		n.Tag, n.Value = "!!float", t.String()
		if _, err := t.Int64(); err == nil {
			n.Tag = "!!int"
		}
	case string:
		n.Tag, n.Value, n.Style = "!!str", t, yaml.DoubleQuotedStyle
	case json.Delim:
		n.Kind, n.Tag = yaml.MappingNode, "!!map"
		if t == '[' {
			n.Kind, n.Tag = yaml.SequenceNode, "!!seq"
		}
		for {
			item, end, err := r.next()
			if err != nil {
				return nil, err
			}
			if end != nil {
				return n, nil
			}
			n.Content = append(n.Content, item)
		}
	default:
		return nil, io.ErrUnexpectedEOF
	}
	return n, nil
}
