// Package plugins has the commands for plugins that are built: they say what a
// file is, sign it, and give and take back what it may do on a server. How a
// plugin is written and tried is project's.
package plugins

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/trama-run/trama/cmd/trama/internal/cli"
	"github.com/trama-run/trama/cmd/trama/internal/local"
	"github.com/trama-run/trama/host/plugin"
	"github.com/trama-run/trama/host/seal"
)

// program is one execution of trama.
type program struct{ *cli.Program }

// Command returns "plugin"; more are commands that it has beside those of this
// room.
func Command(of *cli.Program, more ...*cobra.Command) *cobra.Command {
	p := program{of}
	list := &cobra.Command{
		Use:   "list",
		Short: "List the plugins of the server's directories",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return p.listPlugins(c.Context()) },
	}
	inspect := &cobra.Command{
		Use:   "inspect [NAME|FILE.wasm|DIR]",
		Short: "Show what a plugin is and what it asks for",
		Long: `Show what a plugin is and what it asks for: a NAME as the server has it; without
a server a FILE, or what the build of the project in DIR, or in this directory,
makes. Of a file nothing runs but its "describe", in the sandbox and with
nothing outside in reach; what a server that has no grant for it makes of it is
said too.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			of := cli.ArgOr(args, ".")
			if len(args) == 0 || isFile(of) || local.IsProject(of) {
				return p.inspectFile(c.Context(), of)
			}
			return p.inspectInstalled(c.Context(), of)
		},
	}
	grants := &cobra.Command{
		Use:   "grants",
		Short: "List what plugins may do",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return p.listGrants(c.Context()) },
	}
	p.ClientFlags(list, inspect, grants)
	return cli.Group("plugin", "Look at plugins, and say what they may do",
		append(more, list, inspect, grants, p.grantCommand(), p.revokeCommand(), p.packCommand(), p.keyCommand(), p.signCommand(), p.verifySignatureCommand())...)
}

// isFile tells a file's path from a plugin's name, which has no dot.
func isFile(arg string) bool {
	return strings.ContainsRune(arg, '.') || strings.ContainsRune(arg, os.PathSeparator)
}

func (p program) listPlugins(ctx context.Context) error {
	var plugins []plugin.Status
	if done, err := p.Fetch(ctx, "/v1/plugins", &plugins); done || err != nil {
		return err
	}
	t := cli.NewTable(p.Stdout, "NAME", "VERSION", "KIND", "STATE", "DIGEST", "SIGNED BY", "FILE", "REASON")
	for _, s := range plugins {
		version, kind := "", ""
		if s.Manifest != nil {
			version, kind = s.Manifest.Version, string(s.Manifest.Kind)
		}
		digest := s.Digest[:min(12, len(s.Digest))]
		if s.Bundled {
			digest = "bundled"
		}
		t.Row(s.Name, version, kind, stateOf(s), digest, signedBy(s.Signature), s.File, s.Reason)
	}
	return t.End()
}

// signature tells what a file's signature is worth.
func signature(s seal.Status) string {
	if s.Reason != "" {
		return s.String() + ": " + s.Reason
	}
	return s.String()
}

// signedBy tells who signed a file, or what is wrong with its signature; nothing
// of one that nobody signed.
func signedBy(s seal.Status) string {
	switch s.State {
	case seal.Trusted:
		return s.Signer
	case seal.Unknown:
		return "unknown key " + s.Key
	case seal.Altered:
		return "altered"
	}
	return ""
}

// stateOf tells the state of a file's content and, where another answers its
// calls, which.
func stateOf(s plugin.Status) string {
	if s.Serving == "" {
		return string(s.State)
	}
	return fmt.Sprintf("%s; sha256:%s serves", s.State, s.Serving[:min(12, len(s.Serving))])
}

// installed asks the server for one plugin.
func installed(ctx context.Context, c *cli.Client, name string) (plugin.Status, []byte, error) {
	var s plugin.Status
	data, err := c.Do(ctx, "GET", "/v1/plugins/"+url.PathEscape(name), nil, &s)
	return s, data, err
}

func (p program) inspectInstalled(ctx context.Context, name string) error {
	c, err := p.Client()
	if err != nil {
		return err
	}
	s, data, err := installed(ctx, c, name)
	if err != nil {
		return err
	}
	if p.JSON {
		return p.PrintJSON(data)
	}
	t := cli.NewTable(p.Stdout)
	t.Row("file", s.File)
	t.Row("sha256", s.Digest)
	if s.Signature.State != "" {
		t.Row("signature", signature(s.Signature))
	}
	t.Row("state", string(s.State))
	for _, line := range [][2]string{{"reason", s.Reason}, {"remedy", s.Remedy}, {"serving", s.Serving}} {
		if line[1] != "" {
			t.Row(line[0], line[1])
		}
	}
	if s.Grant != nil {
		t.Row("granted", s.Grant.String())
	}
	t.Row("bundled", yesNo(s.Bundled))
	if err := t.End(); err != nil {
		return err
	}
	if s.Manifest == nil {
		return nil
	}
	fmt.Fprintln(p.Stdout)
	return writeManifest(p.Stdout, *s.Manifest)
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
