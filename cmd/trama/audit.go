package main

import (
	"context"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/trama-run/trama/cmd/trama/internal/cli"
	"github.com/trama-run/trama/host/admin"
)

func (p *program) auditCommand() *cobra.Command {
	var token, object, since, until, before string
	var limit, status int
	list := &cobra.Command{
		Use:   "list",
		Short: "List what was done through the admin API, newest first",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			times, err := cli.Times(since, until)
			if err != nil {
				return err
			}
			query := url.Values{"limit": {strconv.Itoa(limit)}}
			for name, value := range map[string]string{"token": token, "object": object, "before": before, "since": times["since"], "until": times["until"]} {
				if value != "" {
					query.Set(name, value)
				}
			}
			if status != 0 {
				query.Set("status", strconv.Itoa(status))
			}
			return p.listAudit(c.Context(), query)
		},
	}
	list.Flags().StringVar(&token, "by", "", "only what the token with this `id` was used for")
	list.Flags().StringVar(&object, "object", "", "only changes of objects whose names begin with this `prefix`, such as flow/ or route/GET")
	list.Flags().IntVar(&status, "status", 0, "only what was answered with this HTTP `status`")
	list.Flags().StringVar(&since, "since", "", "only from this `time` on: RFC 3339, or a duration ago such as 2h")
	list.Flags().StringVar(&until, "until", "", "only from before this `time`")
	list.Flags().StringVar(&before, "before", "", "only entries older than the one with this `id`")
	list.Flags().IntVar(&limit, "limit", 50, "how many at most")
	p.ClientFlags(list)
	return cli.Group("audit", "Look at who changed what, and when", list)
}

func (p *program) listAudit(ctx context.Context, query url.Values) error {
	var entries []admin.AuditEntry
	if done, err := p.Fetch(ctx, "/v1/audit?"+query.Encode(), &entries); done || err != nil {
		return err
	}
	t := cli.NewTable(p.Stdout, "AT", "BY", "STATUS", "REQUEST", "CHANGED")
	for _, e := range entries {
		status := strconv.Itoa(e.Status)
		if e.Status == 0 {
			status = "unknown"
		}
		if e.Problem != "" {
			status += " " + e.Problem
		}
		t.Row(cli.When(e.At), e.Token, status, e.Method+" "+e.Path, strings.Join(e.Objects, ", "))
	}
	return t.End()
}
