package host_test

import (
	"fmt"
	"testing"

	"github.com/trama-run/trama/host/admin"
)

// TestSettings: a flow's plugin finds the settings that its grant gives it, as
// it initialises itself and in a call, and other ones with the next call; a
// change of them waits for nobody, unless the grant gives more beside it.
func TestSettings(t *testing.T) {
	t.Parallel()
	wasm := guest(t, "acme", "1.0.0")
	grants := func(rest string) string {
		return `[{plugin: acme, of: "sha256:` + sha(wasm) + `", egress: [connection]` + rest + `}]`
	}
	i := serve(t, nil, map[string]string{
		"plugins/acme.wasm": wasm,
		"routes.yaml":       "- {method: POST, path: /acme, flow: acme}\n",
		"flows/acme.yaml":   echoing("acme", "{id: node, type: acme.setting, with: {}}"),
		"grants.yaml":       grants(", config: {currency: BRL}"),
	})
	finds := func(want string) {
		t.Helper()
		i.eventually("the setting "+want, func() error {
			if a := i.call("POST", "/api/acme", ""); a.want(200) != nil || a.body != `{"at_start":"`+want+`","now":"`+want+`"}` {
				return fmt.Errorf("%v: %s", a.want(200), a.body)
			}
			return nil
		})
	}
	finds("BRL")
	i.write("grants.yaml", grants(", config: {currency: EUR}"))
	finds("EUR")
	i.write("grants.yaml", grants(", config: {currency: CHF}, limits: {memory: 64MiB}"))
	finds("CHF")
	if list := read[[]admin.GrantInfo](i, "/v1/grants"); len(list) != 1 || list[0].Limits.Memory != 0 {
		t.Errorf("with a setting, more than was confirmed is given: %+v", list)
	}
	i.restart()
	finds("CHF")
	i.write("grants.yaml", grants(""))
	finds("")
}
