package engine_test

import (
	"strings"
	"testing"

	"github.com/trama-run/trama/host/engine"
)

// TestSubRunsThatHaveNotBegun: a session moves only where its sub-runs can
// begin that have not begun yet; none of them is passed over in silence.
func TestSubRunsThatHaveNotBegun(t *testing.T) {
	version := func(n int, rest string) *engine.Program {
		return compileAs(t, []byte("schema: 1\nid: f\ntriggers: [{id: start, type: message}]\n"+rest), n)
	}
	const first = `
nodes:
  - {id: both, type: parallel, with: {branches: [a, b, idle], concurrency: 1}}
  - {id: nap, type: wait, with: {for: 1h}}
  - {id: work, type: set_flow, with: {set: {did: true}}}
edges:
  - {from: start, to: both}
  - {from: both, port: a, to: nap}
  - {from: both, port: b, to: work}
`
	from := version(3, first)
	programs := engine.Programs{"f": from}
	waiting := advance(t, programs, begin("r", programs, "start"), engine.Event{Start: &engine.Start{Trigger: "start"}}).Session
	for name, c := range map[string]struct {
		replace []string
		names   map[string]string
		want    string
	}{
		"nothing":                   {nil, nil, ""},
		"another name":              {[]string{"both", "all"}, map[string]string{"both": "all"}, ""},
		"a branch that led nowhere": {[]string{", idle", ""}, nil, ""},
		"a branch that has begun":   {[]string{"[a, b", "[b, c", "port: a", "port: c"}, nil, ""},
		"a branch that is renamed":  {[]string{"[a, b", "[a, c", "port: b", "port: c"}, nil, `sub-runs that are to begin at the port "b" of node "both", and no edge leads from it in version 4`},
	} {
		t.Run(name, func(t *testing.T) {
			s := waiting
			err := s.Move(from, version(4, strings.NewReplacer(c.replace...).Replace(first)), c.names)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
