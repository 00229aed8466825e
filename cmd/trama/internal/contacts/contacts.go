// Package contacts has the commands for contacts: to find, change, merge and erase
// them, to take conversations over, and to bring contacts in and out as CSV.
package contacts

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/trama-run/trama/cmd/trama/internal/cli"
	"github.com/trama-run/trama/host/admin"
)

// program is one execution of trama.
type program struct{ *cli.Program }

// Command returns "contact".
func Command(of *cli.Program) *cobra.Command {
	p := program{of}
	var after string
	filters := map[string]*string{}
	var attended bool
	var limit int
	list := &cobra.Command{
		Use:   "list",
		Short: "List contacts, by their keys",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return p.listContacts(c.Context(), after, attended, limit, filters)
		},
	}
	list.Flags().StringVar(&after, "after", "", "only those after the one with this `key`")
	list.Flags().BoolVar(&attended, "human", false, "only those to whom a person attends")
	for _, f := range [][2]string{
		{"person", "only those whose `name` has this in it"}, {"prefix", "only those with an address whose `key` begins so, such as wa/"},
		{"tag", "only those with this `tag`"}, {"variable", "only those with this variable, `name=value`"},
		{"language", "only those of this language, a `tag` such as pt"}, {"opt_in", "only those with an address that is `in`, out or unknown"},
		{"seen_since", "only those that wrote at this `time` or later (RFC 3339)"}, {"seen_until", "only those that wrote last before this `time`, or never"},
		{"merged_since", "only those into which another was merged at this `time` or later"},
	} {
		filters[f[0]] = list.Flags().String(strings.ReplaceAll(f[0], "_", "-"), "", f[1])
	}
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
				return cli.Usage(fmt.Sprintf("%q: want on or off", args[1]))
			}
			return p.setHuman(c.Context(), args[0], args[1] == "on")
		},
	}
	p.ClientFlags(list, show, human)
	return cli.Group("contact", "Look at contacts, change them, and take conversations over", slices.Concat([]*cobra.Command{list, show, human}, p.contactChanges(), p.contactCSV())...)
}

func contactPath(key string) string { return "/v1/contacts/" + url.PathEscape(key) }

func (p program) listContacts(ctx context.Context, after string, attended bool, limit int, filters map[string]*string) error {
	query := url.Values{"after": {after}, "limit": {strconv.Itoa(limit)}, "with_human": {strconv.FormatBool(attended)}}
	for name, value := range filters {
		if *value != "" {
			query.Set(name, *value)
		}
	}
	var list []admin.ContactInfo
	if done, err := p.Fetch(ctx, "/v1/contacts?"+query.Encode(), &list); done || err != nil {
		return err
	}
	t := cli.NewTable(p.Stdout, "CONTACT", "NAME", "WROTE", "HUMAN", "TAGS")
	for _, one := range list {
		t.Row(string(one.Key), one.Name, wrote(one), human(one), strings.Join(one.Tags, ", "))
	}
	return t.End()
}

// wrote says when a contact wrote last.
func wrote(c admin.ContactInfo) string {
	if c.LastSeen.IsZero() {
		return "never"
	}
	return cli.When(c.LastSeen)
}

func human(c admin.ContactInfo) string {
	if c.WithHuman {
		return "on"
	}
	return "off"
}

func (p program) showContact(ctx context.Context, key string) error {
	var d admin.ContactDetail
	if done, err := p.Fetch(ctx, contactPath(key), &d); done || err != nil {
		return err
	}
	t := cli.NewTable(p.Stdout)
	t.Row("contact", string(d.Key))
	t.Row("name", d.Name)
	t.Row("wrote", wrote(d.ContactInfo))
	t.Row("human", human(d.ContactInfo))
	t.Row("tags", strings.Join(d.Tags, ", "))
	for _, at := range d.Also {
		t.Row("also", string(at))
	}
	if d.Language != "" {
		t.Row("language", d.Language)
	}
	for _, at := range slices.Sorted(maps.Keys(d.Opts)) {
		t.Row("opt-in", fmt.Sprintf("%s %s, by %s %s", at, d.Opts[at].State, d.Opts[at].By, cli.When(d.Opts[at].At)))
	}
	if d.Blocked != nil {
		t.Row("blocked", fmt.Sprintf("by %s %s; %d dropped since", d.Blocked.By, cli.When(d.Blocked.At), d.Blocked.Left))
	}
	if d.Waiting > 0 {
		t.Row("waiting", fmt.Sprintf("%d flows for the end of the present run", d.Waiting))
	}
	if s := d.Session; s != nil {
		t.Row("run", s.Run)
		t.Row("flow", fmt.Sprintf("%s v%d, %s at %s", s.Flow, s.Version, s.Status, s.Node))
		if !s.Due.IsZero() {
			t.Row("due", cli.When(s.Due))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(d.Variables)) {
		t.Row("user."+name, cli.Compact(d.Variables[name], cli.ShownWidth))
	}
	return t.End()
}

func (p program) setHuman(ctx context.Context, key string, on bool) error {
	c, err := p.Client()
	if err != nil {
		return err
	}
	data, err := c.Do(ctx, "PUT", contactPath(key), map[string]bool{"with_human": on}, nil)
	if err != nil {
		return err
	}
	if p.JSON {
		return p.PrintJSON(data)
	}
	text := "flows answer %s again\n"
	if on {
		text = "a person attends to %s: flows are silent\n"
	}
	_, err = fmt.Fprintf(p.Stdout, text, cli.Printable(key))
	return err
}
