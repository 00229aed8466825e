package redact

import (
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"
)

// minCut is the shortest piece of base64 that is looked for within a longer
// one: a shorter one stands in other data by chance.
const minCut = 8

// encodings are a text in hexadecimal and base64, as they look in a compact
// view: what all base64 has in common that holds the text after 0, 1 or 2
// (mod 3) other bytes, since its outermost characters depend on what stands
// beside it.
func encodings(text string) []string {
	raw := []byte(text)
	all := []string{hex.EncodeToString(raw), strings.ToUpper(hex.EncodeToString(raw)), base64.RawStdEncoding.EncodeToString(raw)}
	for before := range 3 {
		padded := base64.RawStdEncoding.EncodeToString(append(make([]byte, before), raw...))
		from := (before*8 + 5) / 6
		to := (before + len(raw)) * 8 / 6
		if cut := padded[from:to]; len(cut) >= minCut {
			all = append(all, cut)
		}
	}
	return all
}

// unescapings are a text and what is left of it after its own escapes are read
// once and twice: a view that reads escapes reads those of the text too.
func unescapings(text string) []string {
	all := []string{text}
	for range 2 {
		var in, out view
		for _, b := range []byte(text) {
			in.add(b, 0, 0)
		}
		unescape(&in, true, &out)
		text = string(out.bytes)
		if len(text) >= minLength && !slices.Contains(all, text) {
			all = append(all, text)
		}
	}
	return all
}
