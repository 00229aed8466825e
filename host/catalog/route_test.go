package catalog

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/source"
)

// TestRoutes reads entries of routes.yaml.
func TestRoutes(t *testing.T) {
	for _, c := range []struct {
		name, yaml string
		says       string // empty: it is right
	}{
		{"plain", `method: GET, path: /a, flow: f`, ""},
		{"everything", `method: POST, path: "/a/:id/*rest", flow: f, timeout: 10s, async: allowed, request: {type: application/json, schema: {type: object}},
			response: {schema: {type: object}}, body_limit: 64KiB, concurrency: 5, cors: {origins: ["https://*.example.com"], methods: [POST], headers: [X-A], expose: [X-B], credentials: true, max_age: 1h},
			idempotency: {required: true, ttl: 48h}, title: A, description: b, tags: [c], examples: [{title: e, params: {id: "1"}, request: {a: 1}, status: 201, response: {}}]`, ""},
		{"a cache", `method: GET, path: /a, flow: f, cache: {ttl: 1m, key: [shared, "query:page", "header:Accept-Language"]}`, ""},
		{"method", `method: FETCH, path: /a, flow: f`, `method "FETCH"`},
		{"no slash", `method: GET, path: a, flow: f`, "does not start with /"},
		{"dots", `method: GET, path: /a/../b, flow: f`, `segment ".."`},
		{"the status", `method: GET, path: /.status/x, flow: f`, "answers that come later"},
		{"a segment", `method: GET, path: "/a b", flow: f`, `segment "a b"`},
		{"a name with a capital", `method: GET, path: "/a/:Id", flow: f`, "the parameter :Id has capitals"},
		{"twice", `method: GET, path: "/:a/*a", flow: f`, "the parameter *a twice"},
		{"a wildcard inside", `method: GET, path: "/*a/b", flow: f`, "*a takes the rest"},
		{"timeout", `method: GET, path: /a, flow: f, timeout: 1h`, "timeout 1h0m0s is over"},
		{"async", `method: GET, path: /a, flow: f, async: yes`, `async "yes" is not known`},
		{"body", `method: POST, path: /a, flow: f, body_limit: 1GiB`, "body_limit 1GiB is over"},
		{"concurrency", `method: POST, path: /a, flow: f, concurrency: -1`, "concurrency -1"},
		{"type", `method: POST, path: /a, flow: f, request: {type: JSON}`, `type "JSON"`},
		{"schema of a GET", `method: GET, path: /a, flow: f, request: {schema: {type: object}}`, "a GET has no body"},
		{"schema of XML", `method: POST, path: /a, flow: f, request: {type: text/xml, schema: {type: object}}`, "a schema is of JSON"},
		{"a wrong schema", `method: POST, path: /a, flow: f, request: {schema: {type: thing}}`, "request: schema: at #/type"},
		{"a wrong schema of answers", `method: POST, path: /a, flow: f, response: {schema: {$ref: "file:///etc/hosts"}}`, "response: schema:"},
		{"a cache of a POST", `method: POST, path: /a, flow: f, cache: {ttl: 1m}`, "the method is POST"},
		{"a cache beside a body", `method: GET, path: /a, flow: f, request: {type: text/xml}, cache: {ttl: 1m}`, "cache: answers stand for calls that differ in their bodies too"},
		{"a cache without time", `method: GET, path: /a, flow: f, cache: {ttl: 0s}`, "cache: ttl 0s"},
		{"a cache of later answers", `method: GET, path: /a, flow: f, async: always, cache: {ttl: 1s}`, "come later"},
		{"a cache's key", `method: GET, path: /a, flow: f, cache: {ttl: 1s, key: [cookie]}`, `key "cookie"`},
		{"keys of a GET", `method: GET, path: /a, flow: f, idempotency: {}`, "the method is GET"},
		{"keys for ever", `method: PUT, path: /a, flow: f, idempotency: {ttl: 9000h}`, "ttl 9000h0m0s is over"},
		{"an example", `method: GET, path: /a, flow: f, examples: [{status: 99}]`, "example 1: status 99"},
		{"no origin", `method: GET, path: /a, flow: f, cors: {origins: []}`, "no origin may call"},
		{"all with credentials", `method: GET, path: /a, flow: f, cors: {origins: ["*"], credentials: true}`, "origins * with credentials is refused"},
		{"an origin's path", `method: GET, path: /a, flow: f, cors: {origins: ["https://a.example/"]}`, `origin "https://a.example/"`},
		{"an origin's case", `method: GET, path: /a, flow: f, cors: {origins: ["https://A.example"]}`, `origin "https://A.example"`},
		{"null", `method: GET, path: /a, flow: f, cors: {origins: ["null"]}`, `origin "null"`},
		{"stars", `method: GET, path: /a, flow: f, cors: {origins: ["https://a.*"]}`, `origin "https://a.*"`},
		{"all headers with credentials", `method: GET, path: /a, flow: f, cors: {origins: ["https://a.b"], headers: ["*"], credentials: true}`, "name the headers"},
		{"a header", `method: GET, path: /a, flow: f, cors: {origins: ["https://a.b"], headers: ["a b"]}`, `header "a b"`},
	} {
		var set Set
		k, _ := KindOf(typeRoute)
		problems := k.Read(&set, "routes.yaml", fmt.Appendf(nil, "- {%s}\n", c.yaml))
		switch text := problems.Error(); {
		case c.says == "" && len(problems) > 0:
			t.Errorf("%s: %s", c.name, text)
		case c.says != "" && (!strings.Contains(text, c.says) || !strings.Contains(text, "routes.yaml:1")):
			t.Errorf("%s: %q does not say %q with its place", c.name, text, c.says)
		}
	}
}

// TestShapes: routes that would take the same calls are refused with both
// places, from files and from the API alike.
func TestShapes(t *testing.T) {
	c := openCatalog(t, openStore(t, t.TempDir()))
	same := []Route{route(1, "/orders/:id"), route(2, "/orders/:number")}
	_, err := c.Apply(t.Context(), Set{Routes: same}, false)
	problems, ok := errors.AsType[source.Problems](err)
	if !ok || len(problems) != 1 || !strings.Contains(err.Error(), "routes.yaml:1") || !strings.Contains(err.Error(), "routes.yaml:2") {
		t.Fatalf("two of one shape: %v", err)
	}
	if n := len(c.Snapshot().Routes); n != 0 {
		t.Fatalf("%d routes after an error", n)
	}
	apply(t, c, Set{Routes: []Route{same[0], route(3, "/orders/*rest"), route(4, "/orders/new")}}, false)
	apply(t, c, Set{Routes: []Route{same[1], route(3, "/orders/*rest")}}, false) // renamed in one go
	k, _ := KindOf(typeRoute)
	if _, err := c.Put(t.Context(), k, "", []byte(`{method: GET, path: "/orders/:other", flow: f}`)); err == nil || !strings.Contains(err.Error(), "routes.yaml:2") {
		t.Errorf("a route of the same shape by the API: %v", err)
	}
	if _, err := c.Put(t.Context(), k, "", []byte(`{method: PUT, path: "/orders/:other", flow: f}`)); err != nil {
		t.Errorf("a route of another method by the API: %v", err)
	}
}

func TestAllows(t *testing.T) {
	cors := &CORS{Origins: []string{"https://app.example.com", "https://*.example.org"}}
	for origin, want := range map[string]bool{
		"https://app.example.com": true, "http://app.example.com": false, "https://app.example.com:8443": false, "https://x.app.example.com": false,
		"https://a.example.org": true, "https://a.b.example.org": true, "https://example.org": false, "https://.example.org": false,
		"https://evil.com/.example.org": false, "https://evil.com:1.example.org": false, "https://a@evil.example.org": false, "null": false, "": false,
	} {
		if cors.Allows(origin) != want {
			t.Errorf("%q: %v", origin, !want)
		}
	}
	if !(&CORS{Origins: []string{"*"}}).Allows("https://any.where") {
		t.Error("* does not allow all")
	}
}
