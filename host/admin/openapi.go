package admin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/host/openapi"
	"github.com/trama-run/trama/host/source"
)

// openAPI gives the document.
func (a api) openAPI(c *fiber.Ctx) error {
	document, err := describe(a.endpoints())
	if err != nil {
		return err
	}
	data, err := document.JSON()
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
	return c.Send(data)
}

// describe makes a document of a table.
func describe(table []endpoint) (openapi.Document, error) {
	schemas := openapi.NewSchemas()
	var flowSchema map[string]any
	if err := json.Unmarshal(flow.Schema(), &flowSchema); err != nil {
		return openapi.Document{}, fmt.Errorf("schema of flows: %w", err)
	}
	delete(flowSchema, "$id")
	delete(flowSchema, "$schema")
	schemas.Give(reflect.TypeFor[flow.Flow](), "Flow", flowSchema)
	paths := map[string]openapi.Path{}
	for _, e := range table {
		method, path, parameters := e.place()
		if paths[path] == nil {
			paths[path] = openapi.Path{}
		}
		tag, _, _ := strings.Cut(path[1:], "/")
		operation := openapi.Operation{
			ID: identifier(method, path), Summary: e.title, Tags: []string{tag},
			Parameters: parameters, Body: bodyOf(e.takes, schemas), Responses: e.responses(schemas),
		}
		paths[path][method] = operation
	}
	components := schemas.Components()
	components[openapi.ProblemSchema] = openapi.Problem()
	return openapi.Document{
		OpenAPI: openapi.Version,
		Info: openapi.Info{
			Title: "Trama: the operator's API", Version: "1",
			Description: "Everything that an operator has and does. The command line `trama` is its first client.",
		},
		Servers: []openapi.Server{{URL: "/v1"}},
		Paths:   paths,
		Components: openapi.Components{
			Schemas:  components,
			Security: map[string]openapi.Scheme{"token": {Type: "http", Scheme: "bearer", Description: "An operator's token."}},
		},
		Security: []openapi.Requirement{{"token": {}}},
	}, nil
}

// place gives the method in lower case, the path as OpenAPI writes it, and the
// parameters.
func (e endpoint) place() (method, path string, list []openapi.Parameter) {
	method, path, _ = strings.Cut(e.do, " ")
	segments := strings.Split(path, "/")
	for i, segment := range segments {
		if name := strings.TrimLeft(segment, ":+"); name != segment {
			segments[i] = "{" + name + "}"
			description := ""
			if segment[0] == '+' {
				description = "It may hold slashes."
			}
			list = append(list, openapi.Parameter{Name: name, In: "path", Required: true, Description: description, Schema: map[string]any{"type": "string"}})
		}
	}
	for name := range strings.FieldsSeq(e.query) {
		schema := map[string]any{"type": "string"}
		if name == "limit" {
			schema = map[string]any{"type": "integer", "minimum": 1, "maximum": maxLimit}
		}
		list = append(list, openapi.Parameter{Name: name, In: "query", Description: parameters()[name], Schema: schema})
	}
	return strings.ToLower(method), strings.Join(segments, "/"), list
}

// identifier makes an operation's id of what it does: "getFlowsId".
func identifier(method, path string) string {
	id := method
	for part := range strings.FieldsFuncSeq(path, func(r rune) bool { return strings.ContainsRune("/{}-_.", r) }) {
		id += strings.ToUpper(part[:1]) + part[1:]
	}
	return id
}

// bodyOf describes what a request carries. What has a place in a document may
// be written as one is: YAML or JSON.
func bodyOf(takes any, schemas *openapi.Schemas) *openapi.Body {
	if takes == nil {
		return nil
	}
	media := openapi.Media{Schema: schemas.Of(takes)}
	body := &openapi.Body{Content: map[string]openapi.Media{fiber.MIMEApplicationJSON: media}}
	t := reflect.TypeOf(takes)
	if t.Kind() != reflect.Struct {
		return body
	}
	if at, ok := t.FieldByName("At"); ok && at.Type == reflect.TypeFor[source.Place]() {
		body.Required, body.Content["application/yaml"] = true, media
	}
	return body
}

// responses are what may come back.
func (e endpoint) responses(schemas *openapi.Schemas) map[string]openapi.Response {
	status := e.status
	if status == 0 {
		status = http.StatusOK
	}
	answer := openapi.Response{Description: http.StatusText(status)}
	if _, isBinary := e.gives.([]byte); isBinary {
		answer.Content = map[string]openapi.Media{fiber.MIMEOctetStream: {}}
	} else if e.gives != nil {
		answer.Content = map[string]openapi.Media{fiber.MIMEApplicationJSON: {Schema: schemas.Of(e.gives)}}
	}
	if e.more {
		answer.Headers = map[string]openapi.Header{HeaderMore: {
			Description: "What to give as after for the next page; absent on the last one. A page may be short, or empty, and not be the last.",
			Schema:      map[string]any{"type": "string"},
		}}
	}
	return map[string]openapi.Response{
		strconv.Itoa(status): answer,
		"default":            openapi.ProblemResponse(0, "A problem"),
	}
}
