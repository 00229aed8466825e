package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/trama-run/trama/host/sandbox"
	"github.com/trama-run/trama/host/workspace"
)

// OpenSandbox gives a sandbox for one file, which compiles it in a process of
// its own as a server does.
func OpenSandbox() (*sandbox.Sandbox, func(context.Context) error, error) {
	command, err := Compiler()
	if err != nil {
		return nil, nil, err
	}
	dir, err := os.MkdirTemp("", "trama-code-*")
	if err != nil {
		return nil, nil, fmt.Errorf("place for compiled code: %w", err)
	}
	box, err := sandbox.Open(sandbox.Config{CacheDir: CodeCache(workspace.Settings{}, dir), Compiler: command})
	if err != nil {
		return nil, nil, errors.Join(err, os.RemoveAll(dir))
	}
	return box, func(ctx context.Context) error { return errors.Join(box.Close(ctx), os.RemoveAll(dir)) }, nil
}

// CodeCache is where compiled plugins are kept: with the workspace's, if a
// server has made that place, or with the user's, so that a trial leaves
// nothing in a workspace.
func CodeCache(settings workspace.Settings, scratch string) string {
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
