package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/trama-run/trama/cmd/trama/internal/cli"
	"github.com/trama-run/trama/host/admin"
	"github.com/trama-run/trama/host/channel"
)

// channelCommands are those that channels have beside those of all objects.
func (p *program) channelCommands() []*cobra.Command {
	var file string
	connect := &cobra.Command{
		Use:   "connect ID",
		Short: "Tell a channel's service where to send webhooks, or say what to enter there",
		Long: `Tell a channel's service where to send webhooks, if its adapter can; else it says
what to enter at the service. The address is public_url of trama.yaml with
/hooks/ID.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return p.connectChannel(c.Context(), args[0]) },
	}
	check := &cobra.Command{
		Use:   "check ID",
		Short: "Try a channel out with a signed sample, stage by stage",
		Long: `Try a channel out, stage by stage: how it is set up, what its service says, and what
becomes of a sample that is sent to it as its service would send it, signed with
the channel's own secrets. A sample starts no flow and messages nobody. The exit
code is 1 if a stage failed.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return p.checkChannel(c.Context(), args[0], file) },
	}
	check.Flags().StringVar(&file, "body", "", "`file` with a request's body in the place of the sample; -: stdin")
	commands := []*cobra.Command{connect, check}
	p.ClientFlags(commands...)
	return commands
}

func channelPath(id, what string) string { return "/v1/channels/" + url.PathEscape(id) + "/" + what }

func (p *program) connectChannel(ctx context.Context, id string) error {
	c, err := p.Client()
	if err != nil {
		return err
	}
	var made channel.Connection
	data, err := c.Do(ctx, http.MethodPost, channelPath(id, "connect"), nil, &made)
	if err != nil {
		return err
	}
	if p.JSON {
		return p.PrintJSON(data)
	}
	t := cli.NewTable(p.Stdout)
	if told := made.Told; told != nil {
		t.Row("connected", made.URL)
		if told.Account != "" {
			t.Row("account", told.Account)
		}
		for _, note := range told.Notes {
			t.Row("note", note)
		}
		return t.End()
	}
	fmt.Fprintln(p.Stdout, "its adapter can't tell the service; enter there:")
	for _, e := range made.ByHand {
		t.Row("  "+e.What, e.Value)
	}
	return t.End()
}

func (p *program) checkChannel(ctx context.Context, id, file string) error {
	c, err := p.Client()
	if err != nil {
		return err
	}
	var q admin.CheckRequest
	if file != "" {
		var body []byte
		if body, err = p.readBody(file); err != nil {
			return err
		}
		q.Body = string(body)
	}
	var stages []channel.Stage
	data, err := c.Do(ctx, http.MethodPost, channelPath(id, "check"), q, &stages)
	if err != nil {
		return err
	}
	if p.JSON {
		err = p.PrintJSON(data)
	} else {
		err = p.printStages(stages)
	}
	if err == nil && slices.ContainsFunc(stages, func(s channel.Stage) bool { return s.State == channel.StageFailed }) {
		err = cli.ErrReported
	}
	return err
}

// readBody reads a file, or stdin.
func (p *program) readBody(file string) ([]byte, error) {
	if file == "-" {
		return io.ReadAll(p.Stdin)
	}
	return os.ReadFile(file)
}

func (p *program) printStages(stages []channel.Stage) error {
	for _, s := range stages {
		text := fmt.Sprintf("%-8s %-11s %s\n", s.State, s.Name, s.Detail)
		if s.Remedy != "" {
			text += "                     remedy: " + s.Remedy + "\n"
		}
		if _, err := fmt.Fprint(p.Stdout, cli.Printable(text)); err != nil {
			return err
		}
	}
	return nil
}
