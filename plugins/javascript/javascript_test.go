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
	"strconv"
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
	Run    json.RawMessage    `json:"run"` // an abi.Run
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

// TestCases runs every case with its code in the input, and again with its
// code prepared: what comes of it must be the same.
func TestCases(t *testing.T) {
	data, err := os.ReadFile("testdata/cases.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []testCase
	decodeStrictly(t, data, &cases)
	if len(cases) < 40 {
		t.Fatalf("testdata/cases.json has %d cases, want at least 40", len(cases))
	}
	plugin := compile(t, 1024)
	g := instance(t, plugin)
	for _, c := range cases {
		if (c.Output == nil) == (c.Error == nil) {
			t.Fatalf("case %q must have either output or error", c.Name)
		}
		t.Run("run/"+c.Name, func(t *testing.T) {
			x := &exchange{http: c.HTTP}
			output, failure := g.call(t, x, abi.FuncRun, c.Run)
			c.check(t, x, output, failure)
		})
		t.Run("prepare/"+c.Name, func(t *testing.T) {
			var input abi.Run
			decodeStrictly(t, c.Run, &input)
			x := &exchange{http: c.HTTP}
			g, failure := prepared(t, plugin, input.Code)
			if failure != nil && failure.Code != "script_syntax" {
				t.Fatalf("prepare failed with %v", failure)
			}
			var output json.RawMessage
			if failure == nil {
				input.Code = "" // left out
				output, failure = g.run(t, x, input)
			}
			c.check(t, x, output, failure)
		})
	}
}

func (c testCase) check(t *testing.T, x *exchange, output json.RawMessage, failure *abi.Error) {
	t.Helper()
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
}

func decodeStrictly(t *testing.T, data []byte, into any) {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		t.Fatal(err)
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
	out, failure := p.call(t, &exchange{}, abi.FuncDescribe, nil)
	if failure != nil {
		t.Fatal(failure)
	}
	var manifest abi.Manifest
	decodeStrictly(t, out, &manifest)
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
			x := &exchange{http: e.HTTP}
			output, failure := p.call(t, x, abi.FuncRun, e.Input)
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

// TestPrepared looks at the image that prepare leaves: the script's libraries
// are in it, and a call from it writes few pages and asks for no memory, since
// the host copies back what is written and discards what has grown.
func TestPrepared(t *testing.T) {
	const loaded = "; const own = Object.getOwnPropertyDescriptor; return ['lo' + 'dash', 'day' + 'js'].filter((name) => !own(globalThis, name).get)"
	plugin := compile(t, 1024)
	for _, c := range []struct {
		name, code, output string
		pages              int // of 4 KiB that a call may write
	}{
		{"five lines", "const o = input.order;\nlet total = 0;\nfor (const i of o.items) total += i.price * i.quantity;\n" +
			"const tax = total * 0.1;\nreturn { total, tax, who: user.name };", `{"total":25,"tax":2.5,"who":"Ana"}`, 24},
		{"lodash", "return _.sumBy(input.order.items, 'price')", "14.5", 40},
		{"garbage", "let s; for (let i = 0; i < 1e5; i++) s = [i, String(i)]; return s[1]", `"99999"`, 24},
		{"both libraries", "_; dayjs" + loaded, `["lodash","dayjs"]`, 60},
		{"destructured", "const { sumBy } = _, d = [dayjs]" + loaded, `["lodash","dayjs"]`, 60},
		{"no library", "const a_ = {_b: 1}, $dayjs = a_._b" + loaded, `[]`, 32},
	} {
		t.Run(c.name, func(t *testing.T) {
			g, failure := prepared(t, plugin, c.code)
			if failure != nil {
				t.Fatal(failure)
			}
			output, failure := g.run(t, &exchange{}, abi.Run{
				Input: json.RawMessage(`{"order":{"items":[{"price":10.5,"quantity":2},{"price":4,"quantity":1}]}}`),
				User:  json.RawMessage(`{"name":"Ana"}`),
			})
			if failure != nil || string(output) != c.output {
				t.Fatalf("gave %s %v, want %s", output, failure, c.output)
			}
			if grown := len(g.memory.bytes) - len(g.image); grown != 0 {
				t.Fatalf("the call made the memory grow by %d bytes", grown)
			}
			const page = 4096
			written := 0
			for i := 0; i < len(g.image); i += page {
				if !bytes.Equal(g.memory.bytes[i:i+page], g.image[i:i+page]) {
					written++
				}
			}
			if written == 0 || written > c.pages {
				t.Errorf("the call wrote %d pages, want at most %d", written, c.pages)
			}
			t.Logf("%d KiB of image, %d pages written", len(g.image)>>10, written)
		})
	}
}

// TestPreparedOtherCode runs a script in the image of another.
func TestPreparedOtherCode(t *testing.T) {
	g, failure := prepared(t, compile(t, 1024), "return 1")
	if failure != nil {
		t.Fatal(failure)
	}
	for code, want := range map[string]string{"": "1", "return 2": "2"} {
		if output, failure := g.run(t, &exchange{}, abi.Run{Code: code}); failure != nil || string(output) != want {
			t.Errorf("code %q gave %s %v, want %s", code, output, failure, want)
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
			output, failure := p.run(t, &exchange{}, abi.Run{Code: "return [Math.random(), crypto.randomUUID()]"})
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

// TestLargeInput has a script take the most that a host passes by default, in
// the memory that the manifest asks for.
func TestLargeInput(t *testing.T) {
	p := instance(t, compile(t, 1024))
	var items []string
	for size := 0; size < 4<<20-100; size += len(items[0]) + 1 {
		items = append(items, `{"id":"a7","quantity":123,"price":"10.50","tags":["x","y"]}`)
	}
	input := json.RawMessage("[" + strings.Join(items, ",") + "]")
	for _, code := range []string{"return input.reduce((n, item) => n + item.quantity, 0)", "return _.sumBy(input, 'quantity')"} {
		output, failure := p.run(t, &exchange{}, abi.Run{Code: code, Input: input})
		if want := strconv.Itoa(123 * len(items)); failure != nil || string(output) != want {
			t.Errorf("%s gave %s %v, want %s", code, output, failure, want)
		}
		t.Logf("%d MiB of memory", len(p.memory.bytes)>>20)
	}
}

// TestSmallMemory runs under the least that a host gives by default.
func TestSmallMemory(t *testing.T) {
	plugin := compile(t, 512) // 32 MiB
	const code = "const all = []; for (;;) all.push({ n: all.length })"
	g, failure := prepared(t, plugin, code)
	if failure != nil {
		t.Fatal(failure)
	}
	for range 2 {
		for _, input := range []abi.Run{{Code: code}, {}} {
			if _, failure := g.run(t, &exchange{}, input); failure == nil || failure.Code != "script_memory" {
				t.Fatalf("failed with %v, want script_memory", failure)
			}
		}
	}
	if output, failure := g.run(t, &exchange{}, abi.Run{Code: "return _.sum([1, 2])"}); failure != nil || string(output) != "3" {
		t.Fatalf("after it: %s %v", output, failure)
	}
	// Longer than the memory that is left for its compiled form.
	if _, failure := prepared(t, plugin, "return ["+strings.Repeat("'x',[],", 700_000)+"]"); failure == nil || failure.Code != "script_memory" {
		t.Fatalf("preparing a huge script failed with %v, want script_memory", failure)
	}
}

// TestBadInput gives the plugin what is not an abi.Run or an abi.Prepare.
func TestBadInput(t *testing.T) {
	p := instance(t, compile(t, 1024))
	for _, export := range []string{abi.FuncRun, abi.FuncPrepare} {
		for _, input := range []string{"", "{", "null", "[]", `"x"`, "{}", `{"code":1}`, `{"code":null}`, strings.Repeat("[", 100000)} {
			_, failure := p.call(t, &exchange{}, export, []byte(input))
			if failure == nil || failure.Code != abi.CodeInvalid {
				t.Errorf("%s of input %.20q failed with %v, want an error with code %q", export, input, failure, abi.CodeInvalid)
			}
		}
	}
	// A prepared script does not make other inputs good.
	p, failure := prepared(t, compile(t, 1024), "return 1")
	if failure != nil {
		t.Fatal(failure)
	}
	for _, input := range []string{"", "null", `"x"`, `{"code":1}`} {
		if output, failure := p.call(t, &exchange{}, abi.FuncRun, []byte(input)); failure == nil || failure.Code != abi.CodeInvalid {
			t.Errorf("input %q gave %s %v, want an error with code %q", input, output, failure, abi.CodeInvalid)
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
	for _, name := range []string{abi.FuncDescribe, abi.FuncPrepare, abi.FuncRun} {
		f := module.ExportedFunctions()[name]
		if f == nil || len(f.ParamTypes()) != 0 || !slices.Equal(f.ResultTypes(), []api.ValueType{api.ValueTypeI32}) {
			t.Errorf("export %q is missing or not () -> i32", name)
		}
	}
	if len(module.ImportedMemories()) != 0 || module.ExportedMemories()["memory"] == nil {
		t.Error("the module must export its own memory")
	}
}

// BenchmarkRun measures calls of a prepared script, which go-sdk makes slow
// (its share is that of describe, which only copies the manifest), and the copy
// of the whole image before each.
func BenchmarkRun(b *testing.B) {
	plugin := compile(b, 1024)
	order := json.RawMessage(`{"order":{"items":[{"price":10.5,"quantity":2},{"price":4,"quantity":1}]}}`)
	for _, c := range []struct{ name, code string }{
		{"one", "return 1"},
		{"five lines", "const o = input.order;\nlet total = 0;\nfor (const i of o.items) total += i.price * i.quantity;\nconst tax = total * 0.1;\nreturn { total, tax, who: user.name };"},
		{"lodash", "return _.sumBy(input.order.items, 'price')"},
		{"dayjs", "return dayjs('2024-01-31').add(1, 'month').format('YYYY-MM-DD')"},
	} {
		b.Run(c.name, func(b *testing.B) {
			g, failure := prepared(b, plugin, c.code)
			if failure != nil {
				b.Fatal(failure)
			}
			for b.Loop() {
				if _, failure := g.run(b, &exchange{}, abi.Run{Input: order, User: json.RawMessage(`{"name":"Ana"}`)}); failure != nil {
					b.Fatal(failure)
				}
			}
		})
	}
	b.Run("describe", func(b *testing.B) {
		g := instance(b, plugin)
		for b.Loop() {
			g.call(b, &exchange{}, abi.FuncDescribe, nil)
		}
	})
}
