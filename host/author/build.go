package author

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/trama-run/trama/host/plugin"
)

// Build is a build to be made.
type Build struct {
	Dir     string    // of the project
	Files   fs.FS     // the embedded PDKs
	Environ []string  // of the author: where the toolchains are
	Output  io.Writer // gets what compilers say, as it is
	// Debug keeps what the compiler knows of files and lines, for the traces of
	// crashes. It makes a module several times the size.
	Debug bool
}

// Built is a plugin that is ready to ship.
type Built struct {
	Path     string        `json:"file"`
	Name     string        `json:"name"`
	Language string        `json:"language"`
	Size     int64         `json:"bytes"`
	SHA256   string        `json:"sha256"`
	Note     string        `json:"note,omitempty"` // what the build has left undone, and how to have it done
	Took     time.Duration `json:"-"`
}

// Run builds the plugin: build/<name>.wasm in the project, which is there whole
// or as it was. An error is a mistake in the manifest ([source.Problems]), a
// tool that is missing ([MissingTool]), what a compiler refused ([Failed]), or
// what no host would take of the result.
func (b Build) Run(ctx context.Context) (Built, error) {
	began := time.Now()
	dir, err := filepath.Abs(b.Dir)
	if err != nil {
		return Built{}, err
	}
	language, err := Detect(b.Dir)
	if err != nil {
		return Built{}, err
	}
	manifest, text, err := Manifest(b.Dir)
	if err != nil {
		return Built{}, err
	}
	target := filepath.Join(dir, "build")
	if err := os.MkdirAll(target, 0o755); err != nil {
		return Built{}, err
	}
	work, err := os.MkdirTemp(target, ".work-*")
	if err != nil {
		return Built{}, err
	}
	defer os.RemoveAll(work) // what stays is in the author's own build directory
	j := &job{
		ctx: ctx, language: language, dir: dir, work: work, out: filepath.Join(work, "module.wasm"),
		manifest: text, files: b.Files, environ: b.Environ, output: b.Output, debug: b.Debug,
	}
	if err := language.compile(j); err != nil {
		return Built{}, err
	}
	module, err := os.ReadFile(j.out)
	if err != nil {
		return Built{}, fmt.Errorf("%s wrote no module: %w", language.Title, err)
	}
	packed, err := plugin.Pack(module, &manifest, b.Debug)
	if err != nil {
		return Built{}, err
	}
	module = packed.Module
	// The path is as the author named the project.
	built := Built{Path: filepath.Join(b.Dir, "build", manifest.Name+".wasm"), Name: manifest.Name, Language: language.Name, Size: int64(len(module))}
	sum := sha256.Sum256(module)
	built.SHA256 = hex.EncodeToString(sum[:])
	if err := Replace(filepath.Join(target, manifest.Name+".wasm"), module); err != nil {
		return Built{}, err
	}
	built.Note, built.Took = j.note, time.Since(began)
	return built, nil
}

// Replace writes a file so that who reads it finds what was there or all that
// is new, as a server does that watches its directory.
func Replace(path string, data []byte) error { return ReplaceIf(path, 0o644, data, nil) }

// ReplaceIf does so with a mode of the file's, and if accept, when there is one,
// takes what is to be there: a file beside it, of another name and ending. A link
// stays, and what it leads to is replaced.
func ReplaceIf(path string, mode fs.FileMode, data []byte, accept func(temp string) error) (err error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return fmt.Errorf("write %s: it is a directory; name a file", path)
	}
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	} else if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("write %s: it is a link to what is not there: name a file", path)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")       // not .wasm: a server may look at the directory
	if pathError, ok := errors.AsType[*fs.PathError](err); ok { // whose path is nobody's
		return fmt.Errorf("write %s: %w", path, pathError.Err)
	}
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(data)
	if err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return err
	}
	if accept != nil {
		if err := accept(f.Name()); err != nil {
			return err
		}
	}
	return os.Rename(f.Name(), path)
}
