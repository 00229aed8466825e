package token

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/trama-run/trama/host/egress"
	"github.com/trama-run/trama/host/secret"
)

// TestTakenBefore: a token that was taken is refused like any other once its
// time, its key or the settings do not allow it.
func TestTakenBefore(t *testing.T) {
	const shared = "0123456789abcdef0123456789abcdef"
	dir := t.TempDir()
	rotate := func(value string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "tokens"), []byte(value), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	rotate(shared)
	began := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	c := &clock{now: began}
	secrets := secret.New(nil, dir)
	client := egress.New(egress.Config{Secrets: secrets})
	t.Cleanup(client.Close)
	c.Checker = NewChecker(secrets, client, func() time.Time { return c.now })
	j := &JWT{Issuer: "i", Audience: "a", Algorithms: []string{"HS256"}, Secret: "tokens"}
	other := *j
	other.Audience = "b"
	of := claims(began)
	of["nbf"] = began.Unix()
	text := sign(t, "HS256", []byte(shared), of)
	for _, step := range []struct {
		name string
		by   *JWT
		do   func()
		want string
	}{
		{"first", j, func() {}, ""},
		{"again", j, func() {}, ""},
		{"under other settings", &other, func() {}, "refused"},
		{"the secret is another", j, func() { rotate(strings.Repeat("x", 32)) }, "refused"},
		{"the secret is gone", j, func() { rotate("") }, "unavailable"},
		{"the secret is back", j, func() { rotate(shared) }, ""},
		{"within the leeway", j, func() { c.now = began.Add(time.Hour + leeway - time.Second) }, ""},
		{"expired", j, func() { c.now = began.Add(time.Hour + leeway) }, "refused"},
		{"the clock goes back", j, func() { c.now = began }, ""},
		{"not yet", j, func() { c.now = began.Add(-leeway - time.Second) }, "refused"},
	} {
		step.do()
		if got := c.try(t, step.by, text); got != step.want {
			t.Errorf("%s: %q, want %q", step.name, got, step.want)
		}
	}
	if c.known.get(knownToken{by: &other}) != nil || len(c.known.now) != 1 {
		t.Errorf("%d tokens are known, want the one that was taken", len(c.known.now))
	}
}

// TestKnownIsBounded: however many tokens come, the one that is used stays, and
// few others do.
func TestKnownIsBounded(t *testing.T) {
	const shared = "0123456789abcdef0123456789abcdef"
	c := newClock(t, "TRAMA_SECRET_TOKENS="+shared)
	j := &JWT{Issuer: "i", Audience: "a", Algorithms: []string{"HS256"}, Secret: "tokens"}
	often := sign(t, "HS256", []byte(shared), claims(c.now))
	for n := range 3 * maxKnown {
		one := claims(c.now)
		one["jti"] = fmt.Sprint(n)
		for _, text := range []string{often, sign(t, "HS256", []byte(shared), one)} {
			if got := c.try(t, j, text); got != "" {
				t.Fatal(got)
			}
		}
	}
	if len(c.known.now) > maxKnown || len(c.known.old) > maxKnown {
		t.Errorf("%d and %d tokens are known", len(c.known.now), len(c.known.old))
	}
	if c.known.get(knownToken{j, sha256.Sum256([]byte(often))}) == nil {
		t.Error("the token that was used all the while is not known")
	}
	forged := often[:len(often)-1] + map[bool]string{true: "A", false: "Q"}[often[len(often)-1] != 'A']
	if got := c.try(t, j, forged); got != "refused" {
		t.Errorf("a token with another signature: %q", got)
	}
}
