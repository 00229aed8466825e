package secret

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/trama-run/trama/pdk/abi"
)

// keeping returns a source with a directory of secrets and a vault.
func keeping(t *testing.T, dir string, environ ...string) *Source {
	t.Helper()
	for _, d := range []string{"vault", "files"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	v, err := OpenVault(filepath.Join(dir, "vault"))
	if err != nil {
		t.Fatal(err)
	}
	s := New(environ, filepath.Join(dir, "files"))
	if err := s.Keep(v); err != nil {
		t.Fatal(err)
	}
	return s
}

var (
	monday  = time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)
	tuesday = monday.AddDate(0, 0, 1)
)

func TestKept(t *testing.T) {
	dir := t.TempDir()
	s := keeping(t, dir, "TRAMA_SECRET_FROM_ENV=e")
	if err := os.WriteFile(filepath.Join(dir, "files", "from_file"), []byte("f\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	open := func(s *Source, name string) string {
		t.Helper()
		v, err := s.Open(name)
		if err != nil && !errors.Is(err, ErrMissing) {
			t.Fatal(err)
		}
		return v.Reveal()
	}
	if _, err := s.Open("erp"); !errors.Is(err, ErrMissing) || !strings.Contains(err.Error(), "trama secret set erp") {
		t.Errorf("before it is set: %v", err)
	}
	if err := s.Set("erp", "one", monday); err != nil {
		t.Fatal(err)
	}
	if got := open(s, "erp"); got != "one" {
		t.Errorf("open gives %q", got)
	}
	if err := s.Set("erp", "a value nobody may see", tuesday); err != nil {
		t.Fatal(err)
	}
	if got := open(keeping(t, dir), "erp"); got != "a value nobody may see" { // another start
		t.Errorf("after a restart: %q", got)
	}
	list, err := s.List()
	want := []Info{{Name: "erp", Source: FromStore, Created: monday, Set: tuesday}, {Name: "from_env", Source: FromEnv}, {Name: "from_file", Source: FromFile}}
	if err != nil || fmt.Sprint(list) != fmt.Sprint(want) {
		t.Errorf("list: %v, %v; want %v", list, err, want)
	}
	for _, name := range []string{"from_env", "from_file"} {
		if err := s.Set(name, "x", monday); !errors.Is(err, ErrElsewhere) {
			t.Errorf("set %s: %v", name, err)
		}
		if err := s.Forget(name); !errors.Is(err, ErrElsewhere) {
			t.Errorf("forget %s: %v", name, err)
		}
	}
	err = filepath.Walk(filepath.Join(dir, "vault"), func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if strings.Contains(string(data), "nobody") || strings.Contains(string(data), "erp") || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s (%s) shows what it keeps", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	// A file that comes later stands before the store's value.
	if err := os.WriteFile(filepath.Join(dir, "files", "erp"), []byte("of a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	if list, err = s.List(); err != nil || fmt.Sprint(list[0]) != fmt.Sprint(Info{Name: "erp", Source: FromFile, Unused: true}) || open(s, "erp") != "of a file" {
		t.Errorf("beside a file: %v, %v", list, err)
	}
	if err := s.Forget("erp"); err != nil {
		t.Error(err)
	}
	if err := os.Remove(filepath.Join(dir, "files", "erp")); err != nil {
		t.Fatal(err)
	}
	if got := open(s, "erp") + open(keeping(t, dir), "erp"); got != "" {
		t.Errorf("after it was forgotten: %q", got)
	}
	if err := s.Forget("erp"); !errors.Is(err, ErrMissing) {
		t.Errorf("forget twice: %v", err)
	}
}

func TestKeptRefuses(t *testing.T) {
	s := keeping(t, t.TempDir())
	for name, c := range map[string]struct{ name, value, says string }{
		"a bad name":     {"Wa-Token", "x", "is not a secret's name"},
		"a path":         {"../key", "x", "is not a secret's name"},
		"no value":       {"erp", "", "empty"},
		"a huge value":   {"erp", strings.Repeat("x", maxBytes+1), "longer than"},
		"without a room": {"erp", "x", "no vault"},
	} {
		t.Run(name, func(t *testing.T) {
			source := s
			if name == "without a room" {
				source = New(nil, "")
			}
			if err := source.Set(c.name, c.value, monday); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, want %q", err, c.says)
			}
		})
	}
}

// TestKeptKeyCountsAtOnce: a key that was parsed is parsed anew once its
// secret changes.
func TestKeptKeyCountsAtOnce(t *testing.T) {
	s := keeping(t, t.TempDir())
	var signed []string
	for _, value := range []string{strings.Repeat("a", 40), strings.Repeat("b", 40)} {
		if err := s.Set("sign", value, monday); err != nil {
			t.Fatal(err)
		}
		sum, err := s.Sign("sign", abi.AlgHS256, []byte("data"))
		if err != nil {
			t.Fatal(err)
		}
		signed = append(signed, string(sum))
	}
	if signed[0] == signed[1] {
		t.Error("the new key signs as the old one did")
	}
}
