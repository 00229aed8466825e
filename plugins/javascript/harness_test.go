// Package javascript_test runs javascript.wasm under github.com/extism/go-sdk,
// the reference host of the Extism ABI, with the functions of trama:host/v1
// that the plugin imports. It must not import Trama's own host.
package javascript_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	extism "github.com/extism/go-sdk"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/trama-run/trama/pdk/abi"
)

// exchange is everything that one call of the plugin meets outside.
type exchange struct {
	http []abi.HTTPExchange // answers still to give, in order
	logs []abi.Log          // lines the call has logged
	fail []string           // requests that were not as announced
}

// send answers an http_send request with the next announced response.
// A response with status 0 stands for a refusal by the host's egress.
func (x *exchange) send(request []byte) abi.Reply {
	var got abi.HTTPRequest
	if err := json.Unmarshal(request, &got); err != nil {
		x.fail = append(x.fail, err.Error())
	}
	if len(x.http) == 0 {
		return abi.Reply{Error: &abi.Error{Code: abi.CodeDenied, Message: "no connection is granted for " + got.URL}}
	}
	next := x.http[0]
	x.http = x.http[1:]
	want := next.Request
	if want.Method != "" && want.Method != got.Method || want.URL != got.URL ||
		want.Body != "" && want.Body != got.Body || want.BodyBase64 != "" && want.BodyBase64 != got.BodyBase64 ||
		want.TimeoutMillis != 0 && want.TimeoutMillis != got.TimeoutMillis {
		x.fail = append(x.fail, fmt.Sprintf("request %+v, want %+v", got, want))
	}
	for name, value := range want.Headers {
		if got.Headers[name] != value {
			x.fail = append(x.fail, fmt.Sprintf("header %s is %q, want %q", name, got.Headers[name], value))
		}
	}
	if next.Response.Status == 0 {
		return abi.Reply{Error: &abi.Error{Code: abi.CodeUnreachable, Message: "shop.example did not answer", Retryable: true, RetryAfterMillis: 1500}}
	}
	ok, err := json.Marshal(next.Response)
	if err != nil {
		x.fail = append(x.fail, err.Error())
	}
	return abi.Reply{OK: ok}
}

func (x *exchange) log(request []byte) abi.Reply {
	var line abi.Log
	if err := json.Unmarshal(request, &line); err != nil {
		x.fail = append(x.fail, err.Error())
	}
	x.logs = append(x.logs, line)
	return abi.Reply{OK: json.RawMessage("{}")}
}

type exchangeKey struct{}

// function makes a function of trama:host/v1 of the exchange in the context.
func function(name string, answer func(*exchange, []byte) abi.Reply) extism.HostFunction {
	f := extism.NewHostFunctionWithStack(name, func(ctx context.Context, p *extism.CurrentPlugin, stack []uint64) {
		request, err := p.ReadBytes(stack[0])
		if err != nil {
			panic(err)
		}
		if err := p.Free(stack[0]); err != nil {
			panic(err)
		}
		reply, err := json.Marshal(answer(ctx.Value(exchangeKey{}).(*exchange), request))
		if err != nil {
			panic(err)
		}
		if stack[0], err = p.WriteBytes(reply); err != nil {
			panic(err)
		}
	}, []extism.ValueType{extism.ValueTypeI64}, []extism.ValueType{extism.ValueTypeI64})
	f.SetNamespace(abi.ModuleTrama)
	return f
}

// compile compiles the committed module once for all tests of a function. The
// cache keeps the code between runs of the tests.
func compile(tb testing.TB, pages uint32) *extism.CompiledPlugin {
	tb.Helper()
	wasm, err := os.ReadFile("javascript.wasm")
	if err != nil {
		tb.Fatal(err)
	}
	ctx := context.Background()
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("trama-test-%d", os.Getuid()))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		tb.Fatal(err)
	}
	cache, err := wazero.NewCompilationCacheWithDir(dir)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { cache.Close(ctx) })
	plugin, err := extism.NewCompiledPlugin(ctx, extism.Manifest{
		Wasm:   []extism.Wasm{extism.WasmData{Data: wasm, Name: "main"}},
		Memory: &extism.ManifestMemory{MaxPages: pages},
	}, extism.PluginConfig{
		EnableWasi:    true,
		RuntimeConfig: wazero.NewRuntimeConfig().WithCompilationCache(cache),
	}, []extism.HostFunction{
		function(abi.HostHTTPSend, (*exchange).send),
		function(abi.HostLog, (*exchange).log),
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { plugin.Close(ctx) })
	return plugin
}

// guest is an instance that a call finds as a Trama host leaves it: each call
// starts from the memory that was kept when the instance had started and, if
// it is for one script, had prepared that.
type guest struct {
	owner    testing.TB // ends after the guest's last call
	compiled *extism.CompiledPlugin
	script   *abi.Prepare // nil for a guest of any script
	plugin   *extism.Plugin
	memory   *linearMemory
	image    []byte
}

// instance gives a guest of any script.
func instance(tb testing.TB, compiled *extism.CompiledPlugin) *guest {
	tb.Helper()
	g := &guest{owner: tb, compiled: compiled}
	if failure := g.start(tb); failure != nil {
		tb.Fatal(failure)
	}
	return g
}

// prepared gives a guest of one script, or why it cannot be prepared.
func prepared(tb testing.TB, compiled *extism.CompiledPlugin, code string) (*guest, *abi.Error) {
	tb.Helper()
	g := &guest{owner: tb, compiled: compiled, script: &abi.Prepare{Code: code}}
	return g, g.start(tb)
}

// start makes the instance, with the clock and the randomness that a Trama
// host gives, and keeps its image.
func (g *guest) start(tb testing.TB) (failure *abi.Error) {
	tb.Helper()
	// go-sdk makes its own module first: the memory made last is the guest's.
	ctx := experimental.WithMemoryAllocator(context.Background(), experimental.MemoryAllocatorFunc(
		func(_, _ uint64) experimental.LinearMemory {
			g.memory = new(linearMemory)
			return g.memory
		}))
	plugin, err := g.compiled.Instance(ctx, extism.PluginInstanceConfig{
		ModuleConfig: wazero.NewModuleConfig().WithRandSource(rand.Reader).WithSysWalltime().WithSysNanotime(),
	})
	if err != nil {
		tb.Fatal(err)
	}
	g.owner.Cleanup(func() { plugin.Close(context.Background()) })
	g.plugin = plugin
	// The first call initialises.
	if code, _, err := plugin.Call(abi.FuncDescribe, nil); code != 0 || err != nil {
		tb.Fatalf("describe gave %d: %v", code, err)
	}
	if g.script != nil {
		if _, failure = g.callHere(tb, &exchange{}, abi.FuncPrepare, encode(tb, g.script)); failure != nil {
			return failure
		}
	}
	g.image = bytes.Clone(g.memory.bytes)
	return nil
}

// call runs an export from the image. Exactly one of output and failure is
// set.
func (g *guest) call(tb testing.TB, x *exchange, export string, input []byte) (output json.RawMessage, failure *abi.Error) {
	tb.Helper()
	if len(g.memory.bytes) != len(g.image) { // it has grown, and cannot shrink
		if failure := g.start(tb); failure != nil {
			tb.Fatal(failure)
		}
	}
	copy(g.memory.bytes, g.image)
	return g.callHere(tb, x, export, input)
}

// callHere runs an export in the memory as it is.
func (g *guest) callHere(tb testing.TB, x *exchange, export string, input []byte) (output json.RawMessage, failure *abi.Error) {
	tb.Helper()
	code, output, err := g.plugin.CallWithContext(context.WithValue(context.Background(), exchangeKey{}, x), export, input)
	if code == 0 {
		if err != nil {
			tb.Fatal(err)
		}
		return output, nil
	}
	failure = new(abi.Error)
	if err == nil || json.Unmarshal([]byte(err.Error()), failure) != nil {
		tb.Fatalf("%s gave %d with %v, want an abi.Error", export, code, err)
	}
	return nil, failure
}

// run runs one script.
func (g *guest) run(tb testing.TB, x *exchange, input abi.Run) (output json.RawMessage, failure *abi.Error) {
	tb.Helper()
	return g.call(tb, x, abi.FuncRun, encode(tb, input))
}

func encode(tb testing.TB, value any) []byte {
	tb.Helper()
	data, err := json.Marshal(value)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

// linearMemory is memory whose bytes the test can reach.
type linearMemory struct{ bytes []byte }

func (m *linearMemory) Reallocate(size uint64) []byte {
	m.bytes = append(m.bytes, make([]byte, size-uint64(len(m.bytes)))...)
	return m.bytes
}

func (m *linearMemory) Free() {}
