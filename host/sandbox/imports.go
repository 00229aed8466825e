package sandbox

import (
	"context"
	"errors"
	"fmt"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/trama-run/trama/pdk/abi"
)

// notImportable says why a function cannot be imported; nothing if it can.
func (p *parser) notImportable(im Import, got signature) string {
	if p.offered == nil {
		offered, err := offeredFunctions()
		if err != nil {
			return err.Error()
		}
		p.offered = offered
	}
	functions, found := p.offered[im.Module]
	if !found {
		reason := fmt.Sprintf("there is no module %q; plugins may import from %s, %s and %s",
			im.Module, abi.ModuleExtism, abi.ModuleTrama, abi.ModuleWASI)
		if hint := foreignModule(im.Module); hint != "" {
			reason += " (" + hint + ")"
		}
		return reason
	}
	want, found := functions[im.Name]
	if !found {
		return fmt.Sprintf("module %q has no function %q", im.Module, im.Name)
	}
	if got != want {
		return fmt.Sprintf("its signature is %s, but the host's is %s", got, want)
	}
	return ""
}

// offeredFunctions gives the functions that plugins may import, by module and
// name. Those of WASI are asked of wazero, so that they are the ones that link.
func offeredFunctions() (map[string]map[string]signature, error) {
	offered := map[string]map[string]signature{}
	for module, functions := range map[string][]hostFunction{
		abi.ModuleExtism: extismFunctions(), abi.ModuleTrama: tramaFunctions(),
	} {
		offered[module] = map[string]signature{}
		for _, f := range functions {
			offered[module][f.name] = f.signature
		}
	}
	ctx := context.Background()
	rt := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	wasi, err := wasi_snapshot_preview1.NewBuilder(rt).Compile(ctx)
	if err != nil {
		return nil, errors.Join(err, rt.Close(ctx))
	}
	offered[abi.ModuleWASI] = map[string]signature{}
	for name, f := range wasi.ExportedFunctions() {
		offered[abi.ModuleWASI][name] = takes(f.ParamTypes()...).gives(f.ResultTypes()...)
	}
	return offered, rt.Close(ctx)
}

// foreignModule says what else a module was probably built for.
func foreignModule(module string) string {
	switch module {
	case "env":
		return "it was built for another host, or lacks a symbol at link time; AssemblyScript needs its own abort handler"
	case "extism:host/user":
		return "it wants functions that its own application adds to Extism"
	case "gojs", "go":
		return "it was built with GOOS=js; use GOOS=wasip1 with -buildmode=c-shared"
	case "wbg", "__wbindgen_placeholder__":
		return "it was built with wasm-bindgen, for a browser"
	case "wasi_unstable":
		return "it was built for WASI before preview 1"
	case "http_handler":
		return "it was built for http-wasm"
	}
	return ""
}
