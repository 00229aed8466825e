package host_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/trama-run/trama/pdk/abi"
)

// hoarding makes nine million characters on the word "big", and then does
// what needs them stored: a call with an effect, or a variable of the contact.
func hoarding(node string) string {
	return `schema: 1
id: talk
triggers: [{id: start, type: message, channel: post}]
nodes:
  - {id: word, type: conditional, with: {branches: [{port: big, when: "input.text == 'big'"}]}}
  - {id: a, type: run_code, with: {code: "return 'a'.repeat(3000000)"}}
  - {id: b, type: run_code, with: {code: "return 'b'.repeat(3000000)"}}
  - {id: c, type: run_code, with: {code: "return 'c'.repeat(3000000)"}}
  - ` + node + `
  - {id: say, type: send_message, with: {text: "seen {{ trigger.text }}"}}
edges:
  - {from: word, port: big, to: a}
  - {from: a, to: b}
  - {from: b, to: c}
  - {from: c, to: keep}
  - {from: keep, to: say}
  - {from: word, port: else, to: say}
  - {from: start, to: word}
`
}

// TestMoreThanTheStoreTakes: a run that holds more than can be stored fails
// with a sentence, and its contact's next message is worked on.
func TestMoreThanTheStoreTakes(t *testing.T) {
	t.Parallel()
	for name, node := range map[string]string{
		"before an effect": `{id: keep, type: acme.charge, connection: peer, with: {order: 7}}`,
		"in the contact":   `{id: keep, type: set_user, with: {set: {all: "{{ nodes }}"}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPeer(t)
			i := install(t, []string{"javascript"}, join(withPost(t, p, hoarding(node)), map[string]string{
				"plugins/acme.wasm": guest(t, "acme", "1.0.0"),
			}))
			i.secrets = map[string]string{"post_key": postKey, "peer_token": "the token of the peer"}
			i.start()
			i.accepted("d1", unit{ID: "u1", From: "ana", Text: "big"})
			i.accepted("d2", unit{ID: "u2", From: "ana", Text: "small"})
			if got := p.wait(i, 1)[0].Text; got != "seen small" {
				t.Errorf("ana got %q", got)
			}
			i.eventually("the run's failure in its record", func() error {
				for _, r := range i.runs() {
					if r.Status == "failed" && r.Error != nil && r.Error.Code == abi.CodeLimit && strings.Contains(r.Error.Message, "more than can be stored") {
						return nil
					}
				}
				return fmt.Errorf("runs: %s", i.admin("GET", "/v1/runs", "").body)
			})
		})
	}
}
