package value

import (
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Fold gives a text as it is compared where case and accents don't count: "Não
// " and "NAO" are "nao". Spaces around it are left out and those within it are
// one each.
func Fold(s string) string {
	if !ascii(s) {
		// Folding case may give letters that can be taken apart again, so both
		// are done twice.
		s = strings.ToValidUTF8(s, "\ufffd")
		for range 2 {
			s = strings.Map(plain, norm.NFKD.String(s))
			s = norm.NFKC.String(cases.Fold().String(s))
		}
	}
	return strings.Join(strings.Fields(strings.ToLower(s)), " ")
}

// plain leaves out accents. They are the marks of Latin, Greek and Cyrillic:
// in other scripts a mark is a letter of its own. The emoji of a digit is the
// digit with two marks.
func plain(r rune) rune {
	if r >= 0x300 && r <= 0x36f || r == 0xfe0f || r == 0x20e3 {
		return -1
	}
	return r
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// words gives the words of a text with a space before and after each, so that
// words in a row can be looked for as text.
func words(s string, r Reading) string {
	if !r.Exact {
		s = Fold(s)
	}
	list := strings.FieldsFunc(s, func(c rune) bool { return !unicode.IsLetter(c) && !unicode.IsMark(c) && !unicode.IsNumber(c) })
	if len(list) == 0 {
		return ""
	}
	return " " + strings.Join(list, " ") + " "
}
