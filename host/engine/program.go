package engine

import (
	"fmt"

	"github.com/trama-run/trama/host/flow"
)

// Program is a compiled flow. It may be used by many goroutines.
type Program struct {
	flow  *flow.Flow
	nodes map[string]*node
	next  map[port]string // the node that follows a port
}

type port struct{ of, name string }

type node struct {
	*flow.Node
	config any // see flow.Node.Config
}

// Compile compiles all expressions of a flow that [flow.Parse] took. The flow
// may not be changed afterwards.
func Compile(f *flow.Flow) (*Program, error) {
	p := &Program{flow: f, nodes: map[string]*node{}, next: map[port]string{}}
	for i := range f.Nodes {
		n := &f.Nodes[i]
		config, problems := n.Config()
		if err := problems.Err(); err != nil {
			return nil, fmt.Errorf("compile flow %q: node %q: %w", f.ID, n.ID, err)
		}
		if config == nil {
			return nil, fmt.Errorf("compile flow %q: node %q: %q is not a type of node", f.ID, n.ID, n.Type)
		}
		p.nodes[n.ID] = &node{n, config}
	}
	for _, e := range f.Edges {
		if _, ok := p.nodes[e.To]; !ok {
			return nil, fmt.Errorf("compile flow %q: an edge leads to %q, which is no node", f.ID, e.To)
		}
		p.next[port{e.From, e.FromPort()}] = e.To
	}
	return p, nil
}

// Flow gives the flow that was compiled.
func (p *Program) Flow() *flow.Flow { return p.flow }
