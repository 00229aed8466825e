package plugin

import (
	"context"
	"log/slog"
	"os"

	"github.com/trama-run/trama/host/sandbox"
	"github.com/trama-run/trama/pdk/abi"
)

// Inspect reads the manifest and the digest of one plugin file by the steps and checks of a
// host that takes it in, without a host: "describe" runs with nothing outside
// in reach, and nothing is kept.
func Inspect(ctx context.Context, s *sandbox.Sandbox, path string) (abi.Manifest, string, error) {
	dir, err := os.MkdirTemp("", "trama-inspect-*")
	if err != nil {
		return abi.Manifest{}, "", err
	}
	defer os.RemoveAll(dir)
	r := New(Config{DataDir: dir, CacheDir: dir, Sandbox: s, Log: slog.New(slog.DiscardHandler)})
	g, _, _, err := r.load(ctx, path)
	if err != nil {
		return abi.Manifest{}, "", err
	}
	return g.manifest, g.digest, nil
}
