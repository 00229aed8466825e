package author_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/author"
	"github.com/trama-run/trama/host/plugin"
	"github.com/trama-run/trama/pdk/abi"
)

// pdks are the PDKs as they are in this repository.
func pdks() fs.FS { return os.DirFS("../../pdk") }

// here is where they are.
func here(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../../pdk")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// tree reads all files below a directory.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		files[name] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestNew: a project of each kind in each language is whole, and says its name
// wherever it stands.
func TestNew(t *testing.T) {
	for _, language := range author.Languages() {
		for _, kind := range author.Kinds() {
			t.Run(language.Name+"/"+string(kind), func(t *testing.T) {
				dir := filepath.Join(t.TempDir(), "mine")
				written, err := author.New(pdks(), author.Project{Name: "my_crm", Language: language.Name, Kind: kind, Dir: dir})
				if err != nil {
					t.Fatal(err)
				}
				files := tree(t, dir)
				if !slices.Equal(written, slices.Sorted(maps.Keys(files))) {
					t.Errorf("it says that it wrote\n%q\nbut there is\n%q", written, slices.Sorted(maps.Keys(files)))
				}
				for _, want := range []string{"manifest.json", "README.md", ".gitignore", language.Main} {
					if files[want] == "" {
						t.Errorf("there is no %s", want)
					}
				}
				for name, text := range files {
					if strings.Contains(text, "{{.") || strings.HasSuffix(name, ".tmpl") {
						t.Errorf("%s has a word that was not replaced", name)
					}
				}
				if cases, err := filepath.Glob(filepath.Join(dir, "cases", "*.yaml")); err != nil || len(cases) == 0 {
					t.Errorf("it has no cases: %v", err)
				}
				manifest, err := plugin.ParseManifest([]byte(files["manifest.json"]))
				if err != nil || manifest.Name != "my_crm" || manifest.Kind != kind {
					t.Errorf("manifest %s, a %s: %v", manifest.Name, manifest.Kind, err)
				}
				if found, err := author.Detect(dir); err != nil || found.Name != language.Name {
					t.Errorf("it is taken for %q: %v", found.Name, err)
				}
				if left, err := os.ReadDir(filepath.Dir(dir)); err != nil || len(left) != 1 {
					t.Errorf("beside it there is %v, %v", left, err)
				}
			})
		}
	}
}

// TestNewShared: what all languages share is the same in all.
func TestNewShared(t *testing.T) {
	for _, kind := range author.Kinds() {
		var first map[string]string
		for _, language := range author.Languages() {
			dir := filepath.Join(t.TempDir(), "acme")
			if _, err := author.New(pdks(), author.Project{Name: "acme", Language: language.Name, Kind: kind, Dir: dir}); err != nil {
				t.Fatal(err)
			}
			shared := tree(t, dir)
			maps.DeleteFunc(shared, func(name, _ string) bool { return name != "manifest.json" && !strings.HasPrefix(name, "cases") })
			if first == nil {
				first = shared
			}
			if !maps.Equal(shared, first) {
				t.Errorf("a %s in %s has a manifest or cases of its own", kind, language.Title)
			}
		}
	}
}

func TestNewRefused(t *testing.T) {
	files := os.DirFS(here(t))
	for _, test := range []struct {
		project author.Project
		err     string
	}{
		{author.Project{Name: "My-CRM", Language: "go"}, `name "My-CRM": want a lower-case word`},
		{author.Project{Name: "", Language: "go"}, `name "": want a lower-case word`},
		{author.Project{Name: "../up", Language: "go"}, "want a lower-case word"},
		{author.Project{Name: strings.Repeat("a", 41), Language: "go"}, "at most 40"},
		{author.Project{Name: "trama", Language: "go"}, `name: "trama" is the host's own`},
		{author.Project{Name: "response", Language: "js", Kind: abi.KindChannel}, `name: "response" is the host's own`},
		{author.Project{Name: "acme", Language: "cobol"}, `language "cobol": want go`},
		{author.Project{Name: "acme", Language: "go", Kind: "robot"}, `kind "robot": want connector, channel or language`},
		{author.Project{Name: "acme", Language: "go", Dir: "full"}, "full is not empty: it has a.txt"},
		{author.Project{Name: "acme", Language: "go", Dir: "full/a.txt"}, "not a directory"},
		{author.Project{Name: "acme", Language: "go", Dir: "none/below"}, "no such file or directory"},
	} {
		dir := t.TempDir()
		t.Chdir(dir)
		if err := os.MkdirAll("full", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile("full/a.txt", []byte("mine"), 0o644); err != nil {
			t.Fatal(err)
		}
		written, err := author.New(files, test.project)
		if err == nil || !strings.Contains(err.Error(), test.err) || written != nil {
			t.Errorf("%+v: wrote %q, %v; want %s", test.project, written, err, test.err)
		}
		if left := tree(t, dir); len(left) != 1 || left["full/a.txt"] != "mine" {
			t.Errorf("%+v left %q", test.project, left)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
			t.Errorf("%+v left %v, %v", test.project, left, err)
		}
	}
}

// TestNewOddNames: a name that is taken is one that a build takes, whatever it
// means elsewhere.
func TestNewOddNames(t *testing.T) {
	names := []string{"a", "a_", "a__b", "type", "func", "main", "std", "core", "test", "internal", "vendor", "init", "self", "crate", "import", "class", "plugin", "trama_pdk", "node_modules", strings.Repeat("a", 40)}
	for _, language := range author.Languages() {
		for _, kind := range author.Kinds() {
			for _, name := range names {
				dir := filepath.Join(t.TempDir(), "mine")
				if _, err := author.New(pdks(), author.Project{Name: name, Language: language.Name, Kind: kind, Dir: dir}); err != nil {
					t.Errorf("%s, %s: %v", language.Name, kind, err)
				} else if m, _, err := author.Manifest(dir); err != nil || m.Name != name {
					t.Errorf("%s, %s: the manifest of %s names %q: %v", language.Name, kind, name, m.Name, err)
				}
			}
		}
	}
	// Go and JavaScript are built quickly; their compilers have names of their own.
	for _, name := range []string{"internal", "vendor", "main", "type", "std"} {
		for _, language := range []string{"go", "js"} {
			dir := filepath.Join(t.TempDir(), name)
			if _, err := author.New(pdks(), author.Project{Name: name, Language: language, Dir: dir}); err != nil {
				t.Fatal(err)
			}
			if _, said, err := build(t, dir); err != nil {
				t.Errorf("%s in %s: %v\n%s", name, language, err, said)
			}
		}
	}
}

// TestDetectTwo: the markers that are told are those that are there.
func TestDetectTwo(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"go.mod", "plugin.cc"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := author.Detect(dir); err == nil || !strings.Contains(err.Error(), "has go.mod and plugin.cc: keep") {
		t.Error(err)
	}
}

// TestNewIntoEmpty: an empty directory is filled, and not a second time.
func TestNewIntoEmpty(t *testing.T) {
	dir := t.TempDir()
	written, err := author.New(pdks(), author.Project{Name: "acme", Language: "go", Dir: dir})
	if err != nil || len(tree(t, dir)) != len(written) {
		t.Fatal(written, err)
	}
	if _, err := author.New(pdks(), author.Project{Name: "acme", Language: "go", Dir: dir}); err == nil || !strings.Contains(err.Error(), "is not empty") {
		t.Errorf("a project is written over: %v", err)
	}
}

// TestExamplesEnd: each example of a shared manifest says how it ends.
func TestExamplesEnd(t *testing.T) {
	for _, kind := range author.Kinds() {
		data, err := os.ReadFile("../../pdk/template/" + string(kind) + "/manifest.json")
		if err != nil {
			t.Fatal(err)
		}
		var m abi.Manifest
		if err := json.Unmarshal(bytes.ReplaceAll(data, []byte("{{.Name}}"), []byte("acme")), &m); err != nil {
			t.Fatal(err)
		}
		for _, op := range m.Operations {
			if len(op.Examples) < 3 || len(op.Input) == 0 || len(op.Output) == 0 {
				t.Errorf("%s.%s has %d examples", kind, op.Name, len(op.Examples))
			}
			for _, e := range op.Examples {
				if (e.Output == nil) == (e.Error == nil) {
					t.Errorf("%s.%s, %s: want an output or an error", kind, op.Name, e.Title)
				}
			}
		}
	}
}
