package runs

import (
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/trama-run/trama/cmd/trama/internal/cli"
	record "github.com/trama-run/trama/host/run"
)

// activation is the command line of "activate".
type activation struct {
	flow, trigger, file, vars, id string
	contacts, pairs               []string
}

func (p program) activateCommand() *cobra.Command {
	var a activation
	c := &cobra.Command{
		Use:   "activate FLOW",
		Short: "Start a flow for contacts",
		Long: fmt.Sprintf(`Start a flow, by its trigger of type activate, for one contact or a list. While
a run of a contact waits, the flow starts when that one has ended, unless the
trigger interrupts.

A list is a CSV file whose first line names the columns, one of them "contact",
or a JSON file with a list of objects that have "contact"; a CSV file of one
column without a name is a list of contacts. The other columns are variables of
that contact. What the flow sees as input are the variables and the contact.

A list is sent in pages of %d contacts, each of them whole or not at all. With
--id a page is started once in eight days: after a failure, run the same
command again.`, record.MaxActivated),
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			a.flow = args[0]
			return p.activate(c.Context(), a)
		},
	}
	c.Flags().StringArrayVar(&a.contacts, "contact", nil, "`key` of a contact, such as wa/whatsapp:5511987654321; may be repeated")
	c.Flags().StringVar(&a.file, "contacts", "", "`file` of contacts: .csv or .json")
	c.Flags().StringArrayVar(&a.pairs, "var", nil, "a variable, `name=text`; may be repeated")
	c.Flags().StringVar(&a.vars, "vars", "", "variables, as a `JSON` object")
	c.Flags().StringVar(&a.trigger, "trigger", "", "`id` of the trigger (default the flow's first of type activate)")
	c.Flags().StringVar(&a.id, "id", "", "`name` of this list, so that each page is started once")
	p.ClientFlags(c)
	return c
}

// recipient is a contact with variables of its own.
type recipient struct {
	contact string
	vars    map[string]any
}

func (p program) activate(ctx context.Context, a activation) error {
	shared, err := variables(a.vars, a.pairs)
	if err != nil {
		return err
	}
	var list []recipient
	for _, key := range a.contacts {
		list = append(list, recipient{contact: key})
	}
	if a.file != "" {
		read, err := readContacts(a.file)
		if err != nil {
			return err
		}
		list = append(list, read...)
	}
	if len(list) == 0 {
		return cli.Usage("name the contacts with --contact or --contacts FILE")
	}
	if err := twice(list); err != nil {
		return err
	}
	pages, err := pagesOf(a, shared, list)
	if err != nil {
		return err
	}
	c, err := p.Client()
	if err != nil {
		return err
	}
	all, sent := record.Started{Runs: map[string]string{}}, 0
	for _, page := range pages {
		var started record.Started
		if _, err := c.Do(ctx, "POST", "/v1/activations", page, &started); err != nil {
			if sent == 0 && len(pages) == 1 {
				return err
			}
			again := "give --id a name to be able to run a list again; the contacts of this page and the ones after it have not been activated"
			if a.id != "" {
				again = "run the same command again to send the rest"
			}
			return fmt.Errorf("%d of %d contacts were activated, then, from %s on: %w; %s", sent, len(list), page.Contacts[0], err, again)
		}
		sent += len(page.Contacts)
		maps.Copy(all.Runs, started.Runs)
		all.Repeated = all.Repeated || started.Repeated
	}
	if p.JSON {
		return p.PrintJSON(all)
	}
	t := cli.NewTable(p.Stdout, "CONTACT", "RUN")
	for _, key := range slices.Sorted(maps.Keys(all.Runs)) {
		t.Row(key, all.Runs[key])
	}
	return t.End()
}

// pagesOf cuts a list into requests, each of as many contacts as one takes. The
// id of a page is made of the list's and of what the page says, so that a page
// which was sent is known again.
func pagesOf(a activation, shared map[string]any, list []recipient) ([]record.Activation, error) {
	var pages []record.Activation
	for some := range slices.Chunk(list, record.MaxActivated) {
		page := record.Activation{Flow: a.flow, Trigger: a.trigger, Variables: shared, Each: map[string]map[string]any{}}
		for _, r := range some {
			page.Contacts = append(page.Contacts, r.contact)
			if len(r.vars) > 0 {
				page.Each[r.contact] = r.vars
			}
		}
		if a.id != "" {
			content, err := json.Marshal(page)
			if err != nil {
				return nil, err
			}
			sum := sha256.Sum256(content)
			page.ID = a.id + "/" + hex.EncodeToString(sum[:8])
		}
		pages = append(pages, page)
	}
	return pages, nil
}

// twice says which contact is in a list twice.
func twice(list []recipient) error {
	seen := map[string]bool{}
	for _, r := range list {
		if seen[r.contact] {
			return fmt.Errorf("contact %s is in the list twice: name each once", r.contact)
		}
		seen[r.contact] = true
	}
	return nil
}

// variables joins an object and names with texts.
func variables(object string, pairs []string) (map[string]any, error) {
	vars := map[string]any{}
	if object != "" {
		d := json.NewDecoder(strings.NewReader(object))
		d.UseNumber()
		if err := d.Decode(&vars); err != nil || vars == nil {
			return nil, cli.Usage(`--vars: want a JSON object, such as '{"name": "Ana"}'`)
		}
	}
	for _, pair := range pairs {
		name, text, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			return nil, cli.Usage(fmt.Sprintf("--var %q: want name=text", pair))
		}
		vars[name] = text
	}
	return vars, nil
}

// readContacts reads a list of contacts.
func readContacts(file string) ([]recipient, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	read := readCSV
	if strings.EqualFold(filepath.Ext(file), ".json") {
		read = readJSON
	}
	list, err := read(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return list, nil
}

func readJSON(r io.Reader) (list []recipient, err error) {
	var objects []map[string]any
	d := json.NewDecoder(r)
	d.UseNumber()
	if err := d.Decode(&objects); err != nil {
		return nil, fmt.Errorf(`want a list such as [{"contact": "wa/whatsapp:5511987654321", "name": "Ana"}]: %w`, err)
	}
	for i, o := range objects {
		key, ok := o["contact"].(string)
		if !ok {
			return nil, fmt.Errorf(`entry %d has no text "contact"`, i+1)
		}
		delete(o, "contact")
		list = append(list, recipient{key, o})
	}
	return list, nil
}

func readCSV(r io.Reader) (list []recipient, err error) {
	lines := csv.NewReader(r)
	lines.TrimLeadingSpace = true
	head, err := lines.Read()
	if errors.Is(err, io.EOF) {
		return nil, errors.New("the file is empty")
	}
	if err != nil {
		return nil, err
	}
	head[0] = strings.TrimPrefix(head[0], "\ufeff")
	at := slices.Index(head, "contact")
	if at < 0 && len(head) == 1 && strings.Contains(head[0], "/") { // no head: contacts alone
		at, list, head = 0, []recipient{{contact: head[0]}}, []string{"contact"}
	}
	if at < 0 {
		return nil, fmt.Errorf(`line 1 names no column "contact", but %s`, strings.Join(head, ", "))
	}
	for {
		cells, err := lines.Read()
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err != nil {
			return nil, err
		}
		one := recipient{cells[at], map[string]any{}}
		for i, name := range head {
			if i != at {
				one.vars[name] = cells[i]
			}
		}
		list = append(list, one)
	}
}
