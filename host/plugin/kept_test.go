package plugin

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/trama-run/trama/pdk/abi"
)

// on calls a content of adder by its digest, and says whether it was that
// content's code that ran.
func (w *world) on(t *testing.T, digest string) *abi.Error {
	t.Helper()
	p, ok := w.table.Load().find("adder", digest)
	if ok {
		p.end()
		p.ended = false
	}
	out, _, err := w.Call(t.Context(), Call{Plugin: "adder", Digest: digest, Export: "total", Input: []byte(`{"items":[{"price":5,"quantity":3}]}`)})
	if err == nil && (string(out) != `{"total":15,"items":1}` || !p.loaded()) {
		t.Errorf("content %s: %s, its own code: %v", digest, out, p.loaded())
	}
	return err
}

// retired lists retired contents as "digest sessions".
func (w *world) retired() string {
	var list []string
	for _, s := range w.List() {
		if s.State == StateRetired {
			list = append(list, fmt.Sprintf("%s %d", s.Digest, s.Sessions))
		}
	}
	return strings.Join(list, ", ")
}

// restart gives another registry over the same directories.
func (w *world) restart(t *testing.T) *world {
	t.Helper()
	w.Close()
	again := &world{dir: w.dir, Registry: New(w.config)}
	again.grants = w.grants
	t.Cleanup(again.Close)
	again.scan(t)
	return again
}

// TestSessionsEndOnTheirContent: what a session began with answers it, when
// the file has another content, after a restart, and when the file is gone,
// for as long as it is granted.
func TestSessionsEndOnTheirContent(t *testing.T) {
	w := newWorld(t)
	w.put(t, "adder.yaml", []byte(sidecarText))
	w.put(t, "adder.wasm", guest(t, "json", ""))
	old := w.status(t).Digest
	if got := w.Serving("adder"); got != "" {
		t.Errorf("%q serves before it is granted", got)
	}
	w.SetGrants(grantOf(old))
	if got := w.Serving("adder"); got != old {
		t.Errorf("%q serves, want %q", got, old)
	}
	w.put(t, "adder.wasm", guest(t, "json", "v2"))
	now := w.status(t).Digest
	both := append(grantOf(old), grantOf(now)...)
	w.SetGrants(both)
	if got := w.Serving("adder"); got != now {
		t.Errorf("%q serves, want %q", got, now)
	}
	for _, again := range []bool{false, true} {
		if again {
			w = w.restart(t)
		}
		for _, digest := range []string{old, now, ""} {
			if err := w.on(t, digest); err != nil {
				t.Errorf("restarted %v, content %q: %v", again, digest, err)
			}
		}
		if m, ok := w.ManifestOf("adder", old); !ok || m.Name != "adder" {
			t.Errorf("restarted %v: manifest %+v", again, m)
		}
		if got := w.retired(); got != old+" 0" {
			t.Errorf("restarted %v: retired %q", again, got)
		}
	}
	if _, _, err := w.Call(t.Context(), Call{Plugin: "other", Digest: old, Export: "total"}); err == nil || err.Code != abi.CodeUnavailable {
		t.Errorf("called under another plugin's name: %v", err)
	}

	w.SetGrants(grantOf(now))
	err := w.on(t, old)
	if err == nil || err.Code != abi.CodeUnavailable || !strings.Contains(err.Message, "not granted any more") || !strings.Contains(err.Message, `of: "sha256:`+old) {
		t.Errorf("revoked: %v, want unavailable and the line that gives it back", err)
	}
	if err := w.on(t, ""); err != nil {
		t.Errorf("the present content, when the old one is revoked: %v", err)
	}
	w.SetGrants(both)
	if err := w.on(t, old); err != nil {
		t.Errorf("granted again: %v", err)
	}

	for _, name := range []string{"adder.wasm", "adder.yaml"} {
		if err := os.Remove(filepath.Join(w.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	w.scan(t)
	for _, digest := range []string{old, now} {
		if err := w.on(t, digest); err != nil {
			t.Errorf("the file is gone, content %s: %v", digest, err)
		}
	}
	if err := w.Ready("adder"); err == nil || !strings.Contains(err.Message, "not installed") {
		t.Errorf("the file is gone, new runs: %v", err)
	}
	if err := w.on(t, strings.Repeat("0", 64)); err == nil || !strings.Contains(err.Message, "not kept any more") {
		t.Errorf("a content that never was: %v", err)
	}
}

// TestSweep removes what no session began with, files and all, and not before
// it has lingered.
func TestSweep(t *testing.T) {
	w := newWorld(t)
	w.put(t, "adder.yaml", []byte(sidecarText))
	var digests []string
	for _, mark := range []string{"v1", "v2", "v3"} {
		w.put(t, "adder.wasm", guest(t, "json", mark))
		digests = append(digests, w.status(t).Digest)
		w.SetGrants(append(w.grants, grantOf(w.status(t).Digest)...))
	}
	w.put(t, "adder.wasm", guest(t, "json", "never granted"))
	w.put(t, "adder.wasm", guest(t, "json", "v3"))
	if !w.Retired() {
		t.Fatal("nothing is retired")
	}
	sweep := func(sessions map[string]int, want string) {
		t.Helper()
		if err := w.Sweep(sessions); err != nil {
			t.Fatal(err)
		}
		if got := w.retired(); got != want {
			t.Errorf("retired %q, want %q", got, want)
		}
	}
	kept := func() int {
		files, err := os.ReadDir(w.keptDir())
		if err != nil {
			t.Fatal(err)
		}
		return len(files)
	}
	lines := func(list ...string) string { return strings.Join(list, ", ") }
	first, second := digests[0]+" 0", digests[1]+" 7"
	if digests[0] > digests[1] {
		first, second = second, first
	}
	sweep(map[string]int{digests[1]: 7}, lines(first, second))
	if n := kept(); n != 6 {
		t.Errorf("%d files are kept, want two for each content that served", n)
	}
	w.config.Linger = time.Nanosecond
	sweep(map[string]int{digests[1]: 7}, digests[1]+" 7")
	if err := w.on(t, digests[1]); err != nil {
		t.Errorf("what a session began with: %v", err)
	}
	if err := w.on(t, digests[0]); err == nil || !strings.Contains(err.Message, "not kept any more") {
		t.Errorf("what none began with: %v", err)
	}
	sweep(nil, "")
	if n := kept(); n != 2 {
		t.Errorf("%d files are kept, want those of the present content", n)
	}
	if err := w.on(t, ""); err != nil {
		t.Errorf("the present content: %v", err)
	}
}

// TestServesOverRestart: a content that waits, or is broken, leaves the former
// one serving, also if the host is started anew in between.
func TestServesOverRestart(t *testing.T) {
	for name, next := range map[string][]byte{"pending": guest(t, "json", "v2"), "broken": []byte("garbage")} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.put(t, "adder.yaml", []byte(sidecarText))
			w.put(t, "adder.wasm", guest(t, "json", ""))
			old := w.status(t).Digest
			w.SetGrants(grantOf(old))
			if err := os.WriteFile(filepath.Join(w.dir, "adder.wasm"), next, 0o644); err != nil {
				t.Fatal(err)
			}
			w = w.restart(t)
			if s := w.status(t); s.Serving != old || string(s.State) != name {
				t.Errorf("%+v, want it %s beside %s", s, name, old)
			}
			if err := w.on(t, ""); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestBundledServesItsSessions: a plugin of an older build is not bundled any
// more, but its sessions end on it.
func TestBundledServesItsSessions(t *testing.T) {
	w := newWorld(t)
	w.put(t, "adder.yaml", []byte(sidecarText))
	w.put(t, "adder.wasm", guest(t, "json", ""))
	old, now := w.status(t).Digest, Digest(guest(t, "json", "v2"), []byte(sidecarText))
	w.config.Bundled = []string{old}
	w = w.restart(t)
	if err := w.on(t, ""); err != nil {
		t.Fatal(err)
	}
	w.config.Bundled = []string{now}
	if err := os.WriteFile(filepath.Join(w.dir, "adder.wasm"), guest(t, "json", "v2"), 0o644); err != nil {
		t.Fatal(err)
	}
	w = w.restart(t)
	if err := w.on(t, old); err != nil {
		t.Errorf("a session of the older build: %v", err)
	}
	// As a file it is one that waits, like any other.
	if err := os.WriteFile(filepath.Join(w.dir, "adder.wasm"), guest(t, "json", ""), 0o644); err != nil {
		t.Fatal(err)
	}
	w.scan(t)
	if s := w.status(t); s.State != StatePending || s.Serving != now {
		t.Errorf("the older build's file: %+v", s)
	}
}

// TestIdleCodeLeaves: code that nobody calls leaves the memory, and comes back
// with the next call.
func TestIdleCodeLeaves(t *testing.T) {
	w := newWorld(t)
	w.config.Idle = 20 * time.Millisecond
	w.put(t, "adder.yaml", []byte(sidecarText))
	w.put(t, "adder.wasm", guest(t, "json", ""))
	w.SetGrants(grantOf(w.status(t).Digest))
	g := w.table.Load().byName["adder"].generation
	for range 3 {
		if out, err := w.total(t); err != nil || out != `{"total":15,"items":1}` {
			t.Fatalf("call: %s, %v", out, err)
		}
		for deadline := time.Now().Add(time.Minute); g.loaded(); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("the code does not leave")
			}
		}
	}
}
