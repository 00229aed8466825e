package expr

import (
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzQuick holds what the quick reader reads against the library.
func FuzzQuick(f *testing.F) {
	for _, text := range []string{
		`{"a": [1, -0, 0.5, 1e3, 1E400, 123456789012345678, 1234567890123456789, 12345678901234567890], "b": {"c": null}}`,
		`{"a": 1, "a": 2, "": true, "é": false}`, ` [ ] `, ` { } `, `[]x`, `[1,]`, `{"a":}`, `{"a" 1}`, `{a:1}`, `[1 2]`, `"a`, `"\`, `"\"`,
		`"\u00e9\n\ud83d\ude00\ud83d"`, `"\x"`, "\"a\nb\"", "\"a\x00b\"", "", " ", "null", "nul", "nulll", "true", "tru", "01", "-", "-01", "1.", ".5", "1e", "1e+", "1-2", "+1", "1.50", "-0.0", "1.0", "9223372036854775807", "9223372036854775808", "-9223372036854775808",
		"[1]\x00", "\x00", "{\x00", "\ufeff[]", strings.Repeat("[", 300) + strings.Repeat("]", 300),
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) {
			return
		}
		got, ok := quick([]byte(text))
		want, err := parseSlowly([]byte(text))
		if ok && (err != nil || !reflect.DeepEqual(got, want)) {
			t.Errorf("quick reads %q as %#v; the library as %#v, %v", text, got, want, err)
		}
	})
}

// TestQuickReadsPlain tells that plain JSON is not left to the library.
func TestQuickReadsPlain(t *testing.T) {
	for _, text := range []string{`{"a":[1,-2.5,"x\n",true,false,null,{}]}`, ` 7 `, `"x"`, `[]`} {
		if _, ok := quick([]byte(text)); !ok {
			t.Errorf("quick has not read %s", text)
		}
	}
}

func BenchmarkParseJSON(b *testing.B) {
	data := []byte(`{"customer":"Ana","items":[{"sku":"a-1","price":250,"quantity":2},{"sku":"b-2","price":99,"quantity":10}]}`)
	for name, parse := range map[string]func([]byte) (any, error){"quick": ParseJSON, "library": parseSlowly} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := parse(data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
