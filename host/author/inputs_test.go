package author_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/author"
)

// put writes files, by their paths below a directory.
func put(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// below gives paths relative to a directory, in one line.
func below(t *testing.T, dir string, files []string) string {
	t.Helper()
	var names []string
	for _, file := range files {
		name, err := filepath.Rel(dir, file)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, filepath.ToSlash(name))
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// TestFiles: whatever an author may change is a file of the project, and what
// tools make is not.
func TestFiles(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, map[string]string{
		"manifest.json": "", "plugin.js": "", "a/b/c/d/words.json": "", "a/page.html": "", "LICENSE": "", "cases/a.yaml": "", "src/target/x.rs": "",
		"build/acme.wasm": "", "node_modules/x/index.js": "", "target/debug/x": "", "vendor/x.go": "", ".git/index": "", "a/.plugin.js.swp": "",
	})
	files, err := author.Files(dir)
	if got := below(t, dir, files); err != nil || got != "LICENSE a/b/c/d/words.json a/page.html cases/a.yaml manifest.json plugin.js src/target/x.rs" {
		t.Errorf("%s, %v", got, err)
	}
	if files, err := author.Files(filepath.Join(dir, "none")); len(files) > 0 || err != nil {
		t.Errorf("of nothing: %v, %v", files, err)
	}
}

// needs skips a test whose language this machine can't build.
func needs(t *testing.T, dir string) {
	t.Helper()
	_, err := author.Build{Dir: dir, Environ: os.Environ()}.Beyond(t.Context())
	if _, missing := errors.AsType[*author.MissingTool](err); missing {
		if os.Getenv("CI") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
}

// TestBeyond: what a project takes by its path from elsewhere on this machine is
// told by its tools, with what is embedded there.
func TestBeyond(t *testing.T) {
	beyond := func(dir string) string {
		t.Helper()
		files, err := author.Build{Dir: dir, Environ: os.Environ()}.Beyond(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return below(t, filepath.Dir(dir), files)
	}
	t.Run("go", func(t *testing.T) {
		dir := begin(t, "go", [3]string{"main.go", "import (", "import (\n\t_ \"other.example/other\""})
		if got := beyond(dir); got != "" {
			t.Errorf("before: %s", got)
		}
		put(t, filepath.Dir(dir), map[string]string{
			"other/go.mod":                "module other.example/other\n\ngo 1.24\n",
			"other/other.go":              "package other\n\nimport _ \"embed\"\n\n//go:embed texts/deep/words.json\nvar Words string\n",
			"other/texts/deep/words.json": "{}",
			"other/unused/unused.go":      "package unused\n",
		})
		mod := filepath.Join(dir, "go.mod")
		data, err := os.ReadFile(mod)
		if err != nil {
			t.Fatal(err)
		}
		data = append(data, "\nrequire other.example/other v0.0.0\n\nreplace other.example/other => ../other\n"...)
		if err := os.WriteFile(mod, data, 0o644); err != nil {
			t.Fatal(err)
		}
		if got := beyond(dir); got != "other/go.mod other/other.go other/texts other/texts/deep/words.json other/unused" {
			t.Errorf("after: %s", got)
		}
	})
	t.Run("rust", func(t *testing.T) {
		dir := begin(t, "rust")
		above := filepath.ToSlash(filepath.Dir(dir))
		put(t, dir, map[string]string{"target/wasm32-unknown-unknown/release/plugin.d": above + "/acme/target/x/plugin.wasm: " +
			above + "/acme/src/lib.rs " + above + `/with\ space/src/lib.rs ` + above + "/with\\ space/src/words.json\n"})
		if got := beyond(dir); got != "with space/Cargo.toml with space/src/lib.rs with space/src/words.json" {
			t.Error(got)
		}
	})
	t.Run("c", func(t *testing.T) {
		dir := begin(t, "c", [3]string{"plugin.c", "#include \"trama.h\"", "#include \"trama.h\"\n#include \"../a common/one.h\"\n#include \"missing.h\""})
		put(t, filepath.Dir(dir), map[string]string{"a common/one.h": "#include \"deep/two.h\"\n", "a common/deep/two.h": "", "a common/three.h": ""})
		needs(t, dir)
		if got := beyond(dir); got != "a common/deep/two.h a common/one.h" {
			t.Error(got)
		}
	})
	t.Run("assemblyscript", func(t *testing.T) {
		dir := begin(t, "assemblyscript")
		put(t, filepath.Dir(dir), map[string]string{
			"acme/assembly/more.ts": "import {\n  one,\n} from \"../../common/one\";\nexport * from './index';\n",
			"common/one.ts":         "export * from './two'\nexport const one = 1;", "common/two/index.ts": "import \"../one.ts\"", "common/three.ts": "",
		})
		if got := beyond(dir); got != "common/one.ts common/two/index.ts" {
			t.Error(got)
		}
	})
	t.Run("js", func(t *testing.T) { // whose imports can't lead out of it
		if got := beyond(begin(t, "js")); got != "" {
			t.Error(got)
		}
	})
}
