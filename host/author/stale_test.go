package author

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestNewer(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	touch := func(name string, at time.Time) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
		return path
	}
	language, err := LanguageOf("js")
	if err != nil {
		t.Fatal(err)
	}
	built := touch("build/acme.wasm", now)
	for _, name := range []string{"manifest.json", "plugin.js", "lib/more.js"} {
		touch(name, now.Add(-time.Minute))
	}
	for _, test := range []struct{ changed, want string }{
		{"plugin.js", "plugin.js"}, {"lib/more.js", filepath.Join("lib", "more.js")}, {"manifest.json", "manifest.json"},
		{"README.md", ""}, {"node_modules/x.js", ""}, {"build/out.js", ""}, {"cases/a.json", ""},
	} {
		path := touch(test.changed, now.Add(time.Minute))
		if got, err := language.Newer(dir, built); err != nil || got != test.want {
			t.Errorf("%s was changed: %q, %v; want %q", test.changed, got, err, test.want)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}
