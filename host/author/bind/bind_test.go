package bind_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/evanw/esbuild/pkg/api"

	"github.com/trama-run/trama/host/author/bind"
	"github.com/trama-run/trama/host/plugin"
	"github.com/trama-run/trama/host/source"
	"github.com/trama-run/trama/pdk/abi"
)

var update = flag.Bool("update", false, "write the golden files anew")

func shapes(t *testing.T) abi.Manifest {
	t.Helper()
	data, err := os.ReadFile("testdata/shapes.json")
	if err != nil {
		t.Fatal(err)
	}
	m, err := plugin.ParseManifest(data)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// generate gives the types of the shapes in a language, which are those of its
// golden file.
func generate(t *testing.T, language string) []byte {
	t.Helper()
	text, err := bind.Types(shapes(t), bind.Options{Language: language})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	golden := filepath.Join("testdata", "shapes."+language+".golden")
	if *update {
		if err := os.WriteFile(golden, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(text, want) {
		t.Errorf("%s is not what it was; look at the difference, then run the tests with -update\n%s", golden, text)
	}
	return text
}

// missing skips a test whose tool is not there; where all is tested, it fails.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "1" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// TestGo: the types compile, and carry a value there and back.
func TestGo(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":   "module example.com/shapes\n\ngo 1.24.0\n",
		"types.go": string(generate(t, "go")),
		"main.go": `package main

import (
	"encoding/json"
	"fmt"
	"os"
)

func main() {
	decoder := json.NewDecoder(os.Stdin)
	decoder.DisallowUnknownFields() // as pdk.Handle
	inputs := []any{new(CreateDealInput), new(MergeInput)}
	for n := 0; decoder.More(); n++ {
		if err := decoder.Decode(inputs[min(n, 1)]); err != nil {
			fmt.Println(err)
			continue
		}
		out, err := json.Marshal(inputs[min(n, 1)])
		if err != nil {
			panic(err)
		}
		fmt.Println(string(out))
	}
}
`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	run := func(args ...string) string {
		c := exec.CommandContext(t.Context(), "go", args...)
		c.Dir, c.Env = dir, append(os.Environ(), "GOWORK=off", "GOFLAGS=")
		c.Stdin = strings.NewReader(deal + others)
		said, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("go %s: %v\n%s", args, err, said)
		}
		return string(said)
	}
	run("vet", ".")
	lines := strings.Split(run("run", "."), "\n")
	sameJSON(t, lines[0], deal)
	if got := strings.Join(lines[1:], "\n"); got != read {
		t.Errorf("the others give\n%s\nwant\n%s", got, read)
	}
}

// others are inputs of merge with fields that are not in its schema, which is
// open, or in that of option, which is closed; and read is what comes of them.
const (
	others = `{"id":"1","extra":true,"more":[{}]} {"id":"2","extra":true,"option":{"String":"s","vec":{"more":1}}} {"id":"3","extra":true,"option":{"more":1}} {"id":"4","extra":1}`
	read   = `{"id":"1","extra":true}
{"id":"2","extra":true,"option":{"String":"s","vec":{"more":1}}}
json: unknown field "more"
json: cannot unmarshal number into Go struct field fields.extra of type bool
`
)

// TestImports: a file imports what it uses.
func TestImports(t *testing.T) {
	for schema, want := range map[string]string{
		`{"properties":{"a":{"type":"string","description":"It has no bytes."}}}`: "import (\n\t\"encoding/json\"\n)",
		`{"properties":{"a":{"type":"string"}},"additionalProperties":false}`:     "import (\n\t\"bytes\"\n\t\"encoding/json\"\n)",
		`{"additionalProperties":{}}`:                                             "import (\n\t\"encoding/json\"\n)",
		`{"type":"string"}`:                                                       "package main\n\n//",
	} {
		m := abi.Manifest{Name: "acme", Operations: []abi.Operation{{Name: "one", Input: []byte(schema)}}}
		text, err := bind.Types(m, bind.Options{Language: "go"})
		if err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%s\ngives %v\n%s\nwant %s", schema, err, text, want)
		}
	}
}

// deal is an input in which what may be absent is absent or not, by turns.
const deal = `{"title":"t","id":9007199254740993,"amount":1.5,"stage":"2nd try","owner":{"email":"a","boss":{"email":"b"}},
	"watchers":[{"email":"c"}],"labels":{"a":"b"},"custom":{"x":[1]},"note":"n","matrix":[[1.5,null]],"anything":{"x":[null]},"items":[{"sku":"s","price":{"cents":1,"currency":"BRL"}}],
	"self":"s","URL":"u","url":"v","1st":1}`

func sameJSON(t *testing.T, got, want string) {
	t.Helper()
	compact := func(text string) string {
		var value any
		decoder := json.NewDecoder(strings.NewReader(text))
		decoder.UseNumber()
		if err := decoder.Decode(&value); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		data, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	if compact(got) != compact(want) {
		t.Errorf("%s came back as\n%s", compact(want), compact(got))
	}
}

// TestTypeScript: the types parse.
func TestTypeScript(t *testing.T) {
	text := generate(t, "ts")
	result := api.Transform(string(text)+"\nexport const deal: CreateDealInput = "+deal+";\n", api.TransformOptions{Loader: api.LoaderTS})
	for _, e := range result.Errors {
		t.Errorf("%d:%d: %s: %s", e.Location.Line, e.Location.Column, e.Text, e.Location.LineText)
	}
}

// registry is where Debian's librust-serde-dev and librust-serde-json-dev have
// the crates.
const registry = "/usr/share/cargo/registry"

// TestRust: the types compile, and carry a value there and back.
func TestRust(t *testing.T) {
	text := generate(t, "rust")
	for _, needed := range []string{"/usr/bin/cargo", "/usr/bin/rustc", registry} {
		if _, err := os.Stat(needed); err != nil {
			missing(t, "no "+needed+": apt-get install cargo librust-serde-dev librust-serde-json-dev")
		}
	}
	if crates, err := filepath.Glob(registry + "/serde_json-1*"); err != nil || len(crates) == 0 {
		missing(t, "no serde_json in "+registry+": apt-get install librust-serde-json-dev")
	}
	dir := t.TempDir()
	for name, text := range map[string]string{
		"Cargo.toml":         "[package]\nname = \"shapes\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\n[dependencies]\nserde = { version = \"1\", features = [\"derive\"] }\nserde_json = \"1\"\n",
		".cargo/config.toml": "[source.crates-io]\nreplace-with = \"debian\"\n\n[source.debian]\ndirectory = \"" + registry + "\"\n",
		"src/types.rs":       string(text),
		"src/main.rs": `mod types;

fn main() {
    let deal: types::CreateDealInput = serde_json::from_reader(std::io::stdin()).unwrap();
    print!("{}", serde_json::to_string(&deal).unwrap());
}
`,
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c := exec.CommandContext(t.Context(), "/usr/bin/cargo", "run", "--quiet", "--offline")
	var said bytes.Buffer
	c.Dir, c.Stdin, c.Stderr = dir, strings.NewReader(deal), &said
	c.Env = append(os.Environ(), "RUSTC=/usr/bin/rustc")
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, &said)
	}
	sameJSON(t, string(out), deal)
}

func TestRefused(t *testing.T) {
	for _, test := range []struct {
		m   abi.Manifest
		o   bind.Options
		err string
	}{
		{shapes(t), bind.Options{Language: "c"}, `language "c": want go, rust, ts`},
		{shapes(t), bind.Options{Language: "go", Package: "a b"}, `package "a b"`},
		{abi.Manifest{Name: "x"}, bind.Options{Language: "go"}, "the manifest of x has no schemas"},
	} {
		if text, err := bind.Types(test.m, test.o); err == nil || !strings.Contains(err.Error(), test.err) || text != nil {
			t.Errorf("%q, %v; want %s", text, err, test.err)
		}
	}
}

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
