package run

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/contact"
	"github.com/trama-run/trama/host/engine"
	"github.com/trama-run/trama/host/store"
)

// listeners subscribe to some types: what they are told is in a queue.
type listeners []string

const toldQueue = "told"

func (l listeners) Want(typ string) bool { return slices.Contains(l, typ) }

func (l listeners) Heard(typ string) bool { return l.Want(typ) }

func (l listeners) Tell(b *store.Batch, typ, mark string, data map[string]any) (bool, error) {
	if !l.Want(typ) {
		return false, nil
	}
	value, err := json.Marshal(map[string]any{"type": typ, "data": data})
	b.Append = append(b.Append, store.Append{Queue: toldQueue, Value: value})
	return true, err
}

// listened is a rig that somebody listens to.
func listened(t *testing.T, types []string, flows ...string) *rig {
	r := newRig(t, flows...)
	r.runner.config.Subscribers = listeners(types)
	return r
}

// told gives what was told, and forgets it: of each, its type and some members.
func (r *rig) told(members ...string) (list []string) {
	r.Helper()
	items, err := r.store.Read(r.Context(), toldQueue, 0, 100)
	if err != nil {
		r.Fatal(err)
	}
	for _, item := range items {
		var e struct {
			Type string
			Data map[string]any
		}
		if err := json.Unmarshal(item.Value, &e); err != nil {
			r.Fatal(err)
		}
		line := e.Type
		for _, m := range members {
			if e.Data[m] != nil {
				line += fmt.Sprintf(" %s=%v", m, e.Data[m])
			}
		}
		list = append(list, line)
		r.commit(&store.Batch{Remove: []store.ItemRef{{Queue: toldQueue, Position: item.Position}}})
	}
	return list
}

func (r *rig) wantTold(got []string, want ...string) {
	r.Helper()
	if !slices.Equal(got, want) {
		r.Errorf("told %q, want %q", got, want)
	}
}

const toldFlow = `schema: 1
id: shop
triggers: [{id: e, type: event, event: order}, {id: g, type: gateway}]
nodes:
  - {id: is, type: conditional, with: {branches: [{port: bad, when: "(trigger.data ?? trigger.body).bad == true"}]}}
  - {id: fails, type: set_flow, with: {set: {x: "{{ 1 / trigger.data }}"}}}
  - {id: stop, type: end, with: {result: {ref: 7}, label: good}}
edges: [{from: e, to: is}, {from: g, to: is}, {from: is, port: bad, to: fails}, {from: is, port: else, to: stop}]
`

// TestTellsEnds: each way in which a run ends is told, in the commit that ends
// it.
func TestTellsEnds(t *testing.T) {
	r := listened(t, []string{catalog.EventRun}, toldFlow, napping, overflowing("type: activate, interrupt: true"))
	members := []string{"flow", "status", "result", "label", "contact", "channel", "error", "reason"}

	started, err := r.runner.Emit(r.Context(), Event{Name: "order", Data: map[string]any{}})
	if err != nil {
		t.Fatal(err)
	}
	r.work()
	r.wantTold(r.told(append(members, "run_id")...), "run.finished flow=shop status=done result=map[ref:7] label=good run_id="+started.Runs["shop"])

	// A run of the gateway that needs no commit has one, before its answer.
	answer, err := r.runner.Gateway(r.Context(), "", r.catalog.Snapshot().Flows["shop"], "g", map[string]any{"body": map[string]any{}}, func() {})
	if err != nil {
		t.Fatal(err)
	}
	r.wantTold(r.told("run_id", "status"), "run.finished run_id="+answer.RunID+" status=done")

	// One that fails.
	if _, err := r.runner.Emit(r.Context(), Event{Name: "order", Data: map[string]any{"bad": true}}); err != nil {
		t.Fatal(err)
	}
	r.work()
	if got := r.told("status", "error"); len(got) != 1 || !strings.HasPrefix(got[0], "run.finished status=failed error=map[code:") || !strings.Contains(got[0], "node:fails") {
		t.Errorf("told %q", got)
	}

	// A conversation that is interrupted, or cancelled by an operator.
	r.says("wa/p:1", "nap")
	r.wantTold(r.told())
	r.activate("over", map[string]any{"name": "x"})
	r.work()
	r.wantTold(r.told("flow", "status", "contact", "channel", "reason"),
		"run.finished flow=nap status=cancelled contact=wa/p:1 channel=wa reason=interrupted by flow over", "run.finished flow=over status=done contact=wa/p:1 channel=wa")
	r.says("wa/p:1", "nap")
	records := r.records()
	if err := r.runner.Cancel(r.Context(), records[len(records)-1].ID); err != nil {
		t.Fatal(err)
	}
	r.wantTold(r.told(members...), "run.finished flow=nap status=cancelled contact=wa/p:1 channel=wa reason=cancelled by an operator")
}

// TestTellsEvents: an event is told, whether it starts flows or not.
func TestTellsEvents(t *testing.T) {
	r := listened(t, []string{catalog.EventFlow + ":order", catalog.EventFlow + ":lonely"}, toldFlow)
	for _, e := range []Event{{Name: "order", Data: map[string]any{"n": 1}}, {Name: "lonely", Data: "x", Contact: "wa/x:1", ID: "1"}, {Name: "lonely", Data: "x", Contact: "wa/x:1", ID: "1"}} {
		if _, err := r.runner.Emit(r.Context(), e); err != nil {
			t.Errorf("%s: %v", e.Name, err)
		}
	}
	r.wantTold(r.told("event", "data", "contact"), "event:order event=order data=map[n:1]", "event:lonely event=lonely data=x contact=wa/x:1")
	_, err := r.runner.Emit(r.Context(), Event{Name: "nobody"})
	r.is(err, ErrNoFlow)
	r.wantTold(r.told())
}

// TestSecretly: of a run that makes a secret, nothing is kept.
func TestSecretly(t *testing.T) {
	r := listened(t, []string{catalog.EventRun}, `schema: 1
id: token
triggers: [{id: g, type: gateway}]
nodes:
  - {id: keep, type: set_flow, with: {set: {token: "{{ trigger.body.canary }}"}}}
  - {id: reply, type: response.json, with: {body: {token: "{{ flow.token }}"}}}
edges: [{from: g, to: keep}, {from: keep, to: reply}]
`)
	ctx, cancel := context.WithTimeout(r.Context(), time.Minute)
	defer cancel()
	answer, err := r.runner.Secretly(ctx, r.catalog.Snapshot().Flows["token"], "g", map[string]any{"body": map[string]any{"canary": "tok-canary"}})
	if err != nil || answer.Response == nil || fmt.Sprint(answer.Response.Body) != "map[token:tok-canary]" {
		t.Fatalf("%+v, %v", answer, err)
	}
	r.wantTold(r.told())
	r.runner.Close(ctx) // its record is stored
	records := r.records()
	data, err := json.Marshal(records)
	if err != nil || len(records) != 1 || records[0].Status != engine.Done || len(records[0].Steps) == 0 {
		t.Fatalf("%s, %v", data, err)
	}
	if strings.Contains(string(data), "canary") {
		t.Errorf("the record shows it: %s", data)
	}
}

// TestTellsWho: an event that a run emits names the run, and a run that a
// webhook started names the webhook.
func TestTellsWho(t *testing.T) {
	r := listened(t, []string{catalog.EventFlow + ":next"}, `schema: 1
id: first
triggers: [{id: e, type: event, event: order}]
nodes:
  - {id: emit, type: emit_event, with: {event: next}}
edges: [{from: e, to: emit}]
`)
	from := contact.Origin{Channel: "erp", Request: "req-7", Delivery: "d1"}
	started, err := r.runner.Emit(r.Context(), Event{Name: "order", From: &from})
	if err != nil {
		t.Fatal(err)
	}
	r.work()
	r.wantTold(r.told("run_id"), "event:next run_id="+started.Runs["first"])
	if records := r.records(); len(records) != 1 || records[0].From == nil || *records[0].From != from {
		t.Errorf("records %+v", records)
	}
}
