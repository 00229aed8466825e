package brackets

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write what comes out into the golden files")

// TestGolden: each file holds rows and, after a line of dashes, what they make:
// JSON or an error.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.golden")
	if err != nil || len(files) < 15 {
		t.Fatalf("%d golden files (%v), want at least 15", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".golden"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			given, want, _ := strings.Cut(string(data), "---\n")
			var rows []Row
			if err := json.Unmarshal([]byte(given), &rows); err != nil {
				t.Fatal(err)
			}
			made, err := Build(rows)
			got := string(made) + "\n"
			if err != nil {
				got = "error: " + err.Error() + "\n"
			}
			if *update {
				if err := os.WriteFile(file, []byte(given+"---\n"+got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != want {
				t.Errorf("got\n%swant\n%s", got, want)
			}
			if err == nil && !json.Valid(made) {
				t.Error("it is not JSON")
			}
		})
	}
}

func TestBounds(t *testing.T) {
	row := func(key string) []Row { return []Row{{Key: key, Value: json.RawMessage("1")}} }
	many := make([]Row, MaxRows+1)
	for i := range many {
		many[i] = Row{Key: "a[]", Value: json.RawMessage("1")}
	}
	for _, test := range []struct {
		name string
		rows []Row
		want string
	}{
		{"index", row("a[10000]"), `row 1, "a[10000]": position 10000 is more than 9999`},
		{"an index that no number holds", row("a[99999999999999999999]"), "is more than 9999"},
		{"behind the last", append(row("a[9999]"), row("a[]")...), `row 2, "a[]": a list has 10000 items at most`},
		{"depth", row("a" + strings.Repeat("[b]", MaxDepth)), "33 levels deep"},
		{"length", row(strings.Repeat("a", MaxKey+1)), "1001 bytes"},
		{"rows", many, "2001 rows"},
		{"not UTF-8", row("a\xff"), "not UTF-8"},
		{"no JSON", []Row{{Key: "a", Value: json.RawMessage("{")}}, "not JSON"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if made, err := Build(test.rows); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("made %.100s, %v; want %s", made, err, test.want)
			}
		})
	}
	if made, err := Build(row("a[9999]")); err != nil || string(made) != `{"a":[1]}` {
		t.Errorf("the last position: %s, %v", made, err)
	}
}

func TestFlatten(t *testing.T) {
	for _, test := range []struct{ from, want string }{
		{`{"deal":{"name":"x","n":1.50},"contacts":[{"name":"a"},{"name":null}]}`, `deal[name]="x" deal[n]=1.50 contacts[0][name]="a" contacts[1][name]=null`},
		{`{"a":{},"b":[],"c":[[1,2],[]]}`, `a={} b=[] c[0][0]=1 c[0][1]=2 c[1]=[]`},
		{`{"a[b]":{"0":1,"00":2,"c\\]":3},"7":4}`, `a\[b\][\0]=1 a\[b\][00]=2 a\[b\][c\\\]]=3 7=4`},
		{`{"a":{"":1,"b":2}}`, `a={"":1,"b":2}`},
		{`[{"a":1}]`, `[0][a]=1`},
		{`{}`, ``},
	} {
		rows, err := Flatten(json.RawMessage(test.from))
		if err != nil {
			t.Fatalf("%s: %v", test.from, err)
		}
		var shown []string
		for _, row := range rows {
			shown = append(shown, row.Key+"="+string(row.Value))
		}
		if got := strings.Join(shown, " "); got != test.want {
			t.Errorf("%s\n got %s\nwant %s", test.from, got, test.want)
		}
		if again, err := Build(rows); err != nil || !same(t, again, []byte(test.from)) {
			t.Errorf("%s becomes %s, %v", test.from, again, err)
		}
	}
	for _, from := range []string{`1`, `null`, `[]`, `{"":1}`, `{`, `{} 1`} {
		if rows, err := Flatten(json.RawMessage(from)); err == nil {
			t.Errorf("%s has the rows %v", from, rows)
		}
	}
}

func TestForm(t *testing.T) {
	pairs, err := Form(json.RawMessage(`{"a":"x y","b":[1,true,null],"c":{"d[e]":{"f":12345678901234567890}},"g":[],"h":{}}`))
	want := []Pair{{"a", "x y"}, {"b[0]", "1"}, {"b[1]", "true"}, {"c[d[e]][f]", "12345678901234567890"}}
	if err != nil || !reflect.DeepEqual(pairs, want) {
		t.Errorf("got %v, %v", pairs, err)
	}
	if pairs, err := Form(json.RawMessage(`{"a":{"":1}}`)); err == nil || !strings.Contains(err.Error(), "a: an object") {
		t.Errorf("got %v, %v", pairs, err)
	}
}

// FuzzRows: whatever rows say, they make JSON or an error that names the key;
// and what they make is what its own rows make.
func FuzzRows(f *testing.F) {
	for _, seed := range []string{"deal[name]|x|contacts[0][name]|y", "a[]|1|a[]|2", "a[2]|x|a[0]|y", `a\[b\]|1|a[\0]|2`, "[0][a]|1", "__proto__[x]|1", "a[b|1", "a|1|a[b]|2"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		parts := strings.Split(strings.ToValidUTF8(text, "?"), "|")
		var rows []Row
		for i := 0; i+1 < len(parts); i += 2 {
			rows = append(rows, Row{Key: parts[i], Value: quoted(parts[i+1])})
		}
		made, err := Build(rows)
		if err != nil {
			if !strings.Contains(err.Error(), "row") {
				t.Fatalf("%q: the error names no row: %v", text, err)
			}
			return
		}
		if !json.Valid(made) {
			t.Fatalf("%q makes %s", text, made)
		}
		back, err := Flatten(made)
		if err != nil {
			return // {"": ...}: no key can say it alone
		}
		again, err := Build(back)
		if err != nil || !bytes.Equal(made, again) {
			t.Fatalf("%q makes %s, whose rows %v make %s, %v", text, made, back, again, err)
		}
	})
}

// FuzzFlatten: the rows of a value make that value.
func FuzzFlatten(f *testing.F) {
	for _, seed := range []string{`{"a":[1,{"b":[]}]}`, `{"0":{"1":{"":2}}}`, `[[["\\"]]]`, `{"a":1,"a":2}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		rows, err := Flatten(json.RawMessage(text))
		if err != nil {
			return
		}
		made, err := Build(rows)
		if err != nil {
			if tooLarge(rows) {
				return
			}
			t.Fatalf("%s: %v", text, err)
		}
		if !same(t, made, []byte(text)) {
			t.Fatalf("%s becomes %s", text, made)
		}
	})
}

func tooLarge(rows []Row) bool {
	for _, row := range rows {
		if len(row.Key) > MaxKey {
			return true
		}
	}
	return len(rows) > MaxRows
}

// same compares JSON as values, with its numbers as they are written.
func same(t *testing.T, a, b []byte) bool {
	t.Helper()
	var x, y any
	for data, into := range map[*any][]byte{&x: a, &y: b} {
		decoder := json.NewDecoder(bytes.NewReader(into))
		decoder.UseNumber()
		if err := decoder.Decode(data); err != nil {
			t.Fatal(fmt.Errorf("%s: %w", into, err))
		}
	}
	return reflect.DeepEqual(x, y)
}

func TestAt(t *testing.T) {
	for key, want := range map[string]string{
		"paging[next][after]": `"x"`, "items[1][id]": "2", "items[7]": "null", "none[a]": "null", `a\[b\]`: "3", "items[id]": "null", "paging[next][after][more]": "null", "items": `[{"id":1},{"id":2}]`,
	} {
		got, err := At(json.RawMessage(`{"paging":{"next":{"after": "x"}},"items":[{"id":1},{"id":2}],"a[b]":3}`), key)
		if err != nil || string(got) != want {
			t.Errorf("%s is %s, %v; want %s", key, got, err, want)
		}
	}
	for _, key := range []string{"", "a[", "items[]"} {
		if got, err := At(json.RawMessage(`{"items":[]}`), key); err == nil {
			t.Errorf("%q is %s", key, got)
		}
	}
}
