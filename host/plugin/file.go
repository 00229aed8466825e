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
	"strings"
	"time"

	"github.com/trama-run/trama/host/sandbox"
	"github.com/trama-run/trama/host/sandbox/wasm"
	"github.com/trama-run/trama/host/seal"
	"github.com/trama-run/trama/host/source"
	"github.com/trama-run/trama/pdk/abi"
)

// describeTime bounds the first run of a plugin's code: its initialisation
// and "describe".
const describeTime = 5 * time.Second

// errNoManifest: a file is perhaps no plugin of ours at all.
var errNoManifest = errors.New("not a Trama plugin, or its manifest is missing")

// Digest names a content of a plugin, as grants do: the sha256 (hexadecimal)
// of its .wasm file or, for a plugin whose manifest stands beside it, the
// sha256 of the two files' sha256, 64 bytes. What is granted covers what the
// manifest says. sidecar is nil for a module that has its manifest in it.
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
// file, which may never end, and what is larger than a module may be is not
// read at all.
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
	module, err := readModule(path)
	if err != nil {
		return nil, "", 0, err
	}
	code := Digest(module, nil)
	digest, size = code, int64(len(module))
	info, err := r.inspected(code, module)
	if err != nil {
		return nil, digest, size, err
	}
	manifest, document, err := r.manifestOf(ctx, info, module, path)
	if document != nil {
		digest = Digest(module, document)
	}
	if err != nil {
		return nil, digest, size, err
	}
	if err := checkAgainst(info, manifest); err != nil {
		return nil, digest, size, err
	}
	g = r.generation(path, digest, size, code, manifest)
	r.sealed(g, seal.Read(module))
	g.exports = callable(info)
	if err := keep(g.stored, module); err != nil {
		r.config.Log.Warn("plugin is not kept: sessions that begin with it can't end on it once its file is gone", "file", path, "error", err)
	}
	return g, digest, size, nil
}

// manifestOf reads the manifest of a module: what "describe" gives, or else its
// section, or else the file beside it, which comes back too.
func (r *Registry) manifestOf(ctx context.Context, info sandbox.Info, module []byte, path string) (m abi.Manifest, document []byte, err error) {
	for _, e := range info.Exports {
		if e.Name != abi.FuncDescribe {
			continue
		}
		if !e.Callable() {
			return m, nil, fmt.Errorf("the export %q is a %s; want a function () -> i32 that gives the manifest, or none and the manifest in the file: see `trama plugin pack`",
				e.Name, strings.TrimSpace(e.Kind+" "+e.Signature))
		}
		m, err = r.described(ctx, info.SHA256, module)
		return m, nil, err
	}
	section, found, err := wasm.Custom(module, abi.SectionManifest)
	if err != nil {
		return m, nil, err
	}
	if found {
		if m, err = ParseManifest(section); err != nil {
			err = fmt.Errorf("section %s: %w", abi.SectionManifest, err)
		}
		return m, nil, err
	}
	if document, err = readSidecar(path); err == nil {
		m, err = parseSidecar(sidecar(path), document)
	}
	return m, document, err
}

// sidecar is the path of the manifest beside a plugin that has none in it.
func sidecar(path string) string { return strings.TrimSuffix(path, ".wasm") + ".yaml" }

func readSidecar(path string) ([]byte, error) {
	document, err := readModule(sidecar(path))
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("the module exports no %q and there is no %s beside it, nor a section %q in it, which `trama plugin pack` makes of a manifest: %w",
			abi.FuncDescribe, filepath.Base(sidecar(path)), abi.SectionManifest, errNoManifest)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Base(sidecar(path)), err)
	}
	return document, nil
}

// parseSidecar reads a manifest in YAML by the rules of all documents here: what
// looks like a date is a text, and a number keeps its digits.
func parseSidecar(path string, document []byte) (abi.Manifest, error) {
	var value source.Value
	if problems := source.Decode(path, document, &value); len(problems) > 0 {
		return abi.Manifest{}, problems
	}
	data, err := json.Marshal(value)
	if err != nil {
		return abi.Manifest{}, fmt.Errorf("%s: %w", path, err)
	}
	m, err := ParseManifest(data)
	if err != nil {
		err = fmt.Errorf("%s: %w", path, err)
	}
	return m, err
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

// describe runs a plugin's "describe" with nothing outside in reach, and nothing
// by which it could say one thing today and another tomorrow: what was inspected
// and signed is what every host sees.
func describe(ctx context.Context, s *sandbox.Sandbox, wasm []byte) ([]byte, error) {
	limits := sandbox.DefaultLimits()
	limits.Time = describeTime
	module, err := s.Compile(ctx, wasm, sandbox.Options{Memory: limits.Memory, Still: true})
	if err != nil {
		return nil, ofDescribe(err)
	}
	result, callErr := module.Call(ctx, sandbox.Call{Export: abi.FuncDescribe, Limits: limits})
	if err := errors.Join(ofDescribe(callErr), module.Close(ctx)); err != nil {
		return nil, fmt.Errorf("describe: %w", err)
	}
	return result.Output, nil
}

// ofDescribe says of a limit that "describe" has the same for all plugins.
func ofDescribe(err error) error {
	if failed, ok := errors.AsType[*sandbox.Error](err); ok {
		failed.Err.Message = sandbox.Raised(failed.Err.Message, func(string, string) string {
			return "nothing raises it for describe: have that give the manifest and do nothing else, or leave it out and put the manifest into the file (trama plugin pack)"
		})
	}
	return err
}
