package plugintest_test

import (
	"strings"
	"testing"

	"github.com/trama-run/trama/host/plugintest"
	"github.com/trama-run/trama/host/plugintest/portable"
)

// TestPortable: what a plugin keeps between the calls of one instance, which a
// stock host makes and ours doesn't, is found.
func TestPortable(t *testing.T) {
	operation := func(name string) string {
		return "  - {name: " + name + ", effect: pure, input: {}, output: {}, examples: [{input: 1, output: 1}]}\n"
	}
	for _, test := range []struct {
		name, operations string
		want             []string // of each operation
	}{
		{"a crash", operation("once"), []string{"the second time in one instance\n  - output 1\n  + crash"}},
		{"another output", operation("count"), []string{"the second time in one instance\n  - output 1\n  + output 2"}},
		{"a crash after another's calls", operation("spoil") + operation("alone"), []string{"", "in an instance that had the calls of the cases before\n  - output 1\n  + crash"}},
		{"nothing kept", operation("alone"), []string{""}},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := withManifest(t, "remembers", head+"image: none\noperations:\n"+test.operations)
			peer, err := portable.Open(t.Context(), p, portable.Config{})
			if err != nil {
				t.Fatal(err)
			}
			cases := portable.Portable(p.Manifest, plugintest.Examples(p.Manifest))
			if len(cases) != len(test.want) {
				t.Fatalf("%d cases", len(cases))
			}
			for i, c := range cases {
				differences, err := peer.Case(t.Context(), c)
				if err != nil {
					t.Fatal(err)
				}
				found := ""
				for _, d := range differences {
					found += d.String()
				}
				if (found == "") != (test.want[i] == "") || !strings.Contains(found, test.want[i]) {
					t.Errorf("%s: %q, want %q", c.Name, found, test.want[i])
				}
			}
			if err := peer.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}
