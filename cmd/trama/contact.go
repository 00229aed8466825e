package main

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/trama-run/trama/host/admin"
)

func (p *program) contactCommand() *cobra.Command {
	var after string
	var attended bool
	var limit int
	list := &cobra.Command{
		Use:   "list",
		Short: "List contacts, by their keys",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return p.listContacts(c.Context(), after, attended, limit)
		},
	}
	list.Flags().StringVar(&after, "after", "", "only those after the one with this `key`")
	list.Flags().BoolVar(&attended, "human", false, "only those to whom a person attends")
	list.Flags().IntVar(&limit, "limit", 50, "how many at most")
	show := &cobra.Command{
		Use:   "show KEY",
		Short: "Show a contact, its variables and where its run stands",
		Args:  cobra.ExactArgs(1),
		RunE:  func(c *cobra.Command, args []string) error { return p.showContact(c.Context(), args[0]) },
	}
	human := &cobra.Command{
		Use:   "human KEY on|off",
		Short: "Say that a person attends to a contact: flows are silent until off",
		Args:  cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			if args[1] != "on" && args[1] != "off" {
				return usageError{fmt.Sprintf("%q: want on or off", args[1])}
			}
			return p.setHuman(c.Context(), args[0], args[1] == "on")
		},
	}
	p.clientFlags(list, show, human)
	return group("contact", "Look at contacts, and take conversations over", list, show, human)
}

func contactPath(key string) string { return "/v1/contacts/" + url.PathEscape(key) }

func (p *program) listContacts(ctx context.Context, after string, attended bool, limit int) error {
	c, err := p.client()
	if err != nil {
		return err
	}
	query := url.Values{"after": {after}, "limit": {strconv.Itoa(limit)}, "with_human": {strconv.FormatBool(attended)}}
	var list []admin.ContactInfo
	data, err := c.do(ctx, "GET", "/v1/contacts?"+query.Encode(), nil, &list)
	if err != nil {
		return err
	}
	if p.json {
		return p.printJSON(data)
	}
	t := newTable(p.stdout, "CONTACT", "NAME", "WROTE", "HUMAN", "TAGS")
	for _, one := range list {
		t.row(string(one.Key), one.Name, wrote(one), human(one), strings.Join(one.Tags, ", "))
	}
	return t.end()
}

// wrote says when a contact wrote last.
func wrote(c admin.ContactInfo) string {
	if c.LastSeen.IsZero() {
		return "never"
	}
	return when(c.LastSeen)
}

func human(c admin.ContactInfo) string {
	if c.WithHuman {
		return "on"
	}
	return "off"
}

func (p *program) showContact(ctx context.Context, key string) error {
	c, err := p.client()
	if err != nil {
		return err
	}
	var d admin.ContactDetail
	data, err := c.do(ctx, "GET", contactPath(key), nil, &d)
	if err != nil {
		return err
	}
	if p.json {
		return p.printJSON(data)
	}
	t := newTable(p.stdout)
	t.row("contact", string(d.Key))
	t.row("name", d.Name)
	t.row("wrote", wrote(d.ContactInfo))
	t.row("human", human(d.ContactInfo))
	t.row("tags", strings.Join(d.Tags, ", "))
	if d.Waiting > 0 {
		t.row("waiting", fmt.Sprintf("%d flows for the end of the present run", d.Waiting))
	}
	if s := d.Session; s != nil {
		t.row("run", s.Run)
		t.row("flow", fmt.Sprintf("%s v%d, %s at %s", s.Flow, s.Version, s.Status, s.Node))
		if !s.Due.IsZero() {
			t.row("due", when(s.Due))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(d.Variables)) {
		t.row("user."+name, compact(d.Variables[name], shownWidth))
	}
	return t.end()
}

func (p *program) setHuman(ctx context.Context, key string, on bool) error {
	c, err := p.client()
	if err != nil {
		return err
	}
	data, err := c.do(ctx, "PUT", contactPath(key), map[string]bool{"with_human": on}, nil)
	if err != nil {
		return err
	}
	if p.json {
		return p.printJSON(data)
	}
	text := "flows answer %s again\n"
	if on {
		text = "a person attends to %s: flows are silent\n"
	}
	_, err = fmt.Fprintf(p.stdout, text, printable(key))
	return err
}
