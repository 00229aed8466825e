package run

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/trama-run/trama/host/engine"
	"github.com/trama-run/trama/host/run/mail"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/host/store/document"
	"github.com/trama-run/trama/pdk/abi"
)

// TestFarLetters: what interrupts, or hands over to a person, is found behind
// many messages to a run that does not listen.
func TestFarLetters(t *testing.T) {
	r := newRig(t, napping, stopping)
	r.says("wa/p:1", "nap")
	for range maxFar - 1 {
		r.mail("?")
	}
	r.mail("stop")
	r.work()
	r.wantSent("wa/p:1", "stopped")
	r.says("wa/p:1", "nap")
	for range maxFar - 1 {
		r.mail("?")
	}
	r.human(true)
	if _, err := r.runner.Contact(t.Context(), "contact:wa/p:1"); err != nil {
		t.Fatal(err)
	}
	if !r.stored().WithHuman {
		t.Error("no person attends")
	}
}

// reading counts the items that are read of queues.
type reading struct {
	store.Store
	items int
}

func (s *reading) Read(ctx context.Context, queue string, after store.Position, most int) ([]store.Item, error) {
	items, err := s.Store.Read(ctx, queue, after, most)
	s.items += len(items)
	return items, err
}

// TestLettersAreReadOnce: what is done in a row reads each letter once.
func TestLettersAreReadOnce(t *testing.T) {
	r := newRig(t, stopping)
	for range maxInARow {
		r.mail("stop")
	}
	s := &reading{Store: r.store}
	r.runner.config.Store = s
	if _, err := r.runner.Contact(t.Context(), "contact:wa/p:1"); err != nil {
		t.Fatal(err)
	}
	if len(r.sent("wa/p:1")) != maxInARow || s.items != maxInARow {
		t.Errorf("%d letters were read for %d answers, want %d", s.items, len(r.sent("wa/p:1")), maxInARow)
	}
}

// TestUnreadable: a letter or the version of a session that can't be read holds
// nothing.
func TestUnreadable(t *testing.T) {
	r := newRig(t, napping, stopping)
	for _, value := range []string{`{"unit":`, `{"unit":{"id":"u1"}}`} {
		r.commit(&store.Batch{Append: []store.Append{{Queue: mail.Key("wa/p:1"), Value: []byte(value)}}})
	}
	r.says("wa/p:1", "nap")
	if dead := r.dead(); len(dead) != 2 || string(dead[1].Value) != `{"unit":` || dead[0].Reason.Code != abi.CodeInvalid {
		t.Errorf("dead letters %+v", dead)
	}
	id := sessionID(mail.Key("wa/p:1"))
	var s session
	if _, _, err := document.Load(t.Context(), r.store, id, &s); err != nil {
		t.Fatal(err)
	}
	s.Flows["nap"] = 7 // as if its document had gone
	data, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	r.commit(&store.Batch{Put: []store.Put{{ID: id, Value: data}}})
	r.says("wa/p:1", "stop")
	r.wantRuns("nap failed", "stop done")
	if failed := r.records()[0]; failed.Status != engine.Failed || failed.Error == nil || !strings.Contains(failed.Error.Message, "flow nap version 7") {
		t.Errorf("the record says %+v", failed.Error)
	}
}

// TestUnreadableAlone: nor does a run of its own.
func TestUnreadableAlone(t *testing.T) {
	r := newRig(t, ordering)
	started, err := r.runner.Emit(t.Context(), Event{Name: "tick"})
	if err != nil {
		t.Fatal(err)
	}
	id := sessionID(PrefixRun + ":" + started.Runs["order"])
	var s session
	if _, _, err := document.Load(t.Context(), r.store, id, &s); err != nil {
		t.Fatal(err)
	}
	s.Flows["order"] = 7
	data, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	r.commit(&store.Batch{Put: []store.Put{{ID: id, Value: data}}})
	r.work()
	if failed := r.records()[0]; failed.ID != started.Runs["order"] || failed.Status != engine.Failed || !strings.Contains(failed.Error.Message, "flow order version 7") {
		t.Errorf("the record says %s %s %+v", failed.ID, failed.Status, failed.Error)
	}
}

// TestHeard: what came late is heard when it was written, and from the address
// that it came from, with those that are surely the same.
func TestHeard(t *testing.T) {
	r := newRig(t, echoing)
	written := r.now.Add(-30 * time.Hour)
	var b store.Batch
	unit := abi.Unit{ID: "late", From: abi.Address{Scheme: "p", Path: "1"}, TimeMillis: written.UnixMilli(), Message: &abi.Message{Type: abi.MessageText, Text: "hi"}, Also: []abi.Address{{Scheme: "p", Path: "one"}}}
	if err := mail.Post(&b, "wa/p:1", mail.Letter{Unit: unit}, r.now); err != nil {
		t.Fatal(err)
	}
	r.commit(&b)
	r.work()
	r.says("wa/p:2", "hi")
	if _, err := r.merge("wa/p:1", "wa/p:2", false); err != nil {
		t.Fatal(err)
	}
	c := r.known()["wa/p:1"]
	if len(c.Heard) != 3 || !c.Heard["wa/p:1"].Equal(written) || !c.Heard["wa/p:one"].Equal(written) || !c.Heard["wa/p:2"].Equal(r.now) {
		t.Errorf("heard %v, want at %v and of wa/p:2 at %v", c.Heard, written, r.now)
	}
}
