package project

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/trama-run/trama/cmd/trama/internal/cli"
	"github.com/trama-run/trama/cmd/trama/internal/local"
	"github.com/trama-run/trama/host/author"
)

func (p program) buildCommand() *cobra.Command {
	var debug bool
	c := &cobra.Command{
		Use:   "build [DIR]",
		Short: "Build a plugin: one file to ship",
		Long: `Build the plugin in DIR, or in the present directory: its language's compiler
runs, manifest.json goes into the module, and build/<name>.wasm is all there is
to ship. The language is known by its marker file, such as go.mod or Cargo.toml.
A mistake in the manifest is told before the compiler runs; what the compiler
says is shown as it is.

What --debug makes tells file and line of a crash if it is called as a file, such
as by trama plugin run build/NAME.wasm OPERATION: of a directory, the other
commands build the project as it is shipped.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			built, err := local.Build(c.Context(), p.Program, cli.ArgOr(args, "."), debug)
			if err != nil {
				return err
			}
			return p.printBuilt(built)
		},
	}
	c.Flags().BoolVar(&debug, "debug", false, "keep files and lines for the traces of crashes; the module is several times the size")
	return c
}

// builtPlugin is what "plugin build --json" prints.
type builtPlugin struct {
	author.Built
	Seconds float64 `json:"seconds"`
}

func (p program) printBuilt(built author.Built) error {
	if p.JSON {
		return p.PrintJSON(builtPlugin{built, built.Took.Seconds()})
	}
	t := cli.NewTable(p.Stdout)
	t.Row("file", built.Path)
	t.Row("bytes", fmt.Sprint(built.Size))
	t.Row("sha256", built.SHA256)
	t.Row("took", cli.Took(built.Took))
	if built.Note != "" {
		t.Row("note", built.Note)
	}
	if err := t.End(); err != nil {
		return err
	}
	in := ""
	if dir := filepath.Dir(filepath.Dir(built.Path)); dir != "." {
		in = " " + shell(dir)
	}
	_, err := fmt.Fprintf(p.Stdout, "next:\n  trama plugin test%s\n  trama plugin check %s\n  cp %s WORKSPACE%splugins%[4]s\n",
		cli.Printable(in), cli.Printable(shell(built.Path)), cli.Printable(shell(built.Path)), string(os.PathSeparator))
	return err
}
