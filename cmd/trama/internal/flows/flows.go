// Package flows has the commands for flows as documents: to check, draw, publish
// and compare them, and to go from one version to another. How a flow is tried is
// trials'.
package flows

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/trama-run/trama/cmd/trama/internal/cli"
	"github.com/trama-run/trama/cmd/trama/internal/local"
	"github.com/trama-run/trama/host/admin"
	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/host/plugin"
	"github.com/trama-run/trama/host/source"
	"github.com/trama-run/trama/pdk/abi"
)

// program is one execution of trama.
type program struct{ *cli.Program }

// Command returns "flow"; more are commands that it has beside those of this room.
func Command(of *cli.Program, more ...*cobra.Command) *cobra.Command {
	p := program{of}
	list := &cobra.Command{
		Use:   "list",
		Short: "List the flows of the server",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return p.listFlows(c.Context()) },
	}
	var version int
	show := &cobra.Command{
		Use:   "show ID",
		Short: "Show a flow's document as the server has it",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if c.Flags().Changed("version") {
				return p.showVersion(c.Context(), args[0], version)
			}
			return p.showFlow(c.Context(), args[0])
		},
	}
	show.Flags().IntVar(&version, "version", 0, "`number` of the version (default the current one)")
	p.ClientFlags(list, show)
	var plugins string
	validate := &cobra.Command{
		Use:   "validate FILE...",
		Short: "Check flow documents without a server",
		Long: `Check flow documents without a server, and print every mistake as
file:line:column: what is wrong; what to write instead. Operations of plugins
are checked against the .wasm files of the directory given by --plugins, which
a server does with the installed ones.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return p.validate(c.Context(), args, plugins) },
	}
	validate.Flags().StringVar(&plugins, "plugins", "", "`directory` of plugins to check operations against")
	schema := &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of flow documents",
		Args:  cobra.NoArgs,
		RunE:  func(*cobra.Command, []string) error { return p.PrintJSON(flow.Schema()) },
	}
	commands := slices.Concat([]*cobra.Command{list, show, validate, schema, p.referenceCommand(), p.graphCommand(), p.migrateCommand()}, p.versionCommands(), more)
	return cli.Group("flow", "Check, try, publish, roll back, draw and look at flows", commands...)
}

func (p program) listFlows(ctx context.Context) error {
	var flows []admin.FlowInfo
	if done, err := p.Fetch(ctx, "/v1/flows", &flows); done || err != nil {
		return err
	}
	t := cli.NewTable(p.Stdout, "ID", "VERSION", "ORIGIN", "TITLE", "HELD")
	for _, f := range flows {
		t.Row(f.ID, current(f), f.Origin.String(), f.Title, f.Held)
	}
	return t.End()
}

// current gives the number of the version that serves, and the one that it was
// rolled back from.
func current(f admin.FlowInfo) string {
	if f.RolledBack == nil {
		return strconv.Itoa(f.Version)
	}
	return fmt.Sprintf("%d (rolled back from %d)", f.Version, f.RolledBack.From)
}

func (p program) showFlow(ctx context.Context, id string) error {
	var detail struct {
		admin.FlowInfo
		Document json.RawMessage `json:"document"`
	}
	if done, err := p.Fetch(ctx, flowPath(id), &detail); done || err != nil {
		return err
	}
	t := cli.NewTable(p.Stdout)
	t.Row("flow", fmt.Sprintf("%s v%s", detail.ID, current(detail.FlowInfo)))
	t.Row("origin", detail.Origin.String())
	if detail.Held != "" {
		t.Row("held", detail.Held)
	}
	if err := t.End(); err != nil {
		return err
	}
	fmt.Fprintln(p.Stdout)
	return p.PrintJSON([]byte(detail.Document))
}

// validate checks documents, and prints each one's mistakes or that it is
// good.
func (p program) validate(ctx context.Context, files []string, plugins string) error {
	var operations flow.Operations
	if plugins != "" {
		var err error
		if operations, err = operationsOf(ctx, plugins); err != nil {
			return err
		}
	}
	all := source.Problems{}
	var flows []*flow.Flow
	unchecked := map[string]bool{} // files whose operations nothing is known of
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		f, problems := check(file, data, operations)
		all = append(all, problems...)
		if f != nil {
			flows = append(flows, f)
			unchecked[file] = operations == nil && len(f.Plugins()) > 0
		}
	}
	all = append(all, flow.CheckCalls(flows, nil)...)
	for _, file := range files {
		if !p.JSON && !slices.ContainsFunc(all, func(problem source.Problem) bool { return problem.File == file }) {
			ok := "ok"
			if unchecked[file] {
				ok = "ok; operations of plugins are not checked without --plugins"
			}
			fmt.Fprintf(p.Stdout, "%s: %s\n", file, ok)
		}
	}
	if p.JSON {
		if err := p.PrintJSON(all); err != nil {
			return err
		}
	} else {
		p.PrintProblems(all)
	}
	if len(all) > 0 {
		return cli.ErrReported
	}
	return nil
}

// check reads one document and gives its mistakes; operations may be nil. The
// flow is nil if it can't be read.
func check(file string, data []byte, operations flow.Operations) (*flow.Flow, source.Problems) {
	f, err := flow.Parse(file, data)
	if problems, ok := errors.AsType[source.Problems](err); ok {
		return nil, problems
	}
	if err != nil {
		return nil, source.Problems{{Place: source.Place{File: file}, Message: err.Error()}}
	}
	if operations == nil {
		return f, nil
	}
	problems, held := f.Check(operations)
	for _, h := range held { // a server would wait; here all plugins were named
		problems = append(problems, source.Problem{Place: h.At, Message: h.Error()})
	}
	problems.Sort()
	return f, problems
}

// operationsOf reads the manifests of a directory's plugins.
func operationsOf(ctx context.Context, dir string) (operations flow.Operations, err error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.wasm"))
	if err != nil {
		return nil, fmt.Errorf("--plugins: %w", err)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("--plugins %s: there is no .wasm file", dir)
	}
	box, done, err := local.OpenSandbox()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, done(ctx)) }()
	byName := map[string][]abi.Operation{}
	for _, file := range files {
		m, _, err := plugin.Inspect(ctx, box, file)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		byName[m.Name] = m.Operations
	}
	return func(name string) ([]abi.Operation, bool) {
		found, ok := byName[name]
		return found, ok
	}, nil
}
