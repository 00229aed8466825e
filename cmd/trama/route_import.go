package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/trama-run/trama/cmd/trama/internal/cli"
	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/openapi"
	"github.com/trama-run/trama/host/source"
)

// routeCommands are those of routes beside the common ones.
func (p *program) routeCommands() []*cobra.Command {
	var into, prefix string
	var dryRun bool
	c := &cobra.Command{
		Use:   "import FILE",
		Short: "Make routes and beginnings of flows of an OpenAPI document",
		Long: `Make routes and beginnings of flows of an OpenAPI document, 3.0 or 3.1, in YAML
or JSON. Routes are added at the end of routes.yaml, with the schemas, examples
and security of the document; each gets a flow that answers with the document's
example, or else with 501. What is there already stays as it is. What routes
can't say of the document is told, line by line.`,
		Example: "  trama route import petstore.yaml --into workspace --prefix /pets --dry-run",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return p.importRoutes(args[0], into, prefix, dryRun)
		},
	}
	c.Flags().StringVar(&into, "into", ".", "`directory` of the workspace that gets the files")
	c.Flags().StringVar(&prefix, "prefix", "", "`path` that goes before those of the document, such as /v1")
	c.Flags().BoolVar(&dryRun, "dry-run", false, "only say what would be made")
	return []*cobra.Command{c}
}

// Imported is what an import did.
type Imported struct {
	Routes []string `json:"routes"` // that were made
	Files  []string `json:"files"`  // that were written, or would be
	// Left are routes and files that were there already.
	Left  []string `json:"left"`
	Notes []string `json:"notes"` // what could not be mapped
	// DryRun says that nothing was written.
	DryRun bool `json:"dry_run"`
}

func (p *program) importRoutes(file, into, prefix string, dryRun bool) error {
	if prefix != "" && !strings.HasPrefix(prefix, "/") {
		return cli.Usage(fmt.Sprintf("prefix %q: want a path such as /v1", prefix))
	}
	data, err := readAtMost(file, source.MaxBytes)
	if err != nil {
		return err
	}
	made, problems := openapi.Read(file, data, prefix)
	if len(problems) > 0 {
		p.PrintProblems(problems)
		return errors.New("nothing was made")
	}
	done := Imported{Routes: []string{}, Files: []string{}, Left: []string{}, Notes: []string{}, DryRun: dryRun}
	for _, n := range made.Notes {
		done.Notes = append(done.Notes, n.Error())
	}
	routes, err := done.routes(filepath.Join(into, "routes.yaml"), made)
	if err != nil {
		return err
	}
	flows, err := done.flows(filepath.Join(into, "flows"), made)
	if err != nil {
		return err
	}
	if !dryRun {
		for _, f := range append(flows, routes...) { // flows first: no route without one
			if err := f.write(); err != nil {
				return err
			}
		}
	}
	return p.printImported(done)
}

// readAtMost reads a file that is not larger than a bound.
func readAtMost(path string, bound int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, bound+1))
	if int64(len(data)) > bound {
		return nil, fmt.Errorf("%s is larger than %d bytes: split the document", path, bound)
	}
	return data, err
}

// addition is a file that is to have more, or to be.
type addition struct {
	path   string
	before []byte // what is there; nil: no file
	more   []byte
}

// routes adds the routes that are not there yet to routes.yaml.
func (d *Imported) routes(path string, made openapi.Import) ([]addition, error) {
	before, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	known := map[string]bool{}
	if len(bytes.TrimSpace(before)) > 0 {
		var list []catalog.Route
		if problems := source.Decode(path, before, &list); len(problems) > 0 {
			return nil, problems
		}
		for _, r := range list {
			known[r.Shape()] = true
		}
	}
	wanted := made.Routes
	made.Routes = nil
	for _, r := range wanted {
		if known[r.Shape()] {
			d.Left = append(d.Left, "route "+r.Name())
			continue
		}
		made.Routes = append(made.Routes, r)
		d.Routes = append(d.Routes, r.Name())
	}
	more, err := made.RoutesYAML()
	if err != nil || len(more) == 0 {
		return nil, err
	}
	if len(before) > 0 && before[len(before)-1] != '\n' {
		more = append([]byte("\n"), more...)
	}
	var all []catalog.Route
	if problems := source.Decode(path, append(bytes.Clone(before), more...), &all); len(problems) > 0 {
		return nil, fmt.Errorf("%s can't take more routes at its end: write it as a list of one entry a line, each behind a dash, or take another --into (%s)", path, problems.Error())
	}
	d.Files = append(d.Files, path)
	return []addition{{path, before, more}}, nil
}

// flows makes the flows that are not there yet.
func (d *Imported) flows(dir string, made openapi.Import) (files []addition, err error) {
	for _, b := range made.Flows {
		path := filepath.Join(dir, b.ID+".yaml")
		if _, err := os.Lstat(path); err == nil {
			d.Left = append(d.Left, path)
			continue
		}
		text, err := b.YAML()
		if err != nil {
			return nil, err
		}
		if len(text) > source.MaxBytes {
			return nil, fmt.Errorf("%s would be larger than %d bytes: take the example out of the document", path, source.MaxBytes)
		}
		d.Files = append(d.Files, path)
		files = append(files, addition{path: path, more: text})
	}
	return files, nil
}

// write writes the file, whole or not at all. One that came to be in the
// meantime, or has changed, stays.
func (a addition) write() error {
	if err := os.MkdirAll(filepath.Dir(a.path), 0o777); err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(a.path), ".import-*")
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name()) // gone already if all went well
	mode := os.FileMode(0o644)
	if info, err := os.Stat(a.path); err == nil {
		mode = info.Mode().Perm()
	}
	_, err = temp.Write(append(bytes.Clone(a.before), a.more...))
	if err = errors.Join(err, temp.Chmod(mode), temp.Sync(), temp.Close()); err != nil {
		return err
	}
	if a.before == nil {
		return os.Link(temp.Name(), a.path) // fails if there is one
	}
	if now, err := os.ReadFile(a.path); err != nil || !bytes.Equal(now, a.before) {
		return fmt.Errorf("%s has changed while this ran, and was left as it is: run it again", a.path)
	}
	return os.Rename(temp.Name(), a.path)
}

// printImported says what was done.
func (p *program) printImported(d Imported) error {
	if p.JSON {
		return p.PrintJSON(d)
	}
	verb := "wrote"
	if d.DryRun {
		verb = "would write"
	}
	t := cli.NewTable(p.Stdout)
	for _, name := range d.Files {
		t.Row(verb, name)
	}
	for _, name := range d.Routes {
		t.Row("route", name)
	}
	for _, name := range d.Left {
		t.Row("left", name, "it is there already")
	}
	if err := t.End(); err != nil {
		return err
	}
	for _, n := range d.Notes {
		fmt.Fprintln(p.Stdout, "note  "+cli.Printable(n))
	}
	return nil
}
