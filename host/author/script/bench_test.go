package script_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/author/script"
	"github.com/trama-run/trama/host/sandbox"
)

// BenchmarkCall measures calls of the suite from its image.
func BenchmarkCall(b *testing.B) {
	manifest := read(b, pdk+"/suite/manifest.json")
	module, err := script.Build(b.Context(), os.DirFS(pdk+"/js"), pdk+"/js/suite/plugin.js", manifest)
	if err != nil {
		b.Fatal(err)
	}
	cache, err := filepath.Abs("../../../build/testcache/code")
	if err != nil {
		b.Fatal(err)
	}
	box, err := sandbox.Open(sandbox.Config{CacheDir: cache})
	if err != nil {
		b.Fatal(err)
	}
	const order = `{"items":[{"price":250,"quantity":2},{"price":99,"quantity":10}]}`
	m, err := box.Compile(b.Context(), module, sandbox.Options{
		Memory: sandbox.DefaultLimits().Memory, Warm: []sandbox.Warm{{Export: "total", Input: []byte(order)}},
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { m.Close(b.Context()); box.Close(b.Context()) })
	for _, c := range []struct{ name, export, input string }{
		{"echo", "echo", order},
		{"JSON", "total", order},
		{"64 KiB", "echo", strings.Repeat("0123456789abcdef", 4096)},
		{"64 KiB of JSON", "total", `{"items":[],"note":"` + strings.Repeat("0123456789abcdef", 4096) + `"}`},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := m.Call(b.Context(), sandbox.Call{Export: c.export, Input: []byte(c.input), Limits: sandbox.DefaultLimits()}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	fmt.Fprintf(os.Stderr, "%d bytes\n", len(module))
}
