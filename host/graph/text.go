package graph

import (
	"strings"
	"unicode"
)

// Sizes of text. No font is known here, so widths are those of a wide one.
const (
	nameSize  = 13
	saysSize  = 11
	labelSize = 11
	nameWide  = 200 // of a line of a name, before it breaks
	saysWide  = 230
	labelWide = 140
	lineH     = 17
)

// textWidth estimates how wide a text is in a sans-serif font.
func textWidth(text string, size float64) float64 {
	em := 0.0
	for _, r := range text {
		switch {
		case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf): // drawn over or not at all
		case r >= 0x1100 && (r <= 0x115f || r >= 0x2e80 && r <= 0xa4cf || r >= 0xac00 && r <= 0xd7a3 || r >= 0xf900 && r <= 0xfaff || r >= 0xfe30 && r <= 0xfe6f || r >= 0xff00 && r <= 0xff60 || r >= 0x1f000):
			em += 1.3 // ideographs and emoji
		case strings.ContainsRune("iljI.,:;'|!() ftr1", r):
			em += 0.42
		case strings.ContainsRune("mwMW@%…", r):
			em += 1
		case unicode.IsUpper(r):
			em += 0.74
		default:
			em += 0.62
		}
	}
	return em * size
}

// cut shortens a text to a width, and says so with an ellipsis.
func cut(text string, size, width float64) string {
	if textWidth(text, size) <= width {
		return text
	}
	runes := []rune(text)
	for len(runes) > 0 && textWidth(string(runes)+"…", size) > width {
		runes = runes[:len(runes)-1]
	}
	return strings.TrimRight(string(runes), " \u200d") + "…"
}

// lines breaks a text into lines of a width; what is more than most lines is
// cut.
func lines(text string, size, width float64, most int) []string {
	var all []string
	line := ""
	words := strings.Split(text, " ")
	for i, w := range words {
		longer := strings.TrimLeft(line+" "+w, " ")
		switch {
		case textWidth(longer, size) <= width || line == "":
			line = longer
		case len(all) == most-1:
			return append(all, cut(line+" "+strings.Join(words[i:], " "), size, width))
		default:
			all = append(all, cut(line, size, width))
			line = w
		}
	}
	return append(all, cut(line, size, width))
}

// lines are those of the node's name.
func (n *node) lines() []string { return lines(n.name(), nameSize, nameWide, 2) }

// size gives the width that a node's texts need, and its height.
func size(n *node) (width, height float64) {
	for _, line := range n.lines() {
		width = max(width, textWidth(line, nameSize))
	}
	width = max(width, textWidth(cut(n.says(), saysSize, saysWide), saysSize))
	// The badges in the upper corners stay beside the arrows.
	badges := 2*max(badgeWidth(n.order()), badgeWidth(n.mark)) + 40
	return max(112, badges, width+2*looks[n.kind].pad), boxHeight(n)
}

// boxHeight is the height of a node's box, without the labels below it.
func boxHeight(n *node) float64 { return 29 + lineH*float64(len(n.lines())) }

func badgeWidth(text string) float64 {
	if text == "" {
		return 0
	}
	return max(18, textWidth(text, 11.5)+12) // they are bold
}

// labelWidth is the width of the label of an edge; 0 if it has none.
func labelWidth(text string) float64 {
	if text == "" {
		return 0
	}
	return textWidth(cut(text, labelSize, labelWide), labelSize) + 2*labelPad
}
