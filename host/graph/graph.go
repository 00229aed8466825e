// Package graph draws a flow: as the text of a Mermaid flowchart, and as an
// SVG picture that needs nothing else. The way that a run took can be lit in
// both: the nodes it visited, in which order, the edges it took and how often,
// and where it failed or is now.
//
// The package is pure, and what it gives depends on nothing but its input. It
// takes any flow document that is valid, and draws what texts say and never
// what they might mean to a browser. It must not know where flows and runs
// are kept.
package graph

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/trama-run/trama/host/flow"
)

// Path is the way that a run took through a flow.
type Path struct {
	Run     string // its id, for the heading
	Trigger string // the trigger that it began with
	Steps   []Step
	// At is the node where the run is, or ended, and Status what it does there:
	// "failed", "waiting" and "running" are marked.
	At, Status string
}

// Step is one node passed and the port that was taken. The port is empty if
// the run ended there, or if the call is repeated by its next step. Sub names
// the sub-run, such as an item of a loop, that the step belongs to, if any.
type Step struct{ Node, Port, Sub string }

// maxText is how much of a text is drawn or told at all, in characters.
const maxText = 400

// Graph is a flow ready to be drawn.
type Graph struct {
	id, title string
	run       string // how the run stands, for the heading; empty if none is lit
	lit       bool
	nodes     []node // triggers first
	edges     []edge
}

// node is a trigger or a node of the flow.
type node struct {
	id, title, typ string
	kind           kind
	visits         []int  // 1 for the first node passed, and so on
	mark           string // failed, waiting or running
}

// edge leads from a node's port to a node; both are indexes.
type edge struct {
	from, to int
	port     string
	taken    int // how often
}

// New makes a graph of a flow. A nil path lights nothing; what a path has that
// the flow has not, such as the nodes of another version, is left out.
func New(f *flow.Flow, path *Path) *Graph {
	g := &Graph{id: f.ID, title: clean(f.Title)}
	at := map[string]int{} // index by id
	add := func(n node) {
		at[n.id] = len(g.nodes)
		g.nodes = append(g.nodes, n)
	}
	for _, t := range f.Triggers {
		typ := t.Type
		if t.Channel != "" {
			typ += " on " + clean(t.Channel)
		}
		add(node{id: t.ID, typ: typ, kind: kindTrigger})
	}
	for i := range f.Nodes {
		n := &f.Nodes[i]
		add(node{id: n.ID, title: clean(n.Title), typ: n.Type, kind: kindOf(n)})
	}
	for _, e := range f.Edges {
		from, isNode := at[e.From]
		to, known := at[e.To]
		if isNode && known {
			g.edges = append(g.edges, edge{from: from, to: to, port: e.FromPort()})
		}
	}
	if to, known := at[f.OnError]; known {
		add(node{id: anyError, title: "Any other error", typ: "on_error", kind: kindTrigger})
		g.edges = append(g.edges, edge{from: at[anyError], to: to, port: flow.PortError})
	}
	if path != nil {
		g.light(path, at)
	}
	return g
}

// anyError is where the edge to a flow's on_error begins. No node has such an
// id: theirs begin with a letter.
const anyError = "0_on_error"

// light marks what a run passed.
func (g *Graph) light(p *Path, at map[string]int) {
	g.lit = true
	g.run = clean("run " + p.Run + " " + p.Status)
	take := func(from int, port string) {
		for i := range g.edges {
			if e := &g.edges[i]; e.from == from && e.port == port {
				e.taken++
			}
		}
	}
	if i, ok := at[p.Trigger]; ok {
		g.nodes[i].visits = []int{0} // passed, before the first node
		take(i, flow.PortNext)
	}
	passed := 0
	last := map[string]Step{} // by sub-run
	for _, s := range p.Steps {
		n, ok := at[s.Node]
		if !ok {
			continue
		}
		before, began := last[s.Sub]
		last[s.Sub] = s
		stopped := began && before.Port == ""
		again := stopped && before.Node == s.Node
		switch e, ok := at[anyError]; {
		case !began && s.Sub != "":
			g.enter(n)
		case ok && stopped && !again:
			g.nodes[e].visits = []int{0}
			take(e, flow.PortError)
		}
		if !again {
			passed++
			g.nodes[n].visits = append(g.nodes[n].visits, passed)
		}
		take(n, s.Port)
	}
	if n, ok := at[p.At]; ok && (p.Status == "failed" || p.Status == "waiting" || p.Status == "running") {
		g.nodes[n].mark = p.Status
		if len(g.nodes[n].visits) == 0 { // reached, and not passed yet
			g.nodes[n].visits = []int{passed + 1}
		}
	}
}

// enter takes the edge by which a sub-run came to its first node: no step
// tells of it.
func (g *Graph) enter(first int) {
	for i := range g.edges {
		if e := &g.edges[i]; e.to == first && g.nodes[e.from].kind == kindPart && e.port != flow.PortNext && !e.isError() {
			e.taken++
			return
		}
	}
}

// name is what a node is called: its title, else its id.
func (n *node) name() string {
	if n.title != "" {
		return n.title
	}
	return n.id
}

// says is the second line of a node.
func (n *node) says() string {
	if n.title != "" && n.id != anyError {
		return n.id + " · " + n.typ
	}
	return n.typ
}

// order gives the visits as a short text, "" for a trigger and what was not
// visited.
func (n *node) order() string {
	const most = 3
	var parts []string
	for _, v := range n.visits {
		if v == 0 {
			return ""
		}
		if len(parts) == most {
			return strings.Join(parts, ", ") + "… " + strconv.Itoa(len(n.visits)) + "×"
		}
		parts = append(parts, strconv.Itoa(v))
	}
	return strings.Join(parts, ", ")
}

// label is what stands at an edge: its port unless that is the usual one, and
// how often it was taken if that is more than once.
func (e *edge) label() string {
	var parts []string
	if e.port != flow.PortNext {
		parts = append(parts, e.port)
	}
	if e.taken > 1 {
		parts = append(parts, fmt.Sprintf("×%d", e.taken))
	}
	return strings.Join(parts, " ")
}

func (e *edge) isError() bool { return e.port == flow.PortError }

// heading is the flow's name for people.
func (g *Graph) heading() string {
	if g.title != "" {
		return g.title
	}
	return g.id
}

// describe says in a sentence what the picture shows.
func (g *Graph) describe() string {
	triggers, nodes := 0, 0
	for _, n := range g.nodes {
		switch {
		case n.kind != kindTrigger:
			nodes++
		case n.id != anyError:
			triggers++
		}
	}
	text := fmt.Sprintf("Flow %s: %s, %s, %s.", g.id, count(triggers, "trigger"), count(nodes, "node"), count(len(g.edges), "edge"))
	if g.lit {
		text += " The way of " + g.run + " is highlighted."
	}
	return text
}

func count(n int, of string) string {
	if n == 1 {
		return "1 " + of
	}
	return fmt.Sprintf("%d %ss", n, of)
}

// clean makes a text one line without what could drive or reorder the text
// around it: control characters and marks of direction.
func clean(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case r == unicode.ReplacementChar, unicode.IsControl(r), r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0xfffe, r == 0xffff:
			return -1
		}
		return r
	}, text)
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > maxText {
		text = string(runes[:maxText]) + "…"
	}
	return text
}
