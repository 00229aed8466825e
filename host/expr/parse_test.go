package expr

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzQuick holds what the quick reader reads against the library.
func FuzzQuick(f *testing.F) {
	for _, text := range []string{
		`{"a": [1, -0, 0.5, 1e3, 1E400, 123456789012345678, 1234567890123456789, 12345678901234567890], "b": {"c": null}}`,
		`{"a": 1, "a": 2, "": true, "é": false}`, ` [ ] `, ` { } `, `[]x`, `[1,]`, `{"a":}`, `{"a" 1}`, `{a:1}`, `[1 2]`, `"a`, `"\`, `"\"`,
		`"\u00e9\n\ud83d\ude00\ud83d"`, `"\x"`, "\"a\nb\"", "\"a\x00b\"", "", " ", "null", "nul", "nulll", "true", "tru", "01", "-", "-01", "1.", ".5", "1e", "1e+", "1-2", "+1", "1.50", "-0.0", "1.0", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809",
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
		exact, refused := ParseExact([]byte(text), nil)
		_, inexact := errors.AsType[*Inexact](refused)
		switch {
		case refused == nil && (err != nil || !reflect.DeepEqual(exact, want) || !kept(text, exact)):
			t.Errorf("%q is exactly %#v; the library reads %#v, %v", text, exact, want, err)
		case refused != nil && !inexact && err == nil:
			t.Errorf("%q, which is JSON: %v", text, refused)
		case inexact && err == nil && kept(text, want):
			t.Errorf("%q would be kept: %v", text, refused)
		}
	})
}

// kept says whether a text holds as many members as its value, at most MaxDepth
// levels, and no integer that comes out otherwise than it went in.
func kept(text string, value any) bool {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	level, most, tokens := 0, 0, 0
	for {
		token, err := d.Token()
		if err != nil {
			return most <= MaxDepth && tokens == count(value)
		}
		tokens++
		switch token := token.(type) {
		case json.Delim:
			if token == '{' || token == '[' {
				level++
				most = max(most, level)
				continue
			}
			level--
		case json.Number:
			f, _ := token.Float64()
			_, err := token.Int64()
			if whole := !strings.ContainsAny(string(token), ".eE"); whole && err != nil && strconv.FormatFloat(f, 'f', -1, 64) != string(token) {
				return false
			}
		}
	}
}

// count is of how many tokens a value's JSON is.
func count(value any) int {
	n := 1
	switch v := value.(type) {
	case []any:
		n++
		for _, item := range v {
			n += count(item)
		}
	case map[string]any:
		n++
		for _, item := range v {
			n += 1 + count(item)
		}
	}
	return n
}

// FuzzTextAt holds what is found in a text against what is found in its value.
func FuzzTextAt(f *testing.F) {
	for _, text := range []string{
		`{"a": [1, "x\"", {"b\u00e9": 1e400, "": "\ud800"}], "a/b~": null}`, `{"a": {"b": 1}, "a": {"c": "]}"}}`, ` [ [ ] , { } , "," , -0.50 ] `, `[1,]`, `7`, `"x"`, "",
		`{"a":{"x":[{},{"y":[[1],2]}],"b":"z"},"c":true}`,
	} {
		for _, pointer := range []string{"", "/a/2/", "/a/b", "/3", "/a/x/1/y/0/0", "/a~1b~0", "/a/2/bé", "/c", "/1", "x"} {
			f.Add(text, pointer)
		}
	}
	f.Fuzz(func(t *testing.T, text, pointer string) {
		if !utf8.ValidString(text) {
			return
		}
		want, wrong := "", false
		var value any
		if UnmarshalJSON([]byte(text), &value) == nil {
			switch found, _ := Pointer(value, pointer); v := found.(type) {
			case nil:
			case string:
				want = v
			case json.Number:
				want = v.String()
			default:
				wrong = true
			}
		}
		if got, err := TextAt([]byte(text), pointer); got != want || err != nil != wrong {
			t.Errorf("%q in %q: %q, %v; want %q", pointer, text, got, err, want)
		}
	})
}

// TestParseExact: what can't be kept is refused with its place, and taken by
// who is not that strict.
func TestParseExact(t *testing.T) {
	for text, want := range map[string]string{
		`{"a": [1, {"b": 18446744073709551616}]}`:            "json: at /a/1/b: the integer 18446744073709551616 needs more than 64 bits and would be rounded: send it as text",
		strings.Repeat("1", 60):                              "json: at /: the integer " + strings.Repeat("1", 40) + " needs more than 64 bits and would be rounded: send it as text",
		`[{"a": {}}, {"a": 1, "b": 2, "\u0061": 1}]`:         "json: at /1/a: the member is there twice: send it once",
		strings.Repeat("[", 201) + strings.Repeat("]", 201):  "json: at /" + strings.Repeat("0/", 199) + "0: it is nested deeper than 200 levels",
		`[9223372036854775807, 1e30, 0.1234567890123456789]`: "",
		`{"a": {"a": {"b": 1}}, "b": 1}`:                     "",
	} {
		_, err := ParseExact([]byte(text), nil)
		if got := fmt.Sprint(err); err == nil && want != "" || err != nil && got != want {
			t.Errorf("%.60s: %v, want %s", text, err, want)
		}
		if _, err := ParseJSON([]byte(text)); err != nil {
			t.Errorf("%.60s: %v", text, err)
		}
	}
	large := []byte(`{"list": [` + strings.Repeat(`{"a":0},`, 1<<16) + `0], "id": "x"}`)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if id, err := TextAt(large, "/id"); id != "x" || err != nil {
		t.Error(id, err)
	}
	if runtime.ReadMemStats(&after); after.TotalAlloc-before.TotalAlloc > 64<<10 {
		t.Errorf("a text of %d KiB was found with %d bytes", len(large)>>10, after.TotalAlloc-before.TotalAlloc)
	}
	if _, err := ParseExact([]byte(`{"a": [-1e999]}`), nil); fmt.Sprint(err) != "json: at /a/0: the number -1e999 is beyond what a 64-bit float holds" {
		t.Error(err)
	}
}

// TestRoom: room is asked for what a value takes, and not for many times that;
// a value that gets none is left off.
func TestRoom(t *testing.T) {
	const n = 50_000
	many := func(item string) string { return "[" + strings.Repeat(item+",", n) + item + "]" }
	members := func(each int) string {
		var b strings.Builder
		for i := range each {
			fmt.Fprintf(&b, `"name%d":"value",`, i)
		}
		return "{" + b.String() + `"":0}`
	}
	for name, text := range map[string]string{
		"numbers": many("0"), "large numbers": many("12345678"), "fractions": many("1.5"), "objects": many("{}"), "members": many(`{"a":0}`),
		"lists": many("[]"), "lists of one": many("[0]"), "pairs": many("[1.5,2.5]"), "texts": many(`""`), "longer texts": many(`"some words"`),
		"escaped texts": many(`"\u00e9\n"`), "one text": `"` + strings.Repeat("x", n) + `"`, "words": many("null"), "true": many("true"),
		"orders": strings.Repeat(`[`, 1) + strings.TrimSuffix(strings.Repeat(members(12)+",", 2000), ",") + "]", "one object": members(n), "nine": many(members(8)),
		"deep": "[" + strings.TrimSuffix(strings.Repeat(strings.Repeat("[", 100)+strings.Repeat("]", 100)+",", 500), ",") + "]",
	} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			value, err := ParseExact([]byte(text), func(bytes int) bool { asked += bytes; return true })
			if err != nil {
				t.Fatal(err)
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			runtime.KeepAlive(value)
			took := int(after.HeapAlloc) - int(before.HeapAlloc)
			t.Logf("asked for %d KiB, took %d KiB of %d", asked>>10, took>>10, len(text)>>10)
			if asked < took*4/5 || asked > 4*took+2*roomAtOnce { // what is guessed, and what others take meanwhile
				t.Errorf("asked for %d bytes, took %d", asked, took)
			}
			if guess := Weight([]byte(text)); guess < took*4/5 {
				t.Errorf("a guess of %d bytes, took %d", guess, took)
			}
			left := asked / 2
			if _, err := ParseExact([]byte(text), func(bytes int) bool { left -= bytes; return left >= 0 }); !errors.Is(err, ErrNoRoom) {
				t.Errorf("with half of the room: %v", err)
			}
		})
	}
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
	for name, parse := range map[string]func([]byte) (any, error){"quick": ParseJSON, "exact": func(data []byte) (any, error) { return ParseExact(data, nil) }, "library": parseSlowly} {
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
