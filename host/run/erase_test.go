package run

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/trama-run/trama/host/blob"
	"github.com/trama-run/trama/host/calllog"
	"github.com/trama-run/trama/host/contact"
	"github.com/trama-run/trama/host/outbox"
	"github.com/trama-run/trama/host/run/mail"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/host/store/document"
)

// boxes empties outboxes as host/outbox does.
type boxes struct{ *rig }

func (b boxes) Waiting(_ context.Context, queue string, _ int) (list []outbox.Waiting, err error) {
	items, err := b.store.Read(b.Context(), queue, 0, 1000)
	for range items {
		list = append(list, outbox.Waiting{Queue: queue})
	}
	return list, err
}

func (b boxes) CancelQueue(_ context.Context, queue string) (int, error) {
	items, err := b.store.Read(b.Context(), queue, 0, 1000)
	var batch store.Batch
	for _, item := range items {
		batch.Remove = append(batch.Remove, store.ItemRef{Queue: queue, Position: item.Position})
	}
	b.commit(&batch)
	return len(items), err
}

// TestErase: nothing that was said by or to a contact is left, a dry run says
// so before, others are untouched, and what was cut short can be finished.
func TestErase(t *testing.T) {
	r := newRig(t, naming, echoing)
	r.says("wa/p:1", "secret-word")
	r.says("tg/p:9", "ask")
	if _, err := r.merge("wa/p:1", "tg/p:9", false); err != nil {
		t.Fatal(err)
	}
	r.work()
	r.says("wa/p:12", "other-word")
	w := blob.Of(r.store, mail.Key("wa/p:1")).Create(t.Context(), "text/plain")
	if _, err := w.Write([]byte("secret-word")); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	calls := calllog.New(calllog.Config{Store: r.store, Now: func() time.Time { return r.now }, Log: slog.New(slog.DiscardHandler)})
	t.Cleanup(calls.Close)
	for _, c := range []calllog.Call{
		{Contact: "wa/p:1", Endpoint: "/secret-word"}, {Contact: "tg/p:9", Endpoint: "/secret-word"},
		{Run: r.records()[0].ID, Endpoint: "/secret-word"}, {Contact: "wa/p:12", Endpoint: "/other-word"},
	} {
		calls.Add(&calllog.Seen{Call: c})
	}
	var b store.Batch
	for i, record := range r.records() { // what is known by the runs alone
		if record.Key == mail.Key("wa/p:12") {
			continue
		}
		if err := document.Put(&b, store.ID{Kind: outbox.KindDelivery, Key: fmt.Sprint(i)}, outbox.Delivery{RunID: record.ID, State: "secret-word"}); err != nil {
			t.Fatal(err)
		}
		if err := document.Put(&b, store.ID{Kind: kindFailed, Key: record.ID}, "secret-word"); err != nil {
			t.Fatal(err)
		}
	}
	for _, queue := range []string{"outbox:wa/p:1", "outbox:tg/p:9", "outbox:wa/p:12"} { // of which word may still come
		if err := document.Put(&b, store.ID{Kind: outbox.KindTaken, Key: queue}, map[string]string{"queue": queue}); err != nil {
			t.Fatal(err)
		}
	}
	r.commit(&b)
	plan, err := r.runner.Erase(t.Context(), "tg/p:9", boxes{r}, calls, true)
	if err != nil {
		t.Fatal(err)
	}
	for at := 1; ; at++ {
		f := &failing{Store: r.store, at: at}
		r.runner.config.Store = f
		done, err := r.runner.Erase(t.Context(), "tg/p:9", boxes{r}, calls, false)
		r.runner.config.Store = r.store
		if err == nil {
			if done.Removed["addresses"] != plan.Removed["addresses"] || plan.Removed["records of runs"] != 2 || plan.Removed["failed runs"] != 2 || plan.Removed["deliveries"] != 2 || plan.Removed["messages that their services have"] != 2 || plan.Removed["files"] != 1 || plan.Removed["calls in the log"] != 3 || plan.Removed["waiting runs"] != 1 || plan.Removed["messages that were to be sent"] != 2 {
				t.Errorf("planned %v, done %v", plan.Removed, done.Removed)
			}
			break
		}
		if !errors.Is(err, errDied) {
			t.Fatal(err)
		}
	}
	var left strings.Builder
	if err := r.store.Backup(t.Context(), &left); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(left.String(), "secret-word") || !strings.Contains(left.String(), "other-word") {
		t.Error("the contact's words are left, or another's are gone")
	}
	if all := r.known(); len(all) != 1 || all["wa/p:12"].LastSeen.IsZero() {
		t.Errorf("contacts %+v", all)
	}
	if _, err := r.runner.Erase(t.Context(), "wa/p:1", boxes{r}, calls, false); !errors.Is(err, mail.ErrNoContact) {
		t.Errorf("erased twice: %v", err)
	}
	r.says("tg/p:9", "again")
	if c := r.known()["tg/p:9"]; fmt.Sprint(c.Vars["heard"]) != "[again]" {
		t.Errorf("who writes again is %+v", c)
	}
}

// TestEraseAlias: what comes on a further address while a contact is erased waits,
// and is a new contact's then.
func TestEraseAlias(t *testing.T) {
	r := newRig(t, echoing)
	r.says("wa/p:1", "one")
	r.meet("tg/p:9")
	if _, err := r.merge("wa/p:1", "tg/p:9", false); err != nil {
		t.Fatal(err)
	}
	r.work()
	for _, by := range []contact.Key{"wa/p:1", "tg/p:9"} {
		known, key, _, leave, err := r.runner.pauseAll(t.Context(), by)
		if err != nil || key != "wa/p:1" || len(known.Also) != 1 {
			t.Fatalf("%s: %+v, %v", by, known, err)
		}
		for _, at := range known.Addresses() {
			if done, free := r.runner.people.Try(string(at)); free {
				done()
				t.Errorf("by %s: the work on %s goes on", by, at)
			}
		}
		leave()
	}
	if _, _, _, _, err := r.runner.pauseAll(t.Context(), "wa/p:3"); !errors.Is(err, mail.ErrNoContact) {
		t.Error(err)
	}
	if done, free := r.runner.people.Try("wa/p:3"); !free {
		t.Error("who is not known is held")
	} else {
		done()
	}
}

// TestEdit: what an operator says of a contact is kept, and what can't be is
// refused.
func TestEdit(t *testing.T) {
	r := newRig(t, echoing)
	text := func(s string) *string { return &s }
	on := true
	c, made, err := r.runner.EditContact(t.Context(), "wa/p:1", ContactEdit{Name: text("Ana"), Language: text("pt-br"), Opt: "in", AddTags: []string{"vip"}, Vars: map[string]any{"city": "Recife"}}, "operator", false)
	if err != nil || !made || c.Language != "pt-BR" || c.OptOf("wa/p:1") != "in" {
		t.Fatalf("%+v, made %v, %v", c, made, err)
	}
	for _, bad := range []ContactEdit{{Language: text("no tag!")}, {Opt: "maybe"}, {AddTags: []string{""}}, {Vars: map[string]any{contact.FieldKey: "x"}}} {
		_, _, err := r.runner.EditContact(t.Context(), "wa/p:1", bad, "operator", false)
		r.is(err, ErrBadEdit)
	}
	if _, _, err := r.runner.EditContact(t.Context(), "wa/p:1", ContactEdit{Blocked: &on}, "operator", false); err != nil {
		t.Fatal(err)
	}
	r.says("wa/p:1", "hello")
	r.wantSent("wa/p:1")
	if c := r.stored(); c.Blocked == nil || c.Blocked.Left != 1 || c.Vars["city"] != "Recife" {
		t.Errorf("the contact is %+v", c)
	}
}

// TestBlocked: nothing of a blocked contact starts or reaches a flow; it is
// counted, and a start that was asked for is on record as cancelled.
func TestBlocked(t *testing.T) {
	r := newRig(t, naming)
	r.says("wa/p:1", "ask")
	r.wantSent("wa/p:1", "name")
	block := func(on bool) {
		t.Helper()
		if _, _, err := r.runner.EditContact(t.Context(), "wa/p:1", ContactEdit{Blocked: &on}, "operator", false); err != nil {
			t.Fatal(err)
		}
	}
	block(true)
	before := len(r.records())
	r.says("wa/p:1", "Ana")
	r.says("wa/p:1", "ask")
	var b store.Batch
	if err := mail.Post(&b, "wa/p:1", mail.Letter{Start: &contact.Start{ID: "started", Flow: "ask", Trigger: "any"}, Received: r.now}, r.now); err != nil {
		t.Fatal(err)
	}
	r.commit(&b)
	r.work()
	r.wantSent("wa/p:1", "name")
	if c := r.stored(); c.Blocked == nil || c.Blocked.Left != 3 {
		t.Errorf("blocked: %+v, want 3 left", c.Blocked)
	}
	records := r.records()
	if len(records) != before+1 {
		t.Fatalf("%d runs, want one more than %d", len(records), before)
	}
	for _, one := range records {
		if one.ID == "started" && (one.Status != "cancelled" || one.Reason != "the contact is blocked") {
			t.Errorf("the start is %+v", one)
		}
	}
	block(false)
	r.says("wa/p:1", "Ana") // the run still waits
	r.wantSent("wa/p:1", "name", "thanks Ana")
}

// TestEditAlso: an address of which nothing is known becomes the contact's, and
// one of another contact does not.
func TestEditAlso(t *testing.T) {
	r := newRig(t, echoing)
	r.says("wa/p:2", "two")
	add := func(at contact.Key) error {
		_, _, err := r.runner.EditContact(t.Context(), "wa/p:1", ContactEdit{Also: []contact.Key{at}}, "import", false)
		return err
	}
	for range 2 {
		if err := add("tg/p:9"); err != nil {
			t.Fatal(err)
		}
	}
	r.is(add("wa/p:2"), ErrBadEdit)
	r.is(add("none/p:2"), mail.ErrNoContact)
	r.says("tg/p:9", "nine")
	if c := r.known()["wa/p:1"]; fmt.Sprint(c.Vars["heard"]) != "[nine]" || len(c.Also) != 1 {
		t.Errorf("the contact is %+v", c)
	}
	r.wantSent("tg/p:9", "tg nine")
}
