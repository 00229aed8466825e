package author_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/author"
)

// TestTypes: a project that has TypeScript's compiler is built if its types are
// right; another is told that nobody looked at them.
func TestTypes(t *testing.T) {
	const note = "types are not checked"
	wrong := [3]string{"plugin.ts", "greeting: `Hello", "greetin: `Hello"}
	if built, said, err := build(t, begin(t, "ts", wrong)); err != nil || !strings.HasPrefix(built.Note, note) || said != "" {
		t.Errorf("without the compiler: %v, note %q\n%s", err, built.Note, said)
	}
	if built, said, err := build(t, begin(t, "js")); err != nil || built.Note+said != "" {
		t.Errorf("JavaScript: %v, note %q\n%s", err, built.Note, said)
	}

	modules, err := filepath.Abs("../../build/tools/node_modules") // as .ci/run makes it
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(modules, ".bin", "tsc")); err != nil {
		if os.Getenv("CI") == "1" {
			t.Fatal(err)
		}
		t.Skip("NOT TESTED: no TypeScript: npm install --prefix build/tools typescript")
	}
	typed := func(dir string) string {
		if err := os.Symlink(modules, filepath.Join(dir, "node_modules")); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	for _, kind := range author.Kinds() {
		dir := filepath.Join(t.TempDir(), "acme")
		if _, err := author.New(pdks(), author.Project{Name: "acme", Language: "ts", Kind: kind, Dir: dir}); err != nil {
			t.Fatal(err)
		}
		if built, said, err := build(t, typed(dir)); err != nil || built.Note+said != "" {
			t.Errorf("%s: %v, note %q\n%s", kind, err, built.Note, said)
		}
	}
	dir := typed(begin(t, "ts", wrong))
	_, said, err := build(t, dir)
	failed, ok := errors.AsType[*author.Failed](err)
	if !ok || failed.Command != "tsc" || !strings.Contains(said, "plugin.ts(23,") || !strings.Contains(said, "'greetin' does not exist") {
		t.Errorf("a wrong type: %v\n%s", err, said)
	}
	if _, err := os.Stat(filepath.Join(dir, "build", "acme.wasm")); err == nil {
		t.Error("it was built all the same")
	}
}
