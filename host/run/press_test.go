package run

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/trama-run/trama/pdk/abi"
)

const pressing = `schema: 1
id: ask
triggers: [{id: start, type: message, keywords: [go]}]
nodes:
  - {id: choose, type: send_message, with: {text: "Sure?", buttons: [{id: y, title: "Sim"}, {id: n, title: "Não"}]}}
  - {id: answer, type: wait_reply, with: {timeout: 1h}}
  - {id: say, type: send_message, with: {text: "{payload}"}}
edges:
  - {from: start, to: choose}
  - {from: choose, to: answer}
  - {from: answer, to: say}
`

// greetingBy is a flow that a trigger starts.
func greetingBy(trigger string) string {
	return `schema: 1
id: greet
triggers: [{id: start, type: message` + trigger + `}]
nodes: [{id: say, type: send_message, with: {text: "hello {payload}"}}]
edges: [{from: start, to: say}]
`
}

func pressOf(question, payload string) abi.Message {
	return abi.Message{Type: abi.MessageButtonReply, Text: "Sim", Payload: payload, ReplyTo: question}
}

// TestPressedAgain: who presses an answered question once more, when its run is
// over, starts what asks for that press, and not what takes any message. All
// other presses start it.
func TestPressedAgain(t *testing.T) {
	press := func(question, payload string) func(*rig) {
		return func(r *rig) { r.write("wa/whatsapp:1", pressOf(question, payload)) }
	}
	say := func(text string) func(*rig) { return func(r *rig) { r.says("wa/whatsapp:1", text) } }
	for _, test := range []struct {
		name, trigger string
		do            []func(*rig)
		want          []string // behind the question
	}{
		{"again", "", []func(*rig){press("q", "y"), press("q", "y")}, []string{"y"}},
		{"another of its buttons", "", []func(*rig){press("q", "y"), press("q", "n")}, []string{"y"}},
		{"after a restart", "", []func(*rig){press("q", "y"), func(r *rig) { r.open(); plain(r) }, press("q", "y")}, []string{"y"}},
		{"a keyword", ", keywords: [y]", []func(*rig){press("q", "y"), press("q", "y")}, []string{"y", "hello y"}},
		{"a pattern", ", pattern: ^y", []func(*rig){press("q", "y"), press("q", "y")}, []string{"y", "hello y"}},
		{"its type", ", types: button_reply", []func(*rig){press("q", "y"), press("q", "y")}, []string{"y", "hello y"}},
		{"what is written then", "", []func(*rig){press("q", "y"), press("q", "y"), say("y")}, []string{"y", "hello"}},
		{"another message", "", []func(*rig){press("q", "y"), press("template", "y")}, []string{"y", "hello y"}},
		{"nobody says of which", "", []func(*rig){press("", "y"), press("", "y")}, []string{"y", "hello y"}},
		{"answered by a text", "", []func(*rig){say("1"), press("q", "y")}, []string{"y", "hello y"}},
		{"answered by a text that quotes", "", []func(*rig){func(r *rig) { r.write("wa/whatsapp:1", abi.Message{Text: "1", ReplyTo: "q"}) }, press("q", "y")}, []string{"y", "hello y"}},
		{"not answered in time", "", []func(*rig){func(r *rig) { r.pass(2 * time.Hour) }, press("q", "y")}, []string{"hello y"}},
		{"what started a flow", "", []func(*rig){press("q", "y"), press("ad", "a"), press("ad", "a")}, []string{"y", "hello a", "hello a"}},
		{"of another run, into a wait", "", []func(*rig){press("ad", "a"), press("ad", "a")}, []string{"a", "hello a"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t, pressing, greetingBy(test.trigger))
			plain(r)
			r.says("wa/whatsapp:1", "go")
			for _, do := range test.do {
				do(r)
			}
			r.wantSent("wa/whatsapp:1", append([]string{"Sure?\n\n1. Sim\n2. Não"}, test.want...)...)
		})
	}
}

// TestPressedIsBounded: a contact's record knows the last questions.
func TestPressedIsBounded(t *testing.T) {
	r := newRig(t, pressing, greetingBy(""))
	plain(r)
	for n := range maxPressed + 5 {
		r.says("wa/whatsapp:1", "go")
		r.write("wa/whatsapp:1", pressOf(fmt.Sprint("q", n), "y"))
	}
	before := len(r.sent("wa/whatsapp:1"))
	for n := range maxPressed + 5 {
		r.write("wa/whatsapp:1", pressOf(fmt.Sprint("q", n), "y"))
	}
	sent := r.sent("wa/whatsapp:1")[before:]
	if len(sent) != 5 || strings.Join(sent, "") != strings.Repeat("hello y", 5) {
		t.Errorf("sent %q", sent)
	}
}
