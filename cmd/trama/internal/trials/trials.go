// Package trials has the commands that try flows on this machine: by cases, by
// hand, or as a run went. Nothing outside is reached, and but for the record of a
// run nothing is asked of a server.
package trials

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/trama-run/trama/cmd/trama/internal/cli"
	"github.com/trama-run/trama/cmd/trama/internal/local"
	"github.com/trama-run/trama/host/trial"
	"github.com/trama-run/trama/host/workspace"
)

// program is one execution of trama.
type program struct{ *cli.Program }

// FlowCommands returns those of "flow" that try a flow.
func FlowCommands(of *cli.Program) []*cobra.Command {
	p := program{of}
	return []*cobra.Command{p.testCommand(), p.runCommand()}
}

// tried is what a trial is made of, from the command line.
type tried struct {
	workspace string          // directory; empty: the files alone
	files     workspace.Files // over those of the workspace
	alone     bool            // without the workspace's flows, and whatever plugins there are
	plugins   string          // directory, before all others
	broken    bool            // files with mistakes are left out
}

// bench opens what is tried. The caller calls done.
func (p program) bench(ctx context.Context, t tried) (_ *trial.Bench, done func() error, err error) {
	config := trial.Config{Files: workspace.Files{}, Bundled: p.Bundled, Broken: t.broken}
	settings := workspace.Settings{}
	if t.workspace != "" {
		if settings, err = workspace.ReadSettings(t.workspace); err != nil {
			return nil, nil, err
		}
		if config.Files, err = workspace.ReadFiles(t.workspace); err != nil {
			return nil, nil, err
		}
	}
	if config.Unchecked = t.alone; t.alone {
		maps.DeleteFunc(config.Files, func(name string, _ []byte) bool { return strings.HasPrefix(name, "flows/") })
	}
	for name, data := range t.files {
		config.Files[name] = data
	}
	config.Env = settings.Env
	if t.plugins != "" {
		config.Plugins = append(config.Plugins, t.plugins)
	}
	config.Plugins = append(config.Plugins, settings.Plugins...)
	if self, err := os.Executable(); err == nil { // build/trama beside build/plugins
		config.Plugins = append(config.Plugins, filepath.Join(filepath.Dir(self), "plugins"))
	}
	if config.Compiler, err = local.Compiler(); err != nil {
		return nil, nil, err
	}
	if config.Scratch, err = os.MkdirTemp("", "trama-trial-*"); err != nil {
		return nil, nil, fmt.Errorf("place for a trial: %w", err)
	}
	config.Cache = local.CodeCache(settings, config.Scratch)
	b, err := trial.Open(ctx, config)
	if err != nil {
		return nil, nil, errors.Join(err, os.RemoveAll(config.Scratch))
	}
	return b, func() error { return errors.Join(b.Close(ctx), os.RemoveAll(config.Scratch)) }, nil
}
