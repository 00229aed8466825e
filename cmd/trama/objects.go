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

	"github.com/trama-run/trama/cmd/trama/internal/change"
	"github.com/trama-run/trama/cmd/trama/internal/cli"
	"github.com/trama-run/trama/host/admin"
)

// objectKind is what the command line says of one type of object. The
// commands are the same for all: list, show, set, remove.
type objectKind struct {
	typ     string // as in /v1/<typ>s
	short   string
	example string // of a document
	// name says how people write the name, such as "METHOD PATH"; empty: there
	// is one such object, whose name is its type.
	name    string
	columns []column
}

// named gives the name that arguments make; it need not be quoted.
func (k objectKind) named(args []string) string {
	if k.name == "" {
		return k.typ
	}
	return strings.Join(args, " ")
}

// column is a column of a list: its head, and where its cells are in an
// object as the API gives it.
type column struct{ head, path string }

// objectKinds are those with the common commands.
func objectKinds() []objectKind {
	return []objectKind{
		{
			"route", "Look at routes of the gateway, set and remove them", "{method: POST, path: /orders/:id, flow: order-intake}", "METHOD PATH",
			[]column{{"METHOD", "value.method"}, {"PATH", "value.path"}, {"FLOW", "value.flow"}, {"WHO MAY CALL", "policy"}, {"FROM", "origin"}},
		},
		{"gateway", "Look at what holds for all routes, and set it", "{security: [{clients: any}]}", "", nil},
		{
			"channel", "Look at channels, set and remove them", "{id: crm, adapter: webhook, secrets: {secret: crm_sign}}", "ID",
			[]column{{"CHANNEL", "name"}, {"ADAPTER", "value.adapter"}, {"CONNECTION", "value.connection"}, {"FROM", "origin"}},
		},
		{
			"connection", "Look at connections to other systems, set and remove them", "{id: erp, base_url: https://erp.example.com, auth: {type: bearer, secret: erp_token}}", "ID",
			[]column{{"CONNECTION", "name"}, {"BASE URL", "value.base_url"}, {"AUTH", "value.auth.type"}, {"FROM", "origin"}},
		},
		{
			"alert", "Look at whom flows alert, set and remove it", "{id: operator, webhook: {url: https://ops.example.com/alerts}}", "ID",
			[]column{{"ALERT", "name"}, {"URL", "value.webhook.url"}, {"CHANNEL", "value.channel"}, {"TO", "value.to"}, {"FROM", "origin"}},
		},
		{
			"subscription", "Look at who is told of events, set and remove them", "{id: crm, url: https://crm.example.com/trama, events: [run.finished]}", "ID",
			[]column{{"SUBSCRIPTION", "name"}, {"URL", "value.url"}, {"EVENTS", "value.events"}, {"ENABLED", "value.enabled"}, {"FROM", "origin"}},
		},
	}
}

// objectCommands gives the commands of all kinds; more are what some have
// beside the common ones, by type.
func (p *program) objectCommands(more map[string][]*cobra.Command) []*cobra.Command {
	var all []*cobra.Command
	for _, k := range objectKinds() {
		all = append(all, cli.Group(k.typ, k.short, append(p.commonCommands(k), more[k.typ]...)...))
	}
	return all
}

// path is where the API has an object of this name.
func (k objectKind) path(name string) string {
	if k.name == "" {
		return "/v1/" + k.typ
	}
	return "/v1/" + k.typ + "s/" + url.PathEscape(name)
}

func (p *program) commonCommands(k objectKind) []*cobra.Command {
	most := len(strings.Fields(k.name))
	words := cobra.RangeArgs(min(most, 1), most)
	var file string
	list := &cobra.Command{
		Use:   "list",
		Short: "List the " + k.typ + "s",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return p.listObjects(c.Context(), k) },
	}
	show := &cobra.Command{
		Use:   strings.TrimSpace("show " + k.name),
		Short: "Show a " + k.typ,
		Args:  words,
		RunE: func(c *cobra.Command, args []string) error {
			return p.showObject(c.Context(), k, k.named(args))
		},
	}
	set := &cobra.Command{
		Use:   "set [-f FILE]",
		Short: "Create a " + k.typ + ", or put another document in its place",
		Long: fmt.Sprintf(`Create a %s, or put another document in its place. The document is YAML or JSON,
from stdin or a file, as a workspace has it. One that comes from a file of the
server's workspace is changed there.`, k.typ),
		Example: fmt.Sprintf("  echo '%s' | trama %s set", k.example, k.typ),
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return p.setObject(c.Context(), k, file) },
	}
	set.Flags().StringVarP(&file, "file", "f", "-", "`file` of the document; -: stdin")
	remove := &cobra.Command{
		Use:   strings.TrimSpace("remove " + k.name),
		Short: "Remove a " + k.typ + " that was not made by a file",
		Args:  words,
		RunE: func(c *cobra.Command, args []string) error {
			return change.Make(c.Context(), p.Program, "DELETE", k.path(k.named(args)), nil)
		},
	}
	p.ClientFlags(list, show, set, remove)
	if k.name == "" {
		return []*cobra.Command{show, set, remove}
	}
	return []*cobra.Command{list, show, set, remove}
}

func (p *program) listObjects(ctx context.Context, k objectKind) error {
	var objects []map[string]any
	if done, err := p.Fetch(ctx, "/v1/"+k.typ+"s", &objects); done || err != nil {
		return err
	}
	heads := make([]string, len(k.columns))
	for i, c := range k.columns {
		heads[i] = c.head
	}
	t := cli.NewTable(p.Stdout, heads...)
	for _, o := range objects {
		cells := make([]string, len(k.columns))
		for i, c := range k.columns {
			cells[i] = cell(o, c.path)
		}
		t.Row(cells...)
	}
	return t.End()
}

// cell gives what is at a path of an object, for people.
func cell(object map[string]any, path string) string {
	var value any = object
	for name := range strings.SplitSeq(path, ".") {
		members, _ := value.(map[string]any)
		value = members[name]
	}
	switch v := value.(type) {
	case nil:
		return ""
	case string:
		return v
	case []any:
		texts := make([]string, len(v))
		for i := range v {
			texts[i] = fmt.Sprint(v[i])
		}
		return strings.Join(texts, ", ")
	case map[string]any:
		if path == "origin" {
			return originText(v)
		}
	}
	return cli.Compact(value, 60)
}

func originText(o map[string]any) string {
	if o["origin"] == "file" {
		return fmt.Sprintf("%v:%v", o["file"], o["line"])
	}
	return fmt.Sprint(o["origin"])
}

func (p *program) showObject(ctx context.Context, k objectKind, name string) error {
	var o admin.ObjectInfo
	if done, err := p.Fetch(ctx, k.path(name), &o); done || err != nil {
		return err
	}
	t := cli.NewTable(p.Stdout)
	t.Row(k.typ, o.Name)
	t.Row("from", o.Origin.String())
	if o.Policy != "" {
		t.Row("who may call", o.Policy)
	}
	if err := t.End(); err != nil {
		return err
	}
	fmt.Fprintln(p.Stdout)
	return p.PrintJSON([]byte(o.Value))
}

// maxDocument is more than a document may have.
const maxDocument = 32 << 20

func (p *program) setObject(ctx context.Context, k objectKind, file string) error {
	var data []byte
	var err error
	if file == "-" {
		data, err = io.ReadAll(io.LimitReader(p.Stdin, maxDocument))
	} else {
		data, err = os.ReadFile(file)
	}
	if err != nil {
		return err
	}
	if len(strings.TrimSpace(string(data))) == 0 {
		return errors.New("the document is empty: nothing was set")
	}
	if k.name == "" {
		return change.Make(ctx, p.Program, "PUT", k.path(""), cli.Document(data))
	}
	changes, err := change.Send(ctx, p.Program, "POST", "/v1/"+k.typ+"s", cli.Document(data))
	if err == nil {
		err = change.Print(p.Program, changes)
	}
	if err != nil || k.typ != "subscription" || p.JSON {
		return err
	}
	return p.heldSubscriptions(ctx, changes)
}
