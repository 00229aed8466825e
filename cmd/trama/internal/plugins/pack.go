package plugins

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/spf13/cobra"

	"github.com/trama-run/trama/cmd/trama/internal/cli"
	"github.com/trama-run/trama/cmd/trama/internal/local"
	"github.com/trama-run/trama/host/author"
	"github.com/trama-run/trama/host/plugin"
	"github.com/trama-run/trama/pdk/abi"
)

func (p program) packCommand() *cobra.Command {
	var out string
	var debug bool
	c := &cobra.Command{
		Use:   "pack [FILE.wasm|DIR]",
		Short: "Make one file of a plugin: with its manifest, without debug sections",
		Long: `Put the manifest into a plugin's module, as its section trama.manifest: the one
beside FILE.wasm, FILE.yaml, or of a project's DIR (by default this one) its
manifest.json, into DIR/build/NAME.wasm. What debuggers and linkers need is left
out; the names of functions stay, as traps show them. The result is taken through
what a server does when it reads a file, and written only if that goes well. A
signature is left out, since it was of another content.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return p.pack(c.Context(), cli.ArgOr(args, "."), out, debug)
		},
	}
	c.Flags().StringVar(&out, "out", "", "`file` to write (default: in place)")
	c.Flags().BoolVar(&debug, "debug", false, "keep the debug sections")
	return c
}

// packed is what "plugin pack --json" prints.
type packed struct {
	File     string   `json:"file"`
	SHA256   string   `json:"sha256"`
	Plugin   string   `json:"plugin"`
	Version  string   `json:"version"`
	Bytes    int      `json:"bytes"`
	Before   int      `json:"before"`             // bytes
	Manifest string   `json:"manifest,omitempty"` // the file that was put in
	Dropped  []string `json:"dropped,omitempty"`  // sections
	Unsigned bool     `json:"unsigned,omitempty"` // a signature was taken out
}

func (p program) pack(ctx context.Context, path, out string, debug bool) error {
	path, beside, manifest, err := parts(path)
	if err != nil {
		return err
	}
	module, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if whole, err := plugin.Whole(module); manifest == nil && err == nil && !whole {
		return fmt.Errorf("%s has no manifest: write it beside the file, as %s, in the form of the manifest.json of a new project (trama plugin new)", path, filepath.Base(plugin.Sidecar(path)))
	}
	made, err := plugin.Pack(module, manifest, debug)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	result := packed{File: cmp.Or(out, path), Bytes: len(made.Module), Before: len(module), Manifest: beside, Dropped: made.Dropped, Unsigned: made.Unsigned}
	if err := replace(result.File, path, made.Module, func(temp string) error {
		m, digest, err := local.Describe(ctx, temp)
		if err == nil && manifest != nil {
			err = same(m, *manifest, beside)
		}
		result.SHA256, result.Plugin, result.Version = digest, m.Name, m.Version
		return err
	}); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if p.JSON {
		return p.PrintJSON(result)
	}
	t := cli.NewTable(p.Stdout)
	t.Row("file", result.File)
	t.Row("sha256", result.SHA256)
	t.Row("plugin", result.Plugin+" "+result.Version)
	t.Row("manifest", cmp.Or(result.Manifest, "its own"))
	t.Row("size", fmt.Sprintf("%d bytes, before %d", result.Bytes, result.Before))
	if len(result.Dropped) > 0 {
		t.Row("left out", strings.Join(result.Dropped, ", "))
	}
	if result.Unsigned {
		t.Row("signature", "taken out: sign it again with trama plugin sign")
	}
	return t.End()
}

// same refuses a manifest that a host would not see, since the module has a
// "describe" that gives another.
func same(counts, put abi.Manifest, file string) error {
	var values [2]any
	for i, m := range []abi.Manifest{counts, put} {
		data, err := json.Marshal(m)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(data, &values[i]); err != nil {
			return err
		}
	}
	if !reflect.DeepEqual(values[0], values[1]) {
		return fmt.Errorf("its \"describe\" gives another manifest than %s, and goes before it: change the one that the module was built with, or leave %s out", file, file)
	}
	return nil
}

// parts finds a plugin's module, and its manifest where that is not in it.
func parts(path string) (module, beside string, manifest *abi.Manifest, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", "", nil, err
	}
	if info.IsDir() {
		m, _, err := author.Manifest(path)
		return filepath.Join(path, "build", m.Name+".wasm"), filepath.Join(path, local.ManifestFile), &m, err
	}
	beside = plugin.Sidecar(path)
	m, err := plugin.ReadManifest(beside)
	if errors.Is(err, os.ErrNotExist) {
		return path, "", nil, nil
	}
	return path, beside, &m, err
}

// replace writes a file whole or not at all, with the mode of another. What is
// to be there is shown to accept first, as a file beside it.
func replace(path, like string, data []byte, accept func(temp string) error) error {
	info, err := os.Stat(like)
	if err != nil {
		return err
	}
	return author.ReplaceIf(path, info.Mode().Perm(), data, accept)
}
