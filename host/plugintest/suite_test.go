package plugintest_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/author"
	"github.com/trama-run/trama/host/plugintest"
	"github.com/trama-run/trama/host/plugintest/kit"
	"github.com/trama-run/trama/host/plugintest/portable"
	"github.com/trama-run/trama/host/sandbox"
	"github.com/trama-run/trama/pdk/abi"
)

const pdks = "../../pdk"

// six are the languages of the suite.
var six = []string{"go", "rust", "c", "assemblyscript", "zig", "js"}

// openSandbox gives a sandbox that keeps compiled code between runs of the tests.
func openSandbox(t *testing.T) *sandbox.Sandbox {
	t.Helper()
	config := sandbox.Config{}
	var err error
	if config.CacheDir, err = filepath.Abs("../../build/testcache/code"); err != nil {
		t.Fatal(err)
	}
	if binary, err := filepath.Abs("../../build/trama"); err == nil {
		if _, err := os.Stat(binary); err == nil { // compiles ten times as fast as this process under the race detector
			config.Compiler = []string{binary, "compile-module"}
		}
	}
	box, err := sandbox.Open(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := box.Close(t.Context()); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
	})
	return box
}

func open(t *testing.T, path string) *plugintest.Plugin {
	t.Helper()
	p, err := plugintest.Open(t.Context(), plugintest.Config{Sandbox: openSandbox(t)}, path)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// build writes a new project, changes it, and builds it. A language whose tools
// are not here is left out, which is an error where all must be there.
func build(t *testing.T, language string, kind abi.Kind, name string, change func(dir string)) (dir string, _ *plugintest.Plugin) {
	t.Helper()
	if _, err := author.LanguageOf(language); err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(t.TempDir(), name)
	if _, err := author.New(os.DirFS(pdks), author.Project{Name: name, Language: language, Kind: kind, Dir: dir}); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(dir)
	}
	var said strings.Builder
	built, err := author.Build{Dir: dir, Files: os.DirFS(pdks), Environ: os.Environ(), Output: &said}.Run(t.Context())
	if missing, is := errors.AsType[*author.MissingTool](err); is {
		leftOut(t, missing)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, &said)
	}
	t.Logf("%s: %d bytes in %s", language, built.Size, built.Took)
	return dir, open(t, built.Path)
}

// leftOut ends the test of a language that can't be built here.
func leftOut(t *testing.T, reason error) {
	t.Helper()
	if os.Getenv("CI") == "1" {
		t.Fatalf("left out, and with CI=1 nothing may be: %v", reason)
	}
	// PATH is asked for by its name, so that go test doesn't keep this for another.
	t.Skipf("LEFT OUT: %v; PATH is %s", reason, os.Getenv("PATH"))
}

// copySuite puts a language's suite in the place of a new project's sources.
func copySuite(t *testing.T, language, dir string) {
	t.Helper()
	from := filepath.Join(pdks, language, "suite")
	own := []string{"Cargo.toml", "Cargo.lock", "asconfig.json", "package.json"} // of the project
	err := filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || slices.Contains(own, entry.Name()) {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		return copyFile(path, filepath.Join(dir, name))
	})
	if err == nil {
		err = copyFile(filepath.Join(pdks, "suite", "manifest.json"), filepath.Join(dir, "manifest.json"))
	}
	if err != nil {
		t.Fatal(err)
	}
}

func copyFile(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o644)
}

func parse(t *testing.T, file string, m abi.Manifest) []plugintest.Case {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	cases, problems := plugintest.Parse(file, data, m)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return cases
}

func run(t *testing.T, p *plugintest.Plugin, cases []plugintest.Case) {
	t.Helper()
	for _, c := range cases {
		r, err := p.Run(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range r.Differences {
			t.Errorf("%s: %s", c.Name, d)
		}
	}
}

// TestSuite: the suite does in each language what its cases say, byte for byte,
// and passes the conformance kit; what needs nothing of Trama does the same
// under the stock Extism SDK.
func TestSuite(t *testing.T) {
	for _, language := range six {
		t.Run(language, func(t *testing.T) {
			_, p := build(t, language, abi.KindConnector, "suite", func(dir string) { copySuite(t, language, dir) })
			cases := parse(t, filepath.Join(pdks, "suite", "cases.yaml"), p.Manifest)
			if len(cases) < 80 {
				t.Fatalf("there are %d cases", len(cases))
			}
			run(t, p, cases)
			conform(t, p)
			secured(t, p)
			panics(t, p)
			stock(t, p, cases)
		})
	}
}

func conform(t *testing.T, p *plugintest.Plugin) {
	t.Helper()
	err := kit.Run(t.Context(), p, func(c kit.Checked) {
		for _, f := range c.Findings {
			t.Errorf("check %s: %s", c.Name, f)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

// panics: a crash is told with the author's function, not with one of the PDK.
func panics(t *testing.T, p *plugintest.Plugin) {
	t.Helper()
	out, err := p.Call(t.Context(), plugintest.Call{Export: "fail", Input: []byte(`{"how":"panic"}`)})
	if err != nil || out.Error == nil {
		t.Fatalf("%+v, %v", out, err)
	}
	said, _, _ := strings.Cut(out.Error.Message, ";")
	if _, where, _ := strings.Cut(said, ", in "); strings.Contains(where, "trama") && where != "trama_export_fail" { // as C calls it
		t.Errorf("it points to the PDK: %s", said)
	}
	t.Log(out.Error.Message)
}

// stock runs what is portable of the suite under the stock SDK.
func stock(t *testing.T, p *plugintest.Plugin, cases []plugintest.Case) {
	t.Helper()
	peer, err := portable.Open(t.Context(), p, portable.Config{Stubs: true})
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close(t.Context()) //nolint:errcheck // of a test
	ran := 0
	for _, c := range portable.Portable(p.Manifest, cases) {
		if !slices.Contains([]string{"echo", "total", "settings", "fail"}, c.Operation) {
			continue // they use functions of Trama's own
		}
		ran++
		differences, err := peer.Case(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range differences {
			t.Errorf("%s: %s", c.Name, d)
		}
	}
	if ran < 40 {
		t.Errorf("only %d cases are portable", ran)
	}
}

// TestTemplates: a new project of each kind in each language builds and passes
// its own examples and cases, as it is.
func TestTemplates(t *testing.T) {
	for _, language := range author.Languages() {
		for _, kind := range author.Kinds() {
			t.Run(fmt.Sprintf("%s/%s", language.Name, kind), func(t *testing.T) {
				dir, p := build(t, language.Name, kind, "my_first", nil)
				files, err := filepath.Glob(filepath.Join(dir, "cases", "*.yaml"))
				if err != nil || len(files) == 0 {
					t.Fatalf("there are no cases: %v", err)
				}
				cases := plugintest.Examples(p.Manifest)
				for _, file := range files {
					cases = append(cases, parse(t, file, p.Manifest)...)
				}
				run(t, p, cases)
				conform(t, p)
			})
		}
	}
}
