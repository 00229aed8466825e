package sandbox

import (
	"context"
	"strings"
	"testing"

	extism "github.com/extism/go-sdk"
	"github.com/tetratelabs/wazero"
)

// The same module and input, here and under a go-sdk instance that is used
// again for each call, with the time limit that makes it cancellable.

func BenchmarkEcho(b *testing.B) { compare(b, "echo", "echo", strings.Repeat("x", 21)) }

func BenchmarkJSON(b *testing.B) {
	compare(b, "json", "total",
		`{"customer":"Ana","items":[{"sku":"a-1","price":250,"quantity":2},{"sku":"b-2","price":99,"quantity":10}]}`)
}

func BenchmarkEcho64K(b *testing.B) { compare(b, "echo", "echo", strings.Repeat("x", 64*kib)) }

func compare(b *testing.B, name, export, input string) {
	b.Run("trama", func(b *testing.B) {
		m := load(b, name)
		c := Call{Export: export, Input: []byte(input), Limits: DefaultLimits()}
		// A caller has a deadline of its own.
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		b.ReportAllocs()
		for b.Loop() {
			if result, err := m.Call(ctx, c); err != nil || len(result.Output) == 0 {
				b.Fatal(result, err)
			}
		}
	})
	b.Run("go-sdk", func(b *testing.B) {
		p := goSDK(b, name, nil)
		b.ReportAllocs()
		for b.Loop() {
			if code, output, err := p.Call(export, []byte(input)); code != 0 || err != nil || len(output) == 0 {
				b.Fatal(code, output, err)
			}
		}
	})
}

// goSDK gives an instance of a guest under extism/go-sdk.
func goSDK(t testing.TB, name string, config map[string]string) *extism.Plugin {
	t.Helper()
	ctx := context.Background()
	manifest := extism.Manifest{
		Wasm:    []extism.Wasm{extism.WasmData{Data: guest(t, name)}},
		Memory:  &extism.ManifestMemory{MaxPages: 1024, MaxHttpResponseBytes: mib, MaxVarBytes: maxVars},
		Config:  config,
		Timeout: 5000,
	}
	compiled, err := extism.NewCompiledPlugin(ctx, manifest, extism.PluginConfig{
		EnableWasi: true, EnableHttpResponseHeaders: true, RuntimeConfig: wazero.NewRuntimeConfig(),
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	plugin, err := compiled.Instance(ctx, extism.PluginInstanceConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := plugin.Close(ctx); err != nil {
			t.Error(err)
		}
		if err := compiled.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return plugin
}
