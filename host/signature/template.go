package signature

import (
	"errors"
	"fmt"
	"strings"
)

// piece is a part of what is signed: a literal text, or what a name in braces
// stands for.
type piece struct {
	kind string // "text", "body", "timestamp", "id", "method", "url", "uri", "header", "query"
	text string // the literal, or the name of the header or parameter
}

// template reads what is signed.
func (m *Method) template() error {
	s := m.scheme
	text := s.Signed
	if text == "" {
		if s.ID != "" {
			text += "{id}."
		}
		if s.Timestamp != "" {
			text += "{timestamp}."
		}
		text += "{body}"
	}
	used := map[string]bool{}
	for text != "" {
		literal, rest, found := strings.Cut(text, "{")
		if strings.Contains(literal, "}") {
			return errors.New("there is a } without its {")
		}
		if literal != "" {
			m.signed = append(m.signed, piece{"text", literal})
		}
		if !found {
			break
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			return errors.New("there is a { without its }")
		}
		text = after
		kind, of, _ := strings.Cut(name, ":")
		switch {
		case name == "body" || name == "timestamp" || name == "id" || name == "method" || name == "url" || name == "uri":
		case kind == "header" && headerPattern.MatchString(of):
			of = strings.ToLower(of)
		case kind == "query" && of != "":
		default:
			return fmt.Errorf("{%s} is not known: use {body}, {timestamp}, {id}, {method}, {url}, {uri}, {header:NAME} or {query:NAME}", name)
		}
		used[kind] = true
		m.signed = append(m.signed, piece{kind, of})
	}
	switch {
	case !used["body"]:
		return errors.New("it lacks {body}: a body that is not signed can be anyone's")
	case used["timestamp"] != (s.Timestamp != ""):
		return errors.New("{timestamp} and the field timestamp go together: a time that is not signed protects nothing")
	case used["id"] != (s.ID != ""):
		return errors.New("{id} and the field id go together: an id that is not signed can be anyone's")
	}
	return nil
}

// decoded undoes what HubSpot doesn't sign: see the presets.
var decoded = strings.NewReplacer(
	"%3A", ":", "%2F", "/", "%3F", "?", "%40", "@", "%21", "!", "%24", "$", "%27", "'",
	"%28", "(", "%29", ")", "%2A", "*", "%2C", ",", "%3B", ";",
	"%3a", ":", "%2f", "/", "%3f", "?", "%2a", "*", "%2c", ",", "%3b", ";",
)

// values are what stands for the names in a template.
type values struct {
	id, timestamp  string
	method, url    string
	headers, query map[string]string // lower-case names of headers
	body           []byte
}

// each gives what is signed, part by part. A part must not be kept.
func (m *Method) each(v values, take func([]byte)) {
	text := make([]byte, 0, 128)
	for _, p := range m.signed {
		switch p.kind {
		case "text":
			text = append(text, p.text...)
		case "timestamp":
			text = append(text, v.timestamp...)
		case "id":
			text = append(text, v.id...)
		case "method":
			text = append(text, v.method...)
		case "url":
			text = append(text, v.url...)
		case "uri":
			text = append(text, decoded.Replace(v.url)...)
		case "header":
			text = append(text, v.headers[p.text]...)
		case "query":
			text = append(text, v.query[p.text]...)
		case "body":
			take(text)
			take(v.body)
			text = text[:0]
		}
	}
	take(text)
}
