package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/trama-run/trama/cmd/trama/internal/cli"
	"github.com/trama-run/trama/host/admin"
)

func (p *program) healthCommand() *cobra.Command {
	var alive bool
	c := &cobra.Command{
		Use:   "health",
		Short: "Say whether a server takes new work; the exit code is 1 if not",
		Long: `Say whether a server takes new work, as GET /readyz of its admin listener does. The
exit code is 0 if it does, though some of what it does may be degraded, and 1
if not. With --alive it is 1 only if no server answers, or one that can't go on
until it is started again. It needs no token, which makes it the health check
of a container.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return p.health(c.Context(), alive) },
	}
	p.ClientFlags(c)
	c.Flags().BoolVar(&alive, "alive", false, "ask only whether the process can go on (GET /healthz)")
	return c
}

func (p *program) health(ctx context.Context, alive bool) error {
	c, err := p.Client()
	if err != nil {
		return err
	}
	path := "/readyz"
	if alive {
		path = "/healthz"
	}
	response, data, err := c.Ask(ctx, http.MethodGet, path, nil)
	if _, absent := errors.AsType[*cli.NoServerError](err); absent {
		fmt.Fprintf(p.Stderr, "trama: %v\n", err)
		return cli.ErrReported
	}
	if err != nil {
		return err
	}
	var health admin.Health // of /healthz: the status alone
	if err := json.Unmarshal(data, &health); err != nil || health.Status == "" {
		return c.Refused(response, data)
	}
	if p.JSON {
		err = p.PrintJSON(json.RawMessage(data))
	} else {
		err = p.printHealth(health)
	}
	if err == nil && response.StatusCode != http.StatusOK {
		err = cli.ErrReported
	}
	return err
}

func (p *program) printHealth(h admin.Health) error {
	text := h.Status + "\n"
	for _, c := range h.Checks {
		text += fmt.Sprintf("  %-9s %-16s %s\n", c.State, c.Name, c.Detail)
	}
	_, err := fmt.Fprint(p.Stdout, cli.Printable(text))
	return err
}
