package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"

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
