package sandbox

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trama-run/trama/pdk/abi"
)

// TestFreshInstances: the counter in a guest's memory shows what calls see of
// each other: nothing, however the calls before have ended.
func TestFreshInstances(t *testing.T) {
	m := load(t, "portable")
	count := func() string {
		t.Helper()
		got, err := call(m, "count", "")
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(got.Output))
	}
	if a, b := count(), count(); a != "1" || b != "1" {
		t.Errorf("a call sees what another has counted: got %s, %s", a, b)
	}
	if idle(m) != 1 {
		t.Errorf("%d instances are idle after calls one by one", idle(m))
	}
	for _, export := range []string{"fail_text", "count_and_trap", "count_and_spin", "hoard", "grow", "recurse"} {
		if _, err := m.Call(context.Background(), Call{Export: export, Limits: short()}); err == nil {
			t.Errorf("%s succeeded", export)
		}
		if export != "fail_text" && idle(m) != 0 {
			t.Errorf("%s: its instance is kept", export)
		}
		if got := count(); got != "1" {
			t.Errorf("after %s the counter is %s", export, got)
		}
	}
}

func TestGuestErrors(t *testing.T) {
	m := load(t, "portable")
	for _, test := range []struct{ export, input, code, message, detail string }{
		{"fail_text", "", "error", "it did not work", ""},
		{"fail_json", "", "no_stock", "nothing left", `{"sku":7}`},
		{"fail_input", `{"code":"only_code"}`, "only_code", "only_code", ""},
		{"fail_input", `{"message":"only message"}`, "error", "only message", ""},
		{"fail_input", `{"other":1}`, "error", `{"other":1}`, ""},
		{"fail_input", `{"code":7}`, "error", `{"code":7}`, ""},
		{"fail_input", `{broken`, "error", `{broken`, ""},
		{"fail_silent", "", "error", "the plugin returned code 7 without saying why", ""},
		{"zero_with_error", "", "error", "said so", ""},
		{"error_inside_block", "", "error", "the plugin returned code 3 without saying why", ""},
	} {
		got, err := call(m, test.export, test.input)
		e := kindOf(t, err)
		if a := e.ABI(); e.Kind != KindGuest || a.Code != test.code || a.Message != test.message || string(a.Detail) != test.detail {
			t.Errorf("%s(%s): %s %+v", test.export, test.input, e.Kind, a)
		}
		if len(got.Output) > 0 || e.Export != test.export {
			t.Errorf("%s: output %q beside an error of %q", test.export, got.Output, e.Export)
		}
	}
	_, err := call(m, "fail_json", "")
	var said *abi.Error
	if !errors.As(err, &said) || !said.Retryable {
		t.Errorf("%v does not hold the guest's error", err)
	}
}

func TestExports(t *testing.T) {
	m := load(t, "start")
	for export, text := range map[string]string{
		"with_params": "the export is a function (i32) -> i32; want a function () -> i32",
		"two_results": "the export is a function () -> (i32, i32); want",
		"_initialize": "the export is a function () -> (); want",
		"absent":      `refused in "absent": the plugin has no such export; it has state`,
	} {
		_, err := call(m, export, "")
		if e := kindOf(t, err); e.Kind != KindRefused || e.Err.Code != abi.CodeUnavailable || !strings.Contains(e.Error(), text) {
			t.Errorf("%s: %v", export, e)
		}
	}
	// '0' + 1 by the start section + 10 by the initialiser, each once. What
	// the call adds is gone with it.
	for range 3 {
		if got, err := call(m, "state", ""); string(got.Output) != ";" {
			t.Errorf("state is %q, %v", got.Output, err)
		}
	}
}

// TestEndlessStart: what runs before the first call is under the limits.
func TestEndlessStart(t *testing.T) {
	s := open(t, Config{})
	for name, where := range map[string]string{"start_spin": "start section", "init_spin": "_initialize"} {
		for wait := time.Second / 2; ; wait *= 2 {
			ctx, cancel := context.WithTimeout(context.Background(), wait)
			begun := time.Now()
			_, err := s.Compile(ctx, guest(t, name), Options{Memory: mib})
			cancel()
			e := kindOf(t, err)
			if e.Export == "" && wait < time.Minute {
				continue // it was still being compiled
			}
			if e.Kind != KindTimeout && e.Limit != LimitFuel || e.Export != where || time.Since(begun) > wait+3*time.Second {
				t.Errorf("%s: %v after %v", name, e, time.Since(begun))
			}
			break
		}
	}
}

// TestStartLimits: how long a plugin may take before its first call is nobody's
// to raise, and the error says so.
func TestStartLimits(t *testing.T) {
	_, err := openCached(t).Compile(t.Context(), guest(t, "init_spin"), Options{Memory: mib})
	if e := kindOf(t, err); e.Limit == "" || !strings.Contains(e.Error(), "nothing raises it for what a plugin does before its first call") {
		t.Error(e)
	}
}

// TestHammer calls one module from many goroutines, some of the calls to fail.
func TestHammer(t *testing.T) {
	m := load(t, "portable")
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 60 {
				input := fmt.Sprintf("call %d of %d", i, g)
				switch i % 6 {
				case 0:
					if _, err := call(m, "trap", input); err == nil {
						t.Error("a trap succeeded")
					}
				case 1:
					if _, err := call(m, "fail_input", input); err == nil || !strings.Contains(err.Error(), input) {
						t.Errorf("%v, want %q", err, input)
					}
				default:
					host := &recorder{config: map[string]string{input: "value of " + input}}
					if got, err := with(m, host, "config", input); err != nil || string(got.Output) != "value of "+input {
						t.Errorf("%q, %v", got.Output, err)
					}
				}
			}
		})
	}
	wg.Wait()
	if n := idle(m); n < 1 || n > maxIdle {
		t.Errorf("%d instances are idle", n)
	}
}

// TestCloseDuringCalls: calls that run end well, new ones are refused.
func TestCloseDuringCalls(t *testing.T) {
	m := load(t, "system")
	entered, release := make(chan bool, 4), make(chan bool)
	host := &recorder{function: func(context.Context, string, []byte) ([]byte, error) {
		entered <- true
		<-release
		return []byte(`{"ok":{}}`), nil
	}}
	var wg sync.WaitGroup
	for range cap(entered) {
		wg.Go(func() {
			if got, err := with(m, host, "call", "e"); err != nil || string(got.Output) != `{"ok":{}}` {
				t.Errorf("%q, %v", got.Output, err)
			}
		})
	}
	for range cap(entered) {
		<-entered
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if err := m.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Close while calls run: %v", err)
	}
	if _, err := call(m, "clock", ""); kindOf(t, err).Kind != KindRefused {
		t.Errorf("a call of a closing module: %v", err)
	}
	close(release)
	if err := m.Close(context.Background()); err != nil {
		t.Error(err)
	}
	wg.Wait()
	if err := m.Close(context.Background()); err != nil {
		t.Errorf("Close again: %v", err)
	}
}

func TestClosedSandbox(t *testing.T) {
	s, err := Open(Config{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := s.Compile(context.Background(), guest(t, "echo"), Options{Memory: mib})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if _, err := call(m, "echo", "x"); kindOf(t, err).Kind != KindRefused {
		t.Error(err)
	}
	if _, err := s.Compile(context.Background(), guest(t, "echo"), Options{Memory: mib}); kindOf(t, err).Kind != KindRefused {
		t.Error(err)
	}
}

func TestTrim(t *testing.T) {
	m := load(t, "echo")
	m.base.mu.Lock()
	m.base.idle[0].idleSince = time.Now().Add(-2 * idleFor)
	m.base.mu.Unlock()
	m.base.trim(idleFor)
	if n := idle(m); n != 0 {
		t.Errorf("%d instances are idle after their time", n)
	}
	if got, err := call(m, "echo", "again"); err != nil || string(got.Output) != "again" {
		t.Errorf("%q, %v", got.Output, err)
	}
	m.base.trim(idleFor)
	if n := idle(m); n != 1 {
		t.Errorf("%d instances are idle, want the one just used", n)
	}
}

// TestNoLeak loads broken modules, and sound ones that are closed again, many
// times.
func TestNoLeak(t *testing.T) {
	s := open(t, Config{})
	ctx := context.Background()
	echo := guest(t, "echo")
	round := func() {
		if _, err := s.Compile(ctx, echo[:len(echo)-10], Options{Memory: mib}); kindOf(t, err).Kind != KindRefused {
			t.Fatalf("truncated: %v", err)
		}
		m, err := s.Compile(ctx, echo, Options{Memory: mib})
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Close(ctx); err != nil {
			t.Fatal(err)
		}
	}
	usage := func() (heap uint64, goroutines int) {
		runtime.GC()
		runtime.GC()
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		return stats.HeapAlloc, runtime.NumGoroutine()
	}
	for range 20 {
		round()
	}
	heap, goroutines := usage()
	for range 200 {
		round()
	}
	heapAfter, goroutinesAfter := usage()
	if heapAfter > heap+4*mib || goroutinesAfter > goroutines+5 {
		t.Errorf("heap %d -> %d KiB, goroutines %d -> %d", heap/kib, heapAfter/kib, goroutines, goroutinesAfter)
	}
	if len(s.modules) != 0 {
		t.Errorf("%d modules are remembered", len(s.modules))
	}
}
