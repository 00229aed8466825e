package flow_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/host/source"
)

var update = flag.Bool("update", false, "write the problems found into the case files; read them before you commit")

// documents reads the case files, each a flow with the problems expected.
func documents(t *testing.T) map[string]*txtar.Archive {
	t.Helper()
	files, err := filepath.Glob("testdata/documents/*.txt")
	if err != nil || len(files) < 15 {
		t.Fatalf("found %d documents, want at least 15 (%v)", len(files), err)
	}
	cases := map[string]*txtar.Archive{}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if len(archive.Files) != 2 || archive.Files[0].Name != "flow.yaml" || archive.Files[1].Name != "problems" {
			t.Fatalf("%s: want flow.yaml and problems", file)
		}
		cases[file] = archive
	}
	return cases
}

func TestParse(t *testing.T) {
	for file, archive := range documents(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			got := ""
			f, err := flow.Parse("flow.yaml", archive.Files[0].Data)
			if err != nil {
				got = err.Error() + "\n"
			}
			if want := string(archive.Files[1].Data); got != want {
				if *update {
					archive.Files[1].Data = []byte(got)
					if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
						t.Fatal(err)
					}
					return
				}
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
			if err != nil {
				return
			}
			// Stored and read back, it says the same.
			data, err := json.Marshal(f)
			if err != nil {
				t.Fatal(err)
			}
			var stored flow.Flow
			if err := json.Unmarshal(data, &stored); err != nil {
				t.Fatal(err)
			}
			parsed, err := flow.Parse("flow.json", data)
			if err != nil {
				t.Fatalf("its own JSON is refused: %v", err)
			}
			for _, again := range []*flow.Flow{&stored, parsed} {
				if twice, err := json.Marshal(again); err != nil || string(twice) != string(data) {
					t.Errorf("%s became %s (%v)", data, twice, err)
				}
			}
			for i := range stored.Nodes {
				if _, problems := stored.Nodes[i].Config(); problems != nil {
					t.Errorf("node %q read back: %v", stored.Nodes[i].ID, problems)
				}
			}
		})
	}
}

// TestEveryKindHasADocument: a new kind of node comes with its mistakes.
func TestEveryKindHasADocument(t *testing.T) {
	names := map[string]string{"set_flow": "set", "set_user": "set"}
	for _, kind := range flow.Kinds() {
		name := kind.Type
		if n, ok := names[name]; ok {
			name = n
		}
		if _, err := os.Stat("testdata/documents/" + name + ".txt"); err != nil {
			t.Errorf("kind %s: %v", kind.Type, err)
		}
	}
}

func parse(t *testing.T, name string) *flow.Flow {
	t.Helper()
	archive, err := txtar.ParseFile("testdata/documents/" + name + ".txt")
	if err != nil {
		t.Fatal(err)
	}
	f, err := flow.Parse("flow.yaml", archive.Files[0].Data)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestConfig(t *testing.T) {
	f := parse(t, "all-nodes")
	if got := f.Connections(); !slices.Equal(got, []string{"crm"}) {
		t.Errorf("connections %v", got)
	}
	if got := f.Plugins(); !slices.Equal(got, []string{"http", "javascript"}) {
		t.Errorf("plugins %v", got)
	}
	which, _ := f.Node("which")
	config, problems := which.Config()
	if problems != nil {
		t.Fatal(problems)
	}
	if got := which.Ports(config); !slices.Equal(got, []string{"one-two", "always", "else", "error"}) {
		t.Errorf("ports %v", got)
	}
	fetch, _ := f.Node("fetch")
	if fetch.Retry.Attempts != 3 || fetch.Retry.Backoff != flow.Duration(2*time.Second) {
		t.Errorf("retry %+v", fetch.Retry)
	}
	script, _ := f.Node("script")
	config, _ = script.Config()
	if c := config.(*flow.RunCode); c.Language != "javascript" || c.Code != "return '{{ not expanded'" {
		t.Errorf("code %+v", c)
	}
	if _, ok := f.Node("nobody"); ok {
		t.Error("found a node that is not there")
	}
	if trigger, ok := f.Trigger("hello"); !ok || trigger.Channel != "wa" {
		t.Errorf("trigger %+v", trigger)
	}
}

func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("testdata/documents/*.txt")
	if len(files) < 15 {
		f.Fatal("the seeds are gone")
	}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(archive.Files[0].Data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		parsed, err := flow.Parse("f", data)
		if err != nil {
			if problems, ok := err.(source.Problems); !ok || len(problems) == 0 || strings.Contains(err.Error(), "%!") {
				t.Fatalf("error %T: %v", err, err)
			}
			return
		}
		stored, err := json.Marshal(parsed)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := flow.Parse("f", stored); err != nil {
			t.Fatalf("%s is refused: %v", stored, err)
		}
	})
}
