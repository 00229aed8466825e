// Package local opens plugins on this machine, without a server but as a server
// would: in its sandbox, and compiled in a process of its own. It prints nothing.
package local

import (
	"fmt"
	"os"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/trama-run/trama/cmd/trama/internal/cli"
	"github.com/trama-run/trama/host/sandbox/compile"
)

// compileName is the command by which serve starts itself as a compiler.
const compileName = "compile-module"

// CompileCommand is not for operators: the server starts it for each module
// that has no code yet, without an environment and under limits.
func CompileCommand(p *cli.Program) *cobra.Command {
	return &cobra.Command{
		Use:    compileName + " DIRECTORY SECONDS BYTES",
		Short:  "Compile the module on stdin, for the server",
		Hidden: true,
		Args:   cobra.ArbitraryArgs,
		RunE: func(_ *cobra.Command, args []string) error {
			if code := compile.Child(args, p.Stdin, p.Stderr); code != cli.ExitOK {
				return cli.Exit(code) // it has said itself what is wrong
			}
			return nil
		},
	}
}

// Compiler is the command line of CompileCommand.
func Compiler() ([]string, error) {
	if runtime.GOOS == "linux" {
		return []string{compile.Self, compileName}, nil
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program, which compiles plugins in a process of its own: %w", err)
	}
	return []string{self, compileName}, nil
}
