package host_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/admin"
	"github.com/trama-run/trama/host/trial"
	"github.com/trama-run/trama/host/workspace"
)

// TestRunsAsCases: what a server recorded of a call and of a conversation, with
// messages that were gathered, one asked again, buttons and a reaction that the
// channel has no form for, a call of a flow and a timer,
// passes as a case at once, and replays as it was.
func TestRunsAsCases(t *testing.T) {
	t.Parallel()
	i, p := startPost(t, []string{"xml"}, `schema: 1
id: talk
triggers: [{id: start, type: message, channel: post}]
nodes:
  - {id: ask, type: send_message, with: {text: "Parts?"}}
  - {id: parts, type: wait_reply, with: {debounce: 1s, timeout: 1h}}
  - {id: parse, type: xml.to_json, with: {xml: "<a>{{ input.text }}</a>"}}
  - {id: number, type: send_message, with: {text: "{{ nodes.parse.a }} How many?"}}
  - {id: many, type: wait_reply, with: {expect: {type: integer}, retries: 2, retry: "A number, please"}}
  - {id: keep, type: set_user, with: {set: {many: "{{ input.value }}"}}}
  - {id: other, type: jump, with: {flow: order, input: {body: "<n>{{ user.many }}</n>"}}}
  - {id: sure, type: send_message, with: {text: "Sure?", buttons: [{id: "y", title: "Yes"}, {id: "n", title: "No"}]}}
  - {id: yes, type: wait_reply}
  - {id: like, type: send_message, with: {reaction: {emoji: "+", message_id: "{{ input.id }}"}}}
  - {id: nap, type: wait, with: {for: 1s}}
  - {id: bye, type: send_message, with: {text: "{{ nodes.other.result.n }} {{ nodes.parse.a }} {{ nodes.yes.payload }}"}}
edges:
  - {from: start, to: ask}
  - {from: ask, to: parts}
  - {from: parts, to: parse}
  - {from: parse, to: number}
  - {from: number, to: many}
  - {from: many, to: keep}
  - {from: keep, to: other}
  - {from: other, to: sure}
  - {from: sure, to: yes}
  - {from: yes, to: like}
  - {from: like, to: nap}
  - {from: nap, to: bye}
`, map[string]string{
		"flows/order.yaml": `schema: 1
id: order
triggers: [{id: call, type: gateway}, {id: jump, type: call}]
nodes:
  - {id: parse, type: xml.to_json, with: {xml: "{{ input.body }}"}}
  - {id: all, type: parallel, with: {branches: [a, b]}}
  - {id: one, type: xml.to_json, with: {xml: "<one/>"}}
  - {id: done, type: end, with: {result: "{{ nodes.parse }}"}}
edges:
  - {from: call, to: parse}
  - {from: jump, to: parse}
  - {from: parse, to: all}
  - {from: all, port: a, to: one}
  - {from: all, to: done}
`,
		"routes.yaml": "- {method: POST, path: /order, flow: order}\n",
	})
	i.accepted("d1", unit{ID: "u1", From: "ana", Text: "hi"})
	p.wait(i, 1)
	i.accepted("d2", unit{ID: "u2", From: "ana", Text: "nuts"}, unit{ID: "u3", From: "ana", Text: "bolts"})
	p.wait(i, 2)
	i.accepted("d4", unit{ID: "u4", From: "ana", Text: "many"})
	p.wait(i, 3)
	i.accepted("d5", unit{ID: "u5", From: "ana", Text: "12"})
	p.wait(i, 4)
	i.accepted("d6", unit{ID: "u6", From: "ana", Text: "1"})
	p.wait(i, 5)
	if got := p.texts("ana"); got[3] != "Sure?\n\n1. Yes\n2. No" || got[4] != "12 nuts\nbolts y" {
		t.Errorf("ana got %q", got)
	}
	if err := i.call("POST", "/api/order", "<order>1</order>").want(204); err != nil {
		t.Fatal(err)
	}
	var runs []admin.RunInfo
	i.eventually("both records", func() error {
		runs = read[[]admin.RunInfo](i, "/v1/runs?status=done")
		if len(runs) < 2 {
			return fmt.Errorf("there are %d", len(runs))
		}
		return nil
	})

	files, err := workspace.ReadFiles(i.dir)
	if err != nil {
		t.Fatal(err)
	}
	config, err := i.config()
	if err != nil {
		t.Fatal(err)
	}
	b, err := trial.Open(t.Context(), trial.Config{
		Files: files, Plugins: config.Settings.Plugins, Bundled: config.Bundled, Compiler: config.Compiler,
		Cache: config.Settings.Cache, Scratch: t.TempDir(),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close(context.Background()) //nolint:errcheck // the test is over
	for _, r := range runs {
		record := i.ended(r.ID).Record
		c, notes := trial.CaseOf(record)
		text, err := trial.Write(c, nil)
		if err != nil || len(notes) > 0 {
			t.Fatalf("%s: notes %q, %v", r.Flow, notes, err)
		}
		cases, problems := trial.Parse("again.test.yaml", text, "")
		if len(problems) > 0 {
			t.Fatalf("%v\n%s", problems, text)
		}
		result, err := b.Run(t.Context(), cases[0])
		if err != nil || len(result.Failures) > 0 {
			t.Errorf("%s: %v\n%s\nof the case\n%s", r.Flow, err, strings.Join(result.Failures, "\n"), text)
		}
		replay, err := b.Replay(t.Context(), record)
		if err != nil || replay.Departure != nil || replay.Steps != len(record.Steps) || replay.Calls == 0 {
			t.Errorf("%s: replayed %+v, %+v, %v", r.Flow, replay, replay.Departure, err)
		}
	}
}
