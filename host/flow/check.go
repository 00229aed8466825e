package flow

import (
	"fmt"
	"slices"
	"strings"

	"github.com/trama-run/trama/host/source"
)

// Bounds of a flow and of its check.
const (
	maxNodes    = 1000 // more than people can oversee; a jump leads to another flow
	maxProblems = 100  // before edges are no longer looked at
)

// check finds what is wrong with a flow as far as its document tells.
func (f *Flow) check() source.Problems {
	c := checker{flow: f, ports: map[string][]string{}, taken: map[string]source.Place{}}
	c.document()
	if len(f.Nodes) > maxNodes {
		return c.problems // compiling all of it would take long
	}
	c.triggers()
	c.nodes()
	c.edges()
	if len(c.problems) == 0 {
		c.reach() // what follows a broken part would be reported in vain
	}
	return c.problems
}

type checker struct {
	flow     *Flow
	problems source.Problems
	ports    map[string][]string     // of nodes and triggers
	taken    map[string]source.Place // ids
}

func (c *checker) document() {
	f := c.flow
	if f.Schema != 0 && f.Schema != Version {
		c.problems.Add(f.At, fmt.Sprintf("write schema: %d, or use a newer trama", Version), "schema %d is not known", f.Schema)
	}
	if f.ID != "" && !flowName(f.ID) {
		c.problems.Add(f.At, "use lower-case letters, digits, - and _, a letter first", "%q is not a flow id", f.ID)
	}
	if len(f.Nodes) > maxNodes {
		c.problems.Add(f.At, "split the flow", "%d nodes, over the limit of %d", len(f.Nodes), maxNodes)
	}
}

// id checks an id and that it is the only one.
func (c *checker) id(id string, at source.Place) {
	if id == "" {
		return // reported as lacking
	}
	if !plainName(id) {
		c.problems.Add(at, "use letters, digits and _, a letter first", "%q is not an id", id)
	}
	if first, ok := c.taken[id]; ok {
		c.problems.Add(at, "ids of nodes and triggers are unique", "the id %q is taken by line %d", id, first.Line)
		return
	}
	c.taken[id] = at
}

func (c *checker) triggers() {
	if len(c.flow.Triggers) == 0 && c.flow.ID != "" {
		c.problems.Add(c.flow.At, "add {id: start, type: gateway} to triggers", "a flow needs a trigger")
	}
	for _, t := range c.flow.Triggers {
		c.id(t.ID, t.At)
		c.ports[t.ID] = []string{PortNext}
		c.problems = append(c.problems, t.check()...)
	}
}

func (c *checker) nodes() {
	for i := range c.flow.Nodes {
		n := &c.flow.Nodes[i]
		c.id(n.ID, n.At)
		config, problems := n.Config()
		c.problems = append(c.problems, problems...)
		if config == nil && n.Type != "" {
			var types []string
			for _, k := range Kinds() {
				types = append(types, k.Type)
			}
			c.problems.Add(n.At, source.Suggest(n.Type, append(types, "<plugin>.<operation>")), "%q is not a type of node", n.Type)
		}
		if len(problems) == 0 && config != nil {
			c.ports[n.ID] = n.Ports(config)
		} else {
			c.ports[n.ID] = nil // not known
		}
		if kind, ok := kindOf(n.Type); ok {
			c.kind(n, kind)
		}
		if n.Retry != nil && (n.Retry.Attempts < 1 || n.Retry.Attempts > 20) {
			c.problems.Add(n.Retry.At, "write 1 to 20", "%d attempts are not possible", n.Retry.Attempts)
		}
	}
}

func (c *checker) kind(n *Node, kind Kind) {
	if n.Connection != "" && kind.Type != typeRunCode {
		c.problems.Add(n.At, "leave it out", "%s uses no connection", kind.Type)
	}
	if (n.Retry != nil || n.Timeout != 0) && kind.Type != typeRunCode {
		place := n.At
		if n.Retry != nil {
			place = n.Retry.At
		}
		hint := "leave it out"
		if kind.Type == typeWaitReply {
			hint = "write it under with"
		}
		c.problems.Add(place, hint, "retry and timeout are for calls of plugins, and %s makes none", kind.Type)
	}
	if kind.Type == typeRunCode && n.Retry != nil && n.Connection != "" {
		c.problems.Add(n.Retry.At, "take retry away, or call what may be repeated in a node of its own", "a script with a connection may change something outside, so it is run once at most and never repeated")
	}
	if kind.Needs == NeedsNothing || slices.ContainsFunc(c.flow.Triggers, func(t Trigger) bool { return t.gives(kind.Needs) }) {
		return
	}
	var types []string
	for _, k := range triggerKinds {
		if slices.Contains(k.gives, kind.Needs) {
			types = append(types, k.Type)
		}
	}
	c.problems.Add(n.At, fmt.Sprintf("add a trigger of type %s, or leave the node out", strings.Join(types, " or ")),
		"%s needs a %s, which no trigger of this flow gives", kind.Type, kind.Needs)
}

func (c *checker) edges() {
	var ids, targets []string
	for _, t := range c.flow.Triggers {
		ids = append(ids, t.ID)
	}
	isNode := map[string]bool{}
	for _, n := range c.flow.Nodes {
		ids, targets = append(ids, n.ID), append(targets, n.ID)
		isNode[n.ID] = true
	}
	if on := c.flow.OnError; on != "" && !isNode[on] {
		c.problems.Add(c.flow.At, source.Suggest(on, targets), "on_error names %q, which is no node", on)
	}
	first := map[[2]string]source.Place{}
	for i, e := range c.flow.Edges {
		if len(c.problems) >= maxProblems {
			c.problems.Add(e.At, "mend the others first", "%d edges from here on were not looked at", len(c.flow.Edges)-i)
			return
		}
		ports, known := c.ports[e.From]
		switch {
		case e.From == "":
		case !known:
			c.problems.Add(e.At, source.Suggest(e.From, ids), "there is no node or trigger %q", e.From)
		case ports != nil && !slices.Contains(ports, e.FromPort()):
			c.problems.Add(e.At, source.Suggest(e.FromPort(), ports), "%q has no port %q", e.From, e.FromPort())
		}
		if e.To != "" && !isNode[e.To] {
			c.problems.Add(e.At, source.Suggest(e.To, targets), "there is no node %q", e.To)
		}
		key := [2]string{e.From, e.FromPort()}
		if at, ok := first[key]; ok && e.From != "" {
			c.problems.Add(e.At, "keep one of them: a run is in one place", "a second edge from port %q of %q; the first is in line %d", e.FromPort(), e.From, at.Line)
		} else {
			first[key] = e.At
		}
	}
}

// reach reports triggers that lead nowhere, nodes that nothing leads to, and
// those that can't work where they are reached from.
func (c *checker) reach() {
	next, seen := c.flow.next(), map[string]bool{}
	for _, t := range c.flow.Triggers {
		if next[t.ID] == nil {
			c.problems.Add(t.At, fmt.Sprintf("add an edge {from: %s, to: ...}", t.ID), "the trigger %q leads to no node", t.ID)
		}
		visit(next, t.ID, seen)
	}
	if on := c.flow.OnError; on != "" {
		seen[on] = true
		visit(next, on, seen)
	}
	for _, n := range c.flow.Nodes {
		if !seen[n.ID] {
			c.problems.Add(n.At, "add an edge to it, or remove it", "no trigger leads to the node %q", n.ID)
		}
	}
	for _, b := range c.flow.atOnce() {
		for _, n := range c.flow.Nodes {
			if n.Type == typeWaitReply && b.reached[n.ID] {
				c.problems.Add(n.At, b.remedy(), "sub-runs of %q go at once, so %q can't wait for a reply in them", b.node, n.ID)
			}
		}
	}
}
