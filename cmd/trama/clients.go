package main

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/trama-run/trama/cmd/trama/internal/change"
	"github.com/trama-run/trama/cmd/trama/internal/cli"
	"github.com/trama-run/trama/host/access"
	"github.com/trama-run/trama/host/admin"
)

// clientSettings are the settings of a client as flags give them.
type clientSettings struct {
	title       string
	scopes      []string
	rate, quota string
	signed      bool
	expires     string
}

func (s *clientSettings) add(c *cobra.Command) {
	c.Flags().StringVar(&s.title, "title", "", "what people call it")
	c.Flags().StringSliceVar(&s.scopes, "scope", nil, "a `scope` that it has, as routes name them; may be repeated")
	c.Flags().StringVar(&s.rate, "rate", "", "how many calls it may make in a `time`, such as 100/1m; none: as many as it likes")
	c.Flags().StringVar(&s.quota, "quota", "", "how many calls it may make in a period (`calls/period`), such as 10000/1d, counted over restarts; none: without a quota")
	c.Flags().BoolVar(&s.signed, "signed", false, "give it a secret to sign requests with")
}

func (s *clientSettings) read() (settings admin.ClientSettings, err error) {
	settings = admin.ClientSettings{Title: s.title, Scopes: s.scopes, Signed: s.signed}
	for _, r := range []struct {
		flag, text string
		into       *access.Rate
	}{{"--rate", s.rate, &settings.Rate}, {"--quota", s.quota, &settings.Quota}} {
		if r.text == "" || r.text == "none" {
			continue
		}
		if *r.into, err = access.ParseRate(r.text); err != nil {
			return settings, cli.Usage(r.flag + " " + err.Error())
		}
	}
	return settings, nil
}

func (p *program) clientCommand() *cobra.Command {
	var made, changed clientSettings
	create := &cobra.Command{
		Use:   "create NAME",
		Short: "Make a client: the id that it sends is shown this once",
		Long: `Make a client of the gateway. What it sends in the header client_id is printed,
this once: the server keeps only its hash. With --signed a second line is the
secret that it signs requests with.`,
		Example: "  trama client create erp --scope orders.write --rate 100/1m\n  curl -H \"client_id: trama_...\" http://127.0.0.1:8080/api/orders",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			settings, err := made.read()
			if err != nil {
				return err
			}
			q := admin.ClientRequest{Name: args[0], ClientSettings: settings}
			if q.Expires, err = instant("--expires", made.expires); err != nil {
				return err
			}
			return p.newKey(c.Context(), "/v1/clients", q)
		},
	}
	made.add(create)
	create.Flags().StringVar(&made.expires, "expires", "", "when its id ends: a `time` (RFC 3339), or a span such as 12h or 90d (default never)")
	list := &cobra.Command{
		Use:   "list",
		Short: "List the clients, and what they may",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return p.listClients(c.Context()) },
	}
	show := &cobra.Command{
		Use:   "show NAME",
		Short: "Show a client and its keys",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			var one admin.ClientInfo
			if done, err := p.Fetch(c.Context(), clientPath(args[0]), &one); done || err != nil {
				return err
			}
			return p.showClient(one)
		},
	}
	edit := &cobra.Command{
		Use:   "change NAME",
		Short: "Change what a client may; what no flag names stays, and so do its keys",
		Args:  cobra.ExactArgs(1),
		RunE:  func(c *cobra.Command, args []string) error { return p.changeClient(c, args[0], changed) },
	}
	changed.add(edit)
	remove := &cobra.Command{
		Use:   "remove NAME",
		Short: "Remove a client; its ids are refused at once",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return change.Make(c.Context(), p.Program, "DELETE", clientPath(args[0]), nil)
		},
	}
	commands := append([]*cobra.Command{create, list, show, edit, remove}, p.keyCommands()...)
	p.ClientFlags(commands...)
	return cli.Group("client", "Make callers of the gateway, look at them, renew and take back their ids", commands...)
}

// keyCommands are those that work on the keys of a client.
func (p *program) keyCommands() []*cobra.Command {
	var overlap, expires, key, at string
	rotate := &cobra.Command{
		Use:   "rotate NAME",
		Short: "Give a client another id: shown this once; the ones before end after --overlap",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			var q admin.RotateRequest
			var err error
			if overlap != "0" {
				if q.Until, err = instant("--overlap", overlap); err != nil {
					return err
				}
			}
			if q.Expires, err = instant("--expires", expires); err != nil {
				return err
			}
			return p.newKey(c.Context(), clientPath(args[0])+"/rotate", q)
		},
	}
	rotate.Flags().StringVar(&overlap, "overlap", "24h", "how long the ids go on that it has now, such as 12h or 7d; 0: not at all")
	rotate.Flags().StringVar(&expires, "expires", "", "when the new id ends: a `time` (RFC 3339), or a span such as 12h or 90d (default never)")
	expire := &cobra.Command{
		Use:   "expire NAME",
		Short: "Let the ids of a client end at a time, or one of them",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			end, err := instant("--at", at)
			if err != nil {
				return err
			}
			return p.endKeys(c.Context(), args[0], "expire", admin.KeyRequest{Key: key, At: end})
		},
	}
	expire.Flags().StringVar(&at, "at", "", "when: a `time` (RFC 3339), or a span such as 12h or 90d (default now)")
	revoke := &cobra.Command{
		Use:   "revoke NAME",
		Short: "Take the ids of a client back at once, or one of them",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return p.endKeys(c.Context(), args[0], "revoke", admin.KeyRequest{Key: key})
		},
	}
	for _, c := range []*cobra.Command{expire, revoke} {
		c.Flags().StringVar(&key, "key", "", "`id` of one key, as \"client show\" lists them (default all)")
	}
	return []*cobra.Command{rotate, expire, revoke}
}

func clientPath(name string) string { return "/v1/clients/" + url.PathEscape(name) }

// instant reads a flag that is an instant to come; empty: the zero time.
func instant(flag, text string) (at time.Time, err error) {
	if text == "" {
		return at, nil
	}
	if at, err = later(text, time.Now()); err != nil {
		return at, cli.Usage(flag + " " + err.Error())
	}
	return at, nil
}

// newKey asks for a key and prints its values.
func (p *program) newKey(ctx context.Context, path string, q any) error {
	c, err := p.Client()
	if err != nil {
		return err
	}
	var made admin.NewClientKey
	data, err := c.Do(ctx, "POST", path, q, &made)
	if err != nil {
		return err
	}
	if p.JSON {
		return p.PrintJSON(data)
	}
	what := "what it sends as client_id; it is not shown again"
	text := made.ClientID
	if made.Secret != "" {
		what = "what it sends as client_id, and what it signs with; they are not shown again"
		text += "\n" + made.Secret
	}
	fmt.Fprintf(p.Stderr, "client %s: %s:\n", made.Name, what)
	_, err = fmt.Fprintln(p.Stdout, text)
	return err
}

func (p *program) listClients(ctx context.Context) error {
	var clients []admin.ClientInfo
	if done, err := p.Fetch(ctx, "/v1/clients", &clients); done || err != nil {
		return err
	}
	t := cli.NewTable(p.Stdout, "CLIENT", "TITLE", "SCOPES", "RATE", "QUOTA", "IDS IN USE")
	for _, one := range clients {
		active := 0
		for _, k := range one.Keys {
			if k.State == access.KeyActive {
				active++
			}
		}
		t.Row(one.Name, one.Title, strings.Join(one.Scopes, ", "), one.Rate.String(), quotaText(one), fmt.Sprint(active))
	}
	return t.End()
}

// quotaText gives a client's quota with how much of it is used.
func quotaText(one admin.ClientInfo) string {
	if one.Quota.IsZero() {
		return ""
	}
	return fmt.Sprintf("%s (%d used)", one.Quota, one.Used)
}

func (p *program) showClient(one admin.ClientInfo) error {
	t := cli.NewTable(p.Stdout)
	for _, line := range [][2]string{
		{"client", one.Name}, {"title", one.Title}, {"scopes", strings.Join(one.Scopes, ", ")}, {"rate", one.Rate.String()}, {"quota", quotaText(one)},
	} {
		if line[1] != "" {
			t.Row(line[0], line[1])
		}
	}
	if err := t.End(); err != nil {
		return err
	}
	fmt.Fprintln(p.Stdout)
	t = cli.NewTable(p.Stdout, "KEY", "ENDS WITH", "STATE", "CREATED", "EXPIRES", "SIGNS")
	for _, k := range one.Keys {
		expires, signs := "never", "no"
		if !k.Expires.IsZero() {
			expires = cli.When(k.Expires)
		}
		if k.Signed {
			signs = "yes"
		}
		t.Row(k.ID, k.Hint, k.State, cli.When(k.Created), expires, signs)
	}
	return t.End()
}

// changeClient sends what a client is to be: what it is, but for the flags that
// are given.
func (p *program) changeClient(c *cobra.Command, name string, flags clientSettings) error {
	given, err := flags.read()
	if err != nil {
		return err
	}
	client, err := p.Client()
	if err != nil {
		return err
	}
	var one admin.ClientInfo
	if _, err := client.Do(c.Context(), "GET", clientPath(name), nil, &one); err != nil {
		return err
	}
	settings := one.ClientSettings
	for flag, set := range map[string]func(){
		"title": func() { settings.Title = given.Title }, "scope": func() { settings.Scopes = given.Scopes },
		"rate": func() { settings.Rate = given.Rate }, "quota": func() { settings.Quota = given.Quota },
		"signed": func() { settings.Signed = given.Signed },
	} {
		if c.Flags().Changed(flag) {
			set()
		}
	}
	return p.Change(c.Context(), "PUT", clientPath(name), settings, fmt.Sprintf("client %s is changed", name))
}

func (p *program) endKeys(ctx context.Context, name, how string, q admin.KeyRequest) error {
	c, err := p.Client()
	if err != nil {
		return err
	}
	var one admin.ClientInfo
	data, err := c.Do(ctx, "POST", clientPath(name)+"/"+how, q, &one)
	if err != nil {
		return err
	}
	if p.JSON {
		return p.PrintJSON(data)
	}
	return p.showClient(one)
}
