package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"github.com/trama-run/trama/host/trial"
	"github.com/trama-run/trama/host/workspace"
)

// tried is what a trial is made of, from the command line.
type tried struct {
	workspace string          // directory; empty: the files alone
	files     workspace.Files // over those of the workspace
	alone     bool            // without the workspace's flows, and whatever plugins there are
	plugins   string          // directory, before all others
	broken    bool            // files with mistakes are left out
}

// bench opens what is tried. The caller calls done.
func (p *program) bench(ctx context.Context, t tried) (_ *trial.Bench, done func() error, err error) {
	config := trial.Config{Files: workspace.Files{}, Bundled: bundledDigests(), Broken: t.broken}
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
	if config.Compiler, err = compiler(); err != nil {
		return nil, nil, err
	}
	if config.Scratch, err = os.MkdirTemp("", "trama-trial-*"); err != nil {
		return nil, nil, fmt.Errorf("place for a trial: %w", err)
	}
	config.Cache = p.codeCache(settings, config.Scratch)
	b, err := trial.Open(ctx, config)
	if err != nil {
		return nil, nil, errors.Join(err, os.RemoveAll(config.Scratch))
	}
	return b, func() error { return errors.Join(b.Close(ctx), os.RemoveAll(config.Scratch)) }, nil
}

// codeCache is where compiled plugins are kept: with the workspace's, if a
// server has made that place, or with the user's, so that a trial leaves
// nothing in a workspace.
func (p *program) codeCache(settings workspace.Settings, scratch string) string {
	if info, err := os.Stat(settings.Cache); err == nil && info.IsDir() && settings.Cache != "" {
		return settings.Cache
	}
	if base, err := os.UserCacheDir(); err == nil {
		dir := filepath.Join(base, "trama")
		if os.MkdirAll(dir, 0o700) == nil {
			return dir
		}
	}
	return filepath.Join(scratch, "cache")
}
