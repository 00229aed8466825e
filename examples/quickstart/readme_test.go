package quickstart_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/trama-run/trama/examples/guide"
)

const readme = "../../README.md"

// notRun are the README's commands that TestReadmeCommands does not run
// itself, each with its reason.
var notRun = map[string]string{
	"make run":  "it is running: start starts it as the Makefile does",
	"make test": "it runs this test",
}

// TestReadmeCommands runs what the README says to run, as it is written there,
// while the quickstart is running.
func TestReadmeCommands(t *testing.T) {
	const recipe = "\nrun: build ## serve the quickstart with the systems that it talks to\n\t$(GO) run ./examples/quickstart/cmd/quickstart run\n"
	if !strings.Contains(read(t, "../../Makefile"), recipe) {
		t.Errorf("the Makefile's run is not what this test starts:\n%s", recipe)
	}
	r := start(t)
	r.await(t, "Ctrl-C")
	left, ran := maps.Clone(notRun), 0
	for _, line := range guide.Commands(read(t, readme)) {
		bare := strings.TrimSpace(strings.SplitN(line, " #", 2)[0])
		if _, ok := notRun[bare]; ok {
			delete(left, bare)
			continue
		}
		r.shell(t, line)
		ran++
	}
	if ran < 6 {
		t.Errorf("%d of the README's commands ran, want at least 6", ran)
	}
	for _, command := range slices.Sorted(maps.Keys(left)) {
		t.Errorf("the README does not say %q any more: take it out of notRun", command)
	}
}

// TestReadmeFlows holds the README's flows to the files that they come from.
func TestReadmeFlows(t *testing.T) {
	found := regexp.MustCompile(`(?s)<!-- flow: (\S+) -->\n(.*?)<!-- /flow -->\n`).FindAllStringSubmatch(read(t, readme), -1)
	if len(found) == 0 {
		t.Fatal("the README has no flow between <!-- flow: PATH --> and <!-- /flow -->")
	}
	for _, match := range found {
		path, got := match[1], match[2]
		if want := "```yaml\n" + read(t, filepath.Join("../..", path)) + "```\n"; got != want {
			t.Errorf("the README's %s is not the file; what to paste between its markers is printed above", path)
			fmt.Print(want) // by itself, without a log's indentation
		}
	}
}

// TestLinks follows the links of the documents to other files.
func TestLinks(t *testing.T) {
	fence := regexp.MustCompile("(?ms)^```.*?^```")
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	count := 0
	for _, document := range []string{
		"README.md", "CONTRIBUTING.md", "host/RATIONALE.md", "plugins/README.md",
		"plugins/javascript/README.md", "host/sandbox/README.md", "examples/quickstart/README.md",
		"host/gateway/README.md", "host/channel/README.md", "host/webhook/README.md", "host/calllog/README.md", "host/admin/README.md",
		"examples/gateway/README.md", "examples/deploy/README.md", "examples/nodes/README.md", "host/egress/README.md", "examples/plugins/README.md", "host/plugintest/README.md",
		"pdk/README.md", "pdk/c/README.md", "pdk/rust/README.md", "pdk/assemblyscript/README.md", "pdk/zig/README.md", "pdk/js/README.md",
	} {
		text := fence.ReplaceAllString(read(t, filepath.Join("../..", document)), "")
		for _, match := range link.FindAllStringSubmatch(text, -1) {
			path, _, _ := strings.Cut(match[1], "#")
			if path == "" || strings.Contains(path, "://") {
				continue
			}
			count++
			if _, err := os.Stat(filepath.Join("../..", filepath.Dir(document), path)); err != nil {
				t.Errorf("%s links to %s: %v", document, match[1], err)
			}
		}
	}
	if count < 5 {
		t.Errorf("%d links to files found, want at least 5", count)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// namedTest is a test that the README names, with its file.
var namedTest = regexp.MustCompile("\\[`(Test\\w+)`\\]\\(([^)]+)\\)")

// TestPromises: each promise of the README names tests, and they are where it
// says.
func TestPromises(t *testing.T) {
	text := read(t, readme)
	_, section, found := strings.Cut(text, "\n## What it promises\n")
	section, _, _ = strings.Cut(section, "\n## ")
	if !found {
		t.Fatal("the README promises nothing")
	}
	promises := 0
	for line := range strings.Lines(section) {
		if !regexp.MustCompile(`^\d\. \*\*`).MatchString(line) {
			continue
		}
		promises++
		named := namedTest.FindAllStringSubmatch(line, -1)
		if len(named) == 0 {
			t.Errorf("no test is named: %s", line)
		}
		for _, m := range named {
			if !strings.Contains(read(t, filepath.Join("../..", m[2])), "\nfunc "+m[1]+"(") {
				t.Errorf("%s has no %s", m[2], m[1])
			}
		}
	}
	if promises != 8 {
		t.Errorf("found %d promises, want 8", promises)
	}
}
