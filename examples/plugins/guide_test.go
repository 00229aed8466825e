// Package plugins_test follows the guide of this directory as an operator would.
package plugins_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trama-run/trama/examples/guide"
)

// TestGuide runs each command of the guide as it is written there, and finds in
// its output what the guide says.
func TestGuide(t *testing.T) {
	guide.Guide{
		File: "README.md", Root: checkout(t), Commands: 30, Checks: 20,
		Looks: looks,
		Fails: func(line string) bool { return strings.Contains(line, " doctor ") }, // which finds something
		Ready: func(string) string { return "http://127.0.0.1:8095/readyz" },
	}.Follow(t)
}

// looks says whether a command only looks, so that it may do so again.
func looks(line string) bool {
	for _, command := range []string{"curl ", "build/trama plugin list ", "build/trama plugin inspect ", "build/trama doctor ", "build/trama runs list "} {
		if strings.HasPrefix(line, command) {
			return true
		}
	}
	return false
}

// checkout makes a directory like the repository after `make build`, so that
// nobody's data counts, and gives its path.
func checkout(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	if err := os.CopyFS(filepath.Join(root, "examples", "plugins"), os.DirFS(".")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"build/trama", "host/sandbox/testdata/json.wasm"} {
		to := filepath.Join(root, name)
		data, err := os.ReadFile(filepath.Join("..", "..", name))
		if err != nil {
			t.Fatalf("%v: run make build first", err)
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, data, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return root
}
