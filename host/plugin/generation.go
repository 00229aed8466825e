package plugin

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/trama-run/trama/host/sandbox"
	"github.com/trama-run/trama/pdk/abi"
)

// describeTime bounds the first run of a plugin's code: its initialisation
// and "describe".
const describeTime = 5 * time.Second

// generation is one content of a plugin file. Its code is compiled by the
// first call and kept; a changed memory limit compiles it again.
type generation struct {
	file     string
	digest   string
	size     int64
	manifest abi.Manifest
	code     string // sha256 of the .wasm file alone
	stored   string // where that is kept
	sandbox  *sandbox.Sandbox
	failed   func() // tells the registry that compiling failed

	mu      sync.Mutex // held for moments, never while code is compiled
	build   *build     // guarded by mu; nil before the first call
	retired bool       // guarded by mu
}

// build is one compilation, which all calls under its memory limit share.
type build struct {
	memory int64
	cancel context.CancelFunc
	done   chan struct{} // closed when module and err are there
	module *sandbox.Module
	err    error
	// failure is err for those who don't wait for done; guarded by the
	// generation's mu.
	failure error
}

// Digest names a content of a plugin, as grants do: the sha256 (hexadecimal)
// of its .wasm file or, for a plugin whose manifest stands beside it, the
// sha256 of the two files' sha256, 64 bytes. What is granted covers what the
// manifest says. sidecar is nil for a module that exports "describe".
func Digest(wasm, sidecar []byte) string {
	code := sha256.Sum256(wasm)
	if sidecar == nil {
		return hex.EncodeToString(code[:])
	}
	manifest := sha256.Sum256(sidecar)
	both := sha256.Sum256(append(code[:], manifest[:]...))
	return hex.EncodeToString(both[:])
}

// readModule reads a plugin's file, or the manifest beside it. What is not a
// file, which may never end,
// and what is larger than a module may be is not read at all.
func readModule(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("it is not a regular file")
	}
	if info.Size() > sandbox.MaxModule {
		return nil, fmt.Errorf("it has %d bytes; a module has at most %d", info.Size(), sandbox.MaxModule)
	}
	return os.ReadFile(path)
}

// load reads one file and makes a generation of it, or says why not.
func (r *Registry) load(ctx context.Context, path string) (g *generation, digest string, size int64, err error) {
	wasm, err := readModule(path)
	if err != nil {
		return nil, "", 0, err
	}
	code := Digest(wasm, nil)
	digest, size = code, int64(len(wasm))
	info, err := sandbox.Inspect(wasm)
	if err != nil {
		return nil, digest, size, err
	}
	var manifest abi.Manifest
	if slices.Contains(callable(info), abi.FuncDescribe) {
		manifest, err = r.described(ctx, digest, wasm)
	} else {
		var document []byte
		if document, err = readSidecar(path); err == nil {
			digest = Digest(wasm, document)
			manifest, err = parseSidecar(sidecar(path), document)
		}
	}
	if err != nil {
		return nil, digest, size, err
	}
	for _, name := range exportsOf(manifest) {
		if !slices.Contains(callable(info), name) {
			return nil, digest, size, fmt.Errorf("the manifest names the function %q, which the module does not export as () -> i32", name)
		}
	}
	stored := filepath.Join(r.config.CacheDir, "plugins", code+".wasm")
	if err := keep(stored, wasm); err != nil {
		return nil, digest, size, err
	}
	return &generation{
		file: path, digest: digest, size: size, manifest: manifest,
		code: code, stored: stored, sandbox: r.config.Sandbox, failed: r.republish,
	}, digest, size, nil
}

// sidecar is the path of the manifest beside a plugin without "describe".
func sidecar(path string) string { return strings.TrimSuffix(path, ".wasm") + ".yaml" }

func readSidecar(path string) ([]byte, error) {
	document, err := readModule(sidecar(path))
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("the module exports no %q and there is no %s beside it: %w", abi.FuncDescribe, filepath.Base(sidecar(path)), errNoManifest)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Base(sidecar(path)), err)
	}
	return document, nil
}

func parseSidecar(path string, document []byte) (abi.Manifest, error) {
	var value any
	if err := yaml.Unmarshal(document, &value); err != nil {
		return abi.Manifest{}, fmt.Errorf("%s: %w", path, err)
	}
	data, err := json.Marshal(value)
	if err != nil {
		return abi.Manifest{}, fmt.Errorf("%s: %w", path, err)
	}
	return ParseManifest(data)
}

// described returns the manifest that a plugin tells itself, from the cache by
// digest where it is there: so a start runs no plugin.
func (r *Registry) described(ctx context.Context, digest string, wasm []byte) (abi.Manifest, error) {
	cached := filepath.Join(r.config.CacheDir, "manifests", digest+".json")
	if data, err := os.ReadFile(cached); err == nil {
		if m, err := ParseManifest(data); err == nil {
			return m, nil
		} // written by another version: describe again
	}
	data, err := describe(ctx, r.config.Sandbox, wasm)
	if err != nil {
		return abi.Manifest{}, err
	}
	m, err := ParseManifest(data)
	if err != nil {
		return abi.Manifest{}, err
	}
	return m, keep(cached, data)
}

// callable lists the functions that a host can call.
func callable(info sandbox.Info) []string {
	var names []string
	for _, e := range info.Exports {
		if e.Callable() {
			names = append(names, e.Name)
		}
	}
	return names
}

// describe runs a plugin's "describe" with nothing outside in reach.
func describe(ctx context.Context, s *sandbox.Sandbox, wasm []byte) ([]byte, error) {
	limits := sandbox.DefaultLimits()
	limits.Time = describeTime
	module, err := s.Compile(ctx, wasm, sandbox.Options{Memory: limits.Memory})
	if err != nil {
		return nil, err
	}
	result, callErr := module.Call(ctx, sandbox.Call{Export: abi.FuncDescribe, Limits: limits})
	if err := errors.Join(callErr, module.Close(ctx)); err != nil {
		return nil, fmt.Errorf("describe: %w", err)
	}
	return result.Output, nil
}

// keep writes a cache file whole or not at all.
func keep(path string, data []byte) error {
	if info, err := os.Stat(path); err == nil && info.Size() == int64(len(data)) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	_, err = temp.Write(data)
	err = errors.Join(err, temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp.Name()))
	}
	return nil
}

// use returns the compiled code with this memory limit. It waits for a
// compilation no longer than ctx; the compilation goes on for the next call.
func (g *generation) use(ctx context.Context, memory int64) (*sandbox.Module, error) {
	b, err := g.building(memory)
	if err != nil {
		return nil, err
	}
	select {
	case <-b.done:
		return b.module, b.err
	case <-ctx.Done():
		return nil, &abi.Error{Code: abi.CodeUnavailable, Retryable: true, Message: fmt.Sprintf("plugin %s: its code is still being compiled; nothing was called", g.manifest.Name)}
	}
}

// building returns the compilation for a memory limit, begun if there is none.
func (g *generation) building(memory int64) (*build, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.retired {
		return nil, errRetired
	}
	if g.build == nil || g.build.memory != memory {
		g.build.drop()
		ctx, cancel := context.WithCancel(context.Background())
		g.build = &build{memory: memory, cancel: cancel, done: make(chan struct{})}
		go g.compile(ctx, g.build)
	}
	return g.build, nil
}

// compile ends a build, one way or the other. What is wrong with the code is
// remembered: to find it out again would only take the turn of other plugins.
// What is wrong with the disk is not.
func (g *generation) compile(ctx context.Context, b *build) {
	defer close(b.done)
	wasm, err := g.content()
	if err != nil {
		b.err = err
		g.mu.Lock()
		if g.build == b {
			g.build = nil
		}
		g.mu.Unlock()
		return
	}
	b.module, b.err = g.sandbox.Compile(ctx, wasm, sandbox.Options{Memory: b.memory})
	if b.err != nil && ctx.Err() != nil {
		b.err = errRetired // dropped: its waiters look again
	} else if b.err != nil {
		g.mu.Lock()
		b.failure = b.err
		g.mu.Unlock()
		g.failed()
	}
}

// failureUnder says why the code can't run under this memory limit, if that is
// known.
func (g *generation) failureUnder(memory int64) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.build == nil || g.build.memory != memory {
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

// content reads the plugin's bytes: the kept copy, or where that is gone or
// damaged the file itself, if it is still the same.
func (g *generation) content() ([]byte, error) {
	wasm, err := os.ReadFile(g.stored)
	if err == nil && Digest(wasm, nil) == g.code {
		return wasm, nil
	}
	wasm, err = os.ReadFile(g.file)
	if err != nil {
		return nil, fmt.Errorf("plugin code: %w", err)
	}
	if Digest(wasm, nil) != g.code {
		return nil, fmt.Errorf("plugin code: the kept copy %s is damaged and %s has another content by now", g.stored, g.file)
	}
	if err := os.Remove(g.stored); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("plugin code: %w", err)
	}
	return wasm, keep(g.stored, wasm)
}

// errNoManifest: a file is perhaps no plugin of ours at all.
var errNoManifest = errors.New("not a Trama plugin, or its manifest is missing")

// errRetired: the generation was replaced between look-up and use.
var errRetired = errors.New("this generation of the plugin was replaced")

// retire ends a generation: calls in progress finish, new ones are refused.
func (g *generation) retire() {
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.retired = true
	g.build.drop()
	g.build = nil
}

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
			b.module.Close(context.Background()) //nolint:errcheck // nothing is left to do with a module that fails to close
		}
	}()
}
