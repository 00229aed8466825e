package meter_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/trama-run/trama/host/sandbox/wasm"
)

// Opcodes of the tests.
const (
	unreachable, nop, block, loop, iff, els, end, br, brIf, brTable, ret, call = 0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 0x10
	drop, get, set, tee, sub, add, load, empty                                 = 0x1a, 0x20, 0x21, 0x22, 0x6b, 0x6a, 0x28, 0x40
)

// TestFuel: what a call costs is exact.
func TestFuel(t *testing.T) {
	spin := []byte{loop, empty, get, 0, 0x41, 1, sub, tee, 0, brIf, 0, end}
	for _, test := range []struct {
		name      string
		functions []fn
		args      []uint64
		fuel      int64
		results   []uint64
	}{
		{"nothing", []fn{{}}, nil, 0, nil},
		{"add", []fn{{two, one, nil, []byte{get, 0, get, 1, add}}}, []uint64{2, 3}, 3, []uint64{5}},
		{"free instructions", []fn{{nil, one, nil, []byte{nop, block, empty, nop, loop, empty, end, end, 0x41, 7}}}, nil, 1, []uint64{7}},
		{"first arm", []fn{{one, one, nil, []byte{get, 0, iff, 0x7f, 0x41, 1, els, 0x41, 2, 0x41, 3, add, end}}}, []uint64{1}, 3, []uint64{1}},
		{"second arm", []fn{{one, one, nil, []byte{get, 0, iff, 0x7f, 0x41, 1, els, 0x41, 2, 0x41, 3, add, end}}}, []uint64{0}, 5, []uint64{5}},
		{"if taken", []fn{{one, nil, nil, []byte{get, 0, iff, empty, 0x41, 1, drop, end, 0x41, 1, drop}}}, []uint64{1}, 6, nil},
		{"if left out", []fn{{one, nil, nil, []byte{get, 0, iff, empty, 0x41, 1, drop, end, 0x41, 1, drop}}}, []uint64{0}, 4, nil},
		{"loop of 1", []fn{{one, nil, nil, spin}}, []uint64{1}, 5, nil},
		{"loop of 1000", []fn{{one, nil, nil, spin}}, []uint64{1000}, 5000, nil},
		{"behind a loop", []fn{{one, nil, nil, asm(spin, []byte{0x41, 1, drop})}}, []uint64{10}, 52, nil},
		{"br_if out", []fn{{one, nil, nil, []byte{block, empty, get, 0, brIf, 0, 0x41, 1, drop, end, 0x41, 1, drop}}}, []uint64{1}, 4, nil},
		{"br_if not out", []fn{{one, nil, nil, []byte{block, empty, get, 0, brIf, 0, 0x41, 1, drop, end, 0x41, 1, drop}}}, []uint64{0}, 6, nil},
		{"br_table", []fn{{one, nil, nil, []byte{block, empty, block, empty, get, 0, brTable, 1, 0, 1, end, 0x41, 1, drop, end, 0x41, 1, drop}}}, []uint64{0}, 6, nil},
		{"br_table to the end", []fn{{one, nil, nil, []byte{block, empty, block, empty, get, 0, brTable, 1, 0, 1, end, 0x41, 1, drop, end, 0x41, 1, drop}}}, []uint64{9}, 4, nil},
		{"behind return", []fn{{nil, one, nil, []byte{0x41, 4, ret, 0x41, 1, drop, block, empty, 0x41, 1, drop, end, 0x41, 5}}}, nil, 2, []uint64{4}},
		{"behind br", []fn{{nil, nil, nil, []byte{block, empty, br, 0, 0x41, 1, drop, end, 0x41, 1, drop}}}, nil, 3, nil},
		{"dead arm", []fn{{one, one, nil, []byte{get, 0, iff, empty, 0x41, 1, ret, els, end, 0x41, 2}}}, []uint64{0}, 3, []uint64{2}},
		{"call", []fn{{nil, one, nil, []byte{call, 1, 0x41, 1, add}}, {nil, one, nil, []byte{0x41, 2}}}, nil, 4, []uint64{3}},
		{"return in a caller", []fn{{one, one, nil, []byte{get, 0, iff, empty, 0x41, 9, ret, end, call, 1}}, {nil, one, nil, []byte{0x41, 2}}}, []uint64{1}, 4, []uint64{9}},
		{"two results", []fn{{one, two, nil, []byte{get, 0, call, 1, get, 0, brIf, 0, ret}}, {nil, one, nil, []byte{0x41, 2}}}, []uint64{1}, 5, []uint64{1, 2}},
		{"memory.fill", []fn{{nil, nil, nil, asm(i32(8), i32(1), i32(807), []byte{0xfc, 11, 0})}}, nil, 4 + 100, nil},
		{"memory.copy", []fn{{nil, nil, nil, asm(i32(0), i32(8), i32(65000), []byte{0xfc, 10, 0, 0})}}, nil, 4 + 8125, nil},
		{"memory.grow", []fn{{nil, one, nil, asm(i32(1), []byte{0x40, 0})}}, nil, 2 + 1024, []uint64{1}},
		{"memory.grow fails", []fn{{nil, one, nil, []byte{0x41, 0x7f, 0x40, 0}}}, nil, 2 + 1024*(1<<32-1), []uint64{1<<32 - 1}},
		{"table.fill", []fn{{nil, nil, nil, []byte{0x41, 0, 0xd0, 0x70, 0x41, 5, 0xfc, 17, 0}}}, nil, 4 + 5, nil},
		{"table.copy", []fn{{nil, nil, nil, []byte{0x41, 0, 0x41, 1, 0x41, 9, 0xfc, 14, 0, 0}}}, nil, 4 + 9, nil},
		{"table.grow", []fn{{nil, one, nil, []byte{0xd0, 0x70, 0x41, 7, 0xfc, 15, 0}}}, nil, 3 + 7, []uint64{10}},
		{"bulk in dead code", []fn{{nil, nil, nil, []byte{ret, 0x41, 0, 0x41, 0, 0x41, 0, 0xfc, 11, 0}}}, nil, 1, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := start(t, build(test.functions))
			for range 2 { // a second call costs the same
				if test.name == "memory.grow" || test.name == "table.grow" {
					g = start(t, build(test.functions))
				}
				g.fill()
				results, err := g.call(t, "f0", test.args...)
				fuel, stack := g.used()
				if err != nil || fuel != test.fuel || stack != 0 || !slices.Equal(results, test.results) {
					t.Fatalf("%v, fuel %d, stack %d, %v; want %v, fuel %d", results, fuel, stack, err, test.results, test.fuel)
				}
			}
		})
	}
}

// TestTrapPaysBlock: a trap has paid for the rest of its basic block.
func TestTrapPaysBlock(t *testing.T) {
	g := start(t, build([]fn{{nil, nil, nil, asm(i32(1<<20), []byte{load, 2, 0, drop, 0x41, 1, drop, block, empty, 0x41, 1, drop, end})}}))
	g.fill()
	if _, err := g.call(t, "f0"); err == nil {
		t.Fatal("it did not trap")
	}
	if fuel, _ := g.used(); fuel != 7 {
		t.Errorf("it used %d units, want 7", fuel)
	}
}

// tree is a loop-free tree of calls: each function calls the next one twice.
func tree(depth int) []fn {
	functions := make([]fn, depth)
	for i := range functions {
		functions[i].code = []byte{call, byte(i + 1), call, byte(i + 1)}
	}
	functions[depth-1].code = []byte{nop}
	return functions
}

// TestFuelStops: whatever a guest does, it stops soon after its fuel is gone.
func TestFuelStops(t *testing.T) {
	for _, test := range []struct {
		name      string
		functions []fn
		most      int64 // units that it may overdraw
	}{
		{"empty loop", []fn{{nil, nil, nil, []byte{loop, empty, br, 0, end}}}, 1},
		{"loop of ifs", []fn{{nil, nil, nil, []byte{loop, empty, 0x41, 1, iff, empty, br, 1, end, end}}}, 3},
		{"loop in dead-end blocks", []fn{{nil, nil, nil, []byte{loop, empty, block, empty, br, 1, end, end}}}, 1},
		{"tree of 30 levels", tree(30), 2},
		{"recursion", []fn{{nil, nil, nil, []byte{call, 0}}}, 1},
		{"memory.fill", []fn{{nil, nil, nil, asm([]byte{loop, empty}, i32(0), i32(1), i32(65536), []byte{0xfc, 11, 0, br, 0, end})}}, 8192 + 5},
		{"table.fill", []fn{{nil, nil, nil, []byte{loop, empty, 0x41, 0, 0xd0, 0x70, 0x41, 10, 0xfc, 17, 0, br, 0, end}}}, 15},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := start(t, build(test.functions))
			const fuel = 10_000
			g.set(fuel, testStack)
			_, err := g.call(t, "f0")
			used, _ := g.used()
			used -= testFuel - fuel
			if !errors.Is(err, errFuel) || used <= fuel || used > fuel+test.most {
				t.Errorf("%v after %d units, want to be stopped at %d to %d", err, used, fuel+1, fuel+test.most)
			}
		})
	}
}

// TestBulkPaysFirst: what can't be paid does not run.
func TestBulkPaysFirst(t *testing.T) {
	g := start(t, build([]fn{{nil, nil, nil, asm(i32(0), i32(1), i32(65536), []byte{0xfc, 11, 0})}}))
	g.set(100, testStack)
	if _, err := g.call(t, "f0"); !errors.Is(err, errFuel) {
		t.Fatal(err)
	}
	if b, _ := g.Memory().ReadByte(0); b != 0 {
		t.Error("memory was filled")
	}
}

// TestRefuel: trip may give fuel, and the guest goes on as if nothing was.
func TestRefuel(t *testing.T) {
	w := newWorld(t, nil, true)
	code := []byte{loop, empty, get, 0, get, 1, add, set, 1, get, 0, 0x41, 1, sub, tee, 0, brIf, 0, end, get, 1}
	if reason := w.instantiate(build([]fn{{one, one, [][]byte{{1, 0x7f}}, code}}), "", ""); reason != "" {
		t.Fatal(reason)
	}
	w.refuel = 1000
	w.last.set(0, testStack)
	got, err := w.last.call(t, "f0", 1000)
	if err != nil || got[0] != 500_500 {
		t.Errorf("%v, %v", got, err)
	}
	if w.trips != 9 { // 9 units each time round
		t.Errorf("%d trips", w.trips)
	}
}

// TestStack: recursion is stopped before the engine's own stack ends, and
// every way out of a function gives back what it took.
func TestStack(t *testing.T) {
	deep := fn{one, one, nil, []byte{get, 0, iff, 0x7f, get, 0, 0x41, 1, sub, call, 0, els, 0x41, 5, end}}
	g := start(t, build([]fn{deep}))
	g.set(testFuel, 8000)
	if got, err := g.call(t, "f0", 50); err != nil || got[0] != 5 {
		t.Errorf("50 calls: %v, %v", got, err)
	}
	if _, err := g.call(t, "f0", 200); !errors.Is(err, errStack) {
		t.Errorf("200 calls: %v", err)
	}

	leaf := fn{nil, nil, [][]byte{{0x80, 0x08, 0x7f}}, nil} // 1,024 locals
	g = start(t, build([]fn{leaf}))
	g.set(testFuel, 8000)
	if _, err := g.call(t, "f0"); !errors.Is(err, errStack) {
		t.Errorf("a leaf with a large frame: %v", err)
	}

	exits := []byte{
		get, 0, iff, empty, call, 1, drop, 0x41, 1, ret, end, // return
		0x41, 2, get, 0, 0x45, brIf, 0, drop, // br_if to the function's label
		0x41, 3, get, 0, brTable, 0, 0, // br_table
	}
	g = start(t, build([]fn{{one, one, nil, exits}, {nil, one, nil, []byte{0x41, 1}}}))
	for arg, want := range []uint64{2, 1} {
		g.fill()
		got, err := g.call(t, "f0", uint64(arg))
		if _, stack := g.used(); err != nil || got[0] != want || stack != 0 {
			t.Errorf("%d: %v, %v, %d bytes of stack are missing", arg, got, err, stack)
		}
	}
}

// TestStackOfEngine: what a function is charged is of the size of what the
// engine takes. wazero's own stack ends at 50 MB or more.
func TestStackOfEngine(t *testing.T) {
	many := func(before []byte, operand, after []byte) []byte {
		return asm(bytes.Repeat(operand, 1000), before, bytes.Repeat(after, 1000))
	}
	again := []byte{get, 0, call, 0}
	globals := sec(6, vec(asm([]byte{wasm.V128, 1, 0xfd, 12}, make([]byte, 16), []byte{end}), []byte{wasm.I32, 1, 0x41, 0, end})...)
	for _, test := range []struct {
		name string
		f    fn
	}{
		{"least", fn{nil, nil, nil, []byte{call, 0}}},
		{"operands", fn{one, one, nil, many(again, []byte{get, 0, load, 2, 0}, []byte{add})}},
		{"vectors", fn{one, one, nil, asm(many(asm(again, []byte{0xfd, 0x11}), []byte{get, 0, 0xfd, 0, 4, 0}, []byte{0xfd, 0xae, 1}), []byte{0xfd, 0x1b, 0})}},
		{"kept by calls", fn{one, one, nil, asm(bytes.Repeat([]byte{call, 1, call, 1, drop, call, 2}, 3000), again)}},
		{"vectors of others", fn{one, one, nil, asm(bytes.Repeat([]byte{call, 3, call, 1, drop, call, 4}, 3000), again)}},
		{"vectors of globals", fn{one, one, nil, asm(bytes.Repeat([]byte{0x23, 0, call, 1, drop, call, 4}, 3000), again)}},
		{"operands without calls", fn{one, one, nil, asm(bytes.Repeat(many(nil, []byte{get, 0, load, 2, 0}, []byte{0x24, 1}), 20), again)}},
		{"between calls", fn{one, one, nil, asm(bytes.Repeat([]byte{get, 0, load, 2, 0, call, 1, add, drop}, 1000), again)}},
	} {
		g := start(t, build([]fn{test.f, {nil, one, nil, []byte{0x41, 1}}, {one, nil, nil, nil},
			{nil, []byte{wasm.V128}, nil, asm([]byte{0xfd, 12}, make([]byte, 16))}, {[]byte{wasm.V128}, nil, nil, nil}}, globals))
		g.set(testFuel, 16<<20)
		if _, err := g.call(t, "f0", make([]uint64, len(test.f.params))...); !errors.Is(err, errStack) {
			t.Errorf("%s: %.80v", test.name, err)
		}
	}
}
