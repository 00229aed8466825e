package openapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/trama-run/trama/host/access"
	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/host/source"
)

const petstore = `
openapi: 3.0.3
info: {title: Pets, version: "1"}
servers: [{url: "https://pets.example/v2"}]
security: [{key: []}]
paths:
  /pets:
    parameters: [{name: trace, in: header, schema: {type: string}}]
    get:
      operationId: listPets
      summary: List pets
      tags: [pets]
      security: []
      parameters:
        - {$ref: "#/components/parameters/limit"}
        - {name: lang, in: query, schema: {type: string}, example: pt}
      responses:
        200:
          description: pets
          content:
            application/json:
              schema: {type: array, items: {$ref: "#/components/schemas/Pet"}}
              example: [{name: "Rex {{x}}", tag: null}]
        default: {description: no, content: {application/json: {schema: {$ref: "#/components/schemas/Error"}}}}
    post:
      operationId: createPet
      security: [{key: [], oauth: ["pets:write", "a b"]}, {own: []}]
      requestBody: {$ref: "#/components/requestBodies/Pet"}
      responses:
        "201": {description: made, content: {application/json: {schema: {$ref: "#/components/schemas/Pet"}}}}
        "202": {description: later}
      callbacks: {done: {}}
    head: {responses: {}}
    options: {responses: {}}
  /pets/{petId}/photos/{photo.id}:
    put:
      requestBody: {content: {image/png: {schema: {type: string, format: binary}}, multipart/form-data: {}}}
      responses: {"204": {description: kept}}
  /pets/{petId}.{format}:
    get: {responses: {"200": {description: no}}}
  "/pets/{other}/photos/{x}":
    put: {operationId: twice, responses: {}}
  /lost:
    get:
      operationId: lost
      responses:
        "200": {description: x, content: {application/json: {schema: {$ref: "other.yaml#/Pet"}}}}
components:
  parameters: {limit: {name: limit, in: query, schema: {type: integer}}}
  requestBodies:
    Pet: {content: {application/json: {schema: {$ref: "#/components/schemas/Pet"}, examples: {rex: {summary: Rex, value: {name: Rex}}}}}}
  securitySchemes:
    key: {type: apiKey, in: header, name: X-API-Key}
    oauth: {type: oauth2, flows: {}}
    own: {type: apiKey, in: header, name: client_id}
  schemas:
    Error: {type: object}
    Pet:
      type: object
      required: [name]
      properties:
        name: {type: string, example: Rex}
        tag: {type: string, nullable: true}
        age: {type: number, minimum: 0, exclusiveMinimum: true}
        parent: {$ref: "#/components/schemas/Pet"}
        home: {$ref: "#/components/schemas/Home", nullable: true}
    Home: {type: object, properties: {pets: {type: array, items: {$ref: "#/components/schemas/Pet"}}}}
`

func TestRead(t *testing.T) {
	made, problems := Read("pets.yaml", []byte(petstore), "/v2")
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	text, err := made.RoutesYAML()
	if err != nil {
		t.Fatal(err)
	}
	var again []catalog.Route
	if problems := source.Decode("routes.yaml", text, &again); len(problems) > 0 {
		t.Fatalf("%v\n%s", problems, text)
	}
	pet := `"properties":{"age":{"exclusiveMinimum":0,"type":"number"},"home":{"anyOf":[{"$ref":"#/$defs/Home"},{"type":"null"}]},"name":{"type":"string"},"parent":{"$ref":"#"},"tag":{"type":["string","null"]}},"required":["name"],"type":"object"}`
	petSchema := `{"$defs":{"Home":{"properties":{"pets":{"items":{"$ref":"#"},"type":"array"}},"type":"object"}},` + pet
	petInList := strings.ReplaceAll(pet, `"#"`, `"#/$defs/Pet"`)
	want := []string{
		`{"method":"GET","path":"/v2/pets","flow":"list-pets","security":[{"public":true}],"response":{"schema":{"$defs":{"Home":{"properties":{"pets":{"items":{"$ref":"#/$defs/Pet"},"type":"array"}},"type":"object"},"Pet":{` + petInList + `},"items":{"$ref":"#/$defs/Pet"},"type":"array"}},"title":"List pets","tags":["pets"],"examples":[{"query":{"lang":"pt"},"response":[{"name":"Rex {{x}}","tag":null}]}]}`,
		`{"method":"POST","path":"/v2/pets","flow":"create-pet","security":[{"clients":"any","scopes":["pets:write"]},{"clients":"any"}],"request":{"schema":` + petSchema + `},"response":{"schema":` + petSchema + `},"examples":[{"title":"Rex","request":{"name":"Rex"}}]}`,
		`{"method":"PUT","path":"/v2/pets/:pet_id/photos/:photo_id","flow":"put-pets-pet-id-photos-photo-id","security":[{"clients":"any"}],"request":{"type":"image/png"}}`,
		`{"method":"GET","path":"/v2/lost","flow":"lost","security":[{"clients":"any"}]}`,
	}
	for i, r := range again {
		r.At = source.Place{}
		got, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if i >= len(want) || string(got) != want[i] {
			t.Errorf("route %d:\n%s\nwant\n%s", i+1, got, want[min(i, len(want)-1)])
		}
	}
	if len(again) != len(want) {
		t.Errorf("%d routes, want %d", len(again), len(want))
	}
	var notes strings.Builder
	for _, n := range made.Notes {
		fmt.Fprintf(&notes, "%d: %s\n", n.Line, n.Message)
	}
	if got := notes.String(); got != wantNotes {
		t.Errorf("notes:\n%s\nwant:\n%s", got, wantNotes)
	}
	for _, f := range made.Flows {
		text, err := f.YAML()
		if err != nil {
			t.Fatal(err)
		}
		if parsed, err := flow.Parse(f.ID+".yaml", text); err != nil || parsed.ID != f.ID {
			t.Errorf("flow %s: %v\n%s", f.ID, err, text)
		}
	}
	// A flow that answered 204 would look as if it had done what was asked.
	none, err := made.Flows[2].YAML()
	if err != nil || made.Flows[2].Example() || !strings.Contains(string(none), "status: 501") || !strings.Contains(string(none), "code: not_implemented") {
		t.Errorf("an operation that has 204 only: %v\n%s", err, none)
	}
	list, err := made.Flows[0].YAML()
	if err != nil {
		t.Fatal(err)
	}
	if want := `- name: "Rex {{ \"{{\" }}x}}"`; !strings.Contains(string(list), want) {
		t.Errorf("an example with braces would be an expression:\n%s", list)
	}
}

const wantNotes = `10: GET /pets: these parameters are not checked by the route: limit, trace
32: POST /pets: its callbacks are left out
26: POST /pets: these parameters are not checked by the route: trace
27: POST /pets: the scheme key (header X-API-Key) is asked for as a client's id, in the header client_id
27: POST /pets: the scheme oauth (oauth2) is asked for as a client's id, in the header client_id
27: POST /pets: the scope "a b" can't be asked for
33: HEAD /pets: it is answered where there is a GET
34: OPTIONS /pets: no route can have this method
37: PUT /pets/{petId}/photos/{photo.id}: the parameter petId is called pet_id
37: PUT /pets/{petId}/photos/{photo.id}: the parameter photo.id is called photo_id
37: PUT /pets/{petId}/photos/{photo.id}: it takes image/png, and not multipart/form-data
37: PUT /pets/{petId}/photos/{photo.id}: the schema of image/png is left out: only JSON is checked
5: PUT /pets/{petId}/photos/{photo.id}: the scheme key (header X-API-Key) is asked for as a client's id, in the header client_id
40: GET /pets/{petId}.{format} is left out: a route's parameter is a whole segment, not a part of {petId}.{format}
5: PUT /pets/{other}/photos/{x}: the scheme key (header X-API-Key) is asked for as a client's id, in the header client_id
42: PUT /pets/{other}/photos/{x} is left out: a route before it takes the same calls
47: GET /lost: the schema of its answers is left out: it refers to "other.yaml#/Pet", which is not in this document
5: GET /lost: the scheme key (header X-API-Key) is asked for as a client's id, in the header client_id
`

// TestReadRefuses: what is no document of this kind gives nothing, and says
// where it isn't.
func TestReadRefuses(t *testing.T) {
	for _, c := range []struct{ name, text, problem string }{
		{"Swagger", "swagger: '2.0'\npaths: {}", "1:1: the document is Swagger 2"},
		{"another version", "openapi: 4.0.0\npaths: {}", "1:1: the document is not OpenAPI 3.0 or 3.1"},
		{"no paths", "openapi: 3.1.0", "1:1: the document has no paths"},
		{"a list", "[]", "the document is not OpenAPI"},
		{"text", "hello", "the document is not OpenAPI"},
		{"nothing", "", "the document is empty"},
		{"no YAML", "a: [", "not valid YAML"},
		{"too much", strings.Repeat("#", source.MaxBytes+1), "over the limit"},
	} {
		made, problems := Read("x.yaml", []byte(c.text), "")
		if len(problems) == 0 || !strings.Contains(problems.Error(), c.problem) || len(made.Routes) > 0 {
			t.Errorf("%s: %v, want %q", c.name, problems, c.problem)
		}
	}
}

// TestReadIsBounded: what would grow without end, or lead to itself, ends.
func TestReadIsBounded(t *testing.T) {
	operation := func(schema string) string {
		return `{responses: {"200": {description: x, content: {application/json: {schema: ` + schema + `}}}}}`
	}
	many := strings.Builder{}
	many.WriteString("openapi: 3.1.0\npaths:\n")
	for i := range maxOperations + 5 {
		fmt.Fprintf(&many, "  /p%d: {get: %s}\n", i, operation(`{$ref: "#/components/schemas/s0"}`))
	}
	many.WriteString("components:\n  schemas:\n")
	for i := range 300 {
		fmt.Fprintf(&many, "    s%d: {allOf: [{$ref: \"#/components/schemas/s%d\"}, {$ref: \"#/components/schemas/s%d\"}], description: %s}\n", i, (i+1)%300, (i*7)%300, strings.Repeat("x", 2000))
	}
	for _, c := range []struct {
		name, text, note string
		routes           int
	}{
		{"references in a circle", "openapi: 3.1.0\npaths: {/a: {$ref: '#/paths/~1b'}, /b: {$ref: '#/paths/~1a'}}", "", 0},
		{"schemas in a circle", "openapi: 3.1.0\npaths: {/a: {get: " + operation("{$ref: '#/components/schemas/a'}") + "}}\ncomponents: {schemas: {a: {$ref: '#/components/schemas/b'}, b: {$ref: '#/components/schemas/a'}}}", "", 1},
		{"a schema in itself", "openapi: 3.1.0\npaths: {/a: {get: " + operation("{$ref: '#/paths/~1a/get/responses/200/content/application~1json/schema'}") + "}}", "", 1},
		{"the document as a schema", "openapi: 3.1.0\npaths: {/a: {get: " + operation("{items: {$ref: '#'}}") + "}}", "which is no schema", 1},
		{"too many operations with too large schemas", many.String(), "only the first 1000 operations", maxOperations},
	} {
		made, problems := Read("x.yaml", []byte(c.text), "")
		if len(problems) > 0 || len(made.Routes) != c.routes || !strings.Contains(made.Notes.Error(), c.note) {
			t.Errorf("%s: %v, %d routes with notes %.300v; want %d, %q", c.name, problems, len(made.Routes), made.Notes, c.routes, c.note)
		}
		text, err := made.RoutesYAML()
		if err != nil || len(text) > 4*maxSchemas {
			t.Errorf("%s: %d bytes, %v", c.name, len(text), err)
		}
	}
}

// TestRoundTrip: what we say of routes is read as the same routes: what a
// caller can see of them comes back, and is described in the same words.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		snapshot := &catalog.Snapshot{Routes: routes(t)}
		for i := range snapshot.Routes {
			if len(snapshot.Routes[i].Security) == 0 { // said of each route in a document
				snapshot.Routes[i].Security = secured(t, `{public: true}`)
			}
		}
		before, err := Public(snapshot, "/api").JSON()
		if err != nil {
			t.Fatal(err)
		}
		made, problems := Read("openapi.json", before, "")
		if len(problems) > 0 || len(made.Notes) > 0 {
			t.Fatalf("%v, %v\n%s", problems, made.Notes, before)
		}
		text, err := made.RoutesYAML()
		if err != nil {
			t.Fatal(err)
		}
		var read []catalog.Route
		if len(text) > 0 {
			if problems := source.Decode("routes.yaml", text, &read); len(problems) > 0 {
				t.Fatalf("%v\n%s", problems, text)
			}
		}
		after, err := Public(&catalog.Snapshot{Routes: read}, "/api").JSON()
		if err != nil || !bytes.Equal(before, after) {
			t.Fatalf("%v\n%s\nbecame\n%s", err, before, after)
		}
		byName := map[string]catalog.Route{}
		for _, r := range read {
			r.At = source.Place{}
			byName[r.Name()] = r
		}
		for _, r := range snapshot.Routes {
			if r.Async == catalog.AsyncAlways && r.Response != nil || r.Async == catalog.AsyncAlways && len(r.Examples) > 0 {
				continue // what is answered later is not described
			}
			want, _ := json.Marshal(visible(r))
			got, _ := json.Marshal(visible(byName[r.Name()]))
			if !bytes.Equal(want, got) {
				t.Fatalf("%s\nbecame\n%s\nin\n%s", want, got, before)
			}
		}
	})
}

// TestImportOpensNothing: a route that only certain addresses may call is one
// for clients, once it was read from a document, which doesn't name addresses.
func TestImportOpensNothing(t *testing.T) {
	for security, want := range map[string]string{
		`{ips: [10.0.0.0/8]}`: `[{"clients":"any"}]`,
		`[{clients: [erp], ips: [10.0.0.0/8]}, {ips: [10.0.0.0/8]}]`: `[{"clients":"any"},{"clients":"any"}]`,
		`{public: true, rate: 10/1m}`:                                `[{"public":true}]`,
	} {
		text, err := Public(&catalog.Snapshot{Routes: []catalog.Route{{Method: "GET", Path: "/ip", Flow: "x", Security: secured(t, security)}}}, "/api").JSON()
		if err != nil {
			t.Fatal(err)
		}
		made, problems := Read("openapi.json", text, "")
		if len(problems) > 0 || len(made.Routes) != 1 || len(made.Notes) == 0 {
			t.Fatalf("%v, %v", problems, made)
		}
		if got, err := json.Marshal(made.Routes[0].Security); err != nil || string(got) != want {
			t.Errorf("%s became %s, want %s (%v)", security, got, want, err)
		}
	}
}

// visible is a route in one of the ways to write it.
func visible(r catalog.Route) catalog.Route {
	if r.Request != nil && r.Request.Type == "application/json" && r.Request.Schema != nil {
		r.Request = &catalog.RouteRequest{Schema: r.Request.Schema}
	}
	return r
}

func secured(t interface{ Fatalf(string, ...any) }, text string) access.Security {
	var route struct {
		Security access.Security `json:"security"`
	}
	if problems := source.Decode("x", []byte("{security: "+text+"}"), &route); len(problems) > 0 {
		t.Fatalf("%v", problems)
	}
	return route.Security
}

// FuzzRead: whatever is read, what is made of it is a workspace's.
func FuzzRead(f *testing.F) {
	f.Add([]byte(petstore))
	f.Add([]byte(`{"openapi":"3.1.0","paths":{"/a/{b}":{"get":{"responses":{"200":{"content":{"a/b":{}}}}}}}}`))
	rich, err := Public(snapshotOf(f, richRoutes, richGateway, home), "/api").JSON()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(rich)
	f.Fuzz(func(t *testing.T, data []byte) {
		made, problems := Read("x.yaml", data, "")
		if len(problems) > 0 {
			return
		}
		text, err := made.RoutesYAML()
		if err != nil {
			t.Fatal(err)
		}
		var routes []catalog.Route
		if len(text) > 0 {
			if problems := source.Decode("routes.yaml", text, &routes); len(problems) > 0 && len(text) < source.MaxBytes {
				t.Fatalf("%v\n%s", problems, text)
			}
		}
		for i := range routes {
			if problems := routes[i].Check(); len(problems) > 0 {
				t.Fatalf("%v\n%s", problems, text)
			}
		}
		for _, b := range made.Flows {
			text, err := b.YAML()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := flow.Parse("x.yaml", text); err != nil && len(text) < source.MaxBytes {
				t.Fatalf("%v\n%s", err, text)
			}
		}
	})
}
