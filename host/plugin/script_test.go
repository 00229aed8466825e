package plugin

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trama-run/trama/host/grant"
	"github.com/trama-run/trama/pdk/abi"
)

// javascript is a world with the JavaScript plugin in it, granted.
func javascript(t *testing.T) *world {
	t.Helper()
	wasm, err := os.ReadFile("../../plugins/javascript/javascript.wasm")
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	w.put(t, "javascript.wasm", wasm)
	w.SetGrants([]grant.Grant{{Plugin: "javascript", Of: "sha256:" + w.status(t).Digest, Egress: []string{abi.EgressConnection}, Limits: grant.Limits{Memory: 64 * grant.MiB}}})
	return w
}

// run runs a script, or gives the code and message of its error.
func (w *world) run(t *testing.T, code, input string) string {
	t.Helper()
	out, _, err := w.Call(t.Context(), Call{Plugin: "javascript", Export: abi.FuncRun, Code: code, Input: []byte(`{"input":` + input + `,"flow":{},"user":{},"env":{}}`)})
	if err != nil {
		return err.Code + ": " + err.Message
	}
	return string(out)
}

// prepared counts the scripts that are ready.
func (w *world) prepared() int {
	w.scripts.mu.Lock()
	defer w.scripts.mu.Unlock()
	if len(w.scripts.ready) != w.scripts.used.Len() {
		return -1
	}
	return len(w.scripts.ready)
}

// TestScriptsAreReady: a script is prepared once and runs from its image, so
// that no call sees what another left behind, and it fails as it would without.
func TestScriptsAreReady(t *testing.T) {
	w := javascript(t)
	const counts = `globalThis.calls = (globalThis.calls || 0) + 1; return {sum: input.a + input.b, calls}`
	var callers sync.WaitGroup
	for i := range 8 {
		callers.Go(func() {
			for j := range 4 {
				want := fmt.Sprintf(`{"sum":%d,"calls":1}`, i+j)
				if got := w.run(t, counts, fmt.Sprintf(`{"a":%d,"b":%d}`, i, j)); got != want {
					t.Errorf("got %s, want %s", got, want)
				}
			}
		})
	}
	callers.Wait()
	if n := w.prepared(); n != 1 {
		t.Errorf("%d scripts are ready, want 1", n)
	}
	for _, broken := range []string{"return (", "throw new Error('no such order')", "return input.a.b.c"} {
		prepared := w.run(t, broken, "{}")
		code, err := w.table.Load().byName["javascript"].use(t.Context(), terms{memory: int64(64 * grant.MiB)})
		if err != nil || !code.prepares {
			t.Fatalf("it prepares no scripts: %v", err)
		}
		code.prepares = false
		if plain := w.run(t, broken, "{}"); plain != prepared || !strings.Contains(plain, ": ") {
			t.Errorf("%s: fails with %q prepared, with %q else", broken, prepared, plain)
		}
		if got := w.run(t, counts, `{"a":1,"b":2}`); got != `{"sum":3,"calls":1}` {
			t.Errorf("without an image: %s", got)
		}
		code.prepares = true
	}
}

// TestScriptsAreBounded: the least recently used one goes, in number and in
// bytes, and comes back when it is called; all go with their module.
func TestScriptsAreBounded(t *testing.T) {
	w := javascript(t)
	returns := func(n int) {
		t.Helper()
		if got := w.run(t, fmt.Sprintf("return %d", n), "null"); got != fmt.Sprint(n) {
			t.Fatalf("got %s, want %d", got, n)
		}
	}
	has := func(n int) bool {
		w.scripts.mu.Lock()
		defer w.scripts.mu.Unlock()
		for key := range w.scripts.ready {
			if key.code == fmt.Sprintf("return %d", n) {
				return true
			}
		}
		return false
	}
	w.scripts.count = 3
	for _, n := range []int{1, 2, 3, 1, 4} {
		returns(n)
	}
	if w.prepared() != 3 || has(2) || !has(1) {
		t.Errorf("%d scripts are ready; the first of them %v, the second %v", w.prepared(), has(1), has(2))
	}
	one := w.scripts.bytes / 3
	if one <= 0 {
		t.Fatalf("%d bytes of 3 scripts", w.scripts.bytes)
	}
	w.scripts.size = one*2 + one/2
	returns(5)
	if n := w.prepared(); n != 2 {
		t.Errorf("%d scripts are ready, in bytes for 2", n)
	}
	returns(2)
	g := w.table.Load().byName["javascript"].generation
	g.mu.Lock()
	g.build.drop()
	g.build = nil
	g.mu.Unlock()
	for deadline := time.Now().Add(time.Minute); w.prepared() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("scripts stay without their module")
		}
	}
	if w.scripts.bytes != 0 {
		t.Errorf("%d bytes of no scripts", w.scripts.bytes)
	}
	returns(2)
}

// TestScriptsUnderEviction: calls go on while their images come and go.
func TestScriptsUnderEviction(t *testing.T) {
	w := javascript(t)
	w.scripts.count = 1
	var callers sync.WaitGroup
	for i := range 4 {
		callers.Go(func() {
			for range 10 {
				if got := w.run(t, fmt.Sprintf("return input + %d", i), "1"); got != fmt.Sprint(1+i) {
					t.Errorf("got %s, want %d", got, 1+i)
				}
			}
		})
	}
	callers.Wait()
}

func TestWithCode(t *testing.T) {
	for input, want := range map[string]string{
		`{"input":1}`: `{"code":"a\n\"","input":1}`, ` {} `: `{"code":"a\n\""} `, `[1]`: "", `x`: "",
	} {
		got, err := withCode([]byte(input), "a\n\"")
		if string(got) != want || (err == nil) != (want != "") {
			t.Errorf("%s: %s, %v; want %s", input, got, err, want)
		}
	}
}
