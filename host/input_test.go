package host_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/admin"
	"github.com/trama-run/trama/host/plugin"
)

// echoing answers with what a plugin's operation gave, and else with its
// error.
func echoing(id, node string) string {
	return `schema: 1
id: ` + id + `
triggers: [{id: start, type: gateway}]
nodes:
  - ` + node + `
  - {id: ok, type: response.json, with: {body: "{{ input }}"}}
  - {id: failed, type: response.json, with: {status: 502, body: "{{ error }}"}}
edges:
  - {from: start, to: node}
  - {from: node, to: ok}
  - {from: node, port: error, to: failed}
`
}

// guestManifest is the manifest of the sandbox's guest "portable", which
// describes nothing itself.
const guestManifest = `name: rogue
version: 1.0.0
abi: 1
kind: connector
operations:
  - {name: copy, effect: pure}
  - {name: trap, effect: pure}
  - {name: spin, effect: pure}
  - {name: grow, effect: pure}
  - {name: hoard, effect: pure}
  - {name: upper, effect: pure}
limits: {time_millis: 2000, memory_bytes: 4194304}
`

// badInput is a workspace with flows for each kind of bad input.
func badInput(t *testing.T) *installation {
	rogue := sandboxGuest(t, "portable")
	routes := []string{
		"{method: POST, path: /orders/:id, flow: echo}", "{method: GET, path: /orders/:id, flow: echo}",
		"{method: POST, path: /xml, flow: xml}", "{method: POST, path: /soap, flow: soap}",
		"{method: POST, path: /missing, flow: missing}", "{method: POST, path: /pending, flow: pending}",
		"{method: POST, path: /nowhere, flow: nowhere}", "{method: POST, path: /broken, flow: broken}",
	}
	files := map[string]string{
		"flows/echo.yaml":    echoing("echo", "{id: node, type: rogue.copy, with: {seen: '{{ input.body }}', id: '{{ input.params.id }}'}}"),
		"flows/xml.yaml":     echoing("xml", "{id: node, type: xml.to_json, with: {xml: '{{ input.body }}'}}"),
		"flows/soap.yaml":    echoing("soap", "{id: node, type: soap.call, connection: erp, with: {url: /bad, action: urn:x, operation: Do, namespace: urn:x, body: {}}}"),
		"flows/missing.yaml": echoing("missing", "{id: node, type: absent.do, with: {}}"),
		"flows/pending.yaml": echoing("pending", "{id: node, type: acme.echo, with: {}}"),
		"flows/broken.yaml":  "schema: 1\nid: broken\ntriggers: [{id: start, type: gateway}]\nnodes:\n  - {id: x, type: frobnicate}\nedges:\n  - {from: start, to: x}\n",
		"grants.yaml":        "- {plugin: rogue, of: \"sha256:" + plugin.Digest([]byte(rogue), []byte(guestManifest)) + "\", limits: {time: 2s, fuel: 100G, memory: 4MiB}}\n- {plugin: xml, of: bundled}\n- {plugin: soap, of: bundled, egress: [connection]}\n",
		"plugins/rogue.wasm": rogue, "plugins/rogue.yaml": guestManifest,
		"plugins/acme.wasm":    guest(t, "acme", "1.0.0"),
		"plugins/garbage.wasm": "this is no module",
		"plugins/future.wasm":  sandboxGuest(t, "echo"),
		"plugins/future.yaml":  "{name: future, version: 1.0.0, abi: 2, kind: connector, operations: [{name: echo, effect: pure}]}",
	}
	for _, op := range []string{"trap", "spin", "grow", "hoard", "upper"} {
		files["flows/"+op+".yaml"] = echoing(op, "{id: node, type: rogue."+op+", with: {a: true}}")
		routes = append(routes, "{method: POST, path: /"+op+", flow: "+op+"}")
	}
	p := newPeer(t)
	files["routes.yaml"] = "- " + strings.Join(routes, "\n- ") + "\n"
	files["connections.yaml"] = `[{id: erp, base_url: "` + p.URL + `"}]`
	return serve(t, []string{"xml", "soap"}, files)
}

func TestBadInput(t *testing.T) {
	t.Parallel()
	i := badInput(t)
	good := func() {
		t.Helper()
		a := i.call("POST", "/api/orders/7", `{"n": 1}`, "Content-Type", "application/json")
		if err := a.want(200); err != nil || a.body != `{"id":"7","seen":{"n":1}}` {
			t.Fatalf("a good request afterwards: %v %s", err, a.body)
		}
	}
	good()
	const asJSON = "application/json"
	for _, c := range []struct {
		name, method, path, body, contentType string
		status                                int
		code                                  string
		texts                                 []string
	}{
		{"malformed JSON", "POST", "/api/orders/7", `{"n": `, asJSON, 400, "bad_json", []string{"not valid JSON"}},
		{"two JSON values", "POST", "/api/orders/7", `{} {}`, asJSON, 400, "bad_json", nil},
		{"an unknown charset", "POST", "/api/orders/7", "x", "text/plain; charset=klingon", 415, "bad_charset", []string{"klingon"}},
		{"no route", "POST", "/api/none", "", "", 404, "no_route", []string{"POST /none"}},
		{"the root", "GET", "/api", "", "", 404, "no_route", nil},
		{"an empty parameter", "POST", "/api/orders/", "", "", 404, "no_route", nil},
		{"no such path", "GET", "/other", "", "", 404, "no_path", []string{"/api/"}},
		{"another method", "DELETE", "/api/orders/7", "", "", 405, "method", []string{"/api/orders/7", "GET"}},
		{"no channel", "POST", "/hooks/none", "{}", asJSON, 404, "no_channel", []string{`"none"`}},
		{"a missing plugin", "POST", "/api/missing", "", "", 503, "route_held", []string{"trama doctor"}},
		{"a plugin without its grant", "POST", "/api/pending", "", "", 503, "route_held", []string{"trama doctor"}},
		{"a route without its flow", "POST", "/api/nowhere", "", "", 503, "route_held", []string{"trama doctor"}},
		{"a flow with a mistake", "POST", "/api/broken", "", "", 503, "route_held", []string{"trama doctor"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			i := *i
			i.t = t
			a := i.call(c.method, c.path, c.body, "Content-Type", c.contentType)
			p := i.problem(a, c.status, c.code, c.texts...)
			if c.status == 405 && a.header.Get("Allow") != "GET, HEAD, POST, OPTIONS" {
				t.Errorf("Allow: %q", a.header.Get("Allow"))
			}
			if c.status == 503 && (a.header.Get("Retry-After") == "" || p["retry"] != true) {
				t.Errorf("503 without Retry-After: %v %s", a.header, a.body)
			}
			good()
		})
	}
	for _, r := range read[[]admin.RunInfo](i, "/v1/runs?limit=500") {
		if r.Flow != "echo" || r.Status != "done" {
			t.Errorf("a refused request left the run %+v", r)
		}
	}

	// What runs and fails does so on its error port, with cause and place.
	for _, c := range []struct{ name, path, body, code, text string }{
		{"malformed XML", "/api/xml", "<order>\n<item></order>", "xml_malformed", "line 2"},
		{"a DTD", "/api/xml", `<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>`, "", "DTD"},
		{"a malformed SOAP answer", "/api/soap", "", "", "soap"},
		{"a trap", "/api/trap", "", "trap", "crashed: unreachable"},
		{"an endless loop", "/api/spin", "", "timeout", "2s of guest time"},
		{"memory over the limit", "/api/grow", "", "limit", "over the limit of 4MiB"},
		{"memory of the host over the limit", "/api/hoard", "", "limit", "transfer memory"},
		{"an output that is not JSON", "/api/upper", "", "bad_output", "not JSON"},
	} {
		t.Run(c.name, func(t *testing.T) {
			i := *i
			i.t = t
			a := i.call("POST", c.path, c.body)
			if err := a.want(502); err != nil || !strings.Contains(a.body, c.text) || !strings.Contains(a.body, `"code":"`+c.code) {
				t.Errorf("%v %s: want the code %q and %q", err, a.body, c.code, c.text)
			}
			if d := i.ended(a.run()); d.Steps[0].Node != "node" || d.Steps[0].Error == nil || d.Steps[0].Port != "error" {
				t.Errorf("the record's first step is %+v", d.Steps[0])
			}
			good()
		})
	}

	i.finding("refused", "flows/broken.yaml:5:", "frobnicate")
	i.finding("held", "flow missing", `"absent" is not installed`)
	i.finding("held", "flow pending", "acme", "pending")
	i.finding("pending", "plugin acme", "no grant names it", "add to grants.yaml: - {plugin: acme")
	i.finding("missing", "route POST /nowhere", "flows/nowhere.yaml", "routes.yaml:7")
	i.finding("broken", "plugin garbage", "not WebAssembly", "replace or remove")
	i.finding("broken", "plugin future", "abi 2")
}

// TestBodyLimit: 413 as soon as the request says how long it is. (Who goes on
// sending meets a closed connection.)
func TestBodyLimit(t *testing.T) {
	t.Parallel()
	i := serve(t, nil, nil)
	conn, err := net.Dial("tcp", i.host.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /api/x HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", 4<<20+1)
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	i.problem(answer{response.StatusCode, response.Header, string(body), err}, 413, "too_big", "4194304 bytes")
	i.problem(i.call("POST", "/api/x", strings.Repeat("x", 4<<20)), 404, "no_route") // the longest one
}

// TestRawRequests: what is no HTTP is answered as well as it can be.
func TestRawRequests(t *testing.T) {
	t.Parallel()
	i := serve(t, nil, nil)
	for name, raw := range map[string]string{
		"no HTTP":          "rubbish\r\n\r\n",
		"long headers":     "GET /api/x HTTP/1.1\r\nHost: a\r\nX-Long: " + strings.Repeat("x", 20<<10) + "\r\n\r\n",
		"a bad request id": "GET /api/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Request-Id: a<b>\"c\r\n\r\n",
	} {
		conn, err := net.Dial("tcp", i.host.Addr())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(conn, raw)
		reply := make([]byte, 16<<10)
		n, err := conn.Read(reply)
		conn.Close() //nolint:errcheck // read is enough
		if text := string(reply[:n]); err != nil || !strings.HasPrefix(text, "HTTP/1.1 4") || strings.Contains(text, "<b>") {
			t.Errorf("%s: %v %q", name, err, text)
		}
	}
	if err := i.call("GET", "/api/x", "").want(404); err != nil {
		t.Error(err)
	}
}

// TestWrongSignature: 401, and nothing is stored.
func TestWrongSignature(t *testing.T) {
	t.Parallel()
	i, p := startPost(t, nil, counting)
	body := webhook(unit{ID: "u1", From: "ana", Text: "forged"})
	right := postSignature(body)
	for name, signature := range map[string]string{
		"none": "", "no base64": "!!", "of another body": postSignature(body + " "), "cut": right[:20], "longer": right + "AAAA", "twice": right + ", " + right,
	} {
		a := i.call("POST", "/hooks/post", body, "X-Post-Delivery", "d-"+name, "X-Post-Signature", signature)
		i.problem(a, 401, "signature", "X-Post-Signature")
	}
	i.problem(i.call("PUT", "/hooks/post", body), 405, "method")
	i.problem(i.call("GET", "/hooks/post", ""), 405, "method")
	i.accepted("d1", unit{ID: "u2", From: "ana", Text: "real"})
	p.wait(i, 1)
	if got := p.texts("ana"); len(got) != 1 || got[0] != "1: real" {
		t.Errorf("ana got %q", got)
	}
	// The same delivery id and unit id, signed: nothing of them was kept.
	i.accepted("d-none", unit{ID: "u1", From: "ana", Text: "signed"})
	p.wait(i, 2)
	if n := i.stored("intake:post", "contact:post/post:ana"); n != 0 {
		t.Errorf("%d items are left in the queues", n)
	}
}

// TestMistakesThatPluginsKnow: a changed flow that a plugin's manifest refuses
// is not taken in, over a restart neither; what it was before goes on.
func TestMistakesThatPluginsKnow(t *testing.T) {
	t.Parallel()
	good := `schema: 1
id: parse
triggers: [{id: start, type: gateway}]
nodes:
  - {id: xml, type: xml.to_json, with: {xml: "<a>1</a>"}}
  - {id: reply, type: response.json, with: {body: "{{ input }}"}}
edges: [{from: start, to: xml}, {from: xml, to: reply}]
`
	i := serve(t, []string{"xml"}, map[string]string{
		"flows/parse.yaml": good,
		"routes.yaml":      "- {method: POST, path: /parse, flow: parse}\n",
	})
	works := func(when string) {
		t.Helper()
		i.eventually(when, func() error { return i.call("POST", "/api/parse", "").want(200) })
	}
	works("at first")
	i.write("flows/parse.yaml", strings.Replace(good, "with: {xml:", "with: {xmll:", 1))
	i.finding("flows/parse.yaml:5", "xmll")
	works("with a mistake in the file")
	i.restart()
	i.finding("flows/parse.yaml:5", "xmll")
	works("after a restart")
	i.write("flows/parse.yaml", strings.Replace(good, "<a>1</a>", "<a>2</a>", 1))
	i.eventually("the mended flow", func() error {
		if a := i.call("POST", "/api/parse", ""); !strings.Contains(a.body, "2") {
			return fmt.Errorf("it answers %s", a.body)
		}
		return nil
	})
}
