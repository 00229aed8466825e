package secret

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func openVault(t *testing.T, dir string) *Vault {
	t.Helper()
	v, err := OpenVault(dir)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// What is put survives, encrypted, and no file opens in the place of another.
func TestVault(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "vault")
	v := openVault(t, dir)
	if got, err := v.Get("a"); got != "" || err != nil {
		t.Errorf("an empty vault has %q, %v", got, err)
	}
	for _, value := range []string{"first", canary} {
		if err := v.Put("a", value); err != nil {
			t.Fatal(err)
		}
	}
	if err := v.Put("b", "other"); err != nil {
		t.Fatal(err)
	}
	again := openVault(t, dir)
	if got, err := again.Get("a"); got != canary || err != nil {
		t.Errorf("after a restart: %q, %v", got, err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 3 {
		t.Fatalf("%d files, %v; want the key and two values", len(files), err)
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %s, %v", f.Name(), info.Mode(), err)
		}
		data, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil || bytes.Contains(data, []byte("canary")) {
			t.Errorf("%s shows the value, %v", f.Name(), err)
		}
	}
	if err := os.Rename(v.path("b"), v.path("a")); err != nil {
		t.Fatal(err)
	}
	if got, err := v.Get("a"); err == nil {
		t.Errorf("another name's file was opened: %q", got)
	}
	if err := os.WriteFile(v.path("a"), []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := v.Get("a"); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("a damaged file: %q, %v", got, err)
	}
	for range 2 { // what is gone may be removed again
		if err := v.Remove("a"); err != nil {
			t.Error(err)
		}
	}
	if got, err := v.Get("a"); got != "" || err != nil {
		t.Errorf("what was removed: %q, %v", got, err)
	}
}

func TestVaultKey(t *testing.T) {
	for name, c := range map[string]struct {
		data string
		mode os.FileMode
		want string
	}{
		"others may read it": {strings.Repeat("k", vaultKeyBytes), 0o640, "chmod 600"},
		"too short":          {"k", 0o600, "32"},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "key"), []byte(c.data), c.mode); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenVault(dir); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
