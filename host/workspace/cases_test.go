package workspace

import (
	"os"
	"path/filepath"
	"testing"
)

// TestCasesAreNoFlows: files with test cases stand beside flows, and no server
// reads them.
func TestCasesAreNoFlows(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, dirFlows), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"hello.yaml", "hello.test.yaml", "test.yaml"} {
		if err := os.WriteFile(filepath.Join(dir, dirFlows, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	files, err := ReadFiles(dir)
	if err != nil || len(files) != 2 || files["flows/hello.test.yaml"] != nil {
		t.Errorf("read %d files, %v", len(files), err)
	}
}
