package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/trama-run/trama/host/plugin"
	"github.com/trama-run/trama/host/sandbox"
)

// checked is what "plugin check --json" prints.
type checked struct {
	File   string         `json:"file"`
	Stages []checkedStage `json:"stages"` // in order; the last one failed if there is a reason
}

type checkedStage struct {
	Stage  string `json:"stage"`
	Detail string `json:"detail,omitempty"`
	Reason string `json:"reason,omitempty"`
}

func (p *program) checkCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check FILE.wasm",
		Short: "Take a plugin's file through all that a server does with it, and run its examples",
		Long: `Take a plugin's file through all that a server does before it calls it: parse,
verify, rewrite, compile, start, manifest. Then the examples of its pure
operations are run, under the limits that it asks for and with nothing outside
in reach. Needs no server. The exit code is 1 at the first stage that fails.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return p.check(c.Context(), args[0]) },
	}
}

func (p *program) check(ctx context.Context, path string) (err error) {
	result := checked{File: path}
	box, done, err := openSandbox()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done(ctx)) }()
	err = plugin.Check(ctx, box, path, func(stage, detail string) {
		result.Stages = append(result.Stages, checkedStage{Stage: stage, Detail: detail})
	})
	failed, isFailed := errors.AsType[*plugin.CheckError](err)
	if err != nil && !isFailed {
		return err
	}
	if isFailed {
		result.Stages = append(result.Stages, checkedStage{Stage: failed.Stage, Reason: failed.Err.Error()})
	}
	if p.json {
		err = p.printJSON(result)
	} else {
		err = p.printChecked(result)
	}
	if err == nil && isFailed {
		err = errReported
	}
	return err
}

func (p *program) printChecked(result checked) error {
	t := newTable(p.stdout)
	for _, s := range result.Stages {
		if s.Reason != "" {
			t.row("failed", s.Stage, s.Reason)
		} else {
			t.row("ok", s.Stage, s.Detail)
		}
	}
	return t.end()
}

// openSandbox gives a sandbox for one file, which compiles it in a process of
// its own as a server does.
func openSandbox() (*sandbox.Sandbox, func(context.Context) error, error) {
	command, err := compiler()
	if err != nil {
		return nil, nil, err
	}
	dir, err := os.MkdirTemp("", "trama-code-*")
	if err != nil {
		return nil, nil, fmt.Errorf("place for compiled code: %w", err)
	}
	box, err := sandbox.Open(sandbox.Config{CacheDir: dir, Compiler: command})
	if err != nil {
		return nil, nil, errors.Join(err, os.RemoveAll(dir))
	}
	return box, func(ctx context.Context) error { return errors.Join(box.Close(ctx), os.RemoveAll(dir)) }, nil
}
