package script_test

import (
	"context"
	"testing"

	extism "github.com/extism/go-sdk"
	"github.com/tetratelabs/wazero"
)

// goSDK gives a plugin as a stock Extism host has it.
func goSDK(t testing.TB, path string) *extism.Plugin {
	t.Helper()
	plugin, err := extism.NewPlugin(t.Context(), extism.Manifest{
		Wasm:   []extism.Wasm{extism.WasmFile{Path: path}},
		Memory: &extism.ManifestMemory{MaxPages: 512},
	}, extism.PluginConfig{
		EnableWasi: true,
		// A clock that runs; to compile takes longer than these calls.
		ModuleConfig:  wazero.NewModuleConfig().WithSysWalltime().WithSysNanotime(),
		RuntimeConfig: wazero.NewRuntimeConfigInterpreter(),
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { plugin.Close(context.Background()) })
	return plugin
}
