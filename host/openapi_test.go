package host_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"

	"github.com/trama-run/trama/host/access"
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
- {method: PUT, path: "/signed/:id", flow: echo, security: {clients: any, signed: true}, idempotency: {required: true}}
- {method: PATCH, path: "/tokens/:id", flow: refuse, security: [{jwt: {issuer: "https://id.example", audience: items, algorithms: [HS256], secret: tokens}, scopes: [items.read]}, {clients: any, scopes: [items.write]}]}
- {method: POST, path: /later, flow: echo, async: always, request: {type: text/plain}}
- {method: POST, path: /perhaps, flow: echo, async: allowed, request: {type: application/json}, security: [{ips: [10.0.0.0/8]}, {clients: any}]}
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
	var operations []operation
	for _, path := range slices.Sorted(maps.Keys(g.document.Paths)) {
		for _, method := range slices.Sorted(maps.Keys(g.document.Paths[path])) {
			operations = append(operations, operation{strings.ToUpper(method), path, g.document.Paths[path][method]})
		}
	}
	if len(operations) != 11 { // the routes, and where later answers are
		t.Fatalf("%d operations, want 11", len(operations))
	}
	const each, workers = 200, 4
	seen := &tally{statuses: map[string]int{}, flows: map[string]int{}, checked: map[string]int{}}
	var parts sync.WaitGroup
	for w := range workers {
		parts.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(w)))
			for range each / workers {
				for _, o := range operations {
					if t.Failed() {
						return
					}
					seen.add(&g, valid, o, g.request(r, o))
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
	t.Logf("%d requests, %d reached a flow: %v", total, reached, seen.statuses)
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

// operation is one of the document.
type operation struct {
	method, path string
	described    describedOperation
}

func (o operation) name() string { return o.method + " " + o.path }

// describedOperation is what the test reads of one.
type describedOperation struct {
	Parameters []struct {
		Name, In string
		Required bool
	}
	RequestBody *struct {
		Content map[string]struct{ Schema any }
	}
	Responses map[string]any
	Security  []map[string][]string
}

// generator makes requests of a document.
type generator struct {
	t        *testing.T
	host     *installation
	plain    admin.NewClientKey
	writer   admin.NewClientKey
	document struct {
		Paths      map[string]map[string]describedOperation
		Components struct{ Schemas map[string]any }
	}
}

// words are what parameters are made of: what means something to paths,
// queries, JSON, templates and terminals.
var oddWords = []string{"7", "abc", "a b", "a/b", "..", ".", "%2F", "é", "日本", "\x00", "\r\nX: y", "{{ input }}", "<script>", `"`, "'", ":id", "*", "?", "#", "-1", "null", strings.Repeat("x", 300), "\u202e", "\xff", ""}

func odd(r *rand.Rand) string { return oddWords[r.IntN(len(oddWords))] }

// request makes one request of an operation; most of them are as they should
// be.
func (g *generator) request(r *rand.Rand, o operation) *http.Request {
	path, query := o.path, url.Values{}
	headers := http.Header{"X-Forwarded-For": {fmt.Sprintf("203.0.%d.%d", r.IntN(256), r.IntN(256))}}
	for _, p := range o.described.Parameters {
		value := fmt.Sprint(r.IntN(5))
		if r.IntN(4) == 0 {
			value = odd(r)
		}
		switch {
		case p.In == "path":
			if value == "" || r.IntN(10) > 0 && strings.Trim(value, ".") == "" {
				value = "x"
			}
			path = strings.Replace(path, "{"+p.Name+"}", url.PathEscape(value), 1)
		case p.In == "query" && r.IntN(2) == 0:
			query.Add(p.Name, value)
		case p.Name == "Idempotency-Key" && (p.Required && r.IntN(10) > 0 || r.IntN(3) == 0):
			headers.Set(p.Name, fmt.Sprintf("key-%d", r.IntN(400)))
		case p.Name == "Prefer" && r.IntN(2) == 0:
			headers.Set(p.Name, []string{"respond-async", "respond-async, wait=1", "wait=x;;", "return=minimal"}[r.IntN(4)])
		}
	}
	if r.IntN(5) == 0 {
		query.Add(odd(r), odd(r))
	}
	target := "/api" + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	body, contentType := g.body(r, o)
	g.credentials(r, o, headers, target, body)
	q, err := http.NewRequest(o.method, "http://"+g.host.host.Addr()+target, bytes.NewReader(body))
	if err != nil {
		g.t.Error(err)
		return nil
	}
	if q.Header = headers; contentType != "" {
		q.Header.Set("Content-Type", contentType)
	}
	return q
}

// body makes a body: by the schema if there is one, sometimes not quite.
func (g *generator) body(r *rand.Rand, o operation) (data []byte, contentType string) {
	content := o.described.RequestBody
	if content == nil {
		return nil, ""
	}
	for media, of := range content.Content {
		contentType = strings.ReplaceAll(media, "*/*", "application/json")
		value := any(map[string]any{"a": r.IntN(9), "b": []any{odd(r)}})
		if of.Schema != nil {
			value = g.value(r, of.Schema)
		}
		if contentType == "text/plain" {
			return []byte(strings.ToValidUTF8(odd(r), "")), contentType
		}
		var err error
		if data, err = json.Marshal(value); err != nil {
			g.t.Error(err)
		}
	}
	switch r.IntN(12) {
	case 0:
		data = data[:r.IntN(len(data))] // cut off
	case 1:
		data = []byte(`[1, "` + odd(r) + `"]`)
	case 2:
		contentType = []string{"", "text/xml", "application/json; charset=klingon", ";", "application/cbor"}[r.IntN(5)]
	case 3:
		data = fmt.Appendf(nil, `{"ref": "%s", "parts": []}`, strings.Repeat("y", 3000))
	case 4:
		data = []byte(strings.Repeat("[", 300) + strings.Repeat("]", 300))
	}
	return data, contentType
}

// value makes a value of a schema; of few keywords, those of this test.
func (g *generator) value(r *rand.Rand, schema any) any {
	s, ok := schema.(map[string]any)
	if !ok {
		return r.IntN(9)
	}
	if ref, ok := s["$ref"].(string); ok {
		var target any = map[string]any{"components": map[string]any{"schemas": g.document.Components.Schemas}}
		for step := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
			target = target.(map[string]any)[step]
		}
		return g.value(r, target)
	}
	typ := s["type"]
	if several, ok := typ.([]any); ok {
		typ = several[r.IntN(len(several))]
	}
	switch typ {
	case "object":
		made := map[string]any{}
		properties, _ := s["properties"].(map[string]any)
		required, _ := s["required"].([]any)
		for _, name := range slices.Sorted(maps.Keys(properties)) {
			if slices.Contains(required, any(name)) || r.IntN(2) == 0 {
				made[name] = g.value(r, properties[name])
			}
		}
		return made
	case "array":
		made := []any{}
		for range r.IntN(4) {
			made = append(made, g.value(r, s["items"]))
		}
		return made
	case "integer":
		return 1 + r.IntN(9)
	case "null":
		return nil
	}
	return []string{"a", "bc", "xyz"}[r.IntN(3)]
}

// credentials sends what one of the operation's requirements asks for, and
// sometimes something else.
func (g *generator) credentials(r *rand.Rand, o operation, headers http.Header, target string, body []byte) {
	if len(o.described.Security) == 0 || r.IntN(12) == 0 {
		return
	}
	ways := o.described.Security
	way, key := ways[r.IntN(len(ways))], g.plain
	if _, signed := way["signature"]; signed || len(way["client"]) > 0 && r.IntN(6) > 0 {
		key = g.writer
	}
	for scheme, scopes := range way {
		switch scheme {
		case "client":
			if headers.Set("client_id", key.ClientID); r.IntN(20) == 0 {
				headers.Set("client_id", odd(r)+"x")
			}
		case "signature":
			at := time.Now()
			if r.IntN(15) == 0 {
				at = at.Add(-time.Hour)
			}
			headers.Set("Trama-Signature", access.Sign(key.Secret, fmt.Sprintf("nonce%d", r.Uint64()), at, o.method, target, body))
		default:
			claims := jwt.MapClaims{"iss": "https://id.example", "aud": "items", "sub": "someone", "exp": time.Now().Add(time.Minute).Unix(), "scope": strings.Join(scopes, " ")}
			switch r.IntN(15) {
			case 0:
				claims["aud"] = "others"
			case 1:
				claims["scope"] = ""
			}
			token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(g.host.secrets["tokens"]))
			if err != nil {
				g.t.Error(err)
			}
			headers.Set("Authorization", "Bearer "+token)
		}
	}
	for name, values := range headers { // what no client could send
		if strings.ContainsFunc(values[0], func(c rune) bool { return c < ' ' || c > '~' }) {
			headers.Set(name, "x")
		}
	}
}

// tally counts answers.
type tally struct {
	mu       sync.Mutex
	statuses map[string]int
	flows    map[string]int // by operation
	checked  map[string]int // by operation and status
}

// maxChecked is how many answers of one operation and status go through the
// validator, which takes its time.
const maxChecked = 10

// add sends a request, and holds the answer against the document.
func (t *tally) add(g *generator, valid validator.Validator, o operation, q *http.Request) {
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
