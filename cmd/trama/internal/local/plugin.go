package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/trama-run/trama/cmd/trama/internal/cli"
	"github.com/trama-run/trama/host/author"
	"github.com/trama-run/trama/host/plugin"
	"github.com/trama-run/trama/host/plugintest"
	"github.com/trama-run/trama/pdk"
	"github.com/trama-run/trama/pdk/abi"
)

// ManifestFile is a project's manifest.
const ManifestFile = "manifest.json"

// PluginFile gives the file that an argument names: itself, or what a project's
// build makes now. What has changed since the last build is the compiler's to
// know, whose cache makes another one cheap.
func PluginFile(ctx context.Context, p *cli.Program, arg string) (string, error) {
	info, err := os.Stat(arg)
	if err != nil || !info.IsDir() {
		return arg, err
	}
	data, err := os.ReadFile(filepath.Join(arg, ManifestFile))
	if errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("%s is no plugin's project: it has no %s; name a project or a file .wasm, or begin one with: trama plugin new --lang LANGUAGE NAME", arg, ManifestFile)
	}
	if err != nil {
		return "", err
	}
	if _, err := author.Detect(arg); err == nil {
		built, err := Build(ctx, p, arg, false)
		if missing, is := errors.AsType[*author.MissingTool](err); is {
			return "", fmt.Errorf("%w; or name a file that is built, to take it as it is", missing)
		}
		return built.Path, err
	}
	var manifest struct{ Name string } // of what is built by other means than ours
	if err := json.Unmarshal(data, &manifest); err != nil || manifest.Name == "" {
		return "", fmt.Errorf("%s: it has no name that can be read: %w", filepath.Join(arg, ManifestFile), errors.Join(err, errNoName))
	}
	file := filepath.Join(arg, "build", manifest.Name+".wasm")
	if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("%s is not there; run: trama plugin build %s", file, arg)
	} else if err != nil {
		return "", err
	}
	return file, nil
}

// Build builds a project. Compilers say what they say on stderr.
func Build(ctx context.Context, p *cli.Program, dir string, debug bool) (author.Built, error) {
	return author.Build{Dir: dir, Files: pdk.Files, Environ: p.Environ, Output: p.Stderr, Debug: debug}.Run(ctx)
}

var errNoName = errors.New(`want a field "name"`)

// IsProject tells a project's directory from a plugin's name.
func IsProject(arg string) bool {
	info, err := os.Stat(filepath.Join(arg, ManifestFile))
	return err == nil && info.Mode().IsRegular()
}

// OpenProject opens what [PluginFile] gives. The caller calls done.
func OpenProject(ctx context.Context, p *cli.Program, arg, network string) (_ *plugintest.Plugin, done func() error, err error) {
	file, err := PluginFile(ctx, p, arg)
	if err != nil {
		return nil, nil, err
	}
	return OpenPlugin(ctx, file, network)
}

// OpenPlugin opens a plugin's file. The caller calls done.
func OpenPlugin(ctx context.Context, file, network string) (_ *plugintest.Plugin, done func() error, err error) {
	box, end, err := OpenSandbox()
	if err != nil {
		return nil, nil, err
	}
	opened, err := plugintest.Open(ctx, plugintest.Config{Sandbox: box, Network: network}, file)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("%s: %w", file, err), end(ctx))
	}
	return opened, func() error { return errors.Join(opened.Close(ctx), end(ctx)) }, nil
}

// Describe asks a plugin's file for its manifest and digest, in a sandbox of its own.
func Describe(ctx context.Context, path string) (m abi.Manifest, digest string, err error) {
	box, done, err := OpenSandbox()
	if err != nil {
		return abi.Manifest{}, "", err
	}
	defer func() { err = errors.Join(err, done(ctx)) }()
	return plugin.Inspect(ctx, box, path)
}
