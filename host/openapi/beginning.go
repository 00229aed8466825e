package openapi

import (
	"encoding/json"
	"strings"

	"github.com/trama-run/trama/host/source"
)

// Beginning is a flow that only answers, for somebody to go on with.
type Beginning struct {
	ID     string
	Title  string
	answer answer
}

// Example says whether it answers with an example of the document, or else
// with 501.
func (b Beginning) Example() bool { return b.answer.known }

// YAML gives the flow's document.
func (b Beginning) YAML() ([]byte, error) {
	type trigger struct {
		ID   string `json:"id"`
		Type string `json:"type"`
	}
	type with struct {
		Status  int               `json:"status"`
		Headers map[string]string `json:"headers,omitempty"`
		Body    any               `json:"body,omitempty"`
	}
	type node struct {
		ID   string `json:"id"`
		Type string `json:"type"`
		With with   `json:"with"`
	}
	type edge struct {
		From string `json:"from"`
		To   string `json:"to"`
	}
	answer := with{Status: b.answer.status, Body: literal(b.answer.body)}
	if !b.answer.known {
		answer = with{501, map[string]string{"Content-Type": problemContent}, map[string]any{"type": "about:blank", "title": "Not Implemented", "status": 501, "code": "not_implemented", "retry": false, "detail": "The flow " + b.ID + " does nothing yet."}}
	}
	data, err := json.Marshal(struct {
		Schema   int       `json:"schema"`
		ID       string    `json:"id"`
		Title    string    `json:"title,omitempty"`
		Triggers []trigger `json:"triggers"`
		Nodes    []node    `json:"nodes"`
		Edges    []edge    `json:"edges"`
	}{1, b.ID, b.Title, []trigger{{"start", "gateway"}}, []node{{"reply", "response.json", answer}}, []edge{{"start", "reply"}}})
	if err != nil {
		return nil, err
	}
	return source.YAML(data)
}

// literal writes a value so that a flow answers with just this: nothing in its
// texts is an expression.
func literal(value any) any {
	switch v := value.(type) {
	case string:
		return strings.ReplaceAll(v, "{{", `{{ "{{" }}`)
	case map[string]any:
		m := make(map[string]any, len(v))
		for key, inner := range v {
			m[key] = literal(inner)
		}
		return m
	case []any:
		list := make([]any, len(v))
		for i, inner := range v {
			list[i] = literal(inner)
		}
		return list
	}
	return value
}

// RoutesYAML gives routes as entries of routes.yaml.
func (m Import) RoutesYAML() ([]byte, error) {
	if len(m.Routes) == 0 {
		return nil, nil
	}
	data, err := json.Marshal(m.Routes)
	if err != nil {
		return nil, err
	}
	return source.YAML(data)
}
