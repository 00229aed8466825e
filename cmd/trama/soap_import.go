package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/trama-run/trama/cmd/trama/internal/cli"
	"github.com/trama-run/trama/cmd/trama/internal/local"
	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/openapi"
	"github.com/trama-run/trama/host/plugintest"
	"github.com/trama-run/trama/host/source"
	"github.com/trama-run/trama/host/workspace"
)

// soapImport is what "soap import" is told.
type soapImport struct {
	plugin, operation, port, into, prefix, connection, root string

	dryRun bool
}

func (p *program) soapCommand() *cobra.Command {
	var flags soapImport
	c := &cobra.Command{
		Use:   "import FILE.wsdl",
		Short: "Make routes and flows of a SOAP service's WSDL",
		Long: `Make a route and a flow of each operation of a WSDL 1.1 document: JSON comes in
at the gateway, soap.call takes it to the service by the service's own schema,
and JSON goes out. Routes are added at the end of routes.yaml, with schemas of
their bodies; what is there already stays as it is.

Documents that FILE imports are read from its directory and below; for those
beside it, such as ../xsd/types.xsd, name by --root a directory that holds both.
Remote ones are not fetched: save them there, and let the import name the file.
FILE is read by the plugin soap, in its sandbox; needs no server.`,
		Example: "  trama soap import erp.wsdl --operation PlaceOrder --connection erp --into workspace --dry-run",
		Args:    cobra.ExactArgs(1),
		RunE:    func(c *cobra.Command, args []string) error { return p.importSOAP(c.Context(), args[0], flags) },
	}
	c.Flags().StringVar(&flags.plugin, "plugin", "", "`file` of the plugin soap (default plugins/soap.wasm beside this program)")
	c.Flags().StringVar(&flags.operation, "operation", "", "`name` of the one operation to import (default all)")
	c.Flags().StringVar(&flags.port, "port", "", "`name` of the service's port (default the first)")
	c.Flags().StringVar(&flags.root, "root", "", "`directory` in which imported documents are, and FILE (default that of FILE)")
	c.Flags().StringVar(&flags.into, "into", ".", "`directory` of the workspace that gets the files")
	c.Flags().StringVar(&flags.prefix, "prefix", "", "`path` that goes before those of the routes, such as /erp")
	c.Flags().StringVar(&flags.connection, "connection", "erp", "`id` of the connection that the flows call")
	c.Flags().BoolVar(&flags.dryRun, "dry-run", false, "only say what would be made")
	return cli.Group("soap", "Use SOAP services", c)
}

// soapServices is what the plugin's operation wsdl gives.
type soapServices struct {
	Services []struct {
		Name  string     `json:"name"`
		Ports []soapPort `json:"ports"`
	} `json:"services"`
}

type soapPort struct {
	Name       string          `json:"name"`
	Address    string          `json:"address"`
	Operations []soapOperation `json:"operations"`
}

type soapOperation struct {
	Name         string         `json:"name"`
	Unsupported  string         `json:"unsupported"`
	Notes        []string       `json:"notes"`
	InputSchema  map[string]any `json:"input_schema"`
	OutputSchema map[string]any `json:"output_schema"`
	OutputName   string         `json:"output_name"`
	With         map[string]any `json:"with"`
}

func (p *program) importSOAP(ctx context.Context, file string, flags soapImport) error {
	if flags.prefix != "" && !strings.HasPrefix(flags.prefix, "/") {
		return cli.Usage(fmt.Sprintf("prefix %q: want a path such as /erp", flags.prefix))
	}
	if flags.plugin == "" {
		own, err := os.Executable()
		if err != nil {
			return err
		}
		flags.plugin = filepath.Join(filepath.Dir(own), "plugins", "soap.wasm")
	}
	services, err := p.readWSDL(ctx, file, flags)
	if err != nil {
		return err
	}
	done := Imported{Routes: []string{}, Files: []string{}, Left: []string{}, Notes: []string{}, DryRun: flags.dryRun}
	made, flows, err := done.soap(services, flags)
	if err != nil {
		return err
	}
	routes, err := done.routes(filepath.Join(flags.into, "routes.yaml"), made)
	if err != nil {
		return err
	}
	if !flags.dryRun {
		for _, f := range append(flows, routes...) { // flows first: no route without one
			if err := f.write(); err != nil {
				return err
			}
		}
	}
	return p.printImported(done)
}

// readWSDL has the plugin read a document, and gives it those that it imports
// until none is missing.
func (p *program) readWSDL(ctx context.Context, file string, flags soapImport) (services soapServices, err error) {
	opened, done, err := local.OpenPlugin(ctx, flags.plugin, "")
	if err != nil {
		return services, fmt.Errorf("%w: name the plugin soap's file by --plugin", err)
	}
	defer func() { err = errors.Join(err, done()) }()
	text, err := readAtMost(file, source.MaxBytes)
	if err != nil {
		return services, err
	}
	from, root, err := openImports(file, flags.root)
	if err != nil {
		return services, err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	documents := map[string]string{}
	for {
		input, err := json.Marshal(map[string]any{"wsdl": string(text), "documents": documents, "operation": flags.operation, "port": flags.port})
		if err != nil {
			return services, err
		}
		out, err := opened.Call(ctx, plugintest.Call{Export: "wsdl", Input: input})
		if err != nil {
			return services, err
		}
		if out.Error == nil {
			return services, json.Unmarshal(out.Output, &services)
		}
		var missing struct{ Locations []string }
		if out.Error.Code != "wsdl_missing" || json.Unmarshal(out.Error.Detail, &missing) != nil || len(missing.Locations) == 0 {
			return services, fmt.Errorf("%s: %s", file, cli.ErrorText(out.Error))
		}
		for _, location := range missing.Locations {
			if strings.Contains(location, "://") {
				return services, fmt.Errorf("%s imports %s, which is not fetched: save it beside %s, and let the import name the file", file, location, file)
			}
			path := filepath.Join(from, filepath.FromSlash(location))
			if strings.HasPrefix(location, "/") || !filepath.IsLocal(path) {
				return services, fmt.Errorf("%s imports %s, which is not in %s: name by --root a directory that holds both", file, location, root.Name())
			}
			data, err := root.ReadFile(path)
			if err != nil {
				return services, fmt.Errorf("%s imports %s: %w", file, location, err)
			}
			if len(data) > source.MaxBytes {
				return services, fmt.Errorf("%s is larger than %d bytes", location, source.MaxBytes)
			}
			documents[location] = string(data)
		}
	}
}

// openImports opens the directory that imported documents are read from: nothing
// above it is, whatever a document names. from is where in it the file lies.
func openImports(file, dir string) (from string, root *os.Root, err error) {
	dir = cmp.Or(dir, filepath.Dir(file))
	below, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		return "", nil, err
	}
	above, err := filepath.Abs(dir)
	if err != nil {
		return "", nil, err
	}
	if from, err = filepath.Rel(above, below); err != nil || !filepath.IsLocal(from) {
		return "", nil, cli.Usage(fmt.Sprintf("root %q: %s is not in it: name a directory that holds it, and what it imports", dir, file))
	}
	root, err = os.OpenRoot(dir)
	return from, root, err
}

// soap makes routes, and the flows that are not there yet.
func (d *Imported) soap(services soapServices, flags soapImport) (made openapi.Import, flows []addition, err error) {
	port, ok := firstPort(services)
	if !ok {
		return made, nil, errors.New("the document has no port that speaks SOAP")
	}
	d.Notes = append(d.Notes, fmt.Sprintf("connections.yaml wants: - {id: %s, base_url: %s}", flags.connection, port.Address))
	taken := map[string]string{} // names of operations, by the ids of their flows
	for _, o := range port.Operations {
		if o.Unsupported != "" {
			d.Notes = append(d.Notes, o.Name+" is left out: "+o.Unsupported)
			continue
		}
		for _, note := range o.Notes {
			d.Notes = append(d.Notes, o.Name+": "+note)
		}
		id := flowID(o.Name, taken)
		text, err := soapFlow(id, o, flags.connection)
		if err != nil {
			return made, nil, err
		}
		if _, problems := workspace.Parse(workspace.Files{"flows/" + id + ".yaml": text}); len(problems) > 0 {
			d.Notes = append(d.Notes, fmt.Sprintf("%s is left out: its flow could not be published: %s", o.Name, problems[0].Message))
			continue
		}
		taken[id] = o.Name
		if plain := cmp.Or(kebab(o.Name), unnamed); id != plain {
			d.Notes = append(d.Notes, fmt.Sprintf("%s is the flow %s: %s is that of %s", o.Name, id, plain, taken[plain]))
		}
		route := catalog.Route{Method: "POST", Path: flags.prefix + "/" + id, Flow: id, Title: o.Name, Request: &catalog.RouteRequest{Schema: o.InputSchema}}
		if o.OutputName != "" {
			route.Response = &catalog.RouteResponse{Schema: o.OutputSchema}
		}
		made.Routes = append(made.Routes, route)
		path := filepath.Join(flags.into, "flows", id+".yaml")
		if _, err := os.Lstat(path); err == nil {
			d.Left = append(d.Left, path)
			continue
		}
		d.Files = append(d.Files, path)
		flows = append(flows, addition{path: path, more: text})
	}
	if len(made.Routes) == 0 {
		return made, nil, errors.New("nothing was made: " + strings.Join(d.Notes[1:], "; "))
	}
	return made, flows, nil
}

func firstPort(services soapServices) (soapPort, bool) {
	for _, s := range services.Services {
		for _, port := range s.Ports {
			if len(port.Operations) > 0 {
				return port, true
			}
		}
	}
	return soapPort{}, false
}

// unnamed is the id of an operation whose name has no letter that ids have.
const unnamed = "operation"

// flowID gives an operation's flow an id that none has: operations of one port
// may differ in what ids don't show, or in their messages alone.
func flowID(name string, taken map[string]string) string {
	id := cmp.Or(kebab(name), unnamed)
	for n := 2; ; n++ {
		if _, is := taken[id]; !is {
			return id
		}
		id = fmt.Sprintf("%s-%d", cmp.Or(kebab(name), unnamed), n)
	}
}

var words = regexp.MustCompile(`([a-z0-9])([A-Z])`)

// kebab makes a flow's id of an operation's name.
func kebab(name string) string {
	name = strings.ToLower(words.ReplaceAllString(name, "$1-$2"))
	return strings.Trim(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, name), "-")
}

// soapFlow writes the flow of an operation. A fault is answered as 502 with the
// fault in it, which the author may tell apart better.
func soapFlow(id string, o soapOperation, connection string) ([]byte, error) {
	o.With["body"] = "{{ input.body }}"
	answer := map[string]any{"status": 204}
	if o.OutputName != "" {
		name, err := json.Marshal(o.OutputName) // which may have dots and dashes
		if err != nil {
			return nil, err
		}
		answer = map[string]any{"status": 200, "body": "{{ input.body[" + string(name) + "] }}"}
	}
	type node struct {
		ID         string         `json:"id"`
		Type       string         `json:"type"`
		Connection string         `json:"connection,omitempty"`
		With       map[string]any `json:"with"`
	}
	data, err := json.Marshal(struct {
		Schema   int                 `json:"schema"`
		ID       string              `json:"id"`
		Title    string              `json:"title"`
		Triggers []map[string]string `json:"triggers"`
		Nodes    []node              `json:"nodes"`
		Edges    []map[string]string `json:"edges"`
	}{
		1, id, o.Name, []map[string]string{{"id": "start", "type": "gateway"}},
		[]node{
			{"call", "soap.call", connection, o.With},
			{"answer", "response.json", "", answer},
			{"refused", "response.json", "", map[string]any{
				"status": 502, "headers": map[string]string{"Content-Type": "application/problem+json"},
				"body": map[string]any{
					"type": "about:blank", "title": "Bad Gateway", "status": 502,
					"code": "{{ error.code }}", "detail": "{{ error.message }}", "fault": "{{ error.detail }}",
				},
			}},
		},
		[]map[string]string{{"from": "start", "to": "call"}, {"from": "call", "to": "answer"}, {"from": "call", "port": "error", "to": "refused"}},
	})
	if err != nil {
		return nil, err
	}
	text, err := source.YAML(data)
	if err == nil && len(text) > source.MaxBytes {
		err = fmt.Errorf("the flow of %s would be larger than %d bytes", o.Name, source.MaxBytes)
	}
	return text, err
}
