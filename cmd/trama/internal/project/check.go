package project

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/trama-run/trama/cmd/trama/internal/cli"
	"github.com/trama-run/trama/cmd/trama/internal/local"
	"github.com/trama-run/trama/host/plugin"
	"github.com/trama-run/trama/host/plugintest"
	"github.com/trama-run/trama/host/plugintest/kit"
	"github.com/trama-run/trama/host/plugintest/portable"
	"github.com/trama-run/trama/host/sandbox"
)

// checked is what "plugin check --json" prints.
type checked struct {
	File string `json:"file"`
	// Stages are what a server does with the file, in order, and then the checks
	// of the conformance kit. A stage that failed is the last.
	Stages   []checkedStage `json:"stages"`
	Findings []kit.Finding  `json:"findings"`
}

type checkedStage struct {
	Stage  string `json:"stage"`
	Detail string `json:"detail,omitempty"`
	Reason string `json:"reason,omitempty"`
	// Untried says why there was nothing to try, so that it has neither passed nor
	// failed.
	Untried string `json:"untried,omitempty"`
}

func (p program) checkCommand() *cobra.Command {
	var stock bool
	c := &cobra.Command{
		Use:   "check [FILE.wasm|DIR]",
		Short: "Hold a plugin against all that plugins owe to their host",
		Long: `Take a plugin's file, or what the build of a project makes (the default: of the
one in this directory), through all that
a server does before it calls it: read, parse, verify, rewrite, compile, start,
manifest. Then hold it against what plugins owe to their host:

` + kitLines() + `
It is given all that it asks for, and nothing outside is reached. Needs no
server. The exit code is 1 if a stage fails or anything is found. A check that
found nothing to try says so, and what to add; it has neither passed nor failed.

With --portable, the examples and cases of its pure operations also run under the
stock Extism SDK, and must end in the same way there, also when one instance is
called again.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return p.check(c.Context(), cli.ArgOr(args, "."), stock) },
	}
	c.Flags().BoolVar(&stock, "portable", false, "run it under the stock Extism SDK too, and compare")
	return c
}

func (p program) check(ctx context.Context, arg string, stock bool) (err error) {
	path, err := local.PluginFile(ctx, p.Program, arg)
	if err != nil && path == "" {
		return err
	}
	result := checked{File: path, Findings: []kit.Finding{}}
	box, done, err := local.OpenSandbox()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done(ctx)) }()
	err = plugin.Check(ctx, box, path, func(stage, detail string) {
		result.Stages = append(result.Stages, checkedStage{Stage: stage, Detail: detail})
	})
	failed, isFailed := errors.AsType[*plugin.CheckError](err)
	switch {
	case isFailed:
		result.Stages = append(result.Stages, checkedStage{Stage: failed.Stage, Reason: failed.Err.Error()})
	case err != nil:
		return err
	default:
		if err := result.conform(ctx, box, path, arg, stock); err != nil {
			return err
		}
	}
	if p.JSON {
		err = p.PrintJSON(result)
	} else {
		err = p.printChecked(result)
	}
	if err == nil && (isFailed || len(result.Findings) > 0) {
		err = cli.ErrReported
	}
	return err
}

// conform runs the conformance kit.
func (r *checked) conform(ctx context.Context, box *sandbox.Sandbox, path, arg string, stock bool) (err error) {
	tested, err := plugintest.Open(ctx, plugintest.Config{Sandbox: box}, path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tested.Close(ctx)) }()
	err = kit.Run(ctx, tested, func(c kit.Checked) {
		stage := checkedStage{Stage: c.Name, Detail: c.Detail, Untried: c.Untried}
		if len(c.Findings) > 0 {
			stage.Reason = fmt.Sprintf("%d found", len(c.Findings))
		}
		r.Stages = append(r.Stages, stage)
		r.Findings = append(r.Findings, c.Findings...)
	})
	if err == nil && stock {
		err = r.portable(ctx, tested, arg)
	}
	return err
}

// portable compares a plugin with itself under the stock SDK.
func (r *checked) portable(ctx context.Context, tested *plugintest.Plugin, arg string) (err error) {
	const name = "portable"
	found := func(where, what, remedy string) {
		r.Findings = append(r.Findings, kit.Finding{Check: name, Where: where, What: what, Remedy: remedy})
	}
	stage := checkedStage{Stage: name}
	defer func() { r.Stages = append(r.Stages, stage) }()
	if needs := portable.NeedsTrama(tested.Info); len(needs) > 0 {
		stage.Reason = "it needs a Trama host"
		found("imports", "it imports "+strings.Join(needs, ", ")+" of trama:host/v1, so it needs a Trama host and runs in no other",
			"leave those functions out, if it shall run elsewhere; or leave --portable out")
		return nil
	}
	peer, err := portable.Open(ctx, tested, portable.Config{})
	if err != nil {
		stage.Reason = "it does not load"
		found("module", err.Error(), "import nothing but extism:host/env and wasi_snapshot_preview1")
		return nil
	}
	defer func() { err = errors.Join(err, peer.Close(ctx)) }()
	written, problems, err := casesOf(tested, arg)
	if err = errors.Join(err, problems.Err()); err != nil {
		return err
	}
	cases := portable.Portable(tested.Manifest, append(plugintest.Examples(tested.Manifest), written...))
	if len(cases) == 0 {
		stage.Reason = "there is nothing to compare"
		found("examples", "no example or case of a pure operation can be compared", "give one of a pure operation that asks nothing of the world; or leave --portable out")
		return nil
	}
	for _, c := range cases {
		differences, err := peer.Case(ctx, c)
		if err != nil {
			return err
		}
		for _, d := range differences {
			stage.Reason = "it differs"
			found(c.Name, d.String(), "use nothing that the two hosts do otherwise; see pdk/README.md")
		}
	}
	stage.Detail = fmt.Sprintf("%d cases are the same under extism/go-sdk, also again in one instance", len(cases))
	return nil
}

func (p program) printChecked(result checked) error {
	t := cli.NewTable(p.Stdout)
	for _, s := range result.Stages {
		switch {
		case s.Reason != "":
			t.Row("failed", s.Stage, s.Reason)
		case s.Untried != "":
			t.Row("untried", s.Stage, "nothing tried: "+s.Untried)
		default:
			t.Row("ok", s.Stage, s.Detail)
		}
	}
	if err := t.End(); err != nil {
		return err
	}
	for _, f := range result.Findings {
		fmt.Fprintf(p.Stdout, "\n%s: %s\n  %s\n  remedy: %s\n", f.Check, cli.Printable(f.Where), strings.ReplaceAll(cli.Printable(f.What), "\n", "\n  "), cli.Printable(f.Remedy))
	}
	return nil
}

// kitLines lists the checks of the conformance kit, for the help.
func kitLines() string {
	var b strings.Builder
	for _, c := range kit.Checks() {
		fmt.Fprintf(&b, "  %-10s %s\n", c.Name, c.Title)
	}
	return b.String()
}
