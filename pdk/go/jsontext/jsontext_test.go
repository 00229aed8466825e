package jsontext

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"
)

// values are JSON and almost JSON.
var values = []string{
	"", " ", "null", "nul", "nulll", "true", "false", "fals", "t", "0", "-0", "-", "01", "1.", "1.5", ".5", "1e", "1e+", "1E-7", "12a", "--1", "-1.25e10 ",
	`""`, `"a`, `"\"`, `"\u00e9\n\/"`, `"\u00g9"`, `"\u00"`, `"\x"`, "\"\n\"", "\"\xff\"", `"é"`, `"\ud83d\ude00"`, `"\ud83d"`, `'a'`,
	"[]", "[ ]", "[", "]", "[1,]", "[,1]", "[1 2]", "[1,2]", `[1,{"a":[]},"x"]`, "[}", "{]", "{}", "{ }", "{", "}", `{"a"}`, `{"a":}`, `{"a":1,}`, `{,"a":1}`, `{a:1}`, `{1:1}`,
	`{"a":1 , "b" : [ true, null ] }`, `{"a":1}}`, `{"a":1} 2`, `{"a":"b","c":"d"}`, `{"a":"b","a":"c"}`, `{"a":1,"b":"c"`, "\ufeff1", "1,2", "[1:2]", `{"a",1}`,
	strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth),
	strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1),
	strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100),
}

func TestValid(t *testing.T) {
	for _, text := range values {
		if got, want := Valid([]byte(text)), json.Valid([]byte(text)); got != want {
			t.Errorf("%.60q: %v, want %v", text, got, want)
		}
	}
}

// FuzzValid: encoding/json agrees.
func FuzzValid(f *testing.F) {
	for _, text := range values {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if got, want := Valid(data), json.Valid(data); got != want {
			t.Errorf("%.60q: %v, want %v", data, got, want)
		}
	})
}

// FuzzString: what is written means to encoding/json what was given, as far as
// it is UTF-8, and is read back.
func FuzzString(f *testing.F) {
	for _, text := range append(values, "<a & b>", "\x00\x1f\x7f\u2028", "a\xffb\xf0\x9f") {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		written := AppendString(nil, text)
		var meant string
		if err := json.Unmarshal(written, &meant); err != nil {
			t.Fatalf("%q became %q: %v", text, written, err)
		}
		plain, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		var want string
		if err := json.Unmarshal(plain, &want); err != nil {
			t.Fatal(err)
		}
		if meant != want {
			t.Errorf("%q became %q, which means %q, not %q", text, written, meant, want)
		}
		for _, form := range [][]byte{written, plain} {
			if got, ok := NewReader(form).String(); !ok || got != want {
				t.Errorf("%q was read as %q, %v; want %q", form, got, ok, want)
			}
		}
	})
}

// FuzzStrings: what the reader takes of JSON is what encoding/json takes.
func FuzzStrings(f *testing.F) {
	for _, text := range values {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		in := NewReader(data)
		got, ok := in.Strings()
		if !ok || !in.Ended() || !json.Valid(data) || strings.Contains(string(data), "\xff") {
			return
		}
		var want map[string]string
		if err := json.Unmarshal(data, &want); err != nil {
			t.Fatalf("%q was read as %q: %v", data, got, err)
		}
		for name, value := range got { // bytes that are not UTF-8 stay, as the host writes none
			if strings.ToValidUTF8(name+value, "") != name+value {
				return
			}
		}
		if !maps.Equal(got, want) {
			t.Errorf("%q was read as %q, want %q", data, got, want)
		}
	})
}

func TestReader(t *testing.T) {
	for text, want := range map[string]int{"0": 0, "200": 200, "999999999": 999999999, "1000000000": -1, "-1": -1, "01": -1, "": -1, "a": -1} {
		got, ok := NewReader([]byte(text)).Int()
		if ok != (want >= 0) || ok && got != want {
			t.Errorf("%q: %d, %v; want %d", text, got, ok, want)
		}
	}
	for text, want := range map[string]bool{
		`{"a":"b","c":"\u003cd\n"}`: true, `{}`: true,
		`{"a": "b"}`: false, `{"a":1}`: false, `{"a":"b",}`: false, `{"a":"b"`: false, `{"a":"\ud83d\ude00"}`: false, `[]`: false, ``: false,
	} {
		in := NewReader([]byte(text))
		got, ok := in.Strings()
		if ok != want {
			t.Errorf("%s: %q, %v; want %v", text, got, ok, want)
		}
		if !ok {
			continue
		}
		var expected map[string]string
		if err := json.Unmarshal([]byte(text), &expected); err != nil || !maps.Equal(got, expected) || !in.Ended() {
			t.Errorf("%s: %q, want %q (%v)", text, got, expected, err)
		}
	}
}
