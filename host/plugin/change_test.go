package plugin

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/trama-run/trama/host/grant"
	"github.com/trama-run/trama/host/sandbox"
	"github.com/trama-run/trama/pdk/abi"
)

// TestGrantsUnderCalls: while a grant comes and goes, a call runs under the
// grant or is told that the plugin is pending. There is nothing between: code
// without a grant, with no limit set.
func TestGrantsUnderCalls(t *testing.T) {
	w := newWorld(t)
	w.put(t, "adder.yaml", []byte(sidecarText))
	w.put(t, "adder.wasm", guest(t, "json", ""))
	grants := grantOf(w.status(t).Digest)
	w.SetGrants(grants)
	if _, err := w.total(t); err != nil { // compiled
		t.Fatal(err)
	}
	stop := time.Now().Add(time.Second)
	var all sync.WaitGroup
	all.Go(func() {
		for time.Now().Before(stop) {
			w.SetGrants(nil)
			w.SetGrants(grants)
		}
	})
	for range 4 {
		all.Go(func() {
			for time.Now().Before(stop) {
				out, err := w.total(t)
				if err == nil && out == `{"total":15,"items":1}` || err != nil && err.Code == abi.CodeUnavailable {
					continue
				}
				t.Errorf("call: %s, %v; want the answer, or unavailable", out, err)
				return
			}
		})
	}
	all.Wait()
}

// TestRevokeWaitsForNothing: grants change while a file is read that never
// ends, and while code is compiled that never ends.
func TestRevokeWaitsForNothing(t *testing.T) {
	w := newWorld(t)
	w.put(t, "adder.yaml", []byte(sidecarText))
	w.put(t, "adder.wasm", guest(t, "json", ""))
	grants := grantOf(w.status(t).Digest)
	w.SetGrants(grants)

	g := w.table.Load().byName["adder"].generation
	endless := &build{terms: terms{memory: int64(grant.Default().Memory)}, cancel: func() {}, done: make(chan struct{}), scripts: w.scripts}
	g.build = endless
	called := make(chan *abi.Error, 1)
	go func() {
		_, _, err := w.Call(t.Context(), Call{Plugin: "adder", Export: "total", Timeout: 50 * time.Millisecond})
		called <- err
	}()
	within(t, "a call of code that is still being compiled", func() {
		if err := <-called; err == nil || err.Code != abi.CodeUnavailable {
			t.Errorf("the call: %v, want unavailable, retryable", err)
		}
	})

	wasm, err := os.ReadFile("../../build/plugins/xml.wasm")
	if err != nil {
		t.Fatalf("%v: run make build first", err)
	}
	slow := filepath.Join(w.config.CacheDir, "manifests", Digest(wasm, nil)+".json") // a pipe: to open it waits for a writer
	if err := errors.Join(os.MkdirAll(filepath.Dir(slow), 0o700), syscall.Mkfifo(slow, 0o600), os.WriteFile(filepath.Join(w.dir, "xml.wasm"), wasm, 0o600)); err != nil {
		t.Fatal(err)
	}
	scanned := make(chan error, 1)
	go func() { scanned <- w.Scan(context.Background()) }()
	time.Sleep(100 * time.Millisecond) // until it reads
	within(t, "revoking a grant", func() { w.SetGrants(nil) })
	if err := w.Ready("adder"); err == nil || !strings.Contains(err.Message, "pending") {
		t.Errorf("after the grant is gone: %v", err)
	}
	within(t, "retiring what is being compiled", g.end)

	writer, err := os.OpenFile(slow, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := writer.WriteString(`{"name": "xml", "version": "1.0.0", "abi": 1, "kind": "connector", "operations": [{"name": "to_json", "effect": "pure"}]}`); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-scanned; err != nil {
		t.Error(err)
	}
	close(endless.done)
}

// within fails the test if f takes long.
func within(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatalf("%s hangs", what)
	}
}

// TestOneCompilation: calls that come together share it.
func TestOneCompilation(t *testing.T) {
	w := newWorld(t)
	w.put(t, "adder.yaml", []byte(sidecarText))
	w.put(t, "adder.wasm", guest(t, "json", ""))
	w.SetGrants(grantOf(w.status(t).Digest))
	g := w.table.Load().byName["adder"].generation
	first, err := g.building(terms{memory: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	if second, err := g.building(terms{memory: 1 << 20}); err != nil || second != first {
		t.Errorf("the second call compiles for itself: %v", err)
	}
	other, err := g.building(terms{memory: 2 << 20})
	if err != nil || other == first {
		t.Errorf("another memory limit has the same code: %v", err)
	}
	if _, err := g.use(t.Context(), terms{memory: 2 << 20}); err != nil {
		t.Error(err)
	}
	g.end()
	if _, err := g.use(t.Context(), terms{memory: 2 << 20}); err != errEnded {
		t.Errorf("after it is retired: %v", err)
	}
}

// TestSidecarIsGranted: what is granted covers the manifest beside the file.
func TestSidecarIsGranted(t *testing.T) {
	w := newWorld(t)
	wasm := guest(t, "json", "")
	w.put(t, "adder.yaml", []byte(sidecarText))
	w.put(t, "adder.wasm", wasm)
	old := w.status(t)
	if old.Digest != Digest(wasm, []byte(sidecarText)) || old.Digest == Digest(wasm, nil) {
		t.Fatalf("digest %s does not cover the manifest", old.Digest)
	}
	w.SetGrants(grantOf(old.Digest))
	edited := strings.Replace(sidecarText, "pure", "unsafe", 1)
	w.put(t, "adder.yaml", []byte(edited))
	now := w.status(t)
	if now.State != StatePending || now.Digest != Digest(wasm, []byte(edited)) || now.Serving != old.Digest {
		t.Fatalf("an edited manifest: %+v, want it pending beside the old one", now)
	}
	effect := func() abi.Effect {
		operations, _ := w.Operations("adder")
		return operations[0].Effect
	}
	if effect() != abi.EffectPure {
		t.Errorf("effect %s holds before it is granted", effect())
	}
	w.SetGrants(grantOf(now.Digest))
	if effect() != abi.EffectUnsafe {
		t.Errorf("effect %s, want the edited one", effect())
	}
	m, digest, err := Inspect(t.Context(), w.config.Sandbox, filepath.Join(w.dir, "adder.wasm"))
	if err != nil || digest != now.Digest || m.Name != "adder" {
		t.Errorf("inspect: %s %s, %v; want digest %s", m.Name, digest, err, now.Digest)
	}
}

// TestFormerServes: what was granted serves until its successor is granted or
// its own grant is gone, whatever comes between.
func TestFormerServes(t *testing.T) {
	w := newWorld(t)
	w.put(t, "adder.yaml", []byte(sidecarText))
	w.put(t, "adder.wasm", guest(t, "json", ""))
	old := w.status(t).Digest
	w.SetGrants(grantOf(old))
	serving := func(what, want string) {
		t.Helper()
		if got := w.status(t).Serving; got != want {
			t.Errorf("%s: %q serves, want %q", what, got, want)
		}
		if _, err := w.total(t); (err == nil) != (want != "" || w.status(t).State == StateReady) {
			t.Errorf("%s: call: %v", what, err)
		}
	}
	w.put(t, "adder.wasm", guest(t, "json", "v2"))
	serving("a pending content", old)
	w.put(t, "adder.wasm", []byte("garbage"))
	serving("a refused content", old)
	w.put(t, "adder.wasm", guest(t, "json", "v3"))
	serving("another pending content", old)
	w.SetGrants(nil)
	serving("no grant at all", "")
	w.SetGrants(grantOf(old))
	serving("the old grant again", old)
	w.put(t, "adder.wasm", guest(t, "json", ""))
	if s := w.status(t); s.State != StateReady || s.Digest != old {
		t.Errorf("put back: %+v", s)
	}
	serving("put back", "")
	w.put(t, "adder.wasm", guest(t, "json", "v4"))
	w.SetGrants(append(grantOf(old), grantOf(w.status(t).Digest)...))
	serving("a granted successor", "")
	w.SetGrants(grantOf(old))
	serving("the successor revoked", "")
}

// TestFailureIsRemembered: code that can't begin is tried once, and says so,
// until the file or its memory limit changes.
func TestFailureIsRemembered(t *testing.T) {
	w := newWorld(t)
	w.put(t, "adder.yaml", []byte(sidecarText))
	w.put(t, "adder.wasm", guest(t, "json", ""))
	grants := grantOf(w.status(t).Digest)
	grants[0].Limits.Memory = 64 * grant.KiB // it begins with 192 KiB
	w.SetGrants(grants)
	if s := w.status(t); s.State != StateReady {
		t.Fatalf("before the first call: %+v", s)
	}
	if _, err := w.total(t); err == nil || !strings.Contains(err.Message, "memory") {
		t.Fatalf("the first call: %v, want the limit", err)
	}
	g := w.table.Load().byName["adder"].generation
	tried := g.build
	if s := w.status(t); s.State != StateBroken || !strings.Contains(s.Reason, "memory") || s.Remedy == "" {
		t.Errorf("after it: %+v", s)
	}
	if _, err := w.total(t); err == nil || err.Code != abi.CodeUnavailable || g.build != tried {
		t.Errorf("the second call: %v, want unavailable, and nothing compiled", err)
	}
	later := time.Now().Add(time.Second)
	if err := os.Chtimes(filepath.Join(w.dir, "adder.wasm"), later, later); err != nil {
		t.Fatal(err)
	}
	w.scan(t)
	if s := w.status(t); s.State != StateReady {
		t.Errorf("a touched file: %+v", s)
	}
	if _, err := w.total(t); err == nil {
		t.Error("it runs with less memory than it begins with")
	}
	grants[0].Limits.Memory = grant.MiB
	w.SetGrants(grants)
	if _, err := w.total(t); err != nil {
		t.Errorf("with memory enough: %v", err)
	}
}

// TestSidecarThatIsNoFile: a manifest that never ends is not read.
func TestSidecarThatIsNoFile(t *testing.T) {
	w := newWorld(t)
	if err := syscall.Mkfifo(filepath.Join(w.dir, "adder.yaml"), 0o600); err != nil {
		t.Fatal(err)
	}
	within(t, "a scan", func() { w.put(t, "adder.wasm", guest(t, "json", "")) })
	if s := w.status(t); s.State != StateBroken || !strings.Contains(s.Reason, "adder.yaml: it is not a regular file") {
		t.Errorf("state %s, reason %q", s.State, s.Reason)
	}
}

// TestMachineFailureIsNotRemembered: a compiler that can't be started says
// nothing of the plugin, so the next call tries again.
func TestMachineFailureIsNotRemembered(t *testing.T) {
	w := newWorld(t)
	box, err := sandbox.Open(sandbox.Config{Compiler: []string{"/nowhere/compiler"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := box.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	w.config.Sandbox, box = box, w.config.Sandbox
	w.put(t, "adder.yaml", []byte(sidecarText))
	w.put(t, "adder.wasm", guest(t, "json", ""))
	w.SetGrants(grantOf(w.status(t).Digest))
	if _, err := w.total(t); err == nil || !err.Retryable || !strings.Contains(err.Message, "/nowhere/compiler") {
		t.Errorf("without a compiler: %v, want a retryable error that names it", err)
	}
	if s := w.status(t); s.State != StateReady {
		t.Errorf("after it: %+v", s)
	}
	w.table.Load().byName["adder"].sandbox, box = box, w.config.Sandbox
	if _, err := w.total(t); err != nil {
		t.Errorf("with a compiler: %v", err)
	}
}

// TestOptions: an image is warmed by the first example that needs nothing
// outside, and there is none where the manifest says so.
func TestOptions(t *testing.T) {
	example := func(input string, http ...abi.HTTPExchange) abi.Example {
		return abi.Example{Input: json.RawMessage(input), HTTP: http}
	}
	m := abi.Manifest{Operations: []abi.Operation{
		{Name: "put", Effect: abi.EffectUnsafe, Examples: []abi.Example{example("1")}},
		{Name: "look", Effect: abi.EffectPure, Examples: []abi.Example{example("2", abi.HTTPExchange{})}},
		{Name: "sum", Export: "total", Effect: abi.EffectPure, Examples: []abi.Example{example("3"), example("4")}},
	}}
	want := sandbox.Options{Memory: 5, Warm: []sandbox.Warm{{Export: "total", Input: []byte("3")}}}
	if got := Options(m, 5, nil); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	for image, fresh := range map[string]bool{"": false, "image: none\n": true} {
		w := newWorld(t)
		w.put(t, "adder.yaml", []byte(sidecarText+image))
		w.put(t, "adder.wasm", guest(t, "json", ""))
		w.SetGrants(grantOf(w.status(t).Digest))
		if _, err := w.total(t); err != nil {
			t.Fatal(err)
		}
		if code := w.table.Load().byName["adder"].build; (code.module.Fresh() != "") != fresh {
			t.Errorf("%q: fresh is %q", image, code.module.Fresh())
		}
	}
}
