// Package stock calls plugins under Extism's own Go SDK, which has none of
// Trama's functions. It is for the tests of the PDKs: what only computes must
// do there what it does in Trama.
package stock

import (
	"context"
	"os"
	"strings"
	"testing"

	extism "github.com/extism/go-sdk"
	"github.com/tetratelabs/wazero"
)

// Start loads a plugin, with the setting color=red. One instance serves all of
// a test's calls, so memory that calls leave behind adds up.
func Start(t *testing.T, wasm []byte, wasi bool) *extism.Plugin {
	t.Helper()
	plugin, err := extism.NewPlugin(t.Context(), extism.Manifest{
		Wasm:   []extism.Wasm{extism.WasmData{Data: wasm}},
		Memory: &extism.ManifestMemory{MaxPages: 16384},
		Config: map[string]string{"color": "red"},
	}, extism.PluginConfig{EnableWasi: wasi, RuntimeConfig: wazero.NewRuntimeConfig()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := plugin.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return plugin
}

// Expect wants an output.
func Expect(t *testing.T, plugin *extism.Plugin, export, input, want string) {
	t.Helper()
	code, output, err := plugin.Call(export, []byte(input))
	if code != 0 || err != nil || string(output) != want {
		t.Errorf("%s(%.60s) gives %d, %.400s, %v\nwant %.400s", export, input, code, output, err, want)
	}
}

// ExpectError wants the text that the plugin set as its error.
func ExpectError(t *testing.T, plugin *extism.Plugin, export, input, want string) {
	t.Helper()
	code, output, err := plugin.Call(export, []byte(input))
	if code == 0 || err == nil || err.Error() != want {
		t.Errorf("%s(%.60s) gives %d, %.200s, %v\nwant the error %s", export, input, code, output, err, want)
	}
}

// ExpectTrap wants texts in what the plugin said before it trapped.
func ExpectTrap(t *testing.T, plugin *extism.Plugin, export, input string, texts ...string) {
	t.Helper()
	_, _, err := plugin.Call(export, []byte(input))
	said := plugin.GetError()
	if err == nil || !strings.Contains(err.Error(), "unreachable") {
		t.Errorf("%s ends with %v, want a trap", export, err)
	}
	for _, text := range texts {
		if !strings.Contains(said, text) {
			t.Errorf("%s says %q, want %q", export, said, text)
		}
	}
}

// LeftOut ends a test whose tool is missing; where all is to be tested, CI=1,
// that is an error.
func LeftOut(t *testing.T, what, remedy string) {
	t.Helper()
	if os.Getenv("CI") == "1" {
		t.Fatalf("left out for want of %s, and nothing may be here: %s", what, remedy)
	}
	t.Skipf("LEFT OUT for want of %s: %s", what, remedy)
}
