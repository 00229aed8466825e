// Package traffic has the commands that look at what comes in and goes out of a
// server: calls, messages and alerts on their way and what became of them, and
// what could not be worked on. What flows do in between is runs'.
package traffic

import (
	"github.com/spf13/cobra"

	"github.com/trama-run/trama/cmd/trama/internal/cli"
)

// program is one execution of trama.
type program struct{ *cli.Program }

// Commands returns them.
func Commands(of *cli.Program) []*cobra.Command {
	p := program{of}
	return []*cobra.Command{p.callsCommand(), p.outboxCommand(), p.deliveryCommand(), p.deadCommand()}
}
