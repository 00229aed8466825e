package project

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/trama-run/trama/cmd/trama/internal/cli"
	"github.com/trama-run/trama/cmd/trama/internal/local"
	"github.com/trama-run/trama/host/grant"
	"github.com/trama-run/trama/host/plugintest"
	"github.com/trama-run/trama/pdk/abi"
)

func (p program) benchCommand() *cobra.Command {
	var flags callFlags
	var span time.Duration
	c := &cobra.Command{
		Use:   "bench [FILE.wasm|DIR] [OPERATION]",
		Short: "Measure a plugin's calls",
		Long: `Measure the calls of a plugin: of each operation, or of the one named, with the
manifest's first example, or with --input. One call follows the other, each from
the plugin's image, as on a server; requests are answered by the example or by
--http, so they cost next to nothing. Every call finds what --config and --kv
say, or else the settings of its example. Needs no server.

The columns: how long a call took (half of them, 9 of 10 and 99 of 100 took no
longer), calls a second, the fuel of one call, what one call left to the
garbage collector of the host, and the plugin's memory at its end.`,
		Args: cobra.MaximumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			of, args := target(args)
			operation := cli.ArgOr(args, "")
			for _, flag := range []string{"input", "http"} {
				if operation == "" && c.Flags().Changed(flag) {
					return cli.Usage("--" + flag + ": name the operation that it is for")
				}
			}
			if span <= 0 {
				return cli.Usage(fmt.Sprintf("--time %s: want a time such as 1s", span))
			}
			return p.benchPlugin(c.Context(), of, operation, flags, span)
		},
	}
	flags.add(c)
	c.Flags().DurationVar(&span, "time", time.Second, "how long each operation is called")
	return c
}

// benched is what "plugin bench --json" prints of an operation.
type benched struct {
	Name string `json:"name"`
	plugintest.Measured
}

func (p program) benchPlugin(ctx context.Context, arg, operation string, flags callFlags, span time.Duration) (err error) {
	tested, done, err := local.OpenProject(ctx, p.Program, arg, "")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	cases, err := flags.benchCases(p, tested, arg, operation)
	if err != nil {
		return err
	}
	results := []benched{}
	for _, c := range cases {
		if err := settled(tested.Manifest, c.Config); err != nil {
			return fmt.Errorf("%s: %w", c.Name, err)
		}
		call, err := tested.CallOf(c)
		if err != nil {
			return err
		}
		measured, err := tested.Measure(ctx, call, span)
		if err != nil {
			return fmt.Errorf("%s: %w", c.Name, err)
		}
		results = append(results, benched{c.Name, measured})
	}
	if p.JSON {
		return p.PrintJSON(results)
	}
	t := cli.NewTable(p.Stdout, "CASE", "CALLS", "P50", "P90", "P99", "CALLS/S", "FUEL", "GARBAGE", "MEMORY", "ENDS")
	for _, r := range results {
		end := "ok"
		if r.Error != "" {
			end = "error " + r.Error
		}
		t.Row(r.Name, fmt.Sprint(r.Calls), exactly(r.P50), exactly(r.P90), exactly(r.P99), fmt.Sprintf("%.0f", r.PerSecond),
			fmt.Sprint(r.Fuel), fmt.Sprintf("%d bytes in %d", r.GarbageBytes, r.Allocations), grant.Size(r.Memory).String(), end)
	}
	return t.End()
}

// exactly gives a duration with tenths of a microsecond, which count here.
func exactly(d time.Duration) string {
	if d < time.Millisecond {
		return fmt.Sprintf("%.1fµs", float64(d)/float64(time.Microsecond))
	}
	return d.Round(10 * time.Microsecond).String()
}

// callable lists what can be called of a plugin: its operations, and its exports
// that are none.
func callable(tested *plugintest.Plugin) (names []string) {
	exports := map[string]bool{abi.FuncDescribe: true}
	for _, op := range tested.Manifest.Operations {
		names = append(names, op.Name)
		exports[cmp.Or(op.Export, op.Name)] = true
	}
	for _, e := range tested.Info.Exports {
		if e.Callable() && !exports[e.Name] {
			names = append(names, e.Name)
		}
	}
	return names
}

// benchCases gives the calls to measure.
func (f callFlags) benchCases(p program, tested *plugintest.Plugin, of, operation string) ([]plugintest.Case, error) {
	if names := callable(tested); operation != "" && !slices.Contains(names, operation) {
		return nil, fmt.Errorf("the plugin has no operation or export %q; it has %s", operation, strings.Join(names, ", "))
	}
	said, err := f.read(p.Stdin, tested.Manifest, operation)
	if err != nil || f.input != "" {
		return []plugintest.Case{said}, err
	}
	var cases []plugintest.Case
	seen := map[string]bool{}
	for _, c := range plugintest.Examples(tested.Manifest) {
		if !seen[c.Operation] && (operation == "" || c.Operation == operation) {
			c.KV = said.KV
			if said.Config != nil {
				c.Config = said.Config
			}
			if f.http != "" {
				c.HTTP = said.HTTP
			}
			cases = append(cases, c)
		}
		seen[c.Operation] = true
	}
	if len(cases) == 0 {
		if operation == "" {
			operation = "OPERATION"
		}
		return nil, fmt.Errorf("the manifest has no example to call it with: give one with: trama plugin bench %s %s --input JSON", shell(of), operation)
	}
	return cases, nil
}
