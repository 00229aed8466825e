package fallback

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rivo/uniseg"

	"github.com/trama-run/trama/pdk/abi"
)

// length counts the characters of a text as the service does that counts the
// most: one beyond the basic plane, such as most emoji, is two (UTF-16).
func length(s string) (n int) {
	for _, r := range s {
		n += units(r)
	}
	return n
}

func units(r rune) int {
	if r >= 0x10000 {
		return 2
	}
	return 1
}

// split parts a text so that each part is within a limit, if there is one.
// Parts begin and end with no space, and none is empty.
func split(text string, limit int) (parts []string) {
	for text = strings.TrimSpace(text); text != ""; {
		var part string
		part, text = cut(text, limit)
		parts = append(parts, part)
	}
	return parts
}

// cut parts a text in two, the first of which is within a limit: after a
// paragraph, a line, a sentence or a word, in this order, and within a word
// only if that alone is longer than the limit. What a reader sees as one
// character stays whole, unless it alone is longer.
func cut(text string, limit int) (head, rest string) {
	text = strings.TrimSpace(text)
	if fits(length(text), limit) {
		return text, ""
	}
	end := whole(text, limit)
	head = text[:end]
	at := end
	if next, _ := utf8.DecodeRuneInString(text[end:]); !unicode.IsSpace(next) {
		if i := strings.LastIndexFunc(head, unicode.IsSpace); i > 0 {
			at = i
		}
	}
	for _, last := range []int{strings.LastIndex(head, "\n\n"), strings.LastIndex(head, "\n"), sentence(head)} {
		if last >= end/2 {
			at = last
			break
		}
	}
	return strings.TrimSpace(text[:at]), strings.TrimSpace(text[at:])
}

// whole gives how many bytes of a text hold as many whole characters as fit.
func whole(text string, limit int) (end int) {
	window := text
	if most := 4*limit + 64; len(window) > most {
		window = window[:most] // a rune that is cut here is beyond the limit
	}
	count := 0
	for g := uniseg.NewGraphemes(window); g.Next(); {
		if count += length(g.Str()); count > limit {
			break
		}
		_, end = g.Positions()
	}
	if end > 0 {
		return end
	}
	count = 0
	for i, r := range text { // one character alone is too long
		if count += units(r); count > limit && i > 0 {
			return i
		}
	}
	return len(text)
}

// sentence gives where the last sentence that ends within a text does; -1 if
// none does.
func sentence(text string) int {
	last := -1
	for i, r := range text {
		if strings.ContainsRune(".!?…", r) {
			end := i + utf8.RuneLen(r)
			if next, _ := utf8.DecodeRuneInString(text[end:]); unicode.IsSpace(next) {
				last = end
			}
		}
	}
	return last
}

// lines joins the texts that are there, a line each.
func lines(texts ...string) string { return join("\n", texts...) }

func join(between string, texts ...string) string {
	var there []string
	for _, t := range texts {
		if t != "" {
			there = append(there, t)
		}
	}
	return strings.Join(there, between)
}

// framed is the text of a message with what stands around it.
func framed(m abi.Message, choices string) string {
	return join("\n\n", m.Header, m.Text, choices, m.Footer)
}

// placeText is a place with a link to a map
// (developers.google.com/maps/documentation/urls/get-started).
func placeText(l abi.Location) string {
	degrees := func(d float64) string { return strconv.FormatFloat(d, 'f', -1, 64) }
	return lines(l.Name, l.Address, "https://www.google.com/maps/search/?api=1&query="+degrees(l.Latitude)+"%2C"+degrees(l.Longitude))
}

// contactsText is what cards of contacts say.
func contactsText(cards []abi.ContactCard) string {
	var all []string
	for _, c := range cards {
		text := lines(c.Name, join(", ", c.Title, c.Organization))
		for _, values := range [][]abi.ContactValue{c.Phones, c.Emails, c.URLs} {
			for _, v := range values {
				text = lines(text, v.Value)
			}
		}
		for _, a := range c.Addresses {
			text = lines(text, join(", ", a.Street, a.City, a.State, a.ZIP, a.Country))
		}
		all = append(all, text)
	}
	return join("\n\n", all...)
}
