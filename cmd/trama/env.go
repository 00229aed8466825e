package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/trama-run/trama/cmd/trama/internal/cli"
	"github.com/trama-run/trama/host/admin"
)

func (p *program) envCommand() *cobra.Command {
	var text bool
	list := &cobra.Command{
		Use:   "list",
		Short: "List what flows see as env",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return p.listVariables(c.Context()) },
	}
	set := &cobra.Command{
		Use:   "set NAME VALUE",
		Short: "Set what flows see as env.NAME",
		Long: `Set what flows see as env.NAME, from their next step on. A VALUE that is JSON,
such as 10, true or {"a": 1}, is taken as that; any other is text. A variable of
trama.yaml is changed there. What nobody may see is a secret: see trama secret.`,
		Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			value := json.RawMessage(args[1])
			if text || !json.Valid(value) {
				data, err := json.Marshal(args[1])
				if err != nil {
					return err
				}
				value = data
			}
			return p.Change(c.Context(), "PUT", variablePath(args[0]), admin.VariableValue{Value: value}, fmt.Sprintf("env.%s is set", args[0]))
		},
	}
	set.Flags().BoolVar(&text, "text", false, "take the value as text, whatever it looks like")
	remove := &cobra.Command{
		Use:   "remove NAME",
		Short: "Remove a variable that was set",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return p.Change(c.Context(), "DELETE", variablePath(args[0]), nil, fmt.Sprintf("env.%s is removed", args[0]))
		},
	}
	p.ClientFlags(list, set, remove)
	return cli.Group("env", "Look at what flows see as env, and set it", list, set, remove)
}

func variablePath(name string) string { return "/v1/variables/" + url.PathEscape(name) }

func (p *program) listVariables(ctx context.Context) error {
	var variables []admin.ObjectInfo
	if done, err := p.Fetch(ctx, "/v1/variables", &variables); done || err != nil {
		return err
	}
	t := cli.NewTable(p.Stdout, "NAME", "VALUE", "FROM")
	for _, v := range variables {
		from := v.Origin.Kind
		if from == "file" {
			from = v.Origin.File
		}
		t.Row(v.Name, cli.Compact(v.Value, 80), from)
	}
	return t.End()
}
