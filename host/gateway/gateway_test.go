package gateway

import (
	"encoding/base64"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/catalog"
)

func tableOf(names ...string) *table {
	var routes []catalog.Route
	for _, name := range names {
		method, path, _ := strings.Cut(name, " ")
		routes = append(routes, catalog.Route{Method: method, Path: path, Flow: name})
	}
	return newTable(routes)
}

func TestTable(t *testing.T) {
	table := tableOf(
		"GET /", "GET /orders", "POST /orders", "GET /orders/:id", "GET /orders/new", "DELETE /orders/:id",
		"GET /orders/:id/items/:item", "PUT /orders/new/items/:n", "GET /:any/last", "GET /a/:x/c", "GET /a/b/:y/d",
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
		{method: "PUT", path: "/orders", allow: "GET POST"},
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
		{method: "GET", path: "/orders//items/8"}, // no empty parameter
		{method: "GET", path: "/Orders"},
		{method: "GET", path: "/orders/7/items"},
		{method: "GET", path: "/none"},
	} {
		parts, err := segments(c.path)
		if err != nil {
			t.Fatal(err)
		}
		r, params, allow, ok := table.find(c.method, parts)
		if ok != (c.route != "") || r.Flow != c.route || !maps.Equal(params, c.params) || strings.Join(allow, " ") != c.allow {
			t.Errorf("%s %s: route %q with %v, allow %v; want %q with %v, %q", c.method, c.path, r.Flow, params, allow, c.route, c.params, c.allow)
		}
	}
	for _, bad := range []string{"/orders/%zz", "/%", "/a%2"} {
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
	names := []string{"GET /", "GET /orders", "POST /orders/:id", "GET /orders/:id", "GET /orders/new", "GET /:any/last", "GET /a/:x/c", "GET /a/b/:y", "POST /a/b/c", "GET /:a/:b/:c"}
	table := tableOf(names...)
	f.Fuzz(func(t *testing.T, method, path string) {
		parts, err := segments(path)
		if err != nil {
			return
		}
		best, allow := "", []string{}
		for _, name := range names {
			m, pattern, _ := strings.Cut(name, " ")
			if !matches(split(pattern), parts) {
				continue
			}
			allow = append(allow, m)
			if m == method && (best == "" || wins(name, best)) {
				best = name
			}
		}
		slices.Sort(allow)
		r, params, allowed, ok := table.find(method, parts)
		if ok != (best != "") || r.Flow != best {
			t.Fatalf("%s %q: %q, want %q", method, path, r.Flow, best)
		}
		if !ok && !slices.Equal(allowed, slices.Compact(allow)) {
			t.Fatalf("%s %q: allow %q, want %q", method, path, allowed, allow)
		}
		for i, p := range split(r.Path) {
			if name, isParam := strings.CutPrefix(p, ":"); isParam && params[name] != parts[i] {
				t.Fatalf("%s %q: %s is %q, want %q", method, path, name, params[name], parts[i])
			}
		}
	})
}

// matches says whether a pattern takes a path.
func matches(pattern, parts []string) bool {
	if len(pattern) != len(parts) {
		return false
	}
	for i, p := range pattern {
		if strings.HasPrefix(p, ":") && parts[i] != "" {
			continue
		}
		if p != parts[i] {
			return false
		}
	}
	return true
}

// wins says whether a has a literal where b first differs from it.
func wins(a, b string) bool {
	as, bs := strings.Split(a, "/"), strings.Split(b, "/")
	for i := range as {
		if aParam, bParam := strings.HasPrefix(as[i], ":"), strings.HasPrefix(bs[i], ":"); aParam != bParam {
			return bParam
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
		deep                    bool // only that it is taken
	}{
		{name: "nothing", contentType: "application/json"},
		{name: "JSON", contentType: "application/json; charset=utf-8", data: `{"n": 9007199254740993}`, body: map[string]any{"n": int64(9007199254740993)}},
		{name: "JSON of a vendor", contentType: "application/vnd.x+json", data: `"a"`, body: "a"},
		{name: "JSON as text", contentType: "text/plain", data: `{"n": 1}`, body: `{"n": 1}`},
		{name: "malformed JSON", contentType: "application/json", data: `{`, status: 400},
		{name: "JSON that is not UTF-8", contentType: "application/json", data: "\"caf\xe9\"", status: 400},
		{name: "a number beyond all floats", contentType: "application/json", data: `[{"n": -1e999}]`, status: 400},
		{name: "JSON as deep as it may be", contentType: "application/json", data: strings.Repeat("[", maxDepth-1) + `"[[\"["` + strings.Repeat("]", maxDepth-1), deep: true},
		{name: "JSON that is deeper", contentType: "application/json", data: strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1), status: 400},
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
		refused := body(event, c.contentType, []byte(c.data))
		switch {
		case c.status != 0:
			if refused == nil || refused.Status != c.status {
				t.Errorf("%s: %v, want status %d", c.name, refused, c.status)
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
