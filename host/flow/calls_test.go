package flow_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/flow"
)

// calling makes a flow with a jump for each text, such as "b", "b.other" (its
// trigger) or "b for good", one after the other from the trigger "call". Its
// trigger "other" leads past them.
func calling(t *testing.T, id string, jumps ...string) *flow.Flow {
	t.Helper()
	var nodes, edges strings.Builder
	from := "call"
	for i, j := range jumps {
		to, returns := strings.TrimSuffix(j, " for good"), !strings.HasSuffix(j, " for good")
		to, trigger, named := strings.Cut(to, ".")
		if named {
			trigger = ", trigger: " + trigger
		}
		fmt.Fprintf(&nodes, "  - {id: j%d, type: jump, with: {flow: %s%s, return: %v}}\n", i, to, trigger, returns)
		if from != "" {
			fmt.Fprintf(&edges, "  - {from: %s, to: j%d}\n", from, i)
		}
		if from = fmt.Sprint("j", i); !returns {
			from = ""
		}
	}
	if from != "" {
		fmt.Fprintf(&edges, "  - {from: %s, to: stop}\n", from)
	}
	f, err := flow.Parse(id+".yaml", []byte(fmt.Sprintf("schema: 1\nid: %s\ntriggers: [{id: other, type: gateway}, {id: call, type: call}]\nnodes:\n%s  - {id: stop, type: end}\nedges:\n%s  - {from: other, to: stop}\n", id, &nodes, &edges)))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestCheckCalls(t *testing.T) {
	for _, c := range []struct {
		name  string
		flows []*flow.Flow
		want  string
	}{
		{"none", []*flow.Flow{calling(t, "a"), calling(t, "b")}, ""},
		{"a chain, twice", []*flow.Flow{calling(t, "a", "b", "c", "b"), calling(t, "b", "c"), calling(t, "c")}, ""},
		{"itself", []*flow.Flow{calling(t, "a", "a")}, `a.yaml:5:39: flow a, node "j0": the flows call each other without end: a -> a; let one of the jumps go for good with return: false, or take it out`},
		{"two", []*flow.Flow{calling(t, "b", "a"), calling(t, "a", "b")}, `b.yaml:5:39: flow b, node "j0": the flows call each other without end: a -> b -> a; `},
		{"three, from outside", []*flow.Flow{calling(t, "x", "a"), calling(t, "a", "b"), calling(t, "b", "c"), calling(t, "c", "a")}, `the flows call each other without end: a -> b -> c -> a; `},
		{"for good", []*flow.Flow{calling(t, "a", "b"), calling(t, "b", "a for good")}, ""},
		{"past the jumps", []*flow.Flow{calling(t, "a", "b"), calling(t, "b", "a.other")}, ""},
		{"no such trigger", []*flow.Flow{calling(t, "a", "b.othr"), calling(t, "b")}, `a.yaml:5:39: flow a, node "j0": flow b has no trigger "othr"; did you mean "other"?`},
		{"no such flow", []*flow.Flow{calling(t, "a", "b")}, ""},
	} {
		got := flow.CheckCalls(c.flows, nil).Error()
		if c.want == "" && got != "" || !strings.Contains(got, c.want) || strings.Contains(got, "\n") {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	// Only what the new flows have a part in is their problem.
	two := []*flow.Flow{calling(t, "a", "b"), calling(t, "b", "a")}
	if got := flow.CheckCalls([]*flow.Flow{calling(t, "x", "a")}, two); got != nil {
		t.Errorf("a flow that calls a cycle: %v", got)
	}
	if got := flow.CheckCalls(two[:1], two); len(got) != 1 || got[0].File != "a.yaml" {
		t.Errorf("a flow that closes a cycle with another: %v", got)
	}
}

// TestJumpsAtOnce: sub-runs that go beside one another can't jump to where a
// reply is waited for, at however many removes.
func TestJumpsAtOnce(t *testing.T) {
	asks, err := flow.Parse("asks.yaml", []byte(`schema: 1
id: asks
triggers: [{id: call, type: call}, {id: other, type: call}]
nodes: [{id: wait, type: wait_reply}, {id: stop, type: end}]
edges: [{from: call, to: wait}, {from: other, to: stop}]
`))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		concurrency int
		jump        string
		others      []*flow.Flow
		want        string
	}{
		"to a flow that asks":   {2, "flow: asks", nil, `f.yaml:6:39: flow f: sub-runs of "each" go at once, so flow asks, which "go" leads to, can't wait for a reply at "wait" in them; give each concurrency: 1, or ask before it`},
		"for good":              {2, "flow: asks, return: false", nil, "can't wait for a reply"},
		"over another":          {2, "flow: b", []*flow.Flow{calling(t, "b", "asks")}, `so flow asks, which "go" leads to`},
		"over another for good": {2, "flow: b", []*flow.Flow{calling(t, "b", "asks for good")}, "can't wait for a reply"},
		"past the question":     {2, "flow: asks, trigger: other", nil, ""},
		"one after the other":   {1, "flow: asks", nil, ""},
		"a flow that is not":    {2, "flow: gone", nil, ""},
	} {
		f, err := flow.Parse("f.yaml", fmt.Appendf(nil, `schema: 1
id: f
triggers: [{id: start, type: message}]
nodes:
  - {id: each, type: for_each, with: {items: "{{ [1, 2] }}", concurrency: %d}}
  - {id: go, type: jump, with: {%s}}
edges: [{from: start, to: each}, {from: each, port: each, to: go}]
`, c.concurrency, c.jump))
		if err != nil {
			t.Fatal(err)
		}
		got := flow.CheckCalls([]*flow.Flow{f}, append(c.others, asks)).Error()
		if c.want == "" && got != "" || !strings.Contains(got, c.want) || strings.Contains(got, "\n") {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
