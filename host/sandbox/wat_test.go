package sandbox

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/sandbox/wasm"
	"github.com/trama-run/trama/pdk/abi"
)

// TestWAT: the plugin that pdk/README.md writes from the contract alone does
// what its manifest says, here and under go-sdk.
func TestWAT(t *testing.T) {
	if _, err := exec.LookPath("wat2wasm"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("wat2wasm is missing: apt-get install wabt")
		}
		t.Skip("wat2wasm is missing (apt-get install wabt)")
	}
	file := filepath.Join(t.TempDir(), "shout.wasm")
	if output, err := exec.Command("wat2wasm", "../../pdk/wat/plugin.wat", "-o", file).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	module, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../../pdk/wat/manifest.json")
	if err != nil {
		t.Fatal(err)
	}
	if module, err = wasm.WithCustom(module, abi.SectionManifest, text); err != nil {
		t.Fatal(err)
	}
	var manifest abi.Manifest
	if err := json.Unmarshal(text, &manifest); err != nil {
		t.Fatal(err)
	}
	w, outside := newTwin(t, module), newServer(t)
	listen(t)
	for _, e := range manifest.Operations[0].Examples {
		got := w.compare(t, outside, portableCase{export: "shout", input: string(e.Input)})
		switch {
		case e.Error != nil && got.error != e.Error.Code+": "+e.Error.Message:
			t.Errorf("%s: %+v, want %v", e.Title, got, e.Error)
		case e.Error == nil && got.output != string(e.Output):
			t.Errorf("%s: %+v, want %s", e.Title, got, e.Output)
		}
	}
	for _, n := range []int{0, 1, 2, 3, 9, 64_510, 64_512, 64_514, 200_000} {
		got := w.compare(t, outside, portableCase{export: "shout", input: (`"` + strings.Repeat("é", n/2) + strings.Repeat("x", n%2) + `"`)[:max(n, 2)]})
		if n >= 2 && got.failed {
			t.Errorf("%d bytes: %+v", n, got)
		}
	}
	if len(w.here.Info().Imports) != 8 {
		t.Errorf("it has the imports %v", w.here.Info().Imports)
	}
}
