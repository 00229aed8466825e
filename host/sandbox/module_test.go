package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trama-run/trama/pdk/abi"
)

// TestPoisonedInstances: the counter in a guest's memory shows which calls
// shared an instance.
func TestPoisonedInstances(t *testing.T) {
	m := load(t, "portable")
	count := func() string {
		t.Helper()
		got, err := call(m, "count", "")
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(got.Output))
	}
	if a, b := count(), count(); a != "1" || b != "2" {
		t.Errorf("an instance that ended well is used again: got %s, %s", a, b)
	}
	if _, err := call(m, "fail_text", ""); kindOf(t, err).Kind != KindGuest || count() != "3" {
		t.Error("an error of the guest cost its instance")
	}
	for _, export := range []string{"count_and_trap", "count_and_spin", "hoard", "grow", "recurse"} {
		if _, err := m.Call(context.Background(), Call{Export: export, Limits: short()}); err == nil {
			t.Errorf("%s succeeded", export)
		}
		if got := count(); got != "1" {
			t.Errorf("after %s the counter is %s: the instance was used again", export, got)
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
	// '0' + 1 by the start section + 10 by the initialiser, each once.
	for _, want := range []string{";", "<", "="} {
		if got, err := call(m, "state", ""); string(got.Output) != want {
			t.Errorf("state is %q, %v; want %q", got.Output, err, want)
		}
	}
}

// TestEndlessStart: what runs before the first call is under the time limit.
func TestEndlessStart(t *testing.T) {
	s := open(t, Config{})
	for name, where := range map[string]string{"start_spin": "instantiation", "init_spin": "_initialize"} {
		m := build(t, s, name)
		begun := time.Now()
		_, err := m.instantiate(context.Background(), short())
		if e := kindOf(t, err); e.Kind != KindTimeout || e.Export != where || time.Since(begun) > 300*time.Millisecond {
			t.Errorf("%s: %v after %v", name, e, time.Since(begun))
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if _, err := s.Compile(ctx, guest(t, "start_spin"), mib); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Compile under a deadline: %v", err)
	}
}

// build compiles a guest without making its first instance.
func build(t *testing.T, s *Sandbox, name string) *Module {
	t.Helper()
	info, err := Inspect(guest(t, name))
	if err != nil {
		t.Fatal(err)
	}
	m := &Module{sandbox: s, info: info, memory: DefaultLimits().Memory, closed: make(chan struct{})}
	if err := m.compile(guest(t, name), ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return m
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
	m, err := s.Compile(context.Background(), guest(t, "echo"), mib)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if _, err := call(m, "echo", "x"); kindOf(t, err).Kind != KindRefused {
		t.Error(err)
	}
	if _, err := s.Compile(context.Background(), guest(t, "echo"), mib); kindOf(t, err).Kind != KindRefused {
		t.Error(err)
	}
}

func TestTrim(t *testing.T) {
	m := load(t, "echo")
	m.mu.Lock()
	m.idle[0].idleSince = time.Now().Add(-2 * idleFor)
	m.mu.Unlock()
	m.trim()
	if n := idle(m); n != 0 {
		t.Errorf("%d instances are idle after their time", n)
	}
	if got, err := call(m, "echo", "again"); err != nil || string(got.Output) != "again" {
		t.Errorf("%q, %v", got.Output, err)
	}
	m.trim()
	if n := idle(m); n != 1 {
		t.Errorf("%d instances are idle, want the one just used", n)
	}
}

func TestCache(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	s := open(t, Config{CacheDir: dir, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode %v, %v; want 0700", info.Mode(), err)
	}
	if !strings.Contains(log.String(), "engine=compiler") && !strings.Contains(log.String(), "engine=interpreter") {
		t.Errorf("the engine is not logged: %s", &log)
	}
	compile := func() {
		t.Helper()
		m, err := s.Compile(context.Background(), guest(t, "echo"), mib)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := call(m, "echo", "x"); err != nil || string(got.Output) != "x" {
			t.Errorf("%q, %v", got.Output, err)
		}
		if err := m.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}
	compile()
	if !s.compiler {
		return // the interpreter keeps nothing
	}
	files := cached(t, dir)
	if len(files) == 0 {
		t.Fatal("nothing is cached")
	}
	compile() // from the cache
	for _, file := range files {
		if err := os.Truncate(file, 20); err != nil {
			t.Fatal(err)
		}
	}
	compile() // past a damaged cache
	if !strings.Contains(log.String(), "compilation cache failed") {
		t.Errorf("a damaged cache is not logged: %s", &log)
	}
}

func cached(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestNoLeak loads broken modules, and sound ones that are closed again, many
// times.
func TestNoLeak(t *testing.T) {
	s := open(t, Config{})
	ctx := context.Background()
	echo, portable := guest(t, "echo"), guest(t, "portable")
	badBody := bytes.Clone(portable) // sound for Inspect, not for wazero
	info, err := Inspect(portable)
	if err != nil {
		t.Fatal(err)
	}
	for _, section := range info.Sections {
		if section.Name == "code" {
			badBody[section.Offset+section.Bytes-1] = 0 // the last body has no end
		}
	}
	if _, err := Inspect(badBody); err != nil {
		t.Fatalf("Inspect reads bodies: %v", err)
	}
	round := func() {
		if _, err := s.Compile(ctx, badBody, mib*32); kindOf(t, err).Kind != KindRefused || !strings.Contains(err.Error(), "compile: ") {
			t.Fatalf("bad body: %v", err)
		}
		if _, err := s.Compile(ctx, echo[:len(echo)-10], mib); kindOf(t, err).Kind != KindRefused {
			t.Fatalf("truncated: %v", err)
		}
		m, err := s.Compile(ctx, echo, mib)
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
