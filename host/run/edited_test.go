package run

import (
	"strings"
	"testing"

	"github.com/trama-run/trama/host/run/mail"
	"github.com/trama-run/trama/pdk/abi"
)

// TestAside: so it is with a reaction and with what channels have no form for;
// a wait for a reply may ask for them too.
func TestAside(t *testing.T) {
	reaction := abi.Message{Type: abi.MessageReaction, Reaction: &abi.Reaction{MessageID: "m1", Emoji: "👍"}}
	number := abi.Message{Type: abi.MessageUnknown, Raw: []byte(`{"type":"system"}`)}
	clicked := number
	clicked.Referral = &abi.Referral{SourceType: "ad"}
	edit := abi.Message{Text: "Bia", Edits: "m1"}
	heard := func(types string) string {
		return strings.Replace(echoing, "type: message}", "type: message"+types+"}", 1)
	}
	also := strings.Replace(naming, "with: {}", "with: {also: [reaction, unknown, edit]}", 1)
	for _, test := range []struct {
		name, flow string
		said       []abi.Message
		want       []string
	}{
		{"no start", heard(""), []abi.Message{reaction, number, {Text: "a"}}, []string{"wa a"}},
		{"a start that is asked for", heard(", types: [reaction, unknown]"), []abi.Message{reaction, number, {Text: "a"}}, []string{"wa ", "wa "}},
		{"one of them", heard(", types: [unknown]"), []abi.Message{reaction, number}, []string{"wa "}},
		{"one that came by a click", heard(""), []abi.Message{clicked}, []string{"wa "}},
		{"no answer", naming, []abi.Message{{Text: "ask"}, reaction, number, {Text: "Ana"}}, []string{"name", "thanks Ana"}},
		{"an answer that is asked for", also, []abi.Message{reaction, {Text: "ask"}, reaction, {Text: "Ana"}}, []string{"name", "thanks "}},
		{"an edit that is asked for", also, []abi.Message{{Text: "ask"}, edit}, []string{"name", "thanks Bia"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t, test.flow)
			for _, m := range test.said {
				r.write("wa/p:1", m)
			}
			r.wantSent("wa/p:1", test.want...)
			if items, err := r.store.Read(r.Context(), mail.Key("wa/p:1"), 0, 1); err != nil || len(items) > 0 {
				t.Errorf("%d letters are left, %v", len(items), err)
			}
		})
	}
}

// TestEdited: an edited message starts no flow, answers nothing and presses no
// button, unless a trigger asks for edits.
func TestEdited(t *testing.T) {
	const asked = "Sure?\n\n1. Sim\n2. Não"
	edit := func(text string) abi.Message { return abi.Message{Text: text, Edits: "m1"} }
	changed := func(interrupt string) string {
		return `schema: 1
id: changed
triggers: [{id: start, type: message, types: [edit]` + interrupt + `}]
nodes:
  - {id: say, type: send_message, with: {text: "changed {text} of {edits}"}}
edges:
  - {from: start, to: say}
`
	}
	for _, test := range []struct {
		name  string
		flows []string
		do    func(r *rig)
		want  []string
	}{
		{"no start", []string{choosing}, func(r *rig) { r.write("wa/whatsapp:1", edit("go")); r.says("wa/whatsapp:1", "go") }, []string{asked}},
		{"no trigger at all", []string{strings.Replace(choosing, "type: message, keywords: [go]", "type: activate", 1)}, func(r *rig) { r.write("wa/whatsapp:1", edit("go")) }, nil},
		{"no answer", []string{choosing}, func(r *rig) {
			r.says("wa/whatsapp:1", "go")
			r.write("wa/whatsapp:1", edit("1"))
			r.write("wa/whatsapp:1", edit("perhaps"))
			r.says("wa/whatsapp:1", "2")
		}, []string{asked, "button_reply n Não"}},
		{"asked for", []string{choosing, changed("")}, func(r *rig) {
			r.write("wa/whatsapp:1", edit("go"))
			r.says("wa/whatsapp:1", "hello") // no edit
			r.says("wa/whatsapp:1", "go")
			r.write("wa/whatsapp:1", edit("1")) // while a run waits
		}, []string{"changed go of m1", asked}},
		{"asked for at once", []string{choosing, changed(", interrupt: true")}, func(r *rig) {
			r.says("wa/whatsapp:1", "go")
			r.write("wa/whatsapp:1", edit("1"))
		}, []string{asked, "changed 1 of m1"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t, test.flows...)
			plain(r)
			test.do(r)
			r.wantSent("wa/whatsapp:1", test.want...)
			if items, err := r.store.Read(r.Context(), mail.Key("wa/whatsapp:1"), 0, 1); err != nil || len(items) > 0 {
				t.Errorf("%d letters are left, %v", len(items), err)
			}
		})
	}
}
