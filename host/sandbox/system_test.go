package sandbox

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestSurroundings(t *testing.T) {
	m := load(t, "system")
	// No arguments, Go's two hints, no directory, no file, end of stdin.
	if got, err := call(m, "surroundings", ""); string(got.Output) != "0 2 1 1 0 " {
		t.Errorf("%q, %v", got.Output, err)
	}
	other := load(t, "system")
	seen := map[string]bool{}
	for _, m := range []*Module{m, m, other} {
		got, err := call(m, "random_bytes", "")
		if err != nil || len(got.Output) != 16 || seen[string(got.Output)] {
			t.Errorf("%x again, %v", got.Output, err)
		}
		seen[string(got.Output)] = true
	}
	got, err := call(m, "clock", "")
	if err != nil {
		t.Fatal(err)
	}
	var wall, steady int64
	if _, err := fmt.Sscan(string(got.Output), &wall, &steady); err != nil {
		t.Fatal(err)
	}
	if off := time.Since(time.Unix(0, wall)).Abs(); off > time.Minute || steady == 0 {
		t.Errorf("the guest's clock is %v off, its monotonic one is at %d", off, steady)
	}
	const ahead = 401 * 24 * time.Hour
	later, err := m.Call(t.Context(), Call{Export: "clock", Limits: DefaultLimits(), Ahead: ahead})
	if err != nil {
		t.Fatal(err)
	}
	var wallLater, steadyLater int64
	if _, err := fmt.Sscan(string(later.Output), &wallLater, &steadyLater); err != nil || wallLater-wall < int64(ahead) || steadyLater-steady < int64(ahead) {
		t.Errorf("clocks that are %s ahead went from %d and %d to %d and %d, %v", ahead, wall, steady, wallLater, steadyLater, err)
	}
	begun := time.Now()
	if got, err := call(m, "nap", ""); err != nil || time.Since(begun) < 20*time.Millisecond || got.GuestTime < 20*time.Millisecond {
		t.Errorf("nap of 20ms: %v, guest time %v, %v", time.Since(begun), got.GuestTime, err)
	}
}

// TestStill: nothing differs from one run to the next, and a sleep moves the
// clocks and takes no time.
func TestStill(t *testing.T) {
	var random, clocks []string
	for range 2 {
		m, err := openCached(t).Compile(t.Context(), guest(t, "system"), Options{Memory: DefaultLimits().Memory, Still: true})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			bytes, err := call(m, "random_bytes", "")
			if err != nil {
				t.Fatal(err)
			}
			random = append(random, string(bytes.Output))
			clock, err := call(m, "clock", "")
			if err != nil {
				t.Fatal(err)
			}
			clocks = append(clocks, string(clock.Output))
			if _, err := call(m, "sleep_long", ""); err != nil {
				t.Errorf("sleep of an hour: %v", err)
			}
		}
	}
	if random = slices.Compact(random); len(random) != 1 || random[0] != strings.Repeat("\x00", 16) {
		t.Errorf("random bytes are %x", random)
	}
	if clocks = slices.Compact(clocks); len(clocks) != 1 || strings.TrimSpace(clocks[0]) != "1000000000 1000000000" {
		t.Errorf("clocks are at %q", clocks)
	}
}

func TestCrashSaysWhy(t *testing.T) {
	modules := map[string]*Module{"system": load(t, "system"), "portable": load(t, "portable")}
	for _, test := range []struct {
		guest, export string
		kind          Kind
		text          string
	}{
		{"system", "go_panic", KindTrap, "the plugin crashed: unreachable; it wrote: panic: runtime error: index out of range [5] with length 3"},
		{"system", "rust_panic", KindTrap, "it wrote: thread 'main' panicked at src/lib.rs:3: no such order"},
		{"system", "exit_three", KindExit, "the plugin ended itself with code 3; it wrote: giving up"},
		{"system", "exit_like_timeout", KindExit, "ended itself with code 4026531839"},
		{"portable", "trap", KindTrap, `trap in "trap": the plugin crashed: unreachable`},
		{"portable", "trap_with_error", KindTrap, "it set the error: about to crash"},
		{"portable", "divide", KindTrap, "integer divide by zero"},
		{"portable", "outside_memory", KindTrap, "out of bounds memory access"},
		{"portable", "recurse", KindTrap, "stack overflow"},
		{"portable", "load_past", KindTrap, "read of 8 bytes at offset 4294967040, past the transfer memory"},
	} {
		m := modules[test.guest]
		_, err := call(m, test.export, "")
		e := kindOf(t, err)
		if e.Kind != test.kind || e.Err.Code != "trap" || !strings.Contains(e.Error(), test.text) {
			t.Errorf("%s: %s, %v; want %q", test.export, e.Kind, e, test.text)
		}
		if test.export == "go_panic" && !strings.Contains(string(e.Err.Detail), "goroutine 1 [running]") {
			t.Errorf("detail is %s", e.Err.Detail)
		}
		// What was written is not told of the next call.
		if _, err := call(m, test.export, ""); err == nil || err.Error() != e.Error() {
			t.Errorf("%s again: %v", test.export, err)
		}
	}
}

// TestExitZero: as in go-sdk, proc_exit(0) is a success; the instance is gone.
func TestExitZero(t *testing.T) {
	m := load(t, "system")
	for range 3 {
		if got, err := call(m, "exit_zero", ""); err != nil || string(got.Output) != "before the end" {
			t.Errorf("%q, %v", got.Output, err)
		}
	}
	if n := idle(m); n != 0 {
		t.Errorf("%d instances are kept after an exit", n)
	}
}

func idle(m *Module) int {
	m.base.mu.Lock()
	defer m.base.mu.Unlock()
	return len(m.base.idle)
}
