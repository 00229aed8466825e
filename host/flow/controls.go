package flow

import (
	"fmt"

	"github.com/trama-run/trama/host/source"
)

// Bounds of nodes that start sub-runs.
const (
	MaxItems       = 1000 // sub-runs of one node
	MaxConcurrency = 32   // that run at once
)

// controls are the nodes that decide where a run goes.
func controls() []Kind {
	each := Port{PortEach, "Begins the sub-run of one item: its input and its trigger are the item, and nodes.<id of this node> is {index, item}."}
	return []Kind{
		{
			Type: "conditional", Group: GroupControl, Ports: []Port{{PortElse, "No branch's condition is true."}, failure},
			Doc:    "Takes the port of the first branch whose condition is true, else the port else. A condition is an expression (when), or tests that compare values (all, any). The input passes through.",
			Config: func() any { return &Conditional{} },
		}, {
			Type: "time_interval", Group: GroupControl,
			Ports:  []Port{{PortInside, "The instant is inside of an interval."}, {PortOutside, "It is in none."}, failure},
			Doc:    "Tells opening hours: whether now, or another instant, is inside of one of its intervals. What the clock on the wall of the zone shows counts, also where it is put forward or back. An interval over midnight belongs to the day on which it begins, and goes on into a holiday. The input passes through.",
			Config: func() any { return &TimeInterval{} },
		}, {
			Type: "split", Group: GroupControl,
			Doc:    "Takes one of its ways by chance, each with a share in proportion to its weight: an A/B test with any number of ways. The input passes through.",
			Config: func() any { return &Split{} },
		}, {
			Type: typeJump, Group: GroupControl, Ports: []Port{next, {PortError, "The flow is not there, the calls are too deep, or the flow failed."}},
			Doc:    "Runs another flow and comes back: the output is {label, result} of its end node. What is given as input is the other flow's trigger. With return: false the run goes over to that flow for good, and so do the flows that called it.",
			Config: func() any { return &Jump{} },
		}, {
			Type: "for_each", Group: GroupControl, Ports: []Port{next, each, failure},
			Doc:    "Runs what follows the port each for every item of a list, and waits for all: the output is {results, errors, failed}. A result is what the sub-run's end node gave, or else its last output; it is null for an item that failed, and errors says why. Variables that a sub-run sets are its own.",
			Config: func() any { return &ForEach{} },
		}, {
			Type: "parallel", Group: GroupControl, Ports: []Port{next, failure},
			Doc:    "Runs what follows each of its branches at the same time, and waits for all: the output is {results, errors, failed}, results and errors by the names of the branches. In a branch, trigger is this node's input.",
			Config: func() any { return &Parallel{} },
		}, {
			Type: "end", Group: GroupControl, Ports: []Port{failure},
			Doc:    "Ends the run, or the sub-run; a called flow returns to its caller.",
			Config: func() any { return &End{} },
		},
	}
}

// Jump is "with" of jump.
type Jump struct {
	Flow    string   `json:"flow" source:"required" jsonschema_description:"Id of the flow."`
	Trigger string   `json:"trigger,omitempty" jsonschema_description:"Id of the trigger where it begins; its trigger of type call if left out, or else its first."`
	Input   Template `json:"input,omitempty,omitzero" jsonschema_description:"The flow's event; the node's input if left out."`
	Return  *bool    `json:"return,omitempty" jsonschema_description:"false: go for good. true if left out."`
	Ports   []string `json:"ports,omitempty" jsonschema_description:"Labels of the flow's end nodes that have a port of their own here; other ends lead to next."`
}

// Returns says whether the run comes back.
func (j *Jump) Returns() bool { return j.Return == nil || *j.Return }

func (j *Jump) ports() []string { return j.Ports }

func (*Jump) portsDoc() string { return "The flow ended with this label." }

func (j *Jump) check(n *Node) (problems source.Problems) {
	if j.Flow != "" && !flowName(j.Flow) {
		problems.Add(n.With.Place("flow"), "name a flow; it can't be a template, so that what is called is known", "%q is not a flow id", j.Flow)
	}
	if !j.Returns() && len(j.Ports) > 0 {
		problems.Add(n.With.Place("ports"), "leave ports out, or return: false", "a jump for good has no ports")
	}
	for i, name := range j.Ports {
		problems = append(problems, checkPort(n.With.Place("ports", fmt.Sprint(i)), name, j.Ports[:i], PortNext, PortError)...)
	}
	return problems
}

// ForEach is "with" of for_each.
type ForEach struct {
	Items       Template `json:"items" source:"required" jsonschema_description:"The list; 1000 items at most."`
	Concurrency int      `json:"concurrency,omitempty" jsonschema_description:"How many sub-runs go at once: 1 (if left out) to 32. More than one can't wait for replies."`
}

func (f *ForEach) check(n *Node) source.Problems { return checkConcurrency(n, f.Concurrency) }

// Parallel is "with" of parallel.
type Parallel struct {
	Branches    []string `json:"branches" source:"required" jsonschema_description:"Names of the ports that begin sub-runs, with the node's input each."`
	Concurrency int      `json:"concurrency,omitempty" jsonschema_description:"How many go at once: 1 to 32, which it is if left out."`
}

func (p *Parallel) ports() []string { return p.Branches }

func (*Parallel) portsDoc() string { return "Begins the sub-run of the branch." }

func (p *Parallel) check(n *Node) source.Problems {
	problems := checkConcurrency(n, p.Concurrency)
	if branches := n.With.Get("branches"); len(p.Branches) == 0 && branches.IsList() {
		problems.Add(branches.Place(), "write branches: [stock, price]", "parallel needs a branch")
	}
	for i, name := range p.Branches {
		problems = append(problems, checkPort(n.With.Place("branches", fmt.Sprint(i)), name, p.Branches[:i], PortNext, PortError)...)
	}
	return problems
}

// atOnce gives the ports of sub-runs that go beside one another.
func (f *ForEach) atOnce() []string {
	if f.Concurrency > 1 {
		return []string{PortEach}
	}
	return nil
}

func (p *Parallel) atOnce() []string {
	if p.Concurrency == 1 || len(p.Branches) < 2 {
		return nil
	}
	return p.Branches
}

func checkConcurrency(n *Node, c int) (problems source.Problems) {
	if c < 0 || c > MaxConcurrency || c == 0 && !n.With.Get("concurrency").IsZero() {
		problems.Add(n.With.Place("concurrency"), fmt.Sprintf("write 1 to %d", MaxConcurrency), "%d sub-runs at once are not possible", c)
	}
	return problems
}

// End is "with" of end.
type End struct {
	Label  string   `json:"label,omitempty" jsonschema_description:"How it ended, such as success: shown in the run's record, and a port of the jump that called the flow."`
	Result Template `json:"result,omitempty,omitzero" jsonschema_description:"Any JSON value: kept in the run's record, and what a jump or a for_each gets."`
}

func (e *End) check(n *Node) (problems source.Problems) {
	if e.Label != "" && !portName(e.Label) {
		problems.Add(n.With.Place("label"), "use letters, digits, - and _", "%q is not a label", e.Label)
	}
	return problems
}
