package host_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"

	"github.com/trama-run/trama/host/admin"
)

// described is a workspace whose routes use all that a document can say.
var described = map[string]string{
	"trama.yaml": "trusted_proxies: [127.0.0.1]\n",
	"gateway.yaml": `
security: [{clients: any}]
`,
	"routes.yaml": `
- {method: GET, path: /, flow: echo, security: {public: true}, title: Say what came}
- {method: GET, path: "/items/:id", flow: echo, tags: [items], examples: [{title: Seven, params: {id: "7"}, query: {lang: pt}, response: {method: GET}}]}
- {method: DELETE, path: "/items/:item", flow: quiet, tags: [items], security: {clients: any, scopes: [items.write]}}
- {method: GET, path: "/items/*rest", flow: echo, tags: [items], security: {public: true}}
- method: POST
  path: /items
  flow: make
  title: Make an item
  tags: [items]
  idempotency: {}
  body_limit: 2KiB
  request:
    schema:
      type: object
      required: [ref, parts]
      additionalProperties: false
      properties:
        ref: {type: string, minLength: 1, maxLength: 20}
        parts: {type: array, maxItems: 3, items: {$ref: "#/$defs/part"}}
        note: {type: [string, "null"]}
      $defs:
        part: {type: object, required: [sku], properties: {sku: {type: string, pattern: "^[a-z]{1,3}$"}, count: {type: integer, minimum: 1, maximum: 9}}}
  response: {schema: {type: object, required: [number, ref], properties: {number: {type: integer}, ref: {type: string}}}}
  examples: [{title: One, request: {ref: a, parts: [{sku: ab}]}, status: 201, response: {number: 7, ref: a}}]
- method: PUT
  path: /orders/:year/:number
  flow: echo
  tags: [items]
  examples: [{title: One, params: {year: "2026", number: "7"}, query: {page: "1", sort: "-name"}}]
  request:
    schema:
      type: object
      required: [status, lines, buyer]
      additionalProperties: false
      properties:
        status: {enum: [open, "à la carte", "日本", 7, null]}
        kind: {const: order}
        buyer:
          type: object
          required: [name, address]
          properties:
            name: {type: string, minLength: 2, maxLength: 40}
            email: {type: string, format: email}
            born: {type: string, format: date}
            id: {type: string, format: uuid}
            address: {type: object, required: [lines], additionalProperties: false, properties: {lines: {type: array, minItems: 1, maxItems: 2, items: {type: string, maxLength: 500}}, zip: {type: string, pattern: "^[0-9]{5}$"}}}
        lines: {type: array, minItems: 1, maxItems: 4, items: {type: object, required: [price], properties: {price: {type: number, minimum: -0.5, maximum: 1000000}, count: {type: integer, minimum: -9223372036854775808, maximum: 9223372036854775807}, tags: {type: array, items: {type: array, items: {type: boolean}}}}}}
        extra: {}
- {method: PUT, path: "/signed/:id", flow: echo, security: {clients: any, signed: true}, idempotency: {required: true}}
- {method: PATCH, path: "/tokens/:id", flow: refuse, security: [{jwt: {issuer: "https://id.example", audience: items, algorithms: [HS256], secret: tokens}, scopes: [items.read]}, {clients: any, scopes: [items.write]}]}
- {method: POST, path: /later, flow: echo, async: always, request: {type: text/plain}}
- {method: POST, path: /perhaps, flow: echo, async: allowed, request: {type: application/json}, security: [{ips: [10.0.0.0/8]}, {clients: any}]}
- method: GET
  path: /places/:country/:city/:street/:number
  flow: echo
  security: {public: true}
  examples: [{title: One, params: {country: br, city: "São Paulo", street: "r. a/b", number: "7"}, query: {lang: pt, page: "1", sort: "-name", "filter[open]": "true", from: "2026-01-01T00:00:00Z", q: "a b"}}]
- {method: DELETE, path: "/places/:country/:city/*rest", flow: quiet, security: {public: true}, examples: [{title: One, params: {country: br, city: x, rest: a/b}, query: {hard: "true", reason: "é"}}]}
- {method: GET, path: /kept, flow: echo, cache: {ttl: 1m, key: ["query:lang"]}}
`,
	"flows/echo.yaml": `
schema: 1
id: echo
triggers: [{id: start, type: gateway}]
nodes:
  - {id: reply, type: response.json, with: {body: {method: "{{ input.method }}", path: "{{ input.path }}", params: "{{ input.params }}", query: "{{ input.query }}", body: "{{ input.body }}"}}}
edges: [{from: start, to: reply}]
`,
	"flows/make.yaml": `
schema: 1
id: make
triggers: [{id: start, type: gateway}]
nodes:
  - {id: reply, type: response.json, with: {status: 201, body: {number: 7, ref: "{{ input.body.ref }}"}}}
edges: [{from: start, to: reply}]
`,
	"flows/refuse.yaml": `
schema: 1
id: refuse
triggers: [{id: start, type: gateway}]
nodes:
  - {id: reply, type: response.json, with: {status: 404, body: {error: "there is no {{ input.params.id }}"}}}
edges: [{from: start, to: reply}]
`,
	"flows/quiet.yaml": `
schema: 1
id: quiet
triggers: [{id: start, type: gateway}]
nodes:
  - {id: nothing, type: conditional, with: {branches: [{port: never, when: "false"}]}}
edges: [{from: start, to: nothing}]
`,
}

// TestOpenAPI sends random requests, made from the document that the host
// serves, to each of its routes: no answer is a 5xx, and each is one that the
// document tells of. TRAMA_SEED repeats a run.
func TestOpenAPI(t *testing.T) {
	i := install(t, nil, described)
	i.secrets["tokens"] = "a secret of thirty-two characters, at least"
	i.start()
	served := i.call("GET", "/openapi.json", "")
	if err := served.want(200); err != nil {
		t.Fatal(err)
	}
	document, err := libopenapi.NewDocument([]byte(served.body))
	if err != nil {
		t.Fatal(err)
	}
	valid, errs := validator.NewValidator(document)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	if ok, problems := valid.ValidateDocument(); !ok {
		t.Fatalf("the document is not valid: %v", problems)
	}
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("TRAMA_SEED"); text != "" {
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("TRAMA_SEED=%d", seed)
	g := generator{t: t, host: i, plain: newClient(i, `{"name": "plain"}`), writer: newClient(i, `{"name": "writer", "scopes": ["items.write"], "signed": true}`)}
	if err := json.Unmarshal([]byte(served.body), &g.document); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	i.eventually("a second of whose signatures the host knows all", func() error {
		if now := time.Now(); now.Unix() <= began.Unix()+1 {
			return fmt.Errorf("it is %v", now)
		}
		return nil
	})
	var operations []operation
	for _, path := range slices.Sorted(maps.Keys(g.document.Paths)) {
		for _, method := range slices.Sorted(maps.Keys(g.document.Paths[path])) {
			operations = append(operations, operation{strings.ToUpper(method), path, g.document.Paths[path][method]})
		}
	}
	if len(operations) != 14 { // the routes, and where later answers are
		t.Fatalf("%d operations, want 14", len(operations))
	}
	const each, workers = 200, 4
	seen := &tally{statuses: map[string]int{}, flows: map[string]int{}, checked: map[string]int{}, bodies: map[string]int{}}
	var parts sync.WaitGroup
	for w := range workers {
		parts.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(w)))
			for range each / workers {
				for _, o := range operations {
					if t.Failed() {
						return
					}
					seen.add(&g, valid, o, g.ask(r, o))
				}
			}
		})
	}
	parts.Wait()
	if t.Failed() {
		return
	}
	total, reached := 0, 0
	for _, n := range seen.statuses {
		total += n
	}
	for _, o := range operations {
		if reached += seen.flows[o.name()]; seen.flows[o.name()] == 0 && !strings.Contains(o.path, ".status") {
			t.Errorf("%s reached no flow", o.name())
		}
	}
	t.Logf("%d requests, %d reached a flow: %v; bodies: %v", total, reached, seen.statuses, seen.bodies)
	if seen.bodies[fits] < total/8 || seen.bodies[broken] < total/50 {
		t.Errorf("of %d requests, bodies are %v", total, seen.bodies)
	}
	if total < each*len(operations) || reached*2 < total {
		t.Errorf("%d of %d requests reached a flow, want half", reached, total)
	}
	for _, status := range []string{"200", "201", "202", "204", "400", "401", "403", "404", "409 or 422", "413", "415"} {
		found := 0
		for one := range strings.SplitSeq(status, " or ") {
			found += seen.statuses[one]
		}
		if found == 0 {
			t.Errorf("no answer was %s: %v", status, seen.statuses)
		}
	}
}

// newClient makes a client of the gateway.
func newClient(i *installation, body string) (made admin.NewClientKey) {
	i.t.Helper()
	a := i.admin("POST", "/v1/clients", body)
	if err := a.want(201); err != nil {
		i.t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(a.body), &made); err != nil {
		i.t.Fatal(err)
	}
	return made
}

// tally counts answers.
type tally struct {
	mu       sync.Mutex
	statuses map[string]int
	flows    map[string]int // by operation
	checked  map[string]int // by operation and status
	bodies   map[string]int // by how they are made
}

// aboutBody says whether a problem is one of a body's making.
func aboutBody(problem []byte) bool {
	var p struct{ Code string }
	return json.Unmarshal(problem, &p) == nil && slices.Contains([]string{"bad_json", "invalid_body", "content_type", "bad_charset"}, p.Code)
}

// maxChecked is how many answers of one operation and status go through the
// validator, which takes its time.
const maxChecked = 10

// add sends a request, and holds the answer against the document.
func (t *tally) add(g *generator, valid validator.Validator, o operation, a ask) {
	q := a.request
	if q == nil {
		return
	}
	response, err := g.host.client.Do(q)
	if err != nil {
		g.t.Errorf("%s %s: %v", q.Method, q.URL, err)
		return
	}
	body, err := io.ReadAll(response.Body)
	response.Body.Close()
	if err != nil {
		g.t.Error(err)
		return
	}
	status := strconv.Itoa(response.StatusCode)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.statuses[status]++
	if response.Header.Get("Trama-Run") != "" && !strings.Contains(o.path, ".status") {
		t.flows[o.name()]++
	}
	if response.StatusCode >= 500 {
		g.t.Errorf("%s %s: %s %s", q.Method, q.URL, status, body)
	}
	if t.bodies[a.body]++; a.body == broken && response.StatusCode < 300 || a.body == fits && aboutBody(body) {
		g.t.Errorf("%s %s: %s %s, to a body that %s: %s", q.Method, q.URL, status, body, a.body, a.data)
	}
	if _, told := o.described.Responses[status]; !told {
		if !slices.Contains([]int{404, 405}, response.StatusCode) || !strings.Contains(string(body), `"no_route"`) && !strings.Contains(string(body), `"method"`) {
			g.t.Errorf("%s %s: the document doesn't tell of %s %s", q.Method, q.URL, status, body)
		}
		return // the path was another one, by "..", or by nothing where a parameter should be
	}
	if t.checked[o.name()+status]++; t.checked[o.name()+status] > maxChecked || strings.Contains(q.URL.EscapedPath(), "%") {
		return // the validator splits paths as it finds them
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	if ok, problems := valid.ValidateHttpResponse(q, response); !ok {
		for _, p := range problems {
			g.t.Errorf("%s %s: %s is not as the document says: %s: %s", q.Method, q.URL, status, p.Message, p.Reason)
			for _, s := range p.SchemaValidationErrors {
				g.t.Errorf("  %s: %s in %s", s.Location, s.Reason, body)
			}
		}
	}
}

// TestDocs: the page and what it is made of come from this origin alone, and
// can be turned off.
func TestDocs(t *testing.T) {
	i := serve(t, nil, map[string]string{"routes.yaml": described["routes.yaml"], "flows/echo.yaml": described["flows/echo.yaml"]})
	for path, want := range map[string]string{"/docs": "text/html", "/docs/page.css": "text/css", "/docs/page.js": "text/javascript", "/openapi.json": "application/json"} {
		a := i.call("GET", path, "")
		if err := a.want(200); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		policy := a.header.Get("Content-Security-Policy")
		if got := a.header.Get("Content-Type"); !strings.HasPrefix(got, want) || !strings.HasPrefix(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: %s under %q", path, got, policy)
		}
		if strings.Contains(a.body, "://") && path != "/openapi.json" {
			t.Errorf("%s names another origin", path)
		}
		if again := i.call("GET", path, "", "If-None-Match", a.header.Get("ETag")); again.status != 304 || again.body != "" {
			t.Errorf("%s again: %d %q", path, again.status, again.body)
		}
		if head := i.call("HEAD", path, ""); head.status != 200 || head.body != "" {
			t.Errorf("HEAD %s: %d %q", path, head.status, head.body)
		}
		refused := i.call("POST", path, "")
		i.problem(refused, 405, "method")
		if allow := refused.header.Get("Allow"); allow != "GET, HEAD" {
			t.Errorf("%s: Allow is %q", path, allow)
		}
	}
	i.problem(i.call("GET", "/docs/other.js", ""), 404, "no_path")
	before := i.call("GET", "/openapi.json", "")
	i.write("routes.yaml", "- {method: GET, path: /new, flow: echo, title: A new one}\n")
	i.eventually("the document of the new route", func() error {
		if after := i.call("GET", "/openapi.json", ""); !strings.Contains(after.body, "A new one") || after.header.Get("ETag") == before.header.Get("ETag") {
			return fmt.Errorf("it is %.200s", after.body)
		}
		return nil
	})
	i.write("gateway.yaml", "openapi: false\n")
	i.eventually("the document to be gone", func() error { return i.call("GET", "/openapi.json", "").want(404) })
	i.problem(i.call("GET", "/docs", ""), 404, "no_path")
	i.problem(i.call("GET", "/docs/page.js", ""), 404, "no_path")
}
