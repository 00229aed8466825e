package admin

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
)

// TestOpenAPI: the document of the table is valid, and says all that there is
// to say.
func TestOpenAPI(t *testing.T) {
	table := api{}.endpoints()
	described, err := describe(table)
	if err != nil {
		t.Fatal(err)
	}
	data, err := described.JSON()
	if err != nil {
		t.Fatal(err)
	}
	document, err := libopenapi.NewDocument(data)
	if err != nil {
		t.Fatal(err)
	}
	valid, errs := validator.NewValidator(document)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	if ok, problems := valid.ValidateDocument(); !ok {
		for _, p := range problems {
			t.Errorf("%s: %s", p.Message, p.Reason)
			for _, s := range p.SchemaValidationErrors {
				t.Errorf("  %s: %s", s.Location, s.Reason)
			}
		}
	}
	ids, known, named := map[string]string{}, parameters(), map[string]bool{}
	for _, e := range table {
		if e.title == "" || e.handle == nil || e.gives == nil {
			t.Errorf("%s: wants a title, an answer and a handler", e.do)
		}
		method, path, _ := e.place()
		id := described.Paths[path][method].ID
		if other, taken := ids[id]; taken {
			t.Errorf("%s and %s are both %s", e.do, other, id)
		}
		ids[id] = e.do
		for name := range strings.FieldsSeq(e.query) {
			if named[name] = true; known[name] == "" {
				t.Errorf("%s: parameter %s is not described", e.do, name)
			}
		}
	}
	for name := range known {
		if !named[name] {
			t.Errorf("parameter %s is of no query", name)
		}
	}
	var references func(value any)
	components := described.Components.Schemas
	references = func(value any) {
		switch v := value.(type) {
		case map[string]any:
			if ref, ok := v["$ref"].(string); ok {
				if _, found := components[strings.TrimPrefix(ref, "#/components/schemas/")]; !found {
					t.Errorf("%s leads nowhere", ref)
				}
			}
			for _, inner := range v {
				references(inner)
			}
		case []any:
			for _, inner := range v {
				references(inner)
			}
		}
	}
	var all any
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	references(all)
}
