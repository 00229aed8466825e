package run

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/trama-run/trama/host/engine"
	"github.com/trama-run/trama/host/plugin"
	"github.com/trama-run/trama/host/run/record"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/pdk/abi"
)

// calls is the plugin of the rig with an effect class and results of a test's
// own. It keeps the effect ids of the calls that were made.
type calls struct {
	*plugins
	effect abi.Effect
	mu     sync.Mutex
	ids    []string // guarded by mu
	give   func(ctx context.Context, node string) *abi.Error
}

func (c *calls) ManifestOf(name, digest string) (abi.Manifest, bool) {
	m, ok := c.plugins.ManifestOf(name, digest)
	m.Operations[0].Effect = c.effect
	return m, ok
}

func (c *calls) Call(ctx context.Context, call plugin.Call) (json.RawMessage, plugin.Usage, *abi.Error) {
	c.mu.Lock()
	c.ids = append(c.ids, call.EffectID)
	c.mu.Unlock()
	return json.RawMessage(`{}`), plugin.Usage{}, c.give(ctx, call.Node)
}

func cutShort(ctx context.Context, _ string) *abi.Error {
	<-ctx.Done()
	return &abi.Error{Code: abi.CodeTimeout, Message: "cut short", Retryable: true}
}

func succeed(context.Context, string) *abi.Error { return nil }

// overdrive drives the one run that is due for too long: until nothing but its
// calls goes on, since the clock of a bubble, in which it must be, stands before.
func (r *rig) overdrive() {
	r.Helper()
	wakes, err := r.store.Due(r.Context(), store.Wake{}, r.now, 1)
	if err != nil || len(wakes) != 1 {
		r.Fatal(wakes, err)
	}
	ctx, cancel := context.WithTimeout(r.Context(), time.Second) // stands for maxGatewayRun
	defer cancel()
	w := wakes[0]
	if w.At, err = r.runner.Alone(ctx, w.Key); err != nil {
		r.Fatal(err)
	}
	r.commit(&store.Batch{Wake: []store.Wake{w}})
}

const ordering = `schema: 1
id: order
triggers: [{id: e, type: event, event: tick}]
nodes:
  - {id: call, type: slow.go, with: {}}
edges: [{from: e, to: call}]
`

// TestACallThatIsCutShort: a run that is driven for too long knows what became
// of its call, and a retry makes it again with the same effect id.
func TestACallThatIsCutShort(t *testing.T) {
	for effect, code := range map[abi.Effect]string{
		abi.EffectPure: abi.CodeTimeout, abi.EffectIdempotent: abi.CodeTimeout, abi.EffectUnsafe: abi.CodeUnknown,
	} {
		t.Run(string(effect), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, ordering)
				p := &calls{plugins: (*plugins)(r), effect: effect, give: cutShort}
				r.runner.config.Plugins = p
				s, err := r.runner.Emit(t.Context(), Event{Name: "tick"})
				if err != nil {
					t.Fatal(err)
				}
				r.overdrive()
				record := r.records()[0]
				if record.Status != engine.Failed || record.Error.Code != code || len(record.Steps) != 1 || record.Steps[0].Error.Code != code {
					t.Errorf("%s: %+v, steps %+v", record.Status, record.Error, record.Steps)
				}
				p.give = succeed
				if _, err := r.runner.Retry(t.Context(), s.Runs["order"], false); err != nil {
					t.Fatal(err)
				}
				r.work()
				if record := r.records()[0]; record.Status != engine.Done || len(p.ids) != 2 || p.ids[0] != p.ids[1] {
					t.Errorf("%s, calls %q", record.Status, p.ids)
				}
			})
		})
	}
}

// TestACallThatIsCutShortHasItsErrorPort, and what comes of it is kept.
func TestACallThatIsCutShortHasItsErrorPort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, `schema: 1
id: order
triggers: [{id: e, type: event, event: tick}]
nodes:
  - {id: call, type: slow.go, with: {}}
  - {id: tell, type: emit_event, with: {event: failed}}
  - {id: end, type: end, with: {result: "{{ error.code }}"}}
edges: [{from: e, to: call}, {from: call, port: error, to: tell}, {from: tell, to: end}]
`, `schema: 1
id: told
triggers: [{id: e, type: event, event: failed}]
nodes: [{id: end, type: end}]
edges: [{from: e, to: end}]
`)
		r.runner.config.Plugins = &calls{plugins: (*plugins)(r), effect: abi.EffectUnsafe, give: cutShort}
		if _, err := r.runner.Emit(t.Context(), Event{Name: "tick"}); err != nil {
			t.Fatal(err)
		}
		r.overdrive()
		r.work()
		records := r.records()
		if len(records) != 2 || records[0].Status != engine.Done || fmt.Sprint(records[0].Result) != abi.CodeUnknown {
			t.Errorf("%d runs, the first %s with %v", len(records), records[0].Status, records[0].Result)
		}
	})
}

// TestCallsThatAreCutShortTogether: each of them has its result.
func TestCallsThatAreCutShortTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, `schema: 1
id: order
triggers: [{id: e, type: event, event: tick}]
nodes:
  - {id: each, type: for_each, with: {items: [a, b, c], concurrency: 3}}
  - {id: call, type: slow.go, with: {}}
edges: [{from: e, to: each}, {from: each, port: each, to: call}]
`)
		r.runner.config.Plugins = &calls{plugins: (*plugins)(r), effect: abi.EffectUnsafe, give: cutShort}
		if _, err := r.runner.Emit(t.Context(), Event{Name: "tick"}); err != nil {
			t.Fatal(err)
		}
		r.overdrive()
		record := r.records()[0]
		unknown := 0
		for _, step := range record.Steps {
			if step.Error != nil && step.Error.Code == abi.CodeUnknown {
				unknown++
			}
		}
		if record.Status != engine.Done || unknown != 3 {
			t.Errorf("%s, %d calls of unknown outcome: %+v", record.Status, unknown, record.Error)
		}
	})
}

// TestSubRunsGoOnAfterARetry: the items of a group that was driven for too long
// are not done again.
func TestSubRunsGoOnAfterARetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, `schema: 1
id: order
triggers: [{id: e, type: event, event: tick}]
nodes:
  - {id: each, type: for_each, with: {items: [a, b, c, d]}}
  - {id: call, type: slow.go, with: {}}
  - {id: end, type: end, with: {result: "{{ nodes.each.failed }}"}}
edges: [{from: e, to: each}, {from: each, port: each, to: call}, {from: each, to: end}]
`)
		p := &calls{plugins: (*plugins)(r), effect: abi.EffectIdempotent}
		p.give = func(ctx context.Context, node string) *abi.Error {
			if len(p.ids) == 2 {
				return cutShort(ctx, node)
			}
			return nil
		}
		r.runner.config.Plugins = p
		s, err := r.runner.Emit(t.Context(), Event{Name: "tick"})
		if err != nil {
			t.Fatal(err)
		}
		r.overdrive()
		if record := r.records()[0]; record.Status != engine.Failed || record.Error.Code != abi.CodeTimeout {
			t.Fatalf("%s: %+v", record.Status, record.Error)
		}
		if _, err := r.runner.Retry(t.Context(), s.Runs["order"], false); err != nil {
			t.Fatal(err)
		}
		r.work()
		if record := r.records()[0]; record.Status != engine.Done || fmt.Sprint(record.Result) != "1" || len(slices.Compact(p.ids)) != 4 {
			t.Errorf("%s with %v failed: %+v, calls %q", record.Status, record.Result, record.Error, p.ids)
		}
	})
}

// TestManyEffectsOfOneRun: more than a commit takes.
func TestManyEffectsOfOneRun(t *testing.T) {
	r := newRig(t, `schema: 1
id: bulk
triggers: [{id: go, type: event, event: start}]
nodes:
  - {id: each, type: for_each, with: {items: "{{ 1..500 }}"}}
  - {id: tell, type: emit_event, with: {event: tick}}
edges: [{from: go, to: each}, {from: each, port: each, to: tell}]
`, `schema: 1
id: ticked
triggers: [{id: t, type: event, event: tick}]
nodes: [{id: e, type: end}]
edges: [{from: t, to: e}]
`, `schema: 1
id: spam
triggers: [{id: hi, type: message, keywords: hi}]
nodes:
  - {id: say, type: send_message, with: {text: hi}}
  - {id: count, type: set_flow, with: {increment: {n: 1}}}
  - {id: more, type: conditional, with: {branches: [{port: again, when: flow.n < 330}]}}
edges: [{from: hi, to: say}, {from: say, to: count}, {from: count, to: more}, {from: more, port: again, to: say}]
`)
	if _, err := r.runner.Emit(t.Context(), Event{Name: "start"}); err != nil {
		t.Fatal(err)
	}
	r.work()
	r.says("wa/p:1", "hi")
	if n := len(r.sent("wa/p:1")); n != 330 {
		t.Errorf("%d messages", n)
	}
	records := r.records()
	for _, record := range records {
		if record.Status != engine.Done {
			t.Fatalf("%s is %s: %+v", record.Flow, record.Status, record.Error)
		}
	}
	if len(records) != 502 {
		t.Errorf("%d runs", len(records))
	}
}

// full is a store whose disk is full for some commits.
type full struct {
	store.Store
	refuse int
}

func (f *full) Commit(ctx context.Context, b *store.Batch) (store.Result, error) {
	if f.refuse > 0 {
		f.refuse--
		return store.Result{}, store.ErrNoSpace
	}
	return f.Store.Commit(ctx, b)
}

// TestAResultOutlivesAFullDisk: what is known of an unsafe call is not dropped
// while the process lives.
func TestAResultOutlivesAFullDisk(t *testing.T) {
	r := newRig(t, ordering)
	disk := &full{Store: r.store}
	r.runner.config.Store = disk
	p := &calls{plugins: (*plugins)(r), effect: abi.EffectUnsafe, give: func(context.Context, string) *abi.Error {
		disk.refuse = 20
		return nil
	}}
	r.runner.config.Plugins = p
	if _, err := r.runner.Emit(t.Context(), Event{Name: "tick"}); err != nil {
		t.Fatal(err)
	}
	r.work()
	if record := r.records()[0]; record.Status != engine.Done || len(p.ids) != 1 || disk.refuse != 0 {
		t.Errorf("%s, %+v after %d calls", record.Status, record.Error, len(p.ids))
	}
}

// TestHeldRunsLookMoreRarely: a run that waits for something that is missing
// looks for it as a conversation does.
func TestHeldRunsLookMoreRarely(t *testing.T) {
	r := newRig(t, ordering)
	r.gone = true
	s, err := r.runner.Emit(t.Context(), Event{Name: "tick"})
	if err != nil {
		t.Fatal(err)
	}
	for _, age := range []time.Duration{0, 40 * time.Second, 24 * time.Hour} {
		r.now = began.Add(age)
		next, err := r.runner.Alone(t.Context(), PrefixRun+":"+s.Runs["order"])
		if pause := next.Sub(r.now); err != nil || pause != HeldPause(age) {
			t.Errorf("after %s it looks again in %s, %v", age, pause, err)
		}
	}
}

// counting counts the bytes of the records of runs that are committed.
type counting struct {
	store.Store
	bytes int
}

func (c *counting) Commit(ctx context.Context, b *store.Batch) (store.Result, error) {
	for _, put := range b.Put {
		if put.ID.Kind == record.Kind {
			c.bytes += len(put.Value)
		}
	}
	return c.Store.Commit(ctx, b)
}

// TestALargeRecordIsNotWrittenEachTime: but once a second, and whole at the end.
func TestALargeRecordIsNotWrittenEachTime(t *testing.T) {
	r := newRig(t, `schema: 1
id: order
triggers: [{id: e, type: event, event: tick}]
nodes:
  - {id: each, type: for_each, with: {items: "{{ 1..300 }}"}}
  - {id: call, type: slow.go, with: {}}
edges: [{from: e, to: each}, {from: each, port: each, to: call}]
`)
	c := &counting{Store: r.store}
	r.runner.config.Store = c
	seen := 0
	r.call = func() {
		r.now = r.now.Add(50 * time.Millisecond)
		seen = max(seen, len(r.records()[0].Steps))
	}
	if _, err := r.runner.Emit(t.Context(), Event{Name: "tick"}); err != nil {
		t.Fatal(err)
	}
	r.work()
	record := r.records()[0]
	whole, err := record.Put()
	if err != nil {
		t.Fatal(err)
	}
	if record.Status != engine.Done || len(record.Steps) != 301 || seen < 270 {
		t.Errorf("%s after %d steps, of which %d were seen before", record.Status, len(record.Steps), seen)
	}
	if most := 50 * len(whole.Value); c.bytes > most {
		t.Errorf("%d bytes were written of a record of %d", c.bytes, len(whole.Value))
	}
}

// TestALongStretchOfPureCalls: a run that works for long is stored on its way,
// though none of its calls asks for it: it is seen, can be cancelled, and a crash
// repeats little of it.
func TestALongStretchOfPureCalls(t *testing.T) {
	const flow = `schema: 1
id: order
triggers: [{id: g, type: gateway}]
nodes:
  - {id: each, type: for_each, with: {items: "{{ 1..20 }}"}}
  - {id: call, type: slow.go, with: {}}
  - {id: answer, type: response.json, with: {body: "{{ input.failed }}"}}
edges: [{from: g, to: each}, {from: each, port: each, to: call}, {from: each, to: answer}]
`
	for name, test := range map[string]struct {
		refused error // what the store says to all commits
		stop    int   // the call at which the process dies; 0: none
		most    int   // calls in all
	}{
		"no crash":                  {most: 20},
		"a crash":                   {stop: 15, most: 20 + 5},
		"a full disk stops nothing": {refused: store.ErrNoSpace, most: 20},
		"nor does much data":        {refused: store.ErrTooBig, most: 20},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, flow)
			c := &calls{plugins: (*plugins)(r), effect: abi.EffectPure}
			seen := false
			c.give = func(context.Context, string) *abi.Error {
				r.now = r.now.Add(300 * time.Millisecond)
				stored, err := r.runner.Sessions(t.Context(), "", 10)
				if err != nil {
					t.Error(err)
				}
				seen = seen || len(stored) == 1 && len(r.records()) == 1
				if test.stop > 0 && len(c.ids) == test.stop {
					r.runner.cancel() // what comes of it is not stored
				}
				return nil
			}
			r.runner.config.Plugins = c
			if test.refused != nil {
				r.runner.config.Store = refusing{r.store, test.refused}
			}
			a, err := r.runner.Gateway(t.Context(), "", r.catalog.Snapshot().Flows["order"], "g", map[string]any{}, func() {})
			if err != nil || test.stop == 0 && a.Response == nil {
				t.Fatal(a, err)
			}
			r.runner.Close(t.Context())
			if test.stop > 0 {
				r.open()
				r.runner.config.Plugins = c
				r.now = r.now.Add(lease)
				r.work()
			}
			if len(c.ids) > test.most || seen == (test.refused != nil) {
				t.Errorf("%d calls were made, at most %d wanted; the run was seen on its way: %t", len(c.ids), test.most, seen)
			}
			if records := r.records(); test.refused == nil && (len(records) != 1 || records[0].Status != engine.Done) {
				t.Errorf("the records are %+v", records)
			}
		})
	}
}

// refusing is a store that takes nothing.
type refusing struct {
	store.Store
	why error
}

func (r refusing) Commit(context.Context, *store.Batch) (store.Result, error) {
	return store.Result{}, r.why
}

// TestCallerOfACancelledRun: who waits for a run that an operator cancels is
// told so.
func TestCallerOfACancelledRun(t *testing.T) {
	r := newRig(t, `schema: 1
id: order
triggers: [{id: g, type: gateway}]
nodes:
  - {id: each, type: for_each, with: {items: "{{ 1..20 }}"}}
  - {id: call, type: slow.go, with: {}}
  - {id: answer, type: response.json}
edges: [{from: g, to: each}, {from: each, port: each, to: call}, {from: each, to: answer}]
`)
	c := &calls{plugins: (*plugins)(r), effect: abi.EffectPure}
	c.give = func(context.Context, string) *abi.Error {
		r.now = r.now.Add(300 * time.Millisecond)
		if records := r.records(); len(c.ids) == 10 {
			if err := r.runner.Cancel(t.Context(), records[0].ID); err != nil {
				t.Error(err)
			}
		}
		return nil
	}
	r.runner.config.Plugins = c
	a, err := r.runner.Gateway(t.Context(), "", r.catalog.Snapshot().Flows["order"], "g", map[string]any{}, func() {})
	if err != nil || a.Failure == nil || a.Failure.Code != CodeCancelled || a.Failure.Retryable {
		t.Errorf("%+v, %v", a, err)
	}
	if len(c.ids) == 20 || strings.Contains(r.log.String(), "level=ERROR") {
		t.Errorf("%d calls were made; the log says %s", len(c.ids), r.log.String())
	}
}
