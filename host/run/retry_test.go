package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/contact"
	"github.com/trama-run/trama/host/engine"
	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/host/plugin"
	"github.com/trama-run/trama/host/run/mail"
	"github.com/trama-run/trama/host/run/record"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/host/store/document"
	"github.com/trama-run/trama/host/store/memory"
	"github.com/trama-run/trama/pdk/abi"
)

// acme is a plugin with one operation, which fails until it is told otherwise.
type acme struct {
	works   bool
	effects []string // effect ids of its calls
}

func (a *acme) Call(_ context.Context, c plugin.Call) (json.RawMessage, plugin.Usage, *abi.Error) {
	a.effects = append(a.effects, c.EffectID)
	if !a.works {
		return nil, plugin.Usage{}, &abi.Error{Code: "down", Message: "acme is down"}
	}
	return json.RawMessage(`{"id": 7}`), plugin.Usage{}, nil
}

func (a *acme) ManifestOf(string, string) (abi.Manifest, bool) {
	return abi.Manifest{Name: "acme", Kind: abi.KindConnector, Operations: []abi.Operation{{Name: "do", Effect: abi.EffectIdempotent}}}, true
}
func (a *acme) Serving(string) string             { return "digest" }
func (a *acme) ReadyOf(string, string) *abi.Error { return nil }

// installed is a runner on a store in memory.
type installed struct {
	*Runner
	t       *testing.T
	store   store.Store
	catalog *catalog.Catalog
	acme    acme
	now     time.Time
}

func install(t *testing.T, documents ...string) *installed {
	i := &installed{t: t, store: memory.Open(memory.NewDisk(), nil), now: time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)}
	var err error
	if i.catalog, err = catalog.Open(t.Context(), i.store, func(*catalog.Snapshot) {}); err != nil {
		t.Fatal(err)
	}
	i.publish(documents...)
	i.Runner = New(Config{
		Store: i.store, Catalog: func() *catalog.Catalog { return i.catalog }, Plugins: &i.acme, Poke: func() {},
		Now: func() time.Time { return i.now }, Sleep: func(context.Context, time.Duration) error { return nil },
		InOrder: true, Log: slog.New(slog.DiscardHandler),
	})
	t.Cleanup(func() { i.Close(context.Background()) })
	return i
}

func (i *installed) publish(documents ...string) {
	i.t.Helper()
	set := catalog.Set{Channels: []catalog.Channel{{ID: "chat", Adapter: "chat"}}}
	for n, document := range documents {
		f, err := flow.Parse(fmt.Sprintf("flow%d.yaml", n), []byte(document))
		if err != nil {
			i.t.Fatal(err)
		}
		set.Flows = append(set.Flows, f)
	}
	if _, err := i.catalog.Apply(i.t.Context(), set, true); err != nil {
		i.t.Fatal(err)
	}
}

func (i *installed) flow(id string) catalog.Flow { return i.catalog.Snapshot().Flows[id] }

func (i *installed) record(id string) (r record.Record) {
	i.t.Helper()
	if _, found, err := document.Load(i.t.Context(), i.store, record.ID(id), &r); err != nil || !found {
		i.t.Fatalf("record %s: found %v, %v", id, found, err)
	}
	return r
}

// work lets a handler work until it has nothing to do now.
func (i *installed) work(handle func(context.Context, string) (time.Time, error), key string) {
	i.t.Helper()
	for range 100 {
		next, err := handle(i.t.Context(), key)
		if err != nil {
			i.t.Fatal(err)
		}
		if next.IsZero() || next.After(i.now) {
			return
		}
	}
	i.t.Fatalf("%s comes to no end", key)
}

const chatter = contact.Key("chat/test:ana")

// says puts a message of the contact into its mailbox, and lets it be read.
func (i *installed) says(text string) {
	i.t.Helper()
	letter := mail.Letter{Unit: abi.Unit{ID: text + i.now.String(), From: abi.Address{Scheme: "test", Path: "ana"}, Message: &abi.Message{Type: abi.MessageText, Text: text}}, Received: i.now}
	data, err := json.Marshal(letter)
	if err != nil {
		i.t.Fatal(err)
	}
	if _, err := i.store.Commit(i.t.Context(), &store.Batch{Append: []store.Append{{Queue: mail.Key(chatter), Value: data}}}); err != nil {
		i.t.Fatal(err)
	}
	i.work(i.Contact, mail.Key(chatter))
}

// runs lists the ids of records, oldest first.
func (i *installed) runs() (ids []string) {
	i.t.Helper()
	records, err := i.store.List(i.t.Context(), record.Kind, "", 100, false)
	if err != nil {
		i.t.Fatal(err)
	}
	for _, r := range records {
		ids = append(ids, r.ID.Key)
	}
	return ids
}

const called = `
schema: 1
id: called
triggers: [{id: start, type: gateway}]
nodes:
  - {id: do, type: acme.do, with: {}}
  - {id: done, type: end, with: {result: "{{ nodes.do.id }}"}}
edges: [{from: start, to: do}, {from: do, to: done}]
`

func TestRetry(t *testing.T) {
	i := install(t, called)
	a, err := i.Drive(i.flow("called"), "start", map[string]any{})
	if err != nil || a == nil || a.Failure == nil {
		t.Fatalf("answered %+v, %v", a, err)
	}
	if _, err := i.Retry(t.Context(), "none", false); !errors.Is(err, ErrNotFailed) {
		t.Errorf("an unknown run: %v", err)
	}
	// A double click retries once.
	var ok, refused int
	var clicks sync.WaitGroup
	errs := make(chan error, 8)
	for range cap(errs) {
		clicks.Go(func() { _, err := i.Retry(context.Background(), a.RunID, false); errs <- err })
	}
	clicks.Wait()
	close(errs)
	for err := range errs {
		switch {
		case err == nil:
			ok++
		case errors.Is(err, ErrNotFailed), errors.Is(err, ErrKeyTaken), errors.Is(err, ErrMoved):
			refused++
		default:
			t.Errorf("retry: %v", err)
		}
	}
	if ok != 1 || refused != cap(errs)-1 {
		t.Errorf("%d retried, %d refused", ok, refused)
	}
	if r := i.record(a.RunID); r.Status != engine.Running || r.Error != nil || r.Ended != nil {
		t.Errorf("the record says %s, %v, %v", r.Status, r.Error, r.Ended)
	}
	i.acme.works = true
	i.work(i.Alone, PrefixRun+":"+a.RunID)
	r := i.record(a.RunID)
	if r.Status != engine.Done || fmt.Sprint(r.Result) != "7" || len(r.Steps) != 3 || r.Steps[1].Attempt != 2 || len(r.Inputs) != 1 || r.Inputs[0].Kind != record.InputRetry {
		t.Errorf("the record is %+v", r)
	}
	if len(i.acme.effects) != 2 || i.acme.effects[0] != i.acme.effects[1] {
		t.Errorf("called with the effect ids %q", i.acme.effects)
	}
	if _, err := i.Retry(t.Context(), a.RunID, false); !errors.Is(err, ErrNotFailed) || !strings.Contains(err.Error(), "it is done") {
		t.Errorf("a run that is done: %v", err)
	}
}

const talk = `
schema: 1
id: talk
triggers: [{id: hello, type: message}]
nodes:
  - {id: first, type: wait_reply}
  - {id: do, type: acme.do, with: {}}
  - {id: bye, type: send_message, with: {text: one}}
edges: [{from: hello, to: first}, {from: first, to: do}, {from: do, to: bye}]
`

// TestRetryOfAContact: a run is retried in its contact's place, if that is free,
// and in the latest version if that is asked for.
func TestRetryOfAContact(t *testing.T) {
	i := install(t, talk)
	i.says("hi")
	i.says("fails")
	id := i.runs()[0]
	if r := i.record(id); r.Status != engine.Failed {
		t.Fatalf("the run is %s", r.Status)
	}
	i.acme.works = true
	i.says("hi again")
	if _, err := i.Retry(t.Context(), id, false); !errors.Is(err, ErrKeyTaken) {
		t.Errorf("with another run in its place: %v", err)
	}
	i.says("goes through")
	i.publish(strings.NewReplacer("id: do,", "id: other,", "to: do}", "to: other}", "from: do,", "from: other,").Replace(talk))
	if _, err := i.Retry(t.Context(), id, true); err == nil {
		t.Error("retried in a version without its node")
	}
	i.publish(strings.Replace(talk, "text: one", "text: three", 1))
	if _, err := i.Retry(t.Context(), id, true); err != nil {
		t.Fatal(err)
	}
	i.work(i.Contact, mail.Key(chatter))
	r := i.record(id)
	last := r.Steps[len(r.Steps)-1]
	if text, _ := json.Marshal(last.Output); r.Status != engine.Done || r.Version != 3 || !strings.Contains(string(text), "three") {
		t.Errorf("the record is %s v%d, last %+v", r.Status, r.Version, last)
	}
}

func TestMigrate(t *testing.T) {
	i := install(t, talk)
	i.acme.works = true
	i.says("hi")
	i.publish(strings.Replace(talk, "text: one", "text: two", 1))
	i.publish(strings.ReplaceAll(strings.Replace(talk, "text: one", "text: three", 1), "first", "begin"))
	i.publish(strings.ReplaceAll(talk, "{id: first, type: wait_reply}", "{id: first, type: wait, with: {for: 1h}}"))
	for _, test := range []struct {
		m      Migration
		reason string
	}{
		{Migration{From: 1, To: 3}, `it stands at node "first", which version 3 does not have; map it to one that it has`},
		{Migration{From: 1, To: 3, Map: map[string]string{"first": "none"}}, `version 3 has no node "none"`},
		{Migration{From: 1, To: 4}, `it stands at node "first", a wait_reply, and "first" is a wait in version 4`},
		{Migration{From: 1, To: 2, DryRun: true}, ""},
		{Migration{From: 1, To: 2}, ""},
		{Migration{From: 2, To: 3, Map: map[string]string{"first": "begin"}}, ""},
	} {
		test.m.Flow = "talk"
		list, err := i.Migrate(t.Context(), test.m)
		if err != nil || len(list) != 1 || !strings.Contains(list[0].Reason, test.reason) || (test.reason == "") != (list[0].Reason == "") {
			t.Fatalf("%+v: %+v, %v", test.m, list, err)
		}
	}
	if list, err := i.Migrate(t.Context(), Migration{Flow: "talk", From: 1, To: 2}); err != nil || len(list) != 0 {
		t.Errorf("nothing is at version 1, and %+v, %v", list, err)
	}
	i.says("go on")
	r := i.record(i.runs()[0])
	last := r.Steps[len(r.Steps)-1]
	if text, _ := json.Marshal(last.Output); r.Status != engine.Done || r.Version != 3 || !strings.Contains(string(text), "three") || len(r.Lines) != 2 {
		t.Errorf("the record is %s v%d, last %+v, %+v", r.Status, r.Version, last, r.Lines)
	}
}

// beside holds the second of two calls until the first has given too much.
type beside struct {
	acme
	first chan struct{}
}

func (b *beside) Call(_ context.Context, c plugin.Call) (json.RawMessage, plugin.Usage, *abi.Error) {
	if strings.Contains(string(c.Input), "2") {
		<-b.first
		return json.RawMessage(`2`), plugin.Usage{}, nil
	}
	defer close(b.first)
	return json.RawMessage(`"` + strings.Repeat("x", 17<<20) + `"`), plugin.Usage{}, nil
}

// TestTooMuchBesideACall: a run that fails since it holds too much ends then,
// whatever the calls give that are still being made.
func TestTooMuchBesideACall(t *testing.T) {
	i := install(t, `
schema: 1
id: much
triggers: [{id: start, type: event, event: e}]
nodes:
  - {id: all, type: for_each, with: {items: [1, 2], concurrency: 2}}
  - {id: do, type: acme.do, with: {n: "{{ input }}"}}
edges: [{from: start, to: all}, {from: all, port: each, to: do}]
`)
	i.Runner.config.InOrder, i.Runner.config.Plugins = false, &beside{first: make(chan struct{})}
	s, err := i.Emit(t.Context(), Event{Name: "e"})
	if err != nil {
		t.Fatal(err)
	}
	i.work(i.Alone, PrefixRun+":"+s.Runs["much"])
	if r := i.record(s.Runs["much"]); r.Status != engine.Failed || r.Error == nil || r.Error.Code != abi.CodeLimit {
		t.Errorf("it is %s: %+v", r.Status, r.Error)
	}
}

// contents is a plugin whose content "broken" fails.
type contents struct {
	acme
	serving string
	called  []string
}

func (c *contents) Serving(string) string { return c.serving }

func (c *contents) Call(_ context.Context, call plugin.Call) (json.RawMessage, plugin.Usage, *abi.Error) {
	c.called = append(c.called, call.Digest+" "+string(call.Input))
	if call.Digest == "broken" {
		return nil, plugin.Usage{}, &abi.Error{Code: "trap", Message: "a bug"}
	}
	return json.RawMessage(`{"id": 7}`), plugin.Usage{}, nil
}

// TestRetryOfWhatWasMended: a retry calls the content of the plugin that the run
// began with, which is kept as long as it; in the latest version it calls the one
// that serves now, with what the node says there.
func TestRetryOfWhatWasMended(t *testing.T) {
	i := install(t, called)
	p := &contents{serving: "broken"}
	i.Runner.config.Plugins = p
	a, err := i.Drive(i.flow("called"), "start", map[string]any{})
	if err != nil || a == nil || a.Failure == nil {
		t.Fatalf("answered %+v, %v", a, err)
	}
	p.serving = "mended"
	i.publish(strings.Replace(called, "with: {}", "with: {a: new}", 1))
	for _, latest := range []bool{false, true} {
		if counts, err := i.Pinned(t.Context()); err != nil || counts.Plugins["broken"] != 1 {
			t.Errorf("pinned are %+v, %v", counts, err)
		}
		if _, err := i.Retry(t.Context(), a.RunID, latest); err != nil {
			t.Fatal(err)
		}
		i.work(i.Alone, PrefixRun+":"+a.RunID)
	}
	if want := []string{"broken {}", "broken {}", `mended {"a":"new"}`}; !slices.Equal(p.called, want) {
		t.Errorf("called %q, want %q", p.called, want)
	}
	r := i.record(a.RunID)
	if r.Status != engine.Done || r.Version != 2 || r.Began()["called"] != 1 || len(r.Lines) != 1 || r.Lines[0].Text != "moved from version 1 of flow called to 2" {
		t.Errorf("the record is %+v", r)
	}
}

// TestLatestWithoutAFlow: a flow that is not published any more ends as it
// began, with its plugins, in the latest version too.
func TestLatestWithoutAFlow(t *testing.T) {
	const outer = `
schema: 1
id: outer
triggers: [{id: start, type: gateway}]
nodes: [{id: go, type: jump, with: {flow: called}}]
edges: [{from: start, to: go}]
`
	i := install(t, called, outer)
	p := &contents{serving: "broken"}
	i.Runner.config.Plugins = p
	a, err := i.Drive(i.flow("outer"), "start", map[string]any{})
	if err != nil || a == nil || a.Failure == nil {
		t.Fatalf("answered %+v, %v", a, err)
	}
	p.serving = "mended"
	i.publish(outer) // alone
	if _, err := i.Retry(t.Context(), a.RunID, true); err != nil {
		t.Fatal(err)
	}
	i.work(i.Alone, PrefixRun+":"+a.RunID)
	if want := []string{"broken {}", "broken {}"}; !slices.Equal(p.called, want) {
		t.Errorf("called %q, want %q", p.called, want)
	}
}
