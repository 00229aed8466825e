package engine

import (
	"fmt"

	"github.com/trama-run/trama/host/flow"
)

// Program is a compiled flow. It may be used by many goroutines.
type Program struct {
	flow    *flow.Flow
	version int
	nodes   map[string]*node
	next    map[port]string // the node that follows a port
}

type port struct{ of, name string }

type node struct {
	*flow.Node
	config any // see flow.Node.Config
	needs  flow.Need
}

// Compile compiles all expressions of a version of a flow that [flow.Parse]
// took. The flow may not be changed afterwards.
func Compile(f *flow.Flow, version int) (*Program, error) {
	p := &Program{flow: f, version: version, nodes: map[string]*node{}, next: map[port]string{}}
	needs := map[string]flow.Need{}
	for _, k := range flow.Kinds() {
		needs[k.Type] = k.Needs
	}
	for i := range f.Nodes {
		n := &f.Nodes[i]
		config, problems := n.Config()
		if err := problems.Err(); err != nil {
			return nil, fmt.Errorf("compile flow %q: node %q: %w", f.ID, n.ID, err)
		}
		if config == nil {
			return nil, fmt.Errorf("compile flow %q: node %q: %q is not a type of node", f.ID, n.ID, n.Type)
		}
		p.nodes[n.ID] = &node{n, config, needs[n.Type]}
	}
	for _, e := range f.Edges {
		if _, ok := p.nodes[e.To]; !ok {
			return nil, fmt.Errorf("compile flow %q: an edge leads to %q, which is no node", f.ID, e.To)
		}
		p.next[port{e.From, e.FromPort()}] = e.To
	}
	return p, nil
}

// Flow gives the flow that was compiled, Version its version.
func (p *Program) Flow() *flow.Flow { return p.flow }

// Version gives the version of the flow that was compiled.
func (p *Program) Version() int { return p.version }

// entry gives the trigger where a jump begins.
func (p *Program) entry(named string) (string, bool) {
	if named != "" {
		_, ok := p.flow.Trigger(named)
		return named, ok
	}
	return p.flow.Entry().ID, true
}
