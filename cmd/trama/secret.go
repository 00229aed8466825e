package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/trama-run/trama/cmd/trama/internal/cli"
	"github.com/trama-run/trama/host/admin"
)

func (p *program) secretCommand() *cobra.Command {
	list := &cobra.Command{
		Use:   "list",
		Short: "List the secrets, where each is and what names it; never a value",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return p.listSecrets(c.Context()) },
	}
	set := &cobra.Command{
		Use:   "set NAME",
		Short: "Set a secret to what is typed, or comes on stdin",
		Long: `Set the secret NAME to what is typed, unseen, or to what comes on stdin without its
last line break. The server keeps it encrypted, uses it from the next call on,
and shows it to nobody again. A secret that comes from the environment or from a
file is changed there.

A value is never an argument: other users of a machine see arguments.`,
		Example: "  printf %s \"$TOKEN\" | trama secret set erp_token",
		Args:    cobra.ExactArgs(1),
		RunE:    func(c *cobra.Command, args []string) error { return p.setSecret(c.Context(), args[0]) },
	}
	remove := &cobra.Command{
		Use:   "remove NAME",
		Short: "Remove a secret that was set",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return p.Change(c.Context(), "DELETE", secretPath(args[0]), nil, fmt.Sprintf("secret %s is removed", args[0]))
		},
	}
	p.ClientFlags(list, set, remove)
	return cli.Group("secret", "Look at secrets, and set them", list, set, remove)
}

func secretPath(name string) string { return "/v1/secrets/" + url.PathEscape(name) }

func (p *program) listSecrets(ctx context.Context) error {
	var secrets []admin.SecretInfo
	if done, err := p.Fetch(ctx, "/v1/secrets", &secrets); done || err != nil {
		return err
	}
	t := cli.NewTable(p.Stdout, "SECRET", "FROM", "SET", "NAMED BY")
	for _, s := range secrets {
		from, set := s.Source, ""
		if s.Missing {
			from = "missing"
		}
		if s.Unused {
			from += " (a value that was set is not used)"
		}
		if !s.Set.IsZero() {
			set = cli.When(s.Set)
		}
		t.Row(s.Name, from, set, strings.Join(s.Users, ", "))
	}
	return t.End()
}

func (p *program) setSecret(ctx context.Context, name string) error {
	value, err := p.readSecret(name)
	if err != nil {
		return err
	}
	return p.Change(ctx, "PUT", secretPath(name), admin.SecretValue{Value: value}, fmt.Sprintf("secret %s is set", name))
}

// maxSecret is more than a secret may have.
const maxSecret = 1 << 20

// readSecret takes a value from the terminal, which does not show it, or else
// from stdin.
func (p *program) readSecret(name string) (string, error) {
	if terminal, ok := p.Stdin.(*os.File); ok && term.IsTerminal(int(terminal.Fd())) {
		fmt.Fprintf(p.Stderr, "value of secret %s (it is not shown): ", cli.Printable(name))
		value, err := term.ReadPassword(int(terminal.Fd()))
		fmt.Fprintln(p.Stderr)
		if err != nil {
			return "", fmt.Errorf("read the value: %w", err)
		}
		return string(value), nil
	}
	data, err := io.ReadAll(io.LimitReader(p.Stdin, maxSecret))
	if err != nil {
		return "", fmt.Errorf("read the value: %w", err)
	}
	value := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	if value == "" {
		return "", errors.New("no value came on stdin: nothing was set")
	}
	return value, nil
}
