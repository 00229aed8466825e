package redact

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"math/rand/v2"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf16"

	"pgregory.net/rapid"
)

const canary = `canary/T0k"en+<7f3a9>&'ü👋`

// TestForms: however a system spells what it was given, nothing of it is left.
func TestForms(t *testing.T) {
	quoted, err := json.Marshal(canary)
	if err != nil {
		t.Fatal(err)
	}
	std, web := base64.StdEncoding, base64.URLEncoding
	cases := map[string]string{
		"plain":                      canary,
		"base64":                     std.EncodeToString([]byte(canary)),
		"base64, no padding":         base64.RawStdEncoding.EncodeToString([]byte(canary)),
		"base64url":                  web.EncodeToString([]byte(canary)),
		"base64url, no padding":      base64.RawURLEncoding.EncodeToString([]byte(canary)),
		"hex":                        hex.EncodeToString([]byte(canary)),
		"HEX":                        strings.ToUpper(hex.EncodeToString([]byte(canary))),
		"query":                      url.QueryEscape(canary),
		"path":                       url.PathEscape(canary),
		"query, lower case":          lowerEscapes(url.QueryEscape(canary)),
		"path, lower case":           lowerEscapes(url.PathEscape(canary)),
		"encodeURIComponent":         "canary%2FT0k%22en%2B%3C7f3a9%3E%26'%C3%BC%F0%9F%91%8B",
		"every byte":                 "%63%61%6E%61%72%79%2F%54%30%6B%22%65%6E%2B%3C%37%66%33%61%39%3E%26%27%C3%BC%F0%9F%91%8B",
		"JSON of Go":                 string(quoted[1 : len(quoted)-1]),
		"JSON of JavaScript":         `canary/T0k\"en+<7f3a9>&'ü👋`,
		"JSON of Python":             `canary/T0k\"en+<7f3a9>&'\u00fc\ud83d\udc4b`,
		"JSON of PHP":                `canary\/T0k\"en+<7f3a9>&'\u00fc\ud83d\udc4b`,
		"JSON, upper case":           `canary/T0k\"en+<7f3a9>&'\u00FC\uD83D\uDC4B`,
		"JSON, slashes, not escaped": `canary\/T0k\"en+<7f3a9>&'ü👋`,
		"JSON, every character":      every(canary, func(i int, c rune) string { return jsonUnits(c, []string{`\u%04x`, `\u%04X`}[i%2]) }),
		"JSON, some characters":      every(canary, func(i int, c rune) string { return []string{jsonUnits(c, `\u%04x`), jsonPlain(c)}[i%2] }),
		"JSON in JSON":               jsonIn(jsonIn(canary)),
		"URL, some characters":       every(canary, func(i int, c rune) string { return []string{string(c), percents(c)}[min(i%2+len(string(c))-1, 1)] }),
		"URL, of JSON":               url.QueryEscape(jsonIn(canary)),
		"base64 in lines":            lines(std.EncodeToString([]byte(canary)), "\r\n"),
		"base64 in lines of JSON":    lines(std.EncodeToString([]byte(canary)), `\r\n`),
		"base64 in lines with space": lines(web.EncodeToString([]byte(canary)), "\n    "),
		"base64 in JSON of PHP":      strings.ReplaceAll(std.EncodeToString([]byte(canary)), "/", `\/`),
		"HTML, every character":      every(canary, func(i int, c rune) string { return fmt.Sprintf([]string{"&#%d;", "&#x%X;", "&#x0%x;"}[i%3], c) }),
		"HTML, some characters": every(canary, func(i int, c rune) string {
			return []string{fmt.Sprintf("&#%d;", c), html.EscapeString(string(c))}[i%2]
		}),
		"HTML of Go":              html.EscapeString(canary),
		"HTML, named quotes":      "canary/T0k&quot;en+&lt;7f3a9&gt;&amp;'ü👋",
		"XML, named quotes":       "canary/T0k&quot;en+&lt;7f3a9&gt;&amp;&apos;ü👋",
		"HTML, hexadecimal quote": "canary/T0k&quot;en+&lt;7f3a9&gt;&amp;&#x27;ü👋",
	}
	var s Set
	if got := s.Redact(canary); got != canary || !s.Empty() {
		t.Errorf("an empty set made it %q", got)
	}
	s.Hide(canary)
	for name, spelt := range cases {
		text := "before " + spelt + " after"
		for way, got := range map[string]string{"text": s.Redact(text), "stream": read(t, s.Reader(strings.NewReader(text)))} {
			want := "before " + Mark + " after"
			if strings.ReplaceAll(got, "=", "") != want { // padding says nothing
				t.Errorf("%s, %s: %q became %q, want %q", name, way, text, got, want)
			}
		}
	}
}

// every spells each character of a text.
func every(text string, spell func(i int, c rune) string) string {
	var b strings.Builder
	for i, c := range []rune(text) {
		b.WriteString(spell(i, c))
	}
	return b.String()
}

func jsonUnits(c rune, format string) string {
	var b strings.Builder
	for _, unit := range utf16.Encode([]rune{c}) {
		fmt.Fprintf(&b, format, unit)
	}
	return b.String()
}

func jsonPlain(c rune) string { return strings.Replace(string(c), `"`, `\"`, 1) }

// jsonIn is the inside of a JSON string.
func jsonIn(text string) string {
	quoted, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	return string(quoted[1 : len(quoted)-1])
}

func percents(c rune) string {
	var b strings.Builder
	for _, c := range []byte(string(c)) {
		fmt.Fprintf(&b, "%%%02x", c)
	}
	return b.String()
}

func lowerEscapes(text string) string {
	return regexp.MustCompile(`%[0-9A-F]{2}`).ReplaceAllStringFunc(text, strings.ToLower)
}

// lines breaks a text.
func lines(text, with string) string {
	return regexp.MustCompile(`.{7}`).ReplaceAllString(text, "$0"+with)
}

// TestSpellingsOfTheSecretItself: what a hidden text looks like an escape of
// stays hidden, and a space may be a plus.
func TestSpellingsOfTheSecretItself(t *testing.T) {
	for _, c := range []struct{ hidden, text string }{
		{`a%41b&amp;c\u0041d`, `a%41b&amp;c\u0041d`},
		{`a%41b&amp;c\u0041d`, `a%41b&amp;c\\u0041d`},
		{`a%41b&amp;c\u0041d`, `a%2541b%26amp%3Bc%5Cu0041d`},
		{`\\\\`, `\\\\`},
		{`\\\\`, `\\\\\\\\`},
		{"two words of it", "two+words%20of it"},
		{"aaaaaaab", "aaaaaaaaaaaaab"},
	} {
		var s Set
		s.Hide(c.hidden)
		if got := s.Redact(c.text); !strings.HasSuffix(got, Mark) || strings.Trim(strings.TrimSuffix(got, Mark), "a") != "" {
			t.Errorf("%q hidden: %q became %q", c.hidden, c.text, got)
		}
	}
}

func read(t *testing.T, r io.Reader) string {
	t.Helper()
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestInsideBase64: a secret in the middle of something that was encoded as a
// whole, such as "user:password" or a JSON document, can't be decoded from
// what is left.
func TestInsideBase64(t *testing.T) {
	const secret = "a-secret-of-some-length"
	var s Set
	s.Hide(secret)
	for before := range 7 {
		for after := range 4 {
			whole := strings.Repeat("<", before) + secret + strings.Repeat(">", after)
			for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
				got := s.Redact(encoding.EncodeToString([]byte(whole)))
				if !strings.Contains(got, Mark) {
					t.Fatalf("%d bytes before, %d after: %q", before, after, got)
				}
				rest := strings.Split(got, Mark)
				for _, piece := range rest {
					decoded, _ := base64.RawStdEncoding.DecodeString(strings.TrimRight(piece, "=")) //nolint:errcheck // as far as it goes
					for n := range len(secret) - 3 {
						if strings.Contains(string(decoded), secret[n:n+3]) {
							t.Errorf("%d before, %d after: %q still holds %q", before, after, got, secret[n:n+3])
						}
					}
				}
			}
		}
	}
}

// TestNothingElse: what is no secret stays as it is.
func TestNothingElse(t *testing.T) {
	var s Set
	for _, hidden := range []string{"", "a", "abc", "longer-one"} {
		s.Hide(hidden)
	}
	for _, text := range []string{"", "a", "abc", "longer-on", "LONGER-ONE", "[redacted]", "\xff\x00", strings.Repeat("longer-", 1000)} {
		if got := s.Redact(text); got != text {
			t.Errorf("%q became %q", text, got)
		}
		if got := read(t, s.Reader(strings.NewReader(text))); got != text {
			t.Errorf("%q became %q as a stream", text, got)
		}
	}
	// The longer of two goes first, so that no part of it stays behind.
	s.Hide("longer-one-still")
	if got := s.Redact("x longer-one-still longer-one x"); got != "x [redacted] [redacted] x" {
		t.Errorf("got %q", got)
	}
	// Random bytes hold no short secret's base64 by chance.
	s = Set{}
	s.Hide("12345678")
	random := make([]byte, 1<<20)
	for i := range random {
		random[i] = byte(rand.Uint32())
	}
	if encoded := base64.StdEncoding.EncodeToString(random); s.Redact(encoded) != encoded {
		t.Error("something was taken out of random data")
	}
}

// TestStreamIsText: a stream, however it is cut, becomes what the whole text
// becomes.
func TestStreamIsText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s Set
		hidden := rapid.SliceOfN(rapid.StringMatching(`[ab]{4,9}`), 1, 3).Draw(t, "hidden")
		for _, h := range hidden {
			s.Hide(h)
		}
		text := strings.Join(rapid.SliceOfN(rapid.OneOf(rapid.SampledFrom(hidden), rapid.StringMatching(`[abc]{0,5}`), rapid.SampledFrom([]string{`\u0061`, `%62`, "&#97;", `\`, "&", "%", " ", "\n", "YWFhYWFh"})), 0, 40).Draw(t, "text"), "")
		want := s.Redact(text)
		for name, cut := range map[string]io.Reader{
			"whole": strings.NewReader(text), "bytes": iotest.OneByteReader(strings.NewReader(text)), "halves": iotest.HalfReader(strings.NewReader(text)), "end with data": iotest.DataErrReader(strings.NewReader(text)),
		} {
			got, err := io.ReadAll(s.Reader(cut))
			if err != nil || string(got) != want {
				t.Fatalf("%s: %q became %q, %v; want %q (hidden %q)", name, text, got, err, want, hidden)
			}
		}
		for _, h := range hidden {
			if strings.Contains(want, h) {
				t.Fatalf("%q is left in %q", h, want)
			}
		}
	})
}

func TestStreamEndsWithItsError(t *testing.T) {
	var s Set
	s.Hide("hidden")
	got, err := io.ReadAll(s.Reader(io.MultiReader(strings.NewReader("x hidden hidde"), iotest.ErrReader(io.ErrUnexpectedEOF))))
	if err != io.ErrUnexpectedEOF || string(got) != "x [redacted] hidde" {
		t.Errorf("%q, %v", got, err)
	}
}
