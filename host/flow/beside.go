package flow

import (
	"fmt"
	"slices"
)

// abreast is a node whose sub-runs go beside one another: none of them can wait
// for a reply, since it would not be known whose that is.
type abreast struct {
	node    string
	reached map[string]bool // nodes that its sub-runs may come to
}

func (a abreast) remedy() string {
	return fmt.Sprintf("give %s concurrency: 1, or ask before it", a.node)
}

// atOnce lists the flow's nodes of this kind.
func (f *Flow) atOnce() (all []abreast) {
	next := f.next()
	for i := range f.Nodes {
		n := &f.Nodes[i]
		config, _ := n.Config()
		subs, ok := config.(interface{ atOnce() []string })
		if !ok {
			continue
		}
		begun, reached := subs.atOnce(), map[string]bool{}
		for _, e := range f.Edges {
			if e.From == n.ID && slices.Contains(begun, e.FromPort()) {
				reached[e.To] = true
				visit(next, e.To, reached)
			}
		}
		if len(reached) > 0 {
			all = append(all, abreast{n.ID, reached})
		}
	}
	return all
}

// next gives what follows each node or trigger, by whatever port.
func (f *Flow) next() map[string][]string {
	next := map[string][]string{}
	for _, e := range f.Edges {
		next[e.From] = append(next[e.From], e.To)
	}
	return next
}

// visit adds to seen what can be reached from a node or trigger.
func visit(next map[string][]string, id string, seen map[string]bool) {
	for _, to := range next[id] {
		if !seen[to] {
			seen[to] = true
			visit(next, to, seen)
		}
	}
}

// beside reports jumps of sub-runs that go at once to flows that wait for
// replies, themselves or in flows that they jump to.
func (c *calls) beside(f *Flow) {
	for _, b := range f.atOnce() {
		for _, j := range c.jumps[f.ID] {
			to, ok := c.entry(j)
			if !ok || !b.reached[j.node] {
				continue
			}
			if flow, node := c.waits(to, map[entry]bool{}); node != "" {
				c.problems.Add(j.at, b.remedy(), "flow %s: sub-runs of %q go at once, so flow %s, which %q leads to, can't wait for a reply at %q in them", f.ID, b.node, flow, j.node, node)
			}
		}
	}
}

// waits finds a node that waits for a reply after an entry, in its flow or in
// one that it jumps to.
func (c *calls) waits(at entry, seen map[entry]bool) (flow, node string) {
	if seen[at] {
		return "", ""
	}
	seen[at] = true
	f := c.flows[at.flow]
	reached := f.reached(at.trigger)
	for _, n := range f.Nodes {
		if n.Type == typeWaitReply && reached[n.ID] {
			return f.ID, n.ID
		}
	}
	for _, j := range c.jumps[f.ID] {
		if to, ok := c.entry(j); ok && reached[j.node] {
			if flow, node = c.waits(to, seen); node != "" {
				return flow, node
			}
		}
	}
	return "", ""
}
