package project

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/trama-run/trama/cmd/trama/internal/cli"
	"github.com/trama-run/trama/cmd/trama/internal/local"
	"github.com/trama-run/trama/host/author"
	"github.com/trama-run/trama/host/author/bind"
	"github.com/trama-run/trama/host/plugin"
	"github.com/trama-run/trama/pdk/abi"
)

func (p program) bindCommand() *cobra.Command {
	var options bind.Options
	var out string
	c := &cobra.Command{
		Use:   "bind [FILE|DIR]",
		Short: "Write types of a plugin's operations, from the schemas of its manifest",
		Long: `Write types for the inputs and outputs of a plugin's operations, and for its
settings, or those of a channel with it, from the JSON Schemas of its manifest:
a project's directory (the present one), a manifest (.json or .yaml) or a plugin
(.wasm). What a schema says that the language has no type for comes as JSON, with a
comment; a number is the language's own, which keeps whole numbers up to 2^53, so
in Go and Rust give those beyond it the type integer. They go to stdout, or into a file, which changes only if they do.`,
		Example: "  trama plugin bind --lang go --out types.go",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if options.Language == "" {
				return cli.Usage("--lang is missing: want " + strings.Join(bind.Languages(), ", "))
			}
			if options.Language != "go" && c.Flags().Changed("package") {
				return cli.Usage("--package: only Go has one, not --lang " + options.Language)
			}
			return p.bindPlugin(c.Context(), cli.ArgOr(args, "."), out, options)
		},
	}
	c.Flags().StringVar(&options.Language, "lang", "", "`language` of the types: "+strings.Join(bind.Languages(), ", "))
	c.Flags().StringVar(&options.Package, "package", "main", "`name` of the Go package")
	c.Flags().StringVarP(&out, "out", "o", "", "`file` to write (default: stdout)")
	return c
}

// bound is what "plugin bind --json" prints.
type bound struct {
	File    string `json:"file,omitempty"`    // that was written
	Changed bool   `json:"changed,omitempty"` // it was another before
	Text    string `json:"text,omitempty"`    // if there is no file
}

func (p program) bindPlugin(ctx context.Context, from, out string, options bind.Options) error {
	manifest, err := manifestAt(ctx, from)
	if err != nil {
		return err
	}
	if err := author.Schemas(manifest); err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	text, err := bind.Types(manifest, options)
	if err != nil {
		return err
	}
	if out == "" {
		if p.JSON {
			return p.PrintJSON(bound{Text: string(text)})
		}
		_, err := p.Stdout.Write(text)
		return err
	}
	before, err := os.ReadFile(out)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return err
	}
	done := bound{File: out, Changed: err != nil || string(before) != string(text)}
	if done.Changed {
		if err := author.Replace(out, text); err != nil {
			return err
		}
	}
	if p.JSON {
		return p.PrintJSON(done)
	}
	word := "unchanged"
	if done.Changed {
		word = "written"
	}
	_, err = fmt.Fprintf(p.Stdout, "%s  %s\n", word, cli.Printable(out))
	return err
}

// manifestAt reads the manifest of a project, a file of its own, or a module.
func manifestAt(ctx context.Context, path string) (_ abi.Manifest, err error) {
	if info, err := os.Stat(path); err != nil {
		return abi.Manifest{}, err
	} else if info.IsDir() {
		m, _, err := author.Manifest(path)
		return m, err
	}
	switch filepath.Ext(path) {
	case ".json", ".yaml", ".yml":
		return plugin.ReadManifest(path)
	case ".wasm":
	default:
		return abi.Manifest{}, fmt.Errorf("%s: want a project's directory, a manifest (.json or .yaml) or a plugin (.wasm)", path)
	}
	box, done, err := local.OpenSandbox()
	if err != nil {
		return abi.Manifest{}, err
	}
	defer func() { err = errors.Join(err, done(ctx)) }()
	m, _, err := plugin.Inspect(ctx, box, path)
	return m, err
}
