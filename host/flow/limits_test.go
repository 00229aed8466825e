package flow_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/host/source"
)

// chain is a document of nodes in a row; more is added to its edges.
func chain(nodes int, more string) []byte {
	var b, edges strings.Builder
	b.WriteString("schema: 1\nid: chain\ntriggers: [{id: start, type: gateway}]\nnodes:\n")
	edges.WriteString("edges:\n  - {from: start, to: n0}\n")
	for i := range nodes {
		fmt.Fprintf(&b, "  - {id: n%d, type: wait, with: {for: 1s}}\n", i)
		if i > 0 {
			fmt.Fprintf(&edges, "  - {from: n%d, to: n%d}\n", i-1, i)
		}
	}
	return []byte(b.String() + edges.String() + more)
}

func TestLimits(t *testing.T) {
	var wrong strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&wrong, "  - {from: m%d, to: k%d}\n", i, i)
	}
	tests := []struct {
		name     string
		document []byte
		problems int
		want     string
	}{
		{"a thousand nodes", chain(1000, ""), 0, ""},
		{"one more", chain(1001, ""), 1, "1001 nodes, over the limit of 1000; split the flow"},
		{"ten thousand nodes", chain(10_000, ""), 1, "10000 nodes, over the limit of 1000; split the flow"},
		{"ten thousand edges that are wrong", chain(2, wrong.String()), 101, "9950 edges from here on were not looked at; mend the others first"},
		{"more than a document may have", chain(2, strings.Repeat("# a comment\n", 100_000)), 1, "over the limit of 1048576; split the document"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := flow.Parse("flow.yaml", test.document)
			var problems source.Problems
			if err != nil && !errors.As(err, &problems) {
				t.Fatal(err)
			}
			if len(problems) != test.problems || test.want != "" && !strings.Contains(err.Error(), test.want) {
				t.Errorf("%d problems, want %d with %q: %.500v", len(problems), test.problems, test.want, err)
			}
		})
	}
}
