// Package portable runs a plugin under the stock Extism SDK, extism/go-sdk,
// beside Trama's own sandbox, and says where the two differ: a plugin that
// computes should run in any host that speaks Extism.
//
// It is a package of its own so that who tests plugins need not carry a second
// host. It knows [plugintest] and nothing above it.
package portable

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	extism "github.com/extism/go-sdk"

	"github.com/trama-run/trama/host/plugintest"
	"github.com/trama-run/trama/host/sandbox"
	"github.com/trama-run/trama/pdk/abi"
)

// Config says how a plugin is run there.
type Config struct {
	// Stubs gives the module Trama's host functions too, which stop whoever calls
	// one: so that what needs none of them can be tried of a plugin that has them.
	Stubs bool
}

// Peer is a plugin's file under the stock SDK. Cases go one at a time.
type Peer struct {
	plugin   *plugintest.Plugin
	compiled *extism.CompiledPlugin
	// shared has had the calls of all cases so far; nil: there were none, or the
	// last one crashed.
	shared *extism.Plugin
}

// NeedsTrama lists the functions of Trama's own that a module imports. With any,
// it runs in no other host.
func NeedsTrama(info sandbox.Info) (names []string) {
	for _, im := range info.Imports {
		if im.Module == abi.ModuleTrama {
			names = append(names, im.Name)
		}
	}
	return names
}

// Open compiles a plugin's file under the stock SDK.
func Open(ctx context.Context, p *plugintest.Plugin, config Config) (*Peer, error) {
	wasm, err := os.ReadFile(p.Path)
	if err != nil {
		return nil, err
	}
	var functions []extism.HostFunction
	if config.Stubs {
		functions = Stubs(p.Info)
	}
	const page = 64 << 10
	compiled, err := extism.NewCompiledPlugin(ctx, extism.Manifest{
		Wasm:    []extism.Wasm{extism.WasmData{Data: wasm}},
		Timeout: 10_000, // milliseconds; without one nothing stops a call there
		Memory:  &extism.ManifestMemory{MaxPages: uint32(p.Limits.Memory / page), MaxHttpResponseBytes: 1 << 20, MaxVarBytes: 1 << 20},
	}, extism.PluginConfig{EnableWasi: true}, functions)
	if err != nil {
		return nil, fmt.Errorf("extism/go-sdk does not take it: %w", err)
	}
	return &Peer{plugin: p, compiled: compiled}, nil
}

// Stubs are in the place of a Trama host's functions that a module imports, so
// that it links; a call of one ends the plugin's.
func Stubs(info sandbox.Info) (functions []extism.HostFunction) {
	for _, im := range info.Imports {
		if im.Module == abi.ModuleTrama {
			functions = append(functions, stub(im))
		}
	}
	return functions
}

// stub is a host function that stops the call.
func stub(im sandbox.Import) extism.HostFunction {
	params, results, _ := strings.Cut(im.Signature, " -> ")
	f := extism.NewHostFunctionWithStack(im.Name, func(context.Context, *extism.CurrentPlugin, []uint64) {
		panic(fmt.Errorf("%s.%s: there is no Trama host here", im.Module, im.Name))
	}, types(params), types(results))
	f.SetNamespace(im.Module)
	return f
}

// types reads "(i64, i32)" or "i64".
func types(text string) (all []extism.ValueType) {
	for _, name := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune("(), ", r) }) {
		all = append(all, map[string]extism.ValueType{
			"i32": extism.ValueTypeI32, "i64": extism.ValueTypeI64, "f32": extism.ValueTypeF32, "f64": extism.ValueTypeF64,
		}[name])
	}
	return all
}

// Close releases the peer's code.
func (p *Peer) Close(ctx context.Context) error {
	return errors.Join(p.drop(ctx), p.compiled.Close(ctx))
}

// drop ends the shared instance.
func (p *Peer) drop(ctx context.Context) error {
	if p.shared == nil {
		return nil
	}
	ended := p.shared
	p.shared = nil
	return ended.Close(ctx)
}

// Case compares a case's call in both hosts: the output, byte for byte, or the
// error that the plugin set. Of a crash only that it is one is compared. The stock
// host makes the call in an instance of its own, there once more, and in the one
// that had the calls of the cases before: it keeps instances, where each call
// begins anew in ours. The first difference is given.
func (p *Peer) Case(ctx context.Context, c plugintest.Case) (_ []plugintest.Difference, err error) {
	call, err := p.plugin.CallOf(c)
	if err != nil {
		return nil, err
	}
	here, err := p.plugin.Call(ctx, call)
	if err != nil {
		return nil, err
	}
	want := shown(here)
	own, err := p.compiled.Instance(ctx, extism.PluginInstanceConfig{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, own.Close(ctx)) }()
	if p.shared == nil {
		if p.shared, err = p.compiled.Instance(ctx, extism.PluginInstanceConfig{}); err != nil {
			return nil, err
		}
	}
	for _, there := range []struct {
		instance *extism.Plugin
		at       string
	}{
		{own, "under extism/go-sdk"},
		{own, "under extism/go-sdk, the second time in one instance"},
		{p.shared, "under extism/go-sdk, in an instance that had the calls of the cases before"},
	} {
		got := end(ctx, there.instance, call)
		if got != want {
			return []plugintest.Difference{{At: there.at, Want: want, Got: got}}, p.drop(ctx)
		}
		if got == crashed { // no host calls it again
			return nil, nil
		}
	}
	return nil, nil
}

// shown tells the end of a call in our host as call does of the peer's.
func shown(out plugintest.Outcome) string {
	switch {
	case out.Error == nil:
		return "output " + string(out.Output)
	case out.Kind != sandbox.KindGuest:
		return crashed
	case strings.HasSuffix(out.Error.Message, sandbox.Silent):
		return "error, and nothing said"
	}
	return "error " + out.Error.Message
}

const crashed = "crash"

// end makes a call in an instance and tells how it ended.
func end(ctx context.Context, instance *extism.Plugin, c plugintest.Call) string {
	instance.Config, instance.AllowedHosts = maps.Clone(c.Config), []string{}
	instance.SetLogger(func(extism.LogLevel, string) {})
	code, output, failed := instance.CallWithContext(ctx, c.Export, c.Input)
	switch set := instance.GetError(); {
	case failed == nil && code == 0:
		return "output " + string(output)
	case failed == nil:
		return "error, and nothing said"
	case failed.Error() == set:
		return "error " + plugintest.MessageOf(set)
	}
	return crashed
}

// Portable lists the cases that can be compared: those of pure operations that
// ask nothing of the world but their settings.
func Portable(m abi.Manifest, cases []plugintest.Case) []plugintest.Case {
	return slices.DeleteFunc(slices.Clone(cases), func(c plugintest.Case) bool {
		pure := slices.ContainsFunc(m.Operations, func(op abi.Operation) bool {
			return op.Name == c.Operation && op.Effect == abi.EffectPure
		})
		return !pure || len(c.HTTP) > 0 || c.KV != nil
	})
}
