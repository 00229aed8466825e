package plugin

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestWhatIsNoModuleIsNotRead: a pipe has no end, and a huge file would fill
// the memory before anybody looked at it.
func TestWhatIsNoModuleIsNotRead(t *testing.T) {
	for name, c := range map[string]struct {
		make func(path string) error
		says string
	}{
		"a pipe": {func(path string) error { return syscall.Mkfifo(path, 0o600) }, "not a regular file"},
		"a huge file": {func(path string) error {
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				return err
			}
			return os.Truncate(path, 1<<40)
		}, "a module has at most"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if err := c.make(filepath.Join(w.dir, "odd.wasm")); err != nil {
				t.Fatal(err)
			}
			w.scan(t)
			if s := w.status(t); s.State != StateBroken || !strings.Contains(s.Reason, c.says) {
				t.Errorf("state %s, reason %q; want broken, %q", s.State, s.Reason, c.says)
			}
		})
	}
}

// TestDescribeSaysOneThing: testdata/twofaced.wat asks a coin which of two
// manifests it gives. What was inspected is what every host must see.
func TestDescribeSaysOneThing(t *testing.T) {
	if _, err := exec.LookPath("wat2wasm"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("wat2wasm is missing: apt-get install wabt")
		}
		t.Skip("wat2wasm is missing (apt-get install wabt)")
	}
	file := filepath.Join(t.TempDir(), "twofaced.wasm")
	if output, err := exec.Command("wat2wasm", "testdata/twofaced.wat", "-o", file).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	module, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	var first []byte
	for i := range 20 {
		manifest, err := describe(t.Context(), w.config.Sandbox, module)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = manifest
		}
		if _, err := ParseManifest(manifest); err != nil || !bytes.Equal(manifest, first) {
			t.Fatalf("describe %d gives %s, %v; the first gave %s", i, manifest, err, first)
		}
	}
}

// TestSidecarValues: values of a manifest in YAML are what they are in JSON.
func TestSidecarValues(t *testing.T) {
	m, err := parseSidecar("adder.yaml", []byte(sidecarText[:strings.Index(sidecarText, "operations")]+
		`operations: [{name: total, effect: pure, examples: [{input: {day: 2026-01-02, n: 12345678901234567890, yes: no}}]}]`))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(m.Operations[0].Examples[0].Input), `{"day":"2026-01-02","n":12345678901234567890,"yes":"no"}`; got != want {
		t.Errorf("the input is %s, want %s", got, want)
	}
	_, err = parseSidecar("adder.yaml", []byte("name: a\nname: b\n"))
	if err == nil || !strings.HasPrefix(err.Error(), "adder.yaml:2:1: ") {
		t.Errorf("a second name: %v", err)
	}
}
