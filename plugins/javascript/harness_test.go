// Package javascript_test runs javascript.wasm under github.com/extism/go-sdk,
// the reference host of the Extism ABI, with the functions of trama:host/v1
// that the plugin imports. It must not import Trama's own host.
package javascript_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	extism "github.com/extism/go-sdk"
	"github.com/tetratelabs/wazero"
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

// instance gives an instance with the clock and the randomness that a Trama
// host gives.
func instance(tb testing.TB, plugin *extism.CompiledPlugin) *extism.Plugin {
	tb.Helper()
	p, err := plugin.Instance(context.Background(), extism.PluginInstanceConfig{
		ModuleConfig: wazero.NewModuleConfig().WithRandSource(rand.Reader).WithSysWalltime().WithSysNanotime(),
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { p.Close(context.Background()) })
	return p
}

// run runs one script. Exactly one of output and failure is set.
func run(tb testing.TB, p *extism.Plugin, x *exchange, input abi.Run) (output json.RawMessage, failure *abi.Error) {
	tb.Helper()
	encoded, err := json.Marshal(input)
	if err != nil {
		tb.Fatal(err)
	}
	code, out, err := p.CallWithContext(context.WithValue(context.Background(), exchangeKey{}, x), abi.FuncRun, encoded)
	if code == 0 {
		if err != nil {
			tb.Fatal(err)
		}
		return out, nil
	}
	failure = new(abi.Error)
	if err == nil || json.Unmarshal([]byte(err.Error()), failure) != nil {
		tb.Fatalf("run gave %d with %v, want an abi.Error", code, err)
	}
	return nil, failure
}
