package graph

import (
	"cmp"
	"math"
	"slices"
)

// Measures, in the units of the picture.
const (
	gapX      = 30 // between the cells of a layer
	bendWidth = 14
	gapY      = 58 // between layers, below the labels of ports
	mostGapY  = 110
	labelH    = 18
	labelDrop = 4 // from a node to the labels of its ports
	labelPad  = 6 // beside a label's text
	anchorGap = 16
	passes    = 40 // of moving layers towards their neighbours
	oneSided  = 8  // of them towards those above, or below, alone
)

// anchors are where edges leave or enter a node: offsets from its middle.
type anchors struct {
	keys    []int // of outs: edges; of ins: what the last stretch comes from
	offsets []float64
}

func (a *anchors) offset(key int) float64 {
	if i := slices.Index(a.keys, key); i >= 0 {
		return a.offsets[i]
	}
	return 0
}

// arrival names the last stretch of an edge: those that come from one bend
// arrive as one.
func (l *layout) arrival(edge int) int {
	route := l.routes[edge]
	if last := route[len(route)-2]; l.cells[last].node < 0 {
		return -1 - last
	}
	return edge
}

// rank orders what a node is joined to from left to right. Lanes stand in the
// node's own layer, left or right of all that is above or below it.
func (l *layout) rank(node, next int) float64 {
	n, c := &l.cells[node], &l.cells[next]
	switch {
	case c.layer != n.layer || node == next:
		return float64(c.pos)
	case c.pos < n.pos:
		return -1e6 + float64(c.pos)
	}
	return 1e6 + float64(c.pos)
}

// anchor gives every edge its places at its ends, and every node its size.
func (l *layout) anchor() {
	g := l.graph
	l.outs, l.ins = make([]anchors, len(g.nodes)), make([]anchors, len(g.nodes))
	for i, e := range g.edges {
		l.outs[e.from].keys = append(l.outs[e.from].keys, i)
		if key := l.arrival(i); !slices.Contains(l.ins[e.to].keys, key) {
			l.ins[e.to].keys = append(l.ins[e.to].keys, key)
		}
	}
	for n := range g.nodes {
		out, in := &l.outs[n], &l.ins[n]
		slices.SortStableFunc(out.keys, func(a, b int) int {
			return cmp.Compare(l.rank(n, l.routes[a][1]), l.rank(n, l.routes[b][1]))
		})
		slices.SortStableFunc(in.keys, func(a, b int) int { return cmp.Compare(l.comesFrom(n, a), l.comesFrom(n, b)) })
		c := &l.cells[n]
		c.width, c.height = size(&g.nodes[n])
		widths := make([]float64, len(out.keys))
		for i, k := range out.keys {
			widths[i] = labelWidth(g.edges[k].label())
			if widths[i] > 0 {
				c.height = max(c.height, boxHeight(&g.nodes[n])+labelDrop+labelH)
			}
		}
		c.width = max(c.width, out.spread(widths, func(k int) bool { return g.edges[k].isError() }))
		in.offsets = make([]float64, len(in.keys))
		step := min(anchorGap, (c.width-60)/float64(max(1, len(in.keys))))
		for i := range in.keys {
			in.offsets[i] = (float64(i) - float64(len(in.keys)-1)/2) * step
		}
	}
	for i := range l.cells {
		if l.cells[i].node < 0 {
			l.cells[i].width = bendWidth
		}
	}
}

func (l *layout) comesFrom(node, key int) float64 {
	if key < 0 {
		return l.rank(node, -1-key)
	}
	return l.rank(node, l.graph.edges[key].from)
}

// spread gives ports their offsets and returns the width that they need. One
// port beside that for errors stays in the middle, so that the usual way goes
// straight down.
func (a *anchors) spread(widths []float64, isError func(int) bool) float64 {
	a.offsets = make([]float64, len(a.keys))
	const gap = 8
	if len(a.keys) == 2 && isError(a.keys[0]) != isError(a.keys[1]) {
		side, main := 1, 0
		if isError(a.keys[0]) {
			side, main = 0, 1
		}
		out := max(widths[main], 12)/2 + gap + widths[side]/2
		a.offsets[side] = out
		if side == 0 {
			a.offsets[side] = -out
		}
		return 2*out + widths[side] + gap
	}
	total := 0.0
	for _, w := range widths {
		total += max(w, 12) + gap
	}
	at := -total / 2
	for i, w := range widths {
		w = max(w, 12) + gap
		a.offsets[i] = at + w/2
		at += w
	}
	return total + gap
}

// pull draws two cells together: a.x+ao wants to be b.x+bo.
type pull struct {
	a, b   int
	ao, bo float64
	weight float64
}

// coordinates gives every cell its x: layers are moved in turn, each to where
// its neighbours draw it with no cell nearer to the next than may be.
func (l *layout) coordinates() {
	near := make([][]pull, len(l.cells))
	add := func(a, b int, ao, bo, weight float64) {
		near[a] = append(near[a], pull{a, b, ao, bo, weight})
		near[b] = append(near[b], pull{b, a, bo, ao, weight})
	}
	for i, e := range l.graph.edges {
		route := l.routes[i]
		for s := range route[1:] {
			a, b := route[s], route[s+1]
			var ao, bo float64
			weight := 1.0
			if l.cells[a].node >= 0 {
				ao = l.outs[a].offset(i)
			} else {
				weight *= 2
			}
			if l.cells[b].node >= 0 {
				bo = l.ins[b].offset(l.arrival(i))
			} else {
				weight *= 2
			}
			switch {
			case l.cells[a].layer == l.cells[b].layer:
				weight = 0.3 // a lane and its node, which can't be at one place
			case e.isError():
				weight *= 0.5
			}
			add(a, b, ao, bo, weight)
		}
	}
	for _, layer := range l.layers {
		x := 0.0
		for j, c := range layer {
			if j > 0 {
				x += l.apart(layer[j-1], c)
			}
			l.cells[c].x = x
		}
		for _, c := range layer {
			l.cells[c].x -= x / 2
		}
	}
	for pass := range l.effort(passes) {
		for i := range l.layers {
			layer := i
			if pass%2 == 1 {
				layer = len(l.layers) - 1 - i
			}
			l.settle(layer, near, func(own, other int) bool {
				switch { // at first one side alone, so that all move as one
				case pass < oneSided && pass%2 == 0:
					return other <= own
				case pass < oneSided:
					return other >= own
				}
				return true
			}, pass >= oneSided)
		}
	}
}

// straighten takes the small steps out of the ways along bends: as many as can
// be get the same x, between their neighbours.
func (l *layout) straighten() {
	for _, route := range l.routes {
		for bends := route[1 : len(route)-1]; len(bends) > 0; {
			low, high := l.free(bends[0])
			n := 1
			for ; n < len(bends); n++ {
				a, b := l.free(bends[n])
				if max(a, low) > min(b, high) {
					break
				}
				low, high = max(a, low), min(b, high)
			}
			x := min(max(l.cells[bends[n/2]].x, low), high)
			for _, c := range bends[:n] {
				l.cells[c].x = x
			}
			bends = bends[n:]
		}
	}
}

// free gives the range in which a cell may be.
func (l *layout) free(c int) (low, high float64) {
	layer, pos := l.layers[l.cells[c].layer], l.cells[c].pos
	low, high = l.cells[c].x-1e6, l.cells[c].x+1e6
	if pos > 0 {
		low = l.cells[layer[pos-1]].x + l.apart(layer[pos-1], c)
	}
	if pos+1 < len(layer) {
		high = l.cells[layer[pos+1]].x - l.apart(c, layer[pos+1])
	}
	return low, high
}

// apart is how far the middles of neighbours are from each other.
func (l *layout) apart(a, b int) float64 {
	ca, cb := &l.cells[a], &l.cells[b]
	gap := float64(gapX)
	if ca.node < 0 && cb.node < 0 {
		gap = 8
	}
	return (ca.width+cb.width)/2 + gap
}

// settle moves a layer's cells to where the sum of the distances from what they
// are drawn to is least (which makes straight lines, and few of them bent),
// pooling neighbours that would come too near. Where a range of places is as
// good, a pool takes its middle or, if ends is set, an end.
func (l *layout) settle(layer int, near [][]pull, counts func(own, other int) bool, ends bool) {
	type pool struct {
		wants []want
		at    float64
		now   float64 // where its first cell is
		cells int
	}
	var pools []pool
	cells := l.layers[layer]
	shift := make([]float64, len(cells)) // the least distance from the first
	for i, c := range cells {
		if i > 0 {
			shift[i] = shift[i-1] + l.apart(cells[i-1], c)
		}
		p := pool{now: l.cells[c].x - shift[i], cells: 1}
		for _, n := range near[c] {
			if counts(layer, l.cells[n.b].layer) {
				p.wants = append(p.wants, want{l.cells[n.b].x + n.bo - n.ao - shift[i], n.weight})
			}
		}
		if len(p.wants) == 0 {
			p.wants = []want{{p.now, 0.01}}
		}
		p.at = middle(p.wants, p.now, ends)
		pools = append(pools, p)
		for n := len(pools); n > 1 && pools[n-2].at > pools[n-1].at; n = len(pools) {
			first, last := &pools[n-2], pools[n-1]
			pools = pools[:n-1]
			first.wants = append(first.wants, last.wants...)
			first.cells += last.cells
			first.at = middle(first.wants, first.now, ends)
		}
	}
	i := 0
	for _, p := range pools {
		for range p.cells {
			l.cells[cells[i]].x = p.at + shift[i]
			i++
		}
	}
}

// want is a place and how strongly something is drawn there.
type want struct{ at, weight float64 }

// middle gives the weighted median; of a range of them, its middle or, if ends
// is set, the end that is nearer to now.
func middle(wants []want, now float64, ends bool) float64 {
	slices.SortFunc(wants, func(a, b want) int { return cmp.Compare(a.at, b.at) })
	total := 0.0
	for _, w := range wants {
		total += w.weight
	}
	sum := 0.0
	for i, w := range wants {
		sum += w.weight
		switch {
		case sum > total/2+1e-9:
			return w.at
		case sum > total/2-1e-9 && i+1 < len(wants):
			low, high := w.at, wants[i+1].at
			switch {
			case !ends:
				return (low + high) / 2
			case now-low < high-now:
				return low
			}
			return high
		}
	}
	return wants[len(wants)-1].at
}

// rows gives the top and height of each layer, and the y below all of them.
// Layers are further apart where an edge between them goes far to the side.
func (l *layout) rows() (tops, heights []float64, bottom float64) {
	tops, heights = make([]float64, len(l.layers)), make([]float64, len(l.layers))
	far := make([]float64, len(l.layers)) // below each layer
	turns := make([]bool, len(l.layers))
	for i := range l.graph.edges {
		route := l.routes[i]
		for s := range route[1:] {
			a, b := &l.cells[route[s]], &l.cells[route[s+1]]
			between := min(a.layer, b.layer)
			if a.layer == b.layer && b.node >= 0 { // a lane turns above its target
				between--
			} else if a.layer == b.layer {
				turns[between] = true
			}
			far[between] = max(far[between], math.Abs(a.x-b.x))
		}
	}
	y := 0.0
	for i, layer := range l.layers {
		if len(layer) == 0 { // room for turns alone
			if i == 0 {
				y += turnBy
			}
			continue
		}
		for _, c := range layer {
			heights[i] = max(heights[i], l.cells[c].height)
		}
		tops[i] = y
		bottom = y + heights[i]
		if turns[i] {
			bottom += turnBy
		}
		y += heights[i] + min(mostGapY, gapY+far[i]/14)
	}
	return tops, heights, bottom
}
