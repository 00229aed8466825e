package secret

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

const canary = "canary-7f3a9-value"

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "from_file", canary+"\n")
	write(t, dir, "windows", canary+"\r\n")
	write(t, dir, "two_lines", "a\nb\n\n")
	write(t, dir, "both", "of the file")
	write(t, dir, "empty", "\n")
	write(t, dir, "long", strings.Repeat("x", maxBytes+1))
	if err := os.Symlink("from_file", filepath.Join(dir, "linked")); err != nil { // as Kubernetes mounts them
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := New([]string{
		"TRAMA_SECRET_WA_TOKEN=" + canary, "TRAMA_SECRET_BOTH=of the environment", "TRAMA_SECRET_EMPTY=", "TRAMA_SECRET_lower=x",
		"TRAMA_SECRET_=x", "TRAMA_SECRET_A-B=x", "PATH=/bin", "WA_OTHER=x", "TRAMA_SECRET_EQUALS=a=b",
	}, dir)
	for name, want := range map[string]string{
		"wa_token": canary, "from_file": canary, "windows": canary, "two_lines": "a\nb\n", "both": "of the environment", "linked": canary, "equals": "a=b",
	} {
		v, err := s.Open(name)
		if err != nil || v.Reveal() != want {
			t.Errorf("%s: %q, %v", name, v.Reveal(), err)
		}
	}
	for name, want := range map[string]string{
		"other": "TRAMA_SECRET_OTHER", "lower": filepath.Join(dir, "lower"), "empty": "no secret", "path": "no secret",
	} {
		if _, err := s.Open(name); !errors.Is(err, ErrMissing) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"", "..", "../from_file", "FROM_FILE", "a/b", "a-b", "pipe", "long", strings.Repeat("a", 65)} {
		if v, err := s.Open(name); err == nil || errors.Is(err, ErrMissing) || v.Reveal() != "" {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestOpenSeesRotation(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "later")
	s := New(nil, dir)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{strings.Repeat("a", 32), strings.Repeat("b", 32)} {
		write(t, dir, "k", text)
		v, err := s.Open("k")
		if err != nil || v.Reveal() != text {
			t.Fatal(err)
		}
		signature, err := s.Sign("k", "HS256", []byte("data"))
		if err != nil || !bytes.Equal(signature, mac([]byte(text), []byte("data"))) {
			t.Fatal("signed with the former key", err)
		}
	}
}

// However a value is printed, and wherever it is kept, it does not show.
func TestValueNeverPrints(t *testing.T) {
	s := New([]string{"TRAMA_SECRET_C=" + canary + strings.Repeat("-", 32)}, "")
	if _, err := s.Sign("c", "HS256", nil); err != nil { // fills the cache of keys
		t.Fatal(err)
	}
	v, err := s.Open("c")
	if err != nil {
		t.Fatal(err)
	}
	type holder struct {
		hidden Value
		Shown  Value
		source *Source
	}
	h := holder{v, v, s}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%p", "%t"} {
		for _, thing := range []any{v, &v, h, &h, []Value{v}, map[string]Value{"k": v}, []any{h}, s, []*Source{s}} {
			fmt.Fprintf(&out, verb+"\n", thing)
		}
	}
	fmt.Fprintln(&out, v, h, v.String(), v.GoString())
	slog.New(slog.NewTextHandler(&out, nil)).Info("text", "v", v, "h", h, "s", s)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("json", "v", v, "h", h, "s", s)
	for _, thing := range []any{v, h, map[string]any{"v": v}} {
		if err := json.NewEncoder(&out).Encode(thing); err != nil {
			t.Fatal(err)
		}
	}
	if text, err := v.MarshalText(); err != nil || string(text) != "[redacted]" {
		t.Fatal(text, err)
	}
	for _, form := range []string{canary, fmt.Sprintf("%x", canary), "99 97 110 97 114"} {
		if strings.Contains(out.String(), form) {
			t.Errorf("the secret shows as %s:\n%s", form, out.String())
		}
	}
	if n := strings.Count(out.String(), "[redacted]"); n < 50 {
		t.Errorf("[redacted] shows %d times only", n)
	}
}

func TestErrorsHoldNoValue(t *testing.T) {
	s := New([]string{
		"TRAMA_SECRET_SHORT=" + canary, "TRAMA_SECRET_PEM=-----BEGIN PRIVATE KEY-----\n" + canary + "\n-----END PRIVATE KEY-----",
		"TRAMA_SECRET_TORN=-----BEGIN " + canary,
	}, "")
	for _, name := range []string{"short", "pem", "torn"} {
		_, err := s.Sign(name, "HS256", nil)
		if !errors.Is(err, ErrKey) || strings.Contains(err.Error(), canary) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEqualAndMAC(t *testing.T) {
	s := New([]string{"TRAMA_SECRET_HOOK=short", "TRAMA_SECRET_PUB=" + publicPEM(t)}, "")
	for text, want := range map[string]bool{"short": true, "shorT": false, "": false, "short ": false} {
		if got, err := s.Equal("hook", text); err != nil || got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	// echo -n body | openssl dgst -sha256 -hmac short
	sum, err := s.MAC("hook", []byte("body"))
	if err != nil || fmt.Sprintf("%x", sum) != "47e4fed80c39a31951b70ffeb90f4ac60a5295d4785dafbb32ebdcb1718b5042" {
		t.Errorf("%x, %v", sum, err)
	}
	if ok, err := s.VerifyMAC("hook", []byte("body"), sum); err != nil || !ok {
		t.Error(ok, err)
	}
	for _, bad := range [][]byte{nil, sum[:16], append([]byte{sum[0] ^ 1}, sum[1:]...)} {
		if ok, err := s.VerifyMAC("hook", []byte("body"), bad); err != nil || ok {
			t.Errorf("%x: %v, %v", bad, ok, err)
		}
	}
	if _, err := s.MAC("pub", nil); !errors.Is(err, ErrKey) {
		t.Error(err)
	}
	if _, err := s.VerifyMAC("none", nil, nil); !errors.Is(err, ErrMissing) {
		t.Error(err)
	}
	if _, err := s.Equal("none", ""); !errors.Is(err, ErrMissing) {
		t.Error(err)
	}
}

func TestConcurrentUse(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "k", strings.Repeat("k", 32))
	s := New(nil, dir)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				signature, err := s.Sign("k", "HS256", []byte("x"))
				if err != nil {
					t.Error(err)
				}
				if ok, err := s.Verify("k", "HS256", []byte("x"), signature); !ok || err != nil {
					t.Error(ok, err)
				}
			}
		})
	}
	wg.Wait()
}
