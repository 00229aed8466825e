package engine

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/pdk/abi"
)

// jump begins another flow: in a run below this one, or in its place.
func (m *move) jump(n *node, c *flow.Jump, step *Step) (string, *abi.Error) {
	program, ok := m.programs[c.Flow]
	if !ok {
		return "", &abi.Error{Code: abi.CodeUnavailable, Message: fmt.Sprintf("node %q: there is no flow %q, or there was none when this run began: publish it", n.ID, c.Flow)}
	}
	trigger, ok := program.entry(c.Trigger)
	if !ok {
		return "", invalid("node %q: flow %q has no trigger %q", n.ID, c.Flow, c.Trigger)
	}
	input, err := m.or(c.Input, m.run.Input())
	if err != nil {
		return "", err
	}
	step.Input = input
	begun := Run{Flow: c.Flow, Version: program.version, TriggerID: trigger, Trigger: input}
	if !c.Returns() {
		m.record(Step{
			Ordinal: step.Ordinal, Path: step.Path, Flow: step.Flow, Node: n.ID, Type: n.Type, Port: flow.PortNext,
			Input: input, Started: step.Started,
		})
		m.goOver(begun, program)
		m.turn = m.follow(trigger, flow.PortNext)
		return "", nil
	}
	if len(m.above)+2 > maxDepth {
		return "", &abi.Error{Code: abi.CodeLimit, Message: fmt.Sprintf("node %q: %d flows and sub-runs are in one another, the limit", n.ID, maxDepth)}
	}
	begun.ID, begun.Path = hash([]byte(m.effectID())), join(m.run.Path, n.ID)
	m.run.Called, m.run.Status = &begun, Calling
	m.descend(&begun)
	m.turn = m.follow(trigger, flow.PortNext)
	return "", nil
}

// goOver puts a run in the place of the one that moves and of those that
// called it: none of them comes back, so that menus may lead to one another for
// ever.
func (m *move) goOver(begun Run, program *Program) {
	steps := m.run.Awake
	for len(m.above) > 0 && m.above[len(m.above)-1].Status == Calling {
		m.run, m.above = m.above[len(m.above)-1], m.above[:len(m.above)-1]
		steps += m.run.Awake
	}
	m.disarm(m.above...)
	if len(m.above) == 0 && m.session.Flow == "" {
		m.session.Flow = m.run.Flow
	}
	begun.ID, begun.Path, begun.Steps, begun.Awake = m.run.ID, m.run.Path, m.run.Steps+1, steps
	*m.run, m.program = begun, program
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "/" + name
}

// descend makes a run below the one that moves the one that moves.
func (m *move) descend(run *Run) {
	m.above = append(slices.Clip(m.above), m.run)
	m.run, m.program = run, m.programs[run.Flow]
}

// forEach begins a sub-run for each item.
func (m *move) forEach(n *node, c *flow.ForEach) (string, *abi.Error) {
	value, err := m.expand(c.Items)
	if err != nil {
		return "", err
	}
	items, ok := value.([]any)
	if !ok {
		return "", invalid("node %q: items must be a list, found %s", n.ID, kindOf(value))
	}
	if len(items) > flow.MaxItems {
		return "", &abi.Error{Code: abi.CodeLimit, Message: fmt.Sprintf("node %q: %d items, over the limit of %d; split the list", n.ID, len(items), flow.MaxItems)}
	}
	subs := make([]Sub, len(items))
	for i, item := range items {
		subs[i] = Sub{Port: flow.PortEach, Name: strconv.Itoa(i), Input: item}
	}
	return m.gather(n, subs, max(c.Concurrency, 1))
}

// parallel begins a sub-run for each branch.
func (m *move) parallel(n *node, c *flow.Parallel) (string, *abi.Error) {
	subs := make([]Sub, len(c.Branches))
	for i, name := range c.Branches {
		subs[i] = Sub{Port: name, Name: name, Input: m.run.Input()}
	}
	most := c.Concurrency
	if most == 0 {
		most = min(len(subs), flow.MaxConcurrency)
	}
	return m.gather(n, subs, most)
}

func (m *move) gather(n *node, subs []Sub, most int) (string, *abi.Error) {
	if len(m.above)+2 > maxDepth {
		return "", &abi.Error{Code: abi.CodeLimit, Message: fmt.Sprintf("node %q: %d flows and sub-runs are in one another, the limit", n.ID, maxDepth)}
	}
	m.run.Group = &Group{Subs: subs, Left: len(subs), Most: most}
	m.run.Status = Gathering
	if len(subs) > 0 {
		m.turn = m.begin()
	} else {
		m.turn = m.gathered()
	}
	return "", nil
}

// begin lets the next sub-run of the run's group be the one that moves, and
// gives the node where it begins.
func (m *move) begin() string {
	g, node := m.run.Group, m.run.Node
	i := g.Next
	g.Next++
	sub := &g.Subs[i]
	run := &Run{
		ID: hash([]byte(m.effectID() + "\x00" + sub.Name)), Path: fmt.Sprintf("%s[%s]", join(m.run.Path, node), sub.Name),
		Flow: m.run.Flow, Version: m.run.Version, TriggerID: sub.Port, Trigger: sub.Input,
		Vars: m.run.Vars, Nodes: m.run.Nodes, Caught: m.run.Caught,
	}
	if sub.Port == flow.PortEach {
		run.Nodes = with(run.Nodes, map[string]any{node: map[string]any{"index": int64(i), "item": sub.Input}})
	}
	sub.Input, sub.Run = nil, run
	m.descend(run)
	return m.follow(node, sub.Port)
}

// widen begins a further sub-run, where one may go beside those that are
// parked. It gives the node where it begins, and whether there is one.
func (m *move) widen() (string, bool) {
	for path := append(slices.Clip(m.above), m.run); len(path) > 0; path = path[:len(path)-1] {
		r := path[len(path)-1]
		if r.Status != Gathering {
			continue
		}
		g := r.Group
		if at := g.Next - (len(g.Subs) - g.Left); g.Next < len(g.Subs) && at < g.Most {
			if m.session.runs() >= maxRuns {
				break // each group has one at least, and goes on with that
			}
			m.run, m.above, m.program = r, path[:len(path)-1], m.programs[r.Flow]
			return m.begin(), true
		}
	}
	return "", false
}

// ascend tells the run above that the one that moved is over. It gives the node
// at which to go on, in the run that moves then.
func (m *move) ascend() string {
	ended := m.run
	last := len(m.above) - 1
	m.run, m.above = m.above[last], m.above[:last]
	m.program = m.programs[m.run.Flow]
	if m.run.Status == Calling {
		return m.returned(ended)
	}
	g := m.run.Group
	i := slices.IndexFunc(g.Subs, func(s Sub) bool { return s.Run == ended })
	sub := &g.Subs[i]
	sub.Run, sub.Over = nil, true
	if ended.Status == Failed {
		sub.Error = ended.Failure
	} else {
		sub.Result = ended.yield()
	}
	g.Left--
	if g.Left == 0 {
		return m.gathered()
	}
	if g.Next < len(g.Subs) {
		return m.begin()
	}
	return "" // others are still at work
}

// yield is what a run that is done gives: what its end node gave, or else its
// last output.
func (r *Run) yield() any {
	if r.Ended {
		return r.Result
	}
	return r.Input()
}

// returned ends a jump.
func (m *move) returned(ended *Run) string {
	n := m.program.nodes[m.run.Node]
	step := m.step(n)
	step.Input = ended.Trigger
	m.run.Status = ""
	if ended.Status == Failed {
		f := *ended.Failure
		f.Node = n.ID
		f.Message = fmt.Sprintf("flow %s, node %s: %s", ended.Flow, ended.Failure.Node, f.Message)
		next := m.fail(step, &f)
		if m.run.Status != Failed { // else it is kept for a retry, with its timer
			m.disarm(append(slices.Clip(m.above), m.run)...)
		}
		return next
	}
	m.run.Called = nil
	m.disarm(append(slices.Clip(m.above), m.run)...)
	step.Output = map[string]any{"label": ended.Label, "result": ended.yield()}
	m.output(n.ID, step.Output)
	name := flow.PortNext
	if c, ok := n.config.(*flow.Jump); ok && slices.Contains(c.Ports, ended.Label) {
		name = ended.Label
	}
	return m.pass(step, name)
}

// disarm ends the inactivity timer if its port is gone: if none of the runs
// that stay has armed it.
func (m *move) disarm(stay ...*Run) {
	s := m.session.Silence
	if s != nil && !slices.ContainsFunc(stay, func(r *Run) bool { return r.ID == s.Run }) {
		m.session.Silence = nil
	}
}

// gathered ends a for_each or a parallel.
func (m *move) gathered() string {
	n := m.program.nodes[m.run.Node]
	step := m.step(n)
	g := m.run.Group
	m.run.Status = ""
	failures := 0
	for _, sub := range g.Subs {
		if sub.Error != nil {
			failures++
		}
	}
	output := map[string]any{"failed": int64(failures)}
	if _, each := n.config.(*flow.ForEach); each {
		results, errors := make([]any, len(g.Subs)), []any{}
		for i, sub := range g.Subs {
			results[i] = sub.Result
			if sub.Error != nil {
				value := sub.Error.value()
				value["index"] = int64(i)
				errors = append(errors, value)
			}
		}
		output["results"], output["errors"] = results, errors
	} else {
		results, errors := map[string]any{}, map[string]any{}
		for _, sub := range g.Subs {
			results[sub.Name] = sub.Result
			if sub.Error != nil {
				errors[sub.Name] = sub.Error.value()
			}
		}
		output["results"], output["errors"] = results, errors
	}
	// Whole values are put together here, and nowhere else without an
	// expression: in a loop they would double each time.
	room := min(maxRunBytes, maxGathers-m.results)
	held := size(output, room)
	m.results += held
	if held > room {
		return m.fail(step, &Failure{Node: n.ID, Error: abi.Error{Code: abi.CodeLimit, Message: fmt.Sprintf(
			"node %q: the results of its sub-runs are over the limit of %d bytes, or of %d with those of others before it; let them end with less", n.ID, maxRunBytes, maxGathers)}})
	}
	m.run.Group = nil
	step.Output = output
	m.output(n.ID, output)
	return m.pass(step, flow.PortNext)
}

// concurrent says whether the run is one of several sub-runs that go at once.
func (m *move) concurrent() bool {
	return slices.ContainsFunc(m.above, func(r *Run) bool { return r.Group != nil && r.Group.Most > 1 && len(r.Group.Subs) > 1 })
}

// kindOf names the kind of a JSON value.
func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "true or false"
	case int64, float64:
		return "a number"
	case string:
		return "a text"
	case []any:
		return "a list"
	}
	return "an object"
}
