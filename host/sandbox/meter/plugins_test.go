package meter_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/trama-run/trama/host/sandbox/meter"
	"github.com/trama-run/trama/host/sandbox/wasm"
)

// modules gives the paths of modules in the repository. The plugins are built
// by "make plugins", and may be missing.
func modules(tb testing.TB) []string {
	tb.Helper()
	var paths []string
	for _, pattern := range []string{"../testdata/*.wasm", "../../../plugins/javascript/*.wasm", "../../../build/plugins/*.wasm"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			tb.Fatal(err)
		}
		paths = append(paths, found...)
	}
	if len(paths) < 6 {
		tb.Fatalf("found %d modules, want at least 6", len(paths))
	}
	return paths
}

func parse(tb testing.TB, data []byte) *wasm.Module {
	tb.Helper()
	m, err := wasm.Parse(data)
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

func read(tb testing.TB, path string) []byte {
	tb.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

// TestPlugins: every plugin that there is rewrites to a module that the engine
// takes.
func TestPlugins(t *testing.T) {
	ctx := context.Background()
	rt := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	defer rt.Close(ctx)
	done := map[string]bool{}
	for _, path := range modules(t) {
		if done[filepath.Base(path)] {
			continue // built from the same source
		}
		done[filepath.Base(path)] = true
		r, err := meter.Rewrite(parse(t, read(t, path)))
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		m, err := rt.CompileModule(ctx, r.Wasm)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		if err := m.Close(ctx); err != nil {
			t.Error(err)
		}
		t.Logf("%s: %d globals, %d segments, start %q, fresh %q", filepath.Base(path), len(r.Globals), len(r.Data), r.Start, r.Fresh)
	}
}

func BenchmarkParse(b *testing.B) { bench(b, func(b *testing.B, data []byte) { parse(b, data) }) }
func BenchmarkRewrite(b *testing.B) {
	bench(b, func(b *testing.B, data []byte) {
		if _, err := meter.Rewrite(parse(b, data)); err != nil {
			b.Fatal(err)
		}
	})
}

// bench runs f on the largest module that there is.
func bench(b *testing.B, f func(*testing.B, []byte)) {
	var data []byte
	for _, path := range modules(b) {
		if d := read(b, path); len(d) > len(data) {
			data = d
		}
	}
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		f(b, data)
	}
}
