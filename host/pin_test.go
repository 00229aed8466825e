package host_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/admin"
	"github.com/trama-run/trama/host/plugin"
)

// TestPins: a conversation ends on the plugin's content that it began with,
// when the file is replaced and over restarts; a new one begins with the new
// content. Revoking sends the old one to its error port.
func TestPins(t *testing.T) {
	t.Parallel()
	nodes := []string{}
	for n := range 4 {
		nodes = append(nodes, fmt.Sprintf(`
  - {id: ask%d, type: acme.version, with: {}}
  - {id: say%d, type: send_message, with: {text: "%d: {{ nodes.ask%d.version }}"}}
  - {id: wait%d, type: wait_reply}`, n, n, n, n, n))
	}
	edges := "\n  - {from: start, to: ask0}"
	for n := range 4 {
		edges += fmt.Sprintf("\n  - {from: ask%d, to: say%d}\n  - {from: ask%d, port: error, to: sorry}\n  - {from: say%d, to: wait%d}", n, n, n, n, n)
		if n < 3 {
			edges += fmt.Sprintf("\n  - {from: wait%d, to: ask%d}", n, n+1)
		}
	}
	flow := "schema: 1\nid: talk\ntriggers: [{id: start, type: message}]\nnodes:" + strings.Join(nodes, "") +
		"\n  - {id: sorry, type: send_message, with: {text: \"{{ error.code }}\"}}\nedges:" + edges + "\n"
	first, second := guest(t, "acme", "1.0.0"), guest(t, "acme", "1.1.0")
	i, p := startPost(t, nil, flow, map[string]string{"plugins/acme.wasm": first})
	i.accepted("d1", unit{ID: "u1", From: "ana", Text: "hi"})
	p.wait(i, 1)

	i.write("plugins/acme.wasm", second)
	if err := i.admin("PUT", "/v1/grants/acme", `{"plugin": "acme", "of": "sha256:`+sha(second)+`", "egress": ["connection"]}`).want(200); err != nil {
		t.Fatal(err)
	}
	status := func(state plugin.State, digest string, sessions int) func() error {
		return func() error {
			list := read[[]plugin.Status](i, "/v1/plugins")
			if slices.ContainsFunc(list, func(s plugin.Status) bool {
				return s.Name == "acme" && s.State == state && s.Digest == digest && s.Sessions == sessions
			}) {
				return nil
			}
			return fmt.Errorf("the plugins are %+v", list)
		}
	}
	i.eventually("the new content to be ready", status(plugin.StateReady, sha(second), 0))
	i.accepted("d2", unit{ID: "u2", From: "ana", Text: "again"}, unit{ID: "u3", From: "bob", Text: "hi"})
	p.wait(i, 3)

	if err := status(plugin.StateRetired, sha(first), 1)(); err != nil {
		t.Errorf("the session of the old content is not counted when asked: %v", err)
	}
	for _, g := range read[[]admin.GrantInfo](i, "/v1/grants") {
		if g.Plugin == "acme" && g.Sessions != 1 {
			t.Errorf("%s has %d sessions, want 1", g, g.Sessions)
		}
	}

	i.restart()
	i.eventually("the old content to be retired, for one session", status(plugin.StateRetired, sha(first), 1))
	if findings := read[[]admin.Finding](i, "/v1/doctor"); slices.ContainsFunc(findings, func(f admin.Finding) bool { return strings.Contains(f.Object, "acme") }) {
		t.Errorf("the doctor says %+v of what is as it should be", findings)
	}
	i.accepted("d3", unit{ID: "u4", From: "ana", Text: "again"}, unit{ID: "u5", From: "bob", Text: "again"})
	p.wait(i, 5)

	grants := withPost(t, p, flow)["grants.yaml"]
	var rest []string
	for line := range strings.Lines(grants) {
		if !strings.Contains(line, sha(first)) {
			rest = append(rest, line)
		}
	}
	i.write("grants.yaml", strings.Join(rest, ""))
	i.eventually("the old content to be revoked", func() error {
		for _, g := range read[[]admin.GrantInfo](i, "/v1/grants") {
			if g.Of == "sha256:"+sha(first) {
				return fmt.Errorf("%s is there", g)
			}
		}
		return nil
	})
	i.accepted("d4", unit{ID: "u6", From: "ana", Text: "again"}, unit{ID: "u7", From: "bob", Text: "again"})
	p.wait(i, 7)
	if got, want := p.texts("ana"), []string{"0: 1.0.0", "1: 1.0.0", "2: 1.0.0", "unavailable"}; !slices.Equal(got, want) {
		t.Errorf("ana got %q, want %q", got, want)
	}
	if got, want := p.texts("bob"), []string{"0: 1.1.0", "1: 1.1.0", "2: 1.1.0"}; !slices.Equal(got, want) {
		t.Errorf("bob got %q, want %q", got, want)
	}
	if a := i.admin("GET", "/metrics", ""); a.want(200) != nil || !containsAll(a.body, []string{
		`trama_plugin_calls_total{plugin="acme"}`, `trama_plugin_failures_total{code="unavailable",plugin="acme"} 1`,
		`trama_plugin_fuel_total{plugin="acme"}`, `trama_plugin_contents{plugin="acme",state="retired"} 1`,
	}) {
		t.Errorf("metrics: %v\n%s", a.want(200), a.body)
	}
	for _, r := range i.runs() {
		d := read[admin.RunDetail](i, "/v1/runs/"+r.ID)
		for _, step := range d.Steps {
			if step.Type == "acme.version" && step.Error == nil && (step.Cost == nil || step.Cost.Fuel == 0 || step.Cost.GuestTime == 0 || step.Cost.MemoryBytes == 0) {
				t.Errorf("the cost of %s is %+v", step.Node, step.Cost)
			}
		}
	}
}
