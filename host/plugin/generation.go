package plugin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/trama-run/trama/host/grant"
	"github.com/trama-run/trama/host/sandbox"
	"github.com/trama-run/trama/host/seal"
	"github.com/trama-run/trama/pdk/abi"
)

// generation is one content of a plugin file. Its code is compiled by the
// first call and kept until nobody has called it for a while; a changed memory
// limit and changed settings, which its image may have read, compile it again.
type generation struct {
	digest   string
	size     int64
	manifest abi.Manifest
	code     string // sha256 of the .wasm file alone
	stored   string // where that is kept
	// seal is what the file says of its signature, and signature what that is
	// worth.
	seal      seal.Seal
	signature seal.Status
	sandbox   *sandbox.Sandbox
	idle      time.Duration // after which the code leaves the memory
	failed    func()        // tells the registry that compiling failed
	scripts   *scripts
	log       *slog.Logger

	// Guarded by the registry's mu.
	exports    []string  // functions that can be called
	served     bool      // answered calls at some time
	recorded   bool      // and that is on disk
	wasBundled bool      // belongs to this build, or to one that it served in
	last       time.Time // when it was put on record
	since      time.Time // when it was retired; zero while a file has it

	mu    sync.Mutex // held for moments, never while code is compiled
	file  string     // where it was found; guarded by mu
	build *build     // nil while there is no code in memory; guarded by mu
	ended bool       // guarded by mu
}

// terms are what of a grant the code is compiled with.
type terms struct {
	memory   int64             // the limit
	settings map[string]string // what config_get finds; not changed
}

func (t terms) equal(o terms) bool {
	return t.memory == o.memory && maps.Equal(t.settings, o.settings)
}

// termsOf gives those of a decision.
func termsOf(g grant.Grant) terms { return terms{limitsOf(g.Limits).Memory, g.Config} }

// build is one compilation, which all calls under its terms share.
type build struct {
	terms
	cancel context.CancelFunc
	done   chan struct{} // closed when module and err are there
	module *sandbox.Module
	err    error
	// prepares says that the module is a language whose scripts can be made
	// ready; scripts holds those.
	prepares bool
	scripts  *scripts
	used     atomic.Int64 // when a call began or ended last; unix nanoseconds
	// failure is err for those who don't wait for done; guarded by the
	// generation's mu.
	failure error
}

// use returns the compiled code under these terms, for one call. It waits
// for a compilation no longer than ctx; the compilation goes on for the next
// call.
func (g *generation) use(ctx context.Context, t terms) (*build, error) {
	b, err := g.building(t)
	if err != nil {
		return nil, err
	}
	select {
	case <-b.done: // nearly always; to be told of the context's end costs more
		return b, b.err
	default:
	}
	select {
	case <-b.done:
		return b, b.err
	case <-ctx.Done():
		return nil, &abi.Error{Code: abi.CodeUnavailable, Retryable: true, Message: fmt.Sprintf("plugin %s: its code is still being compiled; nothing was called", g.manifest.Name)}
	}
}

// building returns the compilation under these terms, begun if there is none.
func (g *generation) building(t terms) (*build, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ended {
		return nil, errEnded
	}
	if g.build == nil || !g.build.equal(t) {
		g.build.drop()
		ctx, cancel := context.WithCancel(context.Background())
		g.build = &build{terms: t, cancel: cancel, done: make(chan struct{}), scripts: g.scripts}
		go g.compile(ctx, g.build)
	}
	g.build.touch()
	return g.build, nil
}

// compile ends a build, one way or the other. What is wrong with the code is
// remembered: to find it out again would only take the turn of other plugins.
// What is wrong with the disk or the moment is not.
func (g *generation) compile(ctx context.Context, b *build) {
	defer close(b.done)
	wasm, err := g.content()
	if err != nil {
		b.err = err
		g.abandon(b)
		return
	}
	b.module, b.err = g.sandbox.Compile(ctx, wasm, Options(g.manifest, b.memory, b.settings))
	failed, _ := errors.AsType[*sandbox.Error](b.err)
	switch {
	case b.err == nil:
		b.prepares = g.manifest.Kind == abi.KindLanguage && b.module.Fresh() == "" &&
			slices.Contains(callable(b.module.Info()), abi.FuncPrepare)
		b.touch()
		time.AfterFunc(g.idle, func() { g.rest(b) })
	case ctx.Err() != nil:
		b.err = errEnded // dropped: its waiters look again
	case failed != nil && failed.ABI().Retryable:
		g.abandon(b)
	default:
		g.mu.Lock()
		b.failure = b.err
		g.mu.Unlock()
		g.failed()
	}
}

// abandon lets the next call begin another build.
func (g *generation) abandon(b *build) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.build == b {
		g.build = nil
	}
}

// Options says how a plugin's code is run: from an image that the calls which
// its manifest names have warmed, or else its first pure example, unless it asks
// for none.
func Options(m abi.Manifest, memory int64, settings map[string]string) sandbox.Options {
	o := sandbox.Options{Memory: memory, Config: settings, NoImage: m.Image == imageNone}
	for _, w := range m.Warm {
		o.Warm = append(o.Warm, sandbox.Warm{Export: w.Export, Input: w.Input})
	}
	for _, op := range m.Operations {
		for _, e := range op.Examples {
			if op.Effect == abi.EffectPure && len(e.HTTP) == 0 && len(o.Warm) == 0 {
				o.Warm = []sandbox.Warm{{Export: ExportOf(op), Input: e.Input}}
			}
		}
	}
	return o
}

// rest takes code out of memory that was not called for a while; the next call
// brings it back.
func (g *generation) rest(b *build) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.build != b {
		return // dropped by now
	}
	if left := g.idle - time.Since(time.Unix(0, b.used.Load())); left > 0 {
		time.AfterFunc(left, func() { g.rest(b) })
		return
	}
	g.log.Debug("plugin is idle: its code leaves the memory", "plugin", g.manifest.Name, "digest", g.digest)
	g.build.drop()
	g.build = nil
}

// loaded says whether the code is in memory.
func (g *generation) loaded() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.build == nil {
		return false
	}
	select {
	case <-g.build.done:
		return g.build.err == nil
	default:
		return false
	}
}

// failureUnder says why the code can't run under these terms, if that is known.
func (g *generation) failureUnder(t terms) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.build == nil || !g.build.equal(t) {
		return nil
	}
	return g.build.failure
}

// forget lets the next call compile again after a failure.
func (g *generation) forget() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.build != nil && g.build.failure != nil {
		g.build.drop()
		g.build = nil
	}
}

// move says that the content is in another file now.
func (g *generation) move(file string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.file = file
}

// path is the file that had the content last.
func (g *generation) path() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.file
}

// content reads the plugin's bytes: the kept copy, or where that is gone or
// damaged the file itself, if it is still the same.
func (g *generation) content() ([]byte, error) {
	wasm, err := os.ReadFile(g.stored)
	if err == nil && Digest(wasm, nil) == g.code {
		return wasm, nil
	}
	file := g.path()
	wasm, err = readModule(file)
	if err != nil {
		return nil, fmt.Errorf("plugin code: the kept copy %s is gone or damaged: %w", g.stored, err)
	}
	if Digest(wasm, nil) != g.code {
		return nil, fmt.Errorf("plugin code: the kept copy %s is gone or damaged, and %s has another content by now", g.stored, file)
	}
	if err := write(g.stored, wasm); err != nil {
		g.log.Warn("plugin is not kept: sessions that begin with it can't end on it once its file is gone", "file", file, "error", err)
	}
	return wasm, nil
}

// errEnded: the generation ended, or its code was dropped, between look-up and
// use.
var errEnded = errors.New("this generation of the plugin has ended")

// end ends a generation: calls in progress finish, new ones are refused.
func (g *generation) end() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ended = true
	g.build.drop()
	g.build = nil
}

// touch notes that a call began or ended.
func (b *build) touch() { b.used.Store(time.Now().UnixNano()) }

// drop gives up a compilation, or closes what came of it once the running
// calls have ended. It waits for neither.
func (b *build) drop() {
	if b == nil {
		return
	}
	b.cancel()
	go func() {
		<-b.done
		if b.module != nil {
			b.scripts.forget(b.module)
			b.module.Close(context.Background()) //nolint:errcheck // nothing is left to do with a module that fails to close
		}
	}()
}
