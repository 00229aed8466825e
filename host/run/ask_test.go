package run

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/trama-run/trama/host/fallback"
	"github.com/trama-run/trama/host/outbox"
	"github.com/trama-run/trama/host/run/encode"
	"github.com/trama-run/trama/host/run/mail"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/pdk/abi"
)

const choosing = `schema: 1
id: ask
triggers: [{id: start, type: message, keywords: [go]}]
nodes:
  - {id: choose, type: send_message, with: {text: "Sure?", buttons: [{id: y, title: "Sim"}, {id: n, title: "Não"}]}}
  - {id: answer, type: wait_reply, with: {timeout: 1h}}
  - {id: say, type: send_message, with: {text: "{type} {payload} {text}"}}
  - {id: more, type: wait_reply, with: {timeout: 1h}}
  - {id: end, type: send_message, with: {text: "end {type} {payload} {text}"}}
edges:
  - {from: start, to: choose}
  - {from: choose, to: answer}
  - {from: answer, to: say}
  - {from: say, to: more}
  - {from: more, to: end}
`

// plain lets the channels of a rig take texts alone, of thirty characters.
func plain(r *rig) {
	r.runner.config.Able = func(string) fallback.Adapter {
		return fallback.Adapter{Sends: []string{"text"}, Bounds: abi.Bounds{Text: 30}}
	}
}

func TestAsk(t *testing.T) {
	r := newRig(t, choosing)
	plain(r)
	r.says("wa/whatsapp:1", "go")
	r.wantSent("wa/whatsapp:1", "Sure?\n\n1. Sim\n2. Não")
	r.says("wa/whatsapp:1", "2.") // the answer, and then a text
	r.says("wa/whatsapp:1", "2")
	r.wantSent("wa/whatsapp:1", "Sure?\n\n1. Sim\n2. Não", "button_reply n Não", "end text  2")
	record := r.records()[0]
	if sent, _ := json.Marshal([]any{record.Steps[0].Sent, record.Steps[2].Sent}); string(sent) != `[[{"text":"Sure?\n\n1. Sim\n2. Não","type":"text"}],null]` {
		t.Errorf("the record has %s in the place of what was said", sent)
	}
	if got, _ := encode.Append(nil, record.Inputs[0].Message, true); !strings.Contains(string(got), `"payload":"n"`) {
		t.Errorf("the record has %s, which can't be played again", got)
	}
}

// TestAskWhileAway: while it is not known what the channel can be sent, a run
// neither begins nor goes on; then it says what it says at any time.
func TestAskWhileAway(t *testing.T) {
	r := newRig(t, choosing)
	away := func(string) fallback.Adapter {
		return fallback.Adapter{Away: &abi.Error{Code: abi.CodeUnavailable, Message: "the plugin is not installed"}}
	}
	r.runner.config.Able = away
	r.says("wa/whatsapp:1", "go")
	r.pass(time.Minute)
	r.wantSent("wa/whatsapp:1")
	plain(r)
	r.pass(time.Minute)
	r.wantSent("wa/whatsapp:1", "Sure?\n\n1. Sim\n2. Não")
	r.runner.config.Able = away
	r.says("wa/whatsapp:1", "2")
	r.pass(time.Minute)
	r.wantSent("wa/whatsapp:1", "Sure?\n\n1. Sim\n2. Não")
	plain(r)
	r.pass(time.Minute)
	if sent := r.sent("wa/whatsapp:1"); len(sent) < 2 || sent[1] != "button_reply n Não" {
		t.Errorf("sent %q", sent)
	}
}

// TestAskOverRestart: the choices are on disk with the question, and gone with
// the answer.
func TestAskOverRestart(t *testing.T) {
	r := newRig(t, choosing)
	plain(r)
	r.says("wa/whatsapp:1", "go")
	r.open()
	plain(r)
	r.says("wa/whatsapp:1", "nao")
	r.open()
	plain(r)
	r.says("wa/whatsapp:1", "1")
	r.wantSent("wa/whatsapp:1", "Sure?\n\n1. Sim\n2. Não", "button_reply n Não", "end text  1")
}

// TestAskTwice: what is written after another wait answers that one.
func TestAskTwice(t *testing.T) {
	r := newRig(t, choosing)
	plain(r)
	r.says("wa/whatsapp:1", "go")
	r.says("wa/whatsapp:1", "what?")
	r.says("wa/whatsapp:1", "1")
	r.wantSent("wa/whatsapp:1", "Sure?\n\n1. Sim\n2. Não", "text  what?", "end text  1")
}

// TestAskLate: choices are of the wait that follows them, over its retries and
// restarts; after it only a press is one, whichever way the wait ended.
func TestAskLate(t *testing.T) {
	const asked = "Sure?\n\n1. Sim\n2. Não"
	again := strings.Replace(choosing, "with: {timeout: 1h}}", `with: {timeout: 1h, expect: {type: option, options: [{id: y, title: "Sim"}, {id: n, title: "Não"}]}, retries: 2, retry: "1 or 2?"}}`, 1)
	again = strings.Replace(again, "- {from: answer, to: say}", "- {from: answer, to: say}\n  - {from: answer, port: invalid, to: say}\n  - {from: answer, port: timeout, to: say}", 1)
	for _, test := range []struct {
		name, flow string
		do         func(r *rig)
		want       []string
	}{
		{"asked again", again, func(r *rig) { r.says("wa/whatsapp:1", "perhaps"); r.says("wa/whatsapp:1", "2") }, []string{asked, "1 or 2?", "button_reply n Não"}},
		{"asked in vain", again, func(r *rig) {
			for range 3 {
				r.says("wa/whatsapp:1", "perhaps")
			}
			r.says("wa/whatsapp:1", "2")
		}, []string{asked, "1 or 2?", "1 or 2?", "text  perhaps", "end text  2"}},
		{"pressed later", choosing, func(r *rig) {
			r.says("wa/whatsapp:1", "perhaps")
			r.write("wa/whatsapp:1", abi.Message{Type: abi.MessageListReply, Text: "Não", Payload: "n"})
		}, []string{asked, "text  perhaps", "end button_reply n Não"}},
		{"no answer in time", strings.Replace(choosing, "- {from: answer, to: say}", "- {from: answer, to: say}\n  - {from: answer, port: timeout, to: say}", 1), func(r *rig) {
			r.pass(2 * time.Hour)
			r.says("wa/whatsapp:1", "2")
		}, []string{asked, "text  go", "end text  2"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t, test.flow)
			plain(r)
			r.says("wa/whatsapp:1", "go")
			r.open()
			plain(r)
			test.do(r)
			r.wantSent("wa/whatsapp:1", test.want...)
		})
	}
}

// TestAskAndComment: a message without choices between a question and its wait
// is a comment; one with choices asks anew.
func TestAskAndComment(t *testing.T) {
	for _, test := range []struct{ name, between, shown, answer string }{
		{"a comment", `text: "or write"`, "or write", "button_reply n Não"},
		{"a file", `media: {kind: image, url: "https://example.com/i"}`, "https://example.com/i", "button_reply n Não"},
		{"another question", `text: "Or?", buttons: [{id: a, title: "A"}, {id: b, title: "B"}]`, "Or?\n\n1. A\n2. B", "button_reply b B"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t, strings.NewReplacer(
				"  - {id: answer,", "  - {id: between, type: send_message, with: {"+test.between+"}}\n  - {id: answer,",
				"- {from: choose, to: answer}", "- {from: choose, to: between}\n  - {from: between, to: answer}").Replace(choosing))
			plain(r)
			r.says("wa/whatsapp:1", "go")
			r.says("wa/whatsapp:1", "2")
			r.says("wa/whatsapp:1", "2")
			r.wantSent("wa/whatsapp:1", "Sure?\n\n1. Sim\n2. Não", test.shown, test.answer, "end text  2")
		})
	}
}

// TestAskOfAnotherRun: the choices of a run that is over go when another one
// writes.
func TestAskOfAnotherRun(t *testing.T) {
	other := strings.NewReplacer("id: ask\n", "id: other\n", "[go]", "[count]", `buttons: [{id: y, title: "Sim"}, {id: n, title: "Não"}]`, "").Replace(choosing)
	short := `schema: 1
id: menu
triggers: [{id: start, type: message, keywords: [menu]}]
nodes:
  - {id: choose, type: send_message, with: {text: "Menu", buttons: [{id: count, title: "A"}, {id: no, title: "B"}]}}
edges:
  - {from: start, to: choose}
`
	r := newRig(t, other, short)
	plain(r)
	r.says("wa/whatsapp:1", "menu")
	r.says("wa/whatsapp:1", "1") // whose payload is the keyword of the other flow
	r.wantSent("wa/whatsapp:1", "Menu\n\n1. A\n2. B", "Sure?")
	r.says("wa/whatsapp:2", "menu")
	r.says("wa/whatsapp:2", "count")
	r.says("wa/whatsapp:2", "2")
	r.wantSent("wa/whatsapp:2", "Menu\n\n1. A\n2. B", "Sure?", "text  2")
}

// TestParts: one message that becomes several is several items, each with an
// effect id of its own that is the same in each try; what is dropped is in the
// record.
func TestParts(t *testing.T) {
	r := newRig(t, `schema: 1
id: long
triggers: [{id: start, type: message}]
nodes:
  - {id: seen, type: send_message, with: {type: typing}}
  - {id: say, type: send_message, with: {text: "One sentence is here. Another one follows it. And a third."}}
  - {id: form, type: send_message, with: {text: "Fill", form: {id: "1", button: Open}}}
edges:
  - {from: start, to: seen}
  - {from: seen, to: say}
  - {from: say, to: form}
`)
	plain(r)
	r.says("wa/whatsapp:1", "go")
	r.wantSent("wa/whatsapp:1", "One sentence is here.", "Another one follows it.", "And a third.", "Fill")
	items, err := r.store.Read(r.Context(), outbox.ContactKey("wa/whatsapp:1"), 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	first := ""
	for _, item := range items {
		m := heads(t, item)
		if ids[m.EffectID] = true; first == "" {
			first = m.EffectID
		}
	}
	if len(ids) != 4 || !ids[first+".2"] || !ids[first+".3"] {
		t.Errorf("effect ids %v", ids)
	}
	lines := r.records()[0].Lines
	if len(lines) != 2 || !strings.Contains(lines[0].Text, "dropped") || lines[0].Node != "seen" || !strings.Contains(lines[1].Text, "no form") {
		t.Errorf("log %+v", lines)
	}
}

func heads(t *testing.T, item store.Item) (m outbox.Message) {
	t.Helper()
	if err := json.Unmarshal(item.Value, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// TestAskAnew: what a dead message offers that was planned anew is answered as if
// it had been so at once.
func TestAskAnew(t *testing.T) {
	r := newRig(t, choosing)
	r.says("wa/whatsapp:1", "go")
	r.wantSent("wa/whatsapp:1", "Sure?")
	var b store.Batch
	asks := &fallback.Choices{Run: r.records()[0].ID, List: []fallback.Choice{{ID: "y", Title: "Sim", Number: 1}, {ID: "n", Title: "Não", Number: 2}}}
	if err := mail.Post(&b, "wa/whatsapp:1", mail.Letter{Asks: asks}, r.now); err != nil {
		t.Fatal(err)
	}
	r.commit(&b)
	r.work()
	r.says("wa/whatsapp:1", "2")
	r.says("wa/whatsapp:1", "2")
	r.wantSent("wa/whatsapp:1", "Sure?", "button_reply n Não", "end text  2")
}
