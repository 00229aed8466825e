package channel

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/trama-run/trama/host/deadletter"
	"github.com/trama-run/trama/host/outbox"
	"github.com/trama-run/trama/host/run/mail"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/pdk/abi"
)

// textOnly is an adapter that sends texts alone.
type textOnly struct{ *reader }

func (textOnly) Manifest(string) (abi.Manifest, bool) {
	return abi.Manifest{Kind: abi.KindChannel, Sends: []string{"text"}}, true
}

// TestAnew: a dead message that is put back goes as its channel can be sent it
// now, under the effect id that it had, and the contact can answer it.
func TestAnew(t *testing.T) {
	i := newIntake(t)
	i.config.Plugins = textOnly{i.reader}
	queue := outbox.PrefixContact + ":wa/x:1"
	buttons := abi.Message{Type: abi.MessageButtons, Text: "Sure?", Buttons: []abi.Button{{ID: "y", Title: "Yes"}, {ID: "n", Title: "No"}}}
	picture := abi.Message{Type: abi.MessageMedia, Text: "Look", Media: &abi.Media{Kind: "image", URL: "https://example.com/a.png"}}
	form := abi.Message{Type: abi.MessageForm, Text: "Fill in"}
	var ids []string
	for n, m := range []abi.Message{buttons, picture, form, {Type: abi.MessageCards, Text: "Two", Cards: []abi.Card{{Title: "one"}, {Title: "other"}}}, {Type: abi.MessageText, Text: "as it is"}} {
		value, err := json.Marshal(outbox.Message{Head: outbox.Head{EffectID: fmt.Sprint("e", n), RunID: "r"}, Message: m, Unasked: true})
		if err != nil {
			t.Fatal(err)
		}
		var b store.Batch
		if err := deadletter.Bury(&b, store.Position(n+1), deadletter.Letter{Queue: queue, Channel: "wa", Value: value}); err != nil {
			t.Fatal(err)
		}
		if _, err := i.store.Commit(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, fmt.Sprintf("%016x", n+1))
	}
	for _, id := range ids {
		if err := deadletter.Replay(t.Context(), i.store, id, i.Anew, now()); err != nil {
			t.Fatal(err)
		}
	}
	items, err := i.store.Read(t.Context(), queue, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, item := range items {
		var out outbox.Message
		if err := json.Unmarshal(item.Value, &out); err != nil || out.RunID != "r" || !out.Unasked {
			t.Errorf("%s, %v", item.Value, err)
		}
		got = append(got, fmt.Sprintf("%s %s %s", out.EffectID, out.Message.Type, out.Message.Text))
	}
	want := []string{"e0 text Sure?\n\n1. Yes\n2. No", "e1 text Look\nhttps://example.com/a.png", "e2 form Fill in", "e3 text Two", "e3-2 text one", "e3-3 text other", "e4 text as it is"}
	if !slices.Equal(got, want) {
		t.Errorf("put back:\n%q, want\n%q", got, want)
	}
	letters, err := i.store.Read(t.Context(), mail.Prefix+":wa/x:1", 0, 100)
	if err != nil || len(letters) != 1 {
		t.Fatalf("%d letters, %v", len(letters), err)
	}
	l, err := mail.Read(letters[0])
	if err != nil || l.Asks == nil || l.Asks.Run != "r" || len(l.Asks.List) != 2 || l.Asks.List[1].Number != 2 {
		t.Errorf("%s, %v", letters[0].Value, err)
	}
}
