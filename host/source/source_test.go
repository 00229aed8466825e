package source_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/source"
	"pgregory.net/rapid"
)

type colour string

func (c *colour) UnmarshalText(text []byte) error {
	if string(text) != "red" && string(text) != "blue" {
		return errors.New("no such colour; write red or blue")
	}
	*c = colour(text)
	return nil
}

type item struct {
	source.Place `json:"-"`

	ID     string            `json:"id" source:"required"`
	Count  int               `json:"count"`
	Small  uint8             `json:"small"`
	Ratio  float64           `json:"ratio"`
	On     bool              `json:"on"`
	Colour colour            `json:"colour"`
	Tags   []string          `json:"tags"`
	Labels map[string]string `json:"labels"`
	Raw    json.RawMessage   `json:"raw"`
	Free   any               `json:"free"`
	With   source.Value      `json:"with"`
	Inner  *item             `json:"inner"`
	Hidden string            `json:"-"`
}

func TestDecode(t *testing.T) {
	var got []item
	problems := source.Decode("x.yaml", []byte(`
- id: a
  count: 0x10
  small: 255
  ratio: 2
  on: true
  colour: red
  tags: [x, "1"]
  labels: {k: v}
  raw: {a: [1, 2.5, null]}
  free: {day: 2024-01-02, big: 9007199254740993, yes: yes}
  with: {body: {total: "{{ x }}"}}
  inner: {id: b}
`), &got)
	if problems != nil {
		t.Fatal(problems)
	}
	it := got[0]
	if it.Place != (source.Place{File: "x.yaml", Line: 2, Column: 3}) || it.Inner.Line != 13 {
		t.Errorf("places: %v, %v", it.Place, it.Inner.Place)
	}
	if it.ID != "a" || it.Count != 16 || it.Small != 255 || it.Ratio != 2 || !it.On || it.Colour != "red" ||
		!reflect.DeepEqual(it.Tags, []string{"x", "1"}) || it.Labels["k"] != "v" || string(it.Raw) != `{"a":[1,2.5,null]}` {
		t.Errorf("got %+v", it)
	}
	// A date and "yes" are text, whole numbers keep 64 bits.
	want := map[string]any{"day": "2024-01-02", "big": int64(9007199254740993), "yes": "yes"}
	if !reflect.DeepEqual(it.Free, want) {
		t.Errorf("free: %#v", it.Free)
	}
	if at := it.With.Place("body", "total"); at.Line != 12 || at.Column != 24 {
		t.Errorf("place of with.body.total: %v", at)
	}
	if at := it.With.Place("body", "missing"); at.Line != 12 || at.Column != 16 {
		t.Errorf("place of a missing part: %v", at)
	}
}

// Input and expected problems stand together.
func TestProblems(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"unknown field", "id: a\ncolor: red", `f:2:1: the document has no field "color"; did you mean "colour"?`},
		{"nothing close", "id: a\nzzzzzzzz: 1", `f:2:1: the document has no field "zzzzzzzz"; use one of colour, count, free, id, inner, labels, on, ratio, raw, small, tags, with`},
		{"all at once", "count: x\non: 1\nsmall: 256\ninner: {id: [1]}", `f:1:1: the document lacks the field "id"; add "id: ..."
f:1:8: "count" must be a whole number, found the text "x"
f:2:5: "on" must be true or false, found the number 1
f:3:8: "small" must be a whole number that is not negative, found the number 256
f:4:13: "id" must be text, found a list`},
		{"number for text", "id: 12", `f:1:5: "id" must be text, found the number 12; write "12" in quotes`},
		{"null for text", "id:", `f:1:4: "id" must be text, found nothing; give a value or leave the field out`},
		{"unmarshaler", "id: a\ncolour: green", `f:2:9: "colour": no such colour; write red or blue`},
		{"duplicate", "id: a\nid: b", `f:2:1: "id" is given twice, first in line 1; keep one of them`},
		{"duplicate in JSON", "{\"id\": \"a\",\n \"id\": \"b\"}", `f:2:2: "id" is given twice, first in line 1; keep one of them`},
		{"list item", "id: a\ntags: [x, {}]", `f:2:11: item 2 of "tags" must be text, found a mapping`},
		{"syntax", "id: a\n  b: c", `f:2: not valid YAML: mapping values are not allowed in this context; check indentation, quotes and brackets at and above this line`},
		{"documents", "id: a\n---\nid: b", `f:2:1: a second document begins here; keep one document in a file`},
		{"alias", "id: a\nfree: {x: &x 1, y: *x}", "f:2:11: anchor &x: anchors and aliases are not supported; write the value out where it is needed\nf:2:20: alias *x: anchors and aliases are not supported; write the value out"},
		{"merge", "id: a\nfree: {<<: {a: 1}}", "f:2:8: merge keys (<<) are not supported; write the fields out"},
		{"tag", "id: !!binary aGk=", "f:1:5: tag !!binary is not supported; leave the tag out"},
		{"octal", "id: a\nfree: 01234567890", `f:2:7: 01234567890 begins with 0, so it may be meant as text or as octal; write "01234567890" in quotes for text, 0o... for octal`},
		{"infinite", "id: a\nfree: .inf", "f:2:7: .inf is not a number that JSON has; write a finite number, or text in quotes"},
		{"list for mapping", "[1]", `f:1:1: the document must be a mapping with the fields id, count, small, ratio, on, colour, tags, labels, raw, free, with, inner, found a list`},
		{"empty", "# nothing", "f:1:1: the document is empty; write a mapping or a list"},
		{"deep", "id: a\nfree: " + strings.Repeat("[", 101) + strings.Repeat("]", 101), "f:2:107: values stand in one another more than 100 levels deep; use fewer levels"},
		{"big", strings.Repeat("#", source.MaxBytes+1), "f: the document has 1048577 bytes, over the limit of 1048576; split the document"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var into item
			err := source.Decode("f", []byte(test.in), &into).Err()
			if err == nil {
				t.Fatalf("no problems; want:\n%s", test.want)
			}
			if got := err.Error(); got != test.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, test.want)
			}
		})
	}
}

func TestJSONPlacesAndSurrogates(t *testing.T) {
	var it item
	in := "{\n \"id\": \"\\ud83d\\ude00\",\n \"with\": {\"é\": 1, \"a\": [true, {\"b\": 2}]}}"
	if problems := source.Decode("f.json", []byte(in), &it); problems != nil {
		t.Fatal(problems)
	}
	if it.ID != "😀" {
		t.Errorf("id %q", it.ID)
	}
	if at := it.With.Place("a", "1", "b"); at.Line != 3 || at.Column != 37 {
		t.Errorf("place %v", at)
	}
}

func TestValueSurvivesJSON(t *testing.T) {
	tree := rapid.Deferred(func() *rapid.Generator[any] { return anyTree(3) })
	rapid.Check(t, func(t *rapid.T) {
		data, err := json.Marshal(tree.Draw(t, "tree"))
		if err != nil {
			t.Fatal(err)
		}
		var first, second source.Value
		if err := json.Unmarshal(data, &first); err != nil {
			t.Fatal(err)
		}
		again, err := json.Marshal(first)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(again, &second); err != nil {
			t.Fatal(err)
		}
		if string(data) != string(again) || !reflect.DeepEqual(first.Any(), second.Any()) {
			t.Fatalf("%s became %s", data, again)
		}
		if at := second.Place(); at != (source.Place{}) {
			t.Fatalf("place %v", at)
		}
	})
}

func anyTree(depth int) *rapid.Generator[any] {
	leaf := rapid.OneOf(
		rapid.Just[any](nil), rapid.Bool().AsAny(), rapid.Int64().AsAny(), rapid.String().AsAny(),
	)
	if depth == 0 {
		return leaf
	}
	return rapid.OneOf(leaf,
		rapid.SliceOfN(anyTree(depth-1), 0, 4).AsAny(),
		rapid.MapOfN(rapid.String(), anyTree(depth-1), 0, 4).AsAny())
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{"id: a", "[1, {a: b}]", "{\"id\": 1}", "a: &x [*x]", "? [a]\n: b", "---\n...\n", "\xff"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var free source.Value
		if problems := source.Decode("f", data, &free); problems == nil {
			if _, err := json.Marshal(free); err != nil {
				t.Fatalf("accepted %q, but %v", data, err)
			}
		} else if problems.Error() == "" {
			t.Fatal("problems without text")
		}
		var into item
		source.Decode("f", data, &into)
	})
}
