package plugins

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/trama-run/trama/cmd/trama/internal/cli"
	"github.com/trama-run/trama/host/plugin"
	"github.com/trama-run/trama/host/seal"
	"github.com/trama-run/trama/host/workspace"
)

func (p program) verifySignatureCommand() *cobra.Command {
	var key string
	c := &cobra.Command{
		Use:   "verify FILE.wasm",
		Short: "Say who signed a plugin's file",
		Long: `Say who signed a plugin's file: by the trusted_keys of the workspace's trama.yaml,
or by one key. Needs no server, and runs nothing of the file. The exit code is 1
unless a trusted key signed exactly this content.`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return p.verifySignature(args[0], key) },
	}
	p.WorkspaceFlag(c)
	c.Flags().StringVar(&key, "key", "", "the one `key` to trust: \"ed25519:...\", or a file with it or with PEM")
	return c
}

// verified is what "plugin verify --json" prints.
type verified struct {
	File   string `json:"file"`
	SHA256 string `json:"sha256"` // of the file
	seal.Status
}

func (p program) verifySignature(path, key string) error {
	trusted, err := p.trusted(key)
	if err != nil {
		return err
	}
	module, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	result := verified{File: path, SHA256: plugin.Digest(module, nil), Status: plugin.Signature(module, trusted)}
	if p.JSON {
		err = p.PrintJSON(result)
	} else {
		t := cli.NewTable(p.Stdout)
		t.Row("file", result.File)
		t.Row("sha256", result.SHA256)
		t.Row("signature", result.Status.String())
		for _, line := range [][2]string{{"key", result.Key}, {"reason", result.Reason}} {
			if line[1] != "" {
				t.Row(line[0], line[1])
			}
		}
		err = t.End()
	}
	if err == nil && result.State != seal.Trusted {
		err = cli.ErrReported
	}
	return err
}

// trusted gives the keys of the workspace or, if one is named, that one.
func (p program) trusted(key string) (map[string]seal.Key, error) {
	if key == "" {
		settings, err := workspace.ReadSettings(filepath.Clean(p.Workspace))
		return settings.TrustedKeys, err
	}
	text := []byte(key)
	if !strings.HasPrefix(key, "ed25519:") {
		var err error
		if text, err = os.ReadFile(key); err != nil {
			return nil, err
		}
	}
	public, err := seal.ParsePublic(text)
	if err != nil {
		return nil, fmt.Errorf("--key %s: %w", key, err)
	}
	return map[string]seal.Key{"--key": public}, nil
}
