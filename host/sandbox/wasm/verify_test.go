package wasm_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/sandbox/wasm"
)

// offered is a small host.
func offered() wasm.Offered {
	i32, i64 := string([]byte{wasm.I32}), string([]byte{wasm.I64})
	return wasm.Offered{
		"extism:host/env":        {"alloc": {Params: i64, Results: i64}, "input_length": {Results: i64}},
		"trama:host/v1":          {"deadline": {Results: i64}},
		"wasi_snapshot_preview1": {"proc_exit": {Params: i32}},
	}
}

// A small encoder, so that each malformed module stands beside its reason.

func leb(n int) []byte {
	for b := []byte(nil); ; n >>= 7 {
		if n < 0x80 {
			return append(b, byte(n))
		}
		b = append(b, byte(n)|0x80)
	}
}

func vec(items ...[]byte) []byte { return append(leb(len(items)), slices.Concat(items...)...) }

func str(s string) []byte { return append(leb(len(s)), s...) }

func sec(id byte, content ...byte) []byte {
	return slices.Concat([]byte{id}, leb(len(content)), content)
}

func mod(sections ...[]byte) []byte {
	return append([]byte("\x00asm\x01\x00\x00\x00"), slices.Concat(sections...)...)
}

// The parts of the least plugin: run: () -> i32.
var (
	typ  = sec(1, vec([]byte{0x60, 0, 1, 0x7f})...)
	fun  = sec(3, vec([]byte{0})...)
	exp  = sec(7, vec(slices.Concat(str("run"), []byte{0, 0}))...)
	body = []byte{4, 0, 0x41, 0, 0x0b}
	code = sec(10, vec(body)...)
)

func imp(module, name string, desc ...byte) []byte {
	return sec(2, vec(slices.Concat(str(module), str(name), desc))...)
}

func TestInspectRefuses(t *testing.T) {
	if _, err := wasm.Inspect(mod(typ, fun, exp, code), offered(), nil); err != nil {
		t.Fatalf("the least plugin: %v", err)
	}
	u32max := []byte{0xff, 0xff, 0xff, 0xff, 0x0f}
	for _, test := range []struct {
		name  string
		wasm  []byte
		stage string
		text  string
	}{
		{"empty", nil, "parse", "not WebAssembly"},
		{"text", []byte("hello, world"), "parse", "not WebAssembly"},
		{"half a header", []byte("\x00asm"), "verify", "is not version 1"},
		{"version 2", []byte("\x00asm\x02\x00\x00\x00"), "verify", "is not version 1"},
		{"component", []byte("\x00asm\x0d\x00\x01\x00"), "verify", "component"},
		{"too big", make([]byte, wasm.MaxModule+1), "verify", "over the limit of 16MiB"},
		{"header alone", mod(), "verify", "not an Extism plugin"},
		{"truncated", mod(typ, fun, exp, code[:len(code)-1]), "parse", "but the file ends after"},
		{"section without length", mod(typ, []byte{3}), "parse", "it ends early"},
		{"length of 6 bytes", mod([]byte{1, 0x80, 0x80, 0x80, 0x80, 0x80, 0}), "parse", "over 32 bits"},
		{"length over 32 bits", mod([]byte{1, 0xff, 0xff, 0xff, 0xff, 0x1f}), "parse", "over 32 bits"},
		{"length 2^32-1", mod(append([]byte{1}, u32max...)), "parse", "it has 4294967295 bytes"},
		{"count 2^32-1", mod(sec(1, u32max...)), "verify", "over the limit of 10000"},
		{"wrong order", mod(typ, fun, code, exp), "parse", "section export at offset"},
		{"twice", mod(typ, fun, fun, exp, code), "parse", "out of order or stands twice"},
		{"data count late", mod(typ, fun, exp, code, sec(12, 0)), "parse", "out of order"},
		{"tags", mod(sec(13, 0)), "verify", "proposal that is not supported"},
		{"left over", mod(sec(1, append(vec([]byte{0x60, 0, 0}), 7)...)), "parse", "1 bytes are left over"},
		{"struct type", mod(sec(1, vec([]byte{0x5f, 0})...)), "verify", "type form 0x5f"},
		{"value type", mod(sec(1, vec([]byte{0x60, 1, 0x6e, 0})...)), "verify", "value type 0x6e"},
		{"no such type", mod(typ, sec(3, vec([]byte{5})...)), "parse", "type 5 does not exist; there are 1"},
		{"no such function", mod(typ, fun, sec(7, vec(append(str("run"), 0, 9))...), code), "parse", "function 9 does not exist"},
		{"body missing", mod(typ, fun, exp), "parse", "1 functions are declared, 0 have a body"},
		{"body past the section", mod(typ, fun, exp, sec(10, 1, 90, 0, 0x0b)), "parse", "the body has 90 bytes"},
		{"huge body", mod(typ, fun, exp, sec(10, slices.Concat([]byte{1}, leb(1<<20+1), make([]byte, 1<<20+1))...)), "verify", "over the limit of 1MiB for one function"},
		{"locals", mod(typ, fun, exp, sec(10, vec(slices.Concat(leb(9), []byte{1}, u32max, []byte{0x7f, 0x41, 0, 0x0b}[:3]))...)), "verify", "over 50000 locals"},
		{"name past the end", mod(typ, sec(7, 1, 90, 'a')), "parse", "name of 90 bytes goes past the end"},
		{"name not UTF-8", mod(typ, sec(7, 1, 1, 0xff, 0, 0)), "parse", "not UTF-8"},
		{"export twice", mod(typ, fun, sec(7, vec(append(str("run"), 0, 0), append(str("run"), 0, 0))...), code), "parse", `"run" stands twice`},
		{"nothing callable", mod(sec(1, vec([]byte{0x60, 0, 0})...), fun, exp, sec(10, vec([]byte{2, 0, 0x0b})...)), "verify", "exports no function () -> i32, so there is nothing to call: this is not an Extism plugin; it exports \"run\" () -> ()"},
		{"two memories", mod(typ, fun, sec(5, 2, 0, 1, 0, 1), exp, code), "verify", "over the limit of 1"},
		{"shared memory", mod(typ, fun, sec(5, 1, 3, 1, 1), exp, code), "verify", "shared or 64-bit"},
		{"huge memory", mod(typ, fun, sec(5, 1, 0, 0x80, 0x80, 4), exp, code), "verify", "65536 pages"},
		{"memory max below min", mod(typ, fun, sec(5, 1, 1, 2, 1), exp, code), "parse", "minimum 2 is over its maximum 1"},
		{"huge table", mod(typ, fun, sec(4, 1, 0x70, 0, 0x80, 0x80, 0x80, 8), exp, code), "verify", "16777216 elements"},
		{"many tables", mod(typ, fun, sec(4, slices.Concat([]byte{2}, []byte{0x70, 0, 0x80, 0x80, 3}, []byte{0x70, 0, 0x80, 0x80, 3})...), exp, code), "verify", "98304 elements"},
		{"data count", mod(typ, fun, exp, sec(12, 3), code, sec(11, 0)), "parse", "0 data segments, but the data count section says 3"},
		{"many locals in all", mod(typ, sec(3, append(leb(41), make([]byte, 41)...)...), sec(10, append([]byte{41}, bytes.Repeat([]byte{6, 1, 0xd0, 0x86, 3, 0x7f, 0x0b}, 41)...)...)), "verify", "over 2000000 locals together"},
		{"body without a function", mod(typ, fun, exp, sec(10, vec(body, body)...)), "parse", "the body has no function; there are 1"},
		{"left over in a section", mod(typ, fun, exp, sec(10, append(vec(body), 1)...)), "parse", "1 bytes are left over"},
		{"half a local", mod(typ, fun, exp, sec(10, 1, 2, 1, 1)), "parse", "it ends early"},
		{"local of a proposal", mod(typ, fun, exp, sec(10, 1, 5, 1, 1, 0x6e, 0x41, 0)), "verify", "value type 0x6e"},
		{"table type", mod(typ, fun, sec(4, 1, 0x6e, 0, 1), exp, code), "verify", "reference type 0x6e"},
		{"64-bit memory", mod(typ, fun, sec(5, 1, 4, 1), exp, code), "verify", "that is not supported: memory64"},
		{"memory over 32 bits", mod(typ, fun, sec(5, 1, 0, 0x81, 0x80, 4), exp, code), "parse", "over 65536 pages"},
		{"memory maximum over 32 bits", mod(typ, fun, sec(5, 1, 1, 1, 0x81, 0x80, 4), exp, code), "parse", "over 65536 pages"},
		{"too many tables", mod(typ, sec(4, append([]byte{17}, bytes.Repeat([]byte{0x70, 0, 0}, 17)...)...)), "verify", "17 entries (table), over the limit of 16"},
		{"global type", mod(sec(6, 1, 0x6e, 0, 0x41, 0, 0x0b)), "verify", "value type 0x6e"},
		{"global mutability", mod(sec(6, 1, 0x7f, 2, 0x41, 0, 0x0b)), "parse", "0x2 says neither mutable nor constant"},
		{"global of another type", mod(sec(6, 1, 0x7e, 0, 0x41, 0, 0x0b)), "parse", "gives i32 where i64 is wanted"},
		{"global of two instructions", mod(sec(6, 1, 0x7f, 0, 0x41, 0, 0x41, 0, 0x0b)), "parse", "a constant expression has one instruction"},
		{"global of a sum", mod(sec(6, 1, 0x7f, 0, 0x6a, 0x0b)), "parse", "i32.add can't stand in a constant expression"},
		{"global of a proposal", mod(sec(6, 1, 0x7f, 0, 0xfe, 0x0b)), "verify", "opcode 0xfe (threads)"},
		{"global of a later global", mod(sec(6, 1, 0x7f, 0, 0x23, 0, 0x0b)), "parse", "imported global 0 does not exist; there are 0"},
		{"global of a mutable global", mod(imp("env", "g", 3, 0x7f, 1), sec(6, 1, 0x7f, 0, 0x23, 0, 0x0b)), "parse", "reads global 0, which is mutable"},
		{"global of a function", mod(typ, fun, sec(6, 1, 0x70, 0, 0xd2, 9, 0x0b)), "parse", "function 9 does not exist"},
		{"export of a table", mod(sec(7, vec(append(str("t"), 1, 0))...)), "parse", "table 0 does not exist"},
		{"export of a memory", mod(sec(7, vec(append(str("m"), 2, 0))...)), "parse", "memory 0 does not exist"},
		{"export of a global", mod(sec(7, vec(append(str("g"), 3, 0))...)), "parse", "global 0 does not exist"},
		{"export of a tag", mod(sec(7, vec(append(str("e"), 4, 0))...)), "verify", "it exports tag, which belongs to a proposal"},
		{"import of a tag", mod(typ, imp("env", "e", 4, 0, 0)), "verify", "it imports tag, which belongs to a proposal"},
		{"reserved export", mod(typ, fun, sec(7, vec(append(str("run"), 0, 0), append(str("trama:fuel"), 0, 0))...), code), "verify", `export 1 "trama:fuel" at offset 28: names that begin with "trama:" are the host's`},
		{"start with a result", mod(typ, fun, exp, sec(8, 0), code), "parse", "function 0 is () -> i32, but a start function is () -> ()"},
		{"start of nothing", mod(typ, fun, exp, sec(8, 1), code), "parse", "function 1 does not exist"},
		{"element form", mod(typ, fun, exp, sec(9, 1, 8), code), "parse", "form 8 of an element segment does not exist"},
		{"element without a table", mod(typ, fun, exp, sec(9, 1, 0, 0x41, 0, 0x0b, 0), code), "parse", "it fills a table, but there is none"},
		{"element of another table", mod(typ, fun, exp, sec(9, 1, 2, 3), code), "parse", "table 3 does not exist"},
		{"element kind", mod(typ, fun, exp, sec(9, 1, 1, 1, 0), code), "parse", "element kind 0x1 does not exist"},
		{"element type", mod(typ, fun, sec(4, 1, 0x70, 0, 1), exp, sec(9, 1, 6, 0, 0x41, 0, 0x0b, 0x6f, 0), code), "parse", "elements of type externref, but table 0 has funcref"},
		{"element offset", mod(typ, fun, sec(4, 1, 0x70, 0, 1), exp, sec(9, 1, 0, 0x42, 0, 0x0b, 0), code), "parse", "gives i64 where i32 is wanted"},
		{"element function", mod(typ, fun, exp, sec(9, 1, 1, 0, 1, 9), code), "parse", "function 9 does not exist"},
		{"many elements", mod(typ, fun, exp, sec(9, 1, 1, 0, 0xa1, 0x8d, 6), code), "verify", "over 100000 elements in all element segments"},
		{"data form", mod(typ, fun, exp, code, sec(11, 1, 3)), "parse", "form 3 of a data segment does not exist"},
		{"data without memory", mod(typ, fun, exp, code, sec(11, 1, 0, 0x41, 0, 0x0b, 0)), "parse", "it fills memory, but there is none"},
		{"data of another memory", mod(typ, fun, sec(5, 1, 0, 1), exp, code, sec(11, 1, 2, 1, 0x41, 0, 0x0b, 0)), "parse", "memory 1 does not exist"},
		{"data offset", mod(typ, fun, sec(5, 1, 0, 1), exp, code, sec(11, 1, 0, 0x44, 0, 0, 0, 0, 0, 0, 0, 0, 0x0b, 0)), "parse", "gives f64 where i32 is wanted"},
		{"data past the end", mod(typ, fun, exp, code, sec(11, 1, 1, 9, 'x')), "parse", "9 bytes go past the end"},
		{"data without a count", mod(typ, fun, exp, sec(10, vec([]byte{7, 0, 0xfc, 9, 0, 0x41, 0, 0x0b})...), sec(11, 1, 1, 0)), "parse", "data.drop needs a data count section"},
		{"data counted, but missing", mod(typ, fun, exp, sec(12, 1), code), "parse", "0 data segments, but the data count section says 1"},
		{"load without memory", mod(typ, fun, exp, sec(10, vec([]byte{7, 0, 0x41, 0, 0x28, 2, 0, 0x0b})...)), "parse", "i32.load: there is no memory"},
		{"memory.size without memory", mod(typ, fun, exp, sec(10, vec([]byte{4, 0, 0x3f, 0, 0x0b})...)), "parse", "memory.size: there is no memory"},
		{"ref.func", mod(typ, fun, exp, sec(10, vec([]byte{7, 0, 0xd2, 0, 0x1a, 0x41, 0, 0x0b})...)), "verify", `function 0 at offset 33: ref.func in a function: the engine keeps host memory at each execution`},
		{"many parameters", mod(sec(1, vec(slices.Concat([]byte{0x60}, leb(257), make([]byte, 257), []byte{0}))...)), "verify", "257 entries (parameter), over the limit of 256"},
		{"many results", mod(sec(1, vec(slices.Concat([]byte{0x60, 0}, leb(33), make([]byte, 33)))...)), "verify", "33 entries (result), over the limit of 32"},
		{"custom sections", mod(typ, fun, exp, code, sec(0, append(str("a"), make([]byte, 5<<20)...)...), sec(0, append(str(".debug_info"), make([]byte, 4<<20)...)...)), "verify", "custom .debug_info at offset 5242928: custom sections have over 8MiB"},
		{"custom section without a name", mod(sec(0)), "parse", "it ends early"},
		{"long name", mod(typ, fun, sec(7, vec(append(str(strings.Repeat("n", 1001)), 0, 0))...), code), "verify", "a name has 1001 bytes, over the limit of 1000"},
		{"imported memory", mod(typ, imp("env", "memory", 2, 0, 1)), "verify", `import 0 "env.memory" at offset 18: it imports a memory`},
		{"imported table", mod(typ, imp("extism:host/env", "t", 1, 0x70, 0, 1)), "verify", "it imports a table"},
		{"imported global", mod(typ, imp("extism:host/env", "g", 3, 0x7f, 0)), "verify", "it imports a global"},
		{"unknown module", mod(typ, imp("env", "abort", 0, 0)), "verify", `there is no module "env"; plugins may import from extism:host/env, trama:host/v1 and wasi_snapshot_preview1 (it was built for another host`},
		{"user functions", mod(typ, imp("extism:host/user", "kv_read", 0, 0)), "verify", "its own application adds to Extism"},
		{"GOOS=js", mod(typ, imp("gojs", "runtime.wasmExit", 0, 0)), "verify", "use GOOS=wasip1"},
		{"unknown function", mod(typ, imp("extism:host/env", "teleport", 0, 0)), "verify", `has no function "teleport"`},
		{"unknown Trama function", mod(typ, imp("trama:host/v1", "kv_get", 0, 0)), "verify", `module "trama:host/v1" has no function "kv_get"`},
		{"unknown WASI function", mod(typ, imp("wasi_snapshot_preview1", "fork", 0, 0)), "verify", `has no function "fork"`},
		{"wrong signature", mod(typ, imp("extism:host/env", "alloc", 0, 0)), "verify", `import 0 "extism:host/env.alloc" at offset 18: its signature is () -> i32, but the host's is (i64) -> i64`},
		{"wrong WASI signature", mod(typ, imp("wasi_snapshot_preview1", "proc_exit", 0, 0)), "verify", "its signature is () -> i32, but the host's is (i32) -> ()"},
	} {
		_, err := wasm.Inspect(test.wasm, offered(), nil)
		var e *wasm.ModuleError
		if !errors.As(err, &e) || e.Stage != test.stage || !strings.Contains(err.Error(), test.text) {
			t.Errorf("%s: %v; want %s: ...%s", test.name, err, test.stage, test.text)
			continue
		}
		if e.Place == "" || e.Offset < 0 || e.Offset > int64(len(test.wasm)) {
			t.Errorf("%s: place %q, offset %d", test.name, e.Place, e.Offset)
		}
	}
}

func guest(tb testing.TB, name string) []byte {
	tb.Helper()
	data, err := os.ReadFile("../testdata/" + name + ".wasm")
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

func TestInspectTruncations(t *testing.T) {
	data := guest(t, "system")
	m, err := wasm.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	own := wasm.Offered{} // what the module itself imports
	for i, im := range m.Imports {
		if own[im.Module] == nil {
			own[im.Module] = map[string]wasm.Signature{}
		}
		own[im.Module][im.Name] = m.Type(uint32(i))
	}
	if err := wasm.Verify(m, own, nil); err != nil || len(m.Imports) < 3 {
		t.Fatalf("%d imports, %v", len(m.Imports), err)
	}
	whole := map[int]bool{} // what follows the code may be missing
	for i, section := range m.Sections {
		if i >= slices.IndexFunc(m.Sections, func(s wasm.Section) bool { return s.Name == "code" }) {
			whole[int(section.Offset+section.Bytes)] = true
		}
	}
	for n := 0; n < len(data); n += 3 {
		if whole[n] {
			continue
		}
		if _, err := wasm.Inspect(data[:n], own, nil); err == nil {
			t.Fatalf("the first %d of %d bytes are taken", n, len(data))
		}
	}
}

func TestInfo(t *testing.T) {
	data := guest(t, "start")
	m, err := wasm.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	info := m.Info()
	if len(info.SHA256) != 64 || info.Size != int64(len(data)) || info.Functions != 5 || !info.Start {
		t.Errorf("%+v", info)
	}
	text, err := json.Marshal(info.Imports[0])
	if string(text) != `{"module":"extism:host/env","name":"alloc","signature":"(i64) -\u003e i64"}` || err != nil {
		t.Errorf("%s, %v", text, err)
	}
	var exports []string
	for _, e := range info.Exports {
		exports = append(exports, e.Name+" "+e.Kind+" "+e.Signature)
	}
	if got := strings.Join(exports, ", "); got != "_initialize function () -> (), with_params function (i32) -> i32, "+
		"two_results function () -> (i32, i32), state function () -> i32" {
		t.Error(got)
	}
	var names []string
	total := int64(8)
	for _, s := range info.Sections {
		names = append(names, s.Name)
		total += s.Bytes + 2 // ids and lengths of a byte each
	}
	if got := strings.Join(names, " "); got != "type import function global export start code" || total != info.Size {
		t.Errorf("%s, %d of %d bytes", got, total, info.Size)
	}
	if m, err := wasm.Parse(guest(t, "portable")); err != nil || m.Info().MemoryMin != 18<<16 {
		t.Errorf("memory starts with %d, %v", m.Info().MemoryMin, err)
	}
	if m, err := wasm.Parse(data[:len(data)-1]); err == nil || len(m.Info().Exports) != 4 {
		t.Errorf("what was read before an error is lost: %+v, %v", m.Info(), err)
	}
}

// FuzzInspect: never a panic, errors have a place, and what is taken is sound
// enough to call.
func FuzzInspect(f *testing.F) {
	for _, name := range []string{"echo", "start", "json", "system", "portable"} {
		f.Add(guest(f, name))
	}
	f.Add(mod(typ, fun, exp, code))
	f.Add(mod(typ, imp("env", "memory", 2, 0, 1)))
	f.Add(around(0x0b))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := wasm.Inspect(data, offered(), nil)
		info := m.Info()
		if info.Size != int64(len(data)) || len(info.SHA256) != 64 {
			t.Fatalf("%+v", info)
		}
		if err == nil {
			if !slices.ContainsFunc(info.Exports, wasm.Export.Callable) {
				t.Fatal("nothing to call")
			}
			return
		}
		var e *wasm.ModuleError
		if !errors.As(err, &e) || e.Place == "" || e.Reason == "" || e.Offset < 0 || e.Offset > info.Size {
			t.Fatalf("%#v", err)
		}
	})
}
