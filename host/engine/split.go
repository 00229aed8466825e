package engine

import (
	"cmp"
	"math"

	"github.com/trama-run/trama/host/flow"
)

// split draws a way: each way draws a number of its own, which its weight
// makes great (weighted rendezvous hashing). So a change of a weight moves
// contacts between that way and the others only, and no more than it must.
func (m *move) split(n *node, c *flow.Split) string {
	names := []string{m.effectID()}
	if c.IsSticky() {
		names = []string{cmp.Or(m.session.Contact, m.session.ID), m.run.Flow, n.ID}
	}
	port, best := "", math.Inf(-1)
	for _, way := range c.Ways {
		// The chance is in [0, 1), and ln(1-chance) in (-37, 0].
		drawn := math.Log1p(-chance(append(names[:len(names):len(names)], way.Port)...)) / way.Weight
		if way.Weight > 0 && (port == "" || drawn > best) {
			port, best = way.Port, drawn
		}
	}
	return port
}
