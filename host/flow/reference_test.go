package flow_test

import (
	"strings"
	"testing"

	"github.com/trama-run/trama/host/flow"
)

// TestReference: the reference tells of every type and port, and shows
// the example of each node.
func TestReference(t *testing.T) {
	page := flow.Reference(func(nodeType string) string { return "example of " + nodeType })
	for _, k := range flow.TriggerKinds() {
		if !strings.Contains(page, "| `"+k.Type+"` | "+k.Doc) {
			t.Errorf("the trigger %s is missing", k.Type)
		}
	}
	for _, k := range flow.Kinds() {
		_, part, found := strings.Cut(page, "### "+k.Type+"\n")
		part, _, _ = strings.Cut(part, "\n### ")
		if !found || !strings.Contains(part, "example of "+k.Type) {
			t.Errorf("%s is missing, or its example", k.Type)
		}
		for _, p := range k.Ports {
			if !strings.Contains(part, "| `"+p.Name+"` | ") {
				t.Errorf("%s: its port %s is missing", k.Type, p.Name)
			}
		}
		if strings.Contains(part, "|  |\n") {
			t.Errorf("%s: a field without a meaning:\n%s", k.Type, part)
		}
	}
	for _, o := range flow.Operators() {
		if !strings.Contains(page, "| `"+o.Name+"` | "+o.Of+" | ") {
			t.Errorf("the operator %s is missing", o.Name)
		}
	}
	for _, e := range flow.ExpectTypes() {
		if !strings.Contains(page, "| `"+e.Name+"` | "+e.Doc) {
			t.Errorf("the type of reply %s is missing", e.Name)
		}
	}
}
