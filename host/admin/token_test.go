package admin

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestToken(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, TokenFile)
	first, err := Token(dir)
	if err != nil || len(first) < 32 {
		t.Fatalf("%q, %v", first, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if again, err := Token(dir); err != nil || again != first {
		t.Errorf("the second start has %q, %v; the first %q", again, err, first)
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620, 0o666} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if token, err := Token(dir); err == nil || !strings.Contains(err.Error(), "chmod 600 "+path) {
			t.Errorf("mode %o gives %q, %v; want a refusal with its remedy", mode, token, err)
		}
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
		t.Errorf("the data directory holds %v, %v; want the token alone", files, err)
	}
	if other, err := Token(t.TempDir()); err != nil || other == first {
		t.Errorf("two installations have one token: %v", err)
	}
	for _, damaged := range []string{"", "short\n", strings.Repeat(" ", 100)} {
		if err := os.WriteFile(path, []byte(damaged), 0o600); err != nil {
			t.Fatal(err)
		}
		if token, err := Token(dir); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "remove the file") {
			t.Errorf("%q gives %q, %v", damaged, token, err)
		}
	}
	if _, err := Token(filepath.Join(dir, "none")); err == nil {
		t.Error("a directory that is not there gives a token")
	}
}

// TestScheme: the name of a scheme has no case (RFC 9110, section 11.1).
func TestScheme(t *testing.T) {
	r := newRig(t)
	r.mount(newAPI(r.config).endpoints())
	for header, want := range map[string]int{
		"Bearer " + fileToken: 200, "bearer " + fileToken: 200, "BEARER  " + fileToken: 200,
		"Basic " + fileToken: 401, fileToken: 401, "Bearer ": 401, "Bearer x": 401, "": 401,
	} {
		q := httptest.NewRequest("GET", "/v1/whoami", nil)
		q.Header.Set("Authorization", header)
		a, err := r.app.Test(q, -1)
		if err != nil {
			t.Fatal(err)
		}
		if a.Body.Close(); a.StatusCode != want {
			t.Errorf("%q: status %d, want %d", header, a.StatusCode, want)
		}
	}
}
