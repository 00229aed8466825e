package main

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/trama-run/trama/cmd/trama/internal/cli"
	"github.com/trama-run/trama/host/admin"
	"github.com/trama-run/trama/host/catalog"
)

func (p *program) tokenCommand() *cobra.Command {
	var role, expires string
	list := &cobra.Command{
		Use:   "list",
		Short: "List the tokens, whose they are and when they were used; never a value",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return p.listTokens(c.Context()) },
	}
	create := &cobra.Command{
		Use:   "create ID",
		Short: "Make a token for the admin API: it is shown this once",
		Long: `Make a token for the admin API and this command, which TRAMA_TOKEN or --token
takes. It is shown this once: the server keeps only its hash. Its role says what
it may:

  viewer    see what there is and what happened, and no secret
  operator  also retry and cancel runs, start flows, attend to contacts, replay
            dead letters, cancel messages
  admin     also change what is configured: flows, routes, grants, secrets, tokens

To put another in its place, make that under another ID and remove this one.`,
		Example: "  trama token create ci --role viewer --expires 90d",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			q := admin.TokenRequest{ID: args[0], Role: catalog.Role(role)}
			if expires != "" {
				at, err := later(expires, time.Now())
				if err != nil {
					return cli.Usage("--expires " + err.Error())
				}
				q.Expires = at
			}
			return p.createToken(c.Context(), q)
		},
	}
	create.Flags().StringVar(&role, "role", string(catalog.RoleViewer), "what it may: viewer, operator or admin")
	create.Flags().StringVar(&expires, "expires", "", "when it ends: a `time` (RFC 3339), or a span such as 12h or 90d (default never)")
	roles := cobra.FixedCompletions([]cobra.Completion{string(catalog.RoleViewer), string(catalog.RoleOperator), string(catalog.RoleAdmin)}, cobra.ShellCompDirectiveNoFileComp)
	if err := create.RegisterFlagCompletionFunc("role", roles); err != nil {
		panic(err) // the flag is made above
	}
	remove := &cobra.Command{
		Use:   "remove ID",
		Short: "Take a token back, at once",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return p.Change(c.Context(), "DELETE", "/v1/tokens/"+url.PathEscape(args[0]), nil, fmt.Sprintf("token %s is removed", args[0]))
		},
	}
	whoami := &cobra.Command{
		Use:   "whoami",
		Short: "Show whose token this command has, and its role",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return p.whoami(c.Context()) },
	}
	p.ClientFlags(list, create, remove, whoami)
	return cli.Group("token", "Look at tokens for the admin API, make them, take them back", list, create, remove, whoami)
}

// later reads an instant to come: RFC 3339, or a span from now, in days (90d)
// or as Go has it (12h).
func later(text string, now time.Time) (time.Time, error) {
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	span, err := time.ParseDuration(text)
	if days, isDays := strings.CutSuffix(text, "d"); isDays {
		var n int
		n, err = strconv.Atoi(days)
		span = time.Duration(n) * 24 * time.Hour
	}
	if err != nil || span <= 0 {
		return time.Time{}, fmt.Errorf("%q: want a time such as 2027-01-02T15:04:05Z, or a span such as 12h or 90d", text)
	}
	return now.Add(span), nil
}

func (p *program) listTokens(ctx context.Context) error {
	var tokens []admin.TokenInfo
	if done, err := p.Fetch(ctx, "/v1/tokens", &tokens); done || err != nil {
		return err
	}
	t := cli.NewTable(p.Stdout, "TOKEN", "ROLE", "ENDS WITH", "CREATED", "EXPIRES", "USED")
	for _, one := range tokens {
		expires, used := "never", "never"
		if !one.Expires.IsZero() {
			expires = cli.When(one.Expires)
		}
		if one.Expired {
			expires += " (it has)"
		}
		if !one.Used.IsZero() {
			used = cli.When(one.Used)
		}
		t.Row(one.ID, string(one.Role), one.Hint, cli.When(one.Created), expires, used)
	}
	return t.End()
}

func (p *program) createToken(ctx context.Context, q admin.TokenRequest) error {
	c, err := p.Client()
	if err != nil {
		return err
	}
	var made admin.NewToken
	data, err := c.Do(ctx, "POST", "/v1/tokens", q, &made)
	if err != nil {
		return err
	}
	if p.JSON {
		return p.PrintJSON(data)
	}
	fmt.Fprintf(p.Stderr, "token %s of the role %s; it is not shown again:\n", made.ID, made.Role)
	_, err = fmt.Fprintln(p.Stdout, made.Token)
	return err
}

func (p *program) whoami(ctx context.Context) error {
	var who admin.Caller
	if done, err := p.Fetch(ctx, "/v1/whoami", &who); done || err != nil {
		return err
	}
	_, err := fmt.Fprintf(p.Stdout, "%s, with the role %s\n", cli.Printable(who.Token), who.Role)
	return err
}
