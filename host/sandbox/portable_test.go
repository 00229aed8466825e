package sandbox

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	extism "github.com/extism/go-sdk"

	"github.com/trama-run/trama/pdk/abi"
)

// TestPortableGoPDK runs a plugin built with extism/go-pdk in both hosts.
func TestPortableGoPDK(t *testing.T) {
	w := newTwin(t, buildGuest(t, "testdata/portable/gopdk", "."))
	outside := newServer(t)
	listen(t)
	long := strings.Repeat("0123456789", 10_000)
	post := func(url, body string) string {
		data, err := json.Marshal(map[string]string{"url": url, "body": body})
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	for _, c := range []portableCase{
		{export: "echo"},
		{export: "echo", input: "x"},
		{export: "echo", input: "\x00\xff not text"},
		{export: "echo", input: long},
		{export: "total", input: `{"items":[{"price":250,"quantity":2},{"price":99,"quantity":10}]}`},
		{export: "total", input: `[1]`},
		{export: "total"},
		{export: "config", input: "city", config: map[string]string{"city": "São Paulo", "empty": ""}},
		{export: "config", input: "empty", config: map[string]string{"city": "São Paulo", "empty": ""}},
		{export: "config", input: "absent"},
		{export: "variables", input: "ação"},
		{export: "variables", input: long},
		{export: "count"},
		{export: "logs", input: "a line, é"},
		{export: "trace"},
		{export: "write", console: []string{"info to stdout", "warn to stderr"}},
		{export: "fetch", egress: true, input: post("http://shop.example/orders?n=1", "two words")},
		{export: "fetch", egress: true, input: post("http://shop.example/missing", "")},
		{export: "fetch", egress: true, input: post("http://shop.example/", long)},
		{export: "fetch", input: post("http://shop.example/orders", "refused")},
		{export: "fail", input: "no such order"},
		{export: "fail", input: `{"code":"no_order","message":"order 7 is unknown"}`},
		{export: "fail", input: long},
		{export: "fail_beside_success"},
		{export: "fail_silently"},
	} {
		w.compare(t, outside, c)
	}
	// Crashes: what is said of them differs, that they fail does not.
	for _, export := range []string{"boom", "leave"} {
		here, there := w.callHere(t, outside, portableCase{export: export}), w.callThere(t, outside, portableCase{export: export})
		if !here.failed || !there.failed || here.error != "" || there.error != "" {
			t.Errorf("%s: here %+v, go-sdk %+v", export, here, there)
		}
	}
	// A difference that is meant: under go-sdk an instance keeps its variables
	// and its memory, here every call starts anew.
	p, err := w.there.Instance(context.Background(), extism.PluginInstanceConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close(context.Background())
	p.SetLogger(func(extism.LogLevel, string) {})
	for i := 1; i <= 3; i++ {
		if _, output, err := p.Call("count", nil); err != nil || string(output) != fmt.Sprint(i, i) {
			t.Errorf("go-sdk, call %d: %q, %v", i, output, err)
		}
		if got, err := call(w.here, "count", ""); err != nil || string(got.Output) != "1 1" {
			t.Errorf("here, call %d: %q, %v", i, got.Output, err)
		}
	}
}

// A portableRow is a row of the table of README.md.
type portableRow struct {
	file, export, result, reason string
}

func readTable(t *testing.T) []portableRow {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	pattern := regexp.MustCompile("(?m)^\\| `([^`]+\\.wasm)` \\| `([^`]+)` \\| (runs|fails|refused)(?:: `([^`]+)`)?.* \\|$")
	var rows []portableRow
	for _, m := range pattern.FindAllStringSubmatch(string(text), -1) {
		rows = append(rows, portableRow{m[1], m[2], m[3], m[4]})
	}
	return rows
}

// TestPortableTable loads every module that go-sdk ships for its own tests and
// sees that README.md says of each what happens: those that run or fail do the
// same in both hosts, those that are refused are refused for the stated reason.
func TestPortableTable(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(moduleDir(t, "github.com/extism/go-sdk"), "wasm", "*.wasm"))
	if err != nil || len(files) < 27 {
		t.Fatalf("%d modules of go-sdk, %v; want at least 27", len(files), err)
	}
	cases := map[string][]portableCase{ // the export is the row's
		"alloc.wasm":        {{}},
		"config.wasm":       {{config: map[string]string{"thing": "one"}}, {}},
		"count_vowels.wasm": {{input: "hello world"}, {input: ""}, {input: strings.Repeat("aeiou", 2000)}},
		"fail.wasm":         {{}},
		"fs.wasm":           {{}},
		"fs_std.wasm":       {{}},
		"hello.wasm":        {{}},
		"http.wasm":         {{egress: true}, {}},
		"http_headers.wasm": {{egress: true, input: `{"url":"https://extism.org/","method":"GET"}`}, {input: `{"url":"https://extism.org/"}`}, {input: "no JSON"}},
		"input_offset.wasm": {{input: "hello world"}},
		"log.wasm":          {{}},
		"noop.wasm":         {{}},
		"println.wasm":      {{input: "hi", console: []string{"info this was printed from the plugin hi"}}},
		"read_write.wasm":   {{config: map[string]string{"path": "/mnt/test.txt"}}},
		"replace.wasm":      {{input: "hello world"}, {input: ""}},
		"sleep.wasm":        {{config: map[string]string{"duration": "0"}}},
		"var.wasm":          {{}},
	}
	rows := map[string][]portableRow{}
	for _, row := range readTable(t) {
		rows[row.file] = append(rows[row.file], row)
	}
	outside := newServer(t)
	listen(t)
	for _, file := range files {
		name := filepath.Base(file)
		list := rows[name]
		delete(rows, name)
		if len(list) == 0 {
			t.Errorf("README.md has no row for %s", name)
		}
		wasm, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range list {
			t.Run(name+"/"+row.export, func(t *testing.T) {
				if row.result == "refused" {
					if err := refusal(t, wasm, row.export); err == nil || row.reason == "" || !strings.Contains(err.Error(), row.reason) {
						t.Errorf("the table says refused: %q, but: %v", row.reason, err)
					}
					return
				}
				if len(cases[name]) == 0 {
					t.Fatal("no case runs it")
				}
				w := newTwin(t, wasm)
				for i, c := range cases[name] {
					c.export = row.export
					got := w.compare(t, outside, c)
					if i > 0 {
						continue // later ones may fail, in both hosts
					}
					if said := fmt.Sprint(got.error, got.logs); got.failed != (row.result == "fails") || !strings.Contains(said, row.reason) {
						t.Errorf("the table says %s: %q, but: %+v", row.result, row.reason, got)
					}
				}
			})
		}
	}
	for name := range rows {
		t.Errorf("README.md has a row for %s, which go-sdk does not ship", name)
	}
}

// refusal says why a module does not load, or an export does not run.
func refusal(t *testing.T, wasm []byte, export string) error {
	t.Helper()
	m, err := openCached(t).Compile(context.Background(), wasm, Options{Memory: DefaultLimits().Memory})
	if err != nil {
		return err
	}
	_, err = call(m, export, "")
	return err
}

// TestPortablePlugins runs our own portable plugins, those that import nothing
// of Trama, on the examples of their manifests in both hosts.
func TestPortablePlugins(t *testing.T) {
	mains, err := filepath.Glob("../../plugins/*/main.go")
	if err != nil || len(mains) < 5 {
		t.Fatalf("%d plugins, %v; want at least 5", len(mains), err)
	}
	outside := newServer(t)
	portable := 0
	for _, file := range mains {
		wasm := buildGuest(t, "../..", "./plugins/"+filepath.Base(filepath.Dir(file)))
		info, err := Inspect(wasm)
		if err != nil {
			t.Fatal(err)
		}
		if slices.ContainsFunc(info.Imports, func(i Import) bool { return i.Module == abi.ModuleTrama }) {
			continue
		}
		portable++
		w := newTwin(t, wasm)
		described := w.compare(t, outside, portableCase{export: abi.FuncDescribe})
		var manifest abi.Manifest
		if err := json.Unmarshal([]byte(described.output), &manifest); err != nil {
			t.Fatal(err)
		}
		for _, operation := range manifest.Operations {
			export := operation.Export
			if export == "" {
				export = operation.Name
			}
			for _, example := range operation.Examples {
				got := w.compare(t, outside, portableCase{export: export, input: string(example.Input)})
				if got.failed != (example.Error != nil) {
					t.Errorf("%s.%s, example %q: %+v", manifest.Name, operation.Name, example.Title, got)
				}
			}
		}
	}
	if portable == 0 {
		t.Error("no plugin is portable")
	}
}
