package engine

import (
	"fmt"
	"maps"
)

// Move lets all runs of a session that are in one version of a flow go on in
// another. Names gives nodes the names that they have there; the others keep
// theirs. Its error says which node a run can't stand at; the session is as it
// was then. Calls of one that has failed are as their nodes are there, once it
// is retried; one that goes on must have none.
func (s *Session) Move(from, to *Program, names map[string]string) error {
	run := s.Run.clone()
	var stuck error
	moved := map[string]bool{}
	run.all(func(r *Run) {
		if r.Flow != from.flow.ID || r.Version != from.version || stuck != nil {
			return
		}
		stuck = r.move(from, to, names)
		moved[r.ID] = true
	})
	silence := s.Silence
	if silence != nil && moved[silence.Run] && stuck == nil {
		armed := *silence
		armed.Node, stuck = standsAt(from, to, names, armed.Node)
		silence = &armed
	}
	if stuck != nil {
		return stuck
	}
	s.Run, s.Silence = run, silence
	return nil
}

// all visits a run and those below it, of a failed one too: they wait for a
// retry.
func (r *Run) all(visit func(*Run)) {
	visit(r)
	if r.Called != nil {
		r.Called.all(visit)
	}
	if r.Group != nil {
		for _, sub := range r.Group.Subs {
			if sub.Run != nil {
				sub.Run.all(visit)
			}
		}
	}
}

// standsAt gives the name of a node in another version, or why it is not the
// same there.
func standsAt(from, to *Program, names map[string]string, id string) (string, error) {
	name, mapped := names[id]
	if !mapped {
		name = id
	}
	before, after := from.nodes[id], to.nodes[name]
	switch {
	case id == "": // it has not begun
	case after == nil && mapped:
		return "", fmt.Errorf("it stands at node %q, and version %d has no node %q", id, to.version, name)
	case after == nil:
		return "", fmt.Errorf("it stands at node %q, which version %d does not have; map it to one that it has", id, to.version)
	case before == nil:
		return "", fmt.Errorf("it stands at node %q, which version %d does not have", id, from.version)
	case before.Type != after.Type:
		return "", fmt.Errorf("it stands at node %q, a %s, and %q is a %s in version %d", id, before.Type, name, after.Type, to.version)
	}
	return name, nil
}

func (r *Run) move(from, to *Program, names map[string]string) error {
	at, err := standsAt(from, to, names, r.Node)
	if err != nil {
		return err
	}
	if r.Pending != nil {
		call := *r.Pending
		call.Node, call.Moved = at, true
		r.Pending = &call
	}
	if r.Group != nil {
		for _, sub := range r.Group.Subs {
			begins := func(p *Program, node string) bool { return p.next[port{node, sub.Port}] != "" }
			if sub.Run == nil && !sub.Over && begins(from, r.Node) && !begins(to, at) {
				return fmt.Errorf("it has sub-runs that are to begin at the port %q of node %q, and no edge leads from it in version %d", sub.Port, r.Node, to.version)
			}
		}
	}
	r.Node, r.Version = at, to.version
	renamed := func(id string) string {
		if name, ok := names[id]; ok {
			return name
		}
		return id
	}
	r.InputOf = renamed(r.InputOf)
	nodes := maps.Clone(r.Nodes)
	for old := range names {
		delete(nodes, old)
	}
	for old, name := range names {
		if value, ok := r.Nodes[old]; ok {
			nodes[name] = value
		}
	}
	r.Nodes = nodes
	return nil
}
