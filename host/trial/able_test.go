package trial

import (
	"fmt"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/source"
	"github.com/trama-run/trama/host/workspace"
)

// choosing asks with more than some channels have a form for.
var choosing = workspace.Files{
	"channels.yaml": []byte(`
- {id: own, adapter: apichat, secrets: {api_key: key, secret: key}}
- {id: tg, adapter: telegram}
- {id: wa, adapter: whatsapp}
`),
	"flows/choose.yaml": []byte(`
schema: 1
id: choose
triggers: [{id: hello, type: message}]
nodes:
  - {id: like, type: send_message, with: {reaction: {emoji: "👍", message_id: "{{ input.id }}"}}}
  - {id: where, type: send_message, with: {location: {latitude: 1.5, longitude: 2.5, name: Here}}}
  - {id: ask, type: send_message, with: {text: "Which?", buttons: [{id: a, title: One}, {id: b, title: Two}, {id: c, title: Three}, {id: d, title: "The one that none of these is"}]}}
  - {id: answer, type: wait_reply, with: {expect: {type: option, options: [{id: a, title: One}, {id: b, title: Two}]}, retries: 1, retry: "One of these, please"}}
  - {id: form, type: send_message, with: {text: "Fill in", form: {id: "1", button: Open}}}
  - {id: said, type: send_message, with: {text: "{{ nodes.answer.value }}"}}
edges:
  - {from: hello, to: like}
  - {from: like, to: where}
  - {from: where, to: ask}
  - {from: ask, to: answer}
  - {from: answer, to: form}
  - {from: form, to: said}
`),
}

// TestChannelsLack: messages are as they reach the channel, answers lead back
// from there, and what a run left is a case that passes at once.
func TestChannelsLack(t *testing.T) {
	b := open(t, choosing)
	numbered := `{type: text, text: "Which?\n\n1. One\n2. Two\n3. Three\n4. The one that none of these is"}`
	for channel, test := range map[string]struct{ asked, answer, said string }{
		"own":  {`[{type: text, text: {$contains: "1.5"}}, {type: buttons}]`, `"two"`, `[b]`},
		"tg":   {`[{type: reaction}, {type: location}, {type: buttons}]`, `{type: button_reply, payload: b}`, `[b]`},
		"wa":   {`[{type: reaction}, {type: location}, ` + numbered + `]`, `"2"`, `[{type: form}, b]`},
		"else": {`[{type: reaction}, {type: location}, {type: buttons}]`, `{type: button_reply, payload: b}`, `[{type: form}, b]`},
	} {
		t.Run(channel, func(t *testing.T) {
			cases, problems := Parse("choose.test.yaml", fmt.Appendf(nil, `
- name: chooses
  contact: %s/x:1
  messages:
    - receive: hi
    - expect: {messages: %s}
    - receive: "7"
    - expect: {messages: ["One of these, please"]}
    - receive: %s
  expect: {messages: %s, status: done}
`, channel, test.asked, test.answer, test.said), "choose")
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			passes(t, b, cases[0])
			r := recordOf(t, b, cases[0])
			again, notes := passesAgain(t, b, r)
			if len(notes) > 0 {
				t.Errorf("notes: %q", notes)
			}
			for _, s := range r.Steps {
				if lacks := channel == "own" && s.Node != "answer" && s.Node != "said" && s.Node != "ask" || channel == "tg" && s.Node == "form" || channel == "wa" && s.Node == "ask"; lacks != (s.Sent != nil) {
					t.Errorf("node %s: the record has %s in its place", s.Node, s.Sent)
				}
			}
			again.Contact = "other/x:1"
			if channel == "else" {
				again.Contact = "wa/x:1"
			}
			if result, err := b.Run(t.Context(), again); err != nil || len(result.Failures) == 0 {
				t.Errorf("it passes on another channel, too: %v", err)
			}
		})
	}
}

// TestNotSent: what the channel has no form for is said where it is missed.
func TestNotSent(t *testing.T) {
	b := open(t, choosing)
	cases, problems := Parse("choose.test.yaml", []byte(`
- name: chooses
  contact: tg/x:1
  messages: [{receive: hi}, {receive: a}]
  expect: {messages: [{type: reaction}, {type: location}, {type: buttons}, {type: form}, a]}
`), "choose")
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	r, err := b.Run(t.Context(), cases[0])
	want := "not sent: the channel has no form for a message of the kind form, and nothing else says the same"
	if err != nil || !strings.HasSuffix(strings.Join(r.Failures, "\n"), want) {
		t.Errorf("%q, %v", r.Failures, err)
	}
}

// TestContactOn: a contact is on a channel of the workspace.
func TestContactOn(t *testing.T) {
	b := open(t, choosing)
	if who, err := b.Contact("tg"); err != nil || who != "tg/trial:contact" {
		t.Errorf("%q, %v", who, err)
	}
	if _, err := b.Contact("tgg"); err == nil || err.Error() != `there is no channel "tgg" with contacts: did you mean "tg"?` {
		t.Error(err)
	}
}

// TestEmitToNobody: an event is for contacts of the workspace's channels, and of
// the trial's own; a record says which there were.
func TestEmitToNobody(t *testing.T) {
	b := open(t, workspace.Files{"flows/tell.yaml": []byte(`
schema: 1
id: tell
triggers: [{id: hello, type: message}]
nodes:
  - {id: one, type: emit_event, with: {event: paid, contact: "wa/p:1"}}
  - {id: two, type: emit_event, with: {event: paid, contact: "sms/p:1"}}
  - {id: failed, type: end, with: {result: "{{ error.code }}"}}
edges: [{from: hello, to: one}, {from: one, to: two}, {from: two, port: error, to: failed}]
`)})
	c := Case{Flow: "tell", Contact: "wa/p:1", Messages: []Step{{Receive: source.ValueOf("hi")}}, Expect: Expect{Steps: []string{"one.next", "two.error", "failed"}, Result: source.ValueOf("no_contact")}}
	passes(t, b, c)
	r := recordOf(t, b, c)
	replay, err := b.Replay(t.Context(), r)
	if err != nil || replay.Departure != nil {
		t.Errorf("%+v, %v", replay.Departure, err)
	}
	passesAgain(t, b, r)
}
