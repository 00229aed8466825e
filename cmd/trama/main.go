// Command trama serves a workspace, and is the operators' tool for it.
//
// "serve" is the runtime itself; commands that look at or change a running one
// are clients of its admin API; the rest ("flow validate", "plugin inspect" of
// a file) work on files alone. The process's environment gives TRAMA_ADMIN and
// TRAMA_TOKEN to the clients and TRAMA_SECRET_<NAME> to serve, nothing else.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/trama-run/trama/host/source"
)

// bundled holds the sha256 of the plugins that belong to this build, separated
// by commas. The linker sets it; nothing else may.
var bundled string

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Environ()))
}

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1 // what was asked for failed, or was not found
	exitUsage  = 2 // what was asked for is not a command
)

// errReported ends a command that has said itself what is wrong.
var errReported = errors.New("reported")

// usageError is a mistake in the command line that only the command can find.
type usageError struct{ text string }

func (e usageError) Error() string { return e.text }

// program is one execution of trama.
type program struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	environ        []string

	began bool // the command line was good, and the command has begun

	json      bool   // print JSON
	workspace string // directory
	server    string // URL of the admin API; empty: look it up
	token     string // empty: look it up
}

// run executes one command line and returns the process's exit code.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer, environ []string) int {
	p := &program{stdin: stdin, stdout: stdout, stderr: stderr, environ: environ}
	root := p.command()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	command, err := root.ExecuteC()
	_, usage := errors.AsType[usageError](err)
	child, isChild := errors.AsType[childError](err)
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errReported):
		return exitFailed
	case isChild:
		return int(child)
	case usage || !p.began:
		fmt.Fprintf(stderr, "trama: %v\nsee: %s --help\n", err, command.CommandPath())
		return exitUsage
	}
	if problems, ok := errors.AsType[source.Problems](err); ok {
		p.printProblems(problems)
	} else {
		fmt.Fprintf(stderr, "trama: %s\n", printable(err.Error()))
	}
	return exitFailed
}

// command returns the whole tree of commands.
func (p *program) command() *cobra.Command {
	root := group("trama", "Run flows behind an API gateway and messaging channels",
		p.serveCommand(), p.applyCommand(), p.flowCommand(), p.pluginCommand(),
		p.runsCommand(), p.activateCommand(), p.eventCommand(), p.scheduleCommand(), p.contactCommand(), p.outboxCommand(), p.deadCommand(), p.doctorCommand(), p.backupCommand(), p.restoreCommand(), p.verifyCommand(),
		p.versionCommand(), p.compileCommand())
	root.SilenceErrors, root.SilenceUsage = true, true
	root.PersistentFlags().BoolVar(&p.json, "json", false, "print JSON")
	root.PersistentPreRun = func(*cobra.Command, []string) { p.began = true }
	return root
}

// group returns a command that only holds others.
func group(name, short string, children ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: name, Short: short, Args: cobra.ArbitraryArgs}
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return c.Help()
		}
		text := fmt.Sprintf("there is no command %q in %q", args[0], c.CommandPath())
		c.SuggestionsMinimumDistance = 2
		if near := c.SuggestionsFor(args[0]); len(near) > 0 {
			text += "; did you mean " + strings.Join(near, " or ") + "?"
		}
		return usageError{text}
	}
	c.AddCommand(children...)
	return c
}

// workspaceFlag adds -w.
func (p *program) workspaceFlag(c *cobra.Command) {
	c.Flags().StringVarP(&p.workspace, "workspace", "w", ".", "directory of the workspace")
}

// env gives a variable of the environment, or "".
func (p *program) env(name string) string {
	for _, e := range p.environ {
		if value, ok := strings.CutPrefix(e, name+"="); ok {
			return value
		}
	}
	return ""
}
