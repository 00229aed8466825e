package javascript_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/trama-run/trama/pdk/abi"
)

// A testCase is one entry of testdata/cases.json: one run, and what comes of
// it. Of output and error exactly one is set.
type testCase struct {
	Name   string             `json:"name"`
	Run    abi.Run            `json:"run"`
	Output json.RawMessage    `json:"output"`
	Error  *expectedError     `json:"error"`
	Logs   []abi.Log          `json:"logs"`
	HTTP   []abi.HTTPExchange `json:"http"`
}

type expectedError struct {
	Code             string `json:"code"`
	Message          string `json:"message"` // contained in the message
	Exact            bool   `json:"exact"`   // Message is all of it
	Line             int    `json:"line"`
	Column           int    `json:"column"`
	Retryable        bool   `json:"retryable"`
	RetryAfterMillis int64  `json:"retry_after_millis"`
}

// TestCases runs all cases in one instance and then, in reverse order, in the
// same one again: no call may change what a later one sees.
func TestCases(t *testing.T) {
	data, err := os.ReadFile("testdata/cases.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []testCase
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) < 40 {
		t.Fatalf("testdata/cases.json has %d cases, want at least 40", len(cases))
	}
	p := instance(t, compile(t, 1024))
	for _, round := range []string{"forward", "backward"} {
		for _, c := range cases {
			t.Run(round+"/"+c.Name, func(t *testing.T) {
				if (c.Output == nil) == (c.Error == nil) {
					t.Fatal("the case must have either output or error")
				}
				x := &exchange{http: c.HTTP}
				output, failure := run(t, p, x, c.Run)
				if len(x.http) > 0 {
					t.Errorf("%d announced requests were not made", len(x.http))
				}
				for _, f := range x.fail {
					t.Error(f)
				}
				if !slices.Equal(x.logs, c.Logs) {
					t.Errorf("logged %+v, want %+v", x.logs, c.Logs)
				}
				switch {
				case c.Error == nil && failure != nil:
					t.Errorf("failed with %v %s, want %s", failure, failure.Detail, c.Output)
				case c.Error == nil && !sameJSON(t, output, c.Output):
					t.Errorf("gave %s, want %s", output, c.Output)
				case c.Error != nil && failure == nil:
					t.Errorf("gave %s, want error %+v", output, *c.Error)
				case c.Error != nil:
					checkError(t, failure, c.Error)
				}
			})
		}
		slices.Reverse(cases)
	}
}

func checkError(t *testing.T, got *abi.Error, want *expectedError) {
	t.Helper()
	var detail struct{ Line, Column int }
	if len(got.Detail) > 0 {
		if err := json.Unmarshal(got.Detail, &detail); err != nil {
			t.Fatal(err)
		}
	}
	switch {
	case got.Code != want.Code,
		!strings.Contains(got.Message, want.Message),
		want.Exact && got.Message != want.Message,
		want.Line != 0 && detail.Line != want.Line,
		want.Column != 0 && detail.Column != want.Column,
		got.Retryable != want.Retryable,
		got.RetryAfterMillis != want.RetryAfterMillis:
		t.Errorf("error %q, retryable %t after %d ms, detail %s; want %+v", got.Error(), got.Retryable, got.RetryAfterMillis, got.Detail, *want)
	}
}

func sameJSON(t *testing.T, a, b json.RawMessage) bool {
	t.Helper()
	var x, y any
	if err := json.Unmarshal(a, &x); err != nil {
		t.Fatalf("%s: %v", a, err)
	}
	if err := json.Unmarshal(b, &y); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	return reflect.DeepEqual(x, y)
}

// TestManifest runs the examples that the plugin ships with.
func TestManifest(t *testing.T) {
	p := instance(t, compile(t, 1024))
	code, out, err := p.Call(abi.FuncDescribe, nil)
	if code != 0 || err != nil {
		t.Fatalf("describe gave %d: %v", code, err)
	}
	var manifest abi.Manifest
	decoder := json.NewDecoder(bytes.NewReader(out))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&manifest); err != nil {
		t.Fatal(err)
	}
	if manifest.Name != "javascript" || manifest.Kind != abi.KindLanguage || manifest.ABI != abi.Version {
		t.Errorf("manifest is of %q, kind %q, abi %d", manifest.Name, manifest.Kind, manifest.ABI)
	}
	if len(manifest.Operations) != 1 || manifest.Operations[0].Name != abi.FuncRun {
		t.Fatalf("operations %+v, want %q alone", manifest.Operations, abi.FuncRun)
	}
	examples := manifest.Operations[0].Examples
	if len(examples) < 8 {
		t.Fatalf("%d examples, want at least 8", len(examples))
	}
	for _, e := range examples {
		t.Run(e.Title, func(t *testing.T) {
			var input abi.Run
			if err := json.Unmarshal(e.Input, &input); err != nil {
				t.Fatal(err)
			}
			x := &exchange{http: e.HTTP}
			output, failure := run(t, p, x, input)
			if len(x.http) > 0 || len(x.fail) > 0 {
				t.Errorf("%d announced requests were not made; %v", len(x.http), x.fail)
			}
			switch {
			case e.Error != nil && failure == nil:
				t.Errorf("gave %s, want error %v", output, e.Error)
			case e.Error != nil:
				checkError(t, failure, &expectedError{Code: e.Error.Code, Message: e.Error.Message})
			case failure != nil:
				t.Errorf("failed with %v, want %s", failure, e.Output)
			case !sameJSON(t, output, e.Output):
				t.Errorf("gave %s, want %s", output, e.Output)
			}
		})
	}
}

// TestFresh lets one script change all it can reach and looks for traces of it
// in the next, with and without libraries.
func TestFresh(t *testing.T) {
	p := instance(t, compile(t, 1024))
	const look = `return [typeof left, typeof Array.prototype.left, typeof Object.prototype.left, typeof _.left, typeof dayjs.left,
		dayjs.locale(), JSON.stringify([1]), Math.max(1, 2), console.log.left ?? null, typeof http, [..."ab"].length]`
	want, failure := run(t, p, &exchange{}, abi.Run{Code: look})
	if failure != nil {
		t.Fatal(failure)
	}
	const change = `globalThis.left = 1; Array.prototype.left = 1; Object.prototype.left = 1; %
		JSON.stringify = () => "x"; Math.max = Math.min; console.log.left = 1; globalThis.http = 1;
		String.prototype[Symbol.iterator] = null; Promise.prototype.then = null; new Array(1e6).fill(1); return 1`
	for _, libraries := range []string{"", `_.left = 1; dayjs.left = 1; dayjs.locale("pt-br");`} {
		for range 3 {
			run(t, p, &exchange{}, abi.Run{Code: strings.Replace(change, "%", libraries, 1)})
			got, failure := run(t, p, &exchange{}, abi.Run{Code: look})
			if failure != nil || !bytes.Equal(got, want) {
				t.Fatalf("after a script that changed everything: %s %v, want %s", got, failure, want)
			}
		}
	}
}

// TestRandomness looks for repeats of Math.random between calls of an instance
// and between instances: each call starts from the same memory.
func TestRandomness(t *testing.T) {
	plugin := compile(t, 1024)
	seen := map[any]bool{}
	for range 3 {
		p := instance(t, plugin)
		for range 3 {
			output, failure := run(t, p, &exchange{}, abi.Run{Code: "return [Math.random(), crypto.randomUUID()]"})
			if failure != nil {
				t.Fatal(failure)
			}
			var values []any
			if err := json.Unmarshal(output, &values); err != nil {
				t.Fatal(err)
			}
			for _, value := range values {
				if seen[value] {
					t.Errorf("%v was given twice", value)
				}
				seen[value] = true
			}
		}
	}
	if len(seen) != 18 {
		t.Errorf("%d values, want 18", len(seen))
	}
}

// TestMemoryStays repeats calls that use much memory: what one has taken must
// serve the next.
func TestMemoryStays(t *testing.T) {
	p := instance(t, compile(t, 1024)) // 64 MiB
	for i := range 10 {
		output, failure := run(t, p, &exchange{}, abi.Run{
			Code:  "const a = new Uint8Array(30 << 20); let dirt = 0; for (let i = 0; i < a.length; i += 4096) dirt |= a[i]; return [dirt, _.size(a.fill(1)) + input.length]",
			Input: json.RawMessage(`"` + strings.Repeat("x", 1<<20) + `"`),
		})
		if failure != nil || string(output) != "[0,32505856]" {
			t.Fatalf("call %d: %s %v", i, output, failure)
		}
	}
}

// TestLargeInput has the input read while the heap beside it grows.
func TestLargeInput(t *testing.T) {
	p := instance(t, compile(t, 1024))
	numbers := make([]int, 100_000)
	for i := range numbers {
		numbers[i] = i
	}
	input, err := json.Marshal(numbers)
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range []string{"return input.reduce((a, b) => a + b)", "return _.sum(input)"} {
		output, failure := run(t, p, &exchange{}, abi.Run{Code: code, Input: input})
		if failure != nil || string(output) != "4999950000" {
			t.Errorf("%s gave %s %v", code, output, failure)
		}
	}
}

// TestSmallMemory runs under the least that a host gives by default.
func TestSmallMemory(t *testing.T) {
	p := instance(t, compile(t, 512)) // 32 MiB
	for range 2 {
		_, failure := run(t, p, &exchange{}, abi.Run{Code: "const all = []; for (;;) all.push({ n: all.length })"})
		if failure == nil || failure.Code != "script_memory" {
			t.Fatalf("failed with %v, want script_memory", failure)
		}
		output, failure := run(t, p, &exchange{}, abi.Run{Code: "return _.sum([1, 2])"})
		if failure != nil || string(output) != "3" {
			t.Fatalf("after it: %s %v", output, failure)
		}
	}
}

// TestBadInput gives the plugin what is not an abi.Run.
func TestBadInput(t *testing.T) {
	p := instance(t, compile(t, 1024))
	for _, input := range []string{"", "{", "null", "[]", `"x"`, "{}", `{"code":1}`, strings.Repeat("[", 100000)} {
		ctx := context.WithValue(context.Background(), exchangeKey{}, &exchange{})
		code, _, err := p.CallWithContext(ctx, abi.FuncRun, []byte(input))
		var failure abi.Error
		if code == 0 || err == nil || json.Unmarshal([]byte(err.Error()), &failure) != nil || failure.Code != abi.CodeInvalid {
			t.Errorf("input %.20q gave %d, %v, want an error with code %q", input, code, err, abi.CodeInvalid)
		}
	}
}

// TestModule checks the committed module: it is the one that build.sh has
// written, and asks for nothing but what a Trama host has.
func TestModule(t *testing.T) {
	wasm, err := os.ReadFile("javascript.wasm")
	if err != nil {
		t.Fatal(err)
	}
	line, err := os.ReadFile("javascript.wasm.sha256")
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(wasm)
	if got, want := hex.EncodeToString(sum[:])+"  javascript.wasm\n", string(line); got != want {
		t.Errorf("javascript.wasm has sha256 %s, javascript.wasm.sha256 says %s; run build.sh --write", got, want)
	}
	if len(wasm) > 1_300_000 {
		t.Errorf("javascript.wasm has %d bytes, want at most 1.3 MB", len(wasm))
	}
	manifest, err := os.ReadFile("manifest.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(wasm, manifest) {
		t.Error("javascript.wasm does not hold manifest.json as it is; run build.sh --write")
	}

	ctx := context.Background()
	runtime := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	t.Cleanup(func() { runtime.Close(ctx) })
	module, err := runtime.CompileModule(ctx, wasm)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range module.ImportedFunctions() {
		from, name, _ := f.Import()
		switch from {
		case abi.ModuleExtism, abi.ModuleWASI:
		case abi.ModuleTrama:
			i64 := []api.ValueType{api.ValueTypeI64}
			if !slices.Contains(abi.HostFunctions(), name) || !slices.Equal(f.ParamTypes(), i64) || !slices.Equal(f.ResultTypes(), i64) {
				t.Errorf("import %s.%s is none of the contract", from, name)
			}
		default:
			t.Errorf("import %s.%s is of a module that no host offers", from, name)
		}
	}
	for _, name := range []string{abi.FuncDescribe, abi.FuncRun} {
		f := module.ExportedFunctions()[name]
		if f == nil || len(f.ParamTypes()) != 0 || !slices.Equal(f.ResultTypes(), []api.ValueType{api.ValueTypeI32}) {
			t.Errorf("export %q is missing or not () -> i32", name)
		}
	}
	if len(module.ImportedMemories()) != 0 || module.ExportedMemories()["memory"] == nil {
		t.Error("the module must export its own memory")
	}
}

// BenchmarkRun measures calls of one instance. go-sdk's own share is that of
// describe, which only copies the manifest.
func BenchmarkRun(b *testing.B) {
	p := instance(b, compile(b, 1024))
	order := json.RawMessage(`{"order":{"items":[{"price":10.5,"quantity":2},{"price":4,"quantity":1}]}}`)
	for _, c := range []struct{ name, code string }{
		{"one", "return 1"},
		{"five lines", "const o = input.order;\nlet total = 0;\nfor (const i of o.items) total += i.price * i.quantity;\nconst tax = total * 0.1;\nreturn { total, tax, who: user.name };"},
		{"lodash", "return _.sumBy(input.order.items, 'price')"},
		{"dayjs", "return dayjs('2024-01-31').add(1, 'month').format('YYYY-MM-DD')"},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				run(b, p, &exchange{}, abi.Run{Code: c.code, Input: order, User: json.RawMessage(`{"name":"Ana"}`)})
			}
		})
	}
	b.Run("describe", func(b *testing.B) {
		for b.Loop() {
			if _, _, err := p.Call(abi.FuncDescribe, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
}
