package run

import (
	"fmt"
	"testing"

	"github.com/trama-run/trama/pdk/abi"
)

// saying is a flow that says its id, by a trigger.
func saying(id, trigger string) string {
	return fmt.Sprintf(`schema: 1
id: %s
triggers: [{id: start, %s}]
nodes: [{id: say, type: send_message, with: {text: %s}}]
edges: [{from: start, to: say}]
`, id, trigger, id)
}

// TestListener: of the triggers that a message fits, the one that it fits best
// is taken.
func TestListener(t *testing.T) {
	ad := &abi.Referral{SourceType: "ad", SourceID: "7"}
	link := &abi.Referral{Ref: "natal", SourceType: "link"}
	r := newRig(t,
		saying("any", "type: message"),
		saying("any_tg", "type: message, channel: tg"),
		saying("b_any", "type: message"),
		saying("image", "type: message, types: image"),
		saying("menu", "type: message, keywords: [menu, ajuda]"),
		saying("a_menu_tg", "type: message, keywords: [menu], channel: tg"),
		saying("pattern", `type: message, pattern: "^m"`),
		saying("ads", "type: referral"),
		saying("ad7", "type: referral, source_id: \"7\""),
		saying("natal", "type: referral, ref: natal, channel: wa"),
	)
	for _, c := range []struct {
		who     string
		message abi.Message
		want    string
	}{
		{"wa/p:1", abi.Message{Text: "oi"}, "any"},
		{"tg/p:1", abi.Message{Text: "oi"}, "any_tg"},
		{"wa/p:1", abi.Message{Type: abi.MessageMedia, Media: &abi.Media{Kind: "image"}}, "image"},
		{"wa/p:1", abi.Message{Text: "MENU!"}, "menu"},
		{"tg/p:1", abi.Message{Text: "menu"}, "a_menu_tg"},
		{"tg/p:1", abi.Message{Text: "Ajuda"}, "menu"},
		{"wa/p:1", abi.Message{Text: "meu pedido"}, "pattern"},
		{"wa/p:1", abi.Message{Text: "menu", Referral: &abi.Referral{SourceType: "post"}}, "ads"},
		{"wa/p:1", abi.Message{Text: "menu", Referral: ad}, "ad7"},
		{"wa/p:1", abi.Message{Text: "menu", Referral: link}, "natal"},
		{"tg/p:1", abi.Message{Text: "menu", Referral: link}, "ads"},
	} {
		before := len(r.sent(c.who))
		r.write(c.who, c.message)
		if got := r.sent(c.who)[before:]; len(got) != 1 || got[0] != c.want {
			t.Errorf("%s, %+v: %q, want %q", c.who, c.message, got, c.want)
		}
	}
	r.apply(saying("other", "type: message, keywords: menu"))
	r.says("wa/p:2", "menu")
	r.says("wa/p:2", "nobody takes this")
	r.says("wa/p:2", "menu")
	r.wantSent("wa/p:2", "other", "other")
}

const asking = `schema: 1
id: asking
triggers: [{id: start, type: message}]
nodes:
  - {id: ask, type: send_message, with: {text: "name?"}}
  - {id: wait, type: wait_reply}
  - {id: say, type: send_message, with: {text: "hello {{ input.text }}"}}
edges:
  - {from: start, to: ask}
  - {from: ask, to: wait}
  - {from: wait, to: say}
`

// TestInterrupt: a run that waits for a reply takes it, but for what a trigger
// that interrupts fits.
func TestInterrupt(t *testing.T) {
	r := newRig(t, asking,
		saying("menu", "type: message, keywords: menu"),
		saying("stop", "type: message, keywords: stop, interrupt: true"),
		saying("ad", "type: referral, interrupt: true"))
	r.says("wa/p:1", "oi")
	r.says("wa/p:1", "menu")
	r.says("wa/p:1", "oi")
	r.says("wa/p:1", "Stop.")
	r.says("wa/p:1", "oi")
	r.write("wa/p:1", abi.Message{Text: "x", Referral: &abi.Referral{SourceID: "1"}})
	r.wantSent("wa/p:1", "name?", "hello menu", "name?", "stop", "name?", "ad")
	cancelled := 0
	for _, record := range r.records() {
		if record.Status == "cancelled" && record.Reason != "" && record.Ended != nil {
			cancelled++
		}
	}
	if cancelled != 2 {
		t.Errorf("%d cancelled runs, want 2: %+v", cancelled, r.records())
	}
}
