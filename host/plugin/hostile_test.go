package plugin

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/trama-run/trama/host/grant"
)

// header begins a module with the types () -> i32 and () -> ().
const header = "\x00asm\x01\x00\x00\x00" + "\x01\x08\x02\x60\x00\x01\x7f\x60\x00\x00"

// TestHostileAtLoad: what a file does when it is first run keeps no other from
// being loaded, the start from ending, or a later scan from being made.
func TestHostileAtLoad(t *testing.T) {
	bad := map[string]string{
		// describe: call describe, add 1
		"aaa_describe_recurses.wasm": header + "\x03\x02\x01\x00" + "\x07\x0c\x01\x08describe\x00\x00" + "\x0a\x09\x01\x07\x00\x10\x00\x41\x01\x6a\x0b",
		// describe: loop for ever
		"aab_describe_spins.wasm": header + "\x03\x02\x01\x00" + "\x07\x0c\x01\x08describe\x00\x00" + "\x0a\x0b\x01\x09\x00\x03\x40\x0c\x00\x0b\x41\x00\x0b",
		// describe: unreachable
		"aac_describe_traps.wasm": header + "\x03\x02\x01\x00" + "\x07\x0c\x01\x08describe\x00\x00" + "\x0a\x05\x01\x03\x00\x00\x0b",
		// describe: 0; _initialize: call _initialize, twice
		"aad_initialize_recurses.wasm": header + "\x03\x03\x02\x00\x01" + "\x07\x1a\x02\x08describe\x00\x00\x0b_initialize\x00\x01" + "\x0a\x0d\x02\x04\x00\x41\x00\x0b\x06\x00\x10\x01\x10\x01\x0b",
		// describe: 0; the start function likewise
		"aae_start_recurses.wasm": header + "\x03\x03\x02\x00\x01" + "\x07\x0c\x01\x08describe\x00\x00" + "\x08\x01\x01" + "\x0a\x0d\x02\x04\x00\x41\x00\x0b\x06\x00\x10\x01\x10\x01\x0b",
	}
	w := newWorld(t)
	code := guest(t, "json", "")
	w.SetGrants([]grant.Grant{{Plugin: "adder", Of: "sha256:" + Digest(code, []byte(sidecarText))}})
	bad["zzz.wasm"], bad["zzz.yaml"] = string(code), sidecarText
	for name, content := range bad {
		if err := os.WriteFile(filepath.Join(w.dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // the second sees that nothing changed
		done := make(chan error, 1)
		go func() { done <- w.Scan(t.Context()) }()
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(2 * time.Minute):
			t.Fatal("the scan does not end")
		}
	}
	if !w.Scanned() {
		t.Error("the directories are not read, so the host is not ready")
	}
	if got, want := len(w.List()), len(bad)-1; got != want {
		t.Errorf("%d files are listed, want %d", got, want)
	}
	for _, s := range w.List() {
		want := StateBroken
		if filepath.Base(s.File) == "zzz.wasm" {
			want = StateReady
		}
		if strings.Contains(s.File, "describe_spins") && !strings.Contains(s.Reason, "nothing raises it for describe") {
			t.Errorf("%s: %s", s.File, s.Reason)
		}
		if s.State != want || want == StateBroken && s.Reason == "" {
			t.Errorf("%s is %s (%.200s), want %s", s.File, s.State, s.Reason, want)
		}
	}
	if out, err := w.total(t); err != nil || out != `{"total":15,"items":1}` {
		t.Errorf("call: %s, %v", out, err)
	}
}
