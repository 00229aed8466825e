package bind_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/evanw/esbuild/pkg/api"

	"github.com/trama-run/trama/host/author/bind"
	"github.com/trama-run/trama/host/plugin"
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

// types are what the inputs are read as.
func types(name string) any {
	switch name {
	case "deal":
		return new(CreateDealInput)
	case "merge":
		return new(MergeInput)
	case "merged":
		return new(MergeOutput)
	case "keep":
		return new(KeepInput)
	case "other":
		return new(Keep2Input)
	case "fill":
		return new(FillInput)
	case "ring":
		return new(RingInput)
	}
	return new(Keep22Input)
}

func main() {
	decoder := json.NewDecoder(os.Stdin)
	decoder.DisallowUnknownFields() // as pdk.Handle
	for decoder.More() {
		var line struct {
			Type  string
			Value json.RawMessage
		}
		if err := decoder.Decode(&line); err != nil {
			panic(err)
		}
		value := types(line.Type)
		if err := json.Unmarshal(line.Value, value); err != nil {
			fmt.Println(err)
			continue
		}
		print(value)
	}
	print(KeepOutput{}) // nothing is set
	print(TreeOutput(nil))
	print(Keep2Output(nil))
	s := "s"
	print(KeepInput{Note: &s, Rest2: map[string]json.RawMessage{"note": []byte("1"), "x": []byte("2")}})
	fill := FillInput{
		Matrix: [][]float64{nil, {1}}, Named: map[string][]map[string]json.RawMessage{"a": {nil}, "b": nil},
		Cube: [][][][]int64{nil, {nil, {nil}}}, Odd: []FillInputOddItem{nil}, Rest: map[string][]string{"more": nil},
	}
	print(fill)
	print(FillInput{})
	if fill.Matrix[0] != nil || fill.Named["b"] != nil || fill.Cube[1][1][0] != nil {
		panic("writing a value changed it")
	}
	print(FillOutput{nil})
	print(FillOutput(nil))
	errors := map[string]bool{}
	for range 50 {
		errors[fmt.Sprint(json.Unmarshal([]byte("{\"d\":1,\"c\":1,\"b\":1,\"a\":1}"), new(Config)))] = true
		errors[fmt.Sprint(json.Unmarshal([]byte("{\"c\":\"\",\"b\":\"\",\"a\":\"\"}"), new(CreateDealOutput)))] = true
	}
	print(len(errors)) // each has one, whatever the order
}

func print(value any) {
	out, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(out))
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
		c.Stdin = strings.NewReader(input(t))
		said, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("go %s: %v\n%s", args, err, said)
		}
		return string(said)
	}
	run("vet", ".")
	lines := strings.Split(strings.TrimSpace(run("run", ".")), "\n")
	written := []string{
		`{"tags":[],"labels":{},"maybe":null,"odd":{}}`, `[]`, `{}`, `{"note":"s","x":2}`,
		`{"matrix":[[],[1]],"named":{"a":[{}],"b":[]},"cube":[[],[null,[[]]]],"odd":[{}],"more":[]}`, `{"matrix":[],"named":{}}`, `[[]]`, `null`,
		`2`,
	}
	if len(lines) != len(values)+len(written) {
		t.Fatalf("%d lines\n%s", len(lines), strings.Join(lines, "\n"))
	}
	for i, v := range values {
		v.came(t, lines[i])
	}
	for i, want := range written {
		sameJSON(t, lines[len(values)+i], want)
	}
}

// value is one of a type, which comes back as it went, or is refused.
type value struct{ name, text, err string }

// values are in the words of the schemas: of what they leave open, of null and of
// what is not there, of choices whose first member fits what is another's.
var values = []value{
	{"deal", deal, ""},
	{"merge", `{"id":"1","extra":true,"more":[{}]}`, ""},
	{"merge", `{"id":"1","extra":true,"ID":"2","Extra":3}`, ""},
	{"merge", `{"id":"2","extra":true,"option":{"String":"s","vec":{"more":1}}}`, ""},
	{"merge", `{"id":"3","extra":true,"option":{"more":1}}`, "unknown field"},
	{"merge", `{"id":"3","extra":true,"option":{"string":"s"}}`, "unknown field"},
	{"merge", `{"id":"4","extra":1}`, "bool"},
	{"merged", `null`, ""},
	{"merged", `7`, ""},
	{"keep", `{}`, ""},
	{"keep", `{"choice":{"a":"x","b":2,"c":{"d":[null]}}}`, ""},
	{"keep", `{"choice":{"b":2}}`, ""},
	{"keep", `{"many":[{"a":"x","b":2},9007199254740993,1.5]}`, ""},
	{"keep", `{"either":"text"}`, ""},
	{"keep", `{"either":{"x":1,"y":2}}`, ""},
	{"keep", `{"maybe":null}`, ""},
	{"keep", `{"maybe":["a"]}`, ""},
	{"keep", `{"maybe":{"y":"b"}}`, ""},
	{"keep", `{"both":"text"}`, ""},
	{"keep", `{"both":{"a":"x","b":1}}`, ""},
	{"keep", `{"note":null,"kind":null,"any":null,"labels":null}`, ""},
	{"keep", `{"note":"","kind":"x","any":0,"labels":{},"tags":[]}`, ""},
	{"keep", `{"counts":{"all":1,"some":2,"none":null}}`, ""},
	{"keep", `{"counts":{"some":"text"}}`, "string"},
	{"keep", `{"closed":{"note":null,"rest":"r"},"rest":true,"rest2":1}`, ""},
	{"other", `null`, ""},
	{"other", `{"other":"x","more":1}`, ""},
	{"another", `"text"`, ""},
	{"fill", `{"matrix":[[],[0.1]],"named":{"x":[]},"cube":[[null,[[9007199254740993]]]],"more":["a"]}`, ""},
	{"ring", `{"stones":[{"ring":{"stone":{"carat":1}}}],"stone":{"ring":{"stone":{}}}}`, ""},
}

// came holds what came of a value against it.
func (v value) came(t *testing.T, line string) {
	t.Helper()
	if v.err == "" {
		sameJSON(t, line, v.text)
	} else if !strings.Contains(line, v.err) {
		t.Errorf("%s gives %s, want an error with %q", v.text, line, v.err)
	}
}

// input is all values, a line for each.
func input(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for _, v := range values {
		data, err := json.Marshal(map[string]any{"type": v.name, "value": json.RawMessage(v.text)})
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString(string(data) + "\n")
	}
	return b.String()
}

// TestImports: a file imports what it uses.
func TestImports(t *testing.T) {
	for schema, want := range map[string]string{
		`{"properties":{"a":{"type":"string","description":"It has no bytes. of Go."}}}`: "import (\n\t\"encoding/json\"\n\t\"fmt\"\n\t\"maps\"\n\t\"slices\"\n)",
		`{"type":"string","description":"No fmt. or json. of Go."}`:                      "package main\n\n//",
		`{"additionalProperties":{}}`:                                                    "import (\n\t\"encoding/json\"\n)",
		`{"type":"string"}`:                                                              "package main\n\n//",
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

// plain is a value whose numbers are written in one way: 1 and 1.0 are the same.
func plain(value any) any {
	switch value := value.(type) {
	case json.Number:
		if exact, ok := new(big.Rat).SetString(value.String()); ok {
			return "number " + exact.RatString()
		}
	case []any:
		for i := range value {
			value[i] = plain(value[i])
		}
	case map[string]any:
		for key := range value {
			value[key] = plain(value[key])
		}
	}
	return value
}

func sameJSON(t *testing.T, got, want string) {
	t.Helper()
	compact := func(text string) string {
		var value any
		decoder := json.NewDecoder(strings.NewReader(text))
		decoder.UseNumber()
		if err := decoder.Decode(&value); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		data, err := json.Marshal(plain(value))
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

use serde::{de::DeserializeOwned, Serialize};
use std::io::BufRead;

fn again<T: DeserializeOwned + Serialize>(text: &str) -> String {
    match serde_json::from_str::<T>(text) {
        Ok(value) => serde_json::to_string(&value).unwrap(),
        Err(error) => error.to_string(),
    }
}

fn main() {
    for line in std::io::stdin().lock().lines() {
        let line: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
        let text = line["value"].to_string();
        println!(
            "{}",
            match line["type"].as_str().unwrap() {
                "deal" => again::<types::CreateDealInput>(&text),
                "merge" => again::<types::MergeInput>(&text),
                "merged" => again::<types::MergeOutput>(&text),
                "keep" => again::<types::KeepInput>(&text),
                "other" => again::<types::Keep2Input>(&text),
                "fill" => again::<types::FillInput>(&text),
                "ring" => again::<types::RingInput>(&text),
                _ => again::<types::Keep22Input>(&text),
            }
        );
    }
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
	c.Dir, c.Stdin, c.Stderr = dir, strings.NewReader(input(t)), &said
	c.Env = append(os.Environ(), "RUSTC=/usr/bin/rustc")
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, &said)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != len(values) {
		t.Fatalf("%d lines\n%s", len(lines), out)
	}
	for i, v := range values {
		v.came(t, lines[i])
	}
}

func TestRefused(t *testing.T) {
	for _, test := range []struct {
		m   abi.Manifest
		o   bind.Options
		err string
	}{
		{shapes(t), bind.Options{Language: "c"}, `language "c": want go, rust, ts`},
		{shapes(t), bind.Options{Language: "go", Package: "a b"}, `package "a b"`},
		{shapes(t), bind.Options{Language: "go", Package: "_"}, `package "_"`},
		{abi.Manifest{Name: "x"}, bind.Options{Language: "go"}, "the manifest of x has no schemas"},
	} {
		if text, err := bind.Types(test.m, test.o); err == nil || !strings.Contains(err.Error(), test.err) || text != nil {
			t.Errorf("%q, %v; want %s", text, err, test.err)
		}
	}
}
