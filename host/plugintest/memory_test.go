package plugintest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/plugin"
	"github.com/trama-run/trama/host/plugintest"
	"github.com/trama-run/trama/host/plugintest/portable"
)

// large is a module whose memory begins with 600 pages (37.5 MiB), more than a
// plugin has that asks for none, and whose function large gives nothing.
const large = "\x00asm\x01\x00\x00\x00" +
	"\x01\x05\x01\x60\x00\x01\x7f" + "\x03\x02\x01\x00" + "\x05\x04\x01\x00\xd8\x04" +
	"\x07\x12\x02\x06memory\x02\x00\x05large\x00\x00" + "\x0a\x06\x01\x04\x00\x41\x00\x0b"

// TestLargeMemory: a plugin is checked, tested and compared with all the memory
// that its manifest asks for.
func TestLargeMemory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "guest.wasm")
	if err := os.WriteFile(path, []byte(large), 0o644); err != nil {
		t.Fatal(err)
	}
	operations := "operations: [{name: large, effect: pure, examples: [{input: 1, output: null}]}]\n"
	for _, test := range []struct {
		limits string
		fits   bool
	}{{"limits: {memory_bytes: 67108864}\n", true}, {"", false}} {
		if err := os.WriteFile(strings.TrimSuffix(path, ".wasm")+".yaml", []byte(head+test.limits+operations), 0o644); err != nil {
			t.Fatal(err)
		}
		err := plugin.Check(t.Context(), openSandbox(t), path, func(string, string) {})
		if !test.fits {
			if err == nil || !strings.Contains(err.Error(), `ask for it in the manifest: "limits": {"memory_bytes":67108864}`) {
				t.Errorf("%q: %v", test.limits, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", test.limits, err)
		}
		p := open(t, path)
		cases := plugintest.Examples(p.Manifest)
		run(t, p, cases)
		peer, err := portable.Open(t.Context(), p, portable.Config{})
		if err != nil {
			t.Fatal(err)
		}
		differences, err := peer.Case(t.Context(), cases[0])
		if err != nil || len(differences) > 0 {
			t.Errorf("%v, %v", differences, err)
		}
		if err := peer.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
