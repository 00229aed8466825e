// Command trama serves a workspace, and is the operators' tool for it.
//
// "serve" is the runtime itself; commands that look at or change a running one
// are clients of its admin API; the rest ("flow validate", "plugin inspect" of
// a file) work on files alone. The process's environment gives TRAMA_ADMIN,
// TRAMA_TOKEN and TRAMA_CA to the clients, TRAMA_SECRET_<NAME> and a service
// manager's NOTIFY_SOCKET to serve, nothing else.
package main

import (
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/trama-run/trama/cmd/trama/internal/cli"
	"github.com/trama-run/trama/cmd/trama/internal/contacts"
	"github.com/trama-run/trama/cmd/trama/internal/flows"
	"github.com/trama-run/trama/cmd/trama/internal/local"
	"github.com/trama-run/trama/cmd/trama/internal/plugins"
	"github.com/trama-run/trama/cmd/trama/internal/project"
	"github.com/trama-run/trama/cmd/trama/internal/runs"
	"github.com/trama-run/trama/cmd/trama/internal/traffic"
	"github.com/trama-run/trama/cmd/trama/internal/trials"
)

// bundled holds the sha256 of the plugins that belong to this build, separated
// by commas. The linker sets it; nothing else may.
var bundled string

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Environ()))
}

// run executes one command line and returns the process's exit code.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer, environ []string) int {
	p := &cli.Program{Stdin: stdin, Stdout: stdout, Stderr: stderr, Environ: environ, Bundled: strings.FieldsFunc(bundled, func(r rune) bool { return r == ',' })}
	return p.Run(tree(p), args)
}

// program is one execution of trama.
type program struct{ *cli.Program }

// tree returns the whole tree of commands.
func tree(of *cli.Program) *cobra.Command {
	p := &program{of}
	root := cli.Group("trama", "Run flows behind an API gateway and messaging channels",
		p.serveCommand(), p.applyCommand(), flows.Command(of, trials.FlowCommands(of)...), plugins.Command(of, project.Commands(of)...),
		contacts.Command(of), p.doctorCommand(), p.healthCommand(), p.backupCommand(), p.restoreCommand(), p.verifyCommand(),
		p.clientCommand(), p.secretCommand(), p.tokenCommand(), p.envCommand(), p.auditCommand(), p.soapCommand(),
		p.versionCommand(), local.CompileCommand(of), cli.ExitTopic())
	root.AddCommand(runs.Commands(of, trials.ReplayCommand(of))...)
	root.AddCommand(traffic.Commands(of)...)
	root.AddCommand(p.objectCommands(map[string][]*cobra.Command{"channel": p.channelCommands(), "subscription": p.subscriptionCommands(), "route": p.routeCommands()})...)
	p.complete(root)
	return root
}
