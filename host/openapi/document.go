// Package openapi says in OpenAPI 3.1 what can be called, and reads what others
// say so: it makes a document of the gateway's routes, serves it with a page
// that shows it, and makes routes and beginnings of flows of a document that
// somebody else wrote.
//
// What it tells is for strangers: nothing of how a route is answered goes in,
// nor who in particular may call it. It must not know HTTP servers, and it
// starts nothing.
package openapi

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Version is that of the specification.
const Version = "3.1.0"

// Document is an OpenAPI document. Its JSON is the same each time: what is not
// in the order of these fields is in that of its keys.
type Document struct {
	OpenAPI    string          `json:"openapi"`
	Info       Info            `json:"info"`
	Servers    []Server        `json:"servers,omitempty"`
	Tags       []Tag           `json:"tags,omitempty"`
	Paths      map[string]Path `json:"paths"`
	Components Components      `json:"components"`
	Security   []Requirement   `json:"security,omitempty"`
}

// Info says what the document is of.
type Info struct {
	Title       string `json:"title"`
	Version     string `json:"version"`
	Summary     string `json:"summary,omitempty"`
	Description string `json:"description,omitempty"`
}

// Server is where the paths begin; its URL may be relative to the document's.
type Server struct {
	URL string `json:"url"`
}

// Tag is a group of operations.
type Tag struct {
	Name string `json:"name"`
}

// Path is what one path takes, by method in lower case.
type Path map[string]Operation

// Operation is a method of a path.
type Operation struct {
	ID          string              `json:"operationId"`
	Summary     string              `json:"summary,omitempty"`
	Description string              `json:"description,omitempty"`
	Tags        []string            `json:"tags,omitempty"`
	Parameters  []Parameter         `json:"parameters,omitempty"`
	Body        *Body               `json:"requestBody,omitempty"`
	Responses   map[string]Response `json:"responses"`
	// Security replaces the document's: one of the list must be met. An empty
	// list asks for nothing, nil says nothing.
	Security []Requirement `json:"security,omitzero"`
	// Flow is the route's flow, where ID can't be.
	Flow string `json:"x-trama-flow,omitempty"`
	// Path is the route's path, where the template doesn't say it.
	Path string `json:"x-trama-path,omitempty"`
	// Callers says in words who may call, where Security doesn't say all.
	Callers string `json:"x-trama-callers,omitempty"`
}

// Requirement names schemes that must all be met, with the scopes that each
// asks for. An empty one asks for nothing.
type Requirement map[string][]string

// Parameter is in the "path", "query" or "header"; or, of a component, the
// place of one.
type Parameter struct {
	Ref         string `json:"$ref,omitempty"`
	Name        string `json:"name,omitempty"`
	In          string `json:"in,omitempty"`
	Required    bool   `json:"required,omitempty"`
	Description string `json:"description,omitempty"`
	Schema      any    `json:"schema,omitempty"`

	Examples map[string]Example `json:"examples,omitempty"`
}

// Body is what a request carries, by media type.
type Body struct {
	Required bool             `json:"required,omitempty"`
	Content  map[string]Media `json:"content"`
}

// Media is content of one type. Schemas are JSON Schemas (2020-12) as JSON
// values.
type Media struct {
	Schema   any                `json:"schema,omitempty"`
	Examples map[string]Example `json:"examples,omitempty"`
}

// Example is one of a name.
type Example struct {
	Summary string `json:"summary,omitempty"`
	Value   any    `json:"value"`
}

// Response is what may come back; or, of a component, the place of one.
type Response struct {
	Ref         string            `json:"$ref,omitempty"`
	Description string            `json:"description,omitempty"`
	Headers     map[string]Header `json:"headers,omitempty"`
	Content     map[string]Media  `json:"content,omitempty"`
}

// Header is one of a response; or, of a component, the place of one.
type Header struct {
	Ref         string `json:"$ref,omitempty"`
	Description string `json:"description,omitempty"`
	Schema      any    `json:"schema,omitempty"`
}

// Scheme is a way to say who calls.
type Scheme struct {
	Type        string `json:"type"`             // apiKey or http
	Name        string `json:"name,omitempty"`   // of an API key
	In          string `json:"in,omitempty"`     // of an API key
	Scheme      string `json:"scheme,omitempty"` // of http, such as bearer
	Format      string `json:"bearerFormat,omitempty"`
	Description string `json:"description,omitempty"`
}

// Components are what other parts refer to.
type Components struct {
	Schemas    map[string]any       `json:"schemas,omitempty"`
	Responses  map[string]Response  `json:"responses,omitempty"`
	Parameters map[string]Parameter `json:"parameters,omitempty"`
	Headers    map[string]Header    `json:"headers,omitempty"`
	Security   map[string]Scheme    `json:"securitySchemes,omitempty"`
}

// JSON gives the document as it is served.
func (d Document) JSON() ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(d); err != nil {
		return nil, fmt.Errorf("OpenAPI document: %w", err)
	}
	return text.Bytes(), nil
}
