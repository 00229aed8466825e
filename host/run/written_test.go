package run

import (
	"strings"
	"testing"

	"github.com/trama-run/trama/host/contact"
	"github.com/trama-run/trama/host/fallback"
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

// TestKnown: a contact is found, merged and handed to a person by its key however
// it was typed, and by one of before the adapter said how they are written.
func TestKnown(t *testing.T) {
	r := newRig(t, echoing)
	if _, _, err := r.runner.EditContact(t.Context(), "wa/p:+0", ContactEdit{Opt: abi.OptIn}, "import", false); err != nil {
		t.Fatal(err)
	}
	numbers(r)
	r.says("wa/p:5511", "hi")
	r.says("wa/p:5522", "hi")
	for typed, want := range map[contact.Key]contact.Key{"wa/p:+55 1-1": "wa/p:5511", "wa/p:5511": "wa/p:5511", "wa/p:+0": "wa/p:+0", "wa/p:+777": "wa/p:777"} {
		if got, err := r.runner.Known(t.Context(), typed); err != nil || got != want {
			t.Errorf("%s is %s, %v, want %s", typed, got, err, want)
		}
	}
	_, err := r.runner.Known(t.Context(), "wa/p:ana")
	r.is(err, mail.ErrNoContact)
	if err := r.runner.SetWithHuman(t.Context(), "wa/p:+55-22", true); err != nil {
		t.Fatal(err)
	}
	r.work()
	if c, _, err := Person(t.Context(), r.store, "wa/p:5522"); err != nil || !c.WithHuman {
		t.Errorf("%+v, %v", c, err)
	}
	m, err := r.runner.Merge(t.Context(), "wa/p:+55 22", "wa/p:+55 11", false)
	if err != nil || m.Key != "wa/p:5522" || m.From != "wa/p:5511" {
		t.Errorf("%+v, %v", m, err)
	}
}

// TestWrittenWhileAway: while the plugin of a channel is not there, only contacts
// that are known are named.
func TestWrittenWhileAway(t *testing.T) {
	r := newRig(t, strings.Replace(echoing, "type: message", "type: activate", 1), wondering)
	numbers(r)
	plain(r)
	r.says("wa/p:5511", "hi")
	if _, _, err := r.runner.EditContact(t.Context(), "wa/p:5511", ContactEdit{Opt: abi.OptIn}, "import", false); err != nil {
		t.Fatal(err)
	}
	r.runner.config.Able = func(string) fallback.Adapter {
		return fallback.Adapter{Away: &abi.Error{Code: abi.CodeUnavailable, Message: "the plugin is not installed"}}
	}
	for _, who := range []contact.Key{"wa/p:5511", "wa/p:5522"} {
		want := error(nil)
		if who == "wa/p:5522" {
			want = ErrAway
		}
		_, err := r.runner.Known(t.Context(), who)
		r.is(err, want)
		r.is(r.runner.SetWithHuman(t.Context(), string(who), true), want)
		_, _, err = r.runner.EditContact(t.Context(), who, ContactEdit{Opt: abi.OptOut}, "import", false)
		r.is(err, want)
		_, err = r.runner.Activate(t.Context(), Activation{Flow: "echo", Contacts: []string{string(who)}})
		r.is(err, want)
		_, err = r.runner.Emit(t.Context(), Event{Name: "ask", Contact: string(who)})
		r.is(err, want)
		if err != nil && !strings.Contains(err.Error(), "channel wa: the plugin is not installed") {
			t.Errorf("%v", err)
		}
	}
}

const wondering = `schema: 1
id: asking
triggers: [{id: start, type: event, event: ask}]
nodes:
  - {id: say, type: send_message, with: {text: "asked {{ input.contact }}"}}
edges: [{from: start, to: say}]
`
