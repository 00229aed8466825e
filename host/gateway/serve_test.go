package gateway_test

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trama-run/trama/host/run/record"
)

func TestMethods(t *testing.T) {
	r := serve(t, `
- {method: GET, path: /orders, flow: echo}
- {method: POST, path: /orders, flow: echo}
- {method: DELETE, path: "/orders/:id", flow: silent}
- {method: GET, path: "/files/*path", flow: echo}
`, nil)
	e := r.call("GET", "/api/orders?a=1&a=2&b=%C3%A9", "").event()
	if e["method"] != "GET" || e["path"] != "/orders" || fmt.Sprint(e["query"]) != "map[a:[1 2] b:é]" || e["body"] != nil {
		t.Errorf("the event of a GET: %v", e)
	}
	full := r.call("GET", "/api/orders", "")
	head := r.call("HEAD", "/api/orders", "").want(200, "").has("Content-Type", "application/json")
	if n := head.header.Get("Content-Length"); head.body != "" || n == "0" || n == "" || full.body == "" {
		t.Errorf("HEAD: %q, length %s", head.body, n)
	}
	if e := r.call("GET", "/api/files/a/b%20c/d.txt", "").event(); fmt.Sprint(e["params"]) != "map[path:a/b c/d.txt]" {
		t.Errorf("the rest of a path: %v", e["params"])
	}
	r.call("DELETE", "/api/orders/7", "").want(204, "")
	r.call("OPTIONS", "/api/orders", "").want(204, "").has("Allow", "GET, HEAD, POST, OPTIONS", "Access-Control-Allow-Methods", "")
	r.call("OPTIONS", "/api/orders/7", "").want(204, "").has("Allow", "DELETE, OPTIONS")
	r.call("OPTIONS", "/api/none", "").problem(404, "no_route")
	r.call("GET", "/api/none", "").problem(404, "no_route")
	a := r.call("PUT", "/api/orders", "")
	a.has("Allow", "GET, HEAD, POST, OPTIONS")
	if d := a.problem(405, "method"); *d.Retry || d.RunID != "" {
		t.Errorf("%+v", d)
	}
	r.call("BREW", "/api/orders", "").has("Allow", "GET, HEAD, POST, OPTIONS").problem(405, "method")
	r.call("HEAD", "/api/orders/7", "").want(405, "").has("Allow", "DELETE, OPTIONS")
}

// raw sends a request line with a path as it is.
func (r *rig) raw(method, path string) (status int, body string) {
	r.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.addr, "http://"))
	if err != nil {
		r.Fatal(err)
	}
	defer conn.Close()
	if _, err := fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", method, path); err != nil {
		r.Fatal(err)
	}
	a, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		r.Fatalf("%s: %v", path, err)
	}
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	if err != nil {
		r.Fatal(err)
	}
	return a.StatusCode, string(text)
}

func TestPaths(t *testing.T) {
	r := serve(t, "- {method: GET, path: \"/:a\", flow: echo}\n- {method: GET, path: \"/files/*path\", flow: echo}\n", nil)
	for path, want := range map[string]int{
		"/api/x":                             200,
		"/api/x/":                            200,
		"/api/a%2Fb":                         200, // data, in one segment
		"/api/a%252e%252e":                   200, // decoded once
		"/api/%E2%82%AC":                     200,
		"/api/..":                            400,
		"/api/../x":                          400,
		"/api/%2e%2e":                        400,
		"/api/files/a/%2E./b":                400,
		"/api/files/..%2f..%2fetc":           400,
		"/api/files/a%5c..%5cb":              400,
		"/api/a%00b":                         400,
		"/api/a%0d%0aX:y":                    400,
		"/api/%ff":                           400,
		"/api/%c0%ae%c0%ae":                  400, // .. in more bytes than it needs
		"/api/%ed%a0%80":                     400, // half of a pair
		"/api/%zz":                           400,
		"/api/a\\..\\b":                      400,
		"/api/" + strings.Repeat("a/", 3000): 400,
		"/api/x?q=%ff":                       400,
		"/api/files//":                       200,
		"/api//x":                            200,
	} {
		status, body := r.raw("GET", path)
		if status != want || status != 200 && !strings.Contains(body, `"request_id"`) {
			t.Errorf("%.60s: %d %.200s; want %d", path, status, body, want)
		}
	}
}

func TestBodies(t *testing.T) {
	r := serve(t, `
- method: POST
  path: /orders
  flow: echo
  request: {schema: {type: object, required: [id], properties: {id: {type: integer}, items: {type: array, items: {type: string}}}}}
  body_limit: 1KiB
- {method: POST, path: /xml, flow: echo, request: {type: text/xml}}
- {method: POST, path: /images, flow: echo, request: {type: image/*}}
- {method: POST, path: /json, flow: echo, request: {type: application/json}}
- {method: POST, path: /any, flow: echo}
`, nil)
	if e := r.call("POST", "/api/orders", `{"id": 7}`).event(); fmt.Sprint(e["body"]) != "map[id:7]" {
		t.Errorf("%v", e)
	}
	r.call("POST", "/api/orders", `{"id": 7}`, "Content-Type", "application/vnd.shop+json; charset=utf-8").want(200, "")
	a := r.call("POST", "/api/orders", `{"id": "7", "items": ["a", 1, {"x": 2}]}`)
	d := a.problem(422, "invalid_body")
	var places []string
	for _, e := range d.Errors {
		places = append(places, e.Pointer)
		if e.Detail == "" {
			t.Errorf("%+v", e)
		}
	}
	if !slices.Equal(places, []string{"#/id", "#/items/1", "#/items/2"}) || *d.Retry {
		t.Errorf("%q in %s", places, a.body)
	}
	for _, c := range []struct {
		path, contentType, body string
		status                  int
		code                    string
	}{
		{"/api/orders", "application/json", `[]`, 422, "invalid_body"},
		{"/api/orders", "", ``, 422, "invalid_body"}, // no body is null, which is no object
		{"/api/orders", "application/json", `{"id": 1`, 400, "bad_json"},
		{"/api/orders", "application/json", `{"id": 1} 2`, 400, "bad_json"},
		{"/api/orders", "application/json", strings.Repeat("[", 300) + strings.Repeat("]", 300), 400, "bad_json"},
		{"/api/orders", "text/plain", `{"id": 7}`, 415, "content_type"},
		{"/api/orders", "application/jsonp", `{"id": 7}`, 415, "content_type"},
		{"/api/orders", "json", `{"id": 7}`, 415, "content_type"},
		{"/api/orders", "application/json", `{"id": 7, "x": "` + strings.Repeat("x", 1024) + `"}`, 413, "too_big"},
		{"/api/xml", "application/json", `{}`, 415, "content_type"},
		{"/api/xml", "text/xml; charset=utf-8", `<a/>`, 200, ""},
		{"/api/images", "image/png", "\x89", 200, ""},
		{"/api/images", "imagex/png", "\x89", 415, "content_type"},
		{"/api/json", "application/problem+json", `{}`, 200, ""},
		{"/api/json", "text/json", `{}`, 415, "content_type"},
		{"/api/any", "application/x-www-form-urlencoded", `a=b`, 200, ""},
		{"/api/any", "application/json", "{\"a\": \"\xff\"}", 400, "bad_json"},
	} {
		a := r.call("POST", c.path, c.body, "Content-Type", c.contentType)
		if c.status == 200 {
			a.want(200, "")
		} else if d := a.problem(c.status, c.code); *d.Retry {
			t.Errorf("%+v: may be tried again", c)
		}
	}
	r.call("POST", "/api/xml", `{}`).has("Accept", "text/xml")
	r.files["routes.yaml"] = []byte(strings.Replace(string(r.files["routes.yaml"]), "required: [id]", "required: [other]", 1))
	r.apply() // another schema holds at once
	r.call("POST", "/api/orders", `{"id": 7}`).problem(422, "invalid_body")
	r.call("POST", "/api/orders", `{"other": 7}`).want(200, "")
	e := r.call("POST", "/api/any", "{}", "Cookie", "a=1", "Cookie", "b=2", "X-List", "1", "X-List", "2", "X-Latin", "caf\xe9").event()
	headers := e["headers"].(map[string]any)
	if headers["cookie"] != "a=1; b=2" || headers["x-list"] != "1, 2" || headers["x-latin"] != "café" {
		t.Errorf("headers that come twice, or in another charset: %v", headers)
	}
}

func TestAnswers(t *testing.T) {
	r := serve(t, `
- {method: POST, path: /says, flow: says, response: {schema: {type: object, required: [total], properties: {total: {type: number}}}}}
- {method: POST, path: /headers, flow: sets}
- {method: POST, path: /none, flow: silent, response: {schema: {type: object}}}
`, map[string]string{"flows/sets.yaml": `
schema: 1
id: sets
triggers: [{id: start, type: gateway}]
nodes: [{id: reply, type: response.json, with: {headers: {X-Own: "{{ input.body.x }}", "{{ input.body.name }}": a}}}]
edges: [{from: start, to: reply}]
`})
	r.call("POST", "/api/says", `{"body": {"total": 1.5}}`).want(200, `{"total":1.5}`).has("Content-Type", "application/json")
	r.call("POST", "/api/says", `{"status": 404, "body": "none"}`).want(404, `"none"`) // the schema is of answers that are good
	a := r.call("POST", "/api/says", `{"body": {"total": "a private text"}}`)
	d := a.problem(500, "bad_answer")
	if *d.Retry || d.RunID == "" || d.RunID != a.header.Get("Trama-Run") || strings.Contains(a.body, "total") {
		t.Errorf("an answer that is not as promised: %s", a.body)
	}
	r.eventually(func() error { // the cause is in the run and in the log
		record, err := r.store.Load(t.Context(), record.ID(d.RunID))
		if err == nil && !(strings.Contains(string(record.Value), `#/total (type)`) && strings.Contains(string(record.Value), `"refused":{"code":"bad_answer"`)) {
			err = fmt.Errorf("the record says nothing: %s", record.Value)
		}
		return err
	})
	if log := r.log.String(); !strings.Contains(log, "#/total (type)") || strings.Contains(log, "a private text") {
		t.Errorf("the log: %s", log)
	}
	if d := r.call("POST", "/api/headers", `{"x": "a\r\nX-Evil: b"}`).problem(500, "run_failed"); *d.Retry {
		t.Error("a line break in a header may be tried again")
	}
	r.call("POST", "/api/none", `{}`).want(204, "")
}

func TestHopByHopHeaders(t *testing.T) {
	for _, name := range []string{"Content-Length", "transfer-encoding", "Connection", "Keep-Alive", "Upgrade", "TE", "Trailer", "Proxy-Connection", "Proxy-Authenticate", "Trama-Run", "X-Request-Id", "Date"} {
		t.Run(name, func(t *testing.T) {
			r := serve(t, "- {method: GET, path: /x, flow: sets}\n", map[string]string{"flows/sets.yaml": fmt.Sprintf(`
schema: 1
id: sets
triggers: [{id: start, type: gateway}]
nodes: [{id: reply, type: response.json, with: {headers: {%s: "5"}, body: {}}}]
edges: [{from: start, to: reply}]
`, name)})
			d := r.call("GET", "/api/x", "").problem(500, "run_failed")
			record, err := r.store.Load(t.Context(), record.ID(d.RunID))
			if err != nil || !strings.Contains(string(record.Value), "the server's own") {
				t.Errorf("the record: %s %v", record.Value, err)
			}
		})
	}
}

func TestTimeout(t *testing.T) {
	r := serve(t, `
- {method: GET, path: /x, flow: slowly, timeout: 50ms}
- {method: POST, path: /x, flow: slowly, timeout: 50ms, idempotency: {}}
`, nil)
	r.plugin.hold()
	for _, c := range []struct {
		method, key string
		retry       bool
	}{{"GET", "", true}, {"POST", "", false}, {"POST", "k1", true}} {
		a := r.call(c.method, "/api/x", "", "Idempotency-Key", c.key)
		if d := a.problem(504, "timeout"); *d.Retry != c.retry || d.RunID == "" || (d.RetryAfter > 0) != c.retry || d.RunID != a.header.Get("Trama-Run") {
			t.Errorf("%+v: %s", c, a.body)
		}
	}
}

func TestConcurrency(t *testing.T) {
	r := serve(t, `
- {method: POST, path: /x, flow: slowly, concurrency: 2}
- {method: POST, path: /y, flow: slowly}
`, nil)
	r.plugin.hold()
	ended := make(chan answer, 3)
	ask := func(path string) {
		a, err := r.try("POST", path, `{}`)
		if err != nil {
			t.Error(err)
		}
		ended <- a
	}
	go ask("/api/x")
	go ask("/api/x")
	r.called(2)
	a := r.call("POST", "/api/x", `{}`)
	a.has("Retry-After", "1")
	if d := a.problem(503, "concurrency"); !*d.Retry {
		t.Errorf("%s", a.body)
	}
	r.files["flows/more.yaml"] = []byte(strings.ReplaceAll(string(r.files["flows/silent.yaml"]), "silent", "more"))
	r.apply() // a change of something else forgets no call
	r.call("POST", "/api/x", `{}`).problem(503, "concurrency")
	go ask("/api/y") // another route has its own
	r.called(3)
	r.plugin.release()
	for range 3 {
		if a := <-ended; a.status != 201 {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	r.call("POST", "/api/x", `{}`).want(201, "")
}

func TestCORS(t *testing.T) {
	r := serve(t, `
- {method: GET, path: /x, flow: echo}
- {method: POST, path: /x, flow: echo, cors: {origins: ["https://*.shop.example"], headers: [X-A, content-type], expose: [X-B], credentials: true, max_age: 1h}}
- {method: DELETE, path: /none, flow: echo}
`, map[string]string{"gateway.yaml": `cors: {origins: ["*"]}`})
	const origin, asks = "Origin", "Access-Control-Request-Method"
	r.call("GET", "/api/x", "").want(200, "").has("Access-Control-Allow-Origin", "", "Vary", "")
	r.call("GET", "/api/x", "", origin, "https://any.example").want(200, "").has("Access-Control-Allow-Origin", "*", "Access-Control-Allow-Credentials", "", "Vary", "")
	if expose := r.call("GET", "/api/x", "", origin, "https://any.example").header.Get("Access-Control-Expose-Headers"); !strings.Contains(expose, "Trama-Run") {
		t.Errorf("a page may read %q", expose)
	}
	a := r.call("POST", "/api/x", "{}", origin, "https://a.shop.example").want(200, "")
	a.has("Access-Control-Allow-Origin", "https://a.shop.example", "Access-Control-Allow-Credentials", "true", "Vary", "Origin")
	if expose := a.header.Get("Access-Control-Expose-Headers"); !strings.HasSuffix(expose, ", X-B") {
		t.Errorf("a page may read %q", expose)
	}
	r.call("POST", "/api/x", "{}", origin, "https://evil.example").want(200, "").has("Access-Control-Allow-Origin", "", "Access-Control-Allow-Credentials", "", "Vary", "Origin")
	r.call("POST", "/api/x", "{}", origin, "null").has("Access-Control-Allow-Origin", "")
	bad := r.call("POST", "/api/x", "{", origin, "https://a.shop.example")
	bad.problem(400, "bad_json")
	bad.has("Access-Control-Allow-Origin", "https://a.shop.example") // a page may read problems

	r.call("OPTIONS", "/api/x", "", origin, "https://a.shop.example", asks, "POST", "Access-Control-Request-Headers", "x-a").want(204, "").has(
		"Access-Control-Allow-Origin", "https://a.shop.example", "Access-Control-Allow-Methods", "GET, HEAD, POST, OPTIONS", "Access-Control-Allow-Headers", "Accept, Authorization, Client-Id, client_id, Content-Type, Idempotency-Key, If-None-Match, Prefer, Trama-Signature, X-Request-Id, X-A, content-type",
		"Access-Control-Allow-Credentials", "true", "Access-Control-Max-Age", "3600", "Vary", "Access-Control-Request-Method, Access-Control-Request-Headers, Origin")
	r.call("OPTIONS", "/api/x", "", origin, "https://evil.example", asks, "POST").want(204, "").has("Access-Control-Allow-Origin", "", "Access-Control-Allow-Methods", "", "Allow", "GET, HEAD, POST, OPTIONS")
	r.call("OPTIONS", "/api/x", "", origin, "https://evil.example", asks, "HEAD").want(204, "").has("Access-Control-Allow-Origin", "*", "Access-Control-Max-Age", "600")
	r.call("OPTIONS", "/api/x", "", origin, "https://a.shop.example", asks, "PUT").want(204, "").has("Access-Control-Allow-Origin", "")
	if send := r.call("OPTIONS", "/api/x", "", origin, "https://x.example", asks, "GET").header.Get("Access-Control-Allow-Headers"); !strings.Contains(send, "client_id") {
		t.Errorf("a page may send %q", send)
	}
}

func TestCache(t *testing.T) {
	r := serve(t, `
- {method: GET, path: /own, flow: times, cache: {ttl: 1m}, security: [{clients: any}, {public: true}]}
- {method: GET, path: "/all/:id", flow: times, cache: {ttl: 1m, key: [shared, "query:page", "header:Accept-Language"]}, security: [{clients: any}, {public: true}]}
- {method: GET, path: /status, flow: told, cache: {ttl: 1m}}
`, map[string]string{"flows/times.yaml": `
schema: 1
id: times
triggers: [{id: start, type: gateway}]
nodes:
  - {id: work, type: slow.go, with: {}}
  - {id: reply, type: response.json, with: {body: "{{ nodes.work.calls }}"}}
edges: [{from: start, to: work}, {from: work, to: reply}]
`, "flows/told.yaml": `
schema: 1
id: told
triggers: [{id: start, type: gateway}]
nodes:
  - {id: work, type: slow.go, with: {}}
  - {id: reply, type: response.json, with: {status: "{{ int(trigger.query.status) }}", headers: {Cache-Control: "{{ trigger.query.policy }}"}, body: "{{ nodes.work.calls }}"}}
edges: [{from: start, to: work}, {from: work, to: reply}]
`})
	want := func(body, path string, headers ...string) answer {
		t.Helper()
		return r.call("GET", path, "", headers...).want(200, body)
	}
	first := want("1", "/api/own?a=1").has("Age", "", "Cache-Control", "private, max-age=60")
	if first.header.Get("Trama-Run") == "" {
		t.Error("the answer does not name its run")
	}
	r.pass(10 * time.Second)
	hit := want("1", "/api/own?a=1").has("Age", "10", "ETag", first.header.Get("ETag"), "Trama-Run", "") // the run is the first caller's
	want("2", "/api/own?a=2")
	want("3", "/api/own?a=1", "client_id", r.clients["erp"]) // each caller has its own
	want("3", "/api/own?a=1", "client_id", r.clients["erp"])
	want("4", "/api/own?a=1", "client_id", r.clients["shop"])
	want("5", "/api/own?a=1", "Cookie", "who=ana") // a flow may look at what the gateway does not
	want("6", "/api/own?a=1", "Authorization", "Bearer x")
	r.call("HEAD", "/api/own?a=1", "").want(200, "").has("Age", "10")
	tag := hit.header.Get("ETag")
	not := r.call("GET", "/api/own?a=1", "", "If-None-Match", `"x", W/`+tag)
	not.want(304, "").has("ETag", tag, "Content-Type", "", "Cache-Control", "private, max-age=60")
	r.call("GET", "/api/own?a=1", "", "If-None-Match", `"x"`).want(200, "1")
	r.pass(50 * time.Second)
	want("7", "/api/own?a=1") // its time is over

	want("8", "/api/all/1?page=1&other=1").has("Cache-Control", "public, max-age=60", "Vary", "Accept-Language")
	want("8", "/api/all/1?page=1&other=2", "client_id", r.clients["erp"])
	want("9", "/api/all/2?page=1")
	want("10", "/api/all/1?page=2")
	want("11", "/api/all/1?page=1", "Accept-Language", "pt")
	want("12", "/api/all/1?page=1&page=1")

	for n, path := range []string{"/api/status?status=404", "/api/status?status=200&policy=no-store", "/api/status?status=201"} {
		for i := range 2 {
			if a := r.call("GET", path, ""); a.body != fmt.Sprint(13+2*n+i) || a.header.Get("ETag") != "" {
				t.Errorf("%s: %s %v", path, a.body, a.header)
			}
		}
	}
	r.files["flows/times.yaml"] = []byte(strings.Replace(string(r.files["flows/times.yaml"]), "{body:", "{status: 200, body:", 1))
	r.apply()
	want("19", "/api/own?a=1") // a new version has other answers
}

// TestConcurrencyIsOfRuns: a caller who leaves makes no room, since what the
// route protects is still at work.
func TestConcurrencyIsOfRuns(t *testing.T) {
	r := serve(t, `
- {method: POST, path: /left, flow: slowly, concurrency: 1, timeout: 400ms}
- {method: POST, path: /kept, flow: slowly, concurrency: 1, timeout: 400ms, idempotency: {}}
- {method: POST, path: /later, flow: slowly, concurrency: 1, async: always}
`, nil)
	for _, c := range []struct {
		path         string
		headers      []string
		begun, ended int
	}{
		{"/api/left", nil, 504, 201},
		{"/api/kept", []string{key, "a"}, 504, 201},
		{"/api/later", nil, 202, 202},
	} {
		before := r.plugin.count()
		r.plugin.hold()
		r.call("POST", c.path, "{}", c.headers...).want(c.begun, "")
		r.called(before + 1)
		for range 3 {
			r.call("POST", c.path, "{}").problem(503, "concurrency")
		}
		r.called(before + 1)
		r.plugin.release()
		r.eventually(func() error {
			if a := r.call("POST", c.path, "{}"); a.status != c.ended {
				return fmt.Errorf("%s: status %d, want %d", c.path, a.status, c.ended)
			}
			return nil
		})
	}
}

// TestCacheKeepsCallersApart: an answer that stands for others is made of
// nothing in which their calls may differ.
func TestCacheKeepsCallersApart(t *testing.T) {
	r := serve(t, `
- {method: GET, path: /shared, flow: echo, cache: {ttl: 1m, key: [shared, "query:page", "header:Accept-Language"]}, security: [{clients: any}, {public: true}]}
- {method: GET, path: /own, flow: echo, cache: {ttl: 1m}, security: [{clients: any}, {public: true}]}
`, nil)
	for _, path := range []string{"/api/shared", "/api/own"} {
		r.call("GET", path, `{"price": 0}`).problem(400, "body")
	}
	const path = "?page=1&other=2"
	event := func(path string) map[string]any {
		t.Helper()
		return r.call("GET", path, "", "client_id", r.clients["erp"], "Accept-Language", "pt", "Cookie", "who=ana", "X-Forwarded-Host", "evil.example").event()
	}
	for _, c := range []struct{ path, client, headers, query string }{
		{"/api/shared", "map[ip:<nil>]", "map[accept-language:pt]", "map[page:1]"},
		{"/api/own", "map[ip:<nil> name:erp]", "map[cookie:who=ana]", "map[other:2 page:1]"},
	} {
		e := event(c.path + path)
		if client, headers, query := fmt.Sprint(e["client"]), fmt.Sprint(e["headers"]), fmt.Sprint(e["query"]); client != c.client || headers != c.headers || query != c.query {
			t.Errorf("%s: the flow sees %s, %s, %s; want %+v", c.path, client, headers, query, c)
		}
	}
}

// TestSecuredAnswersAreNotKept: caches on the way, which don't know who may
// call, keep nothing that not everybody may have.
func TestSecuredAnswersAreNotKept(t *testing.T) {
	r := serve(t, `
- {method: GET, path: /open, flow: echo}
- {method: GET, path: /open-cached, flow: echo, cache: {ttl: 1m, key: [shared]}}
- {method: GET, path: /erp, flow: echo, security: {clients: [erp]}}
- {method: GET, path: /erp-cached, flow: echo, cache: {ttl: 1m, key: [shared]}, security: {clients: [erp]}}
- {method: GET, path: /erp-says, flow: policy, security: {clients: [erp]}}
- {method: GET, path: /both, flow: echo, security: [{clients: [erp]}, {public: true}]}
- {method: GET, path: /both-cached, flow: echo, cache: {ttl: 1m, key: [shared]}, security: [{clients: [erp]}, {public: true}]}
`, map[string]string{"flows/policy.yaml": `
schema: 1
id: policy
triggers: [{id: start, type: gateway}]
nodes:
  - {id: reply, type: response.json, with: {headers: {Cache-Control: "private, max-age=5"}, body: 1}}
edges: [{from: start, to: reply}]
`})
	for _, c := range []struct{ path, stranger, erp string }{
		{"/open", "", ""},
		{"/open-cached", "public, max-age=60", "public, max-age=60"},
		{"/erp", "no-store", "no-store"},
		{"/erp-cached", "no-store", "private, max-age=60"},
		{"/erp-says", "no-store", "private, max-age=5"},
		{"/both", "", "no-store"},
		{"/both-cached", "public, max-age=60", "public, max-age=60"},
	} {
		for range 2 { // the second of a cached route is of the cache
			stranger := r.call("GET", "/api"+c.path, "").has("Cache-Control", c.stranger)
			if isOpen := c.stranger != "no-store"; isOpen != (stranger.status == 200) {
				t.Errorf("%s answers a stranger with %d", c.path, stranger.status)
			}
			r.call("GET", "/api"+c.path, "", "client_id", r.clients["erp"]).want(200, "").has("Cache-Control", c.erp)
		}
	}
}

func TestClientInEvent(t *testing.T) {
	r := serve(t, `
- {method: GET, path: /x, flow: echo, security: {clients: [erp]}}
- {method: GET, path: /y, flow: echo}
`, nil)
	r.call("GET", "/api/x", "").problem(401, "unauthorized")
	e := r.call("GET", "/api/x", "", "client_id", r.clients["erp"]).event()
	if client, _ := e["client"].(map[string]any); client["name"] != "erp" || client["ip"] != "127.0.0.1" {
		t.Errorf("the client: %v", e["client"])
	}
	e = r.call("GET", "/api/y", "").event()
	if client, _ := e["client"].(map[string]any); !maps.Equal(client, map[string]any{"ip": "127.0.0.1"}) {
		t.Errorf("nobody in particular: %v", client)
	}
}
