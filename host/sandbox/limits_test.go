package sandbox

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestInputLimit(t *testing.T) {
	m := load(t, "echo")
	limits := DefaultLimits()
	limits.Input = 1000
	try := func(n int) (Result, error) {
		return m.Call(context.Background(), Call{Export: "echo", Input: make([]byte, n), Limits: limits})
	}
	for _, n := range []int{999, 1000} {
		if got, err := try(n); err != nil || len(got.Output) != n {
			t.Errorf("%d bytes: %d back, %v", n, len(got.Output), err)
		}
	}
	for n, text := range map[int]string{
		1001:     "input of 1001B is over the limit of 1000B, so the plugin was not run; raise it in grants.yaml with limits: {input: 1KiB}",
		4 * mib:  "limits: {input: 4MiB}",
		33 * mib: "32MiB is the highest that a grant may give",
	} {
		got, err := try(n)
		if e := kindOf(t, err); e.Kind != KindLimit || e.Limit != LimitInput || e.Err.Code != "limit" || got.GuestTime != 0 ||
			!strings.Contains(e.Error(), text) {
			t.Errorf("%d bytes: %v; want %q", n, e, text)
		}
		if got, err := try(10); err != nil || len(got.Output) != 10 {
			t.Errorf("after %d bytes: %v", n, err)
		}
	}
	if idle(m) != 1 {
		t.Error("a refused input cost an instance")
	}
}

func TestOutputLimit(t *testing.T) {
	m := load(t, "portable")
	limits := DefaultLimits()
	limits.Output = 100_000
	for input, ok := range map[string]bool{"99999": true, "100000": true, "100001": false, "400000": false} {
		got, err := m.Call(context.Background(), Call{Export: "output_big", Input: []byte(input), Limits: limits})
		if ok {
			if err != nil {
				t.Errorf("%s bytes: %v", input, err)
			}
			continue
		}
		if e := kindOf(t, err); e.Kind != KindLimit || e.Limit != LimitOutput || len(got.Output) > 0 ||
			!strings.Contains(e.Error(), input+"B is over the limit of 100000B; raise it in grants.yaml with limits: {output: ") {
			t.Errorf("%s bytes: %v", input, e)
		}
	}
	_, err := m.Call(context.Background(), Call{Export: "fail_input", Input: make([]byte, 100_001), Limits: limits})
	if e := kindOf(t, err); e.Kind != KindLimit || !strings.Contains(e.Error(), "error text of 100001B") {
		t.Errorf("long error: %v", e)
	}
	_, err = m.Call(context.Background(), Call{Export: "fail_input", Input: make([]byte, maxErrorText+1), Limits: DefaultLimits()})
	if e := kindOf(t, err); e.Kind != KindLimit || !strings.Contains(e.Error(), "which no grant raises") || strings.Contains(e.Error(), "grants.yaml") {
		t.Errorf("an error over what any may have: %v", e)
	}
}

func TestMemoryLimit(t *testing.T) {
	ctx := context.Background()
	s := open(t, Config{})
	const limit = 3 * mib
	m, err := s.Compile(ctx, guest(t, "portable"), Options{Memory: limit})
	if err != nil {
		t.Fatal(err)
	}
	_, err = call(m, "grow", "")
	if e := kindOf(t, err); e.Kind != KindLimit || e.Limit != LimitMemory ||
		!strings.Contains(e.Error(), "refused 3136KiB of memory, over the limit of 3MiB; raise it in grants.yaml with limits: {memory: 4MiB}") {
		t.Errorf("%v", e)
	}
	// A guest that takes a refusal well is left alone.
	got, err := call(m, "grow_politely", "")
	if err != nil || string(got.Output) != "that was all" || got.MemoryBytes > limit {
		t.Errorf("%q with %d bytes, %v", got.Output, got.MemoryBytes, err)
	}
	// The refusal of that call is not held against the next.
	if _, err := call(m, "trap", ""); kindOf(t, err).Kind != KindTrap {
		t.Errorf("%v", err)
	}
	_, err = s.Compile(ctx, guest(t, "portable"), Options{Memory: mib})
	if e := kindOf(t, err); e.Kind != KindLimit || !strings.Contains(e.Error(), "the module starts with 1152KiB of memory, over the limit of 1MiB") {
		t.Errorf("%v", e)
	}
}

func TestTransferLimit(t *testing.T) {
	m := load(t, "portable")
	limits := DefaultLimits()
	limits.Input, limits.Output, limits.HTTPBody = mib, mib, mib
	for _, export := range []string{"hoard", "hoard_small"} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := m.Call(context.Background(), Call{Export: export, Limits: limits})
		runtime.ReadMemStats(&after)
		if e := kindOf(t, err); e.Kind != KindLimit || e.Limit != LimitTransfer || !strings.Contains(e.Error(), "7MiB of transfer memory") {
			t.Errorf("%s: %v", export, e)
		}
		// Blocks, their table, and the halves that growing leaves behind.
		if used := after.TotalAlloc - before.TotalAlloc; used > 60*mib {
			t.Errorf("%s allocated %d MiB of the host's memory", export, used/mib)
		}
	}
	got, err := m.Call(context.Background(), Call{Export: "recycle", Limits: limits})
	if err != nil || string(got.Output) != "done" {
		t.Errorf("freed blocks are not used again: %q, %v", got.Output, err)
	}
}

func TestVariableLimit(t *testing.T) {
	_, err := call(load(t, "portable"), "variables_full", "")
	if e := kindOf(t, err); e.Kind != KindLimit || e.Limit != LimitVars || !strings.Contains(e.Error(), "over the limit of 1MiB") {
		t.Errorf("%v", e)
	}
}

// TestTimeLimit: whatever the guest does, it ends soon after its time, and the
// next call is served.
func TestTimeLimit(t *testing.T) {
	for _, test := range []struct{ guest, export string }{
		{"portable", "spin"}, {"portable", "count_and_spin"}, {"system", "sleep_long"},
	} {
		m := load(t, test.guest)
		begun := time.Now()
		got, err := m.Call(context.Background(), Call{Export: test.export, Limits: short()})
		took := time.Since(begun)
		e := kindOf(t, err)
		if e.Kind != KindTimeout || e.Limit != LimitTime || e.Err.Code != "timeout" || !errors.Is(err, context.DeadlineExceeded) ||
			!strings.Contains(e.Error(), "stopped after 100ms of guest time, the limit; raise it in grants.yaml with limits: {time: 200ms}") {
			t.Errorf("%s: %v", test.export, e)
		}
		if took < 100*time.Millisecond || took > 3*time.Second || got.GuestTime < 100*time.Millisecond {
			t.Errorf("%s: ended after %v with %v of guest time", test.export, took, got.GuestTime)
		}
		if idle(m) != 0 {
			t.Errorf("%s: the instance is kept", test.export)
		}
	}
}

func TestCallerEndsCall(t *testing.T) {
	m := load(t, "portable")
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(50*time.Millisecond, cancel)
	begun := time.Now()
	_, err := m.Call(ctx, Call{Export: "spin", Limits: DefaultLimits()})
	if e := kindOf(t, err); e.Kind != KindCanceled || !errors.Is(err, context.Canceled) || time.Since(begun) > 3*time.Second {
		t.Errorf("%v after %v", e, time.Since(begun))
	}
	_, err = m.Call(ctx, Call{Export: "copy", Limits: DefaultLimits()})
	if e := kindOf(t, err); e.Kind != KindCanceled || !strings.Contains(e.Error(), "not begun") {
		t.Errorf("%v", e)
	}
	ctx, cancel = context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_, err = m.Call(ctx, Call{Export: "spin", Limits: DefaultLimits()})
	if e := kindOf(t, err); e.Kind != KindTimeout || e.Limit != "" || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", e)
	}
	if got, err := call(m, "copy", "after"); err != nil || string(got.Output) != "after" {
		t.Errorf("%q, %v", got.Output, err)
	}
}

func TestLimitsMustBeSet(t *testing.T) {
	m := load(t, "echo")
	for key, limits := range map[string]func(*Limits){
		"time":     func(l *Limits) { l.Time = 0 },
		"input":    func(l *Limits) { l.Input = 0 },
		"output":   func(l *Limits) { l.Output = -1 },
		"http":     func(l *Limits) { l.HTTPBody = 0 },
		"requests": func(l *Limits) { l.Requests = 0 },
		"log":      func(l *Limits) { l.Log = 1 << 62 },
	} {
		l := DefaultLimits()
		limits(&l)
		_, err := m.Call(context.Background(), Call{Export: "echo", Limits: l})
		if e := kindOf(t, err); e.Kind != KindRefused || !strings.Contains(e.Error(), `limit "`+key+`"`) {
			t.Errorf("%s: %v", key, e)
		}
	}
	for _, l := range []Limits{DefaultLimits(), CeilingLimits()} {
		if err := l.check(); err != nil {
			t.Error(err)
		}
	}
}
