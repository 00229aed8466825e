package plugin

import (
	"context"
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
	stored   string // where the content is kept
	sandbox  *sandbox.Sandbox

	mu      sync.Mutex
	module  *sandbox.Module // guarded by mu; nil before the first call
	memory  int64           // guarded by mu; the limit that module has
	retired bool            // guarded by mu
}

// load reads one file and makes a generation of it, or says why not.
func (r *Registry) load(ctx context.Context, path string) (g *generation, digest string, size int64, err error) {
	wasm, err := os.ReadFile(path)
	if err != nil {
		return nil, "", 0, err
	}
	digest, size = digestOf(wasm), int64(len(wasm))
	info, err := sandbox.Inspect(wasm)
	if err != nil {
		return nil, digest, size, err
	}
	manifest, err := r.manifestOf(ctx, path, digest, wasm, info)
	if err != nil {
		return nil, digest, size, err
	}
	for _, name := range exportsOf(manifest) {
		if !slices.Contains(callable(info), name) {
			return nil, digest, size, fmt.Errorf("the manifest names the function %q, which the module does not export as () -> i32", name)
		}
	}
	stored := filepath.Join(r.config.CacheDir, "plugins", digest+".wasm")
	if err := keep(stored, wasm); err != nil {
		return nil, digest, size, err
	}
	return &generation{
		file: path, digest: digest, size: size, manifest: manifest,
		stored: stored, sandbox: r.config.Sandbox,
	}, digest, size, nil
}

// sidecar is the path of the manifest beside a plugin without "describe".
func sidecar(path string) string { return strings.TrimSuffix(path, ".wasm") + ".yaml" }

// manifestOf returns a plugin's manifest: from the cache by digest, so that a
// start runs no plugin; else from "describe"; else from the file beside it.
func (r *Registry) manifestOf(ctx context.Context, path, digest string, wasm []byte, info sandbox.Info) (abi.Manifest, error) {
	if !slices.Contains(callable(info), abi.FuncDescribe) {
		document, err := os.ReadFile(sidecar(path))
		if errors.Is(err, os.ErrNotExist) {
			return abi.Manifest{}, fmt.Errorf("the module exports no %q and there is no %s beside it: not a Trama plugin, or its manifest is missing", abi.FuncDescribe, filepath.Base(sidecar(path)))
		}
		if err != nil {
			return abi.Manifest{}, err
		}
		var value any
		if err := yaml.Unmarshal(document, &value); err != nil {
			return abi.Manifest{}, fmt.Errorf("%s: %w", sidecar(path), err)
		}
		data, err := json.Marshal(value)
		if err != nil {
			return abi.Manifest{}, fmt.Errorf("%s: %w", sidecar(path), err)
		}
		return ParseManifest(data)
	}
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
	module, err := s.Compile(ctx, wasm, limits.Memory)
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

// use returns the compiled code with this memory limit.
func (g *generation) use(ctx context.Context, memory int64) (*sandbox.Module, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.retired {
		return nil, errRetired
	}
	if g.module != nil && g.memory == memory {
		return g.module, nil
	}
	wasm, err := g.content()
	if err != nil {
		return nil, err
	}
	module, err := g.sandbox.Compile(ctx, wasm, memory)
	if err != nil {
		return nil, err
	}
	closeLater(g.module)
	g.module, g.memory = module, memory
	return module, nil
}

// content reads the plugin's bytes: the kept copy, or where that is gone or
// damaged the file itself, if it is still the same.
func (g *generation) content() ([]byte, error) {
	wasm, err := os.ReadFile(g.stored)
	if err == nil && digestOf(wasm) == g.digest {
		return wasm, nil
	}
	wasm, err = os.ReadFile(g.file)
	if err != nil {
		return nil, fmt.Errorf("plugin code: %w", err)
	}
	if digestOf(wasm) != g.digest {
		return nil, fmt.Errorf("plugin code: the kept copy %s is damaged and %s has another content by now", g.stored, g.file)
	}
	if err := os.Remove(g.stored); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("plugin code: %w", err)
	}
	return wasm, keep(g.stored, wasm)
}

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
	closeLater(g.module)
	g.module = nil
}

// closeLater closes a module once its running calls have ended.
func closeLater(m *sandbox.Module) {
	if m != nil {
		go m.Close(context.Background()) //nolint:errcheck // nothing is left to do with a module that fails to close
	}
}
