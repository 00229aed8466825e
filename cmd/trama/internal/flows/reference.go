package flows

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/trama-run/trama/host/flow"
)

func (p program) referenceCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "reference",
		Short: "Print the reference of triggers and nodes, as Markdown",
		Long: `Print the reference of triggers and built-in nodes, as Markdown: what each does,
its fields and its ports. examples/nodes/README.md is the same page with a flow
for each.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			page := flow.Reference(nil)
			if p.JSON {
				return p.PrintJSON(map[string]string{"reference": page})
			}
			_, err := fmt.Fprint(p.Stdout, page)
			return err
		},
	}
}
