package contacts

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/trama-run/trama/cmd/trama/internal/cli"
	"github.com/trama-run/trama/host/admin"
	"github.com/trama-run/trama/host/contact"
	record "github.com/trama-run/trama/host/run"
)

// contactChanges are the commands that change contacts.
func (p program) contactChanges() []*cobra.Command {
	var force, dry, yes, sure bool
	merge := &cobra.Command{
		Use:   "merge KEY OTHER",
		Short: "Make one contact of two, for good: KEY stays, OTHER becomes an address of it",
		Long: `Make one contact of two, for good. KEY stays the contact's key. What both have,
such as a variable, stays KEY's, and is listed; what only OTHER has comes along.
It can't be undone. If both have a run that waits, nothing is done; --force cancels OTHER's.`,
		Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			if !sure {
				return cli.Usage("this can't be undone: look at both with trama contact show, then say --yes")
			}
			return p.mergeContacts(c.Context(), admin.MergeRequest{Into: contact.Key(args[0]), From: contact.Key(args[1]), Force: force})
		},
	}
	merge.Flags().BoolVar(&force, "force", false, "cancel OTHER's run, if both have one")
	merge.Flags().BoolVar(&sure, "yes", false, "do it")
	var name, language, opt, block string
	var add, remove, vars, drop []string
	set := &cobra.Command{
		Use:   "set KEY",
		Short: "Change a contact's name, language, opt-in, block, tags or variables",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			e := record.ContactEdit{Opt: opt, AddTags: add, RemoveTags: remove, Vars: map[string]any{}}
			if c.Flags().Changed("name") {
				e.Name = &name
			}
			if c.Flags().Changed("language") {
				e.Language = &language
			}
			if c.Flags().Changed("block") {
				if block != "on" && block != "off" {
					return cli.Usage(fmt.Sprintf("--block %q: want on or off", block))
				}
				on := block == "on"
				e.Blocked = &on
			}
			for _, pair := range vars {
				name, text, ok := strings.Cut(pair, "=")
				if !ok {
					return cli.Usage(fmt.Sprintf("--var %q: want name=text", pair))
				}
				e.Vars[name] = text
			}
			for _, name := range drop {
				e.Vars[name] = nil
			}
			return p.editContact(c.Context(), args[0], e)
		},
	}
	set.Flags().StringVar(&name, "name", "", "display `name`")
	set.Flags().StringVar(&language, "language", "", "`tag` of BCP 47, such as pt-BR")
	set.Flags().StringVar(&opt, "opt", "", "`in`, out or unknown: whether the address KEY may be written to")
	set.Flags().StringVar(&block, "block", "", "`on` or off: nothing comes in, nothing goes out")
	set.Flags().StringArrayVar(&add, "tag", nil, "a `tag` to add; may be repeated")
	set.Flags().StringArrayVar(&remove, "untag", nil, "a `tag` to remove; may be repeated")
	set.Flags().StringArrayVar(&vars, "var", nil, "a variable, `name=text`; may be repeated")
	set.Flags().StringArrayVar(&drop, "unset", nil, "`name` of a variable to remove; may be repeated")
	erase := &cobra.Command{
		Use:   "erase KEY",
		Short: "Remove all that the host keeps of a contact, and say what remains",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if !yes && !dry {
				return cli.Usage("this can't be undone: look with --dry-run, then say --yes")
			}
			return p.eraseContact(c.Context(), args[0], dry)
		},
	}
	erase.Flags().BoolVar(&dry, "dry-run", false, "only say what would be removed")
	erase.Flags().BoolVar(&yes, "yes", false, "do it")
	p.ClientFlags(merge, set, erase)
	return []*cobra.Command{merge, set, erase}
}

func (p program) mergeContacts(ctx context.Context, q admin.MergeRequest) error {
	c, err := p.Client()
	if err != nil {
		return err
	}
	var m record.Merged
	data, err := c.Do(ctx, "POST", "/v1/contacts/merge", q, &m)
	if err != nil {
		return err
	}
	if p.JSON {
		return p.PrintJSON(data)
	}
	fmt.Fprintf(p.Stdout, "%s is an address of %s now\n", cli.Printable(string(m.From)), cli.Printable(string(m.Key)))
	for _, one := range m.Conflicts {
		fmt.Fprintf(p.Stdout, "%s: kept %s, dropped %s\n", cli.Printable(one.Name), cli.Compact(one.Kept, cli.ShownWidth), cli.Compact(one.Dropped, cli.ShownWidth))
	}
	if m.Ended != "" {
		fmt.Fprintf(p.Stdout, "run %s was cancelled\n", m.Ended)
	}
	if m.Moved != "" {
		fmt.Fprintf(p.Stdout, "run %s goes on\n", m.Moved)
	}
	if len(m.Memory) > 0 {
		fmt.Fprintf(p.Stdout, "plugins that had a memory of both kept the first: %s\n", strings.Join(m.Memory, ", "))
	}
	return nil
}

func (p program) editContact(ctx context.Context, key string, e record.ContactEdit) error {
	c, err := p.Client()
	if err != nil {
		return err
	}
	data, err := c.Do(ctx, "PATCH", contactPath(key), e, nil)
	if err != nil {
		return err
	}
	if p.JSON {
		return p.PrintJSON(data)
	}
	_, err = fmt.Fprintf(p.Stdout, "%s is changed\n", cli.Printable(key))
	return err
}

func (p program) eraseContact(ctx context.Context, key string, dry bool) error {
	c, err := p.Client()
	if err != nil {
		return err
	}
	var e record.Erased
	data, err := c.Do(ctx, "DELETE", contactPath(key)+"?dry_run="+strconv.FormatBool(dry), nil, &e)
	if err != nil {
		return err
	}
	if p.JSON {
		return p.PrintJSON(data)
	}
	head := "removed"
	if dry {
		head = "would be removed"
	}
	fmt.Fprintf(p.Stdout, "%s:\n", head)
	for _, what := range slices.Sorted(maps.Keys(e.Removed)) {
		fmt.Fprintf(p.Stdout, "  %d %s\n", e.Removed[what], what)
	}
	fmt.Fprintln(p.Stdout, "what may remain:")
	for _, what := range e.Remains {
		fmt.Fprintf(p.Stdout, "  %s\n", what)
	}
	return nil
}
