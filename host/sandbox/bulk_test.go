package sandbox

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/trama-run/trama/pdk/abi"
)

// TestBulkSameAsGoSDK: a module that moves its bytes in one piece here gives
// the same outputs under go-sdk, which doesn't know how.
func TestBulkSameAsGoSDK(t *testing.T) {
	w := newTwin(t, guest(t, "bulk"))
	outside := newServer(t)
	listen(t)
	for _, n := range []int{0, 1, 2, 7, 8, 9, 255, 4096, 64 * kib, 120_000} {
		input := strings.Repeat("é", n/2) + strings.Repeat("x", n%2)
		if got := w.compare(t, outside, portableCase{export: "echo", input: input}); got.output != input || got.failed {
			t.Errorf("%d bytes give %d, %v", n, len(got.output), got.failed)
		}
	}
	// An output and an error that Extism's calls set count in both hosts.
	w.compare(t, outside, portableCase{export: "unset", input: "some"})
	w.compare(t, outside, portableCase{export: "error", input: "some"})
	w.compare(t, outside, portableCase{export: "code", input: "some"})
}

// TestBulkGoPDK: the same for what pdk/go makes of it.
func TestBulkGoPDK(t *testing.T) {
	w := newTwin(t, buildGuest(t, "../..", "./host/sandbox/testdata/gojson"))
	outside := newServer(t)
	listen(t)
	items := strings.Repeat(`{"sku":"a-1","price":250,"quantity":2},`, 2000)
	for _, input := range []string{`{"items":[` + items + `{"price":1,"quantity":1}]}`, `{"items":[]}`, ``, `[1]`, `{"customer":"` + strings.Repeat("á", 40_000) + `"}`} {
		for _, export := range []string{"total", "grow"} {
			w.compare(t, outside, portableCase{export: export, input: input})
		}
	}
	if !w.here.bulk {
		t.Error("it has no bulk exports")
	}
}

// TestBulk calls what a guest may do with the two exports. Every failed call
// is followed by a good one: nothing stays behind.
func TestBulk(t *testing.T) {
	m := load(t, "bulk")
	text := func(n int) string { return strings.Repeat("x", n) }
	for _, test := range []struct {
		name, export, input string
		output              string
		kind                Kind
		at, message         string // of the error
	}{
		{name: "a buffer in a page that is new", export: "echo", input: text(1004), output: text(1004)},
		{name: "no buffer", export: "echo", input: text(1002), output: text(1002)},
		{name: "Extism has no input beside it", export: "extism_length", input: "four", output: "0"},
		{name: "Extism has the input instead", export: "extism_length", input: text(1002), output: string([]byte{(48 + 1002) % 256})},
		{name: "a buffer outside", export: "echo", input: text(1001), kind: KindTrap, at: abi.ExportInput,
			message: "the address 4294967295 for an input of 1001 bytes, outside of its memory of 262144 bytes"},
		{name: "a buffer that passes the end by one", export: "echo", input: text(1005), kind: KindTrap, at: abi.ExportInput, message: "the address 261140 for an input of 1005 bytes"},
		{name: "a trap in trama_input", export: "echo", input: text(1003), kind: KindTrap, at: abi.ExportInput, message: "unreachable"},
		{name: "trama_input never ends", export: "echo", input: text(1006), kind: KindTimeout, at: abi.ExportInput, message: "the limit"},
		{name: "an output outside", export: "outside", kind: KindTrap, at: abi.ExportOutput, message: "the address 262140 for an output of 5 bytes, outside of its memory of 262144 bytes"},
		{name: "an output that goes round", export: "around", kind: KindTrap, at: abi.ExportOutput, message: "the address 4294967295"},
		{name: "an output at address 0", export: "from_zero", kind: KindTrap, at: abi.ExportOutput, message: "the address 0"},
		{name: "an output at the end", export: "at_the_end", output: "z"},
		{name: "an output in a page that is new", export: "grown", output: "g"},
		{name: "an empty output hides Extism's", export: "empty", output: ""},
		{name: "no output leaves Extism's", export: "unset", output: "x"},
		{name: "too much output", export: "all", kind: KindLimit, at: abi.ExportOutput, message: "output of 262143B is over the limit of 2000B"},
		{name: "a trap in trama_output", export: "output_trap", kind: KindTrap, at: abi.ExportOutput, message: "unreachable"},
		{name: "trama_output never ends", export: "output_loop", kind: KindTimeout, at: abi.ExportOutput, message: "the limit"},
		{name: "an error counts alone", export: "error", kind: KindGuest, at: "error", message: "e"},
		{name: "so does a code", export: "code", kind: KindGuest, at: "code", message: "code 3"},
	} {
		limits := short()
		limits.Output = 2000
		got, err := m.Call(context.Background(), Call{Export: test.export, Input: []byte(test.input), Limits: limits})
		switch {
		case test.kind == "":
			if err != nil || string(got.Output) != test.output {
				t.Errorf("%s: %.40q, %v; want %.40q", test.name, got.Output, err, test.output)
			}
		case err == nil:
			t.Errorf("%s: it gave %.40q", test.name, got.Output)
		default:
			if e := kindOf(t, err); e.Kind != test.kind || e.Export != test.at || !strings.Contains(e.Err.Message, test.message) {
				t.Errorf("%s: %v; want %s in %s: %s", test.name, err, test.kind, test.at, test.message)
			}
		}
		if got, err := call(m, "echo", "fine"); err != nil || string(got.Output) != "fine" {
			t.Errorf("after %q: %q, %v", test.name, got.Output, err)
		}
	}
}

// TestBulkIsPaidFor: what the host copies is the guest's work.
func TestBulkIsPaidFor(t *testing.T) {
	m := load(t, "bulk")
	small, err := call(m, "echo", "1234567")
	if err != nil {
		t.Fatal(err)
	}
	big, err := call(m, "echo", strings.Repeat("x", 64*kib))
	if err != nil {
		t.Fatal(err)
	}
	if more := big.Fuel - small.Fuel; more != 2*64*kib/8 {
		t.Errorf("64 KiB cost %d units more, want %d", more, 2*64*kib/8)
	}
	limits := DefaultLimits()
	limits.Fuel = 1000
	_, err = m.Call(context.Background(), Call{Export: "echo", Input: make([]byte, 16*kib), Limits: limits})
	if e := kindOf(t, err); e.Limit != LimitFuel {
		t.Errorf("%v, want the limit of fuel", err)
	}
}

// TestBulkRefused: exports of these names have these types, and come together.
func TestBulkRefused(t *testing.T) {
	whole := guest(t, "bulk")
	rename := func(pairs ...string) []byte {
		out := whole
		for i := 0; i < len(pairs); i += 2 {
			if len(pairs[i]) != len(pairs[i+1]) || !bytes.Contains(out, []byte(pairs[i])) {
				t.Fatalf("can't rename %q", pairs[i])
			}
			out = bytes.ReplaceAll(out, []byte(pairs[i]), []byte(pairs[i+1]))
		}
		return out
	}
	for _, test := range []struct{ wasm, want string }{
		{string(rename("trama_input", "Trama_input")), `export "trama_input"`},
		{string(rename("trama_input", "Trama_input")), `a module with "trama_output" needs it too, as a function (i32) -> i32`},
		{string(rename("trama_output", "Trama_output")), `a module with "trama_input" needs it too, as a function () -> i64`},
		{string(rename("trama_input", "Trama_input", "output_trap", "trama_input")), "it is a function () -> i32; want a function (i32) -> i32"},
	} {
		_, err := Inspect([]byte(test.wasm))
		var refused *ModuleError
		if !errors.As(err, &refused) || refused.Stage != StageVerify || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v, want %q", err, test.want)
		}
	}
}

// TestBlocks: requests and replies of Trama's functions go in one piece, and
// nothing outside of the guest's memory does.
func TestBlocks(t *testing.T) {
	m := load(t, "blocks")
	long := strings.Repeat("y", 100_000)
	host := &recorder{function: func(_ context.Context, name string, request []byte) ([]byte, error) {
		return []byte(name + " " + string(request) + long), nil
	}}
	if got, err := with(m, host, "ask", ""); err != nil || string(got.Output) != `effect_id "a request"`+long {
		t.Errorf("%.60q, %v", got.Output, err)
	}
	for how, want := range map[string]string{
		"a": "block_write: 3 bytes at address 131070 are not in the memory of 131072 bytes",
		"b": "block_write: 2 bytes at address 4294967295 are not",
		"c": "block_write: 4294967295 bytes at address 0 are not",
		"d": "block_read: 8 bytes to address 131070 would pass the memory of 131072 bytes",
		"e": "block_read: 8 bytes to address 4294967292 would pass",
	} {
		_, err := with(m, host, "wrong", how)
		if e := kindOf(t, err); e.Kind != KindTrap || !strings.Contains(e.Err.Message, want) {
			t.Errorf("%s: %v; want %s", how, err, want)
		}
	}
	if _, err := with(m, host, "wrong", "z"); err != nil {
		t.Errorf("nothing to move: %v", err)
	}
	limits := DefaultLimits()
	limits.Fuel = 1_000_000
	_, err := m.Call(context.Background(), Call{Export: "much", Limits: limits})
	if e := kindOf(t, err); e.Limit != LimitFuel && e.Limit != LimitTransfer {
		t.Errorf("%v, want a limit", err)
	}
}

func BenchmarkBulk21(b *testing.B) { compare(b, "bulk", "echo", strings.Repeat("x", 21)) }

func BenchmarkBulk64K(b *testing.B) { compare(b, "bulk", "echo", strings.Repeat("x", 64*kib)) }
