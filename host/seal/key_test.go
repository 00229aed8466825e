package seal

import (
	"bytes"
	"crypto/ed25519"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestKeys(t *testing.T) {
	text, public, err := Generate()
	if err != nil {
		t.Fatal(err)
	}
	private, err := ParsePrivate(text)
	if err != nil || !public.is(private) {
		t.Fatalf("generated: %v", err)
	}
	for name, form := range map[string][]byte{"text": []byte(public.String() + "\n"), "private key": text} {
		if got, err := ParsePublic(form); err != nil || got != public {
			t.Errorf("%s: %v %v", name, got, err)
		}
	}
	if id := public.ID(); len(id) != 16 || !isID(id) {
		t.Errorf("id %q", id)
	}
}

// is says whether the key is that of a private one.
func (k Key) is(private ed25519.PrivateKey) bool { return bytes.Equal(k[:], private[32:]) }

func TestWrongKeys(t *testing.T) {
	const rsa = "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n"
	const locked = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"
	const broken = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
	for text, want := range map[string]string{
		"":     "not a key in PEM",
		"abc":  "not a key in PEM",
		rsa:    "it holds a RSA PRIVATE KEY",
		locked: "the key has a password",
		broken: "not an Ed25519 key",
	} {
		if _, err := ParsePrivate([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	for _, text := range []string{
		"", "ed25519:", "ed25519:AAAA", "rsa:" + strings.Repeat("A", 43) + "=", strings.Repeat("A", 43) + "=",
		"ed25519:" + strings.Repeat("A", 42) + "B=", // bits that count for nothing
		"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", rsa,
	} {
		if key, err := ParsePublic([]byte(text)); err == nil {
			t.Errorf("%q is the key %s", text, key)
		}
	}
}

// TestOpenSSL: keys that others make are read, and ours by them.
func TestOpenSSL(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("CI has no openssl")
		}
		t.Skip("NOT TESTED: openssl is not installed here")
	}
	dir := t.TempDir()
	run := func(args ...string) []byte {
		t.Helper()
		c := exec.Command(openssl, args...)
		c.Dir = dir
		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("openssl %q: %v: %s", args, err, out)
		}
		return out
	}
	run("genpkey", "-algorithm", "ed25519", "-out", "theirs.pem")
	theirs, err := os.ReadFile(filepath.Join(dir, "theirs.pem"))
	if err != nil {
		t.Fatal(err)
	}
	private, err := ParsePrivate(theirs)
	if err != nil {
		t.Fatal(err)
	}
	public, err := ParsePublic(run("pkey", "-in", "theirs.pem", "-pubout"))
	if err != nil || !public.is(private) {
		t.Errorf("their public key: %v", err)
	}
	ours, key, err := Generate()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "ours.pem"), ours, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := ParsePublic(run("pkey", "-in", "ours.pem", "-pubout")); err != nil || got != key {
		t.Errorf("ours as they see it: %v", err)
	}
}
