package sandbox

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// What a hostile plugin may try, one test for each. Those that the checks
// before compiling refuse are in wasm/verify_test.go, those against the
// network in host/egress, and those against the compiler in compile.

// TestHostileEndless: whatever has no end stops soon after its time, and
// garbage collection, which must stop all goroutines, is not held up by it.
func TestHostileEndless(t *testing.T) {
	m := load(t, "hostile")
	for _, export := range []string{"spin", "tree", "fill", "copy", "divide", "miss", "search", "log", "variables", "resets", "stdout"} {
		t.Run(export, func(t *testing.T) {
			var longest atomic.Int64
			done := make(chan bool)
			var wg sync.WaitGroup
			wg.Go(func() {
				for {
					select {
					case <-done:
						return
					case <-time.After(5 * time.Millisecond):
						begun := time.Now()
						runtime.GC()
						longest.Store(max(longest.Load(), int64(time.Since(begun))))
					}
				}
			})
			limits := short()
			limits.Fuel = CeilingLimits().Fuel
			if export == "search" {
				limits.Time = 500 * time.Millisecond // it has to fill memory first
			}
			begun := time.Now()
			got, err := m.Call(context.Background(), Call{Export: export, Limits: limits, Host: &recorder{}})
			took := time.Since(begun)
			close(done)
			wg.Wait()
			e := kindOf(t, err)
			if e.Kind != KindTimeout || e.Limit != LimitTime || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v", err)
			}
			// The bounds are generous: machines that run tests are slow.
			if took > 3*time.Second || got.GuestTime < limits.Time || got.Fuel == 0 {
				t.Errorf("ended after %v with %v of guest time and %d units", took, got.GuestTime, got.Fuel)
			}
			if longest := time.Duration(longest.Load()); longest > 3*time.Second {
				t.Errorf("garbage collection took %v", longest)
			}
			t.Logf("ended after %v; the longest garbage collection took %v; %d units", took, time.Duration(longest.Load()), got.Fuel)
			if idle(m) != 0 {
				t.Error("the instance is kept")
			}
		})
	}
}

// TestHostileFuel: the same limit in work instead of time, which is exact.
func TestHostileFuel(t *testing.T) {
	m := load(t, "hostile")
	for _, export := range []string{"spin", "tree", "fill"} {
		limits := DefaultLimits()
		limits.Time = time.Minute
		limits.Fuel = 3 * million
		var used []int64
		for range 2 {
			got, err := m.Call(context.Background(), Call{Export: export, Limits: limits})
			e := kindOf(t, err)
			if e.Kind != KindLimit || e.Limit != LimitFuel || got.Fuel <= limits.Fuel || got.Fuel > limits.Fuel+million {
				t.Errorf("%s: %v after %d units", export, err, got.Fuel)
			}
			if want := fmt.Sprintf("used %d units of fuel, over the limit of 3000000 (3M); raise it in grants.yaml with limits: {fuel: 6M}", got.Fuel); !strings.Contains(e.Error(), want) {
				t.Errorf("%v; want %q", e, want)
			}
			used = append(used, got.Fuel)
		}
		if used[0] != used[1] {
			t.Errorf("%s: the same work took %v units", export, used)
		}
	}
	// A call that pays for its last instructions with nothing, and returns.
	limits := DefaultLimits()
	limits.Fuel = 10
	got, err := m.Call(context.Background(), Call{Export: "tail", Limits: limits})
	if e := kindOf(t, err); e.Limit != LimitFuel || got.Fuel <= 10 || len(got.Output) > 0 {
		t.Errorf("%v after %d units", err, got.Fuel)
	}
}

// TestHostileRecursion: calls nested without end stop before they cost much of
// the host's memory.
func TestHostileRecursion(t *testing.T) {
	m := load(t, "hostile")
	for _, export := range []string{"recurse", "recurse_wide"} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := call(m, export, "")
		runtime.ReadMemStats(&after)
		if e := kindOf(t, err); e.Kind != KindTrap || !strings.Contains(e.Error(), "stack overflow") {
			t.Errorf("%s: %v", export, err)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > 100*mib {
			t.Errorf("%s took %d MiB of the host's memory", export, used/mib)
		} else {
			t.Logf("%s took %d MiB of the host's memory", export, used/mib)
		}
	}
}

// TestHostileGrowth: memory ends at its limit, tables at theirs.
func TestHostileGrowth(t *testing.T) {
	_, err := call(load(t, "hostile"), "grow", "")
	if e := kindOf(t, err); e.Kind != KindLimit || e.Limit != LimitMemory {
		t.Errorf("%v", err)
	}
	if _, err := call(load(t, "tables"), "grow", ""); err != nil {
		t.Errorf("the table did not end at 65,536 elements: %v", err)
	}
}

// TestHostileTraces: a call finds nothing that another has left in memory,
// globals, tables or the table of open files.
func TestHostileTraces(t *testing.T) {
	for _, guest := range []string{"hostile", "tables"} {
		m := load(t, guest)
		for range 3 {
			if _, err := call(m, "leave", ""); err != nil {
				t.Errorf("%s: %v", guest, err)
			}
			if _, err := call(m, "find", ""); err != nil {
				t.Errorf("%s: a call found what another has left: %v", guest, err)
			}
		}
	}
}

// TestHostileCrowd: all instances together stay within the memory that the
// host gives them; calls wait for it, and one that can't have it says so.
func TestHostileCrowd(t *testing.T) {
	s := open(t, Config{MemoryBytes: 8 * mib})
	ctx := context.Background()
	var modules []*Module
	for range 2 {
		m, err := s.Compile(ctx, guest(t, "hostile"), Options{Memory: 16 * mib})
		if err != nil {
			t.Fatal(err)
		}
		modules = append(modules, m)
	}
	_, err := call(modules[0], "grow", "")
	if e := kindOf(t, err); e.Limit != LimitMemory || !e.Err.Retryable || !strings.Contains(e.Error(), "all plugins together hold the 8MiB") {
		t.Errorf("%v", err)
	}
	var wg sync.WaitGroup
	for i := range 32 { // an instance has 1 MiB
		wg.Go(func() {
			if _, err := call(modules[i%2], "leave", ""); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	m, err := s.Compile(ctx, guest(t, "portable"), Options{Memory: 16 * mib})
	if err != nil {
		t.Fatalf("idle instances make no room: %v", err)
	}
	modules = append(modules, m)
	for _, m := range modules {
		if err := m.Close(ctx); err != nil {
			t.Error(err)
		}
	}
	trimIdle(s.open(), 8*mib)
	if s.memory.free != 8*mib {
		t.Errorf("%d bytes are counted for instances that are no more", 8*mib-s.memory.free)
	}
}

// TestIdleMakesRoom: instances that were used just now give way to calls of
// other plugins, however little memory there is.
func TestIdleMakesRoom(t *testing.T) {
	s := open(t, Config{MemoryBytes: 8 * mib}) // an image has 1 MiB, an instance a little more
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var modules []*Module
	for range 4 {
		m, err := s.Compile(ctx, guest(t, "hostile"), Options{Memory: mib})
		if err != nil {
			t.Fatal(err)
		}
		modules = append(modules, m)
	}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for n := range 50 {
				if _, err := modules[(g+n)%len(modules)].Call(ctx, Call{Export: "leave", Limits: DefaultLimits()}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// TestHostileNeighbours: plugins that spin on every core leave the short calls
// of others alone, and share their turns with other long ones.
func TestHostileNeighbours(t *testing.T) {
	s := open(t, Config{})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	compile := func(name string) *Module {
		m, err := s.Compile(ctx, guest(t, name), Options{Memory: DefaultLimits().Memory})
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	spinner, other, echo := compile("hostile"), compile("hostile"), compile("echo")
	limits := CeilingLimits()
	var wg sync.WaitGroup
	for range 2 * runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			if _, err := spinner.Call(ctx, Call{Export: "spin", Limits: limits}); kindOf(t, err).Kind != KindCanceled {
				t.Error(err)
			}
		})
	}
	for !s.turns.wanted() { // all cores that long calls may have are taken
		time.Sleep(time.Millisecond)
	}
	for range 200 {
		if got, err := echo.Call(ctx, Call{Export: "echo", Input: []byte("x"), Limits: DefaultLimits()}); err != nil || string(got.Output) != "x" {
			t.Fatal(err)
		}
	}
	long := DefaultLimits()
	long.Fuel = 10 * million
	begun := time.Now()
	got, err := other.Call(ctx, Call{Export: "spin", Limits: long})
	if kindOf(t, err).Limit != LimitFuel {
		t.Error(err)
	}
	t.Logf("a long call of %v took %v beside %d others", got.GuestTime, time.Since(begun), 2*runtime.GOMAXPROCS(0))
	if time.Since(begun) > 5*time.Second {
		t.Error("a long call of another plugin did not get its turn")
	}
	cancel()
	wg.Wait()
}
