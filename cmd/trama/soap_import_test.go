package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/trama-run/trama/cmd/trama/internal/cli"
	"github.com/trama-run/trama/host/workspace"
)

// TestSOAPNames: whatever operations and elements are called, each gets a flow
// of its own that can be published, or it is said why not.
func TestSOAPNames(t *testing.T) {
	names := []string{"PlaceOrder", "place_order", "placeOrder", "PlaceOrder", "Ação", "查询", "注文", "..", "Place-Order-2", strings.Repeat("Long", 100)}
	elements := []string{"order", "order-line", "a.b", "ação", "查询", "in", "not", "let", "nil", "true", "_x", "if"}
	var services soapServices
	var port soapPort
	for n, name := range append(slices.Clone(names), elements...) {
		port.Operations = append(port.Operations, soapOperation{
			Name: name, OutputName: elements[n%len(elements)], With: map[string]any{"operation": name},
			InputSchema: map[string]any{"type": "object"}, OutputSchema: map[string]any{"type": "object"},
		})
	}
	port.Operations = append(port.Operations, soapOperation{Name: "Odd", With: map[string]any{"action": "{{ broken"}})
	services.Services = append(services.Services, struct {
		Name  string     `json:"name"`
		Ports []soapPort `json:"ports"`
	}{"s", []soapPort{port}})

	var done Imported
	made, flows, err := done.soap(services, soapImport{into: t.TempDir(), connection: "erp"})
	if err != nil {
		t.Fatal(err)
	}
	files := workspace.Files{}
	for _, f := range flows {
		files[f.path[strings.Index(f.path, "flows/"):]] = f.more
	}
	routes, err := made.RoutesYAML()
	if err != nil {
		t.Fatal(err)
	}
	files["routes.yaml"] = routes
	set, problems := workspace.Parse(files)
	notes := fmt.Sprint(done.Notes)
	left := strings.Count(notes, "could not be published")
	if len(problems) > 0 || len(set.Flows) != len(port.Operations)-left || len(set.Routes) != len(set.Flows) {
		t.Errorf("%d operations became %d flows and %d routes: %v\n%s", len(port.Operations), len(set.Flows), len(set.Routes), problems, notes)
	}
	if left > 2 || !strings.Contains(notes, "Odd is left out: its flow could not be published") {
		t.Errorf("%d are left out: %s", left, notes)
	}
	for _, want := range []string{"place_order is the flow place-order-2: place-order is that of PlaceOrder", "注文 is the flow operation-2: operation is that of 查询"} {
		if !strings.Contains(notes, want) {
			t.Errorf("no %q: %s", want, notes)
		}
	}
}

// TestSOAPRoot: documents beside the WSDL's directory are read where the operator
// names a directory that holds both, and nowhere else.
func TestSOAPRoot(t *testing.T) {
	dir := t.TempDir()
	for from, to := range map[string]string{"erp.wsdl": "api/wsdl/erp.wsdl", "orders.xsd": "api/xsd/orders.xsd"} {
		data, err := os.ReadFile(filepath.Join("../../examples/legacy-erp/wsdl", from))
		path := filepath.Join(dir, filepath.FromSlash(to))
		if err == nil {
			err = os.MkdirAll(filepath.Dir(path), 0o700)
		}
		if err == nil {
			err = os.WriteFile(path, bytes.ReplaceAll(data, []byte(`"orders.xsd"`), []byte(`"../xsd/orders.xsd"`)), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ root, want string }{
		{"", "erp.wsdl imports ../xsd/orders.xsd, which is not in " + filepath.Join(dir, "api", "wsdl") + ": name by --root a directory that holds both"},
		{filepath.Join(dir, "api"), ""},
		{dir, ""},
		{filepath.Join(dir, "api", "xsd"), "erp.wsdl is not in it"},
	} {
		var out bytes.Buffer
		q := program{&cli.Program{Stdout: &out, Stderr: t.Output()}}
		err := q.importSOAP(context.Background(), filepath.Join(dir, "api", "wsdl", "erp.wsdl"), soapImport{
			plugin: "../../build/plugins/soap.wasm", into: t.TempDir(), connection: "erp", root: c.root, dryRun: true,
		})
		if err == nil {
			err = errors.New("")
		}
		if !strings.Contains(err.Error(), c.want) || c.want == "" && (err.Error() != "" || !strings.Contains(out.String(), "/place-order")) {
			t.Errorf("root %q: %v\n%s", c.root, err, out.String())
		}
	}
}
