package flow

import (
	"slices"
	"strings"

	"github.com/trama-run/trama/host/source"
)

// CheckCalls finds what is wrong with how flows jump to one another and to
// others: a jump to a trigger that the other flow has not, flows that call each
// other in a cycle, each to return to the one before, which would never end, and
// sub-runs beside one another that jump to where a reply is waited for. Jumps for
// good and loops within a flow are no calls. That a flow is not there is no
// problem of the document: it may come.
func CheckCalls(flows, others []*Flow) source.Problems {
	c := calls{flows: map[string]*Flow{}, jumps: map[string][]jump{}, reported: map[string]bool{}}
	for _, f := range slices.Concat(others, flows) {
		c.flows[f.ID] = f
		c.jumps[f.ID] = f.jumps()
	}
	for _, f := range flows {
		for _, j := range c.jumps[f.ID] {
			if to := c.flows[j.config.Flow]; to != nil && j.config.Trigger != "" {
				c.trigger(f, j, to)
			}
		}
		for _, t := range f.Triggers {
			c.cycle(entry{f.ID, t.ID})
		}
		c.beside(f)
	}
	return c.problems
}

// Entry gives the trigger where a jump that names none begins the flow: its
// trigger of type call or else its first.
func (f *Flow) Entry() Trigger {
	if i := slices.IndexFunc(f.Triggers, func(t Trigger) bool { return t.Type == TriggerCall }); i >= 0 {
		return f.Triggers[i]
	}
	return f.Triggers[0]
}

// jump is a node that jumps.
type jump struct {
	node   string
	at     source.Place
	config *Jump
}

// jumps lists the flow's jumps.
func (f *Flow) jumps() (all []jump) {
	for i := range f.Nodes {
		n := &f.Nodes[i]
		if n.Type != typeJump {
			continue
		}
		if config, problems := n.Config(); len(problems) == 0 {
			all = append(all, jump{n.ID, n.With.Place("flow"), config.(*Jump)})
		}
	}
	return all
}

// calls is the search for what is wrong with the jumps of flows.
type calls struct {
	flows    map[string]*Flow
	jumps    map[string][]jump // by flow
	reported map[string]bool   // cycles
	problems source.Problems
}

// trigger checks that the flow which a jump goes to has the trigger that it
// names.
func (c *calls) trigger(f *Flow, j jump, to *Flow) {
	if _, ok := to.Trigger(j.config.Trigger); ok {
		return
	}
	var ids []string
	for _, t := range to.Triggers {
		ids = append(ids, t.ID)
	}
	c.problems.Add(j.at, source.Suggest(j.config.Trigger, ids), "flow %s, node %q: flow %s has no trigger %q", f.ID, j.node, to.ID, j.config.Trigger)
}

// entry is a way into a flow.
type entry struct{ flow, trigger string }

// entry gives where a jump begins the flow that it goes to, if that is there.
func (c *calls) entry(j jump) (entry, bool) {
	to := c.flows[j.config.Flow]
	if to == nil {
		return entry{}, false
	}
	trigger := j.config.Trigger
	if trigger == "" {
		trigger = to.Entry().ID
	}
	_, ok := to.Trigger(trigger)
	return entry{to.ID, trigger}, ok
}

// way is how one entry led to another.
type way struct {
	to    entry
	by    jump
	flows []string // on the way, the last one not included
}

// cycle reports the shortest way from an entry back to it.
func (c *calls) cycle(start entry) {
	seen := map[entry]bool{}
	for ways := c.from(way{to: start}); len(ways) > 0; ways = ways[1:] {
		w := ways[0]
		if w.to == start {
			c.report(start, w)
			return
		}
		if !seen[w.to] {
			seen[w.to] = true
			ways = append(ways, c.from(w)...)
		}
	}
}

// from gives the ways that go one call further.
func (c *calls) from(w way) (further []way) {
	f := c.flows[w.to.flow]
	reached := f.reached(w.to.trigger)
	for _, j := range c.jumps[f.ID] {
		to, ok := c.entry(j)
		if !ok || !j.config.Returns() || !reached[j.node] {
			continue
		}
		next := way{to: to, by: w.by, flows: append(slices.Clip(w.flows), f.ID)}
		if len(w.flows) == 0 {
			next.by = j
		}
		further = append(further, next)
	}
	return further
}

// report reports a cycle once, whichever of its flows it was found from.
func (c *calls) report(start entry, w way) {
	first := slices.Index(w.flows, slices.Min(w.flows))
	names := slices.Concat(w.flows[first:], w.flows[:first], w.flows[first:first+1])
	text := strings.Join(names, " -> ")
	if c.reported[text] {
		return
	}
	c.reported[text] = true
	c.problems.Add(w.by.at, "let one of the jumps go for good with return: false, or take it out", "flow %s, node %q: the flows call each other without end: %s", start.flow, w.by.node, text)
}

// reached gives the nodes that a run may come to from a trigger.
func (f *Flow) reached(trigger string) map[string]bool {
	next, seen := f.next(), map[string]bool{}
	visit(next, trigger, seen)
	if f.OnError != "" && !seen[f.OnError] {
		seen[f.OnError] = true
		visit(next, f.OnError, seen)
	}
	return seen
}
