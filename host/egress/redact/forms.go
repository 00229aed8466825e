package redact

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"html"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// minCut is the shortest piece of base64 that is looked for within a longer
// one: a shorter one stands in other data by chance.
const minCut = 8

// forms are the ways in which a text may come back, itself among them.
func forms(text string) []string {
	all := []string{text}
	add := func(more ...string) {
		for _, form := range more {
			if len(form) >= minLength && !slices.Contains(all, form) {
				all = append(all, form)
			}
		}
	}
	raw := []byte(text)
	add(hex.EncodeToString(raw), strings.ToUpper(hex.EncodeToString(raw)))
	add(base64Forms(raw)...)
	add(urlForms(text)...)
	add(jsonForms(text)...)
	add(markupForms(text)...)
	return all
}

// base64Forms are a text's base64, and what all base64 has in common that holds
// the text after 0, 1 or 2 (mod 3) other bytes: its outermost characters depend
// on what stands beside it.
func base64Forms(raw []byte) []string {
	var all []string
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		all = append(all, encoding.EncodeToString(raw))
		for before := range 3 {
			padded := encoding.EncodeToString(append(make([]byte, before), raw...))
			from := (before*8 + 5) / 6
			to := (before + len(raw)) * 8 / 6
			if cut := padded[from:to]; len(cut) >= minCut {
				all = append(all, cut)
			}
		}
	}
	return all
}

var escapePattern = regexp.MustCompile(`%[0-9A-F]{2}`)

// urlForms are the percent-encodings of common libraries, with escapes in upper
// and lower case.
func urlForms(text string) []string {
	var every, component strings.Builder
	for _, b := range []byte(text) {
		fmt.Fprintf(&every, "%%%02X", b)
		switch { // as JavaScript's encodeURIComponent
		case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9', strings.IndexByte("-_.!~*'()", b) >= 0:
			component.WriteByte(b)
		default:
			fmt.Fprintf(&component, "%%%02X", b)
		}
	}
	all := []string{url.QueryEscape(text), url.PathEscape(text), every.String(), component.String()}
	for _, form := range slices.Clone(all) {
		all = append(all, escapePattern.ReplaceAllStringFunc(form, strings.ToLower))
	}
	return all
}

// jsonForms are the insides of the JSON strings that common libraries write:
// with and without escapes for <, > and &, for slashes, and for what is not
// ASCII.
func jsonForms(text string) []string {
	if !utf8.ValidString(text) {
		return nil
	}
	var all []string
	for _, escapeHTML := range []bool{true, false} {
		var b strings.Builder
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(escapeHTML)
		if e.Encode(text) != nil {
			continue
		}
		quoted := strings.TrimSpace(b.String())
		inside := quoted[1 : len(quoted)-1]
		for _, form := range []string{inside, strings.ReplaceAll(inside, "/", `\/`)} {
			all = append(all, form, ascii(form, `\u%04x`), ascii(form, `\u%04X`))
		}
	}
	return all
}

// ascii writes what is not ASCII as UTF-16 units in a format.
func ascii(text, format string) string {
	var b strings.Builder
	for _, r := range text {
		if r < utf8.RuneSelf {
			b.WriteRune(r)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&b, format, unit)
		}
	}
	return b.String()
}

// markupForms are the text in XML and HTML.
func markupForms(text string) []string {
	all := []string{html.EscapeString(text)}
	var b strings.Builder
	if xml.EscapeText(&b, []byte(text)) == nil {
		all = append(all, b.String())
	}
	named := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;")
	return append(all, named.Replace(text), strings.ReplaceAll(named.Replace(text), "'", "&apos;"), strings.ReplaceAll(named.Replace(text), "'", "&#39;"), strings.ReplaceAll(named.Replace(text), "'", "&#x27;"))
}
