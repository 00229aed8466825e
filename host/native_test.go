package host_test

import (
	"fmt"
	"strings"
	"testing"
)

// TestStartsWithoutEnd: flows that start one another are stopped, with an error
// that the last of them gets; one that waits in between may go on for ever.
func TestStartsWithoutEnd(t *testing.T) {
	t.Parallel()
	const flow = `schema: 1
id: %s
triggers: [{id: start, type: activate}]
nodes:
%s  - {id: more, type: trama.start_flow, with: {flow: %s, contact: "{{ user.key }}"}}
  - {id: ended, type: end, with: {label: stopped, result: "{{ error }}"}}
edges:
%s  - {from: more, port: error, to: ended}
`
	i := serve(t, []string{}, map[string]string{
		"channels.yaml":   "- {id: chat, adapter: apichat, secrets: {api_key: a_key, secret: b_key}}",
		"flows/ping.yaml": fmt.Sprintf(flow, "ping", "", "pong", "  - {from: start, to: more}\n"),
		"flows/pong.yaml": fmt.Sprintf(flow, "pong", "", "ping", "  - {from: start, to: more}\n"),
		"flows/slow.yaml": fmt.Sprintf(flow, "slow", "  - {id: pause, type: wait, with: {for: 1s}}\n", "slow", "  - {from: start, to: pause}\n  - {from: pause, to: more}\n"),
	})
	if err := i.admin("POST", "/v1/activations", `{"flow": "ping", "contacts": ["chat/apichat:ana"]}`).want(202); err != nil {
		t.Fatal(err)
	}
	i.eventually("the end of the chain", func() error {
		for _, r := range i.runs() {
			if detail := i.admin("GET", "/v1/runs/"+r.ID, "").body; strings.Contains(detail, "stopped") && strings.Contains(detail, "without end") {
				return nil
			}
		}
		return fmt.Errorf("%d runs", len(i.runs()))
	})
	if n := len(i.runs()); n > 15 {
		t.Errorf("%d runs, want about ten", n)
	}
	if err := i.admin("POST", "/v1/activations", `{"flow": "slow", "contacts": ["chat/apichat:rui"]}`).want(202); err != nil {
		t.Fatal(err)
	}
	i.eventually("a chain that waits", func() error {
		if n := len(i.runs()); n < 16 {
			return fmt.Errorf("%d runs", n)
		}
		return nil
	})
}
