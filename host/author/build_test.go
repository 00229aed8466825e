package author_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/author"
	"github.com/trama-run/trama/host/sandbox/wasm"
	"github.com/trama-run/trama/host/source"
	"github.com/trama-run/trama/pdk/abi"
)

// begin writes a project, and changes files of it: pairs of a name and a text
// that replaces another.
func begin(t *testing.T, language string, changes ...[3]string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "acme")
	if _, err := author.New(pdks(), author.Project{Name: "acme", Language: language, Dir: dir}); err != nil {
		t.Fatal(err)
	}
	for _, c := range changes {
		path := filepath.Join(dir, c[0])
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(data, []byte(c[1])) {
			t.Fatalf("%s has no %q", c[0], c[1])
		}
		if err := os.WriteFile(path, bytes.Replace(data, []byte(c[1]), []byte(c[2]), 1), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// build builds a project with the toolchains of this machine.
func build(t *testing.T, dir string) (author.Built, string, error) {
	t.Helper()
	var output strings.Builder
	built, err := author.Build{Dir: dir, Files: pdks(), Environ: os.Environ(), Output: &output}.Run(t.Context())
	if _, missing := errors.AsType[*author.MissingTool](err); missing {
		if os.Getenv("CI") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	return built, output.String(), err
}

// TestBuild: a build gives one file with the manifest in it, the same wherever
// the project lies, and leaves nothing else.
func TestBuild(t *testing.T) {
	dir := begin(t, "go")
	built, said, err := build(t, dir)
	if err != nil || said != "" {
		t.Fatalf("%v\n%s", err, said)
	}
	if built.Path != filepath.Join(dir, "build", "acme.wasm") || built.Language != "go" || built.Took <= 0 {
		t.Errorf("%+v", built)
	}
	module, err := os.ReadFile(built.Path)
	if err != nil || int64(len(module)) != built.Size {
		t.Fatalf("%d bytes, %v", len(module), err)
	}
	manifest, ok, err := wasm.Custom(module, abi.SectionManifest)
	if !ok || err != nil || !bytes.HasPrefix(manifest, []byte(`{"name":"acme","version":"0.1.0"`)) {
		t.Errorf("manifest %.80s, %v", manifest, err)
	}
	if left, err := os.ReadDir(filepath.Dir(built.Path)); err != nil || len(left) != 1 {
		t.Errorf("build has %v, %v", left, err)
	}
	again, _, err := build(t, begin(t, "go"))
	if err != nil || again.SHA256 != built.SHA256 {
		t.Errorf("elsewhere it is %s, here %s: %v", again.SHA256, built.SHA256, err)
	}
}

// TestBuildRefused: what is wrong is told, and what was built before stays.
func TestBuildRefused(t *testing.T) {
	for _, test := range []struct {
		name, said, err string
		change          [3]string
	}{
		{"a mistake in the code", "main.go:", "go build ended with exit code 1", [3]string{"main.go", "func main() {}", "func main() { nothing() }"}},
		{"an operation without a function", "", `the manifest names the function "make", which the module does not export`, [3]string{"manifest.json", `"name": "create"`, `"name": "make"`}},
		{"a wrong signature", "", `"greet"`, [3]string{"main.go", "func exportGreet() int32 {", "func exportGreet(int32) int32 {"}},
		{"what it does not ask for", "", "asks for no egress", [3]string{"manifest.json", `"egress": ["connection"]`, `"egress": []`}},
		{"an unknown field", "", `manifest.json:15:16: operations[0].effct: unknown field`, [3]string{"manifest.json", `"effect"`, `"effct"`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := begin(t, "go", test.change)
			before := filepath.Join(dir, "build", "acme.wasm")
			if err := os.MkdirAll(filepath.Dir(before), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(before, []byte("before"), 0o644); err != nil {
				t.Fatal(err)
			}
			_, said, err := build(t, dir)
			if err == nil || !strings.Contains(err.Error(), test.err) || !strings.Contains(said, test.said) {
				t.Errorf("%v; want %s\n%s", err, test.err, said)
			}
			if now, err := os.ReadFile(before); string(now) != "before" {
				t.Errorf("what was built before is %.20q, %v", now, err)
			}
			if left, err := os.ReadDir(filepath.Dir(before)); err != nil || len(left) != 1 {
				t.Errorf("build has %v, %v", left, err)
			}
		})
	}
}

func TestBuildEnds(t *testing.T) {
	dir := begin(t, "go")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := author.Build{Dir: dir, Files: pdks(), Environ: os.Environ(), Output: os.Stderr}.Run(ctx)
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestManifestFaults: each mistake is told with its place and path.
func TestManifestFaults(t *testing.T) {
	for _, test := range []struct {
		text string
		want []string
	}{
		{"{\n  \"name\": acme\n}", []string{"manifest.json:2:11: not JSON: invalid character 'a'"}},
		{"", []string{"manifest.json:1:1: not JSON"}},
		{"{\n \"abi\": 2}", []string{"manifest.json:2:9: plugin wants abi 2, host has abi 1"}},
		{"{\"abi\": 1, \"name\": \"acme\", \"version\": \"one\",\n\"kind\": \"robot\",\n\"name\": \"b\"}", []string{`manifest.json:3:1: "name" is given twice, first in line 1`}},
		{
			"{\"abi\": 1, \"name\": \"acme\", \"version\": \"one\",\n\"kind\": \"connector\",\n\"operations\": [{\"name\": \"a\", \"effect\": \"pure\",\n  \"input\": {\"type\": \"text\"}},\n  {\"name\": \"a\", \"effect\": \"none\"}],\n\"config\": {\"type\": \"text\"}}",
			[]string{`:1:39: version: "one"`, ":4:12: operations[0].input: not a JSON Schema", `:5:12: operations[1].name: operation "a" is declared twice`, ":5:27: operations[1].effect: ", ":6:11: config: not a JSON Schema"},
		},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "manifest.json"), []byte(test.text), 0o644); err != nil {
			t.Fatal(err)
		}
		_, _, err := author.Manifest(dir)
		problems, ok := errors.AsType[source.Problems](err)
		if !ok || len(problems) != len(test.want) {
			t.Errorf("%s\ngives %v", test.text, err)
			continue
		}
		for i, want := range test.want {
			if !strings.Contains(problems[i].Error(), want) {
				t.Errorf("%s\nwant %s", problems[i].Error(), want)
			}
		}
	}
}

// TestMissingTool: where no toolchain is, or none that will do, its name, what
// was found and where to get it are told.
func TestMissingTool(t *testing.T) {
	lacking := t.TempDir()
	program(t, lacking, "clang", `[ "$1" != --print-targets ] || echo "x86-64 - 64-bit X86"`)
	for _, test := range []struct{ path, want string }{
		{t.TempDir(), "C needs clang with the target wasm32, and its linker wasm-ld, which is not in PATH; get it: Debian, Ubuntu: apt-get install clang lld"},
		{lacking, "what was found will not do: " + lacking + "/clang has no target wasm32 (Apple's own clang is such a one); get it: Debian"},
	} {
		_, err := author.Build{Dir: begin(t, "c"), Files: pdks(), Environ: []string{"PATH=" + test.path}, Output: os.Stderr}.Run(t.Context())
		missing, ok := errors.AsType[*author.MissingTool](err)
		if !ok || missing.Get == "" || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v\nwant %s", err, test.want)
		}
	}
}

// program writes a shell script as a tool of that name.
func program(t *testing.T, dir, name, script string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
}

// TestAnotherTool: the first cargo in PATH has a rustc without the target, which
// is told, and the next that will do is taken.
func TestAnotherTool(t *testing.T) {
	lacking := t.TempDir()
	program(t, lacking, "cargo", "echo this one will not do; exit 1")
	program(t, lacking, "rustc", `case "$*" in
	--version) echo "rustc 1.90.0" ;;
	*target-libdir) echo "`+lacking+`" ;;
esac`)
	t.Setenv("PATH", lacking+string(filepath.ListSeparator)+os.Getenv("PATH"))
	dir := begin(t, "rust", [3]string{"src/lib.rs", "use ", "this is a mistake; use "})
	_, said, err := build(t, dir)
	if _, failed := errors.AsType[*author.Failed](err); !failed || !strings.Contains(said, "mistake") {
		t.Errorf("%v\n%s", err, said)
	}
	if want := "note: " + lacking + "/cargo (rustc 1.90.0) lacks the target wasm32-unknown-unknown (rustup target add wasm32-unknown-unknown); building with "; !strings.Contains(said, want) {
		t.Errorf("%s\nwant %s", said, want)
	}
}

// TestReplace: a file is replaced whole, if it is accepted, and nothing is left
// beside it.
func TestReplace(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.wasm")
	refused := errors.New("refused")
	for _, test := range []struct {
		text, want string
		accept     error
	}{{"first", "first", nil}, {"second", "first", refused}, {"third", "third", nil}} {
		err := author.ReplaceIf(path, 0o640, []byte(test.text), func(temp string) error {
			if offered, err := os.ReadFile(temp); string(offered) != test.text || err != nil || filepath.Ext(temp) == ".wasm" {
				t.Errorf("%s offers %q, %v", temp, offered, err)
			}
			return test.accept
		})
		if !errors.Is(err, test.accept) {
			t.Errorf("%s: %v", test.text, err)
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode() != 0o640 {
			t.Fatalf("%v, %v", info, err)
		}
		if now, err := os.ReadFile(path); string(now) != test.want || err != nil {
			t.Errorf("%s: there is %q, %v", test.text, now, err)
		}
		if left, err := os.ReadDir(dir); len(left) != 1 || err != nil {
			t.Errorf("%s leaves %v, %v", test.text, left, err)
		}
	}
}

// TestNativeTests: what a project in Go has for tests passes, without a network.
func TestNativeTests(t *testing.T) {
	for _, kind := range author.Kinds() {
		dir := filepath.Join(t.TempDir(), "acme")
		if _, err := author.New(pdks(), author.Project{Name: "acme", Language: "go", Kind: kind, Dir: dir}); err != nil {
			t.Fatal(err)
		}
		c := exec.CommandContext(t.Context(), "go", "test", "./...")
		c.Dir = dir
		c.Env = append(os.Environ(), "GOPROXY=off", "GOFLAGS=", "GOWORK=off")
		if said, err := c.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", kind, err, said)
		}
	}
}

// TestReplaceSays: what can't be written is called by its own name, not by that
// of a file beside it.
func TestReplaceSays(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]string{
		dir:                                dir + ": it is a directory; name a file",
		filepath.Join(dir, "no", "a.wasm"): filepath.Join(dir, "no", "a.wasm") + ": no such file or directory",
	} {
		if err := author.Replace(path, nil); err == nil || err.Error() != "write "+want {
			t.Errorf("%s: %v", path, err)
		}
	}
}
