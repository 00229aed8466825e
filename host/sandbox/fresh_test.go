package sandbox

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"
)

// state gives what an idle instance of an image holds, its memory until the
// next call: a copy of it would take most of the time under the race detector.
func state(t *testing.T, i *Image) (memory []byte, globals []uint64) {
	t.Helper()
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.idle) == 0 {
		t.Fatal("no instance is idle")
	}
	in := i.idle[len(i.idle)-1]
	for _, g := range in.globals {
		globals = append(globals, g.Get())
	}
	return in.memory.space.Bytes(), globals
}

// TestCallsLeaveNothing compares memory and globals with the image after
// thousands of calls of every kind, byte by byte.
func TestCallsLeaveNothing(t *testing.T) {
	m := load(t, "portable")
	memory, globals := state(t, m.base)
	if !bytes.Equal(memory, m.base.content.Bytes()) || !slices.Equal(globals, m.base.globals) || len(globals) == 0 {
		t.Fatal("the first instance is not in the state of its image")
	}
	exports := []string{"count", "copy", "upper", "fail_input", "variables", "output_big", "recycle", "trap", "count_and_trap", "grow_politely", "fresh_is_zero"}
	limits := DefaultLimits()
	limits.Time = time.Minute // one that runs out of time is not kept
	rounds := 3000
	if testing.Short() {
		rounds = 300
	}
	for n := range rounds {
		export := exports[n%len(exports)]
		if n%1000 == 0 {
			export = "many_blocks" // thousands of calls of the host
		}
		_, err := m.Call(context.Background(), Call{Export: export, Input: fmt.Append(nil, 1000+n), Limits: limits})
		if err != nil && kindOf(t, err).Kind == KindTrap {
			if idle(m) != 0 {
				t.Fatalf("call %d: the instance that crashed in %s is kept", n, export)
			}
			continue
		}
		memory, globals := state(t, m.base)
		if !bytes.Equal(memory, m.base.content.Bytes()) {
			t.Fatalf("call %d: after %s the memory differs from the image", n, export)
		}
		if !slices.Equal(globals, m.base.globals) {
			t.Fatalf("call %d: after %s the globals are %v, of the image %v", n, export, globals, m.base.globals)
		}
	}
}

// TestGrownMemoryShrinks: a guest that grows its memory finds it small again in
// the next call, and may grow it again, in the same instance.
func TestGrownMemoryShrinks(t *testing.T) {
	m := load(t, "portable")
	free := m.sandbox.memory.free
	var first Result
	for n := range 50 {
		got, err := call(m, "grow_politely", "")
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			first = got
		}
		if string(got.Output) != string(first.Output) || got.MemoryBytes != first.MemoryBytes || got.MemoryBytes <= m.base.Bytes() || got.Fuel != first.Fuel {
			t.Fatalf("call %d: %q with %d bytes and %d units; the first: %q, %d, %d", n, got.Output, got.MemoryBytes, got.Fuel, first.Output, first.MemoryBytes, first.Fuel)
		}
		if idle(m) != 1 || m.sandbox.memory.free != free {
			t.Fatalf("call %d: %d instances are idle, %d bytes are counted", n, idle(m), free-m.sandbox.memory.free)
		}
	}
}

// TestGrownMemoryIsCounted: what an idle instance holds of memory that had grown
// counts as held, and is given back with it.
func TestGrownMemoryIsCounted(t *testing.T) {
	m := load(t, "bulk")
	free := m.sandbox.memory.free
	for n := range 3 {
		if got, err := call(m, "grown", ""); err != nil || string(got.Output) != "g" {
			t.Fatalf("call %d: %q, %v", n, got.Output, err)
		}
		if held := free - m.sandbox.memory.free; runtime.GOOS == "linux" && held <= 0 || held > pageSize {
			t.Fatalf("call %d: %d bytes are counted beyond the image", n, held)
		}
	}
	before := m.sandbox.memory.free
	if given, counted := m.base.trim(0), m.sandbox.memory.free; counted-before != given || counted <= free {
		t.Errorf("%d bytes are given back and %d counted", given, counted-before)
	}
}

// TestPrepare: calls from a prepared image begin where the preparing call has
// ended, each anew, and other images are not touched.
func TestPrepare(t *testing.T) {
	m := load(t, "portable")
	ctx := context.Background()
	count := func(i *Image) string {
		t.Helper()
		got, err := m.Call(ctx, Call{Export: "count", Limits: DefaultLimits(), Image: i})
		if err != nil {
			t.Fatal(err)
		}
		return string(bytes.TrimSpace(got.Output))
	}
	one, err := m.Prepare(ctx, Call{Export: "count", Limits: DefaultLimits()})
	if err != nil {
		t.Fatal(err)
	}
	two, err := m.Prepare(ctx, Call{Export: "count", Limits: DefaultLimits(), Image: one})
	if err != nil {
		t.Fatal(err)
	}
	if one.Bytes() == 0 {
		t.Error("the image has no size")
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 100 {
				if a, b, c := count(nil), count(one), count(two); a != "1" || b != "2" || c != "3" {
					t.Errorf("counted %s, %s, %s", a, b, c)
				}
			}
		})
	}
	wg.Wait()
	if err := one.Close(ctx); err != nil {
		t.Error(err)
	}
	if _, err := m.Call(ctx, Call{Export: "count", Limits: DefaultLimits(), Image: one}); kindOf(t, err).Kind != KindRefused {
		t.Errorf("a call from a closed image: %v", err)
	}
	if count(two) != "3" {
		t.Error("closing one image changed another")
	}
	for _, export := range []string{"trap", "fail_text"} {
		if _, err := m.Prepare(ctx, Call{Export: export, Limits: DefaultLimits()}); err == nil {
			t.Errorf("%s prepared an image", export)
		}
	}
	other := load(t, "portable")
	if _, err := other.Call(ctx, Call{Export: "count", Limits: DefaultLimits(), Image: two}); kindOf(t, err).Kind != KindRefused {
		t.Errorf("an image of another module: %v", err)
	}
}

// TestNoImage: a module that asks for none, or can't be brought back, starts
// from nothing in each call.
func TestNoImage(t *testing.T) {
	s := open(t, Config{})
	ctx := context.Background()
	m, err := s.Compile(ctx, guest(t, "portable"), Options{Memory: DefaultLimits().Memory, NoImage: true})
	if err != nil {
		t.Fatal(err)
	}
	if m.Fresh() == "" {
		t.Error("the module does not say why")
	}
	for range 3 {
		if got, err := call(m, "count", ""); err != nil || string(bytes.TrimSpace(got.Output)) != "1" {
			t.Errorf("%q, %v", got.Output, err)
		}
	}
	if _, err := m.Prepare(ctx, Call{Export: "count", Limits: DefaultLimits()}); kindOf(t, err).Kind != KindRefused {
		t.Errorf("%v", err)
	}
	if n := idle(m); n != 0 {
		t.Errorf("%d instances are kept", n)
	}
}

// TestWarm: what a warming call leaves behind is in the image, unless it
// failed.
func TestWarm(t *testing.T) {
	s := open(t, Config{})
	for _, test := range []struct {
		warm []Warm
		want string
	}{
		{[]Warm{{Export: "count"}}, "2"},
		{[]Warm{{Export: "count"}, {Export: "count"}}, "3"},
		{[]Warm{{Export: "count"}, {Export: "count_and_trap"}, {Export: "count"}}, "3"},
		{[]Warm{{Export: "count_and_trap"}}, "1"},
		{[]Warm{{Export: "absent"}, {Export: "fail_text"}}, "1"},
	} {
		m, err := s.Compile(context.Background(), guest(t, "portable"), Options{Memory: DefaultLimits().Memory, Warm: test.warm})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if got, err := call(m, "count", ""); err != nil || string(bytes.TrimSpace(got.Output)) != test.want {
				t.Errorf("%v: %q, %v; want %s", test.warm, got.Output, err, test.want)
			}
		}
	}
}
