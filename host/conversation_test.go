package host_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trama-run/trama/host/admin"
	"github.com/trama-run/trama/host/engine"
)

// gets waits until a person got exactly these texts.
func (i *installation) gets(p *peer, who string, texts ...string) {
	i.t.Helper()
	i.eventually(who+"'s messages", func() error {
		if got := p.texts(who); !slices.Equal(got, texts) {
			return fmt.Errorf("%s got %q, want %q", who, got, texts)
		}
		return nil
	})
}

// statuses lists the statuses of all runs by flow, newest first.
func (i *installation) statuses() (all []string) {
	for _, r := range read[[]admin.RunInfo](i, "/v1/runs") {
		all = append(all, r.Flow+" "+string(r.Status))
	}
	return all
}

const sleepy = `schema: 1
id: talk
triggers: [{id: start, type: message}]
nodes:
  - {id: arm, type: start_inactivity, with: {after: 20s}}
  - {id: nap, type: wait, with: {for: 2s}}
  - {id: awake, type: send_message, with: {text: "awake"}}
  - {id: ask, type: wait_reply, with: {timeout: 2s}}
  - {id: got, type: send_message, with: {text: "got {{ input.text }}"}}
  - {id: late, type: send_message, with: {text: "late"}}
  - {id: again, type: wait_reply}
  - {id: silent, type: send_message, with: {text: "silent"}}
edges:
  - {from: start, to: arm}
  - {from: arm, to: nap}
  - {from: nap, to: awake}
  - {from: awake, to: ask}
  - {from: ask, to: got}
  - {from: ask, port: timeout, to: late}
  - {from: late, to: again}
  - {from: again, to: got}
  - {from: arm, port: inactive, to: silent}
`

// TestTimersSurvive: waits, timeouts and the inactivity timer hold over kills,
// are never early, and happen once.
func TestTimersSurvive(t *testing.T) {
	t.Parallel()
	p := newPeer(t)
	i := install(t, nil, withPost(t, p, sleepy))
	i.secrets = map[string]string{"post_key": postKey, "peer_token": "x"}
	child := i.startChild()
	began := time.Now()
	body := webhook(unit{ID: "u1", From: "ana", Text: "hi"})
	if err := i.send("POST", "http://"+child.addr+"/hooks/post", body, "X-Post-Signature", postSignature(body)).want(200); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		text    string
		atLeast time.Duration // since the message
	}{{"awake", 2 * time.Second}, {"late", 4 * time.Second}} {
		child.kill()
		child = i.startChild()
		i.eventually(step.text, func() error {
			if got := p.texts("ana"); !slices.Contains(got, step.text) {
				return fmt.Errorf("ana got %q", got)
			}
			return nil
		})
		if took := time.Since(began); took < step.atLeast {
			t.Errorf("%q came after %s, want %s at least", step.text, took, step.atLeast)
		}
	}
	child.kill()
	i.start() // the inactivity timer is overdue by now, or soon
	i.eventually("the end", func() error {
		// A send that a kill cut short is made again.
		if got := slices.Compact(p.texts("ana")); !slices.Equal(got, []string{"awake", "late", "silent"}) {
			return fmt.Errorf("ana got %q", got)
		}
		return nil
	})
	if got := i.statuses(); !slices.Equal(got, []string{"talk done"}) {
		t.Errorf("the runs are %q", got)
	}
}

const orders = `schema: 1
id: talk
triggers: [{id: start, type: message}]
nodes:
  - {id: ask, type: send_message, with: {text: "how many?"}}
  - {id: nap, type: wait, with: {for: 1h}}
  - {id: wait, type: wait_reply}
edges: [{from: start, to: ask}, {from: ask, to: nap}, {from: nap, to: wait}]
`

const menu = `schema: 1
id: menu
triggers: [{id: stop, type: message, channel: post, keywords: [menu], interrupt: true}]
nodes:
  - {id: say, type: send_message, with: {text: "the menu"}}
  - {id: wait, type: wait_reply}
  - {id: got, type: send_message, with: {text: "menu got {text}"}}
edges: [{from: stop, to: say}, {from: say, to: wait}, {from: wait, to: got}]
`

// TestInterrupt: a trigger that interrupts begins while a run sleeps; what the
// sleeping run was not told is noted, and the new run gets what comes next.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	i, p := startPost(t, nil, orders, map[string]string{"flows/menu.yaml": menu})
	i.accepted("d1", unit{ID: "u1", From: "ana", Text: "hi"})
	i.gets(p, "ana", "how many?")
	i.accepted("d2", unit{ID: "u2", From: "ana", Text: "five"})
	i.accepted("d3", unit{ID: "u3", From: "ana", Text: "Menu"})
	i.gets(p, "ana", "how many?", "the menu")
	i.accepted("d4", unit{ID: "u4", From: "ana", Text: "tea"})
	i.gets(p, "ana", "how many?", "the menu", "menu got tea")
	runs := read[[]admin.RunInfo](i, "/v1/runs")
	if got := i.statuses(); !slices.Equal(got, []string{"menu done", "talk cancelled"}) {
		t.Fatalf("the runs are %q", got)
	}
	old := read[admin.RunDetail](i, "/v1/runs/"+runs[1].ID)
	if old.Reason != "interrupted by flow menu" || len(old.Lines) != 1 || !strings.HasPrefix(old.Lines[0].Text, "1 messages came") {
		t.Errorf("the interrupted run: reason %q, lines %+v", old.Reason, old.Lines)
	}
}

// TestMessagesWhileAsleep: what comes while a run sleeps is for it, when it
// listens.
func TestMessagesWhileAsleep(t *testing.T) {
	t.Parallel()
	i, p := startPost(t, nil, strings.Replace(sleepy, "{id: arm, type: start_inactivity, with: {after: 20s}}", "{id: arm, type: start_inactivity, with: {after: 1h}}", 1))
	i.accepted("d1", unit{ID: "u1", From: "ana", Text: "hi"})
	i.accepted("d2", unit{ID: "u2", From: "ana", Text: "quick"})
	i.gets(p, "ana", "awake", "got quick")
}

// TestCallsOfOneRunAtOnce: sub-runs call at the same time; a kill repeats only
// what was not done.
func TestCallsOfOneRunAtOnce(t *testing.T) {
	t.Parallel()
	p := newPeer(t)
	i := install(t, nil, join(withPost(t, p, `schema: 1
id: talk
triggers: [{id: start, type: message}]
nodes:
  - {id: all, type: for_each, with: {items: [1, 2, 3, 4], concurrency: 2}}
  - {id: call, type: acme.register, connection: peer, with: {order: "{{ input }}"}}
  - {id: say, type: send_message, with: {text: "{{ len(input.results) }} done, {{ input.failed }} failed"}}
edges: [{from: start, to: all}, {from: all, port: each, to: call}, {from: all, to: say}]
`), map[string]string{"plugins/acme.wasm": guest(t, "acme", "1.0.0")}))
	i.secrets = map[string]string{"post_key": postKey, "peer_token": "the token of the peer"}
	child := i.startChild()
	calls := func() (keys []string) {
		for _, s := range p.got() {
			if s.Path == "/charges" {
				keys = append(keys, s.Key)
			}
		}
		return keys
	}
	atOnce := func(n int) {
		t.Helper()
		i.eventually(fmt.Sprint(n, " calls"), func() error {
			if got := len(calls()); got < n {
				return fmt.Errorf("%d calls", got)
			}
			return nil
		})
	}
	p.holdAll()
	body := webhook(unit{ID: "u1", From: "ana", Text: "hi"})
	if err := i.send("POST", "http://"+child.addr+"/hooks/post", body, "X-Post-Signature", postSignature(body)).want(200); err != nil {
		t.Fatal(err)
	}
	atOnce(2)
	p.release() // the first two are done
	p.holdAll()
	atOnce(4)
	child.kill()
	p.release()
	i.start()
	i.gets(p, "ana", "4 done, 0 failed")
	counts := map[string]int{}
	for _, key := range calls() {
		counts[key]++
	}
	// A result is on disk at the latest with the intent of the next call, so
	// the third and the fourth are made again, and no other.
	if len(counts) != 4 || len(calls()) != 6 {
		t.Errorf("%d calls with %d effect ids: %v", len(calls()), len(counts), counts)
	}
	if got := i.statuses(); !slices.Equal(got, []string{"talk " + string(engine.Done)}) {
		t.Errorf("the runs are %q", got)
	}
}
