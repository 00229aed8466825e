package sandbox

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/trama-run/trama/host/sandbox/compile"
	"github.com/trama-run/trama/host/sandbox/lines"
	"github.com/trama-run/trama/host/sandbox/meter"
	"github.com/trama-run/trama/host/sandbox/wasm"
	"github.com/trama-run/trama/pdk/abi"
)

// Options say how a module is to be run.
type Options struct {
	// Memory bounds the linear memory of each instance, in bytes.
	Memory int64
	// NoImage has every call initialise an instance of its own: for modules
	// that keep in memory what must differ between calls, such as the state of
	// a random generator.
	NoImage bool
	// Still has nothing differ from one run to the next: random bytes are zeros
	// and the clocks stand still, but for what the guest sleeps, which takes no
	// time. It is for what a module says of itself.
	Still bool
	// Config is what Extism's config_get finds before there is a call with a
	// Host: as the module initialises itself, in warming calls, and in scripts
	// that are prepared. What it reads there is in its image, so a module whose
	// calls have other settings is compiled anew.
	Config map[string]string
	// Warm are calls that are made before the image is taken, so that what a
	// first call sets up is part of it. They reach nothing outside. One that
	// crashes is left out; one may return an error, such as for a request
	// that went nowhere.
	Warm []Warm
}

// Warm is one call that is made before a module's image is taken.
type Warm struct {
	Export string
	Input  []byte
}

// What a module shows without being run; see package wasm.
type (
	Info        = wasm.Info
	Import      = wasm.Import
	Export      = wasm.Export
	Section     = wasm.Section
	ModuleError = wasm.ModuleError
)

// MaxModule is the size in bytes up to which a module is taken.
const MaxModule = wasm.MaxModule

// Inspect parses a module and checks that it is a plugin which the sandbox
// takes; it runs nothing. On an error, which holds a [ModuleError], Info has
// what was read until there.
func Inspect(binary []byte) (Info, error) {
	_, info, err := inspect(binary)
	return info, err
}

func inspect(binary []byte) (*wasm.Module, Info, error) {
	offered, err := offered()
	if err != nil {
		return nil, Info{}, newError(KindRefused, "%v", err).because(err)
	}
	module, err := wasm.Inspect(binary, offered, bulkExports())
	if err != nil {
		stage := ""
		if refused, ok := errors.AsType[*wasm.ModuleError](err); ok {
			stage = refused.Stage
		}
		return nil, module.Info(), at(stage, newError(KindRefused, "%v", err).because(err))
	}
	return module, module.Info(), nil
}

// Compile takes a module through all that it must pass before it is called:
// parse, verify, rewrite, compile, and a first instance, which is initialised
// and becomes the image. What cannot run fails here.
//
// # Errors
//
// Every error holds an [*Error] (errors.As): KindRefused if the module is not acceptable
// (holding a [*ModuleError] if it failed the checks), KindLimit if it starts
// with more memory than it may have, else the kind by which its
// initialisation failed.
func (s *Sandbox) Compile(ctx context.Context, binary []byte, o Options) (*Module, error) {
	parsed, info, err := inspect(binary)
	if err != nil {
		return nil, err
	}
	rewritten, err := meter.Rewrite(parsed)
	if err != nil {
		return nil, at(StageRewrite, newError(KindRefused, "%v", err).because(err))
	}
	return s.load(ctx, info, rewritten, linesOf(parsed, rewritten), o)
}

// load compiles a rewritten module and makes its image.
func (s *Sandbox) load(ctx context.Context, info Info, rewritten meter.Result, source *lines.Table, o Options) (_ *Module, err error) {
	o.Memory = min(o.Memory, maxMemory*pageSize)
	if info.MemoryMin > o.Memory {
		return nil, at(StageStart, limitError(LimitMemory, "the module starts with %s of memory, over the limit of %s; %s",
			size(info.MemoryMin), size(o.Memory), bytesRemedy(LimitMemory, info.MemoryMin, CeilingLimits().Memory)))
	}
	if o.NoImage && rewritten.Fresh == "" {
		rewritten.Fresh = "it asks for none"
	}
	m := &Module{
		sandbox: s, info: info, memory: o.Memory, still: o.Still, settings: o.Config, rewritten: rewritten, source: source, callable: map[string]bool{},
		hasMemory: slices.ContainsFunc(info.Sections, func(s Section) bool { return s.Name == "memory" }),
		budget:    budget{newShare(s.config.MemoryBytes / 2), s.memory},
		slots:     make(chan struct{}, maxCalls), images: map[*Image]bool{}, closed: make(chan struct{}),
	}
	for _, e := range info.Exports {
		m.callable[e.Name] = e.Callable()
		m.bulk = m.bulk || e.Name == abi.ExportInput // and so the other too
	}
	if err := m.compile(ctx); err != nil {
		return nil, at(StageCompile, err)
	}
	if m.base, err = m.start(ctx, o.Warm); err != nil {
		return nil, errors.Join(at(StageStart, err), closeAll(m.runtime, m.code))
	}
	if m.base.kept {
		m.rewritten.Data = nil // it is in the image
	}
	m.remember(m.base)
	if !s.remember(m) {
		return nil, errors.Join(newError(KindRefused, "the sandbox is closed"), m.Close(ctx))
	}
	return m, nil
}

// compile fills runtime, code and compiled, or nothing. A panic of the
// compiler, which a hostile module may find, is an error.
func (m *Module) compile(ctx context.Context) (err error) {
	config := compile.RuntimeConfig(m.sandbox.compiler)
	var code *compile.Code // an interpreter has none
	if m.sandbox.compiler {
		if code, err = m.sandbox.code.Load(ctx, m.rewritten.Wasm); err != nil {
			if ctx.Err() != nil {
				return newError(KindCanceled, "%v", err).because(ctx.Err())
			}
			refused := newError(KindRefused, "%v", err).because(err)
			refused.Err.Retryable = !errors.Is(err, compile.ErrModule) // the machine's fault, not the module's
			return refused
		}
		config = config.WithCompilationCache(code.Cache)
	}
	rt := wazero.NewRuntimeWithConfig(ctx, config)
	defer func() {
		if r := recover(); r != nil {
			err = newError(KindRefused, "compile: the compiler panicked: %v", r)
		}
		if err != nil {
			err = errors.Join(err, closeAll(rt, code))
		}
	}()
	if err := m.link(ctx, rt); err != nil {
		return newError(KindRefused, "link: %v", err).because(err)
	}
	compiled, err := rt.CompileModule(ctx, m.rewritten.Wasm)
	if err != nil {
		return newError(KindRefused, "compile: %v", err).because(err)
	}
	m.runtime, m.code, m.compiled, m.rewritten.Wasm = rt, code, compiled, nil
	return nil
}

// link makes the host modules that the module imports from.
func (m *Module) link(ctx context.Context, rt wazero.Runtime) error {
	trip := rt.NewHostModuleBuilder(meter.TripModule)
	trip.NewFunctionBuilder().WithGoFunction(
		api.GoFunc(func(ctx context.Context, stack []uint64) { instanceOf(ctx).trip(stack[0]) }),
		[]api.ValueType{i32}, nil).Export(meter.TripName)
	if _, err := trip.Instantiate(ctx); err != nil {
		return fmt.Errorf("host module %s: %w", meter.TripModule, err)
	}
	wanted := map[string]bool{}
	for _, im := range m.info.Imports {
		wanted[im.Module] = true
	}
	offered := map[string][]hostFunction{abi.ModuleExtism: extismFunctions(), abi.ModuleTrama: tramaFunctions()}
	for name, functions := range offered {
		if !wanted[name] {
			continue
		}
		builder := rt.NewHostModuleBuilder(name)
		for _, f := range functions {
			builder.NewFunctionBuilder().WithGoFunction(
				api.GoFunc(func(ctx context.Context, stack []uint64) { instanceOf(ctx).perform(f, stack) }),
				[]byte(f.signature.Params), []byte(f.signature.Results)).Export(f.name)
		}
		if _, err := builder.Instantiate(ctx); err != nil {
			return fmt.Errorf("host module %s: %w", name, err)
		}
	}
	if wanted[abi.ModuleWASI] {
		builder, err := wasiModule(ctx, rt)
		if err == nil {
			_, err = builder.Instantiate(ctx)
		}
		if err != nil {
			return fmt.Errorf("host module %s: %w", abi.ModuleWASI, err)
		}
	}
	return nil
}

// atStart says of limits of fuel and time that they are the same for all plugins
// before the first call.
func atStart(err error) error {
	if e := asError(err); e.Limit == LimitFuel || e.Limit == LimitTime {
		e.Err.Message = Raised(e.Err.Message, func(string, string) string {
			return "nothing raises it for what a plugin does before its first call: do less as it initialises itself"
		})
	}
	return err
}

// start makes the first instance and the image that calls start from. A call
// that fails may leave anything behind, so after one the instance is made anew
// and the call left out.
func (m *Module) start(ctx context.Context, warm []Warm) (*Image, error) {
	in, err := m.initialize(ctx, DefaultLimits())
	if err != nil {
		return nil, atStart(err)
	}
	if m.rewritten.Fresh != "" {
		in.close()
		return &Image{module: m, closed: make(chan struct{})}, nil
	}
	for i, w := range warm {
		if !m.callable[w.Export] { // of a manifest that is on record since before this was refused
			m.sandbox.config.Log.Debug("a warming call is left out of the image: the module has no such function", "sha256", m.info.SHA256, "export", w.Export)
			continue
		}
		_, poisoned, failure := in.call(ctx, Call{Export: w.Export, Input: w.Input, Limits: DefaultLimits()})
		if !poisoned && (failure == nil || failure.Kind == KindGuest) {
			continue
		}
		m.sandbox.config.Log.Debug("a warming call failed and is left out of the image", "sha256", m.info.SHA256, "export", w.Export, "error", failure)
		in.close()
		rest := append(append([]Warm(nil), warm[:i]...), warm[i+1:]...)
		return m.start(ctx, rest)
	}
	kept, err := m.keep(in)
	if err != nil {
		in.close()
		return nil, newError(KindTrap, "image: %v", err).because(err)
	}
	return kept, nil
}
