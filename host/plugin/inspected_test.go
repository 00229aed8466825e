package plugin

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/sandbox"
)

// TestInspectedOnce: what this program has found of a module is not looked for
// again; what another has found, or has not written whole, is.
func TestInspectedOnce(t *testing.T) {
	module, err := os.ReadFile("../sandbox/testdata/json.wasm")
	if err != nil {
		t.Fatal(err)
	}
	code := Digest(module, nil)
	want, err := sandbox.Inspect(module)
	if err != nil {
		t.Fatal(err)
	}
	r := New(Config{CacheDir: t.TempDir()})
	dir := filepath.Join(r.config.CacheDir, "inspections")
	ours := filepath.Join(dir, code+"-"+thisBuild()+".json")
	marked := want
	marked.Functions = 12345
	mark, err := json.Marshal(marked)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, file string
		data       []byte
		functions  int
	}{
		{"nothing is kept", "", nil, want.Functions},
		{"by this program", ours, mark, 12345},
		{"by another", filepath.Join(dir, code+"-1-1.json"), mark, want.Functions},
		{"cut short", ours, mark[:len(mark)/2], want.Functions},
		{"of another module", ours, []byte(strings.Replace(string(mark), code, strings.Repeat("0", 64), 1)), want.Functions},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
			if test.file != "" {
				if err := write(test.file, test.data); err != nil {
					t.Fatal(err)
				}
			}
			got, err := r.inspected(code, module)
			if err != nil || got.Functions != test.functions || len(got.Exports) != len(want.Exports) || got.Exports[0].Signature != want.Exports[0].Signature {
				t.Errorf("inspected: %+v, %v", got, err)
			}
			if _, err := os.Stat(ours); err != nil {
				t.Errorf("it is not kept: %v", err)
			}
		})
	}
	if _, err := r.inspected("0", module[:8]); err == nil {
		t.Error("half a module passes")
	}
}
