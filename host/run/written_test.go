package run

import (
	"strings"
	"testing"

	"github.com/trama-run/trama/host/contact"
	"github.com/trama-run/trama/host/run/mail"
	"github.com/trama-run/trama/pdk/abi"
)

// numbers lets the channel wa write addresses as numbers.
func numbers(r *rig) {
	r.runner.config.Addresses = func(channel string) []abi.AddressForm {
		if channel != "wa" {
			return nil
		}
		return []abi.AddressForm{{Scheme: "p", Pattern: "[1-9][0-9]{2,}", Strip: " +-", Example: "5511"}}
	}
}

// TestWritten: what is said of a contact, or started for it, holds for who writes
// from the address, however it was written; what is no address is refused, unless
// it is known.
func TestWritten(t *testing.T) {
	r := newRig(t, wondering, strings.Replace(echoing, "type: message", "type: activate", 1))
	if _, _, err := r.runner.EditContact(t.Context(), "wa/p:0", ContactEdit{Opt: abi.OptIn}, "import", false); err != nil {
		t.Fatal(err) // of before the adapter said how they are written
	}
	numbers(r)
	edit := func(key contact.Key, e ContactEdit) error {
		_, _, err := r.runner.EditContact(t.Context(), key, e, "import", false)
		return err
	}
	if err := edit("wa/p:+55 1-1", ContactEdit{Opt: abi.OptOut, Also: []contact.Key{"tg/p:+1", "wa/p:5-5-2"}}); err != nil {
		t.Fatal(err)
	}
	c, found, err := Person(t.Context(), r.store, "wa/p:5511")
	if err != nil || !found || c.OptOf("wa/p:5511") != abi.OptOut || !c.Has("tg/p:+1") || !c.Has("wa/p:552") {
		t.Fatalf("%+v, %v, %v", c, found, err)
	}
	for _, bad := range []contact.Key{"wa/p:01", "wa/p:ana", "wa/q:555"} {
		err := edit(bad, ContactEdit{Opt: abi.OptOut})
		r.is(err, mail.ErrNoContact)
		if err != nil && !strings.Contains(err.Error(), "want ") {
			t.Errorf("%s: no remedy in %v", bad, err)
		}
		r.is(edit("wa/p:5511", ContactEdit{Also: []contact.Key{bad}}), mail.ErrNoContact)
		_, err = r.runner.Activate(t.Context(), Activation{Flow: "echo", Contacts: []string{string(bad)}})
		r.is(err, mail.ErrNoContact)
	}
	if err := edit("wa/p:0", ContactEdit{Opt: abi.OptOut}); err != nil {
		t.Errorf("a contact that is known: %v", err)
	}
	started, err := r.runner.Activate(t.Context(), Activation{Flow: "echo", Contacts: []string{"wa/p:+777", "wa/p:777", "wa/p:0"}, Each: map[string]map[string]any{"wa/p:+777": {"text": "hi"}}})
	if err != nil || len(started.Runs) != 3 || started.Runs["wa/p:+777"] != started.Runs["wa/p:777"] {
		t.Fatalf("%+v, %v", started, err)
	}
	if _, err := r.runner.Emit(t.Context(), Event{Name: "ask", Contact: "wa/p:+888"}); err != nil {
		t.Fatal(err)
	}
	r.work()
	r.wantSent("wa/p:777", "wa hi")
	r.wantSent("wa/p:888", "asked wa/p:888")
}

const wondering = `schema: 1
id: asking
triggers: [{id: start, type: event, event: ask}]
nodes:
  - {id: say, type: send_message, with: {text: "asked {{ input.contact }}"}}
edges: [{from: start, to: say}]
`
