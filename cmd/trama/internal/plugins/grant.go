package plugins

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/trama-run/trama/cmd/trama/internal/change"
	"github.com/trama-run/trama/cmd/trama/internal/cli"
	"github.com/trama-run/trama/host/admin"
	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/grant"
	"github.com/trama-run/trama/host/plugin"
	"github.com/trama-run/trama/host/seal"
)

// grantFlags is what an operator adds to a request: names that only the host
// knows, and settings.
type grantFlags struct {
	keys, secrets []string
	config        []string // "key=value"; "key" takes the setting out
	signer        bool
	yes           bool
}

func (p program) grantCommand() *cobra.Command {
	var flags grantFlags
	c := &cobra.Command{
		Use:   "grant NAME",
		Short: "Give a plugin what it asks for",
		Long: `Give the plugin NAME exactly what its manifest asks for, bound to the file's
present content: a changed file waits again. With --signer it is bound to the key
of trusted_keys in trama.yaml that signed the file: a file with another content
that is signed with the same key has the grant too, as long as it asks for no
more. It shows what that is, and asks.

Settings of the plugin are given by --config. Those that it has until now stay,
but for what its schema has no place for, which it names, and what --config names
without a value.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return p.grant(c.Context(), args[0], flags) },
	}
	p.ClientFlags(c)
	c.Flags().StringSliceVar(&flags.keys, "key", nil, "`name` of a key of the host, for a plugin that asks to sign")
	c.Flags().StringSliceVar(&flags.secrets, "secret", nil, "`name` of a secret of the host to give as well, for a channel's webhook")
	c.Flags().StringArrayVar(&flags.config, "config", nil, "a setting of the plugin, as `key=value`, or the key alone to take it out; no secret: whoever sees the grant sees it")
	c.Flags().BoolVar(&flags.signer, "signer", false, "give it to whatever the file's signer signs under this name")
	c.Flags().BoolVarP(&flags.yes, "yes", "y", false, "do not ask")
	return c
}

func (p program) grant(ctx context.Context, name string, flags grantFlags) error {
	c, err := p.Client()
	if err != nil {
		return err
	}
	status, _, err := installed(ctx, c, name)
	if err != nil {
		return err
	}
	if status.Manifest == nil { // what its settings broke, other ones mend
		return fmt.Errorf("plugin %s is broken: %s", name, status.Reason)
	}
	given, err := flags.answer(status)
	if err != nil {
		return err
	}
	var grants []admin.GrantInfo
	if _, err := c.Do(ctx, "GET", "/v1/grants", nil, &grants); err != nil {
		return err
	}
	left, err := flags.settle(&given, status, grants)
	if err != nil {
		return err
	}
	if len(left) > 0 {
		fmt.Fprintf(p.Stderr, "plugin %s %s has no place for these settings, which it had until now; they are left out: %s\n", name, status.Manifest.Version, strings.Join(left, ", "))
	}
	if !flags.yes {
		if err := p.confirm(status, given); err != nil {
			return err
		}
	}
	var changes []catalog.Change
	if _, err := c.Do(ctx, "PUT", "/v1/grants/"+url.PathEscape(name), given, &changes); err != nil {
		return err
	}
	return change.Print(p.Program, changes)
}

// answer gives the grant for a plugin's request, with the operator's names.
func (f grantFlags) answer(status plugin.Status) (grant.Grant, error) {
	given := grant.Request(*status.Manifest, status.Digest)
	if f.signer && status.Signature.State != seal.Trusted {
		return given, fmt.Errorf("plugin %s is %s: --signer wants a file that a key of trusted_keys in trama.yaml signed", status.Name, signature(status.Signature))
	} else if f.signer {
		given.Of = grant.OfSigner(status.Signature.Signer)
	}
	if asked := status.Manifest.Capabilities.Sign; len(asked) > 0 && len(f.keys) == 0 {
		return given, fmt.Errorf("plugin %s asks to sign with %s: name the keys that it may use with --key", status.Name, strings.Join(asked, ", "))
	} else if len(asked) == 0 && len(f.keys) > 0 {
		return given, cli.Usage(fmt.Sprintf("plugin %s does not ask to sign: leave --key out", status.Name))
	}
	given.Keys = slices.Clone(f.keys)
	for _, s := range f.secrets {
		if !slices.Contains(given.Secrets, s) {
			given.Secrets = append(given.Secrets, s)
		}
	}
	return given, nil
}

// settle gives a grant its settings: those that the plugin has until now, but for
// what its schema has no place for, which are returned; and the operator's.
func (f grantFlags) settle(given *grant.Grant, status plugin.Status, grants []admin.GrantInfo) (left []string, err error) {
	former := formerConfig(*given, status, grants)
	given.Config, left = grant.TakenConfig(*status.Manifest, former)
	for _, pair := range f.config {
		key, value, set := strings.Cut(pair, "=")
		_, had := former[key]
		switch {
		case set && key != "":
			given.Config[key] = value
		case had:
			delete(given.Config, key)
		default:
			return nil, cli.Usage(fmt.Sprintf("--config %q: want key=value, or the key of a setting that plugin %s has, to take it out", pair, status.Name))
		}
	}
	if missing := grant.MissingConfig(*status.Manifest, given.Config); len(missing) > 0 {
		return nil, fmt.Errorf("plugin %s needs the setting %s: give it with --config %s=VALUE", status.Name, missing[0], missing[0])
	}
	if wrong := plugin.Unfit(*status.Manifest, given.Config); wrong != "" {
		return nil, fmt.Errorf("plugin %s: its settings don't fit: %s: change them with --config", status.Name, wrong)
	}
	return left, nil
}

// formerConfig gives the settings of the grant in whose place one comes or, if it
// is the first of its kind, of the one that holds until now: of this content, of
// the one that serves, or of whatever content it is.
func formerConfig(given grant.Grant, status plugin.Status, grants []admin.GrantInfo) map[string]string {
	ofs := []string{given.Of, "sha256:" + status.Serving}
	if status.Grant != nil {
		ofs = slices.Insert(ofs, 1, status.Grant.Of)
	}
	for _, g := range grants {
		if !digestPattern.MatchString(g.Of) {
			ofs = append(ofs, g.Of)
		}
	}
	for _, of := range ofs {
		i := slices.IndexFunc(grants, func(g admin.GrantInfo) bool { return g.Plugin == given.Plugin && g.Of == of })
		if i >= 0 {
			return grants[i].Config
		}
	}
	return nil
}

// confirm shows a grant and asks whether to give it.
func (p program) confirm(status plugin.Status, given grant.Grant) error {
	t := cli.NewTable(p.Stderr)
	t.Row("plugin", status.Name+" "+status.Manifest.Version)
	t.Row("file", status.File)
	t.Row("sha256", status.Digest)
	t.Row("signature", signature(status.Signature))
	if err := errors.Join(t.End(), writeList(p.Stderr, "asks for", requests(*status.Manifest))); err != nil {
		return err
	}
	fmt.Fprintf(p.Stderr, "\ngrant\n  %s\n\nGive it? [y/N] ", given)
	answer, err := bufio.NewReader(p.Stdin).ReadString('\n')
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	if err != nil { // nobody is there to answer
		fmt.Fprintln(p.Stderr)
	}
	return errors.New("nothing was granted")
}

// listGrants lists what plugins may do, by whose word.
func (p program) listGrants(ctx context.Context) error {
	var grants []admin.GrantInfo
	if done, err := p.Fetch(ctx, "/v1/grants", &grants); done || err != nil {
		return err
	}
	t := cli.NewTable(p.Stdout, "PLUGIN", "OF", "REACHES", "SECRETS", "SETTINGS", "FROM", "SESSIONS")
	for _, g := range grants {
		of := g.Of
		if digest, is := strings.CutPrefix(of, "sha256:"); is {
			of = "sha256:" + digest[:min(len(digest), 12)]
		}
		t.Row(g.Plugin, of, strings.Join(g.Egress, ", "), strings.Join(slices.Concat(g.Secrets, g.Keys), ", "),
			strings.Join(slices.Sorted(maps.Keys(g.Config)), ", "), g.Origin.String(), strconv.Itoa(g.Sessions))
	}
	return t.End()
}

var digestPattern = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

func (p program) revokeCommand() *cobra.Command {
	var digest, signer string
	c := &cobra.Command{
		Use:   "revoke NAME",
		Short: "Take back what a plugin was given",
		Long: `Take back what the plugin NAME was given by "plugin grant" or the API, whatever
content it was given to, or with --digest to that content alone, with --signer
to what that key signs. Sessions that began with such a content fail from then
on; it says how many. What a workspace's grants.yaml gives is taken back there.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return p.revoke(c.Context(), args[0], digest, signer) },
	}
	p.ClientFlags(c)
	c.Flags().StringVar(&digest, "digest", "", "take back only what was given to the content with this `sha256`:...")
	c.Flags().StringVar(&signer, "signer", "", "take back only what was given to what the key of this `name` signs")
	c.MarkFlagsMutuallyExclusive("digest", "signer")
	return c
}

func (p program) revoke(ctx context.Context, name, digest, signer string) error {
	of := "sha256:" + strings.TrimPrefix(digest, "sha256:")
	if digest != "" && !digestPattern.MatchString(of) {
		return cli.Usage(fmt.Sprintf("--digest %q: want sha256: and 64 lower-case hexadecimal digits, as `trama plugin inspect` prints them", digest))
	}
	if signer != "" {
		of = grant.OfSigner(signer)
	}
	only := digest+signer != ""
	c, err := p.Client()
	if err != nil {
		return err
	}
	var grants []admin.GrantInfo
	if _, err := c.Do(ctx, "GET", "/v1/grants", nil, &grants); err != nil {
		return err
	}
	var owners []string // files that hold grants of it
	all := []catalog.Change{}
	for _, g := range grants {
		switch {
		case g.Plugin != name || only && g.Of != of:
		case g.Origin.Kind == "file":
			owners = append(owners, g.Origin.String())
		default:
			if g.Sessions > 0 {
				fmt.Fprintf(p.Stderr, "warning: sessions that began with %s of plugin %s, and fail at it from now on: %d\n", g.Of, name, g.Sessions)
			}
			var changes []catalog.Change
			path := "/v1/grants/" + url.PathEscape(name) + "?" + url.Values{"of": {g.Of}}.Encode()
			if _, err := c.Do(ctx, "DELETE", path, nil, &changes); err != nil {
				return err
			}
			all = append(all, changes...)
		}
	}
	if len(all) > 0 {
		if err := change.Print(p.Program, all); err != nil {
			return err
		}
	}
	if len(owners) > 0 {
		return fmt.Errorf("plugin %s has a grant in %s: remove it there", name, strings.Join(owners, ", "))
	}
	if len(all) == 0 && only {
		return fmt.Errorf("plugin %s has no grant of %s", name, of)
	}
	if len(all) == 0 {
		return fmt.Errorf("plugin %s has no grant", name)
	}
	return nil
}
