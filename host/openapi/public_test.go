package openapi

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"pgregory.net/rapid"

	"github.com/trama-run/trama/host/access"
	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/host/source"
)

// snapshotOf reads a workspace's files into a snapshot.
func snapshotOf(t interface{ Fatalf(string, ...any) }, routes, gateway string, flows ...string) *catalog.Snapshot {
	s := &catalog.Snapshot{Flows: map[string]catalog.Flow{}}
	if problems := source.Decode("routes.yaml", []byte(routes), &s.Routes); len(problems) > 0 {
		t.Fatalf("%v", problems)
	}
	for _, r := range s.Routes {
		if problems := r.Check(); len(problems) > 0 {
			t.Fatalf("%v", problems)
		}
	}
	if gateway != "" {
		if problems := source.Decode("gateway.yaml", []byte(gateway), &s.Gateway); len(problems) > 0 {
			t.Fatalf("%v", problems)
		}
	}
	for _, text := range flows {
		f, err := flow.Parse("flow.yaml", []byte(text))
		if err != nil {
			t.Fatalf("%v", err)
		}
		s.Flows[f.ID] = catalog.Flow{Flow: f}
	}
	return s
}

// valid says what a public validator finds wrong with a document.
func valid(data []byte) (problems []string) {
	document, err := libopenapi.NewDocument(data)
	if err != nil {
		return []string{err.Error()}
	}
	v, errs := validator.NewValidator(document)
	for _, err := range errs {
		problems = append(problems, err.Error())
	}
	if len(errs) > 0 {
		return problems
	}
	_, found := v.ValidateDocument()
	for _, p := range found {
		problems = append(problems, p.Message+": "+p.Reason)
		for _, s := range p.SchemaValidationErrors {
			problems = append(problems, s.Location+": "+s.Reason)
		}
	}
	return problems
}

const richRoutes = `
- {method: GET, path: /, flow: home}
- method: POST
  path: /orders
  flow: order-intake
  title: Take an order
  description: "Takes one.\n\nTwice is once."
  tags: [orders]
  async: allowed
  idempotency: {required: true}
  request:
    schema:
      type: object
      required: [ref, items]
      properties:
        ref: {type: string}
        items: {type: array, items: {$ref: "#/$defs/item"}}
      $defs:
        item: {type: object, properties: {sku: {type: string}, parts: {type: array, items: {$ref: "#/$defs/item"}}, $ref: {type: string}}}
  response: {schema: {type: object, required: [number], properties: {number: {type: integer}}}}
  examples:
    - {title: A small one, request: {ref: a, items: []}, status: 201, response: {number: 7}}
    - {title: None, request: {}, status: 422, response: {error: no ref}}
- {method: GET, path: "/orders/:id", flow: orders, tags: [orders], cache: {ttl: 10s, key: ["query:full", shared]}, examples: [{params: {id: "7"}, query: {lang: pt}, response: {a: 1}}]}
- {method: DELETE, path: "/orders/:order", flow: orders, tags: [orders], security: {clients: [erp, shop], scopes: [orders.write], rate: 100/1m}}
- {method: GET, path: "/orders/*rest", flow: rest, security: [{public: true}]}
- {method: PUT, path: "/files/*path", flow: files, async: always, request: {type: image/*}, security: [{ips: [10.1.2.0/24]}, {clients: any, signed: true}, {jwt: {issuer: "https://id.example", audience: api, algorithms: [RS256], jwks: "https://id.example/keys"}, scopes: [files]}]}
`

const richGateway = `security: [{clients: any, quota: 1000/24h}]`

const home = `
schema: 1
id: home
triggers: [{id: start, type: gateway}]
nodes:
  - {id: ok, type: response.json, with: {body: 1}}
  - {id: teapot, type: response.json, with: {status: 418}}
  - {id: mine, type: response.json, with: {status: 400, body: {own: true}}}
edges:
  - {from: start, to: ok}
  - {from: ok, to: teapot}
  - {from: teapot, to: mine}
`

func TestPublic(t *testing.T) {
	snapshot := snapshotOf(t, richRoutes, richGateway, home)
	data, err := Public(snapshot, "/api").JSON()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range valid(data) {
		t.Error(p)
	}
	slices.Reverse(snapshot.Routes)
	again, err := Public(snapshot, "/api").JSON()
	if err != nil || !bytes.Equal(data, again) {
		t.Errorf("the order of the routes changes the document: %v", err)
	}
	for _, private := range []string{"10.1.2", "erp", "shop", "/keys"} {
		if strings.Contains(string(data), private) {
			t.Errorf("the document tells strangers of %q", private)
		}
	}
	d := Public(snapshot, "/api")
	if got := slices.Sorted(maps.Keys(d.Paths)); !slices.Equal(got, []string{"/", "/.status/{run}", "/files/{path}", "/orders", "/orders/{id}", "/orders/{part2}/{rest}"}) {
		t.Errorf("paths %q", got)
	}
	for _, c := range []struct {
		path, method, id, statuses, security string
	}{
		{"/", "get", "home", "200 204 400 401 418 429 500 503 504", `[{"client":[]}]`},
		{"/orders", "post", "order-intake", "200 201 202 400 401 409 413 415 422 429 500 503 504 default", `[{"client":[]}]`},
		{"/orders/{id}", "get", "orders.get.orders.id", "200 204 304 400 401 429 500 503 504 default", `[{"client":[]}]`},
		{"/orders/{id}", "delete", "orders.delete.orders.order", "200 204 400 401 403 429 500 503 504 default", `[{"client":["orders.write"]}]`},
		{"/orders/{part2}/{rest}", "get", "rest", "200 204 400 500 503 504 default", `[]`},
		{"/files/{path}", "put", "files", "200 202 204 400 401 403 413 415 429 500 503 504 default", `[{},{"client":[],"signature":[]},{"token":["files"]}]`},
		// Who may read a later answer is who made the call, of either route.
		{"/.status/{run}", "get", "trama.status", "200 400 401 403 404 429 500 503", `[{},{"client":[],"signature":[]},{"token":["files"]},{"client":[]}]`},
	} {
		o, ok := d.Paths[c.path][c.method]
		if !ok {
			t.Errorf("%s %s is missing", c.method, c.path)
			continue
		}
		security, err := json.Marshal(o.Security)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(slices.Sorted(maps.Keys(o.Responses)), " "); o.ID != c.id || got != c.statuses || string(security) != c.security {
			t.Errorf("%s %s: %s, answers %s, security %s; want %s, %s, %s", c.method, c.path, o.ID, got, security, c.id, c.statuses, c.security)
		}
	}
	if own := d.Paths["/"]["get"].Responses["400"].Content; len(own) != 2 {
		t.Errorf("an answer of the flow with the status of a problem: %v", own)
	}
	for place, c := range map[string]struct{ callers, status, headers string }{
		"get /":                      {"callers with the header client_id, a quota of 1000/1d", "200", "RateLimit RateLimit-Policy Trama-Run X-Request-Id"},
		"post /orders":               {"callers with the header client_id, a quota of 1000/1d", "201", "Idempotency-Replayed Preference-Applied RateLimit RateLimit-Policy Trama-Run X-Request-Id"},
		"delete /orders/{id}":        {"callers with the header client_id that have orders.write, at most 100/1m", "200", "RateLimit RateLimit-Policy Trama-Run X-Request-Id"},
		"get /orders/{part2}/{rest}": {"", "200", "Trama-Run X-Request-Id"},
		"put /files/{path}": {"anyone from certain addresses; or callers with the header client_id and the header Trama-Signature; or callers with a bearer token that have files", "202",
			"Location Preference-Applied RateLimit RateLimit-Policy Retry-After Trama-Run X-Request-Id"},
		"get /.status/{run}": {"whoever made the call, with the same credentials", "200", "Retry-After X-Request-Id"},
	} {
		method, path, _ := strings.Cut(place, " ")
		o := d.Paths[path][method]
		if got := strings.Join(slices.Sorted(maps.Keys(o.Responses[c.status].Headers)), " "); o.Callers != c.callers || got != c.headers {
			t.Errorf("%s: for %q, %s with %s; want %q, %s", place, o.Callers, c.status, got, c.callers, c.headers)
		}
	}
	if limited := d.Components.Responses["TooMany"].Headers; limited["RateLimit"].Ref == "" || limited["Retry-After"].Ref == "" {
		t.Errorf("429 has the headers %v", limited)
	}
	order := d.Components.Schemas["order-intake.request"].(map[string]any)
	part := order["$defs"].(map[string]any)["item"].(map[string]any)["properties"].(map[string]any)
	if ref := part["parts"].(map[string]any)["items"].(map[string]any)["$ref"]; ref != "#/components/schemas/order-intake.request/$defs/item" {
		t.Errorf("a schema's own part is looked for at %v", ref)
	}
	if _, isField := part["$ref"].(map[string]any); !isField {
		t.Errorf("a field that is called $ref was taken for a reference: %v", part)
	}
}

// TestKeyAndPreference: where a call's key is, and when its answer comes, is as
// the gateway has it.
func TestKeyAndPreference(t *testing.T) {
	d := Public(snapshotOf(t, `
- {method: POST, path: /a, flow: home, idempotency: {required: true}}
- {method: POST, path: /b, flow: home, idempotency: {required: true, key: "header:X-Callback"}}
- {method: POST, path: /c, flow: home, idempotency: {required: true, key: "json:/callbackId"}}
- {method: POST, path: /d, flow: home, async: always}
- {method: POST, path: /e, flow: home, async: never}
`, "", home), "/api")
	for path, want := range map[string]string{"/a": "Idempotency-Key!", "/b": "X-Callback!", "/c": "", "/d": "Prefer", "/e": ""} {
		var got []string
		for _, p := range d.Paths[path]["post"].Parameters {
			name := p.Name
			if p.Required {
				name += "!"
			}
			got = append(got, name)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: parameters %q, want %q", path, got, want)
		}
	}
	for path, want := range map[string]bool{"/a": false, "/d": true, "/e": false} {
		answers := d.Paths[path]["post"].Responses
		if _, later := answers["202"]; later != want || answers["200"].Description == "" {
			t.Errorf("%s: %v", path, slices.Sorted(maps.Keys(answers)))
		}
	}
}

// TestInfo: gateway.yaml says what the API is called.
func TestInfo(t *testing.T) {
	for _, c := range []struct {
		gateway string
		want    Info
	}{
		{"", Info{Title: "API", Version: "1"}},
		{`{title: Orders, version: "2.1", description: "Takes orders."}`, Info{Title: "Orders", Version: "2.1", Description: "Takes orders."}},
	} {
		d := Public(snapshotOf(t, `[{method: GET, path: /, flow: home}]`, c.gateway), "/api")
		if d.Info != c.want {
			t.Errorf("%s: %+v, want %+v", c.gateway, d.Info, c.want)
		}
	}
}

// TestSignatureText: who signs as the document says is known by the guard.
func TestSignatureText(t *testing.T) {
	at, body := time.Unix(1767225600, 0), []byte(`{"a":1}`)
	hash := sha256.Sum256(body)
	mac := hmac.New(sha256.New, []byte("the secret"))
	fmt.Fprintf(mac, "v1\n%d\n5f1c8e0a\nPOST\n/api/orders?full=1\n%x", at.Unix(), hash)
	want := fmt.Sprintf("t=%d,n=5f1c8e0a,v1=%x", at.Unix(), mac.Sum(nil))
	if got := access.Sign("the secret", "5f1c8e0a", at, "POST", "/api/orders?full=1", body); got != want {
		t.Errorf("signed as described it is %s, and by the guard %s", want, got)
	}
	d := Public(snapshotOf(t, richRoutes, ""), "/api")
	said := d.Components.Security[schemeSignature].Description
	for _, part := range []string{"HMAC-SHA256", "`v1`; the value of t; the nonce; the method; the path and query", "SHA-256 of the body", "line feed between"} {
		if !strings.Contains(said, part) {
			t.Errorf("the scheme doesn't say %q: %s", part, said)
		}
	}
}

// routes draws routes that may stand beside one another.
func routes(t *rapid.T) []catalog.Route {
	segment := rapid.SampledFrom([]string{"a", "b.c", "d~e", ":x", ":y"})
	shapes, list := map[string]bool{}, []catalog.Route{}
	for range rapid.IntRange(0, 8).Draw(t, "routes") {
		path := ""
		for range rapid.IntRange(0, 3).Draw(t, "segments") {
			path += "/" + segment.Draw(t, "segment")
		}
		if rapid.IntRange(0, 4).Draw(t, "rest") == 0 {
			path += "/*rest"
		}
		if path == "" {
			path = "/"
		}
		r := catalog.Route{
			Method: rapid.SampledFrom([]string{"GET", "POST", "DELETE"}).Draw(t, "method"), Path: path,
			Flow:  rapid.SampledFrom([]string{"one", "two", "three"}).Draw(t, "flow"),
			Async: rapid.SampledFrom([]string{"", "allowed", "always"}).Draw(t, "async"),
			Title: rapid.SampledFrom([]string{"", "A <title>"}).Draw(t, "title"),
			Tags:  rapid.SampledFrom([][]string{nil, {"t"}, {"t", "u"}}).Draw(t, "tags"),
		}
		if r.Method != "GET" {
			r.Request = rapid.SampledFrom([]*catalog.RouteRequest{nil, {Type: "text/xml"}, {Schema: map[string]any{"type": "string"}}, {
				Schema: map[string]any{"type": "array", "items": map[string]any{"$ref": "#"}},
			}}).Draw(t, "request")
			r.Idempotency = rapid.SampledFrom([]*catalog.Idempotency{nil, {}, {Required: true}}).Draw(t, "idempotency")
		}
		r.Response = rapid.SampledFrom([]*catalog.RouteResponse{nil, {Schema: map[string]any{"$ref": "#/$defs/a", "$defs": map[string]any{"a": map[string]any{"type": "object"}}}}}).Draw(t, "response")
		r.Examples = rapid.SampledFrom([][]catalog.Example{nil, {{Title: "t", Status: 201, Response: map[string]any{}}, {Response: map[string]any{"a": int64(1)}}}}).Draw(t, "examples")
		security := rapid.SampledFrom([]string{"", `{public: true}`, `{clients: any}`, `{clients: any, scopes: [a]}`}).Draw(t, "security")
		if security != "" {
			if problems := source.Decode("security", []byte(security), &r.Security); len(problems) > 0 {
				t.Fatal(problems)
			}
		}
		if problems := r.Check(); len(problems) == 0 && !shapes[r.Shape()] {
			shapes[r.Shape()] = true
			list = append(list, r)
		} else if len(problems) > 0 {
			if seen := strings.Contains(problems.Error(), "twice"); !seen {
				t.Fatal(problems)
			}
		}
	}
	return list
}

// TestPublicAlwaysValid: whatever the routes, the document is valid, and each
// route is in it.
func TestPublicAlwaysValid(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		snapshot := &catalog.Snapshot{Routes: routes(t)}
		d := Public(snapshot, "/api")
		data, err := d.JSON()
		if err != nil {
			t.Fatal(err)
		}
		if problems := valid(data); len(problems) > 0 {
			t.Fatalf("%q\n%s", problems, data)
		}
		delete(d.Paths, statusPath)
		operations := 0
		for _, path := range d.Paths {
			operations += len(path)
		}
		if operations != len(snapshot.Routes) {
			t.Fatalf("%d routes, %d operations", len(snapshot.Routes), operations)
		}
	})
}
