package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/trama-run/trama/cmd/trama/internal/cli"
)

// completionTime is how long a completion waits for the server: a shell hangs
// as long.
const completionTime = 2 * time.Second

// completion says what completes the first argument of commands: a member of
// the entries that a listing of the server has.
type completion struct {
	command, children string // a command, and those of its children, if any
	path, member      string
}

func completions() []completion {
	all := []completion{
		{"activate", "", "/v1/flows", "id"},
		{"calls", "show", "/v1/calls", "id"},
		{"client", "show change rotate expire revoke remove", "/v1/clients", "name"},
		{"contact", "show human", "/v1/contacts", "key"},
		{"dead", "show replay cancel", "/v1/dead-letters", "id"},
		{"delivery", "show", "/v1/deliveries", "effect_id"},
		{"env", "set remove", "/v1/variables", "name"},
		{"flow", "show versions diff rollback remove migrate graph run", "/v1/flows", "id"},
		{"outbox", "cancel", "/v1/outbox", "effect_id"},
		{"plugin", "inspect grant revoke", "/v1/plugins", "name"},
		{"runs", "show retry cancel replay", "/v1/runs", "id"},
		{"secret", "set remove", "/v1/secrets", "name"},
		{"subscription", "enable replay state test", "/v1/subscriptions", "name"},
		{"token", "remove", "/v1/tokens", "id"},
	}
	for _, k := range objectKinds() {
		if k.name != "" {
			all = append(all, completion{k.typ, "show remove", "/v1/" + k.typ + "s", "name"})
		}
	}
	return all
}

// complete lets the commands of a tree complete their first arguments with
// what the server has. Where none answers, there is nothing to offer.
func (p *program) complete(root *cobra.Command) {
	for _, all := range completions() {
		for _, parent := range root.Commands() {
			if parent.Name() != all.command {
				continue
			}
			if all.children == "" {
				p.completeArgument(parent, all)
			}
			for _, child := range parent.Commands() {
				if strings.Contains(" "+all.children+" ", " "+child.Name()+" ") {
					p.completeArgument(child, all)
				}
			}
		}
	}
}

func (p *program) completeArgument(c *cobra.Command, from completion) {
	directive := cobra.ShellCompDirectiveNoFileComp
	if strings.Contains(c.Use, "FILE") {
		directive = cobra.ShellCompDirectiveDefault
	}
	c.ValidArgsFunction = func(c *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, directive
		}
		return p.names(c.Context(), from, begun), directive
	}
}

// names gives the members of a listing that begin so.
func (p *program) names(ctx context.Context, from completion, begun string) (names []cobra.Completion) {
	ctx, cancel := context.WithTimeout(ctx, completionTime)
	defer cancel()
	c, err := p.Client()
	if err != nil {
		return nil
	}
	var entries []map[string]any
	if _, err := c.Do(ctx, "GET", from.path, nil, &entries); err != nil {
		return nil
	}
	for _, e := range entries {
		if name := fmt.Sprint(e[from.member]); strings.HasPrefix(name, begun) {
			names = append(names, cli.Printable(name))
		}
	}
	return names
}
