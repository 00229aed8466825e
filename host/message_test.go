package host_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/trama-run/trama/pdk/abi"
)

// TestMessageThatCantBeSent: a message of a kind that the adapter has no form
// for is a dead letter that says so, and doesn't hold the next.
func TestMessageThatCantBeSent(t *testing.T) {
	t.Parallel()
	i, p := startPost(t, nil, `schema: 1
id: talk
triggers: [{id: start, type: message, channel: post}]
nodes:
  - {id: choose, type: send_message, with: {text: "Choose, {text}", list: {button: Open, sections: [{rows: "{{ [{id: 1, title: input.text}] }}"}]}}}
  - {id: say, type: send_message, with: {text: "or write"}}
edges:
  - {from: start, to: choose}
  - {from: choose, to: say}
`)
	i.accepted("d1", unit{ID: "u1", From: "ana", Text: "one"})
	p.wait(i, 1)
	if got := p.texts("ana"); !slices.Equal(got, []string{"or write"}) {
		t.Errorf("ana got %q", got)
	}
	letter := i.dead(1)[0]
	if letter.Reason.Code != abi.CodeUnsupported || !strings.Contains(letter.Reason.Message, "no list") {
		t.Errorf("dead letter %+v", letter)
	}
}
