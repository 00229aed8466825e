package main

import (
	"fmt"
	"os"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/trama-run/trama/host/sandbox/compile"
)

// compileName is the command by which serve starts itself as a compiler.
const compileName = "compile-module"

// childError ends a compiler, which has said itself what is wrong, with its
// own exit code.
type childError int

func (e childError) Error() string { return fmt.Sprint("compiler ends with ", int(e)) }

// compileCommand is not for operators: the server starts it for each module
// that has no code yet, without an environment and under limits.
func (p *program) compileCommand() *cobra.Command {
	return &cobra.Command{
		Use:    compileName + " DIRECTORY SECONDS BYTES",
		Short:  "Compile the module on stdin, for the server",
		Hidden: true,
		Args:   cobra.ArbitraryArgs,
		RunE: func(_ *cobra.Command, args []string) error {
			if code := compile.Child(args, p.stdin, p.stderr); code != exitOK {
				return childError(code)
			}
			return nil
		},
	}
}

// compiler is the command line of compileCommand.
func compiler() ([]string, error) {
	if runtime.GOOS == "linux" {
		return []string{compile.Self, compileName}, nil
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program, which compiles plugins in a process of its own: %w", err)
	}
	return []string{self, compileName}, nil
}
