package channel

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/outbox"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/pdk/abi"
)

// listeners subscribe to all that channels tell; it is in a queue.
type listeners struct{}

func (listeners) Want(string) bool { return true }

func (listeners) Heard(string) bool { return true }

func (listeners) Tell(b *store.Batch, typ, mark string, data map[string]any) (bool, error) {
	value, err := json.Marshal(map[string]any{"type": typ, "data": data})
	told := store.Append{Queue: "told", Value: value}
	if mark != "" {
		told.Mark, told.MarkTTL = "told/"+mark, time.Hour
	}
	b.Append = append(b.Append, told)
	return true, err
}

// toldOf gives the type of what was told, with some members.
func toldOf(t *testing.T, s store.Store, members ...string) (list []string) {
	t.Helper()
	items, err := s.Read(t.Context(), "told", 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, item := range items {
		var e struct {
			Type string
			Data map[string]any
		}
		if err := json.Unmarshal(item.Value, &e); err != nil {
			t.Fatal(err)
		}
		line := e.Type
		for _, m := range members {
			if e.Data[m] != nil {
				line += fmt.Sprintf(" %s=%v", m, e.Data[m])
			}
		}
		list = append(list, line)
	}
	return list
}

// TestTellsMessages: a contact's message is told once, however often its
// service sends it.
func TestTellsMessages(t *testing.T) {
	i := newIntake(t)
	i.config.Subscribers = listeners{}
	i.fails = func(string) *abi.Error { return nil }
	i.comes("a", "b", "a")
	i.work(0)
	got := toldOf(t, i.store, "channel", "contact", "id")
	if want := len(i.arrived()); len(got) != want || want == 0 {
		t.Fatalf("told %q of %d messages", got, want)
	}
	for _, line := range got {
		if line[:len("message channel=wa contact=wa/x:1")] != "message channel=wa contact=wa/x:1" {
			t.Errorf("told %q", line)
		}
	}
}

// TestTellsDeliveries: what becomes of a message to a contact is told.
func TestTellsDeliveries(t *testing.T) {
	d := newDesk(t)
	d.config.Subscribers = listeners{}
	item := outbox.Item{Queue: "outbox:wa/x:1", Head: outbox.Head{EffectID: "effect", RunID: "r"}}
	var err error
	if item.Value, err = json.Marshal(outbox.Message{Head: item.Head, Message: abi.Message{Type: abi.MessageText, Text: "hello"}}); err != nil {
		t.Fatal(err)
	}
	end := func(state string, failure *abi.Error) {
		t.Helper()
		var b store.Batch
		if err := d.Ended(&b, item, outbox.Delivery{RunID: "r", MessageID: "m", State: state, Error: failure}); err != nil {
			t.Fatal(err)
		}
		if _, err := d.store.Commit(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
	}
	d.sent()
	end(outbox.StateSent, nil)
	d.webhook("delivered")
	d.webhook("delivered") // no news
	d.webhook("read")
	end(outbox.StateDead, &abi.Error{Code: "refused", Message: "no"})
	got := toldOf(t, d.store, "contact", "state", "message_id", "effect_id", "run_id")
	of := " contact=wa/x:1"
	rest := " message_id=m effect_id=effect run_id=r"
	if want := []string{catalog.EventSent + of + rest, "status" + of + " state=delivered" + rest, "status" + of + " state=read" + rest, "status" + of + " state=dead" + rest}; !slices.Equal(got, want) {
		t.Errorf("told\n%q, want\n%q", got, want)
	}
}
