package bind_test

import (
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/evanw/esbuild/pkg/api"

	"github.com/trama-run/trama/host/author/bind"
	"github.com/trama-run/trama/host/source"
	"github.com/trama-run/trama/pdk/abi"
)

// together are schemas that say in several places what a value has, and lines
// of the type in TypeScript.
var together = []struct{ schema, want string }{
	{`{"properties":{"a":{"type":"string"}},"allOf":[{"required":["b"],"properties":{"b":{"type":"integer"}}}]}`, "a?: string;\n  b: number;"},
	{`{"$defs":{"p":{"properties":{"a":{"type":"string"}}}},"$ref":"#/$defs/p","required":["a"],"properties":{"b":{"type":"string"}}}`, "b?: string;\n  a: string;"},
	{`{"$defs":{"p":{"$ref":"#/$defs/q%20r"},"q r":{"properties":{"a":{"type":"string"}}}},"allOf":[{"$ref":"#/$defs/p"},{"required":["a"]}]}`, "a: string;"},
	{`{"$defs":{"p":{"properties":{"a":{"type":"string"},"up":{"$ref":"#/$defs/p","required":["a"]}}}},"$ref":"#/$defs/p"}`, "up?: "},
	{`{"$defs":{"p":{"additionalProperties":{"$ref":"#/$defs/p","required":["a"]}}},"$ref":"#/$defs/p"}`, "Record<string, Record<string, unknown>>"},
	{`{"$defs":{"p":{"$ref":"#/$defs/p","required":["a"]}},"$ref":"#/$defs/p"}`, "#/$defs/p stands in itself"},
	{`{"$defs":{"p":{"enum":["x","y"]}},"properties":{"a":{"$ref":"#/$defs/p","description":"one"}}}`, "a?: P;"},
	{`{"$defs":{"p":{"type":"string"}},"$ref":"#/$defs/p","properties":{"b":{"type":"string"}}}`, "allOf of what is no object"},
	{`{"properties":{"a":{"type":"string"}},"oneOf":[{"properties":{"b":{"type":"string"}}},{"required":["a"]}]}`, "one of several schemas"},
	{`{"properties":{"a":{"type":"string"}},"anyOf":[{"required":["a"]}]}`, "a?: string;"},
	{`{"$defs":{"p":{"type":["object","null"],"properties":{"a":{"type":"string"}}}},"properties":{"q":{"$ref":"#/$defs/p","required":["a"]}}}`, "q?: OneInputQ | null;"},
	{`{"oneOf":[{"enum":5},{"const":1}]}`, "number"},
	{`{"oneOf":[{"enum":["x"]},{"const":"y"}]}`, `"x" | "y"`},
}

// TestTogether: what one place leaves out, another one gives.
func TestTogether(t *testing.T) {
	for _, test := range together {
		m := abi.Manifest{Name: "acme", Operations: []abi.Operation{{Name: "one", Input: []byte(test.schema)}}}
		text, err := bind.Types(m, bind.Options{Language: "ts"})
		if err != nil || !strings.Contains(string(text), test.want) {
			t.Errorf("%s\ngives %v\n%s\nwant %s", test.schema, err, text, test.want)
		}
	}
}

// TestNames: types of different schemas have different names, whatever is
// called alike.
func TestNames(t *testing.T) {
	part := func(of string) []byte {
		return []byte(`{"$defs":{"p":{"properties":{"q":{"$ref":"#/properties/own"}}}},"properties":{"own":{"properties":{"` + of + `":{}}},"p":{"$ref":"#/$defs/p"}}}`)
	}
	m := abi.Manifest{Name: "acme", Operations: []abi.Operation{
		{Name: "get_deal", Input: part("a")}, {Name: "get__deal", Input: part("b")}, {Name: "get_deal_", Input: part("c")}, {Name: "get_deal2", Input: part("d")},
		{Name: "config", Input: []byte(`{"$defs":{"config":{"properties":{"e":{}}},"bound_read":{"properties":{"f":{}}}},"properties":{"x":{"$ref":"#/$defs/config"},"y":{"$ref":"#/$defs/bound_read"}}}`)},
	}, Config: []byte(`{"properties":{"g":{}}}`)}
	for _, language := range bind.Languages() {
		text, err := bind.Types(m, bind.Options{Language: language})
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]int{}
		for _, found := range regexp.MustCompile(`(?m)^(?:export |pub )?(?:type|interface|struct) (\w+)`).FindAllStringSubmatch(string(text), -1) {
			seen[found[1]]++
		}
		for _, want := range []string{"GetDealInput", "GetDeal2Input", "GetDeal3Input", "GetDeal22Input", "ConfigInput", "Config", "ConfigType", "BoundRead", "P", "PType", "P2", "P3"} {
			if seen[want] != 1 {
				t.Errorf("%s: %s is there %d times\n%s", language, want, seen[want], text)
			}
		}
	}
}

// TestConfigOf: a channel adapter's settings are those of each channel, all others
// a plugin's own.
func TestConfigOf(t *testing.T) {
	for kind, want := range map[abi.Kind]string{abi.KindChannel: "the settings of a channel with acme.", abi.KindConnector: "the settings of acme.", abi.KindLanguage: "the settings of acme."} {
		text, err := bind.Types(abi.Manifest{Name: "acme", Kind: kind, Config: []byte(`{"properties":{"g":{}}}`)}, bind.Options{Language: "go"})
		if err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%s: %v\n%s\nwant %s", kind, err, text, want)
		}
	}
}

// FuzzTypes: whatever the schema, there are types, and Go's are well formed.
func FuzzTypes(f *testing.F) {
	for _, schema := range []string{
		`{}`, `true`, `{"$ref": "#"}`, `{"type": "object", "properties": {"": {"$ref": "#/properties/"}}}`, `{"enum": []}`, `{"enum": ["", "a", "A"]}`,
		`{"allOf": [{"$ref": "#/allOf/0"}, {}]}`, `{"oneOf": [{"$ref": "#"}, {"type": []}]}`, `{"type": ["null"]}`, `{"description": "*/\u2028x", "type": "object", "properties": {"a": true}}`,
		`{"type": "array", "items": {"$ref": "#/items"}}`, `{"type": "object", "properties": {"a": {"type": "object", "properties": {"a": {"$ref": "#/properties/a"}}}}}`,
	} {
		f.Add(schema)
	}
	for _, test := range together {
		f.Add(test.schema)
	}
	f.Fuzz(func(t *testing.T, schema string) {
		if !json.Valid([]byte(schema)) {
			return
		}
		m := abi.Manifest{Name: "fuzz", Operations: []abi.Operation{{Name: "a", Input: []byte(schema), Output: []byte(schema)}}}
		for _, language := range bind.Languages() {
			text, err := bind.Types(m, bind.Options{Language: language})
			if _, refused := errors.AsType[source.Problems](err); err != nil && !refused {
				t.Fatalf("%s: %v", language, err)
			}
			if language != "ts" || err != nil {
				continue
			}
			if result := api.Transform(string(text), api.TransformOptions{Loader: api.LoaderTS}); len(result.Errors) > 0 {
				t.Fatalf("%s\n%s", result.Errors[0].Text, text)
			}
		}
	})
}
