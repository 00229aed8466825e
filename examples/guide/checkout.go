package guide

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Checkout makes a directory like the repository after `make build` with one
// example of its own, named by the directory that the test runs in, so that
// nobody's data counts. It gives the directory's path.
func Checkout(t *testing.T) string {
	t.Helper()
	if _, err := os.Stat("../../build/trama"); err != nil {
		t.Fatalf("%v: run make build first", err)
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	workspace := filepath.Join(root, "examples", filepath.Base(here))
	err = filepath.WalkDir(here, func(path string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(here, path) // both are of one tree
		switch {
		case err != nil:
			return err
		case d.IsDir() && (rel == "data" || rel == "cmd"):
			return filepath.SkipDir
		case d.IsDir():
			return os.MkdirAll(filepath.Join(workspace, rel), 0o700)
		case strings.HasSuffix(rel, "_test.go"):
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(workspace, rel), data, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	links := []string{"build", "plugins", "pdk", "go.mod", "go.sum"}
	if _, err := os.Stat("cmd"); err == nil {
		links = append(links, "examples/"+filepath.Base(here)+"/cmd")
	}
	for _, name := range links {
		if err := os.Symlink(filepath.Join(here, "../..", name), filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	return root
}
