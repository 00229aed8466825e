// Package sandbox runs WebAssembly plugins: it checks a module, rewrites it so
// that its work is counted, compiles it, and calls its exports under limits.
//
// A plugin is a module that speaks the Extism plugin ABI: bytes in, bytes out,
// exports of type () -> i32. The ABI is implemented here, on wazero; guests
// also find WASI preview 1 with a real clock and real randomness, and without
// files, arguments and sockets; the environment holds two hints for Go's garbage
// collector and nothing else. All that a guest can reach of the world goes
// through the [Host] of its call.
//
//	box, err := sandbox.Open(sandbox.Config{CacheDir: dir, Log: log})
//	module, err := box.Compile(ctx, wasm, sandbox.Options{Memory: sandbox.DefaultLimits().Memory})
//	result, err := module.Call(ctx, sandbox.Call{
//		Export: "greet", Input: []byte("Ana"), Limits: sandbox.DefaultLimits(), Host: host})
//
// Every call starts from the module's [Image], the state after initialisation,
// so none sees what another has left behind. Failure belongs to the instance:
// after a trap, an exit, a limit or a time-out it is discarded.
//
// wazero stays in this package and those below it. It knows nothing of flows,
// grants, secrets and stores.
package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"github.com/tetratelabs/wazero"
	"golang.org/x/sys/cpu"

	"github.com/trama-run/trama/host/sandbox/compile"
	"github.com/trama-run/trama/host/sandbox/image"
)

// Config says where a sandbox works and what all its guests may take together.
type Config struct {
	// CacheDir keeps compiled code over restarts; see package compile. Empty:
	// no cache.
	CacheDir string
	// Compiler is the command that compiles a module in a process of its own;
	// see compile.Child. Empty: modules are compiled in this process, where a
	// hostile one can't be stopped; for tests, and tools that run one module.
	Compiler []string
	// MemoryBytes bounds the linear memory of all instances together, shared
	// pages counted for each; 0 means DefaultMemory.
	MemoryBytes int64
	Log         *slog.Logger // nil: nothing is logged
}

// DefaultMemory is the linear memory in bytes of all instances together.
const DefaultMemory = 4096 * mib

// maxAllCalls is how many calls of all modules run at once, waiting for the
// host included.
const maxAllCalls = 1024

// Sandbox compiles modules. It may be used from many goroutines.
type Sandbox struct {
	config   Config
	compiler bool
	code     *compile.Cache
	space    *image.Space

	calls  *share // calls that run
	turns  *share // calls that run for long: they leave a core to the others
	memory *share // bytes of linear memory

	mu      sync.Mutex
	modules map[*Module]bool // guarded by mu; open ones
	closed  bool             // guarded by mu
}

// Open prepares the cache directory and finds out how code will run and how
// memory will be restored.
func Open(config Config) (*Sandbox, error) {
	if config.Log == nil {
		config.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	if config.MemoryBytes == 0 {
		config.MemoryBytes = DefaultMemory
	}
	s := &Sandbox{
		config: config, compiler: compilerWorks(), modules: map[*Module]bool{},
		calls: newShare(maxAllCalls), turns: newShare(int64(max(1, runtime.GOMAXPROCS(0)-1))), memory: newShare(config.MemoryBytes),
	}
	var err error
	if s.code, err = compile.Open(compile.Config{Dir: config.CacheDir, Command: config.Compiler, Log: config.Log}); err != nil {
		return nil, fmt.Errorf("open sandbox: %w", err)
	}
	if s.space, err = image.Open(); err != nil {
		return nil, fmt.Errorf("open sandbox: %w", err)
	}
	if s.compiler {
		config.Log.Info("sandbox ready", "engine", "compiler", "restore", s.space.Method())
	} else {
		config.Log.Warn("sandbox ready, but plugins will be slow: no compiler for this machine, or no executable memory",
			"engine", "interpreter", "restore", s.space.Method(), "os", runtime.GOOS, "arch", runtime.GOARCH)
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

// takeMemory takes memory for an instance of a module: of what the plugin may
// hold, half of all, and of all. If it is short, idle instances make room; then
// the call waits.
func (s *Sandbox) takeMemory(ctx context.Context, m *Module, bytes int64) error {
	if most := s.config.MemoryBytes / 2; bytes > most {
		return limitError(LimitMemory, "one instance needs %s of memory, more than the %s that the host gives all instances of one plugin", size(bytes), size(most))
	}
	// First the place in the line, which Image.put looks at, then the room that
	// idle instances make: so none becomes idle unseen in between.
	waiter := m.budget.own.ask(m, bytes)
	if waiter != nil {
		trimIdle([]*Module{m}, bytes)
	}
	if err := m.budget.own.wait(ctx, waiter); err != nil {
		return notBegun(ctx, "the instances of this plugin held the %s of memory that the host gives one plugin", size(s.config.MemoryBytes/2))
	}
	if waiter = m.budget.all.ask(m, bytes); waiter != nil {
		trimIdle(s.open(), bytes)
	}
	if err := m.budget.all.wait(ctx, waiter); err != nil {
		m.budget.own.give(bytes)
		return notBegun(ctx, "all plugins together held the %s of memory that the host gives them", size(s.config.MemoryBytes))
	}
	return nil
}

// trimIdle closes idle instances of modules, the older ones first, until so
// many bytes are released.
func trimIdle(modules []*Module, bytes int64) {
	for _, age := range []time.Duration{idleFor / 2, time.Second, 10 * time.Millisecond, 0} {
		for _, m := range modules {
			for _, i := range m.open() {
				if bytes -= i.trim(age); bytes <= 0 {
					return
				}
			}
		}
	}
}

// open lists the modules that are not closed.
func (s *Sandbox) open() []*Module {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []*Module
	for m := range s.modules {
		all = append(all, m)
	}
	return all
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

// Close closes every module. If ctx ends first, it reports that; running calls
// still end, and release what they use.
func (s *Sandbox) Close(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	var err error
	for _, m := range s.open() {
		err = errors.Join(err, m.Close(ctx))
	}
	if err != nil {
		return err // what restores memory may still be in use
	}
	return s.space.Close()
}
