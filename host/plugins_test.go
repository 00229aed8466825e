package host_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/admin"
	"github.com/trama-run/trama/host/plugin"
)

// state is an error if a plugin is in another state.
func (i *installation) state(name string, want plugin.State) error {
	for _, s := range read[[]plugin.Status](i, "/v1/plugins") {
		if s.Name == name && s.State == want {
			return nil
		}
	}
	return fmt.Errorf("the plugins are %s", i.admin("GET", "/v1/plugins", "").body)
}

// TestThirdParty: a file copied into the running workspace waits, is granted
// through the API, and is called by a flow, without a restart.
func TestThirdParty(t *testing.T) {
	t.Parallel()
	i := serve(t, nil, map[string]string{
		"routes.yaml":     "- {method: POST, path: /acme, flow: acme}\n",
		"flows/acme.yaml": echoing("acme", "{id: node, type: acme.echo, with: {got: '{{ input.body }}'}}"),
	})
	i.problem(i.call("POST", "/api/acme", "x"), 503, "route_held")
	i.finding("held", "flow acme", "not installed")
	wasm := guest(t, "acme", "1.0.0")
	i.write("plugins/acme.wasm", wasm)
	i.eventually("acme to be pending", func() error { return i.state("acme", plugin.StatePending) })
	i.problem(i.call("POST", "/api/acme", "x"), 503, "route_held")
	i.finding("pending", "plugin acme", "sha256:"+sha(wasm))

	grant := func(of string) string { return `{"plugin": "acme", "of": "` + of + `", "egress": ["connection"]}` }
	i.problem(i.admin("PUT", "/v1/grants/acme", grant("anything")), 422, "invalid", "sha256:")
	i.problem(i.admin("PUT", "/v1/grants/other", grant("sha256:"+sha(wasm))), 422, "invalid", "other")
	other := strings.Repeat("0", 64)
	if err := i.admin("PUT", "/v1/grants/acme", grant("sha256:"+other)).want(200); err != nil {
		t.Fatal(err)
	}
	if err := i.state("acme", plugin.StatePending); err != nil { // the grant is another file's
		t.Error(err)
	}
	if err := i.admin("PUT", "/v1/grants/acme", grant("sha256:"+sha(wasm))).want(200); err != nil {
		t.Fatal(err)
	}
	if a := i.call("POST", "/api/acme", "hello"); a.want(200) != nil || a.body != `{"got":"hello"}` {
		t.Fatalf("%v %s", a.want(200), a.body)
	}
	if err := i.admin("DELETE", "/v1/grants/acme?of=sha256:"+sha(wasm), "").want(200); err != nil {
		t.Fatal(err)
	}
	i.problem(i.call("POST", "/api/acme", "x"), 503, "route_held")
}

// TestReplacement: a replacement that can't be used leaves the old file's
// content serving, and the doctor says so; a removed file stops.
func TestReplacement(t *testing.T) {
	t.Parallel()
	wasm := guest(t, "acme", "1.0.0")
	i := serve(t, nil, map[string]string{
		"plugins/acme.wasm": wasm,
		"routes.yaml":       "- {method: POST, path: /acme, flow: acme}\n",
		"flows/acme.yaml":   echoing("acme", "{id: node, type: acme.echo, with: {got: 1}}"),
		"grants.yaml":       `[{plugin: acme, of: "sha256:` + sha(wasm) + `", egress: [connection]}]`,
	})
	works := func() {
		t.Helper()
		if err := i.call("POST", "/api/acme", "").want(200); err != nil {
			t.Fatal(err)
		}
	}
	works()
	for _, broken := range []string{"garbage", wasm[:len(wasm)/2], string(bytes.Replace([]byte(wasm), []byte(`"abi": 1`), []byte(`"abi": 7`), 1))} {
		i.write("plugins/acme.wasm", broken)
		i.eventually("acme to be refused", func() error {
			for _, s := range read[[]plugin.Status](i, "/v1/plugins") {
				if s.Digest == sha(broken) && s.State == plugin.StateBroken && s.Serving == sha(wasm) && s.Reason != "" && s.Remedy != "" {
					return nil
				}
			}
			return fmt.Errorf("%s", i.admin("GET", "/v1/plugins", "").body)
		})
		works()
	}
	i.write("plugins/acme.wasm", wasm)
	i.eventually("acme to be ready", func() error { return i.state("acme", plugin.StateReady) })
	i.remove("plugins/acme.wasm")
	i.eventually("acme to be gone", func() error { return i.call("POST", "/api/acme", "").want(503) })
}

// TestGrantsFile: grants that a file gives after the first start wait for apply;
// what it takes away is gone at once.
func TestGrantsFile(t *testing.T) {
	t.Parallel()
	wasm := guest(t, "acme", "1.0.0")
	grant := `[{plugin: acme, of: "sha256:` + sha(wasm) + `", egress: [connection]}]`
	i := serve(t, nil, map[string]string{
		"plugins/acme.wasm": wasm,
		"routes.yaml":       "- {method: POST, path: /acme, flow: acme}\n",
		"flows/acme.yaml":   echoing("acme", "{id: node, type: acme.echo, with: {got: 1}}"),
	})
	i.write("grants.yaml", grant)
	i.finding("pending", "grant/acme", "grants.yaml:1", "trama apply")
	i.problem(i.call("POST", "/api/acme", ""), 503, "route_held")
	if n := len(read[[]admin.GrantInfo](i, "/v1/grants")); n != 0 {
		t.Fatalf("%d grants without apply", n)
	}
	apply := func(files map[string]string) answer {
		body, err := json.Marshal(files)
		if err != nil {
			t.Fatal(err)
		}
		return i.admin("POST", "/v1/apply", string(body))
	}
	all := map[string]string{
		"grants.yaml": grant, "routes.yaml": "- {method: POST, path: /acme, flow: acme}\n",
		"flows/acme.yaml": echoing("acme", "{id: node, type: acme.echo, with: {got: 1}}"),
	}
	i.problem(apply(join(all, map[string]string{"routes.yaml": "- {method: POST}"})), 422, "invalid", "routes.yaml:1")
	i.problem(apply(join(all, map[string]string{"flows/b.yaml": echoing("b", "{id: node, type: acme.no_such}")})), 422, "invalid", "flows/b.yaml:5", "no_such")
	i.problem(apply(map[string]string{"../evil.yaml": "x"}), 422, "invalid", "../evil.yaml")
	i.problem(i.call("POST", "/api/acme", ""), 503, "route_held") // nothing of them was applied
	if err := apply(all).want(200); err != nil {
		t.Fatal(err)
	}
	if err := i.call("POST", "/api/acme", "").want(200); err != nil {
		t.Fatal(err)
	}

	i.write("grants.yaml", "[]")
	i.eventually("the grant to be gone", func() error { return i.call("POST", "/api/acme", "").want(503) })
	i.write("grants.yaml", grant)
	i.finding("pending", "grant/acme", "trama apply")
	i.restart() // a start is no confirmation
	i.finding("pending", "grant/acme", "trama apply")
	i.problem(i.call("POST", "/api/acme", ""), 503, "route_held")
	if err := apply(all).want(200); err != nil {
		t.Fatal(err)
	}
	i.restart()
	if err := i.call("POST", "/api/acme", "").want(200); err != nil {
		t.Fatal(err)
	}
}

// TestFilesAndAPI: neither overwrites the other's objects.
func TestFilesAndAPI(t *testing.T) {
	t.Parallel()
	flow := func(id, body string) string {
		return "schema: 1\nid: " + id + "\ntriggers: [{id: start, type: gateway}]\nnodes: [{id: say, type: response.json, with: {body: " + body + "}}]\nedges: [{from: start, to: say}]\n"
	}
	i := serve(t, nil, map[string]string{
		"flows/mine.yaml": flow("mine", "file"),
		"routes.yaml":     "\n- {method: GET, path: /mine, flow: mine}\n- {method: GET, path: /theirs, flow: theirs}\n",
		"grants.yaml":     "\n\n- {plugin: acme, of: \"sha256:" + strings.Repeat("0", 64) + "\"}\n",
	})
	i.problem(i.admin("PUT", "/v1/flows/mine", flow("mine", "api")), 409, "owned_by_file", "flows/mine.yaml:1")
	grant := `{"plugin": "acme", "of": "sha256:` + strings.Repeat("0", 64) + `"}`
	i.problem(i.admin("PUT", "/v1/grants/acme", grant), 409, "owned_by_file", "grants.yaml:3")
	i.problem(i.admin("DELETE", "/v1/grants/acme?of=sha256:"+strings.Repeat("0", 64), ""), 409, "owned_by_file", "grants.yaml:3")
	i.problem(i.admin("PUT", "/v1/flows/theirs", flow("other", "api")), 422, "invalid", "other")
	i.problem(i.admin("PUT", "/v1/flows/theirs", "schema: 1\nid: theirs\nnodez: []\n"), 422, "invalid", "flow:3", "nodez")
	if err := i.admin("PUT", "/v1/flows/theirs", flow("theirs", "api")).want(200); err != nil {
		t.Fatal(err)
	}
	if a := i.call("GET", "/api/theirs", ""); a.body != `"api"` {
		t.Errorf("theirs: %d %s", a.status, a.body)
	}
	// A file that names what the API made is refused, running and at a start.
	i.write("flows/theirs.yaml", flow("theirs", "file"))
	i.finding("refused", "flows/theirs.yaml:1", "API")
	i.restart()
	i.finding("refused", "flows/theirs.yaml:1", "API")
	for path, want := range map[string]string{"/api/theirs": `"api"`, "/api/mine": `"file"`} {
		if a := i.call("GET", path, ""); a.body != want {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	i.remove("flows/theirs.yaml")

	// A file with a mistake leaves what came from it; a better one is taken.
	i.write("flows/mine.yaml", "schema: 1\nid: mine\nnodes: {")
	i.finding("refused", "flows/mine.yaml:")
	if a := i.call("GET", "/api/mine", ""); a.body != `"file"` {
		t.Errorf("mine: %d %s", a.status, a.body)
	}
	i.write("flows/mine.yaml", flow("mine", "better"))
	i.eventually("the better file", func() error {
		if a := i.call("GET", "/api/mine", ""); a.body != `"better"` {
			return fmt.Errorf("%d %s", a.status, a.body)
		}
		return nil
	})
}

// TestAdminToken: the API is closed without it; health is not.
func TestAdminToken(t *testing.T) {
	t.Parallel()
	i := serve(t, nil, nil)
	base := "http://" + i.host.AdminAddr()
	for _, header := range []string{"", "Bearer ", "Bearer wrong", "Basic x"} {
		a := i.send("GET", base+"/v1/flows", "", "Authorization", header)
		i.problem(a, 401, "token", "admin.token")
		if a.header.Get("WWW-Authenticate") != "Bearer" {
			t.Errorf("headers %v", a.header)
		}
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		if err := i.send("GET", base+path, "").want(200); err != nil {
			t.Error(path, err)
		}
	}
	i.problem(i.admin("GET", "/v1/nothing", ""), 404, "no_path")
	i.problem(i.admin("GET", "/v1/runs/none", ""), 404, "no_run", "none")
	i.problem(i.admin("GET", "/v1/runs?limit=0", ""), 400, "invalid", "limit")
	i.problem(i.admin("GET", "/v1/flows/none", ""), 404, "no_flow")
	i.problem(i.admin("GET", "/v1/plugins/none", ""), 404, "no_plugin")
	i.problem(i.call("GET", "/v1/flows", ""), 404, "no_path") // not on the public listener
}
