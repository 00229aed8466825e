package project

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/trama-run/trama/cmd/trama/internal/cli"
	"github.com/trama-run/trama/cmd/trama/internal/local"
	"github.com/trama-run/trama/host/author"
	"github.com/trama-run/trama/host/plugintest"
	"github.com/trama-run/trama/pdk/abi"
)

func (p program) devCommand() *cobra.Command {
	var flags callFlags
	var into string
	c := &cobra.Command{
		Use:   "dev [DIR] [OPERATION]",
		Short: "Build and try a plugin again whenever a file of it changes",
		Long: `Build the plugin in DIR, or in the present directory, and try it, again and again:
whenever a file of it changes, or one outside that its build has read. Without OPERATION it tries the
manifest's examples and the cases, as trama plugin test does; with one it makes
that one call. From the second time on it shows what is different from the time
before. Ctrl-C ends it.

--into copies each build of which no case fails into a directory, such as the plugins of a
workspace, whose server then takes it.`,
		Example: "  trama plugin dev\n  trama plugin dev . greet --input '{\"name\":\"Ana\"}'\n  trama plugin dev --into ../workspace/plugins",
		Args:    cobra.MaximumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			if flags.input == "-" {
				return cli.Usage("--input -: stdin can be read once alone; want JSON or @FILE")
			}
			dir, args := target(args)
			if len(args) == 0 && (flags.input != "" || flags.http != "" || len(flags.config)+len(flags.kv) > 0) {
				return cli.Usage("--input, --http, --config and --kv are of one call: name its operation")
			}
			d := developer{program: p, dir: dir, operation: cli.ArgOr(args, ""), into: into, flags: flags}
			return d.run(c.Context())
		},
	}
	flags.add(c)
	c.Flags().StringVar(&into, "into", "", "`directory` that each build of which no case fails is copied to")
	return c
}

// developer is one run of "plugin dev".
type developer struct {
	program
	dir, operation, into string
	flags                callFlags

	failed map[string]bool  // cases of the last time, by name: whether each failed; nil: there was none
	last   *plugintest.Case // the last call, as one that expects what came of it
}

// round is what "plugin dev --json" prints of each time, in a line.
type round struct {
	Built       *author.Built           `json:"built,omitempty"`
	Error       string                  `json:"error,omitempty"` // why it was not built, or not tried
	Cases       []caseResult            `json:"cases,omitempty"`
	Call        *ran                    `json:"call,omitempty"`
	Differences []plugintest.Difference `json:"differences,omitempty"` // of the call from the last
	Copied      string                  `json:"copied,omitempty"`
}

func (d *developer) run(ctx context.Context) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	if _, err := author.Detect(d.dir); err != nil {
		return err
	}
	files, err := watched(d.dir)
	if err != nil {
		return err
	}
	changed, failed := make(chan struct{}, 1), make(chan error, 1)
	go func() { failed <- files.wait(ctx, changed) }()
	for {
		began := time.Now()
		r, err := d.round(ctx)
		if beyond, failed := d.beyond(ctx); failed != nil {
			err = cmp.Or(err, failed) // of two, the build's says why
		} else if failed := files.read(beyond, began); failed != nil {
			return failed
		}
		if ctx.Err() != nil {
			return nil // Ctrl-C is how it ends
		}
		if err != nil {
			r.Error = err.Error()
		}
		if err := d.show(r); err != nil {
			return err
		}
		select {
		case err := <-failed: // nil: ctx has ended
			return err
		case <-changed:
		}
	}
}

// beyond lists what the build has read that is not the project's.
func (d *developer) beyond(ctx context.Context) ([]string, error) {
	return author.Build{Dir: d.dir, Environ: d.Environ}.Beyond(ctx)
}

// round builds and tries the plugin once.
func (d *developer) round(ctx context.Context) (r round, err error) {
	built, err := local.Build(ctx, d.Program, d.dir, false)
	if err != nil {
		return r, err
	}
	r.Built = &built
	tested, done, err := local.OpenPlugin(ctx, built.Path, "")
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, done()) }()
	if d.operation == "" {
		r.Cases, err = d.try(ctx, tested)
	} else {
		r.Call, r.Differences, err = d.call(ctx, tested)
	}
	fails := func(c caseResult) bool { return len(c.Differences) > 0 }
	if err != nil || d.into == "" || slices.ContainsFunc(r.Cases, fails) || r.Call != nil && r.Call.Error != nil {
		return r, err
	}
	data, err := os.ReadFile(built.Path)
	if err != nil {
		return r, err
	}
	to := filepath.Join(d.into, filepath.Base(built.Path))
	if err := author.Replace(to, data); err != nil {
		return r, err
	}
	r.Copied = to
	return r, nil
}

// try runs the examples and cases.
func (d *developer) try(ctx context.Context, tested *plugintest.Plugin) (results []caseResult, err error) {
	written, problems, err := casesOf(tested, d.dir)
	if err != nil {
		return nil, err
	}
	for _, c := range append(plugintest.Examples(tested.Manifest), written...) {
		result, err := tested.Run(ctx, c)
		if err != nil {
			return results, err
		}
		results = append(results, resultOf(result))
	}
	return results, problems.Err()
}

// call makes the one call, and compares it with the last.
func (d *developer) call(ctx context.Context, tested *plugintest.Plugin) (*ran, []plugintest.Difference, error) {
	c, err := d.flags.read(d.Stdin, tested.Manifest, d.operation)
	if err != nil {
		return nil, nil, err
	}
	var differences []plugintest.Difference
	if d.last != nil {
		result, err := tested.Run(ctx, *d.last)
		if err != nil {
			return nil, nil, err
		}
		differences = result.Differences
	}
	call, err := tested.CallOf(c)
	if err != nil {
		return nil, nil, err
	}
	out, err := tested.Call(ctx, call)
	if err != nil {
		return nil, nil, err
	}
	shown := ranOf(out)
	first := d.last == nil
	if d.last = nil; len(out.Unexpected) == 0 { // else there is no answer to give it again
		recorded := plugintest.Recorded(c, out)
		d.last = &recorded
	}
	if !d.JSON && (first || len(differences) > 0) {
		d.printOutcome(out)
	}
	return &shown, differences, nil
}

// show prints a round.
func (d *developer) show(r round) error {
	if d.JSON {
		line, err := json.Marshal(r)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(d.Stdout, "%s\n", line)
		return err
	}
	if r.Built != nil {
		fmt.Fprintf(d.Stdout, "built %s, %d bytes, in %s\n", cli.Printable(r.Built.Path), r.Built.Size, cli.Took(r.Built.Took))
	}
	if r.Cases != nil {
		d.showCases(r.Cases)
	}
	if r.Call != nil {
		for _, difference := range r.Differences {
			fmt.Fprintf(d.Stdout, "different: %s\n", cli.Printable(difference.String()))
		}
	}
	if r.Error != "" {
		fmt.Fprintf(d.Stdout, "%s\n", cli.Printable(r.Error))
	}
	if r.Copied != "" {
		fmt.Fprintf(d.Stdout, "copied to %s\n", cli.Printable(r.Copied))
	}
	_, err := fmt.Fprintf(d.Stdout, "waiting for a change in %s\n", cli.Printable(d.dir))
	return err
}

// showCases prints the cases that fail, and those that end otherwise than the
// last time.
func (d *developer) showCases(results []caseResult) {
	now, wrong := map[string]bool{}, 0
	for _, r := range results {
		fails := len(r.Differences) > 0
		now[r.Name] = fails
		before, known := d.failed[r.Name]
		switch {
		case fails:
			wrong++
			d.printCase(r)
		case known && before, d.failed != nil && !known:
			d.printCase(r)
		}
	}
	fmt.Fprintf(d.Stdout, "%d passed, %d failed\n", len(results)-wrong, wrong)
	d.failed = now
}

// resultOf is a case's end as it is shown.
func resultOf(r plugintest.Result) caseResult {
	shown := caseResult{Name: r.Case.Name, Took: r.Took, Fuel: r.Outcome.Fuel, Differences: r.Differences}
	if r.Case.At.File != "" {
		shown.At = &r.Case.At
	}
	return shown
}

// ranOf is a call as it is shown.
func ranOf(out plugintest.Outcome) ran {
	shown := ran{
		Error: out.Error, Requests: append([]abi.HTTPExchange{}, out.Requests...), Unexpected: out.Unexpected, Log: append([]string{}, out.Log...),
		KV: out.KV, Fuel: out.Fuel, Memory: out.Memory, GuestTime: out.GuestTime, Took: out.Took,
	}
	if text := string(out.Output); json.Valid(out.Output) {
		shown.Output = out.Output
	} else if out.Error == nil {
		shown.OutputText = &text
	}
	return shown
}
