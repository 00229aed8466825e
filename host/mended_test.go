package host_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/admin"
	"github.com/trama-run/trama/host/plugin"
)

// TestNarrowerGrantsFile: what a changed grants.yaml takes away is gone at
// once, and a restart adds nothing to what was confirmed.
func TestNarrowerGrantsFile(t *testing.T) {
	t.Parallel()
	wasm := guest(t, "acme", "1.0.0")
	grants := func(memory string) string {
		return `[{plugin: acme, of: "sha256:` + sha(wasm) + `", egress: [connection], limits: {memory: ` + memory + `}}]`
	}
	i := serve(t, nil, map[string]string{
		"plugins/acme.wasm": wasm,
		"routes.yaml":       "- {method: POST, path: /acme, flow: acme}\n",
		"flows/acme.yaml":   echoing("acme", "{id: node, type: acme.echo, with: {got: 1}}"),
		"grants.yaml":       grants("64MiB"),
	})
	memory := func(want string) {
		t.Helper()
		i.eventually("memory "+want, func() error {
			list := read[[]admin.GrantInfo](i, "/v1/grants")
			if len(list) != 1 || list[0].Limits.Memory.String() != want {
				return fmt.Errorf("the grants are %+v", list)
			}
			return nil
		})
		if err := i.call("POST", "/api/acme", "").want(200); err != nil {
			t.Error(err)
		}
	}
	memory("64MiB") // the first start takes the files as they are
	i.write("grants.yaml", grants("48MiB"))
	memory("48MiB")
	i.write("grants.yaml", grants("64MiB"))
	i.finding("pending", "grant/acme", "grants.yaml:1", "trama apply")
	for range 2 {
		i.restart()
		i.finding("pending", "grant/acme", "grants.yaml:1", "trama apply")
		memory("48MiB")
	}
}

// TestChangedPluginWaits: while a changed file waits for its grant, the
// granted content serves; when that one's grant is gone too, nothing does.
func TestChangedPluginWaits(t *testing.T) {
	t.Parallel()
	first, second := guest(t, "acme", "1.0.0"), guest(t, "acme", "1.1.0")
	i := serve(t, nil, map[string]string{
		"plugins/acme.wasm": first,
		"routes.yaml":       "- {method: POST, path: /acme, flow: acme}\n",
		"flows/acme.yaml":   echoing("acme", "{id: node, type: acme.echo, with: {got: 1}}"),
	})
	grant := func(wasm string) {
		t.Helper()
		if err := i.admin("PUT", "/v1/grants/acme", `{"plugin": "acme", "of": "sha256:`+sha(wasm)+`", "egress": ["connection"]}`).want(200); err != nil {
			t.Fatal(err)
		}
	}
	serves := func() {
		t.Helper()
		if err := i.call("POST", "/api/acme", "").want(200); err != nil {
			t.Fatal(err)
		}
	}
	grant(first)
	serves()
	i.write("plugins/acme.wasm", second)
	i.eventually("the changed file to wait", func() error {
		s := read[plugin.Status](i, "/v1/plugins/acme")
		if s.State != plugin.StatePending || s.Digest != sha(second) || s.Serving != sha(first) {
			return fmt.Errorf("it is %s, %s serves", s.State, s.Serving)
		}
		return nil
	})
	serves()
	i.finding("pending", "plugin acme", strings.TrimPrefix(sha(second), "sha256:"))
	if err := i.admin("DELETE", "/v1/grants/acme?of=sha256:"+sha(first), "").want(200); err != nil {
		t.Fatal(err)
	}
	i.problem(i.call("POST", "/api/acme", ""), 503, "route_held")
	grant(second)
	serves()
}
