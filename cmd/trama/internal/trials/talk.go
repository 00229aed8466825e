package trials

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/trama-run/trama/cmd/trama/internal/cli"
	"github.com/trama-run/trama/cmd/trama/internal/runs"
	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/host/source"
	"github.com/trama-run/trama/host/trial"
	"github.com/trama-run/trama/pdk/abi"
)

// runFlags say how a flow is tried by hand.
type runFlags struct{ plugins, event, http, trigger, channel string }

func (p program) runCommand() *cobra.Command {
	var flags runFlags
	c := &cobra.Command{
		Use:   "run FILE|ID",
		Short: "Talk with a flow in the terminal, or call it with an event",
		Long: `Talk with a flow of the workspace, or in a file, without a server: what you type
is what the contact writes, and a number is the button or row of that number.
The contact is on the trigger's channel or, if that names none, on the first of
the workspace: messages are as they reach it, with what the channel has no form
for said by other means. A flow without a workspace has a channel for everything.
A flow that is called by the gateway, an event or a schedule takes its event
from --event, a file with a JSON or YAML object; one that is activated takes
its variables from there. Nothing outside is reached:
requests of plugins are answered by --http, a file with a list as in a case of
trama flow test, or fail. Of the commands, /advance 2h lets time pass, /skip
lets it pass until something happens, /vars shows the variables, /trace the
steps, and /quit ends.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return p.runFlow(c.Context(), args[0], flags) },
	}
	p.WorkspaceFlag(c)
	p.pluginsFlag(c, &flags.plugins)
	c.Flags().StringVar(&flags.event, "event", "", "`file` with the event that starts the flow")
	c.Flags().StringVar(&flags.http, "http", "", "`file` with answers to requests")
	c.Flags().StringVar(&flags.trigger, "trigger", "", "`id` of the trigger (default the flow's first)")
	c.Flags().StringVar(&flags.channel, "channel", "", "`id` of the channel to talk on (default the trigger's, or the first)")
	return c
}

func (p program) runFlow(ctx context.Context, name string, flags runFlags) (err error) {
	c := trial.Case{Flow: name, Trigger: flags.trigger, Now: trial.Instant{Time: time.Now().Truncate(time.Second)}}
	t := tried{workspace: filepath.Clean(p.Workspace), plugins: flags.plugins}
	if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() {
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		f, err := flow.Parse(name, data)
		if err != nil {
			return err
		}
		file, err := withWorkspace(name)
		if err != nil {
			return err
		}
		c.Flow, t.workspace, t.files = f.ID, file.workspace, file.flows
	}
	if flags.event != "" {
		data, err := os.ReadFile(flags.event)
		if err != nil {
			return err
		}
		if problems := source.Decode(flags.event, data, &c.Event); len(problems) > 0 {
			return problems
		}
	}
	if flags.http != "" {
		data, err := os.ReadFile(flags.http)
		if err != nil {
			return err
		}
		var problems source.Problems
		if c.HTTP, problems = trial.ParseExchanges(flags.http, data); len(problems) > 0 {
			return problems
		}
	}
	b, done, err := p.bench(ctx, t)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	if flags.channel != "" {
		who, err := b.Contact(flags.channel)
		if err != nil {
			return err
		}
		c.Contact = string(who)
	}
	w, err := b.World(ctx, c)
	if err != nil {
		return err
	}
	defer w.Close(ctx)
	talk := talk{program: p, World: w}
	if p.JSON {
		return talk.told(ctx, c.Event)
	}
	return talk.play(ctx, c.Event)
}

// play starts the flow and lives through what comes of it.
func (t *talk) play(ctx context.Context, event map[string]any) error {
	if !t.TakesMessages() {
		if err := t.Begin(ctx, event); err != nil {
			return err
		}
		if !t.Talks() {
			return t.end(ctx)
		}
		if err := t.show(ctx); err != nil {
			return err
		}
	}
	return t.loop(ctx)
}

// told plays without a word, and prints what came of it as JSON.
func (t *talk) told(ctx context.Context, event map[string]any) error {
	out := t.Stdout
	t.Stdout = io.Discard
	err := t.play(ctx, event)
	t.Stdout = out
	if err != nil && !errors.Is(err, cli.ErrReported) {
		return err
	}
	records, failed := t.Records(ctx)
	if failed != nil {
		return failed
	}
	outcome := map[string]any{"messages": t.sent, "runs": records, "problems": slices.Concat(t.Wrong(), t.unsent)}
	if a := t.Answer(); a != nil && a.Response != nil {
		outcome["answer"] = a.Response
	}
	return errors.Join(t.PrintJSON(outcome), err)
}

// talk is a conversation in the terminal.
type talk struct {
	program
	*trial.World
	choices []abi.Message // what a number stands for
	wrong   int           // of those that were shown
	sent    []abi.Message // that the channel got
	unsent  []string      // what it has no form for
}

// end shows what came of a flow that talks to nobody.
func (t *talk) end(ctx context.Context) error {
	if err := t.End(ctx); err != nil {
		return err
	}
	if err := t.trace(ctx); err != nil {
		return err
	}
	t.complain()
	if a := t.Answer(); a != nil && a.Response != nil {
		fmt.Fprintf(t.Stdout, "answer %d\n", a.Response.Status)
		if err := t.PrintJSON(a.Response.Body); err != nil {
			return err
		}
	}
	records, err := t.Records(ctx)
	if err != nil {
		return err
	}
	for _, r := range records {
		fmt.Fprintf(t.Stdout, "run %s\n", r.Status)
		if r.Error != nil {
			fmt.Fprintf(t.Stdout, "error  node %s: %s\n", r.Error.Node, cli.Printable(cli.ErrorText(&r.Error.Error)))
			return cli.ErrReported
		}
	}
	return nil
}

func (t *talk) loop(ctx context.Context) error {
	lines := bufio.NewScanner(t.Stdin)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		command, rest, _ := strings.Cut(line, " ")
		var err error
		switch {
		case line == "":
			continue
		case command == "/quit":
			return nil
		case command == "/vars":
			err = t.vars(ctx)
		case command == "/trace":
			err = t.trace(ctx)
		case command == "/advance":
			var to time.Time
			if to, err = trial.Later(t.Now(), strings.TrimSpace(rest)); err != nil {
				fmt.Fprintf(t.Stdout, "%v: write it as 90s, 2h or 3d\n", err)
				continue
			}
			err = t.pass(ctx, to)
		case command == "/skip":
			var due time.Time
			if due, err = t.Due(ctx); err == nil && due.IsZero() {
				fmt.Fprintln(t.Stdout, "nothing waits for time to pass")
				continue
			}
			if err == nil {
				err = t.pass(ctx, due)
			}
		case strings.HasPrefix(line, "/"):
			fmt.Fprintln(t.Stdout, "there are /advance SPAN, /skip, /vars, /trace and /quit")
			continue
		default:
			var m abi.Message
			if m, err = t.typed(ctx, line); err == nil {
				err = t.Receive(ctx, m)
			}
			if err == nil {
				err = t.show(ctx)
			}
		}
		if err != nil {
			return err
		}
	}
	return lines.Err()
}

// pass lets time pass.
func (t *talk) pass(ctx context.Context, to time.Time) error {
	fmt.Fprintf(t.Stdout, "(%s later)\n", to.Sub(t.Now()))
	if err := t.Advance(ctx, to); err != nil {
		return err
	}
	return t.show(ctx)
}

// typed is what a line means: the choice of that number, or a text. A number
// that the text itself gave is one, as the contact writes it.
func (t *talk) typed(ctx context.Context, line string) (abi.Message, error) {
	text := abi.Message{Type: abi.MessageText, Text: line}
	n, err := strconv.Atoi(line)
	if err != nil || n < 1 || n > len(t.choices) {
		return text, nil
	}
	if written, err := t.Numbered(ctx, n); err != nil || written {
		return text, err
	}
	return t.choices[n-1], nil
}

// show prints what the flow sent, and what it waits for.
func (t *talk) show(ctx context.Context) error {
	sent, unsent := t.Take()
	for _, m := range sent {
		t.sent = append(t.sent, m)
		t.message(m)
	}
	for _, line := range unsent {
		t.unsent = append(t.unsent, line)
		fmt.Fprintf(t.Stdout, "(%s)\n", cli.Printable(line))
	}
	t.complain()
	s, found, err := t.Session(ctx)
	if err != nil {
		return err
	}
	switch due := s.Due; {
	case !found:
		records, err := t.Records(ctx)
		if err != nil || len(records) == 0 {
			fmt.Fprintln(t.Stdout, "(no flow takes this message)")
			return err
		}
		last := records[len(records)-1]
		fmt.Fprintf(t.Stdout, "(the run is %s)\n", last.Status)
		if last.Error != nil {
			fmt.Fprintf(t.Stdout, "(node %s: %s)\n", last.Error.Node, cli.Printable(cli.ErrorText(&last.Error.Error)))
		}
	case !s.Listens() && !due().IsZero():
		fmt.Fprintf(t.Stdout, "(it waits for %s: /skip, or /advance)\n", due().Sub(t.Now()))
	}
	return nil
}

// complain tells of requests that had no answer.
func (t *talk) complain() {
	for _, line := range t.Wrong()[t.wrong:] {
		fmt.Fprintf(t.Stdout, "(%s)\n", cli.Printable(line))
	}
	t.wrong = len(t.Wrong())
}

// message prints a message, with its choices as numbers.
func (t *talk) message(m abi.Message) {
	if len(m.Buttons) > 0 || m.List != nil {
		t.choices = nil
	}
	text := m.Text
	if m.Type != abi.MessageText && m.Type != abi.MessageButtons && m.Type != abi.MessageList {
		data, err := json.Marshal(m)
		if err != nil {
			data = []byte(err.Error())
		}
		text = fmt.Sprintf("[%s] %s", m.Kind(), data)
	}
	fmt.Fprintf(t.Stdout, "< %s\n", strings.ReplaceAll(cli.Printable(text), "\n", "\n  "))
	choose := func(kind abi.MessageType, id, title string) {
		t.choices = append(t.choices, abi.Message{Type: kind, Text: title, Payload: id})
		fmt.Fprintf(t.Stdout, "  %d) %s\n", len(t.choices), cli.Printable(title))
	}
	for _, b := range m.Buttons {
		choose(abi.MessageButtonReply, b.ID, b.Title)
	}
	if m.List != nil {
		for _, section := range m.List.Sections {
			for _, row := range section.Rows {
				choose(abi.MessageListReply, row.ID, row.Title)
			}
		}
	}
}

func (t *talk) vars(ctx context.Context) error {
	user, err := t.User(ctx)
	if err != nil {
		return err
	}
	shown := map[string]any{"user": user}
	if s, found, err := t.Session(ctx); err == nil && found {
		shown["flow"] = s.Position().Vars
	}
	return t.PrintJSON(shown)
}

func (t *talk) trace(ctx context.Context) error {
	records, err := t.Records(ctx)
	if err != nil {
		return err
	}
	for _, r := range records {
		for _, s := range r.Steps {
			runs.WriteStep(t.Stdout, s, cli.ShownWidth)
		}
		fmt.Fprintln(t.Stdout)
	}
	return nil
}
