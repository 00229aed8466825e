package wasm_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/trama-run/trama/host/sandbox/wasm"
	"github.com/trama-run/trama/host/sandbox/wasm/opcode"
)

// around is a module with a bit of everything, and a function with that code,
// which needs its end: (i32) -> (), with one local of each number type.
func around(code ...byte) []byte {
	body := slices.Concat([]byte{4, 1, 0x7f, 1, 0x7e, 1, 0x7d, 1, 0x7c}, code)
	return mod(
		sec(1, vec([]byte{0x60, 1, 0x7f, 0}, []byte{0x60, 0, 0}, []byte{0x60, 0, 1, 0x7f})...),
		sec(3, vec([]byte{0}, []byte{1}, []byte{2})...),
		sec(4, vec([]byte{0x70, 0, 1}, []byte{0x6f, 0, 1}, []byte{0x70, 0, 1})...),
		sec(5, 1, 0, 1),
		sec(6, vec([]byte{0x7f, 1, 0x41, 0, 0x0b})...),
		sec(7, vec(slices.Concat(str("run"), []byte{0, 2}))...),
		sec(9, vec([]byte{1, 0, 1, 1})...), // passive: function 1
		sec(12, 1),
		sec(10, vec(slices.Concat(leb(len(body)), body), []byte{2, 0, 0x0b}, []byte{4, 0, 0x41, 0, 0x0b})...),
		sec(11, vec([]byte{1, 1, 'x'})...),
	)
}

// encode gives an opcode's bytes.
func encode(op int) []byte {
	switch {
	case op >= 0x200:
		return append([]byte{0xfd}, leb(op-0x200)...)
	case op >= 0x100:
		return append([]byte{0xfc}, leb(op-0x100)...)
	}
	return []byte{byte(op)}
}

// TestEveryOpcode puts every opcode that two bytes can hold, with operands of
// each length, where any operands are on the stack, and asks the engine too.
func TestEveryOpcode(t *testing.T) {
	ctx := context.Background()
	rt := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	defer rt.Close(ctx)
	taken := map[int]int{}
	for op := range 0x400 {
		for n := range 17 {
			code := slices.Concat([]byte{0x00}, encode(op), make([]byte, n), []byte{0x00, 0x0b})
			switch {
			case op == 0x02 || op == 0x03 || op == 0x04: // block types: empty, and an end of its own
				code = slices.Concat([]byte{0x00}, encode(op), slices.Repeat([]byte{0x40}, n), []byte{0x0b, 0x00, 0x0b})
			case op == 0x05:
				code = slices.Concat([]byte{0x00, 0x04, 0x40}, encode(op), make([]byte, n), []byte{0x0b, 0x00, 0x0b})
			case op == 0x0b:
				code = slices.Concat(encode(op), make([]byte, n))
			case op == 0x1c || op == 0xd0: // types
				code = slices.Concat([]byte{0x00}, encode(op), [][]byte{{}, {0x70}, {1, 0x7f}}[min(n, 2)], []byte{0x00, 0x0b})
			case op == 0xd2 || op == 0x10: // function 1 is declared, and takes nothing
				code = slices.Concat([]byte{0x00}, encode(op), slices.Repeat([]byte{1}, n), []byte{0x00, 0x0b})
			}
			module := around(code...)
			_, err := wasm.Parse(module)
			_, engine := rt.CompileModule(ctx, module)
			if (err == nil) != (engine == nil) {
				t.Errorf("%s with %d bytes: %v, the engine says %v", opcode.Op(op), n, err, engine)
			}
			if err == nil {
				taken[op]++
			}
		}
	}
	named := 0
	for op := range 0x300 {
		name := opcode.Op(op).String()
		if strings.HasPrefix(name, "opcode ") {
			continue
		}
		named++
		if taken[op] == 0 {
			t.Errorf("%s is never taken", name)
		}
	}
	if named != 437 { // 172 of version 1, 29 added since, 236 for vectors
		t.Errorf("%d instructions", named)
	}
}

// suite gives the folder of the WebAssembly core tests in wazero's module.
func suite(tb testing.TB) string {
	tb.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/tetratelabs/wazero").Output()
	if err != nil {
		tb.Fatalf("find wazero's module: %v", err)
	}
	return filepath.Join(strings.TrimSpace(string(out)), "internal/integration_test/spectest/v2/testdata")
}

// TestStackEffects: what each instruction pops and pushes fits the valid
// modules of the core test suite, which use all of them.
func TestStackEffects(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(suite(t), "*.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[opcode.Op]bool{}
	taken := 0
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		m, err := wasm.Parse(data)
		if err != nil {
			continue // the suite has invalid modules too; sandbox/meter runs it
		}
		taken++
		for i := range m.Bodies {
			c := m.Code(i)
			for c.Next() {
				if c.Reachable {
					seen[c.Op] = true
				}
			}
		}
	}
	if taken < 1_500 {
		t.Errorf("%d modules", taken)
	}
	for op := range opcode.Op(0x300) {
		if !strings.HasPrefix(op.String(), "opcode ") && !seen[op] {
			t.Errorf("%s is in no module", op)
		}
	}
}

// TestCodeRefuses: what function bodies may not have.
func TestCodeRefuses(t *testing.T) {
	if _, err := wasm.Parse(around(0x0b)); err != nil {
		t.Fatal(err)
	}
	deep := func(n int) []byte {
		return slices.Concat(slices.Repeat([]byte{0x02, 0x40}, n), slices.Repeat([]byte{0x0b}, n), []byte{0x0b})
	}
	if _, err := wasm.Parse(around(deep(1000)...)); err != nil {
		t.Error(err)
	}
	wide := func(n int) []byte {
		return slices.Concat([]byte{0x41, 0, 0x0e}, leb(n), make([]byte, n+1), []byte{0x0b})
	}
	if _, err := wasm.Parse(around(wide(65_536)...)); err != nil {
		t.Error(err)
	}
	for _, test := range []struct {
		name   string
		code   []byte
		stage  string
		at     int // in the code
		reason string
	}{
		{"nothing", nil, "parse", 0, "it ends early"},
		{"no end", []byte{0x01}, "parse", 1, "it ends early"},
		{"two ends", []byte{0x0b, 0x0b}, "parse", 1, "1 bytes follow the end of the body"},
		{"cut off", []byte{0x20}, "parse", 1, "it ends early"},
		{"function", []byte{0x10, 3, 0x0b}, "parse", 0, "call: function 3 does not exist; there are 3"},
		{"type", []byte{0x41, 0, 0x11, 3, 0, 0x0b}, "parse", 2, "call_indirect: type 3 does not exist; there are 3"},
		{"table", []byte{0x41, 0, 0x11, 1, 3, 0x0b}, "parse", 2, "call_indirect: table 3 does not exist; there are 3"},
		{"local", []byte{0x20, 5, 0x1a, 0x0b}, "parse", 0, "local.get: local 5 does not exist; there are 5"},
		{"global", []byte{0x23, 1, 0x1a, 0x0b}, "parse", 0, "global.get: global 1 does not exist; there are 1"},
		{"label", []byte{0x0c, 1, 0x0b}, "parse", 0, "br: label 1 does not exist; there are 1"},
		{"label of br_table", []byte{0x41, 0, 0x0e, 1, 0, 7, 0x0b}, "parse", 2, "br_table: label 7 does not exist; there are 1"},
		{"labels past the end", []byte{0x41, 0, 0x0e, 0xff, 0x7f, 0, 0x0b}, "parse", 5, "16383 labels go past the end"},
		{"table.get", []byte{0x41, 0, 0x25, 4, 0x1a, 0x0b}, "parse", 2, "table.get: table 4 does not exist; there are 3"},
		{"element", []byte{0xfc, 13, 1, 0x0b}, "parse", 0, "elem.drop: element segment 1 does not exist; there are 1"},
		{"data", []byte{0xfc, 9, 1, 0x0b}, "parse", 0, "data.drop: data segment 1 does not exist; there are 1"},
		{"undeclared", []byte{0xd2, 0, 0x1a, 0x0b}, "parse", 0, "ref.func: function 0 is not declared by an element, export or global"},
		{"block type", []byte{0x02, 3, 0x0b, 0x0b}, "parse", 0, "block: type 3 does not exist; there are 3"},
		{"negative block type", []byte{0x02, 0x80, 0x7f, 0x0b, 0x0b}, "parse", 0, "block: type -128 does not exist; there are 3"},
		{"block of references", []byte{0x02, 0x6e, 0x0b, 0x0b}, "verify", 0, "block: value type 0x6e belongs to a proposal that is not supported"},
		{"alignment", []byte{0x41, 0, 0x28, 3, 0, 0x1a, 0x0b}, "parse", 2, "i32.load: alignment 2^3 is over the natural 2^2"},
		{"lane", slices.Concat([]byte{0xfd, 12}, make([]byte, 16), []byte{0xfd, 27, 4, 0x1a, 0x0b}), "parse", 18, "i32x4.extract_lane: lane 4 does not exist; the last is 3"},
		{"lane of a load", slices.Concat([]byte{0x41, 0, 0xfd, 12}, make([]byte, 16), []byte{0xfd, 0x57, 3, 0, 2, 0x1a, 0x0b}), "parse", 20, "v128.load64_lane: lane 2 does not exist; the last is 1"},
		{"select of two", []byte{0x00, 0x1c, 2, 0x7f, 0x7f, 0x0b}, "parse", 1, "select has 2 types, not one"},
		{"else", []byte{0x05, 0x0b}, "parse", 0, "else stands outside of an if"},
		{"else twice", []byte{0x41, 0, 0x04, 0x40, 0x05, 0x05, 0x0b, 0x0b}, "parse", 5, "else stands outside of an if"},
		{"too few operands", []byte{0x41, 0, 0x6a, 0x1a, 0x0b}, "parse", 2, "i32.add has too few operands"},
		{"operands of another block", []byte{0x41, 0, 0x02, 0x40, 0x1a, 0x0b, 0x1a, 0x0b}, "parse", 4, "drop has too few operands"},
		{"too many operands", []byte{0x41, 0, 0x0b}, "parse", 2, "1 operands are left over at the end of the block"},
		{"number of 33 bits", []byte{0x41, 0xff, 0xff, 0xff, 0xff, 0x1f, 0x1a, 0x0b}, "parse", 6, "a number has over 32 bits"},
		{"number of 6 bytes", []byte{0x41, 0x80, 0x80, 0x80, 0x80, 0x80, 0, 0x1a, 0x0b}, "parse", 6, "a number has over 32 bits"},
		{"no such opcode", []byte{0x27, 0x0b}, "parse", 0, "opcode 0x27 does not exist"},
		{"no such miscellaneous opcode", []byte{0xfc, 0x80, 1, 0x0b}, "parse", 0, "opcode 0xfc 0x80 does not exist"},
		{"opcode of many bits", []byte{0xfd, 0x80, 0x80, 1, 0x0b}, "parse", 0, "opcode 0xfd 0x4000 does not exist"},
		{"gap in the vector opcodes", []byte{0xfd, 0x9a, 1, 0x0b}, "parse", 0, "opcode 0xfd 0x9a does not exist"},
		{"try", []byte{0x06, 0x40, 0x0b, 0x0b}, "verify", 0, "opcode 0x06 (exception handling) belongs to a proposal"},
		{"try_table", []byte{0x1f, 0x40, 0, 0x0b, 0x0b}, "verify", 0, "opcode 0x1f (exception handling) belongs to a proposal"},
		{"return_call", []byte{0x12, 1, 0x0b}, "verify", 0, "opcode 0x12 (tail calls) belongs to a proposal"},
		{"call_ref", []byte{0x14, 1, 0x0b}, "verify", 0, "opcode 0x14 (function references) belongs to a proposal"},
		{"ref.eq", []byte{0xd3, 0x0b}, "verify", 0, "opcode 0xd3 (garbage collection) belongs to a proposal"},
		{"struct.new", []byte{0xfb, 0, 0, 0x0b}, "verify", 0, "opcode 0xfb (garbage collection) belongs to a proposal"},
		{"suspend", []byte{0xe2, 0, 0x0b}, "verify", 0, "opcode 0xe2 (stack switching) belongs to a proposal"},
		{"atomic.fence", []byte{0xfe, 3, 0, 0x0b}, "verify", 0, "opcode 0xfe (threads) belongs to a proposal"},
		{"memory.discard", []byte{0xfc, 0x12, 0, 0x0b}, "verify", 0, "opcode 0xfc 0x12 (memory control) belongs to a proposal"},
		{"i64.add128", []byte{0xfc, 0x13, 0x0b}, "verify", 0, "opcode 0xfc 0x13 (wide arithmetic) belongs to a proposal"},
		{"relaxed SIMD", []byte{0xfd, 0x80, 2, 0x0b}, "verify", 0, "opcode 0xfd 0x100 (relaxed SIMD) belongs to a proposal"},
		{"memory.size of another memory", []byte{0x3f, 1, 0x1a, 0x0b}, "verify", 0, "memory.size of memory 0x1: multi-memory is a proposal"},
		{"load of another memory", []byte{0x41, 0, 0x28, 0x42, 1, 0, 0x1a, 0x0b}, "verify", 2, "i32.load: multi-memory is a proposal"},
		{"offset of 64 bits", []byte{0x41, 0, 0x28, 2, 0x80, 0x80, 0x80, 0x80, 0x10, 0x1a, 0x0b}, "parse", 9, "a number has over 32 bits"},
		{"ref.null of a type", []byte{0xd0, 1, 0x1a, 0x0b}, "verify", 2, "reference type 0x1 belongs to a proposal"},
		{"deep", deep(1001), "verify", 2000, "blocks are nested over 1000 deep"},
		{"wide", wide(65_537), "verify", 2, "the function has br_table instructions with over 65536 labels"},
	} {
		module := around(test.code...)
		_, err := wasm.Parse(module)
		var e *wasm.ModuleError
		if !errors.As(err, &e) || e.Stage != test.stage || !strings.HasPrefix(e.Reason, test.reason) || e.Place != "function 0" {
			t.Errorf("%s: %v; want %s: %s", test.name, err, test.stage, test.reason)
			continue
		}
		// What stands before the code grows with the lengths in front of it.
		if at := int(e.Offset) - codeStart(t, module); at != test.at {
			t.Errorf("%s: offset %d in the code, want %d", test.name, at, test.at)
		}
	}
}

// TestPassedValues: what the engine must go through to check types ends, in
// whatever form it comes.
func TestPassedValues(t *testing.T) {
	const loop = "\x03\x00\x00" // of type 0, and never passed
	types := vec(
		slices.Concat([]byte{0x60}, str(strings.Repeat("\x7e", 256)), str(strings.Repeat("\x7e", 32))),
		[]byte{0x60, 0, 0},
		slices.Concat([]byte{0x60, 0}, str(strings.Repeat("\x7e", 32))),
	)
	for _, test := range []struct {
		name          string
		function      byte   // its type
		before, after string // the repeated instruction
		instruction   string
		each          int // values of one
	}{
		{"block", 1, "\x00", "\x00", "\x02\x00\x00\x0b", 288},
		{"if", 1, "\x00", "\x00", "\x04\x00\x00\x05\x00\x0b", 288},
		{"call", 1, "\x00", "\x00", "\x10\x00\x00", 288},
		{"call_indirect", 1, "\x00", "\x00", "\x11\x00\x00\x00", 288},
		{"br", 1, "\x00" + loop, "\x0b\x00", "\x0c\x00", 256},
		{"br_if", 1, "\x00" + loop, "\x0b\x00", "\x0d\x00\x00", 256},
		{"br_table", 1, "\x00" + loop, "\x0b\x00", "\x0e\x01\x00\x00", 512},
		{"return", 2, "\x00", "", "\x0f", 32},
	} {
		module := func(n int) (data []byte, instructions int) {
			body := "\x00" + test.before + strings.Repeat(test.instruction, n) + test.after + "\x0b"
			whole := slices.Concat(leb(len(body)), []byte(body))
			empty := []byte{3, 0, 0, 0x0b}
			data = mod(sec(1, types...), sec(3, vec([]byte{0}, []byte{test.function})...), sec(4, 1, 0x70, 0, 1), sec(10, vec(empty, whole)...))
			return data, len(data) - len(body) + 1 + len(test.before)
		}
		rest := 2 * 288 // the functions and the loop, at most
		most := (5_000_000 - rest) / test.each
		if data, _ := module(most); parse(data) != nil {
			t.Errorf("%d of %s: %v", most, test.name, parse(data))
		}
		data, begin := module(most + 20)
		var e *wasm.ModuleError
		if err := parse(data); !errors.As(err, &e) || e.Stage != "verify" || !strings.Contains(e.Reason, "pass over 5000000 values") {
			t.Errorf("%d of %s: %v", most+20, test.name, err)
		} else if behind := (int(e.Offset) - begin) / len(test.instruction); behind < most || behind > most+20 {
			t.Errorf("%s: refused at offset %d", test.name, e.Offset)
		}
	}
}

// TestVectors: a body may have vectors from wherever they come.
func TestVectors(t *testing.T) {
	vector := slices.Concat([]byte{0xfd, 12}, make([]byte, 16))
	for i, test := range []struct {
		kind byte // 0 is () -> (), 1 is () -> (v128)
		body []byte
		want bool
	}{
		{0, []byte{0, 0x0b}, false},
		{0, slices.Concat([]byte{0}, vector, []byte{0x1a, 0x0b}), true},
		{0, []byte{0, 0x10, 0, 0x1a, 0x0b}, true},                   // call
		{0, []byte{0, 0x02, 1, 0x10, 0, 0x0b, 0x1a, 0x0b}, true},    // block
		{0, []byte{0, 0x23, 0, 0x1a, 0x0b}, true},                   // global.get
		{0, []byte{1, 1, 0x7b, 0x20, 0, 0x1a, 0x0b}, true},          // local
		{0, []byte{2, 1, 0x7b, 1, 0x7f, 0x20, 1, 0x1a, 0x0b}, true}, // a local that is not the last
		{1, []byte{0, 0x00, 0x0b}, true},                            // result
	} {
		first := slices.Concat([]byte{0}, vector, []byte{0x0b})
		m, err := wasm.Parse(mod(sec(1, vec([]byte{0x60, 0, 0}, []byte{0x60, 0, 1, 0x7b})...), sec(3, vec([]byte{1}, []byte{test.kind})...),
			sec(6, vec(slices.Concat([]byte{0x7b, 0}, vector, []byte{0x0b}))...),
			sec(10, vec(slices.Concat(leb(len(first)), first), slices.Concat(leb(len(test.body)), test.body))...)))
		if err != nil || m.Bodies[1].Vectors != test.want {
			t.Errorf("%d: vectors %v, %v", i, !test.want, err)
		}
	}
}

func parse(data []byte) error {
	_, err := wasm.Parse(data)
	return err
}

// codeStart gives where the code of the first function of around starts.
func codeStart(t *testing.T, module []byte) int {
	t.Helper()
	locals := []byte{4, 1, 0x7f, 1, 0x7e, 1, 0x7d, 1, 0x7c}
	at := strings.Index(string(module), string(locals))
	if at < 0 {
		t.Fatal("no locals")
	}
	return at + len(locals)
}

func ExampleModule_Code() {
	m, err := wasm.Parse(around(0x41, 7, 0x24, 0, 0x0b))
	if err != nil {
		fmt.Println(err)
		return
	}
	c := m.Code(0)
	for c.Next() {
		fmt.Println(c.Op)
	}
	fmt.Println(c.Err())
	// Output:
	// i32.const
	// global.set
	// end
	// <nil>
}
