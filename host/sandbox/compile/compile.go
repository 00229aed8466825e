// Package compile turns a WebAssembly module into machine code outside of the
// host's process, and keeps the code on disk for the next generation, restart
// or process that has the same module.
//
// A module is somebody else's, and the compiler can be made to take minutes
// and gigabytes by a small one; no part of it can be interrupted. So a child
// process compiles, under bounds, and may be killed at any moment: what it
// does is an error of the module and never of the host. The host then only
// maps code whose checksum it has checked.
//
//	cache, err := compile.Open(compile.Config{Dir: dir, Command: []string{self, "compile-module"}})
//	code, err := cache.Load(ctx, wasm)
//	defer code.Close(ctx)
//	runtime := wazero.NewRuntimeWithConfig(ctx, compile.RuntimeConfig(true).WithCompilationCache(code.Cache))
//	compiled, err := runtime.CompileModule(ctx, wasm) // loads what the child made
//
// An entry is one directory, named by all that the code depends on, with a
// list of the sha256 of its files. It is written elsewhere and renamed into
// its place, so processes may share the directory. An entry that is not
// exactly as it was written is deleted and made again.
//
// The package must not know what modules are for, what they import, or how
// they are called.
package compile

import (
	"errors"
	"io"
	"log/slog"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// Bounds where [Config] does not say otherwise.
const (
	defaultTime   = 60 * time.Second // of the processor, for one compilation
	defaultMemory = 2 << 30          // bytes that a child may write to
	defaultSize   = 1 << 30          // bytes of all entries together
	defaultAge    = 30 * 24 * time.Hour
)

// maxMemoryPages bounds every linear memory, in pages of 64 KiB: a read that
// ends at 2^32 panics in wazero.
const maxMemoryPages = 65535

// RuntimeConfig is how every module is compiled and run, by the child and by
// the host: what wazero calls an entry depends on it, so the two must agree.
// compiler is false where wazero has none for the machine; then nothing here
// is of use but this function.
func RuntimeConfig(compiler bool) wazero.RuntimeConfig {
	config := wazero.NewRuntimeConfigInterpreter()
	if compiler {
		config = wazero.NewRuntimeConfigCompiler()
	}
	return config.WithCoreFeatures(api.CoreFeaturesV2).WithMemoryLimitPages(maxMemoryPages).
		WithCloseOnContextDone(false).WithDebugInfoEnabled(true) // of the few modules that have some
}

// ErrModule: the module can't be compiled, or not within the bounds. To try
// again is of no use; other errors are of the machine or the caller's context.
var ErrModule = errors.New("the module can't be compiled")

// Self as the first word of a command is this very program on Linux, even if
// its file has been replaced since it was started.
const Self = "/proc/self/exe"

// Config says where code is kept and who compiles.
type Config struct {
	// Dir keeps the entries. It holds what the host will execute, so it must
	// be the user's own and closed to all others; it is made if it is not
	// there. Empty: nothing is kept.
	Dir string
	// Command is the program and its first arguments that calls [Child] with
	// the arguments that follow. Empty: this process compiles, where nothing
	// can stop it; for tests and tools that trust their modules.
	Command []string

	Time   time.Duration // of the processor, that one compilation may take; 0: 60 s
	Memory int64         // bytes that a child may write to; 0: 2 GiB
	Size   int64         // bytes of all entries, above which old ones go; 0: 1 GiB
	Age    time.Duration // after which an unused entry goes; 0: 30 days

	Log *slog.Logger // nil: nothing is logged
}

// Cache compiles modules and keeps their code. It may be used from many
// goroutines. It holds nothing open; its children end with the contexts of
// those who wait for them.
type Cache struct {
	config Config
	child  chan struct{} // holds one for each child that runs

	pruning sync.Mutex // one Prune at a time; taken before mu
	mu      sync.Mutex
	flights map[string]*flight // by key, while somebody waits; guarded by mu
	used    map[string]int     // codes in use by key; guarded by mu
}

// Open checks the directory and removes what is old from it.
//
// # Errors
//
// The directory is there and not private. One that can't be made or written
// is only logged: code is then compiled again at each start.
func Open(config Config) (*Cache, error) {
	if config.Log == nil {
		config.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	config.Time = orDefault(config.Time, defaultTime)
	config.Memory = orDefault(config.Memory, defaultMemory)
	config.Size = orDefault(config.Size, defaultSize)
	config.Age = orDefault(config.Age, defaultAge)
	c := &Cache{
		config: config, child: make(chan struct{}, max(2, runtime.NumCPU()/2)),
		flights: map[string]*flight{}, used: map[string]int{},
	}
	if config.Dir == "" {
		return c, nil
	}
	if err := os.MkdirAll(config.Dir, 0o700); err != nil {
		config.Log.Warn("compiled code is not kept: its directory can't be made", "dir", config.Dir, "error", err)
		c.config.Dir = ""
		return c, nil
	}
	if err := private(config.Dir); err != nil {
		return nil, err
	}
	if version() == "" {
		config.Log.Warn("compiled code is not kept: the compiler's version is not known, nor this program's file")
		c.config.Dir = ""
		return c, nil
	}
	c.prune()
	return c, nil
}

func orDefault[T int64 | time.Duration](value, usual T) T {
	if value > 0 {
		return value
	}
	return usual
}
