package main

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/trama-run/trama/cmd/trama/internal/change"
	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/workspace"
)

func (p *program) applyCommand() *cobra.Command {
	var dryRun bool
	c := &cobra.Command{
		Use:   "apply DIR",
		Short: "Make a server's objects those of a workspace's files",
		Long: `Make a server's objects those of the files in DIR (flows/*.yaml, routes.yaml,
gateway.yaml, channels.yaml, connections.yaml, grants.yaml, alerts.yaml and
subscriptions.yaml): all of them or, if one has a mistake, none. What came from
a file that DIR doesn't have is removed. Grants that let a
plugin reach more take effect by this command, and not by a change of the file
alone. With --dry-run nothing is changed: it shows what would be, object by
object, marks what would let a plugin reach more, and ends with code 3 if there
is anything. The server and its token are found through DIR, unless -w names another
workspace.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if !c.Flags().Changed("workspace") {
				p.Workspace = args[0]
			}
			return p.apply(c.Context(), filepath.Clean(args[0]), dryRun)
		},
	}
	c.Flags().BoolVar(&dryRun, "dry-run", false, "show what would change, and change nothing")
	p.ClientFlags(c)
	return c
}

func (p *program) apply(ctx context.Context, dir string, dryRun bool) error {
	files, err := workspace.ReadFiles(dir)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("%s has no files of a workspace: flows/*.yaml, routes.yaml, gateway.yaml, channels.yaml, connections.yaml, grants.yaml, alerts.yaml, subscriptions.yaml", dir)
	}
	c, err := p.Client()
	if err != nil {
		return err
	}
	texts := make(map[string]string, len(files))
	for name, content := range files {
		texts[name] = string(content)
	}
	path := "/v1/apply"
	if dryRun {
		path = "/v1/plan"
	}
	var changes []catalog.Change
	_, err = c.Do(ctx, "POST", path, texts, &changes)
	if err != nil {
		return change.Mistakes(p.Program, err, "nothing was applied")
	}
	if dryRun {
		return change.PrintPlan(p.Program, changes, files)
	}
	return change.Print(p.Program, changes)
}
