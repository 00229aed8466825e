package run

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/trama-run/trama/host/contact"
	"github.com/trama-run/trama/host/deadletter"
	"github.com/trama-run/trama/host/engine"
	"github.com/trama-run/trama/host/run/mail"
)

const greeting = `schema: 1
id: greet
triggers:
  - {id: now, type: activate}
  - {id: urgent, type: activate, interrupt: true}
nodes: [{id: say, type: send_message, with: {text: "hi {{ input.name }}, {{ input.n }}"}}]
edges: [{from: now, to: say}, {from: urgent, to: say}]
`

// TestActivate: a flow starts for contacts that never wrote, once for an id.
func TestActivate(t *testing.T) {
	r := newRig(t, greeting)
	a := Activation{Flow: "greet", Contacts: []string{"wa/p:1", "wa/p:2", "wa/p:1"}, Variables: map[string]any{"name": "Ana", "n": int64(9007199254740993)}, Each: map[string]map[string]any{"wa/p:2": {"name": "Bob"}}, ID: "sheet-7"}
	first, err := r.runner.Activate(t.Context(), a)
	if err != nil || len(first.Runs) != 2 || first.Repeated {
		t.Fatalf("%+v, %v", first, err)
	}
	r.work()
	r.wantSent("wa/p:1", "hi Ana, 9007199254740993")
	r.wantSent("wa/p:2", "hi Bob, 9007199254740993")
	r.open()
	r.now = r.now.Add(7 * 24 * time.Hour)
	again, err := r.runner.Activate(t.Context(), a)
	if err != nil || !again.Repeated || fmt.Sprint(again.Runs) != fmt.Sprint(first.Runs) {
		t.Errorf("again: %+v, %v; want the runs of the first time, %v", again, err, first.Runs)
	}
	other := a
	other.Trigger = "urgent"
	_, err = r.runner.Activate(t.Context(), other)
	r.is(err, ErrIDUsed)
	r.work()
	r.wantSent("wa/p:1", "hi Ana, 9007199254740993")
	r.now = r.now.Add(2 * 24 * time.Hour) // the id is forgotten
	if later, err := r.runner.Activate(t.Context(), a); err != nil || later.Repeated {
		t.Errorf("after the window: %+v, %v", later, err)
	}
	list, err := r.runner.Contacts(t.Context(), "", 10)
	if err != nil || len(list) != 2 || list[1].Key() != "wa/p:2" {
		t.Errorf("contacts %+v, %v", list, err)
	}
}

// TestActivateRefused: all of a list, or nothing.
func TestActivateRefused(t *testing.T) {
	r := newRig(t, greeting, saying("talk", "type: message"))
	many := make([]string, MaxActivated+1)
	for i := range many {
		many[i] = fmt.Sprint("wa/p:", i)
	}
	for _, c := range []struct {
		a    Activation
		is   error
		says string
	}{
		{Activation{Flow: "none", Contacts: many[:1]}, ErrNoFlow, `flow "none" is not published`},
		{Activation{Flow: "talk", Contacts: many[:1]}, ErrNoFlow, "of type activate"},
		{Activation{Flow: "greet", Trigger: "later", Contacts: many[:1]}, ErrNoFlow, `"later"`},
		{Activation{Flow: "greet"}, mail.ErrNoContact, "0 contacts; name 1 to 300"},
		{Activation{Flow: "greet", Contacts: many[:1], Each: map[string]map[string]any{"wa/p:9": nil}}, mail.ErrNoContact, "not among the contacts"},
		{Activation{Flow: "greet", Contacts: many}, mail.ErrNoContact, "301 contacts"},
		{Activation{Flow: "greet", Contacts: []string{"wa/p:1", "nobody", "sms/p:1", "wa/P:1", "wa/p:"}}, mail.ErrNoContact, `the channel "sms", which is not configured`},
	} {
		_, err := r.runner.Activate(t.Context(), c.a)
		if !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %v, want %v with %q", c.a, err, c.is, c.says)
		}
	}
	r.work()
	r.wantSent("wa/p:1")
	if _, err := r.runner.Activate(t.Context(), Activation{Flow: "greet", Contacts: many[:MaxActivated], ID: "x"}); err != nil {
		t.Errorf("as many as may be: %v", err)
	}
}

// TestActivateWaits: while a run waits, what is activated waits for its end, up
// to a bound; what is over it is a dead letter and holds no message.
func TestActivateWaits(t *testing.T) {
	r := newRig(t, greeting, asking)
	r.says("wa/p:1", "oi")
	for n := range maxLater + 3 {
		if _, err := r.runner.Activate(t.Context(), Activation{Flow: "greet", Contacts: []string{"wa/p:1"}, Variables: map[string]any{"n": n}}); err != nil {
			t.Fatal(err)
		}
		r.work()
	}
	r.wantSent("wa/p:1", "name?")
	r.says("wa/p:1", "Ana")
	sent := r.sent("wa/p:1")
	if len(sent) != 2+maxLater || sent[1] != "hello Ana" || sent[2] != "hi , 0" || sent[21] != "hi , 19" {
		t.Errorf("sent %q", sent)
	}
	var dead []deadletter.Letter
	if err := deadletter.Each(t.Context(), r.store, deadletter.Filter{}, "", 10, 10, func(l deadletter.Letter) { dead = append(dead, l) }); err != nil {
		t.Fatal(err)
	}
	if len(dead) != 3 || dead[0].RunID == "" || !strings.Contains(dead[0].Reason.Message, "20 flows wait") {
		t.Fatalf("dead letters %+v", dead)
	}
	if err := deadletter.Replay(t.Context(), r.store, dead[2].ID, nil, r.now); err != nil {
		t.Fatal(err)
	}
	r.work()
	if sent := r.sent("wa/p:1"); len(sent) != 3+maxLater || sent[len(sent)-1] != "hi , 20" {
		t.Errorf("after a replay: %q", sent)
	}

	r.says("wa/p:2", "oi")
	if _, err := r.runner.Activate(t.Context(), Activation{Flow: "greet", Trigger: "urgent", Contacts: []string{"wa/p:2"}}); err != nil {
		t.Fatal(err)
	}
	r.work()
	r.wantSent("wa/p:2", "name?", "hi , ")
}

// TestActivatedFlowGoes: a flow that is gone when its turn comes holds nothing.
func TestActivatedFlowGoes(t *testing.T) {
	r := newRig(t, greeting, asking)
	r.says("wa/p:1", "oi")
	if _, err := r.runner.Activate(t.Context(), Activation{Flow: "greet", Contacts: []string{"wa/p:1"}}); err != nil {
		t.Fatal(err)
	}
	r.work() // it waits for the end of the run
	r.apply(asking)
	r.says("wa/p:1", "Ana")
	r.says("wa/p:1", "oi")
	r.wantSent("wa/p:1", "name?", "hello Ana", "name?")
	n := 0
	if err := deadletter.Each(t.Context(), r.store, deadletter.Filter{Queue: mail.Key("wa/p:1")}, "", 10, 10, func(deadletter.Letter) { n++ }); err != nil || n != 1 {
		t.Errorf("%d dead letters, %v; want 1", n, err)
	}
}

// TestLongStartGoes: a start that can't be is a dead letter however long its
// value is, and holds no message.
func TestLongStartGoes(t *testing.T) {
	r := newRig(t, greeting)
	long := strings.Repeat("x", 7<<20)
	if _, err := r.runner.Activate(t.Context(), Activation{Flow: "greet", Contacts: []string{"wa/p:1"}, Variables: map[string]any{"name": long}}); err != nil {
		t.Fatal(err)
	}
	r.apply(asking)
	r.says("wa/p:1", "oi")
	r.wantSent("wa/p:1", "name?")
	n := 0
	if err := deadletter.Each(t.Context(), r.store, deadletter.Filter{Queue: mail.Key("wa/p:1")}, "", 10, 10, func(deadletter.Letter) { n++ }); err != nil || n != 1 {
		t.Errorf("%d dead letters, %v; want 1", n, err)
	}
}

func TestEmit(t *testing.T) {
	const paid = `schema: 1
id: %s
triggers: [{id: paid, type: event, event: order.paid}]
nodes: [{id: stop, type: end, with: {result: "{{ input.data.order }} {{ input.contact }}"}}]
edges: [{from: paid, to: stop}]
`
	r := newRig(t, fmt.Sprintf(paid, "a"), fmt.Sprintf(paid, "b"), asking)
	e := Event{Name: "order.paid", Data: map[string]any{"order": int64(9007199254740993)}, ID: "o1"}
	first, err := r.runner.Emit(t.Context(), e)
	if err != nil || len(first.Runs) != 2 {
		t.Fatalf("%+v, %v", first, err)
	}
	r.work()
	again, err := r.runner.Emit(t.Context(), e)
	if err != nil || !again.Repeated || again.Runs["a"] != first.Runs["a"] {
		t.Errorf("again: %+v, %v", again, err)
	}
	r.work()
	if got := r.fired("a"); len(got) != 1 || got[0] != "9007199254740993 " {
		t.Errorf("a ran %q", got)
	}
	_, err = r.runner.Emit(t.Context(), Event{Name: "order.lost"})
	r.is(err, ErrNoFlow)
	_, err = r.runner.Emit(t.Context(), Event{Name: "order.paid", Contact: "sms/p:1"})
	r.is(err, mail.ErrNoContact)

	r.says("wa/p:1", "oi") // the contact's own run comes first
	if _, err := r.runner.Emit(t.Context(), Event{Name: "order.paid", Contact: "wa/p:1", Data: map[string]any{"order": "x"}}); err != nil {
		t.Fatal(err)
	}
	r.work()
	if got := r.fired("b"); len(got) != 1 {
		t.Errorf("b ran %q", got)
	}
	r.says("wa/p:1", "Ana")
	if got := r.fired("b"); len(got) != 2 || got[1] != "x wa/p:1" {
		t.Errorf("b ran %q", got)
	}
}

// TestWithHuman: an operator takes a conversation over at once, even from a
// run that sleeps, and gives it back.
func TestWithHuman(t *testing.T) {
	r := newRig(t, greeting, asking, `schema: 1
id: sleepy
triggers: [{id: start, type: message, keywords: sleep}]
nodes: [{id: rest, type: wait, with: {for: 1h}}, {id: say, type: send_message, with: {text: awake}}]
edges: [{from: start, to: rest}, {from: rest, to: say}]
`)
	human := func(on bool) {
		t.Helper()
		r.now = r.now.Add(time.Second)
		if err := r.runner.SetWithHuman(t.Context(), "wa/p:1", on); err != nil {
			t.Fatal(err)
		}
		r.work()
	}
	human(true) // nobody has written yet
	r.says("wa/p:1", "for the person")
	if _, err := r.runner.Activate(t.Context(), Activation{Flow: "greet", Contacts: []string{"wa/p:1"}}); err != nil {
		t.Fatal(err)
	}
	r.work()
	r.wantSent("wa/p:1")
	human(false)
	r.wantSent("wa/p:1", "hi , ")
	r.says("wa/p:1", "sleep")
	r.says("wa/p:1", "hello?") // is not heard while the run sleeps
	human(true)
	r.now = r.now.Add(2 * time.Hour)
	r.work()
	r.wantSent("wa/p:1", "hi , ")
	r.says("wa/p:1", "thank you")
	human(false)
	r.wantSent("wa/p:1", "hi , ", "awake")
	r.says("wa/p:1", "oi")
	r.wantSent("wa/p:1", "hi , ", "awake", "name?")
	at, err := r.runner.Standing(t.Context(), "wa/p:1")
	if err != nil || at == nil || at.Flow != "asking" || at.Node != "wait" || at.Status != engine.Waiting || !at.Listens {
		t.Errorf("the contact stands at %+v, %v", at, err)
	}
	if at, err := r.runner.Standing(t.Context(), contact.Key("wa/p:9")); at != nil || err != nil {
		t.Errorf("nobody stands at %+v, %v", at, err)
	}
	r.is(r.runner.SetWithHuman(t.Context(), "sms/p:1", true), mail.ErrNoContact)
}

// TestCancel: an operator ends what waits, sleeps or is at work; the contact's
// next message begins anew.
func TestCancel(t *testing.T) {
	const calls = `schema: 1
id: calls
triggers: [{id: start, type: message, keywords: go}, {id: ev, type: event, event: go}]
nodes:
  - {id: go, type: slow.go}
  - {id: stop, type: end, with: {result: done}}
edges: [{from: start, to: go}, {from: ev, to: go}, {from: go, to: stop}]
`
	r := newRig(t, asking, calls, scheduled("tick", "every: 1h"))
	r.says("wa/p:1", "oi")
	waiting := r.records()[0]
	if err := r.runner.Cancel(t.Context(), waiting.ID); err != nil {
		t.Fatal(err)
	}
	r.work()
	ended := r.records()[0]
	if ended.Status != engine.Cancelled || ended.Reason != "cancelled by an operator" || ended.Ended == nil || len(ended.Steps) == 0 {
		t.Errorf("the record says %+v", ended)
	}
	r.is(r.runner.Cancel(t.Context(), waiting.ID), ErrNotStored)
	r.is(r.runner.Cancel(t.Context(), "nothing"), ErrNoRun)
	r.says("wa/p:1", "oi")
	r.wantSent("wa/p:1", "name?", "name?")

	// A session that is deleted while its call is made: the drive can't commit.
	started, err := r.runner.Emit(t.Context(), Event{Name: "go"})
	if err != nil {
		t.Fatal(err)
	}
	id, made := started.Runs["calls"], 0
	r.call = func() {
		made++
		if err := r.runner.Cancel(t.Context(), id); err != nil {
			t.Error(err)
		}
	}
	r.work()
	r.now = r.now.Add(time.Hour)
	r.work()
	if made != 1 {
		t.Errorf("%d calls, want 1", made)
	}
	for _, record := range r.records() {
		if record.ID == id && (record.Status != engine.Cancelled || record.Result != nil) {
			t.Errorf("the record says %+v", record)
		}
	}

	// A conversation's run likewise; the letters behind it are worked on.
	r.call = func() {
		r.call = nil
		for _, record := range r.records() {
			if record.Flow == "calls" && record.Ended == nil {
				if err := r.runner.Cancel(t.Context(), record.ID); err != nil {
					t.Error(err)
				}
			}
		}
	}
	r.says("wa/p:2", "go")
	r.says("wa/p:2", "oi")
	r.pass(time.Minute)
	r.wantSent("wa/p:2", "name?")

	// One that has not begun yet, and has no record.
	late, err := r.runner.Emit(t.Context(), Event{Name: "go"})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.runner.Cancel(t.Context(), late.Runs["calls"]); err != nil {
		t.Fatal(err)
	}
	r.call = func() { t.Error("a cancelled run made a call") }
	r.pass(time.Minute)
	if last := r.records()[len(r.records())-1]; last.Status != engine.Cancelled || last.Trigger != "ev" || last.Flow != "calls" {
		t.Errorf("the record says %+v", last)
	}
}

// TestEventLoop: flows that start one another come to an end, with and without
// a contact, over sleeps and restarts, and the last run says why.
func TestEventLoop(t *testing.T) {
	for _, c := range []struct {
		name, contact, nodes, edges string
		endless                     bool
	}{
		{"runs", "", "", "{from: e, to: again}", false},
		{"conversations", "wa/p:1", "", "{from: e, to: again}", false},
		{"sleepers", "", "{id: sleep, type: wait, with: {for: 1h}}, ", "{from: e, to: sleep}, {from: sleep, to: again}", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			with := ""
			if c.contact != "" {
				with = ", contact: " + c.contact
			}
			r := newRig(t, fmt.Sprintf(`schema: 1
id: loop
triggers: [{id: e, type: event, event: tick}]
nodes: [%s{id: again, type: emit_event, with: {event: tick%s}}]
edges: [%s]
`, c.nodes, with, c.edges))
			if _, err := r.runner.Emit(t.Context(), Event{Name: "tick", Contact: c.contact, Data: map[string]any{"hops": -100}}); err != nil {
				t.Fatal(err)
			}
			for range maxHops + 5 {
				r.work()
				r.now = r.now.Add(time.Hour)
				r.open()
			}
			all := r.records()
			if c.endless { // who waits in between may go on for ever
				if len(all) < maxHops+2 || strings.Contains(r.log.String(), "event starts nothing") {
					t.Fatalf("%d runs; the log: %s", len(all), r.log.String())
				}
				return
			}
			if len(all) != maxHops+1 {
				t.Fatalf("%d runs, want %d", len(all), maxHops+1)
			}
			last := 0
			for _, record := range all {
				if strings.Contains(fmt.Sprint(record.Lines), "10 events led to it") {
					last++
				}
			}
			if last != 1 || !strings.Contains(r.log.String(), "event starts nothing") {
				t.Errorf("%d runs say that they started nothing; the log: %s", last, r.log.String())
			}
		})
	}
}

// TestEmitToNobody: an event for a contact of a channel that is not configured
// fails at its node.
func TestEmitToNobody(t *testing.T) {
	r := newRig(t, asking, `schema: 1
id: tell
triggers: [{id: ev, type: event, event: go}]
nodes:
  - {id: tell, type: emit_event, with: {event: paid, contact: "{{ input.data }}"}}
  - {id: told, type: end, with: {result: told}}
  - {id: failed, type: end, with: {result: "{{ error.code }}: {{ error.message }}"}}
edges: [{from: ev, to: tell}, {from: tell, to: told}, {from: tell, port: error, to: failed}]
`)
	want := map[string]string{
		"wa/p:1":  "told",
		"sms/p:1": `no_contact: contact: "sms/p:1" is of the channel "sms", which is not configured or has no contacts: add it to channels.yaml`,
	}
	for who, result := range want {
		started, err := r.runner.Emit(t.Context(), Event{Name: "go", Data: who})
		if err != nil {
			t.Fatal(err)
		}
		r.work()
		for _, record := range r.records() {
			if record.ID == started.Runs["tell"] && fmt.Sprint(record.Result) != result {
				t.Errorf("%s: %v", who, record.Result)
			}
		}
	}
	if n := len(r.records()); n != len(want) {
		t.Errorf("%d runs", n)
	}
}
