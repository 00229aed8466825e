package plugin

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trama-run/trama/host/egress"
	"github.com/trama-run/trama/host/grant"
	"github.com/trama-run/trama/host/sandbox"
	"github.com/trama-run/trama/host/secret"
	"github.com/trama-run/trama/pdk/abi"
)

const sidecarText = `name: adder
version: 1.0.0
abi: 1
kind: connector
operations: [{name: total, effect: pure}]
`

// guest reads a module of the sandbox's tests; one with a mark is a content
// of its own that does the same.
func guest(t *testing.T, name, mark string) []byte {
	t.Helper()
	wasm, err := os.ReadFile("../sandbox/testdata/" + name + ".wasm")
	if err != nil {
		t.Fatal(err)
	}
	if mark != "" { // a custom section
		wasm = append(wasm, append([]byte{0, byte(len(mark) + 1), byte(len(mark))}, mark...)...)
	}
	return wasm
}

type world struct {
	*Registry
	dir string
}

// built gives the path of something in build/, where `make build` leaves what
// these tests need: under the race detector this process would compile plugins
// ten times as slowly as the built binary.
func built(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("..", "..", "build", name))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func newWorld(t *testing.T) *world {
	t.Helper()
	box, err := sandbox.Open(sandbox.Config{CacheDir: built(t, "testcache/code"), Compiler: []string{built(t, "trama"), "compile-module"}})
	if err != nil {
		t.Fatal(err)
	}
	secrets := secret.New(nil, "")
	w := &world{dir: t.TempDir()}
	w.Registry = New(Config{
		Dirs: []string{w.dir}, DataDir: t.TempDir(), CacheDir: t.TempDir(), Sandbox: box,
		Egress: egress.New(egress.Config{Secrets: secrets}), Secrets: secrets, Log: slog.New(slog.DiscardHandler),
	})
	t.Cleanup(func() {
		w.Close()
		if err := box.Close(t.Context()); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
	})
	return w
}

// put writes a file with a time of its own, so that a same-sized content is
// seen as changed, and scans.
func (w *world) put(t *testing.T, name string, data []byte) {
	t.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	w.scan(t)
}

func (w *world) scan(t *testing.T) {
	t.Helper()
	if err := w.Scan(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (w *world) status(t *testing.T) Status {
	t.Helper()
	list := w.List()
	files := slices.DeleteFunc(slices.Clone(list), func(s Status) bool { return s.State == StateRetired })
	if len(files) != 1 {
		t.Fatalf("%d files listed, want 1: %+v", len(files), list)
	}
	return files[0]
}

func (w *world) total(t *testing.T) (string, *abi.Error) {
	t.Helper()
	out, _, err := w.Call(t.Context(), Call{Plugin: "adder", Export: "total", Input: []byte(`{"items":[{"price":5,"quantity":3}]}`)})
	return string(out), err
}

func grantOf(digest string) []grant.Grant {
	return []grant.Grant{{Plugin: "adder", Of: "sha256:" + digest}}
}

func TestFromFileToCall(t *testing.T) {
	w := newWorld(t)
	if err := w.Ready("adder"); err == nil || !strings.Contains(err.Message, "being read") {
		t.Errorf("before the first scan: %v", err)
	}
	w.put(t, "adder.yaml", []byte(sidecarText))
	w.put(t, "adder.wasm", guest(t, "json", ""))
	s := w.status(t)
	if s.State != StatePending || s.Digest == "" || s.Remedy == "" || s.Manifest.Name != "adder" {
		t.Fatalf("a file without a grant: %+v", s)
	}
	if _, err := w.total(t); err == nil || err.Code != abi.CodeUnavailable || !strings.Contains(err.Message, "pending") {
		t.Errorf("calling it: %v, want unavailable, pending", err)
	}
	w.SetGrants(grantOf(s.Digest))
	if s = w.status(t); s.State != StateReady || s.Grant == nil {
		t.Fatalf("granted: %+v", s)
	}
	if out, err := w.total(t); err != nil || out != `{"total":15,"items":1}` {
		t.Errorf("call: %s, %v", out, err)
	}

	// A changed file needs a grant of its own.
	w.put(t, "adder.wasm", guest(t, "json", "v2"))
	if now := w.status(t); now.State != StatePending || !strings.Contains(now.Reason, "another content") || now.Serving != s.Digest {
		t.Errorf("a changed file: %+v, want it pending and %s serving", now, s.Digest)
	}
	if out, err := w.total(t); err != nil || out != `{"total":15,"items":1}` {
		t.Errorf("call while the new content waits: %s, %v", out, err)
	}
	w.SetGrants(append(grantOf(s.Digest), grantOf(w.status(t).Digest)...))
	if out, err := w.total(t); err != nil || out != `{"total":15,"items":1}` {
		t.Errorf("call of the new content: %s, %v", out, err)
	}

	// A file that can't be used leaves the old content serving.
	w.put(t, "adder.wasm", []byte("not wasm at all"))
	s = w.status(t)
	if s.State != StateBroken || s.Serving == "" || s.Serving == s.Digest || s.Reason == "" || s.Remedy == "" {
		t.Errorf("a broken file: %+v", s)
	}
	if out, err := w.total(t); err != nil || out == "" {
		t.Errorf("call beside a broken file: %s, %v", out, err)
	}

	for _, name := range []string{"adder.wasm", "adder.yaml"} {
		if err := os.Remove(filepath.Join(w.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	w.scan(t)
	if _, err := w.total(t); err == nil || !strings.Contains(err.Message, "not installed") {
		t.Errorf("call after the file is gone: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		name, wasm, sidecar, want string
	}{
		{"no manifest", "json", "", `exports no "describe"`},
		{"another abi", "json", strings.Replace(sidecarText, "abi: 1", "abi: 7", 1), "plugin wants abi 7, host has abi 1"},
		{"unknown field", "json", sidecarText + "egress: all\n", "egress: unknown field; there are"},
		{"bad effect", "json", strings.Replace(sidecarText, "pure", "harmless", 1), `operations[0].effect: operation "total": effect "harmless": want pure`},
		{"missing export", "json", strings.Replace(sidecarText, "name: total", "name: sum", 1), `the function "sum", which the module does not export`},
		{"a channel without its functions", "json", strings.Replace(sidecarText, "connector", "channel", 1), `"receive"`},
		{"not yaml", "json", "name: [", "adder.yaml"},
		{"a function of the host that the manifest does not ask for", "system",
			strings.Replace(sidecarText, "total", "clock", 1) + "capabilities: {secrets: [{name: key}], sign: [HS256], kv_bytes: 1024}\n",
			"the module imports trama:host/v1.http_send, but its manifest asks for no egress"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			if c.sidecar != "" {
				w.put(t, "adder.yaml", []byte(c.sidecar))
			}
			w.put(t, "adder.wasm", guest(t, c.wasm, ""))
			if s := w.status(t); s.State != StateBroken || !strings.Contains(s.Reason, c.want) {
				t.Errorf("state %s, reason %q; want broken with %q", s.State, s.Reason, c.want)
			}
		})
	}
}

func TestTwoFilesOfOneName(t *testing.T) {
	w := newWorld(t)
	w.put(t, "a.yaml", []byte(sidecarText))
	w.put(t, "a.wasm", guest(t, "json", ""))
	w.put(t, "b.yaml", []byte(sidecarText))
	w.put(t, "b.wasm", guest(t, "json", "b"))
	list := w.List()
	if len(list) != 2 || list[1].State != StateBroken || !strings.Contains(list[1].Reason, filepath.Join(w.dir, "a.wasm")) {
		t.Fatalf("got %+v, want the second refused, naming the first", list)
	}
}

// TestManifestIsCached: a second start runs no plugin to learn its manifest.
func TestManifestIsCached(t *testing.T) {
	const built = "../../build/plugins/xml.wasm"
	wasm, err := os.ReadFile(built)
	if err != nil {
		t.Fatalf("%v: run make build first", err)
	}
	w := newWorld(t)
	w.put(t, "xml.wasm", wasm)
	first := w.status(t)
	if first.Name != "xml" || first.Manifest == nil || len(first.Manifest.Operations) == 0 {
		t.Fatalf("xml: %+v", first)
	}
	cached := filepath.Join(w.config.CacheDir, "manifests", first.Digest+".json")
	data, err := os.ReadFile(cached)
	if err != nil {
		t.Fatal(err)
	}
	var m abi.Manifest
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	m.Title = "from the cache"
	if data, err = json.Marshal(m); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(cached, data, 0o600); err != nil {
		t.Fatal(err)
	}
	again := New(w.config)
	defer again.Close()
	if err := again.Scan(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := again.List()[0].Manifest.Title; got != "from the cache" {
		t.Errorf("title %q: the manifest was not taken from the cache", got)
	}
}

// TestReplaceUnderCalls: calls end on the content that they began with, and
// none fails because the file was replaced.
func TestReplaceUnderCalls(t *testing.T) {
	w := newWorld(t)
	w.put(t, "adder.yaml", []byte(sidecarText))
	w.put(t, "adder.wasm", guest(t, "json", ""))
	grants := grantOf(w.status(t).Digest)
	for _, mark := range []string{"v1", "v2", "v3"} {
		grants = append(grants, grantOf(Digest(guest(t, "json", mark), []byte(sidecarText)))...)
	}
	w.SetGrants(grants)
	stop := time.Now().Add(time.Second)
	var callers sync.WaitGroup
	for range 4 {
		callers.Go(func() {
			for time.Now().Before(stop) {
				if out, err := w.total(t); err != nil || out != `{"total":15,"items":1}` {
					t.Errorf("call: %s, %v", out, err)
					return
				}
			}
		})
	}
	for _, mark := range []string{"v1", "v2", "v3"} {
		time.Sleep(200 * time.Millisecond)
		w.put(t, "adder.wasm", guest(t, "json", mark))
	}
	callers.Wait()
}

func TestDamagedCopyIsMadeAgain(t *testing.T) {
	w := newWorld(t)
	w.put(t, "adder.yaml", []byte(sidecarText))
	w.put(t, "adder.wasm", guest(t, "json", ""))
	digest := w.status(t).Digest
	w.SetGrants(grantOf(digest))
	stored := filepath.Join(w.config.DataDir, "plugins", Digest(guest(t, "json", ""), nil)+".wasm")
	if err := os.WriteFile(stored, []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := w.total(t); err != nil || out != `{"total":15,"items":1}` {
		t.Errorf("call with a damaged copy: %s, %v", out, err)
	}
}
