package script_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/trama-run/trama/host/author/script"
	"github.com/trama-run/trama/host/plugintest"
	"github.com/trama-run/trama/host/sandbox"
)

const pdk = "../../../pdk"

func read(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// build makes the plugin of an entry file, and gives its path.
func build(t testing.TB, entry string, manifest []byte) string {
	t.Helper()
	module, err := script.Build(t.Context(), os.DirFS(pdk+"/js"), entry, manifest)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "plugin.wasm")
	if err := os.WriteFile(path, module, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// open makes a plugin ready as a host does. Compiled code is kept between
// runs of the tests.
func open(t testing.TB, path string) *plugintest.Plugin {
	t.Helper()
	cache, err := filepath.Abs("../../../build/testcache/code")
	if err != nil {
		t.Fatal(err)
	}
	box, err := sandbox.Open(sandbox.Config{CacheDir: cache})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := box.Close(t.Context()); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
	})
	p, err := plugintest.Open(t.Context(), plugintest.Config{Sandbox: box}, path)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
