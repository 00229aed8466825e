package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/trama-run/trama/host/plugin"
)

func (p *program) pluginCommand() *cobra.Command {
	list := &cobra.Command{
		Use:   "list",
		Short: "List the plugins of the server's directories",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return p.listPlugins(c.Context()) },
	}
	inspect := &cobra.Command{
		Use:   "inspect NAME|FILE.wasm",
		Short: "Show what a plugin is and what it asks for",
		Long: `Show what a plugin is and what it asks for: a NAME as the server has it, a FILE
without a server. Of a file nothing runs but its "describe", in the sandbox and
with nothing outside in reach.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if isFile(args[0]) {
				return p.inspectFile(c.Context(), args[0])
			}
			return p.inspectInstalled(c.Context(), args[0])
		},
	}
	p.clientFlags(list, inspect)
	return group("plugin", "Look at plugins, and say what they may do",
		list, inspect, p.grantCommand(), p.revokeCommand(), p.checkCommand())
}

// isFile tells a file's path from a plugin's name.
func isFile(arg string) bool {
	return strings.HasSuffix(arg, ".wasm") || strings.ContainsRune(arg, os.PathSeparator)
}

func (p *program) listPlugins(ctx context.Context) error {
	c, err := p.client()
	if err != nil {
		return err
	}
	var plugins []plugin.Status
	data, err := c.do(ctx, "GET", "/v1/plugins", nil, &plugins)
	if err != nil {
		return err
	}
	if p.json {
		return p.printJSON(data)
	}
	t := newTable(p.stdout, "NAME", "VERSION", "KIND", "STATE", "DIGEST", "FILE", "REASON")
	for _, s := range plugins {
		version, kind := "", ""
		if s.Manifest != nil {
			version, kind = s.Manifest.Version, string(s.Manifest.Kind)
		}
		digest := s.Digest[:min(12, len(s.Digest))]
		if s.Bundled {
			digest = "bundled"
		}
		t.row(s.Name, version, kind, stateOf(s), digest, s.File, s.Reason)
	}
	return t.end()
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
func (c *client) installed(ctx context.Context, name string) (plugin.Status, []byte, error) {
	var s plugin.Status
	data, err := c.do(ctx, "GET", "/v1/plugins/"+url.PathEscape(name), nil, &s)
	return s, data, err
}

func (p *program) inspectInstalled(ctx context.Context, name string) error {
	c, err := p.client()
	if err != nil {
		return err
	}
	s, data, err := c.installed(ctx, name)
	if err != nil {
		return err
	}
	if p.json {
		return p.printJSON(data)
	}
	t := newTable(p.stdout)
	t.row("file", s.File)
	t.row("sha256", s.Digest)
	t.row("state", string(s.State))
	for _, line := range [][2]string{{"reason", s.Reason}, {"remedy", s.Remedy}, {"serving", s.Serving}} {
		if line[1] != "" {
			t.row(line[0], line[1])
		}
	}
	if s.Grant != nil {
		t.row("granted", s.Grant.String())
	}
	t.row("bundled", yesNo(s.Bundled))
	if err := t.end(); err != nil {
		return err
	}
	if s.Manifest == nil {
		return nil
	}
	fmt.Fprintln(p.stdout)
	return writeManifest(p.stdout, *s.Manifest)
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
