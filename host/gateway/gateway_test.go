package gateway

import (
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/expr"
	"github.com/trama-run/trama/host/problem"
	"github.com/trama-run/trama/host/run"
	"github.com/trama-run/trama/host/store"
)

func tableOf(names ...string) *table {
	var routes []catalog.Route
	for _, name := range names {
		method, path, _ := strings.Cut(name, " ")
		routes = append(routes, catalog.Route{Method: method, Path: path, Flow: name})
	}
	return newTable(&catalog.Snapshot{Routes: routes}, nil)
}

// flowOf is the flow of a route, empty for none.
func flowOf(r *route) string {
	if r == nil {
		return ""
	}
	return r.Flow
}

func TestTable(t *testing.T) {
	table := tableOf(
		"GET /", "GET /orders", "POST /orders", "GET /orders/:id", "GET /orders/new", "DELETE /orders/:id",
		"GET /orders/:id/items/:item", "PUT /orders/new/items/:n", "GET /:any/last", "GET /a/:x/c", "GET /a/b/:y/d",
		"GET /files/*path", "GET /files/:name/meta", "PUT /files/a/b", "DELETE /*all",
	)
	for _, c := range []struct {
		method, path, route string
		params              map[string]any
		allow               string
	}{
		{method: "GET", path: "", route: "GET /"},
		{method: "GET", path: "/", route: "GET /"},
		{method: "POST", path: "/", allow: "GET"},
		{method: "GET", path: "/orders", route: "GET /orders"},
		{method: "GET", path: "/orders/", route: "GET /orders"},
		{method: "PUT", path: "/orders", allow: "DELETE GET POST"},
		{method: "GET", path: "/orders/7", route: "GET /orders/:id", params: map[string]any{"id": "7"}},
		{method: "GET", path: "/orders/new", route: "GET /orders/new"}, // a literal wins
		{method: "DELETE", path: "/orders/new", route: "DELETE /orders/:id", params: map[string]any{"id": "new"}},
		{method: "PATCH", path: "/orders/new", allow: "DELETE GET"},
		{method: "GET", path: "/orders/7/items/8", route: "GET /orders/:id/items/:item", params: map[string]any{"id": "7", "item": "8"}},
		{method: "GET", path: "/orders/new/items/8", route: "GET /orders/:id/items/:item", params: map[string]any{"id": "new", "item": "8"}},
		{method: "PUT", path: "/orders/new/items/8", route: "PUT /orders/new/items/:n", params: map[string]any{"n": "8"}},
		{method: "GET", path: "/x/last", route: "GET /:any/last", params: map[string]any{"any": "x"}},
		{method: "GET", path: "/orders/last", route: "GET /orders/:id", params: map[string]any{"id": "last"}},
		{method: "GET", path: "/a/b/c", route: "GET /a/:x/c", params: map[string]any{"x": "b"}}, // comes back from the literal
		{method: "GET", path: "/orders/a%2Fb", route: "GET /orders/:id", params: map[string]any{"id": "a/b"}},
		{method: "GET", path: "/orders/caf%C3%A9%20x", route: "GET /orders/:id", params: map[string]any{"id": "café x"}},
		{method: "GET", path: "/orders/a+b", route: "GET /orders/:id", params: map[string]any{"id": "a+b"}},
		{method: "GET", path: "/%6Frders", route: "GET /orders"},
		{method: "GET", path: "/orders/:id", route: "GET /orders/:id", params: map[string]any{"id": ":id"}},
		{method: "GET", path: "/orders//items/8", allow: "DELETE"}, // no empty parameter
		{method: "GET", path: "/Orders", allow: "DELETE"},
		{method: "GET", path: "/orders/7/items", allow: "DELETE"},
		{method: "GET", path: "/none", allow: "DELETE"},
		{method: "GET", path: "/files/a/b/c", route: "GET /files/*path", params: map[string]any{"path": "a/b/c"}},
		{method: "GET", path: "/files/a", route: "GET /files/*path", params: map[string]any{"path": "a"}},
		{method: "GET", path: "/files/a/meta", route: "GET /files/:name/meta", params: map[string]any{"name": "a"}}, // a parameter wins over the rest
		{method: "GET", path: "/files/a/b", route: "GET /files/*path", params: map[string]any{"path": "a/b"}},
		{method: "PUT", path: "/files/a/b", route: "PUT /files/a/b"},
		{method: "POST", path: "/files/a/b", allow: "DELETE GET PUT"},
		{method: "GET", path: "/files", allow: "DELETE"}, // the rest is not empty
		{method: "DELETE", path: "/files/x%2Fy", route: "DELETE /*all", params: map[string]any{"all": "files/x/y"}},
	} {
		parts, err := segments(c.path)
		if err != nil {
			t.Fatal(err)
		}
		r, params, allow, ok := table.find(c.method, parts)
		if ok != (c.route != "") || flowOf(r) != c.route || !maps.Equal(params, c.params) || strings.Join(allow, " ") != c.allow {
			t.Errorf("%s %s: route %q with %v, allow %v; want %q with %v, %q", c.method, c.path, flowOf(r), params, allow, c.route, c.params, c.allow)
		}
	}
	for _, bad := range []string{
		"/orders/%zz", "/%", "/a%2", "/a/../b", "/./a", "/a/%2e%2e/b", "/a/%2E.", "/a/..%2fb", "/a/b%2f..", "/a/%2e%2e%5cb", "/a/%00", "/a/%0a", "/a/\x7f",
		"/a/%ff", "/a/\xff", "/a/%c0%ae%c0%ae", "/a/%ed%a0%80", "/" + strings.Repeat("a", maxPath),
	} {
		if parts, err := segments(bad); err == nil {
			t.Errorf("%s gives %q", bad, parts)
		}
	}
}

// FuzzTable compares the table with one that tries each route in turn.
func FuzzTable(f *testing.F) {
	for _, seed := range []string{"/orders/7", "/a/b/c", "//", "/orders/%2F/", "/a/b/x/d", "/:id/%zz"} {
		f.Add("GET", seed)
		f.Add("POST", seed)
	}
	names := []string{"GET /", "GET /orders", "POST /orders/:id", "GET /orders/:id", "GET /orders/new", "GET /:any/last", "GET /a/:x/c", "GET /a/b/:y", "POST /a/b/c", "GET /:a/:b/:c", "GET /a/*rest", "POST /a/:x/*rest"}
	table := tableOf(names...)
	f.Fuzz(func(t *testing.T, method, path string) {
		parts, err := segments(path)
		if err != nil {
			return
		}
		best, allow := "", []string{}
		for _, name := range names {
			m, pattern, _ := strings.Cut(name, " ")
			if !fits(split(pattern), parts) {
				continue
			}
			allow = append(allow, m)
			if m == method && (best == "" || wins(name, best)) {
				best = name
			}
		}
		slices.Sort(allow)
		r, params, allowed, ok := table.find(method, parts)
		if ok != (best != "") || flowOf(r) != best {
			t.Fatalf("%s %q: %q, want %q", method, path, flowOf(r), best)
		}
		if !ok && !slices.Equal(allowed, slices.Compact(allow)) {
			t.Fatalf("%s %q: allow %q, want %q", method, path, allowed, allow)
		}
		if !ok {
			return
		}
		for i, p := range split(r.Path) {
			if name, isRest := strings.CutPrefix(p, "*"); isRest && params[name] != strings.Join(parts[i:], "/") {
				t.Fatalf("%s %q: the rest is %q", method, path, params[name])
			}
			if name, isParam := strings.CutPrefix(p, ":"); isParam && params[name] != parts[i] {
				t.Fatalf("%s %q: %s is %q, want %q", method, path, name, params[name], parts[i])
			}
		}
	})
}

// fits says whether a pattern takes a path.
func fits(pattern, parts []string) bool {
	for i, p := range pattern {
		switch {
		case i >= len(parts):
			return false
		case p[0] == '*':
			return parts[i] != ""
		case p[0] == ':' && parts[i] != "":
		case p != parts[i]:
			return false
		}
	}
	return len(pattern) == len(parts)
}

// wins says whether a is the narrower where b first differs from it.
func wins(a, b string) bool {
	kind := func(segment string) int { return strings.IndexAny(":*", segment[:1]) }
	as, bs := strings.Split(a, "/")[1:], strings.Split(b, "/")[1:]
	for i := range min(len(as), len(bs)) {
		if as[i] == "" || bs[i] == "" {
			return bs[i] == ""
		}
		if kind(as[i]) != kind(bs[i]) {
			return kind(as[i]) < kind(bs[i])
		}
	}
	return false
}

func TestBody(t *testing.T) {
	latin := "<?xml version='1.0' encoding='ISO-8859-1'?><a>caf\xe9</a>"
	utf := strings.Replace(latin, "\xe9", "é", 1)
	for _, c := range []struct {
		name, contentType, data string
		body                    any
		base64                  bool
		status                  int
		place                   string // that the problem names
		deep                    bool   // only that it is taken
	}{
		{name: "nothing", contentType: "application/json"},
		{name: "JSON", contentType: "application/json; charset=utf-8", data: `{"n": 9007199254740993}`, body: map[string]any{"n": int64(9007199254740993)}},
		{name: "JSON of a vendor", contentType: "application/vnd.x+json", data: `"a"`, body: "a"},
		{name: "JSON as text", contentType: "text/plain", data: `{"n": 1}`, body: `{"n": 1}`},
		{name: "malformed JSON", contentType: "application/json", data: `{`, status: 400},
		{name: "JSON that is not UTF-8", contentType: "application/json", data: "\"caf\xe9\"", status: 400},
		{name: "a number beyond all floats", contentType: "application/json", data: `[{"n": -1e999}]`, status: 400},
		{name: "JSON as deep as it may be", contentType: "application/json", data: strings.Repeat("[", expr.MaxDepth-1) + `"[[\"["` + strings.Repeat("]", expr.MaxDepth-1), deep: true},
		{name: "JSON that is deeper", contentType: "application/json", data: strings.Repeat("[", expr.MaxDepth+1) + strings.Repeat("]", expr.MaxDepth+1), status: 400},
		{name: "integers that are kept", contentType: "application/json", data: `{"least": -9223372036854775808, "most": 9223372036854775807, "round": 100000000000000000000, "float": 1e30}`, body: map[string]any{"least": int64(math.MinInt64), "most": int64(math.MaxInt64), "round": 1e20, "float": 1e30}},
		{name: "an integer that would be rounded", contentType: "application/json", data: `{"a/b": [1, {"é~": 9223372036854775808}]}`, status: 400, place: "#/a~1b/1/%C3%A9~0"},
		{name: "a negative one", contentType: "application/json", data: `-9223372036854775809`, status: 400, place: "#"},
		{name: "a member that is there twice", contentType: "application/json", data: `{"a": [{}, {"id": 1, "x": 2, "\u0069d": 1}]}`, status: 400, place: "#/a/1/id"},
		{name: "one with the empty name", contentType: "application/json", data: `{"": 1, "": 1}`, status: 400, place: "#/"},
		{name: "a member twice before what is no JSON", contentType: "application/json", data: `{"a": 1, "a": 2`, status: 400, place: "#/a"},
		{name: "one of a long name", contentType: "application/json", data: `{"` + strings.Repeat("n", 1000) + `": 9223372036854775808}`, status: 400, place: "#/" + strings.Repeat("n", 398) + "…"},
		{name: "text", contentType: "text/plain", data: "café", body: "café"},
		{name: "text without a type", data: "café", body: "café"},
		{name: "text of a type that is none", contentType: ";;", data: "x", body: "x"},
		{name: "a byte order mark", contentType: "text/plain", data: "\ufeffx", body: "x"},
		{name: "ISO-8859-1", contentType: "text/plain; charset=ISO-8859-1", data: "caf\xe9", body: "café"},
		{name: "ISO-8859-1 by the prolog", contentType: "application/xml", data: latin, body: utf},
		{name: "the type over the prolog", contentType: `text/xml; charset="utf-8"`, data: utf, body: utf},
		{name: "a form", contentType: "application/x-www-form-urlencoded", data: "a=b", body: "a=b"},
		{name: "invalid UTF-8", contentType: "text/plain", data: "caf\xe9", base64: true},
		{name: "invalid UTF-8 that says it is UTF-8", contentType: "text/plain; charset=UTF-8", data: "caf\xe9", base64: true},
		{name: "another type", contentType: "image/png", data: "\x89PNG", base64: true},
		{name: "another type that is text", contentType: "application/octet-stream", data: "text", base64: true},
		{name: "an unknown charset", contentType: "text/plain; charset=klingon", data: "x", status: 415},
		{name: "an unknown charset in the prolog", contentType: "text/xml", data: "<?xml version='1.0' encoding='klingon'?><a/>", status: 415},
	} {
		event := map[string]any{}
		refused := body(event, c.contentType, []byte(c.data), nil)
		switch {
		case c.status != 0:
			if refused == nil || refused.Status != c.status {
				t.Errorf("%s: %v, want status %d", c.name, refused, c.status)
			} else if c.place != "" && (len(refused.Errors) != 1 || refused.Errors[0].Pointer != c.place || !strings.Contains(refused.Detail, c.place)) {
				t.Errorf("%s: %v, %+v; want the place %s", c.name, refused, refused.Errors, c.place)
			}
		case refused != nil:
			t.Errorf("%s: %v", c.name, refused)
		case c.deep:
			if _, isList := event["body"].([]any); !isList {
				t.Errorf("%s: %v", c.name, event)
			}
		case c.base64:
			if got := event["body_base64"]; got != base64.StdEncoding.EncodeToString([]byte(c.data)) || event["body"] != nil {
				t.Errorf("%s: %v", c.name, event)
			}
		default:
			if m, isMap := c.body.(map[string]any); isMap {
				if got, _ := event["body"].(map[string]any); !maps.Equal(got, m) {
					t.Errorf("%s: %v", c.name, event)
				}
			} else if event["body"] != c.body || event["body_base64"] != nil {
				t.Errorf("%s: %q", c.name, event)
			}
		}
	}
}

// TestOutcomeUnknown: nobody is told that nothing was started when that is not
// known.
func TestOutcomeUnknown(t *testing.T) {
	app := fiber.New()
	g := New(Config{Log: slog.New(slog.DiscardHandler)})
	for _, c := range []struct {
		method string
		once   *run.Once
		retry  bool
	}{{"POST", nil, false}, {"POST", &run.Once{}, true}, {"GET", nil, true}} {
		q := &call{Ctx: app.AcquireCtx(&fasthttp.RequestCtx{}), route: &route{}, method: c.method, once: c.once}
		d, _ := errors.AsType[*problem.Details](g.refused(q, "", fmt.Errorf("%w: the disk", store.ErrUnknown)))
		if d == nil || d.Status != 503 || d.Code != "outcome_unknown" || d.Retry != c.retry || (d.RetryAfter > 0) != c.retry || strings.Contains(d.Detail, "nothing was started") {
			t.Errorf("%s with the key %v: %+v", c.method, c.once, d)
		}
	}
}

// BenchmarkBody measures what reading JSON costs.
func BenchmarkBody(b *testing.B) {
	one := `{"customer": "Ana", "id": 1234567890, "price": 9.5, "items": [{"sku": "a-1", "price": 250, "quantity": 2}, {"sku": "b-2", "price": 99, "quantity": 10}]}`
	g := &Gateway{}
	for _, c := range []struct{ name, data string }{
		{"small", one},
		{"7KiB", "[" + strings.Repeat(one+",", 7<<10/len(one)) + "null]"},
		{"64KiB", "[" + strings.Repeat(one+",", 64<<10/len(one)) + "null]"},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(c.data)))
			for b.Loop() {
				q := &call{}
				if refused := body(map[string]any{}, mediaJSON, []byte(c.data), g.hold(q, []byte(c.data))); refused != nil {
					b.Fatal(refused)
				}
				if q.leave != nil {
					q.leave()
				}
			}
		})
	}
}
