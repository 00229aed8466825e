package schema

import (
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

func parse(t testing.TB, text string) (value any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatal(err)
	}
	return value
}

func TestCheck(t *testing.T) {
	const order = `{
		"type": "object", "required": ["id", "items"], "additionalProperties": false,
		"properties": {
			"id": {"type": "string", "pattern": "^[a-z]+$"},
			"mail": {"type": "string", "format": "email"},
			"at": {"type": "string", "format": "date-time"},
			"a/b~c é": {"type": "integer"},
			"kind": {"oneOf": [{"const": 1}, {"type": "integer"}]},
			"items": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/item"}}
		},
		"$defs": {"item": {"type": "object", "required": ["price"], "properties": {"price": {"type": "number", "minimum": 0}}}}
	}`
	s, err := Compile(parse(t, order))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, value string
		want        []string // pointer and keyword
	}{
		{"fits", `{"id": "a", "mail": "a@b.c", "at": "2026-01-02T03:04:05Z", "kind": 2, "items": [{"price": 1.5}]}`, nil},
		{"another type", `[]`, []string{"# type"}},
		{"nothing", `null`, []string{"# type"}},
		{"lacks", `{"id": "a"}`, []string{"# required"}},
		{"more", `{"id": "a", "items": [{"price": 1}], "x": 1}`, []string{"# additionalProperties"}},
		{"deep", `{"id": "A1", "items": [{"price": 1}, {"price": -1}, {}]}`, []string{"#/id pattern", "#/items/1/price minimum", "#/items/2 required"}},
		{"formats", `{"id": "a", "items": [{"price": 1}], "mail": "x", "at": "yesterday"}`, []string{"#/at format", "#/mail format"}},
		{"escaped names", `{"id": "a", "items": [{"price": 1}], "a/b~c é": "x"}`, []string{"#/a~1b~0c%20%C3%A9 type"}},
		{"two of one", `{"id": "a", "items": [{"price": 1}], "kind": 1}`, []string{"#/kind oneOf"}},
		{"none of one", `{"id": "a", "items": [{"price": 1}], "kind": "x"}`, []string{"#/kind oneOf"}},
	} {
		var got []string
		for _, v := range s.Check(parse(t, c.value)) {
			got = append(got, v.Pointer+" "+v.Keyword)
			if v.Message == "" || strings.Contains(v.Message, root) {
				t.Errorf("%s: message %q", c.name, v.Message)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	if got := s.Check(map[string]any{"id": "a", "items": []any{map[string]any{"price": int64(3)}}}); len(got) > 0 {
		t.Errorf("an int64 is no number: %+v", got)
	}
	many := map[string]any{"id": "a", "items": slices.Repeat([]any{"x"}, 1000)}
	if got := s.Check(many); len(got) != maxViolations {
		t.Errorf("%d violations are told", len(got))
	}
	if got := s.Check(map[string]any{"id": strings.Repeat("é", 1000), "items": []any{map[string]any{"price": 1.0}}}); len(got) != 1 || len(got[0].Message) > maxMessage+3 {
		t.Errorf("a long value: %+v", got)
	}
}

func TestCompile(t *testing.T) {
	for _, c := range []struct{ schema, says string }{
		{`{"type": "strin"}`, "#/type: want one of array, boolean, integer"},
		{`{"properties": {"a": {"minimum": "x"}}}`, "#/properties/a/minimum"},
		{`{"pattern": "(?=a)"}`, "pattern"},
		{`{"$ref": "file:///etc/passwd"}`, "its own parts"},
		{`{"$ref": "http://127.0.0.1:1/x.json"}`, "its own parts"},
		{`{"$ref": "other.json"}`, "its own parts"},
		{`{"$ref": "#/$defs/none"}`, "none"},
		{`{"$schema": "http://127.0.0.1:1/meta"}`, "its own parts"},
		{`7`, ""},
		{doubling(40), "references multiply"},
	} {
		s, err := Compile(parse(t, c.schema))
		if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "passwd:") {
			t.Errorf("%s: %v, %v; want it to say %q", c.schema, s, err, c.says)
		}
	}
}

// doubling is a schema whose parts each name the next one twice.
func doubling(levels int) string {
	var defs []string
	for n := range levels {
		defs = append(defs, fmt.Sprintf(`"a%d": {"allOf": [{"$ref": "#/$defs/a%d"}, {"$ref": "#/$defs/a%d"}]}`, n, n+1, n+1))
	}
	return fmt.Sprintf(`{"$ref": "#/$defs/a0", "$defs": {%s, "a%d": {"type": "string"}}}`, strings.Join(defs, ", "), levels)
}

// TestRecursion: schemas that lead back to themselves are fine.
func TestRecursion(t *testing.T) {
	s, err := Compile(parse(t, `{"$ref": "#/$defs/node", "$defs": {"node": {"type": "object", "required": ["name"],
		"properties": {"name": {"type": "string"}, "left": {"$ref": "#/$defs/node"}, "right": {"$ref": "#/$defs/node"}}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	if found := s.Check(parse(t, `{"name": "a", "left": {"name": "b", "right": {}}}`)); len(found) != 1 || found[0].Pointer != "#/left/right" {
		t.Errorf("%v", found)
	}
}

// TestBounded: a check takes a small part of the memory that its value has,
// whatever is wrong with it, and a value aims at nothing.
func TestBounded(t *testing.T) {
	const n = 100_000
	wrong := slices.Repeat([]any{int64(1)}, n)
	object := map[string]any{}
	for i := range n {
		object[fmt.Sprint(i)] = int64(1)
	}
	tree := any(int64(1)) // 2^16 ends
	for range 16 {
		tree = map[string]any{"l": tree, "r": tree}
	}
	var alike []any // lists that begin and end alike, if one doesn't count
	for i := range 20_000 {
		item := []any{[]any{}}
		for bit := range 16 {
			if inner := []any{}; i>>bit&1 == 0 {
				item = []any{item, inner}
			} else {
				item = []any{inner, item}
			}
		}
		alike = append(alike, item)
	}
	for _, c := range []struct {
		schema string
		value  any
		want   int
	}{
		{`{"items": {"type": "string"}}`, wrong, maxViolations},
		{`{"prefixItems": [true], "contains": {"type": "string"}}`, wrong, 1},
		{`{"contains": true, "maxContains": 3}`, wrong, 1},
		{`{"items": {"type": "array", "items": {"type": "string"}}}`, slices.Repeat([]any{wrong[:1000]}, 1000), maxViolations},
		{`{"$defs": {"node": {"type": "object", "additionalProperties": {"$ref": "#/$defs/node"}}}, "$ref": "#/$defs/node"}`, tree, maxViolations},
		{`{"properties": {"l": {"$ref": "#"}, "r": {"$ref": "#"}}, "type": "object"}`, tree, maxViolations},
		{`{"additionalProperties": {"type": "string"}}`, object, maxViolations},
		{`{"additionalProperties": false}`, object, 1},
		{`{"patternProperties": {"1": {"type": "string"}}}`, object, maxViolations},
		{`{"propertyNames": {"pattern": "x"}}`, object, maxViolations},
		{`{"unevaluatedItems": false}`, wrong, 1},
		{`{"unevaluatedProperties": false}`, object, 1},
		{`{"anyOf": [{"items": {"type": "string"}}, {"items": {"type": "null"}}]}`, wrong, 1},
		{`{"uniqueItems": true}`, alike, 0},
		{`{"uniqueItems": true}`, []any{int64(7), 1e-300, "7", 7.5, json.Number("1e999"), nil, false}, 0},
		{`{"uniqueItems": true}`, []any{7.0, int64(7)}, 1},
		{`{"uniqueItems": true}`, []any{json.Number("7.50"), 7.5}, 1},
		{`{"$schema": "http://json-schema.org/draft-07/schema#", "items": [true], "additionalItems": {"type": "string"}}`, wrong, maxViolations},
	} {
		s, err := Compile(parse(t, c.schema))
		if err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		found := s.Check(c.value)
		runtime.ReadMemStats(&after)
		if len(found) != c.want {
			t.Errorf("%s: %d violations, want %d", c.schema, len(found), c.want)
		}
		if took := (after.TotalAlloc - before.TotalAlloc) >> 20; took > 48 {
			t.Errorf("%s: the check took %d MiB", c.schema, took)
		}
	}
}

// FuzzCheck: no value and no schema makes the check fail otherwise than by
// saying so.
func FuzzCheck(f *testing.F) {
	f.Add(`{"type": "object", "properties": {"a": {"$ref": "#"}}}`, `{"a": {"a": 1}}`)
	f.Add(`{"oneOf": [{"multipleOf": 0.1}, {"uniqueItems": true}]}`, `[1, 1.0, {"x": null}]`)
	f.Add(`{"$dynamicAnchor": "a", "unevaluatedProperties": false}`, `{"é/~": "\u0000"}`)
	f.Add(`{"properties": {"a": {"minimum": 1}}, "patternProperties": {"^b": {"type": "string"}}, "additionalProperties": {"type": "null"}, "propertyNames": {"maxLength": 3}}`, `{"a": 0, "bc": "x", "abcd": null}`)
	f.Add(`{"prefixItems": [{"type": "string"}], "items": {"type": "integer"}, "contains": {"const": 2}, "minContains": 2, "maxContains": 3, "uniqueItems": true}`, `["a", 2, 2.0, 3]`)
	f.Add(`{"allOf": [{"properties": {"a": true}, "prefixItems": [true], "contains": {"const": 1}}], "unevaluatedProperties": false, "unevaluatedItems": {"type": "string"}}`, `["a", 1, 2]`)
	f.Add(`{"allOf": [{"properties": {"a": true}}, {"patternProperties": {"b": true}}], "unevaluatedProperties": false}`, `{"a": 1, "bb": 2, "c": 3}`)
	f.Add(`{"$schema": "http://json-schema.org/draft-07/schema#", "items": [{"type": "string"}], "additionalItems": false, "dependencies": {"a": ["b"]}}`, `["a", 1]`)
	f.Add(`{"not": {"items": {"anyOf": [{"type": "string"}, {"required": ["a"]}]}}}`, `["a", {"a": 1}]`)
	f.Fuzz(func(t *testing.T, schema, value string) {
		var document, v any
		if json.Unmarshal([]byte(schema), &document) != nil || json.Unmarshal([]byte(value), &v) != nil {
			return
		}
		s, err := Compile(document)
		if err != nil {
			return
		}
		whole, err := compile(root, document) // as the library does it by itself
		if err != nil {
			t.Fatal(err)
		}
		// For the library the items 2 and "2" are the same.
		if fits := whole.Validate(v) == nil; !strings.Contains(schema, "uniqueItems") && fits != (len(s.Check(v)) == 0) {
			t.Errorf("%s against %s: fits: %v; %+v", value, schema, fits, s.Check(v))
		}
		for _, found := range s.Check(v) {
			if found.Message == "" || found.Pointer == "" || len(fmt.Sprint(found)) > 100_000 {
				t.Errorf("%s against %s: %+v", value, schema, found)
			}
		}
	})
}

// TestRegexIsShort: what a caller sends as a regular expression is not read if it
// is long.
func TestRegexIsShort(t *testing.T) {
	s, err := Compile(parse(t, `{"items": {"format": "regex"}}`))
	if err != nil {
		t.Fatal(err)
	}
	if found := s.Check([]any{"^a+$", strings.Repeat("a", maxRegex), int64(1)}); len(found) != 0 {
		t.Errorf("%+v", found)
	}
	found := s.Check([]any{"(", strings.Repeat("(a)", maxRegex)})
	if len(found) != 2 || found[1].Keyword != "format" {
		t.Errorf("%+v", found)
	}
	if f := shorter(&jsonschema.Format{Name: "regex"}); f.Validate(strings.Repeat("a", maxRegex+1)) == nil {
		t.Error("a long one was read")
	}
}

// TestPlacesAreShort: what is told of a value is no longer than a page, however
// long the names of its members are.
func TestPlacesAreShort(t *testing.T) {
	s, err := Compile(parse(t, `{"additionalProperties": {"items": {"type": "integer"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	found := s.Check(map[string]any{strings.Repeat("é", 1<<20): []any{"a", "b"}})
	if len(found) != 2 {
		t.Fatalf("%d violations", len(found))
	}
	for _, v := range found {
		if len(v.Pointer) > maxPointer+10 || !strings.HasPrefix(v.Pointer, "#/%C3%A9%C3%A9") || !strings.HasSuffix(v.Pointer, "%C3%A9…") && !strings.HasSuffix(v.Pointer, "%C3…") {
			t.Errorf("%d bytes: %.60s … %s", len(v.Pointer), v.Pointer, v.Pointer[max(0, len(v.Pointer)-20):])
		}
	}
}
