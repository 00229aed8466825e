package plugin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/trama-run/trama/host/grant"
	"github.com/trama-run/trama/host/sandbox"
)

// The stages of [Check] around those of the sandbox.
const (
	StageRead     = "read"
	StageManifest = "manifest"
)

// CheckError says at which stage a file fails, and why.
type CheckError struct {
	Stage string
	Err   error
}

func (e *CheckError) Error() string { return e.Stage + ": " + e.Err.Error() }

// Unwrap gives the cause.
func (e *CheckError) Unwrap() error { return e.Err }

// Check takes one plugin file through all that a host does before it calls it,
// with nothing outside in reach, and with [TrySettings]. passed is told of each stage that went well. It
// needs no host, and keeps nothing.
//
// # Errors
//
// A [CheckError], or what keeps the check itself from being made.
func Check(ctx context.Context, s *sandbox.Sandbox, path string, passed func(stage, detail string)) (err error) {
	dir, err := os.MkdirTemp("", "trama-check-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	r := New(Config{DataDir: dir, CacheDir: dir, Sandbox: s, Log: slog.New(slog.DiscardHandler)})
	defer r.Close()

	wasm, err := readModule(path)
	if err != nil {
		return &CheckError{StageRead, err}
	}
	passed(StageRead, fmt.Sprintf("%d bytes", len(wasm)))
	// The manifest says with how much memory the module runs, so it is read first;
	// what is wrong with it is told in its turn.
	options := sandbox.Options{Memory: sandbox.DefaultLimits().Memory}
	g, digest, _, wrong := r.load(ctx, path)
	if wrong == nil {
		r.contents[digest] = g // so that Close ends it
		options = Options(g.manifest, cmp.Or(g.manifest.Limits.MemoryBytes, options.Memory), TrySettings(g.manifest))
	}
	if err := checkModule(ctx, s, wasm, options, passed); err != nil {
		return err
	}
	if wrong != nil {
		return &CheckError{StageManifest, wrong}
	}
	passed(StageManifest, fmt.Sprintf("%s %s, a %s with operations: %d", g.manifest.Name, g.manifest.Version, g.manifest.Kind, len(g.manifest.Operations)))
	return nil
}

// checkModule takes a module through the stages of the sandbox.
func checkModule(ctx context.Context, s *sandbox.Sandbox, wasm []byte, options sandbox.Options, passed func(stage, detail string)) error {
	module, err := s.Compile(ctx, wasm, options)
	var failed *sandbox.Error
	if err != nil && !errors.As(err, &failed) {
		return err
	}
	for _, stage := range []string{sandbox.StageParse, sandbox.StageVerify, sandbox.StageRewrite, sandbox.StageCompile, sandbox.StageStart} {
		if failed != nil && failed.Stage == stage {
			return &CheckError{stage, errors.New(ForAuthor(failed.ABI().Message))}
		}
		if failed != nil {
			passed(stage, "")
			continue
		}
		passed(stage, detailOf(stage, module))
	}
	if failed != nil {
		return failed
	}
	return module.Close(ctx)
}

// detailOf says what a stage found.
func detailOf(stage string, module *sandbox.Module) string {
	info := module.Info()
	switch stage {
	case sandbox.StageParse:
		return fmt.Sprintf("%d functions, memory from %s", info.Functions, grant.Size(info.MemoryMin))
	case sandbox.StageVerify:
		return fmt.Sprintf("%d imports, %d functions to call", len(info.Imports), len(callable(info)))
	case sandbox.StageStart:
		if reason := module.Fresh(); reason != "" {
			return "every call initialises an instance of its own: " + reason
		}
		return "calls start from an image"
	}
	return ""
}
