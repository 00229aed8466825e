package graph

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"strings"
)

// Measures of the picture.
const (
	margin    = 24 // around it
	headSize  = 16
	headLines = 3
	headWide  = 360 // the least width of a picture
	turnBy    = 44  // how far the control points of a turn are from its layer
)

// box is a rectangle of the picture that nothing else may lie on.
type box struct{ x, y, w, h float64 }

// picture is a layout with all its places known.
type picture struct {
	graph  *Graph
	layout *layout
	nodes  []box
	labels []box // of edges; without width if there is none
	tops   []float64
	bottom []float64 // of layers, labels included
	width  float64
	height float64

	head []string // lines of the heading

	out  bytes.Buffer
	been map[arm]bool
}

// arm is a bend that a way was drawn to, lit or not: ways that meet there run
// on as one.
type arm struct {
	bend int
	lit  bool
}

// arrange finds a place for everything.
func arrange(g *Graph) *picture {
	l := layered(g)
	l.order()
	l.anchor()
	l.coordinates()
	l.straighten()
	tops, heights, bottom := l.rows()
	p := &picture{graph: g, layout: l, tops: tops, labels: make([]box, len(g.edges)), been: map[arm]bool{}}
	left, right := 0.0, 0.0
	for i, c := range l.cells {
		if !c.turn {
			if i == 0 {
				left, right = c.x-c.width/2, c.x+c.width/2
			}
			left, right = min(left, c.x-c.width/2), max(right, c.x+c.width/2)
		}
	}
	p.width = max(right-left+2*margin, headWide)
	p.head = lines(g.heading(), headSize, p.width-2*margin, headLines)
	below := margin + 22*float64(len(p.head)) + 34 // the heading
	p.height = below + bottom + margin
	shift := (p.width - (right - left)) / 2
	for i := range l.cells {
		l.cells[i].x += shift - left
	}
	for i := range tops {
		p.tops[i] += below
		p.bottom = append(p.bottom, p.tops[i]+heights[i])
	}
	for n := range g.nodes {
		c := &l.cells[n]
		p.nodes = append(p.nodes, box{c.x - c.width/2, p.tops[c.layer], c.width, boxHeight(&g.nodes[n])})
	}
	for i, e := range g.edges {
		b := p.nodes[e.from]
		w := labelWidth(e.label())
		p.labels[i] = box{p.leaves(i) - w/2, b.y + b.h + labelDrop, w, labelH}
	}
	return p
}

// leaves and enters give the x of an edge's ends.
func (p *picture) leaves(edge int) float64 {
	from := p.graph.edges[edge].from
	return p.layout.cells[from].x + p.layout.outs[from].offset(edge)
}

func (p *picture) enters(edge int) float64 {
	to := p.graph.edges[edge].to
	return p.layout.cells[to].x + p.layout.ins[to].offset(p.layout.arrival(edge))
}

// SVG gives the graph as a picture of its own: no script, no font, nothing to
// load. It has colours for light and dark surroundings, and a text for all
// that it shows.
func (g *Graph) SVG() []byte {
	p := arrange(g)
	p.printf(`<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%.0f" viewBox="0 0 %.0f %.0f" role="img" aria-labelledby="flow-title flow-desc">`+"\n", p.width, p.height, p.width, p.height)
	p.printf("<title id=\"flow-title\">%s</title>\n<desc id=\"flow-desc\">%s</desc>\n", text(g.heading()), text(g.describe()))
	p.printf("<style>%s</style>\n", style())
	p.printf(`<rect class="ground" width="%.0f" height="%.0f"/>`+"\n", p.width, p.height)
	y := float64(margin) + 8
	for _, line := range p.head {
		p.printf(`<text class="head" x="%d" y="%.0f">%s</text>`, margin, y, text(line))
		y += 22
	}
	below := g.id
	if g.run != "" {
		below += " · " + g.run
	}
	p.printf(`<text class="under" x="%d" y="%.0f">%s</text>`+"\n", margin, y-3, text(cut(below, saysSize, p.width-2*margin)))
	for _, taken := range []bool{false, true} { // what is lit lies on top
		for i := range g.edges {
			if (g.edges[i].taken > 0) == taken {
				p.edge(i)
			}
		}
	}
	for i := range g.edges {
		p.label(i)
	}
	for i := range g.nodes {
		p.node(i)
	}
	p.printf("</svg>\n")
	return p.out.Bytes()
}

func (p *picture) printf(format string, args ...any) { fmt.Fprintf(&p.out, format, args...) }

// text escapes a text for XML.
func text(s string) string {
	var b strings.Builder
	if err := xml.EscapeText(&b, []byte(s)); err != nil { // a Builder takes everything
		panic(err)
	}
	return b.String()
}

// edge draws one edge, as curves between layers and straight lines along them.
func (p *picture) edge(i int) {
	g, l := p.graph, p.layout
	e, route := &g.edges[i], l.routes[i]
	from, to := p.nodes[e.from], p.nodes[e.to]
	x, y := p.leaves(i), p.bottom[l.cells[e.from].layer]
	var d strings.Builder
	fmt.Fprintf(&d, "M%.1f %.1fV%.1f", x, from.y+from.h, y)
	curve := func(x2, y2 float64) {
		fmt.Fprintf(&d, "C%.1f %.1f %.1f %.1f %.1f %.1f", x, (y+y2)/2, x2, (y+y2)/2, x2, y2)
		x, y = x2, y2
	}
	turn := func(x2, by float64) { // to the same height, around by a distance
		fmt.Fprintf(&d, "C%.1f %.1f %.1f %.1f %.1f %.1f", x, y+by, x2, y+by, x2, y)
		x = x2
	}
	alone := true // until it comes to where another way was drawn
	for n, c := range route[1 : len(route)-1] {
		bend := &l.cells[c]
		top, bottom := p.tops[bend.layer], p.bottom[bend.layer]
		switch {
		case !l.back[i]:
			curve(bend.x, top)
			top, bottom = bottom, top
		case n == 0:
			turn(bend.x, turnBy)
		default:
			curve(bend.x, bottom)
		}
		if a := (arm{c, e.taken > 0}); p.been[a] {
			alone = false
			break
		} else {
			p.been[a] = true
		}
		fmt.Fprintf(&d, "V%.1f", top)
		y = top
	}
	tip := ""
	if alone {
		x2, end := p.enters(i), to.y-7 // the tip's length
		if l.back[i] {
			fmt.Fprintf(&d, "C%.1f %.1f %.1f %.1f %.1f %.1f", x, y-turnBy, x2, to.y-turnBy, x2, end)
		} else {
			curve(x2, end)
		}
		tip = fmt.Sprintf(`<path class="tip" d="M%.1f %.1fl-4.5 -8h9z"/>`, x2, to.y)
	}
	class, told := "edge", g.nodes[e.from].name()+" to "+g.nodes[e.to].name()+", port "+e.port
	if e.isError() {
		class += " error"
	}
	if e.taken > 0 {
		class += " lit"
		told += fmt.Sprintf(", taken %d times", e.taken)
	} else if g.lit {
		class += " dim"
	}
	p.printf(`<g class="%s"><title>%s</title><path d="%s"/>%s</g>`+"\n", class, text(told), d.String(), tip)
}

func (p *picture) label(i int) {
	e, b := &p.graph.edges[i], p.labels[i]
	if b.w == 0 {
		return
	}
	class := "port"
	if e.isError() {
		class += " error"
	}
	if e.taken > 0 {
		class += " lit"
	} else if p.graph.lit {
		class += " dim"
	}
	p.printf(`<g class="%s"><title>%s</title><rect x="%.1f" y="%.1f" width="%.1f" height="%d" rx="5"/><text x="%.1f" y="%.1f">%s</text></g>`+"\n",
		class, text(e.label()), b.x, b.y, b.w, labelH, b.x+b.w/2, b.y+12.5, text(cut(e.label(), labelSize, labelWide)))
}

func (p *picture) node(i int) {
	n, b := &p.graph.nodes[i], p.nodes[i]
	class, told := "node "+looks[n.kind].class, n.name()+": "+looks[n.kind].doc+", "+n.says()
	switch {
	case n.mark != "":
		class += " lit " + n.mark
		told += ", " + n.mark + " here"
	case len(n.visits) > 0:
		class += " lit"
	case p.graph.lit:
		class += " dim"
	}
	if order := n.order(); order != "" {
		told += ", passed as " + order
	}
	p.printf(`<g class="%s"><title>%s</title>%s`, class, text(told), shape(n.kind, b))
	y := b.y + 21
	for _, line := range n.lines() {
		p.printf(`<text class="name" x="%.1f" y="%.1f">%s</text>`, b.x+b.w/2, y, text(line))
		y += lineH
	}
	p.printf(`<text class="says" x="%.1f" y="%.1f">%s</text>`, b.x+b.w/2, y-1, text(cut(n.says(), saysSize, saysWide)))
	if order := n.order(); order != "" {
		p.badge("badge", b.x+8, b.y, order)
	}
	if n.mark != "" {
		p.badge("badge "+n.mark, b.x+b.w-8-badgeWidth(n.mark), b.y, n.mark)
	}
	p.printf("</g>\n")
}

// badge draws a short text on the upper edge of a node.
func (p *picture) badge(class string, x, y float64, says string) {
	w := badgeWidth(says)
	p.printf(`<g class="%s"><rect x="%.1f" y="%.1f" width="%.1f" height="18" rx="9"/><text x="%.1f" y="%.1f">%s</text></g>`, class, x, y-9, w, x+w/2, y+3.5, text(says))
}

// shape draws the outline of a kind in a box.
func shape(k kind, b box) string {
	x, y, r, m := b.x, b.y, b.x+b.w, b.y+b.h
	rect := func(radius float64) string {
		return fmt.Sprintf(`<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" rx="%.1f"/>`, x, y, b.w, b.h, radius)
	}
	switch k {
	case kindTrigger:
		return rect(b.h / 2)
	case kindEnd:
		return rect(b.h/2) + fmt.Sprintf(`<rect class="inner" x="%.1f" y="%.1f" width="%.1f" height="%.1f" rx="%.1f"/>`, x+3.5, y+3.5, b.w-7, b.h-7, b.h/2-3.5)
	case kindChoice:
		return fmt.Sprintf(`<path d="M%.1f %.1fL%.1f %.1fH%.1fL%.1f %.1fL%.1f %.1fH%.1fz"/>`, x, y+b.h/2, x+16, y, r-16, r, y+b.h/2, r-16, m, x+16)
	case kindAnswer:
		return fmt.Sprintf(`<path d="M%.1f %.1fH%.1fL%.1f %.1fH%.1fz"/>`, x+14, y, r, r-14, m, x)
	case kindMessage: // a bubble, with a corner to speak from
		return fmt.Sprintf(`<path d="M%.1f %.1fH%.1fa14 14 0 0 1 14 14V%.1fa14 14 0 0 1 -14 14H%.1fV%.1fa14 14 0 0 1 14 -14z"/>`, x+14, y, r-14, m-14, x, y+14)
	case kindWait: // the flowchart's sign of a delay
		return fmt.Sprintf(`<path d="M%.1f %.1fH%.1fa%.1f %.1f 0 0 1 0 %.1fH%.1fz"/>`, x, y, r-b.h/2, b.h/2, b.h/2, b.h, x)
	case kindCode, kindPart: // the flowchart's sign of a routine
		return rect(3) + fmt.Sprintf(`<path class="inner" d="M%.1f %.1fV%.1fM%.1f %.1fV%.1f"/>`, x+8, y, m, r-8, y, m)
	case kindCall: // a plug's two pins
		return rect(8) + fmt.Sprintf(`<path class="inner" d="M%.1f %.1fh7M%.1f %.1fh7"/>`, x, y+b.h/2-6, x, y+b.h/2+6)
	}
	return rect(8)
}

// style gives the style sheet for both colour schemes.
func style() string {
	var b strings.Builder
	b.WriteString(`
text{font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue","Noto Sans",sans-serif;unicode-bidi:plaintext}
.node text,.port text,.badge text{text-anchor:middle}
.head{font-size:16px;font-weight:600}.under,.says,.port text{font-size:11px}.name{font-size:13px;font-weight:600}
.badge text{font-size:10px;font-weight:700}
.edge path{fill:none;stroke-width:1.5}.edge.error path{stroke-dasharray:5 4}.edge .tip{stroke:none}
.edge.lit path{stroke-width:3;stroke-dasharray:none}.edge.error.lit path{stroke-dasharray:7 4}.edge.lit .tip{stroke-width:1.5;stroke-dasharray:none}
.node>rect,.node>path{stroke-width:1.5}.node .inner{fill:none;stroke-width:1.5}.node.lit>rect,.node.lit>path{stroke-width:2.5}.node.lit>.inner{stroke-width:1.5}
.edge.dim,.node.dim,.port.dim text{opacity:.42}
`)
	scheme := func(n int, ground, ink, muted, line, errors, lit, wait, onBadge string) {
		fmt.Fprintf(&b, ".ground,.port rect{fill:%s}.head,.name{fill:%s}.under,.says,.port text{fill:%s}.edge path{stroke:%s}.edge .tip{fill:%s}\n", ground, ink, muted, line, line)
		fmt.Fprintf(&b, ".edge.error path{stroke:%s}.edge.error .tip,.port.error text{fill:%s}.edge.lit path{stroke:%s}.edge.lit .tip,.port.lit text,.badge rect{fill:%s}.badge text{fill:%s}\n", errors, errors, lit, lit, onBadge)
		fmt.Fprintf(&b, ".edge.error.lit path{stroke:%s}.edge.error.lit .tip,.port.error.lit text,.badge.failed rect{fill:%s}.badge.waiting rect,.badge.running rect{fill:%s}\n", errors, errors, wait)
		for _, look := range looks {
			colours := look.light
			if n == 1 {
				colours = look.dark
			}
			fmt.Fprintf(&b, ".%s>rect,.%s>path{fill:%s;stroke:%s}", look.class, look.class, colours[0], colours[1])
		}
		fmt.Fprintf(&b, ".node>.inner{fill:none}\n.node.lit>rect,.node.lit>path{stroke:%s}.node.failed>rect,.node.failed>path{stroke:%s}.node.waiting>rect,.node.waiting>path,.node.running>rect,.node.running>path{stroke:%s}\n", lit, errors, wait)
	}
	scheme(0, "#ffffff", "#0f172a", "#475569", "#94a3b8", "#dc2626", "#2563eb", "#b45309", "#ffffff")
	b.WriteString("@media(prefers-color-scheme:dark){\n")
	scheme(1, "#0d1117", "#e6edf3", "#9aa7b5", "#566475", "#f87171", "#58a6ff", "#fbbf24", "#0d1117")
	b.WriteString("}\n")
	return b.String()
}
