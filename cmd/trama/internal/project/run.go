package project

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/trama-run/trama/cmd/trama/internal/cli"
	"github.com/trama-run/trama/cmd/trama/internal/local"
	"github.com/trama-run/trama/host/author"
	"github.com/trama-run/trama/host/grant"
	"github.com/trama-run/trama/host/plugin"
	"github.com/trama-run/trama/host/plugintest"
	"github.com/trama-run/trama/host/source"
	"github.com/trama-run/trama/pdk/abi"
)

// callFlags say what one call of a plugin is made of.
type callFlags struct {
	input, http, connection, record string
	config, kv                      []string
}

func (p program) runCommand() *cobra.Command {
	var flags callFlags
	c := &cobra.Command{
		Use:   "run [FILE.wasm|DIR] OPERATION",
		Short: "Call an operation of a plugin once, and show all that it did",
		Long: `Call an operation of a plugin once, or an export that is none (receive, send,
run), and show what it did: its requests, its log, its output or error, and
what the call cost. Needs no server; all that the manifest asks for is granted.

The network is not reached: requests are answered by --http, a file with a list
of {request, response} as in a case of trama plugin test, or fail. With
--connection URL they go to that service in truth, and nowhere else; it may be
on this machine. Secrets are nobody's.

--record FILE adds the call to a file of cases as one that expects what came of
it. Values with the name of a secret are not in it, and a call with a
request that had no answer is not added.`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(c *cobra.Command, args []string) error {
			of, args := target(args)
			if len(args) == 0 {
				return cli.Usage("name the operation of " + of + " to call")
			}
			if flags.record != "" && !isCases(flags.record) {
				return cli.Usage("--record " + flags.record + ": the name of a file of cases ends with .yaml, .yml or .json")
			}
			if u, err := url.Parse(flags.connection); flags.connection != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
				return cli.Usage("--connection " + flags.connection + ": want a URL such as http://127.0.0.1:8080")
			}
			return p.runPlugin(c.Context(), of, args[0], flags)
		},
	}
	flags.add(c)
	c.Flags().StringVar(&flags.connection, "connection", "", "base `URL` of the service that is reached in truth")
	c.Flags().StringVar(&flags.record, "record", "", "`file` of cases that the call is added to")
	return c
}

func (f *callFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.input, "input", "", "`JSON`, @FILE, or - for stdin (default no input)")
	c.Flags().StringVar(&f.http, "http", "", "`file` with answers to requests")
	c.Flags().StringArrayVar(&f.config, "config", nil, "a setting, as `NAME=VALUE`; may be repeated")
	c.Flags().StringArrayVar(&f.kv, "kv", nil, "what is remembered of the contact, as `KEY=VALUE`; may be repeated")
}

// pairs reads NAME=VALUE.
func pairs(flag string, list []string) (map[string]string, error) {
	var all map[string]string
	for _, text := range list {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return nil, cli.Usage(fmt.Sprintf("--%s %s: write it as NAME=VALUE", flag, text))
		}
		if all == nil {
			all = map[string]string{}
		}
		all[name] = value
	}
	return all, nil
}

// read gives the case that the flags make.
func (f callFlags) read(stdin io.Reader, m abi.Manifest, operation string) (c plugintest.Case, err error) {
	c.Name = operation
	if c.Config, err = pairs("config", f.config); err != nil {
		return c, err
	}
	if c.KV, err = pairs("kv", f.kv); err != nil {
		return c, err
	}
	c.Export = operation
	for _, op := range m.Operations {
		if op.Name == operation {
			c.Operation, c.Export = operation, ""
		}
	}
	input := []byte(f.input)
	switch name, isFile := strings.CutPrefix(f.input, "@"); {
	case f.input == "-":
		input, err = io.ReadAll(stdin)
	case isFile:
		input, err = os.ReadFile(name)
	}
	if err != nil {
		return c, err
	}
	text := string(input)
	c.InputText = &text
	if f.http != "" {
		var data []byte
		if data, err = os.ReadFile(f.http); err != nil {
			return c, err
		}
		var problems source.Problems
		c.HTTP, problems = plugintest.ParseExchanges(f.http, data)
		err = problems.Err()
	}
	return c, err
}

// settled refuses settings with which no server calls a plugin.
func settled(m abi.Manifest, settings map[string]string) error {
	if missing := grant.MissingConfig(m, settings); len(missing) > 0 {
		return fmt.Errorf("a server calls %s with the settings that its manifest requires alone; add --config %s=VALUE", m.Name, strings.Join(missing, "=VALUE --config "))
	}
	if wrong := plugin.Unfit(m, settings); wrong != "" {
		return fmt.Errorf("a server calls %s with settings alone that suit its manifest: %s; change --config", m.Name, wrong)
	}
	return nil
}

// ran is what "plugin run --json" prints.
type ran struct {
	Output     json.RawMessage         `json:"output,omitempty"`      // if it is JSON
	OutputText *string                 `json:"output_text,omitempty"` // if it is not
	Error      *abi.Error              `json:"error,omitempty"`
	Requests   []abi.HTTPExchange      `json:"requests"`
	Unexpected []plugintest.Difference `json:"unexpected,omitempty"`
	Log        []string                `json:"log"`
	KV         map[string]string       `json:"kv,omitempty"`
	Fuel       int64                   `json:"fuel"`
	Memory     int64                   `json:"memory"`     // bytes
	GuestTime  time.Duration           `json:"guest_time"` // nanoseconds
	Took       time.Duration           `json:"took"`       // nanoseconds
}

func (p program) runPlugin(ctx context.Context, arg, operation string, flags callFlags) (err error) {
	tested, done, err := local.OpenProject(ctx, p.Program, arg, flags.connection)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	c, err := flags.read(p.Stdin, tested.Manifest, operation)
	if err != nil {
		return err
	}
	if err := settled(tested.Manifest, c.Config); err != nil {
		return err
	}
	call, err := tested.CallOf(c)
	if err != nil {
		return err
	}
	out, err := tested.Call(ctx, call)
	if err != nil {
		return err
	}
	if p.JSON {
		err = p.PrintJSON(ranOf(out))
	} else {
		p.printOutcome(out)
	}
	if err == nil && flags.record != "" {
		recorded, failed := tested.Record(ctx, c, out)
		if failed != nil {
			return fmt.Errorf("--record: %w, so no case was added: write it into %s by hand", failed, flags.record)
		}
		err = addCase(flags.record, recorded)
	}
	if err == nil && (out.Error != nil || len(out.Unexpected) > 0) {
		err = cli.ErrReported
	}
	return err
}

func (p program) printOutcome(out plugintest.Outcome) {
	for i, x := range out.Requests {
		fmt.Fprintf(p.Stdout, "request %d  %s %s\n", i+1, cli.Printable(x.Request.Method), cli.Printable(x.Request.URL))
		for _, name := range slices.Sorted(maps.Keys(x.Request.Headers)) {
			fmt.Fprintf(p.Stdout, "  %s: %s\n", cli.Printable(name), cli.Printable(x.Request.Headers[name]))
		}
		p.printBody(x.Request.Body, x.Request.BodyBase64)
		for _, part := range x.Request.Parts {
			fmt.Fprintf(p.Stdout, "  part %s %s %s\n", cli.Printable(part.Name), cli.Printable(part.Filename), cli.Printable(part.Type))
			p.printBody(part.Text, part.Base64)
		}
		if x.Response.Status != 0 {
			fmt.Fprintf(p.Stdout, "answer %d   %d\n", i+1, x.Response.Status)
			p.printBody(x.Response.Body, x.Response.BodyBase64)
		}
	}
	for _, d := range out.Unexpected {
		fmt.Fprintln(p.Stdout, cli.Printable(d.String()))
	}
	for _, line := range out.Log {
		fmt.Fprintf(p.Stdout, "log  %s\n", cli.Printable(line))
	}
	for _, key := range slices.Sorted(maps.Keys(out.KV)) {
		fmt.Fprintf(p.Stdout, "kv   %s = %s\n", cli.Printable(key), cli.Printable(out.KV[key]))
	}
	switch {
	case out.Error != nil:
		fmt.Fprintf(p.Stdout, "error  %s\n", cli.Printable(cli.ErrorText(out.Error)))
		if len(out.Error.Detail) > 0 {
			fmt.Fprintf(p.Stdout, "  %s\n", cli.Compact(out.Error.Detail, 0))
		}
	case json.Valid(out.Output):
		var indented bytes.Buffer
		if err := json.Indent(&indented, bytes.TrimSpace(out.Output), "", "  "); err != nil {
			fmt.Fprintln(p.Stdout, err)
		}
		fmt.Fprintf(p.Stdout, "output\n%s\n", cli.Printable(indented.String()))
	default:
		fmt.Fprintf(p.Stdout, "output  %q: a flow takes JSON alone\n", out.Output)
	}
	fmt.Fprintf(p.Stdout, "took %s, guest %s, fuel %d, memory %s\n", cli.Took(out.Took), cli.Took(out.GuestTime), out.Fuel, grant.Size(out.Memory))
}

func (p program) printBody(text, encoded string) {
	if body := text + encoded; body != "" {
		fmt.Fprintf(p.Stdout, "  %s\n", strings.ReplaceAll(cli.Printable(body), "\n", "\n  "))
	}
}

// addCase adds a case to a file of cases, which is made if it is not there.
func addCase(file string, c plugintest.Case) error {
	before, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	added, err := plugintest.Add(file, before, c)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return author.Replace(file, added)
}
