package wasm_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/sandbox/wasm"
)

// offered is a small host.
func offered() wasm.Offered {
	i32, i64 := string([]byte{wasm.I32}), string([]byte{wasm.I64})
	return wasm.Offered{
		"extism:host/env":        {"alloc": {Params: i64, Results: i64}},
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
	if _, err := wasm.Inspect(mod(typ, fun, exp, code), offered()); err != nil {
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
		{"nothing callable", mod(sec(1, vec([]byte{0x60, 0, 0})...), fun, exp, sec(10, vec([]byte{2, 0, 0x0b})...)), "verify", "exports no function () -> i32"},
		{"two memories", mod(typ, fun, sec(5, 2, 0, 1, 0, 1), exp, code), "verify", "over the limit of 1"},
		{"shared memory", mod(typ, fun, sec(5, 1, 3, 1, 1), exp, code), "verify", "shared or 64-bit"},
		{"huge memory", mod(typ, fun, sec(5, 1, 0, 0x80, 0x80, 4), exp, code), "verify", "65536 pages"},
		{"memory max below min", mod(typ, fun, sec(5, 1, 1, 2, 1), exp, code), "parse", "minimum 2 is over its maximum 1"},
		{"huge table", mod(typ, fun, sec(4, 1, 0x70, 0, 0x80, 0x80, 0x80, 8), exp, code), "verify", "16777216 elements"},
		{"many tables", mod(typ, fun, sec(4, slices.Concat([]byte{2}, []byte{0x70, 0, 0x80, 0x80, 3}, []byte{0x70, 0, 0x80, 0x80, 3})...), exp, code), "verify", "98304 elements"},
		{"data count", mod(typ, fun, exp, sec(12, 3), code, sec(11, 0)), "parse", "0 data segments, but the data count section says 3"},
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
		_, err := wasm.Inspect(test.wasm, offered())
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
