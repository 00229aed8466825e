package plugin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"strings"

	"github.com/trama-run/trama/host/egress"
	"github.com/trama-run/trama/host/grant"
	"github.com/trama-run/trama/host/sandbox"
	"github.com/trama-run/trama/host/secret"
	"github.com/trama-run/trama/pdk/abi"
)

// The stages of [Check] around those of the sandbox.
const (
	StageRead     = "read"
	StageManifest = "manifest"
	StageExamples = "examples"
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
// and then runs the examples of its pure operations, under the limits that it
// asks for and with nothing outside in reach. passed is told of each stage that
// went well. It needs no host, and keeps nothing.
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
	secrets := secret.New(nil, "")
	client := egress.New(egress.Config{Secrets: secrets})
	defer client.Close()
	r := New(Config{DataDir: dir, CacheDir: dir, Sandbox: s, Egress: client, Secrets: secrets, Log: slog.New(slog.DiscardHandler)})
	defer r.Close()

	wasm, err := readModule(path)
	if err != nil {
		return &CheckError{StageRead, err}
	}
	passed(StageRead, fmt.Sprintf("%d bytes", len(wasm)))
	if err := checkModule(ctx, s, wasm, passed); err != nil {
		return err
	}
	g, digest, _, err := r.load(ctx, path)
	if err != nil {
		return &CheckError{StageManifest, err}
	}
	r.contents[digest] = g // so that Close ends it
	passed(StageManifest, fmt.Sprintf("%s %s, a %s with operations: %d", g.manifest.Name, g.manifest.Version, g.manifest.Kind, len(g.manifest.Operations)))
	detail, err := r.checkExamples(ctx, g)
	if err != nil {
		return &CheckError{StageExamples, err}
	}
	passed(StageExamples, detail)
	return nil
}

// checkModule takes a module through the stages of the sandbox.
func checkModule(ctx context.Context, s *sandbox.Sandbox, wasm []byte, passed func(stage, detail string)) error {
	module, err := s.Compile(ctx, wasm, sandbox.Options{Memory: sandbox.DefaultLimits().Memory})
	var failed *sandbox.Error
	if err != nil && !errors.As(err, &failed) {
		return err
	}
	for _, stage := range []string{sandbox.StageParse, sandbox.StageVerify, sandbox.StageRewrite, sandbox.StageCompile, sandbox.StageStart} {
		if failed != nil && failed.Stage == stage {
			return &CheckError{stage, errors.New(failed.ABI().Message)}
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

// checkExamples runs the examples that need nothing of a host: those of pure
// operations without requests, of a plugin that has no key to ask for.
func (r *Registry) checkExamples(ctx context.Context, g *generation) (string, error) {
	ran, left := 0, 0
	for _, op := range g.manifest.Operations {
		for i, example := range op.Examples {
			if op.Effect != abi.EffectPure || len(example.HTTP) > 0 || len(g.manifest.Capabilities.Sign) > 0 {
				left++
				continue
			}
			ran++
			if err := r.checkExample(ctx, g, op, example); err != nil {
				return "", fmt.Errorf("%s.%s, example %d (%s): %w", g.manifest.Name, op.Name, i+1, example.Title, err)
			}
		}
	}
	detail := fmt.Sprintf("%d of pure operations passed", ran)
	if left > 0 {
		detail += fmt.Sprintf("; %d need requests or keys, and were left out", left)
	}
	return detail, nil
}

func (r *Registry) checkExample(ctx context.Context, g *generation, op abi.Operation, example abi.Example) error {
	asked := grant.Request(g.manifest, g.digest)
	decision := grant.Decide(g.manifest, g.digest, false, []grant.Grant{asked})
	decision.Grant.Egress, decision.Grant.Secrets = nil, nil
	call := Call{Plugin: g.manifest.Name, Export: ExportOf(op), Input: example.Input}
	output, _, err := r.call(ctx, &plugin{generation: g, decision: decision}, call)
	var failure *abi.Error
	if err != nil {
		failure = asABI(call, err)
	}
	switch want := example.Error; {
	case want == nil && failure != nil:
		return fmt.Errorf("it failed with %s: %s", failure.Code, failure.Message)
	case want == nil && example.Output != nil && !sameJSON(output, example.Output):
		return fmt.Errorf("it gave %s, want %s", output, example.Output)
	case want != nil && failure == nil:
		return fmt.Errorf("it gave %s, want the error %s: %s", output, want.Code, want.Message)
	case want != nil && (failure.Code != want.Code || !strings.Contains(failure.Message, want.Message)):
		return fmt.Errorf("it failed with %s: %s; want %s: %s", failure.Code, failure.Message, want.Code, want.Message)
	}
	return nil
}

func sameJSON(a, b json.RawMessage) bool {
	var left, right any
	return json.Unmarshal(a, &left) == nil && json.Unmarshal(b, &right) == nil && reflect.DeepEqual(left, right)
}
