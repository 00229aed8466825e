package pdk

import (
	"strings"
	"testing"

	"github.com/trama-run/trama/pdk/abi"
)

// TestAlgorithms: what an author reads in each PDK names every algorithm of the
// contract.
func TestAlgorithms(t *testing.T) {
	for _, file := range []string{
		"abi/wire.go", "rust/src/host.rs", "c/trama.h", "assemblyscript/assembly/host.ts", "zig/trama.zig", "js/trama.d.ts",
	} {
		data, err := Files.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, algorithm := range abi.SignAlgorithms() {
			if !strings.Contains(string(data), algorithm) {
				t.Errorf("%s does not name %s", file, algorithm)
			}
		}
	}
}
