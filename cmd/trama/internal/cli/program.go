// Package cli is what all commands of trama share: the streams and flags of one
// execution, the client of the admin API, how values are shown to people and to
// scripts, and the exit codes. It knows none of the commands.
package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// Program is one execution of trama.
type Program struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Environ        []string
	Bundled        []string // sha256 of the plugins that belong to this build

	JSON      bool   // print JSON: the flag --json
	Workspace string // directory: the flag of WorkspaceFlag

	began bool // the command line was good, and the command has begun

	server string // URL of the admin API; empty: look it up
	token  string // empty: look it up
	ca     string // file of the authority to trust; empty: look it up
}

// Run executes one command line by a tree of commands, whose texts are in p's
// streams, and returns the process's exit code.
func (p *Program) Run(root *cobra.Command, args []string) int {
	nameArguments(root)
	root.SilenceErrors, root.SilenceUsage = true, true
	root.PersistentFlags().BoolVar(&p.JSON, "json", false, "print JSON")
	root.PersistentPreRun = func(*cobra.Command, []string) { p.began = true }
	root.SetArgs(args)
	root.SetIn(p.Stdin)
	root.SetOut(p.Stdout)
	root.SetErr(p.Stderr)
	command, err := root.ExecuteC()
	if err != nil {
		p.JSON = p.JSON || !p.began && asksJSON(args)
		return p.fail(command, err)
	}
	return ExitOK
}

// asksJSON says whether a command line that could not be read to its end has
// the flag --json.
func asksJSON(args []string) bool {
	if end := slices.Index(args, "--"); end >= 0 {
		args = args[:end]
	}
	return slices.Contains(args, "--json") || slices.Contains(args, "--json=true")
}

// Group returns a command that only holds others.
func Group(name, short string, children ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: name, Short: short, Args: cobra.ArbitraryArgs}
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return c.Help()
		}
		text := fmt.Sprintf("there is no command %q in %q", args[0], c.CommandPath())
		c.SuggestionsMinimumDistance = 2
		near := c.SuggestionsFor(args[0])
		begins := func(name string) bool { return strings.HasPrefix(name, args[0]) }
		if slices.ContainsFunc(near, begins) { // rather than those spelled alike
			near = slices.DeleteFunc(near, func(name string) bool { return !begins(name) })
		}
		if len(near) > 0 {
			text += "; did you mean " + strings.Join(near, " or ") + "?"
		}
		return Usage(text)
	}
	c.AddCommand(children...)
	return c
}

// nameArguments has a command line with too few arguments, or too many, refused
// in words of the command's own.
func nameArguments(c *cobra.Command) {
	for _, child := range c.Commands() {
		nameArguments(child)
	}
	check := c.Args
	if check == nil {
		return
	}
	c.Args = func(c *cobra.Command, args []string) error {
		err := check(c, args)
		if err == nil {
			return nil
		}
		_, usage, _ := strings.Cut(c.Use, " ")
		want := strings.TrimSpace(c.CommandPath() + " " + usage)
		var names []string // of the arguments that must be there
		optional := 0
		for word := range strings.FieldsSeq(usage) {
			optional += strings.Count(word, "[")
			if optional == 0 {
				names = append(names, strings.TrimSuffix(word, "..."))
			}
			optional -= strings.Count(word, "]")
		}
		switch {
		case len(args) < len(names):
			missing, are := names[len(args):], "is"
			if len(missing) > 1 {
				are = "are"
			}
			return Usage(fmt.Sprintf("%s %s missing: want %s", strings.Join(missing, " and "), are, want))
		case len(args) > len(names):
			return Usage(fmt.Sprintf("%q is one argument too many: want %s", args[len(args)-1], want))
		}
		return err
	}
}

// ArgOr gives the first argument, or what stands for none.
func ArgOr(args []string, other string) string {
	if len(args) == 0 {
		return other
	}
	return args[0]
}

// Times reads the flags --since and --until: RFC 3339, or a duration ago. It
// gives those that are not empty, by their names, as the admin API takes them.
func Times(since, until string) (map[string]string, error) {
	values := map[string]string{}
	for name, text := range map[string]string{"since": since, "until": until} {
		if text == "" {
			continue
		}
		at, err := time.Parse(time.RFC3339, text)
		if ago, durationErr := time.ParseDuration(text); err != nil && durationErr == nil && ago >= 0 {
			at, err = time.Now().Add(-ago), nil
		}
		if err != nil {
			return nil, Usage(fmt.Sprintf("--%s %q: want a time such as 2026-01-02T15:04:05Z, or a duration such as 2h", name, text))
		}
		values[name] = at.UTC().Format(time.RFC3339)
	}
	return values, nil
}

// WorkspaceFlag adds -w.
func (p *Program) WorkspaceFlag(c *cobra.Command) {
	c.Flags().StringVarP(&p.Workspace, "workspace", "w", ".", "directory of the workspace")
}

// Env gives a variable of the environment, or "".
func (p *Program) Env(name string) string {
	for _, e := range p.Environ {
		if value, ok := strings.CutPrefix(e, name+"="); ok {
			return value
		}
	}
	return ""
}
