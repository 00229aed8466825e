// Package project has the commands of those who write plugins: they begin a
// project, build it, try it and hold it against what plugins owe to their host,
// all without a server. What signs, ships and grants the file is plugins.
package project

import (
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/trama-run/trama/cmd/trama/internal/cli"
)

// shell writes a word so that a shell reads it as one: what is printed as the
// next command is copied from the screen.
func shell(word string) string {
	if strings.HasPrefix(word, "-") { // which is no flag
		word = "./" + word
	}
	if plainWord.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

var plainWord = regexp.MustCompile(`^[\pL\pN_./:@%+=,~-]+$`)

// program is one execution of trama.
type program struct{ *cli.Program }

// Commands returns those of "plugin" that are for authors.
func Commands(of *cli.Program) []*cobra.Command {
	p := program{of}
	return []*cobra.Command{
		p.newCommand(), p.buildCommand(), p.bindCommand(), p.devCommand(),
		p.testCommand(), p.runCommand(), p.benchCommand(), p.checkCommand(),
	}
}
