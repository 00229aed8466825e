package project

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/trama-run/trama/cmd/trama/internal/cli"
	"github.com/trama-run/trama/cmd/trama/internal/local"
	"github.com/trama-run/trama/host/plugintest"
	"github.com/trama-run/trama/host/source"
)

func (p program) testCommand() *cobra.Command {
	var pattern string
	c := &cobra.Command{
		Use:   "test [DIR|FILE.wasm]",
		Short: "Try a plugin by the examples of its manifest and the cases of its author",
		Long: `Try a plugin, without a server: each example of its manifest, and each case in
the files (.yaml, .yml or .json) in its project's directory cases and in those
below it. The default is the project in this directory, which is built. The plugin
runs in the sandbox of a server, with all that its manifest asks for granted, and
nothing outside is reached: a case answers its requests.

A file is a list of cases:

  - name: makes a contact
    operation: create             # or export: receive | send | run
    input: {name: Ana}            # any JSON; or input_text: "bytes"
    config: {currency: BRL}       # what config_get finds
    http:                         # in order; what a request leaves out is not compared
      - request: {method: POST, url: /contacts, headers: {idempotency-key: test-effect}, body: {name: Ana}}
        response: {status: 201, body: {id: "7"}}   # or failure: timeout, refused
    kv: {visits: "2"}             # the contact's memory before
    output: {id: "7"}             # or output_text: "bytes"; or error: {code, message, retryable, retry_after_millis, detail}
    kv_after: {visits: "3"}
    log: ["info: made 7"]

The effect id is test-effect; a secret shows in a request as <secret:NAME>;
every name is that of a key to sign with. The message of an error must contain
the one given. A request that is not answered, and an answer that is not asked
for, fail a case. Where there is nothing to try, it fails too.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return p.testPlugin(c.Context(), cli.ArgOr(args, "."), pattern)
		},
	}
	c.Flags().StringVar(&pattern, "run", "", "only cases whose name this regular `expression` finds something in")
	return c
}

// target tells a plugin, which may be left out, from an operation of it: the
// first of two arguments, a path, or a project's directory. The default is the
// project in this directory, where an operation may be called build.
func target(args []string) (of string, rest []string) {
	if len(args) == 0 {
		return ".", nil
	}
	if len(args) == 2 || strings.ContainsAny(args[0], `./\`) || local.IsProject(args[0]) {
		return args[0], args[1:]
	}
	return ".", args
}

// caseResult is what "plugin test --json" prints of a case.
type caseResult struct {
	Name        string                  `json:"name"`
	At          *source.Place           `json:"at,omitempty"` // nil for an example of the manifest
	Took        time.Duration           `json:"took"`         // nanoseconds
	Fuel        int64                   `json:"fuel"`
	Differences []plugintest.Difference `json:"differences,omitempty"`
}

func (p program) testPlugin(ctx context.Context, arg, pattern string) (err error) {
	expression, err := regexp.Compile(pattern)
	if err != nil {
		return cli.Usage("--run: " + err.Error())
	}
	tested, done, err := local.OpenProject(ctx, p.Program, arg, "")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	cases := plugintest.Examples(tested.Manifest)
	written, problems, err := casesOf(tested, arg)
	if err != nil {
		return err
	}
	cases = slices.DeleteFunc(append(cases, written...), func(c plugintest.Case) bool { return !expression.MatchString(c.Name) })
	results, failed := []caseResult{}, 0
	for _, c := range cases {
		r, err := tested.Run(ctx, c)
		if err != nil {
			return err
		}
		shown := resultOf(r)
		results = append(results, shown)
		if len(r.Differences) > 0 {
			failed++
		}
		if !p.JSON {
			p.printCase(shown)
		}
	}
	if p.JSON {
		err = p.PrintJSON(results)
	} else if len(results) > 0 {
		fmt.Fprintf(p.Stdout, "%d passed, %d failed\n", len(results)-failed, failed)
	}
	p.PrintProblems(problems)
	switch {
	case err != nil:
		return err
	case len(problems)+failed > 0:
		return cli.ErrReported
	case len(results) == 0 && pattern != "":
		return fmt.Errorf("nothing was tried: no case has a name that %q finds something in", pattern)
	case len(results) == 0:
		return errors.New("nothing was tried, since there are no cases: give the manifest's operations examples, or write cases/first.yaml; see trama plugin test --help")
	}
	return nil
}

func (p program) printCase(r caseResult) {
	word, where := "ok  ", "manifest"
	if len(r.Differences) > 0 {
		word = "FAIL"
	}
	if r.At != nil {
		where = r.At.File
	}
	fmt.Fprintf(p.Stdout, "%s  %s  %s  (%s)\n", word, where, cli.Printable(r.Name), cli.Took(r.Took))
	if len(r.Differences) > 0 && r.At != nil {
		fmt.Fprintf(p.Stdout, "      %s\n", r.At)
	}
	for _, d := range r.Differences {
		fmt.Fprintf(p.Stdout, "      %s\n", strings.ReplaceAll(cli.Printable(d.String()), "\n", "\n      "))
	}
}

// casesDir is where a project has its cases: that of the directory, or of the
// one that a file is in, or of the one above build.
func casesDir(arg string) string {
	dir := arg
	if info, err := os.Stat(arg); err == nil && !info.IsDir() {
		if dir = filepath.Dir(arg); filepath.Base(dir) == "build" {
			dir = filepath.Dir(dir)
		}
	}
	return filepath.Join(dir, "cases")
}

// isCases says whether a file has the name of a file of cases.
func isCases(name string) bool {
	return slices.Contains([]string{".yaml", ".yml", ".json"}, strings.ToLower(filepath.Ext(name)))
}

// casesOf reads the cases of a project, those of subdirectories too. Those of a
// file with mistakes are left out: it gives the mistakes.
func casesOf(tested *plugintest.Plugin, arg string) (cases []plugintest.Case, problems source.Problems, err error) {
	dir := casesDir(arg)
	err = fs.WalkDir(os.DirFS(dir), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !isCases(name) {
			return err
		}
		file := filepath.Join(dir, name)
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		found, wrong := plugintest.Parse(file, data, tested.Manifest)
		if problems = append(problems, wrong...); len(wrong) == 0 {
			cases = append(cases, found...)
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) { // it may have none
		err = nil
	}
	return cases, problems, err
}
