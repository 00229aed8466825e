package graph

import (
	"cmp"
	"slices"
)

// The layout is layered, top down (Sugiyama): every node gets a layer below
// those that lead to it, loops left aside; edges over several layers get bends
// in between; the order within layers is chosen so that few edges cross; then
// everything gets its place. An edge back goes around its source, up a lane
// of bends beside the nodes, and in at the top like any other.

// cell is what has a place in a layer: a node or a bend.
type cell struct {
	node  int // its index; -1 for a bend
	layer int
	pos   int // in its layer
	turn  bool
	above []int // cells of the layer above that it is joined to
	below []int

	width, height float64
	x             float64 // of its middle
}

// bendKey names a bend. Edges to one node share their bends, so that they run
// together like the lines of a bus.
type bendKey struct {
	to, layer    int
	error, up, t bool // t: a turn, which only guides the order
}

// layout is a graph on its way to places.
type layout struct {
	graph  *Graph
	cells  []cell // those of the nodes first, by index
	bends  map[bendKey]int
	layers [][]int
	routes [][]int // cells that each edge passes, its ends included
	back   []bool  // edges that go up

	outs, ins []anchors // by node
}

// layered gives every node a layer and every edge its route.
func layered(g *Graph) *layout {
	l := &layout{graph: g, bends: map[bendKey]int{}, routes: make([][]int, len(g.edges)), back: backEdges(g)}
	deepest := 0
	for i, layer := range longestPaths(g, l.back) {
		l.cells = append(l.cells, cell{node: i, layer: layer})
		deepest = max(deepest, layer)
	}
	l.layers = make([][]int, deepest+2) // the last one is for turns below the last nodes
	for i := range l.cells {
		l.place(i)
	}
	for i, e := range g.edges {
		if l.back[i] {
			l.routes[i] = l.lane(e)
		} else {
			l.routes[i] = l.down(e)
		}
	}
	return l
}

func (l *layout) place(i int) {
	c := &l.cells[i]
	c.pos = len(l.layers[c.layer])
	l.layers[c.layer] = append(l.layers[c.layer], i)
}

// down routes an edge to a lower layer.
func (l *layout) down(e edge) []int {
	route := []int{e.from}
	for layer := l.cells[e.from].layer + 1; layer < l.cells[e.to].layer; layer++ {
		route = append(route, l.bend(bendKey{to: e.to, layer: layer, error: e.isError()}))
	}
	route = append(route, e.to)
	for i := range route[1:] {
		l.join(route[i], route[i+1])
	}
	return route
}

// lane routes an edge to the same or a higher layer. Its turns, below the
// source and above the target, draw the lane towards both.
func (l *layout) lane(e edge) []int {
	from, to := l.cells[e.from].layer, l.cells[e.to].layer
	turn := l.bend(bendKey{to: e.to, layer: from + 1, error: e.isError(), up: true, t: true})
	l.join(e.from, turn)
	route, below := []int{e.from}, turn
	for layer := from; layer >= to; layer-- {
		bend := l.bend(bendKey{to: e.to, layer: layer, error: e.isError(), up: true})
		l.join(bend, below)
		route, below = append(route, bend), bend
	}
	turn = l.bend(bendKey{to: e.to, layer: to - 1, error: e.isError(), up: true, t: true})
	l.join(turn, below)
	l.join(turn, e.to)
	return append(route, e.to)
}

func (l *layout) bend(key bendKey) int {
	i, ok := l.bends[key]
	if !ok {
		i = len(l.cells)
		l.bends[key] = i
		l.cells = append(l.cells, cell{node: -1, layer: key.layer, turn: key.t})
		l.place(i)
	}
	return i
}

// join notes that two cells of neighbouring layers are joined.
func (l *layout) join(upper, lower int) {
	if !slices.Contains(l.cells[upper].below, lower) {
		l.cells[upper].below = append(l.cells[upper].below, lower)
		l.cells[lower].above = append(l.cells[lower].above, upper)
	}
}

// backEdges finds edges without which the graph has no loop: those that lead
// to a node on the way from a trigger, edges taken in the document's order.
func backEdges(g *Graph) []bool {
	back := make([]bool, len(g.edges))
	leaving := make([][]int, len(g.nodes))
	for i, e := range g.edges {
		leaving[e.from] = append(leaving[e.from], i)
	}
	const onWay, left = 1, 2
	state := make([]int, len(g.nodes))
	var visit func(n int)
	visit = func(n int) {
		state[n] = onWay
		for _, i := range leaving[n] {
			switch to := g.edges[i].to; state[to] {
			case onWay:
				back[i] = true
			case left:
			default:
				visit(to)
			}
		}
		state[n] = left
	}
	for n := range g.nodes {
		if state[n] == 0 {
			visit(n)
		}
	}
	return back
}

// longestPaths gives each node the number of edges on the longest way to it.
func longestPaths(g *Graph, back []bool) []int {
	layers := make([]int, len(g.nodes))
	entering := make([]int, len(g.nodes)) // edges whose source has no layer yet
	for i, e := range g.edges {
		if !back[i] {
			entering[e.to]++
		}
	}
	var ready []int
	for n := range g.nodes {
		if entering[n] == 0 {
			ready = append(ready, n)
		}
	}
	for len(ready) > 0 {
		n := ready[0]
		ready = ready[1:]
		for i, e := range g.edges {
			if e.from != n || back[i] {
				continue
			}
			layers[e.to] = max(layers[e.to], layers[n]+1)
			if entering[e.to]--; entering[e.to] == 0 {
				ready = append(ready, e.to)
			}
		}
	}
	// What a back edge leads to needs a layer above it, for the turn.
	for i, e := range g.edges {
		if back[i] && layers[e.to] == 0 {
			for n := range layers {
				layers[n]++
			}
			break
		}
	}
	return layers
}

// Bounds of the work on the order: sweeps is how often all layers are gone
// through, and swapped the size of a graph up to which neighbours are tried in
// each other's place.
const (
	sweeps  = 16
	swapped = 600
	easy    = 4000 // cells up to which no work is spared
)

// effort gives how often to do what is done most times for a graph of common
// size. A flow that jumps all over has hundreds of thousands of bends.
func (l *layout) effort(most int) int { return min(most, max(1, most*easy/len(l.cells))) }

// order sorts the cells within layers so that few edges cross.
func (l *layout) order() {
	best, fewest := l.positions(), l.crossings()
	for s := 0; s < l.effort(sweeps) && fewest > 0; s++ {
		for i := range l.layers {
			if s%2 == 0 {
				l.sort(i, func(c *cell) []int { return c.above })
			} else {
				l.sort(len(l.layers)-1-i, func(c *cell) []int { return c.below })
			}
		}
		if len(l.cells) <= swapped {
			l.swap()
		}
		if n := l.crossings(); n < fewest {
			best, fewest = l.positions(), n
		}
	}
	for i, layer := range l.layers {
		slices.SortFunc(layer, func(a, b int) int { return best[a] - best[b] })
		// Turns have done their work.
		l.layers[i] = slices.DeleteFunc(layer, func(c int) bool { return l.cells[c].turn })
		l.renumber(i)
	}
}

func (l *layout) positions() []int {
	p := make([]int, len(l.cells))
	for i := range l.cells {
		p[i] = l.cells[i].pos
	}
	return p
}

func (l *layout) renumber(layer int) {
	for pos, c := range l.layers[layer] {
		l.cells[c].pos = pos
	}
}

// sort orders a layer by the middle of each cell's neighbours; a cell without
// any stays where it is.
func (l *layout) sort(layer int, neighbours func(*cell) []int) {
	middle := map[int]float64{}
	for _, i := range l.layers[layer] {
		c := &l.cells[i]
		near := neighbours(c)
		if len(near) == 0 {
			middle[i] = float64(c.pos)
			continue
		}
		sum := 0.0
		for _, n := range near {
			sum += float64(l.cells[n].pos)
		}
		middle[i] = sum / float64(len(near))
	}
	slices.SortStableFunc(l.layers[layer], func(a, b int) int { return cmp.Compare(middle[a], middle[b]) })
	l.renumber(layer)
}

// swap exchanges neighbours where that leaves fewer crossings.
func (l *layout) swap() {
	for range 4 {
		better := false
		for _, layer := range l.layers {
			for i := 0; i+1 < len(layer); i++ {
				a, b := &l.cells[layer[i]], &l.cells[layer[i+1]]
				now := l.between(a.above, b.above) + l.between(a.below, b.below)
				then := l.between(b.above, a.above) + l.between(b.below, a.below)
				if then < now {
					layer[i], layer[i+1] = layer[i+1], layer[i]
					a.pos, b.pos = b.pos, a.pos
					better = true
				}
			}
		}
		if !better {
			return
		}
	}
}

// between counts the crossings of the edges to two neighbours' neighbours, in
// this order.
func (l *layout) between(left, right []int) (n int) {
	for _, a := range left {
		for _, b := range right {
			if l.cells[a].pos > l.cells[b].pos {
				n++
			}
		}
	}
	return n
}

// crossings counts the edges that cross between all layers.
func (l *layout) crossings() (n int) {
	for _, layer := range l.layers {
		for i, a := range layer {
			for _, b := range layer[i+1:] {
				n += l.between(l.cells[a].below, l.cells[b].below)
			}
		}
	}
	return n
}
