package flows

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/trama-run/trama/cmd/trama/internal/cli"
	record "github.com/trama-run/trama/host/run"
)

func (p program) migrateCommand() *cobra.Command {
	var m record.Migration
	var names []string
	c := &cobra.Command{
		Use:   "migrate ID --from N --to M",
		Short: "Move runs that wait to another version of their flow",
		Long: `Move the runs of a flow that wait for a message or a timer from one version to
another, each by itself. A run can be moved if the node that it stands at is
there with the same type; --map gives a node the name that it has there. Runs
that can't be moved are listed with the reason, and stay as they are; the exit
code is 1 then. A run that is moved keeps the contents of plugins that it began
with; of plugins that it did not have, it takes those that serve now.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			m.Map = map[string]string{}
			for _, pair := range names {
				before, after, ok := strings.Cut(pair, "=")
				if !ok || before == "" || after == "" {
					return cli.Usage(fmt.Sprintf("--map %q: want OLD=NEW, names of nodes", pair))
				}
				m.Map[before] = after
			}
			return p.migrateFlow(c.Context(), args[0], m)
		},
	}
	c.Flags().IntVar(&m.From, "from", 0, "`number` of the version to leave")
	c.Flags().IntVar(&m.To, "to", 0, "`number` of the version to go to")
	c.Flags().StringArrayVar(&names, "map", nil, "`OLD=NEW`: the node OLD is called NEW there; may be repeated")
	c.Flags().BoolVar(&m.DryRun, "dry-run", false, "only say what would be moved")
	for _, name := range []string{"from", "to"} {
		if err := c.MarkFlagRequired(name); err != nil {
			panic(err) // the flag is declared above
		}
	}
	p.ClientFlags(c)
	return c
}

func (p program) migrateFlow(ctx context.Context, id string, m record.Migration) error {
	c, err := p.Client()
	if err != nil {
		return err
	}
	var list []record.Migrated
	data, err := c.Do(ctx, "POST", flowPath(id)+"/migrate", m, &list)
	if err != nil {
		return err
	}
	moved := 0
	for _, one := range list {
		if one.Reason == "" {
			moved++
		}
	}
	if p.JSON {
		err = p.PrintJSON(data)
	} else {
		err = p.printMigrated(list, moved, m.DryRun)
	}
	if err == nil && moved < len(list) {
		return cli.ErrReported
	}
	return err
}

func (p program) printMigrated(list []record.Migrated, moved int, dry bool) error {
	word := "moved"
	if dry {
		word = "would be moved"
	}
	t := cli.NewTable(p.Stdout)
	for _, one := range list {
		if one.Reason == "" {
			t.Row(word, one.Key, one.Run, one.Node)
		} else {
			t.Row("left", one.Key, one.Run, one.Node, one.Reason)
		}
	}
	if err := t.End(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(p.Stdout, "%d %s, %d left\n", moved, word, len(list)-moved)
	return err
}
