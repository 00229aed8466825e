package trial

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/source"
	"github.com/trama-run/trama/host/workspace"
)

// TestChannelOfATrial: it is one that has contacts, whatever its name.
func TestChannelOfATrial(t *testing.T) {
	flows := workspace.Files{"flows/talk.yaml": files["flows/talk.yaml"]}
	hook := "- {id: hook, adapter: webhook, config: {event: paid, token: \"query:key\"}, secrets: {secret: hook}}\n"
	for _, test := range []struct{ channels, want string }{
		{hook + "- {id: wa, adapter: whatsapp}\n", "wa"},
		{hook, DefaultChannel},
	} {
		flows["channels.yaml"] = []byte(test.channels)
		if got := open(t, flows).channels()[0]; got != test.want {
			t.Errorf("%s: %s", test.channels, got)
		}
	}
}

// TestBroken: the flows that have no mistake are tried.
func TestBroken(t *testing.T) {
	config := Config{Broken: true, Compiler: compiler(), Cache: filepath.Join("..", "..", "build", "testcache"), Scratch: t.TempDir(), Files: workspace.Files{
		"flows/talk.yaml":   files["flows/talk.yaml"],
		"flows/odd.yaml":    []byte("schema: 1\nid: odd\n"),
		"flows/lacks.yaml":  []byte("schema: 1\nid: lacks\ntriggers: [{id: a, type: gateway}]\nnodes: [{id: b, type: none.such}]\nedges: [{from: a, to: b}]\n"),
		"flows/caller.yaml": []byte("schema: 1\nid: caller\ntriggers: [{id: a, type: gateway}]\nnodes: [{id: b, type: jump, with: {flow: odd}}]\nedges: [{from: a, to: b}]\n"),
		"flows/talk2.yaml":  files["flows/talk.yaml"],
		"routes.yaml":       []byte("- {method: POST, path: /odd, flow: odd}\n"),
	}}
	b, err := Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close(context.Background()) //nolint:errcheck // the test is over
	for _, file := range []string{"flows/odd.yaml", "flows/lacks.yaml", "flows/talk2.yaml"} {
		if !isIn(b.Problems(), file) {
			t.Errorf("%s is not in the problems:\n%v", file, b.Problems())
		}
	}
	passes(t, b, Case{Flow: "talk", Messages: []Step{{Receive: source.ValueOf("hi")}}})
	r, err := b.Run(t.Context(), Case{Flow: "odd"})
	if err != nil || len(r.Failures) != 1 || !strings.Contains(r.Failures[0], `flow "odd" has mistakes: flows/odd.yaml:1:1: `) {
		t.Errorf("failures %q, %v", r.Failures, err)
	}
}
