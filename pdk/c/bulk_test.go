package c_test

import (
	"context"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// TestBulk calls as a Trama host does: the input goes into the buffer that
// trama_input gives, the output is read where trama_output says. Every function
// of the Extism ABI panics here, so none is needed.
func TestBulk(t *testing.T) {
	for _, source := range []string{"testdata/guest.c", "testdata/guest.cc"} {
		module := instance(t, compile(t, source))
		before := module.Memory().Size()
		for _, n := range []int{0, 1, 65_536, 100_000} {
			text := strings.Repeat("é", n/2) + strings.Repeat("x", n%2)
			if got := bulk(t, module, "echo", text); got != text {
				t.Errorf("%s: %d bytes give %d others", source, n, len(got))
			}
		}
		if now := module.Memory().Size(); now != before {
			t.Errorf("%s: memory grew from %d to %d bytes", source, before, now)
		}
		if text := strings.Repeat("0123456789", 200_000); bulk(t, module, "echo", text) != text {
			t.Errorf("%s: 2 MB don't come back", source)
		}
	}
	module := instance(t, compile(t, "testdata/guest.c"))
	for export, want := range map[string]string{
		"local": "local", "nothing": "", "products": "[6]",
	} {
		if got := bulk(t, module, export, "[2,3]"); got != want {
			t.Errorf("%s gives %q, want %q", export, got, want)
		}
	}
	for _, want := range []string{"1", "2", "3"} {
		if got := bulk(t, module, "keep", ""); got != want {
			t.Errorf("keep gives %s, want %s", got, want)
		}
	}
	// What has no memory left says so by 0, and Extism's input serves.
	if address := invoke(t, module, "trama_input", 1<<31); address != 0 {
		t.Errorf("a buffer of 2 GiB at %d", address)
	}
}

func instance(t *testing.T, wasm []byte) api.Module {
	t.Helper()
	ctx := context.Background()
	runtime := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter().WithMemoryLimitPages(512))
	t.Cleanup(func() {
		if err := runtime.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	compiled, err := runtime.CompileModule(ctx, wasm)
	if err != nil {
		t.Fatal(err)
	}
	builder := runtime.NewHostModuleBuilder("extism:host/env")
	for _, f := range compiled.ImportedFunctions() {
		_, name, _ := f.Import()
		stop := api.GoFunc(func(context.Context, []uint64) { panic("the plugin called " + name) })
		builder.NewFunctionBuilder().WithGoFunction(stop, f.ParamTypes(), f.ResultTypes()).Export(name)
	}
	if _, err := builder.Instantiate(ctx); err != nil {
		t.Fatal(err)
	}
	module, err := runtime.InstantiateModule(ctx, compiled, wazero.NewModuleConfig())
	if err != nil {
		t.Fatal(err)
	}
	return module
}

func bulk(t *testing.T, module api.Module, export, input string) string {
	t.Helper()
	address := invoke(t, module, "trama_input", uint64(len(input)))
	if address == 0 || !module.Memory().WriteString(uint32(address), input) {
		t.Fatalf("the buffer of %d bytes is at %d", len(input), address)
	}
	if code := invoke(t, module, export); code != 0 {
		t.Fatalf("%s gives %d", export, code)
	}
	where := invoke(t, module, "trama_output")
	output, ok := module.Memory().Read(uint32(where>>32), uint32(where))
	if where == 0 || !ok {
		t.Fatalf("%s: the output is at %x", export, where)
	}
	return string(output)
}

func invoke(t *testing.T, module api.Module, export string, params ...uint64) uint64 {
	t.Helper()
	results, err := module.ExportedFunction(export).Call(context.Background(), params...)
	if err != nil {
		t.Fatalf("%s: %v", export, err)
	}
	return results[0]
}
