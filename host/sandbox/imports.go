package sandbox

import (
	"context"
	"errors"
	"sync"

	"github.com/tetratelabs/wazero"

	"github.com/trama-run/trama/host/sandbox/wasm"
	"github.com/trama-run/trama/pdk/abi"
)

// offered is what offeredFunctions gives, made once: it asks a runtime.
var offered = sync.OnceValues(offeredFunctions)

// offeredFunctions gives the functions that plugins may import, by module and
// name. Those of WASI are asked of wazero, so that they are the ones that link.
func offeredFunctions() (wasm.Offered, error) {
	offered := wasm.Offered{}
	for module, functions := range map[string][]hostFunction{
		abi.ModuleExtism: extismFunctions(), abi.ModuleTrama: tramaFunctions(),
	} {
		offered[module] = map[string]wasm.Signature{}
		for _, f := range functions {
			offered[module][f.name] = wasm.Signature(f.signature)
		}
	}
	ctx := context.Background()
	rt := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	builder, err := wasiModule(ctx, rt)
	if err != nil {
		return nil, errors.Join(err, rt.Close(ctx))
	}
	wasi, err := builder.Compile(ctx)
	if err != nil {
		return nil, errors.Join(err, rt.Close(ctx))
	}
	offered[abi.ModuleWASI] = map[string]wasm.Signature{}
	for name, f := range wasi.ExportedFunctions() {
		offered[abi.ModuleWASI][name] = wasm.Signature(takes(f.ParamTypes()...).gives(f.ResultTypes()...))
	}
	return offered, rt.Close(ctx)
}
