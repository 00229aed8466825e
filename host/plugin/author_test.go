package plugin

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestForAuthor: whatever is said to operators of grants.yaml in a call, authors
// are told what to write into the manifest.
func TestForAuthor(t *testing.T) {
	for message, want := range map[string]string{
		"used 3 units of fuel, over the limit of 2; raise it in grants.yaml with limits: {fuel: 4M}":                         `used 3 units of fuel, over the limit of 2; ask for it in the manifest: "limits": {"fuel":4000000}`,
		"raise it in grants.yaml with limits: {memory: 64MiB}, I said":                                                       `ask for it in the manifest: "limits": {"memory_bytes":67108864}, I said`,
		"stopped; raise it in grants.yaml with limits: {time: 200ms}":                                                        `stopped; ask for it in the manifest: "limits": {"time_millis":200}`,
		"raise it in grants.yaml with limits: {log: ...}":                                                                    "ask for more in the manifest, under limits",
		"https://a.example is not granted: if the plugin shall reach it, add https://a.example to its egress in grants.yaml": "https://a.example is not granted: if the plugin shall reach it, add https://a.example to capabilities.egress of the manifest",
		"no such order": "no such order",
	} {
		if got := ForAuthor(message); got != want {
			t.Errorf("%s\n got %s\nwant %s", message, got, want)
		}
	}
	verb, literal, found := regexp.MustCompile(`%[a-z]`), regexp.MustCompile(`"[^"\n]*grants\.yaml[^"\n]*"`), 0
	for _, room := range []string{"egress", "hostfn", "kv", "sandbox"} {
		files, err := filepath.Glob(filepath.Join("..", room, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, said := range literal.FindAllString(string(text), -1) {
				if strings.HasSuffix(file, "_test.go") {
					continue
				}
				found++
				got := ForAuthor(verb.ReplaceAllString(said, "1"))
				if strings.Contains(got, "grants.yaml") && !strings.Contains(got, "manifest") {
					t.Errorf("%s says to an author: %s", file, got)
				}
			}
		}
	}
	if found < 8 {
		t.Errorf("%d messages of grants.yaml were found, want at least 8", found)
	}
}
