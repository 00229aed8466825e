package graph

import (
	"fmt"
	"strings"
	"unicode"
)

// Mermaid gives the graph as the text of a Mermaid flowchart. Its colours are
// those of outlines alone, which fit light and dark themes.
func (g *Graph) Mermaid() string {
	var b strings.Builder
	b.WriteString("flowchart TD\n")
	fmt.Fprintf(&b, "  accTitle: %s\n  accDescr: %s\n", aside(g.heading()), aside(g.describe()))
	var classes [len(looks)][]string
	var lit []string
	marked := map[string][]string{}
	for i := range g.nodes {
		n := &g.nodes[i]
		id := "n_" + n.id // "end" alone would end the chart
		label := escape(n.name()) + "<br/>" + escape(n.says())
		if order := n.order(); order != "" {
			label = escape(order) + " · " + label
		}
		if n.mark != "" {
			label += "<br/>" + strings.ToUpper(n.mark)
			marked[n.mark] = append(marked[n.mark], id)
		} else if len(n.visits) > 0 {
			lit = append(lit, id)
		}
		look := looks[n.kind]
		fmt.Fprintf(&b, "  %s%s%s%s\n", id, look.open, label, look.close)
		classes[n.kind] = append(classes[n.kind], id)
	}
	var taken []string
	for i, e := range g.edges {
		arrow := "-->"
		if e.isError() {
			arrow = "-.->"
		}
		label := ""
		if text := e.label(); text != "" {
			label = `|"` + escape(text) + `"|`
		}
		fmt.Fprintf(&b, "  n_%s %s%s n_%s\n", g.nodes[e.from].id, arrow, label, g.nodes[e.to].id)
		if e.taken > 0 {
			taken = append(taken, fmt.Sprint(i))
		}
	}
	for k, ids := range classes {
		class(&b, looks[k].class, "stroke:"+looks[k].light[1], ids)
	}
	class(&b, "lit", "stroke:#2563eb,stroke-width:3px", lit)
	class(&b, "failed", "stroke:#dc2626,stroke-width:4px", marked["failed"])
	class(&b, "here", "stroke:#d97706,stroke-width:4px", append(marked["waiting"], marked["running"]...))
	if len(taken) > 0 {
		fmt.Fprintf(&b, "  linkStyle %s stroke:#2563eb,stroke-width:3px\n", strings.Join(taken, ","))
	}
	return b.String()
}

// class gives nodes a style under a name.
func class(b *strings.Builder, name, style string, ids []string) {
	if len(ids) > 0 {
		fmt.Fprintf(b, "  classDef %s %s\n  class %s %s\n", "k_"+name, style, strings.Join(ids, ","), "k_"+name)
	}
}

// escape writes a text so that it stands in a quoted label as it is: what
// could end the label, or be read as markup, becomes the number of its
// character.
func escape(text string) string {
	var b strings.Builder
	runes := []rune(text)
	word := func(i int) bool {
		return i >= 0 && i < len(runes) && (unicode.IsLetter(runes[i]) || unicode.IsDigit(runes[i]))
	}
	letters := false // so far: no list begins here any more
	for i, r := range runes {
		letters = letters || unicode.IsLetter(r)
		plain := r >= 0x80 || word(i)
		switch r {
		case ' ', ',', '/', '=', '?', '!', '\'':
			plain = true
		case '.', '-', ':':
			plain = letters
		case '_':
			plain = word(i-1) && word(i+1)
		}
		if plain {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, "#%d;", r)
		}
	}
	return b.String()
}

// aside writes a text for the accessible title and description, which end at
// a line's end, a semicolon or a number sign, and know no escapes.
func aside(text string) string {
	return strings.NewReplacer(";", ",", "#", "No. ", "{", "(", "}", ")", "%%", "% %").Replace(text)
}
