package schema

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

// back is a schema that leads back to itself in two ways. %s is what tells of
// the two.
const back = `{"$ref": "#/$defs/node", "$defs": {
	"node": {"type": "object", "required": ["type"], %s},
	"items": {"properties": {"items": {"type": "array", "items": {"$ref": "#/$defs/node"}}}},
	"group": {"allOf": [{"properties": {"type": {"const": "group"}}}, {"$ref": "#/$defs/items"}]},
	"section": {"allOf": [{"properties": {"type": {"const": "section"}}}, {"$ref": "#/$defs/items"}]}}}`

// TestSteps: a value that a schema leads through in very many ways is refused
// soon, and one that it leads through in one is not, as deep or large as it is.
func TestSteps(t *testing.T) {
	deep := func(levels int) any {
		return parse(t, strings.Repeat(`{"type": "section", "items": [`, levels)+strings.Repeat("]}", levels))
	}
	wide := map[string]any{"type": "section", "items": make([]any, 50_000)}
	for i := range wide["items"].([]any) {
		wide["items"].([]any)[i] = map[string]any{"type": "group"}
	}
	long := deep(12)
	for at := long; ; {
		items := at.(map[string]any)["items"].([]any)
		if len(items) == 0 {
			at.(map[string]any)["name"] = strings.Repeat("x", 1<<20)
			break
		}
		at = items[0]
	}
	nested := any([]any{strings.Repeat("x", 1<<20)})
	for range 190 {
		nested = []any{nested}
	}
	for _, c := range []struct {
		name, node string
		value      any
		fits       bool
	}{
		{"a few levels", `"oneOf": [{"$ref": "#/$defs/group"}, {"$ref": "#/$defs/section"}]`, deep(6), true},
		{"oneOf", `"oneOf": [{"$ref": "#/$defs/group"}, {"$ref": "#/$defs/section"}]`, deep(90), false},
		{"anyOf", `"anyOf": [{"$ref": "#/$defs/group"}, {"$ref": "#/$defs/section"}]`, deep(90), false},
		{"a list twice", `"allOf": [{"$ref": "#/$defs/items"}, {"$ref": "#/$defs/items"}]`, deep(90), false},
		{"contains", `"properties": {"items": {"contains": {"$ref": "#/$defs/node"}, "items": {"$ref": "#/$defs/node"}}}`, deep(90), false},
		{"patterns", `"patternProperties": {"items": {"items": {"$ref": "#/$defs/node"}}, "^i": {"items": {"$ref": "#/$defs/node"}}}`, deep(90), false},
		{"a long text", `"properties": {"name": {"anyOf": [{"pattern": "(x+y+)+z"}, {"minLength": 3}]}}, "oneOf": [{"$ref": "#/$defs/group"}, {"$ref": "#/$defs/section"}]`, long, false},
		{"lists of lists", `"properties": {"items": {"$ref": "#/$defs/list"}}}, "list": {"uniqueItems": true, "items": {"$ref": "#/$defs/list"}`, map[string]any{"type": "section", "items": nested}, false},
		{"told apart", `"if": {"properties": {"type": {"const": "group"}}}, "then": {"$ref": "#/$defs/group"}, "else": {"$ref": "#/$defs/section"}`, deep(90), true},
		{"many items", `"oneOf": [{"$ref": "#/$defs/group"}, {"$ref": "#/$defs/section"}]`, wide, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := Compile(parse(t, fmt.Sprintf(back, c.node)))
			if err != nil {
				t.Fatal(err)
			}
			found := s.Check(c.value)
			if told := len(found) == 1 && found[0].Pointer == "#" && strings.Contains(found[0].Message, "too many ways"); len(found) == 0 != c.fits || !c.fits && !told {
				t.Errorf("%+v", found)
			}
			s.entry.Extensions[0].(*entry).checks.left.Range(func(token, _ any) bool {
				t.Errorf("check %v goes on", token)
				return true
			})
		})
	}
}

// TestStepsAreOfOneCheck: those that go on at once have their own steps.
func TestStepsAreOfOneCheck(t *testing.T) {
	s, err := Compile(parse(t, `{"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "object", "properties": {"a": {"type": "integer"}}}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	list := make([]any, 5_000)
	for i := range list {
		list[i] = map[string]any{"a": int64(i)}
	}
	list[len(list)-1] = int64(7)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 4 {
				if found := s.Check(list); len(found) != 1 || found[0].Pointer != "#/4999" || found[0].Keyword != "anyOf" {
					t.Errorf("%+v", found)
				}
			}
		})
	}
	all.Wait()
}
