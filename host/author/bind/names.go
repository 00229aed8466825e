package bind

import (
	"fmt"
	"strings"
	"unicode"
)

// words takes a name apart: "dealID", "deal-id" and "deal_id" are deal, id. It
// gives at least one word.
func words(name string) []string {
	var all []string
	var word []rune
	flush := func() {
		if len(word) > 0 {
			all = append(all, strings.ToLower(string(word)))
		}
		word = nil
	}
	runes := []rune(name)
	for i, r := range runes {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			flush()
			continue
		case unicode.IsUpper(r) && i > 0:
			after := i+1 < len(runes) && unicode.IsLower(runes[i+1])
			if unicode.IsLower(runes[i-1]) || unicode.IsDigit(runes[i-1]) || unicode.IsUpper(runes[i-1]) && after {
				flush()
			}
		}
		word = append(word, r)
	}
	flush()
	if len(all) == 0 {
		return []string{"field"}
	}
	return all
}

// title gives a word with a capital.
func title(word string) string {
	runes := []rune(word)
	return string(unicode.ToUpper(runes[0])) + string(runes[1:])
}

// pascal gives DealId, and N before what begins with no letter that has a
// capital: Go exports no other.
func pascal(words []string, word func(string) string) string {
	var b strings.Builder
	for _, w := range words {
		b.WriteString(word(w))
	}
	name := b.String()
	if first := []rune(name)[0]; !unicode.IsUpper(first) {
		name = "N" + name
	}
	return name
}

// unique gives a name that is not in taken yet, and puts it there.
func unique(taken map[string]bool, name string) string {
	free := name
	for i := 2; taken[free]; i++ {
		free = fmt.Sprintf("%s%d", name, i)
	}
	taken[free] = true
	return free
}

// comment writes a text as lines that begin with mark. What could end a comment
// or hide what follows it is left out.
func comment(indent, mark, doc string) string {
	if doc == "" {
		return ""
	}
	doc = strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return r
		case r == '\t' || r == '\r' || r == '\u2028' || r == '\u2029':
			return ' '
		case unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r):
			return -1
		}
		return r
	}, doc)
	var b strings.Builder
	for line := range strings.SplitSeq(doc, "\n") {
		b.WriteString(indent + strings.TrimRight(mark+" "+wrapped(line), " ") + "\n")
	}
	return b.String()
}

// wrapped is a line without what ends a comment of TypeScript.
func wrapped(line string) string {
	return strings.ReplaceAll(strings.TrimSpace(line), "*/", "*\u200b/")
}
