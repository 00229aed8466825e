// Package sandbox runs WebAssembly plugins: it checks a module, compiles it,
// and calls its exports under limits.
//
// A plugin is a module that speaks the Extism plugin ABI: bytes in, bytes out,
// exports of type () -> i32. The ABI is implemented here, on wazero; guests
// also find WASI preview 1 with a real clock and real randomness, and without
// files, arguments, environment and sockets. All that a guest can reach of the
// world goes through the [Host] of its call.
//
//	box, err := sandbox.Open(sandbox.Config{CacheDir: dir, Log: log})
//	module, err := box.Compile(ctx, wasm, sandbox.DefaultLimits().Memory)
//	result, err := module.Call(ctx, sandbox.Call{
//		Export: "greet", Input: []byte("Ana"), Limits: sandbox.DefaultLimits(), Host: host})
//
// Failure belongs to the instance: after a trap, an exit, a limit or a
// time-out it is discarded, and the next call gets another. Instances that
// ended well are used again, so a plugin's own memory survives its calls.
//
// wazero stays in this package. It knows nothing of flows, grants, secrets and
// stores.
package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"sync"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
	"golang.org/x/sys/cpu"

	"github.com/trama-run/trama/pdk/abi"
)

// Config says where a sandbox works.
type Config struct {
	// CacheDir keeps compiled code over restarts. It holds what the process
	// will execute, so Open gives it mode 0700. Empty: no cache.
	CacheDir string
	// Compiler is the command that compiles one module in a process of its
	// own; see package compile. Empty: this process compiles.
	Compiler []string
	Log      *slog.Logger // nil: nothing is logged
}

// Sandbox compiles modules. It may be used from many goroutines.
type Sandbox struct {
	config   Config
	compiler bool

	mu      sync.Mutex
	modules map[*Module]bool // guarded by mu; open ones
	closed  bool             // guarded by mu

	slot     chan struct{}  // held by the compilation that runs
	builders sync.WaitGroup // compilations, abandoned ones too
}

// Open prepares the cache directory and finds out how code will run.
func Open(config Config) (*Sandbox, error) {
	if config.Log == nil {
		config.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	if dir := config.CacheDir; dir != "" {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("open sandbox: %w", err)
		}
		if err := os.Chmod(dir, 0o700); err != nil {
			return nil, fmt.Errorf("open sandbox: compilation cache must be private: %w", err)
		}
	}
	s := &Sandbox{config: config, modules: map[*Module]bool{}, slot: make(chan struct{}, 1)}
	if s.compiler = compilerWorks(); s.compiler {
		config.Log.Info("sandbox ready", "engine", "compiler")
	} else {
		config.Log.Warn("sandbox ready, but plugins will be slow: no compiler for this machine, or no executable memory",
			"engine", "interpreter", "os", runtime.GOOS, "arch", runtime.GOARCH)
	}
	return s, nil
}

// compilerWorks reports whether wazero can compile here; by itself it takes
// the interpreter without a word, and panics where code can't be mapped.
func compilerWorks() (works bool) {
	if runtime.GOARCH != "arm64" && !(runtime.GOARCH == "amd64" && cpu.X86.HasSSE41) {
		return false
	}
	defer func() {
		if recover() != nil {
			works = false
		}
	}()
	ctx := context.Background()
	return wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigCompiler()).Close(ctx) == nil
}

// Compile checks a module, compiles it, and makes one instance, so that what
// cannot run fails here. memoryBytes bounds the linear memory of each instance.
//
// One module is compiled at a time. If ctx ends, Compile returns at once, but
// the compilation goes on in the background: wazero cannot interrupt one.
//
// # Errors
//
// Every error is an [*Error]: KindRefused if the module is not acceptable
// (holding a [*ModuleError] if it failed the checks), KindLimit if it starts
// with more memory than it may have, else the kind by which its
// initialisation failed.
func (s *Sandbox) Compile(ctx context.Context, wasm []byte, memoryBytes int64) (*Module, error) {
	wasm = bytes.Clone(wasm) // an abandoned compilation outlives the call
	info, err := Inspect(wasm)
	if err != nil {
		return nil, err
	}
	memoryBytes = min(memoryBytes, maxMemory*pageSize)
	if info.MemoryMin > memoryBytes {
		return nil, limitError(LimitMemory, "the module starts with %s of memory, over the limit of %s; %s",
			size(info.MemoryMin), size(memoryBytes), bytesRemedy(LimitMemory, info.MemoryMin, CeilingLimits().Memory))
	}
	if err := s.beginBuild(ctx); err != nil {
		return nil, err
	}
	m := &Module{sandbox: s, info: info, memory: memoryBytes, callable: map[string]bool{}, slots: make(chan struct{}, maxCalls), closed: make(chan struct{})}
	for _, e := range info.Exports {
		m.callable[e.Name] = e.Callable()
	}
	built := make(chan error, 1)
	go func() {
		defer s.endBuild()
		built <- m.build(ctx, wasm)
	}()
	select {
	case err = <-built:
	case <-ctx.Done():
		go func() {
			if <-built == nil {
				s.closeAbandoned(m)
			}
		}()
		return nil, newError(KindCanceled, "compilation was abandoned: %v", ctx.Err()).because(ctx.Err())
	}
	if err != nil {
		return nil, err
	}
	if !s.remember(m) {
		return nil, errors.Join(newError(KindRefused, "the sandbox is closed"), m.Close(ctx))
	}
	return m, nil
}

// beginBuild waits for its turn to compile.
func (s *Sandbox) beginBuild(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return newError(KindRefused, "the sandbox is closed")
	}
	s.builders.Add(1)
	return nil
}

func (s *Sandbox) endBuild() { s.builders.Done() }

// closeAbandoned closes a module that nobody waited for.
func (s *Sandbox) closeAbandoned(m *Module) {
	if err := m.Close(context.Background()); err != nil {
		s.config.Log.Error("close an abandoned module", "sha256", m.info.SHA256, "error", err)
	}
}

// remember adds a module to those that Close closes.
func (s *Sandbox) remember(m *Module) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.modules[m] = true
	}
	return !s.closed
}

func (s *Sandbox) forget(m *Module) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.modules, m)
}

// build compiles and makes the first instance. A cache that can't be written
// or read costs time, not the plugin.
func (m *Module) build(ctx context.Context, wasm []byte) error {
	s := m.sandbox
	select {
	case s.slot <- struct{}{}:
		defer func() { <-s.slot }()
	case <-ctx.Done():
		return newError(KindCanceled, "compilation was not begun: %v", ctx.Err()).because(ctx.Err())
	}
	err := m.compile(wasm, s.config.CacheDir)
	if err != nil && s.config.CacheDir != "" {
		cached := err
		if err = m.compile(wasm, ""); err == nil {
			s.config.Log.Warn("the compilation cache failed and was not used; delete the directory if this stays",
				"dir", s.config.CacheDir, "sha256", m.info.SHA256, "error", cached)
		}
	}
	if err != nil {
		return newError(KindRefused, "compile: %v", err).because(err)
	}
	in, err := m.instantiate(ctx, DefaultLimits())
	if err != nil {
		return errors.Join(err, closeAll(m.runtime, m.cache))
	}
	m.put(in)
	return nil
}

// compile fills runtime, cache and compiled, or nothing. A panic of the
// compiler, which a hostile module may find, is an error.
func (m *Module) compile(wasm []byte, cacheDir string) (err error) {
	ctx := context.Background()
	config := wazero.NewRuntimeConfigInterpreter()
	if m.sandbox.compiler {
		config = wazero.NewRuntimeConfigCompiler()
	}
	// The memory limit is linearMemory's, which can tell that it was reached;
	// 2^16 pages would let a read end at 2^32, which panics in wazero.
	config = config.WithMemoryLimitPages(maxMemory).WithCloseOnContextDone(true).WithDebugInfoEnabled(false)
	var cache wazero.CompilationCache
	if cacheDir != "" {
		// A fresh cache object per module, closed with it: a shared one would
		// keep the code of every module that was ever loaded.
		if cache, err = wazero.NewCompilationCacheWithDir(cacheDir); err != nil {
			return err
		}
		config = config.WithCompilationCache(cache)
	}
	var rt wazero.Runtime
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the compiler panicked: %v", r)
		}
		if err != nil && rt != nil {
			err = errors.Join(err, closeAll(rt, cache))
		}
	}()
	rt = wazero.NewRuntimeWithConfig(ctx, config)
	if err = m.link(ctx, rt); err != nil {
		return err
	}
	compiled, err := rt.CompileModule(ctx, wasm)
	if err != nil {
		return err
	}
	m.runtime, m.cache, m.compiled = rt, cache, compiled
	return nil
}

// link makes the host modules that the module imports from.
func (m *Module) link(ctx context.Context, rt wazero.Runtime) error {
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
				api.GoFunc(func(ctx context.Context, stack []uint64) { f.call(instanceOf(ctx), stack) }),
				[]byte(f.signature.params), []byte(f.signature.results)).Export(f.name)
		}
		if _, err := builder.Instantiate(ctx); err != nil {
			return fmt.Errorf("host module %s: %w", name, err)
		}
	}
	if wanted[abi.ModuleWASI] {
		if _, err := wasi_snapshot_preview1.Instantiate(ctx, rt); err != nil {
			return fmt.Errorf("host module %s: %w", abi.ModuleWASI, err)
		}
	}
	return nil
}

// Close closes every module and waits for compilations. If ctx ends first, it
// reports that; running calls still end, and release what they use.
func (s *Sandbox) Close(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	var open []*Module
	for m := range s.modules {
		open = append(open, m)
	}
	s.mu.Unlock()
	var err error
	for _, m := range open {
		err = errors.Join(err, m.Close(ctx))
	}
	done := make(chan struct{})
	go func() {
		s.builders.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
		err = errors.Join(err, fmt.Errorf("close sandbox: a compilation is still running: %w", ctx.Err()))
	}
	return err
}
