package sandbox

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trama-run/trama/host/sandbox/wasm"
	"github.com/trama-run/trama/pdk/abi"
)

// TestHostWorkIsBounded calls every function that a plugin may import, again
// and again with arguments as large as they can be, in a loop and in a
// straight line, where no check of the guest's own stands between the calls:
// each call ends soon after its time, and never well beyond it.
func TestHostWorkIsBounded(t *testing.T) {
	functions, err := offered()
	if err != nil {
		t.Fatal(err)
	}
	s := openCached(t)
	slow := &recorder{function: func(context.Context, string, []byte) ([]byte, error) {
		for begun := time.Now(); time.Since(begun) < time.Millisecond; { // as a signature takes
		}
		return []byte(`{"ok":{}}`), nil
	}}
	tested := 0
	for _, module := range slices.Sorted(maps.Keys(functions)) {
		for _, name := range slices.Sorted(maps.Keys(functions[module])) {
			if strings.HasPrefix(name, "http") || name == abi.HostHTTPSend {
				continue // waiting for others is not the guest's time; requests are counted
			}
			tested++
			t.Run(name, func(t *testing.T) {
				for _, inLoop := range []bool{true, false} {
					binary := caller(module, name, functions[module][name], inLoop)
					m, err := s.Compile(context.Background(), binary, Options{Memory: 64 * mib})
					if err != nil {
						t.Fatal(err)
					}
					limits := short()
					limits.Fuel = CeilingLimits().Fuel
					begun := time.Now()
					got, err := m.Call(context.Background(), Call{Export: "run", Limits: limits, Host: slow})
					took := time.Since(begun)
					if took > 3*time.Second { // machines that run tests are slow
						t.Errorf("in a loop: %v: ended after %v, with %v of guest time and %d units: %v", inLoop, took, got.GuestTime, got.Fuel, err)
					}
					if err == nil && got.GuestTime > limits.Time {
						t.Errorf("in a loop: %v: took %v of guest time and succeeded", inLoop, got.GuestTime)
					}
					if err := m.Close(context.Background()); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	if tested < 70 {
		t.Errorf("%d functions were tested", tested)
	}
}

// caller makes a module that calls one function of the host with large
// arguments: for an i64 a block of 20 MiB, for an i32 16 MiB, of 33 MiB of
// memory. It does so for ever, or 8,000 times in a straight line.
func caller(module, name string, f wasm.Signature, inLoop bool) []byte {
	const (
		i64Const, i32Const, localGet, localSet = 0x42, 0x41, 0x20, 0x21
		call, drop, loop, br, end, unreachable = 0x10, 0x1a, 0x03, 0x0c, 0x0b, 0x00
		allocIndex, calledIndex                = 0, 1
	)
	text := func(s string) []byte { return append(leb(len(s)), s...) }
	vector := func(items ...[]byte) []byte { return append(leb(len(items)), slices.Concat(items...)...) }
	section := func(id byte, content []byte) []byte {
		return append(append([]byte{id}, leb(len(content))...), content...)
	}
	kind := func(params, results string) []byte {
		return slices.Concat([]byte{0x60}, leb(len(params)), []byte(params), leb(len(results)), []byte(results))
	}

	var once []byte
	for i := range len(f.Params) {
		if f.Params[i] == i64 {
			once = append(once, localGet, 0)
		} else {
			once = append(append(once, i32Const), leb(16*mib)...)
		}
	}
	once = append(once, call, calledIndex)
	for range len(f.Results) {
		once = append(once, drop)
	}
	body := slices.Concat([]byte{1, 1, i64, i64Const}, leb(20*mib), []byte{call, allocIndex, localSet, 0})
	if inLoop {
		body = slices.Concat(body, []byte{loop, 0x40}, once, []byte{br, 0, end, unreachable})
	} else {
		for range 8000 {
			body = append(body, once...)
		}
		body = append(body, i32Const, 0)
	}
	body = append(body, end)
	return slices.Concat([]byte("\x00asm\x01\x00\x00\x00"),
		section(1, vector(kind(string([]byte{i64}), string([]byte{i64})), kind(f.Params, f.Results), kind("", string([]byte{i32})))),
		section(2, vector(
			slices.Concat(text(abi.ModuleExtism), text("alloc"), []byte{0, 0}),
			slices.Concat(text(module), text(name), []byte{0, 1}))),
		section(3, vector([]byte{2})),
		section(5, vector(append([]byte{0}, leb(33*16)...))),
		section(7, vector(append(text("run"), 0, 2))),
		section(10, vector(append(leb(len(body)), body...))))
}

// leb encodes a number that is not negative as both kinds of LEB128 have it.
func leb(n int) []byte {
	var out []byte
	for ; n >= 64; n >>= 7 {
		out = append(out, byte(n)|0x80)
	}
	return append(out, byte(n))
}

// TestEmptyMemoryLeavesNothing: a memory that begins with no pages goes back to
// none.
func TestEmptyMemoryLeavesNothing(t *testing.T) {
	for _, limits := range []string{"0", "0 5", "1 2", "1 1", "2 9"} {
		m, err := open(t, Config{}).Compile(context.Background(), grower(limits), Options{Memory: 8 * mib})
		if err != nil {
			t.Fatal(err)
		}
		var first Result
		for n := range 20 {
			got, err := call(m, "run", "")
			if err != nil {
				t.Fatalf("memory %s, call %d: found what another call has left: %v", limits, n, err)
			}
			if n == 0 {
				first = got
			}
			if got.MemoryBytes != first.MemoryBytes || got.Fuel != first.Fuel {
				t.Fatalf("memory %s, call %d: %d bytes and %d units, the first %d and %d", limits, n, got.MemoryBytes, got.Fuel, first.MemoryBytes, first.Fuel)
			}
		}
	}
}

// grower makes a module with a memory of those limits. Its "run" grows it by a
// page, and returns what the last eight bytes hold before it writes there: 0
// if no call has left anything.
func grower(limits string) []byte {
	var low, high int
	n, err := fmt.Sscan(limits, &low, &high)
	memory := []byte{0, byte(low)}
	if err == nil && n == 2 {
		memory = []byte{1, byte(low), byte(high)}
	}
	body := []byte{1, 1, i32,
		0x41, 1, 0x40, 0, 0x1a, // memory.grow 1, drop
		0x3f, 0, 0x41, 16, 0x74, 0x21, 0, // local 0 = memory.size << 16
		0x20, 0, 0x41, 8, 0x6b, 0x28, 2, 0, // i32.load (local 0 - 8)
		0x20, 0, 0x41, 8, 0x6b, 0x41, 7, 0x36, 2, 0, // i32.store (local 0 - 8) 7
		0x0b}
	return slices.Concat([]byte("\x00asm\x01\x00\x00\x00"),
		[]byte{1, 5, 1, 0x60, 0, 1, i32},
		[]byte{3, 2, 1, 0},
		[]byte{5, byte(1 + len(memory)), 1}, memory,
		[]byte{7, 7, 1, 3, 'r', 'u', 'n', 0, 0},
		[]byte{10, byte(2 + len(body)), 1, byte(len(body))}, body)
}
