package host_test

import (
	"slices"
	"testing"

	"github.com/trama-run/trama/pdk/abi"
)

// TestMessageThatCantBeSent: a message for which the adapter has no form is
// said by other means, and understood when it is answered; where there are none,
// it is a dead letter that says so, and doesn't hold the next.
func TestMessageThatCantBeSent(t *testing.T) {
	t.Parallel()
	i, p := startPost(t, nil, `schema: 1
id: talk
triggers: [{id: start, type: message, channel: post}]
nodes:
  - {id: approved, type: send_message, with: {template: {name: hello, language: en}}}
  - {id: choose, type: send_message, with: {text: "Choose, {text}", list: {button: Open, sections: [{rows: "{{ [{id: 1, title: 'Ação'}, {id: 2, title: input.text}] }}"}]}}}
  - {id: answer, type: wait_reply, with: {timeout: 1h}}
  - {id: say, type: send_message, with: {text: "{type} {payload} {text}"}}
edges:
  - {from: start, to: approved}
  - {from: approved, to: choose}
  - {from: choose, to: answer}
  - {from: answer, to: say}
`)
	i.accepted("d1", unit{ID: "u1", From: "ana", Text: "one"})
	p.wait(i, 1)
	i.accepted("d2", unit{ID: "u2", From: "ana", Text: "ACAO"})
	p.wait(i, 2)
	if got := p.texts("ana"); !slices.Equal(got, []string{"Choose, one\n\n1. Ação\n2. one", "list_reply 1 Ação"}) {
		t.Errorf("ana got %q", got)
	}
	if letter := i.dead(1)[0]; letter.Reason.Code != abi.CodeUnsupported {
		t.Errorf("dead letter %+v", letter)
	}
}
