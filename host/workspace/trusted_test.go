package workspace

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/seal"
)

func TestTrustedKeys(t *testing.T) {
	dir := t.TempDir()
	read := func(text string) (Settings, error) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "trama.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return ReadSettings(dir)
	}
	_, one, err := seal.Generate()
	if err != nil {
		t.Fatal(err)
	}
	_, two, err := seal.Generate()
	if err != nil {
		t.Fatal(err)
	}
	s, err := read("trusted_keys:\n  acme: " + one.String() + "\n  other-2: \"" + two.String() + "\"\n")
	if err != nil || len(s.TrustedKeys) != 2 || s.TrustedKeys["acme"] != one || s.TrustedKeys["other-2"] != two {
		t.Errorf("keys %v, %v", s.TrustedKeys, err)
	}
	if s, err = read("addr: 127.0.0.1:0\n"); err != nil || len(s.TrustedKeys) != 0 {
		t.Errorf("without: %v, %v", s.TrustedKeys, err)
	}
	_, err = read("addr: 127.0.0.1:0\ntrusted_keys:\n  acme: ed25519:AAAA\n  Acme Inc: " + one.String() + "\n  many: [" + one.String() + "]\n  first: " + one.String() + "\n  again: " + one.String() + "\n")
	want := []string{
		`trama.yaml:3:9: trusted_keys: acme: it is no public key; want "ed25519:" and base64 of 32 bytes`,
		`trama.yaml:4:3: trusted_keys: "Acme Inc" is no name of a key; use lower-case`,
		`trama.yaml:5:9: trusted_keys: many: want text`,
		`trama.yaml:7:3: trusted_keys: again has the id (` + one.ID() + `) of the key of first`,
	}
	if err == nil || strings.Count(err.Error(), "\n")+1 != len(want) {
		t.Fatalf("%v, want %d problems", err, len(want))
	}
	for i, line := range strings.Split(err.Error(), "\n") {
		if !strings.HasPrefix(line, want[i]) {
			t.Errorf("%s, want %s", line, want[i])
		}
	}
	if _, err = read("trusted_keys: [acme]\n"); err == nil || !strings.HasPrefix(err.Error(), "trama.yaml:1:15: trusted_keys: want keys by name") {
		t.Errorf("a list: %v", err)
	}
}
