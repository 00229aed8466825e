package run

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/trama-run/trama/host/contact"
	"github.com/trama-run/trama/host/deadletter"
	"github.com/trama-run/trama/host/plugin"
	"github.com/trama-run/trama/host/run/mail"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/pdk/abi"
)

const napping = `schema: 1
id: nap
triggers: [{id: hi, type: message, keywords: nap}]
nodes:
  - {id: sleep, type: wait, with: {for: 1h}}
  - {id: woke, type: send_message, with: {text: woke}}
edges: [{from: hi, to: sleep}, {from: sleep, to: woke}]
`

const stopping = `schema: 1
id: stop
triggers: [{id: s, type: message, keywords: stop, interrupt: true}]
nodes: [{id: ok, type: send_message, with: {text: stopped}}]
edges: [{from: s, to: ok}]
`

// needing can't begin: there is no plugin other.
func needing(trigger string) string {
	return fmt.Sprintf(`schema: 1
id: needs
triggers: [{id: go, %s}]
nodes: [{id: call, type: other.go, with: {}}]
edges: [{from: go, to: call}]
`, trigger)
}

// overflowing sets a variable of the contact, and has more than a contact's
// record takes.
func overflowing(trigger string) string {
	return fmt.Sprintf(`schema: 1
id: over
triggers: [{id: go, %s}]
nodes:
  - {id: fill, type: set_user, with: {set: {all: "{{ input }}", more: "{{ input }}", most: "{{ input }}"}}}
edges: [{from: go, to: fill}]
`, trigger)
}

var large = strings.Repeat("x", 3<<20)

func (r *rig) activate(flow string, variables map[string]any) {
	r.Helper()
	if _, err := r.runner.Activate(r.Context(), Activation{Flow: flow, Contacts: []string{"wa/p:1"}, Variables: variables}); err != nil {
		r.Fatal(err)
	}
}

func (r *rig) human(on bool) {
	r.Helper()
	if err := r.runner.SetWithHuman(r.Context(), "wa/p:1", on); err != nil {
		r.Fatal(err)
	}
}

// stored gives the contact.
func (r *rig) stored() contact.Contact {
	r.Helper()
	list, err := r.runner.Contacts(r.Context(), "", 1)
	if err != nil || len(list) != 1 {
		r.Fatalf("contacts %+v, %v", list, err)
	}
	return list[0]
}

// dead gives the dead letters with their items, the newest first.
func (r *rig) dead() (list []deadletter.Letter) {
	r.Helper()
	if err := deadletter.Each(r.Context(), r.store, deadletter.Filter{}, "", 100, 100, func(l deadletter.Letter) { list = append(list, l) }); err != nil {
		r.Fatal(err)
	}
	for i := range list {
		var err error
		if list[i], _, err = deadletter.Load(r.Context(), r.store, list[i].ID); err != nil {
			r.Fatal(err)
		}
	}
	return list
}

// wantRuns fails unless these are the flows that ran and how, in their order.
func (r *rig) wantRuns(want ...string) {
	r.Helper()
	got := []string{}
	for _, record := range r.records() {
		got = append(got, record.Flow+" "+string(record.Status))
	}
	if strings.Join(got, ", ") != strings.Join(want, ", ") {
		r.Errorf("runs: %s; want %s", strings.Join(got, ", "), strings.Join(want, ", "))
	}
}

// TestTooBigOnce: what starts a run that can't be stored is consumed with it,
// and the contact stays as it was.
func TestTooBigOnce(t *testing.T) {
	t.Run("later", func(t *testing.T) {
		r := newRig(t, napping, overflowing("type: activate"))
		r.says("wa/p:1", "nap")
		r.activate("over", map[string]any{"name": large})
		r.pass(2 * time.Hour)
		r.wantRuns("nap done", "over failed")
	})
	t.Run("open", func(t *testing.T) {
		r := newRig(t, napping, overflowing("type: activate"))
		r.activate("over", map[string]any{"name": large})
		r.work()
		r.wantRuns("over failed")
		r.says("wa/p:1", "nap")
		r.wantRuns("over failed", "nap waiting")
	})
	t.Run("interrupt", func(t *testing.T) {
		r := newRig(t, napping, overflowing("type: activate, interrupt: true"))
		r.says("wa/p:1", "nap")
		r.activate("over", map[string]any{"name": large})
		r.work()
		r.wantRuns("nap cancelled", "over failed")
		if old := r.records()[0]; old.Ended == nil || old.Reason != "interrupted by flow over" {
			t.Errorf("the record of the run that was interrupted: %+v", old)
		}
		if who := r.stored(); len(who.Later) > 0 || len(who.Vars) > 0 {
			t.Errorf("the contact is %+v", who)
		}
	})
}

// TestLaterIsLarge: what waiting starts bring is not in the contact's record.
func TestLaterIsLarge(t *testing.T) {
	r := newRig(t, napping, greeting)
	r.says("wa/p:1", "nap")
	for n := range 4 {
		r.activate("greet", map[string]any{"name": "Ana", "n": n, "notes": large})
		r.work()
	}
	if waiting := len(r.stored().Later); waiting != 4 {
		t.Fatalf("%d starts wait, want 4", waiting)
	}
	r.pass(2 * time.Hour)
	r.wantSent("wa/p:1", "woke", "hi Ana, 0", "hi Ana, 1", "hi Ana, 2", "hi Ana, 3")
	if left, err := r.store.Read(t.Context(), mail.Later("wa/p:1"), 0, 1); err != nil || len(left) > 0 {
		t.Errorf("left behind: %d items, %v", len(left), err)
	}
}

const watching = `schema: 1
id: watch
triggers: [{id: hi, type: message, keywords: hi}]
nodes:
  - {id: watch, type: start_inactivity, with: {after: 10m}}
  - {id: rest, type: %s}
  - {id: got, type: send_message, with: {text: got}}
  - {id: bye, type: send_message, with: {text: bye}}
edges: [{from: hi, to: watch}, {from: watch, to: rest}, {from: rest, to: got}, {from: watch, port: inactive, to: bye}]
`

// TestSilenceOverDowntime: only what a contact wrote before the inactivity timer
// was due sets it back, even if the host comes to both late.
func TestSilenceOverDowntime(t *testing.T) {
	for _, c := range []struct {
		name, rest string
		wrote      time.Duration // after the start
		want       string
	}{
		{"in time, to a run that sleeps", "wait, with: {for: 12m}", 9 * time.Minute, "got"},
		{"late, to a run that sleeps", "wait, with: {for: 12m}", 11 * time.Minute, "bye"},
		{"in time, to a run that listens", "wait_reply", 9 * time.Minute, "got"},
		{"late, to a run that listens", "wait_reply", 11 * time.Minute, "bye"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, fmt.Sprintf(watching, c.rest))
			r.says("wa/p:1", "hi")
			r.now = r.now.Add(c.wrote)
			r.mail("hello?")
			r.now = r.now.Add(14*time.Minute - c.wrote) // the host is down
			r.work()
			r.wantSent("wa/p:1", c.want)
		})
	}
}

// mail puts a message into the mailbox.
func (r *rig) mail(text string) {
	r.Helper()
	var b store.Batch
	unit := abi.Unit{ID: fmt.Sprint("u", r.now.UnixNano()), From: abi.Address{Scheme: "p", Path: "1"}, Message: &abi.Message{Type: abi.MessageText, Text: text}}
	if err := mail.Post(&b, "wa/p:1", mail.Letter{Unit: unit}, r.now); err != nil {
		r.Fatal(err)
	}
	r.commit(&b)
}

// busy is a plugin that asks to be called again in a day, until it is free.
type busy struct {
	*plugins
	free  bool
	calls int
}

func (b *busy) Call(context.Context, plugin.Call) (json.RawMessage, plugin.Usage, *abi.Error) {
	b.calls++
	if b.free {
		return json.RawMessage(`{}`), plugin.Usage{}, nil
	}
	return nil, plugin.Usage{}, &abi.Error{Code: "busy", Message: "busy", Retryable: true, RetryAfterMillis: 24 * 3600 * 1000}
}

// TestRetryPause: while a call waits to be made again, the contact is heard by
// what interrupts, by a person and by timers beside the call.
func TestRetryPause(t *testing.T) {
	const order = `schema: 1
id: order
triggers: [{id: hi, type: message, keywords: hi}]
nodes:
  - {id: call, type: slow.go, with: {}, retry: {attempts: 5, backoff: 1s}}
  - {id: done, type: send_message, with: {text: done}}
edges: [{from: hi, to: call}, {from: call, to: done}]
`
	begin := func(t *testing.T, flows ...string) (*rig, *busy) {
		r := newRig(t, flows...)
		b := &busy{plugins: (*plugins)(r)}
		r.runner.config.Plugins = b
		r.says("wa/p:1", "hi")
		if b.calls != 1 {
			t.Fatalf("%d calls, want 1", b.calls)
		}
		return r, b
	}
	t.Run("interrupt", func(t *testing.T) {
		r, b := begin(t, order, stopping)
		r.says("wa/p:1", "well?")
		r.says("wa/p:1", "stop")
		r.wantSent("wa/p:1", "stopped")
		r.pass(25 * time.Hour)
		r.wantRuns("order cancelled", "stop done")
		if b.calls != 1 {
			t.Errorf("%d calls, want 1", b.calls)
		}
	})
	t.Run("person", func(t *testing.T) {
		r, b := begin(t, order)
		r.human(true)
		r.work()
		if !r.stored().WithHuman {
			t.Error("no person attends")
		}
		b.free = true
		r.pass(25 * time.Hour)
		r.says("wa/p:1", "for the person")
		r.wantSent("wa/p:1")
		r.human(false)
		r.work()
		r.wantSent("wa/p:1", "done")
	})
	t.Run("timer", func(t *testing.T) {
		r, b := begin(t, `schema: 1
id: both
triggers: [{id: hi, type: message, keywords: hi}]
nodes:
  - {id: both, type: parallel, with: {branches: [a, b]}}
  - {id: call, type: slow.go, with: {}, retry: {attempts: 5, backoff: 1s}}
  - {id: rest, type: wait, with: {for: 1h}}
  - {id: woke, type: send_message, with: {text: woke}}
  - {id: done, type: send_message, with: {text: done}}
edges:
  - {from: hi, to: both}
  - {from: both, port: a, to: call}
  - {from: both, port: b, to: rest}
  - {from: rest, to: woke}
  - {from: both, to: done}
`)
		r.pass(2 * time.Hour)
		r.wantSent("wa/p:1", "woke")
		b.free = true
		r.pass(23 * time.Hour)
		r.wantSent("wa/p:1", "woke", "done")
	})
}

// TestHeldIsPassedBy: a flow that can't begin keeps nothing from what can.
func TestHeldIsPassedBy(t *testing.T) {
	t.Run("start", func(t *testing.T) {
		r := newRig(t, greeting, stopping, needing("type: activate"))
		r.activate("needs", nil)
		r.says("wa/p:1", "stop")
		r.activate("greet", nil)
		r.work()
		r.wantSent("wa/p:1", "stopped", "hi , ")
	})
	t.Run("later", func(t *testing.T) {
		r := newRig(t, greeting, napping, stopping, needing("type: activate"))
		r.says("wa/p:1", "nap")
		r.activate("needs", nil)
		r.activate("greet", map[string]any{"n": 1})
		r.work()
		if waiting := len(r.stored().Later); waiting != 2 {
			t.Fatalf("%d starts wait, want 2", waiting)
		}
		r.pass(2 * time.Hour)
		r.says("wa/p:1", "stop")
		r.wantSent("wa/p:1", "woke", "hi , 1", "stopped")
		r.apply(greeting) // it is not held any more, but gone
		r.pass(time.Minute)
		if dead := r.dead(); len(dead) != 1 || dead[0].RunID == "" || !strings.Contains(string(dead[0].Value), `"flow":"needs"`) || len(r.stored().Later) > 0 {
			t.Errorf("dead letters %+v", dead)
		}
	})
	t.Run("message", func(t *testing.T) {
		r := newRig(t, asking, stopping, needing("type: message, keywords: order"))
		r.says("wa/p:1", "order")
		r.says("wa/p:1", "oi") // has its turn after the order
		r.wantSent("wa/p:1")
		r.says("wa/p:1", "stop")
		r.wantSent("wa/p:1", "stopped")
		if lines := r.records()[0].Lines; len(lines) != 1 || !strings.Contains(lines[0].Text, "2 messages") {
			t.Errorf("the record says %+v", lines)
		}
	})
	t.Run("interrupt", func(t *testing.T) {
		r := newRig(t, napping, asking, stopping, needing("type: message, keywords: order, interrupt: true"))
		r.says("wa/p:1", "nap")
		r.says("wa/p:1", "order")
		r.pass(2 * time.Hour)
		r.wantSent("wa/p:1", "woke")
		r.says("wa/p:1", "stop")
		r.says("wa/p:1", "oi")
		r.says("wa/p:1", "order")
		r.says("wa/p:1", "Ana") // has its turn after the order
		r.wantSent("wa/p:1", "woke", "stopped", "name?")
		r.says("wa/p:1", "stop")
		r.wantSent("wa/p:1", "woke", "stopped", "name?", "stopped")
	})
}

// TestHeldPace: a conversation is said to be held once, and looks again the more
// rarely the longer its letter waits.
func TestHeldPace(t *testing.T) {
	r := newRig(t, needing("type: message, keywords: order"))
	r.mail("hello")
	r.work()
	r.now = r.now.Add(time.Hour) // since the contact wrote last
	since := r.now
	r.mail("order")
	for _, c := range []struct{ waited, pause time.Duration }{
		{0, 2 * time.Second}, {2 * time.Second, 2 * time.Second}, {time.Minute, 15 * time.Second}, {time.Hour, 30 * time.Second},
	} {
		r.now = since.Add(c.waited)
		again, err := r.runner.Contact(t.Context(), "contact:wa/p:1")
		if err != nil || again.Sub(r.now) != c.pause {
			t.Errorf("after %s again in %s, %v; want %s", c.waited, again.Sub(r.now), err, c.pause)
		}
	}
	if n := strings.Count(r.log.String(), "level=WARN"); n != 1 {
		t.Errorf("said %d times, want once: %s", n, r.log.String())
	}
}
