package outbox

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

	"github.com/trama-run/trama/host/deadletter"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/host/store/memory"
	"github.com/trama-run/trama/pdk/abi"
)

// world is outboxes on a store in memory, with a clock that moves only where
// the test lets it.
type world struct {
	t      testing.TB
	disk   *memory.Disk
	clock  time.Time
	store  *memory.Store
	outbox *Outbox
	policy Policy
	other  *other
}

// other is the other side: what it was sent, and what it answers.
type other struct {
	mu     sync.Mutex
	got    []sent                                               // guarded by mu
	answer func(item Item, nth int) *abi.Error                  // to the nth try of an item, from 1
	before func(ctx context.Context, item Item)                 // a try, outside of mu
	where  func(item Item) (string, *abi.Error)                 // nil: all at "there"
	rest   time.Duration                                        // of the endpoint, after a failure
	settle func(context.Context, *store.Batch, *Delivery) error // of what it takes
	now    func() time.Time
}

// sent is one try.
type sent struct {
	id, queue string
	at        time.Time
	failed    bool
}

func (o *other) Endpoint(item Item) (string, *abi.Error) {
	if o.where == nil {
		return "there", nil
	}
	return o.where(item)
}

func (o *other) Send(ctx context.Context, item Item) (Outcome, *abi.Error) {
	if o.before != nil {
		o.before(ctx, item)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	nth := 1
	for _, s := range o.got {
		if s.id == item.EffectID {
			nth++
		}
	}
	var failure *abi.Error
	if o.answer != nil {
		failure = o.answer(item, nth)
	}
	o.got = append(o.got, sent{item.EffectID, item.Queue, o.now(), failure != nil})
	if failure != nil {
		return Outcome{Rest: o.rest}, failure
	}
	return Outcome{MessageID: "their-" + item.EffectID, Settle: o.settle}, failure
}

// ids are those of the tries, in order.
func (o *other) ids() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	var ids []string
	for _, s := range o.got {
		ids = append(ids, s.id)
	}
	return ids
}

// quick is a policy without jitter.
func quick() Policy {
	return Policy{
		Pauses: []time.Duration{time.Second, 10 * time.Second}, MaxRetryAfter: time.Hour, AtOnce: 4,
		Breaker: Breaker{Window: time.Minute, MinTries: 1000, Share: 0.5, Pause: 10 * time.Second, MaxPause: 40 * time.Second},
	}
}

func newWorld(t testing.TB, policy Policy) *world {
	w := &world{t: t, disk: memory.NewDisk(), clock: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), policy: policy, other: &other{}}
	w.other.now = func() time.Time { return w.clock }
	w.open()
	return w
}

// open begins a new life of the process on the same disk.
func (w *world) open() {
	w.store = memory.Open(w.disk, func() time.Time { return w.clock })
	w.outbox = New(Config{
		Store: w.store, Now: func() time.Time { return w.clock }, Poke: func() {}, Log: slog.New(slog.DiscardHandler),
		Lanes: map[string]Lane{PrefixContact: {Sender: w.other, Policy: w.policy}},
	})
}

// put appends items to a queue, as a run's commit does.
func (w *world) put(queue string, ids ...string) {
	w.t.Helper()
	b := store.Batch{Wake: []store.Wake{{Key: queue, At: w.clock}}}
	for _, id := range ids {
		data, err := json.Marshal(Message{Head: Head{EffectID: id, At: w.clock, RunID: "run-" + id}, Message: abi.Message{Type: abi.MessageText, Text: id}})
		if err != nil {
			w.t.Fatal(err)
		}
		b.Append = append(b.Append, store.Append{Queue: queue, Value: data})
	}
	if _, err := w.store.Commit(context.Background(), &b); err != nil {
		w.t.Fatal(err)
	}
}

// step does the work of the wake that is due first, no later than until, as
// the dispatcher does, and says whether there was one.
func (w *world) step(ctx context.Context, until time.Time) bool {
	w.t.Helper()
	wakes, err := w.store.Due(context.Background(), store.Wake{}, until, 1)
	if err != nil {
		w.t.Fatal(err)
	}
	if len(wakes) == 0 {
		return false
	}
	wake := wakes[0]
	if wake.At.After(w.clock) {
		w.clock = wake.At
	}
	next, err := w.outbox.Work(ctx, wake.Key)
	if err != nil && ctx.Err() != nil {
		return true // cut short: the wake stays
	}
	if err != nil {
		w.t.Fatal(err)
	}
	wake.At = next
	if _, err := w.store.Commit(context.Background(), &store.Batch{Wake: []store.Wake{wake}}); err != nil {
		w.t.Fatal(err)
	}
	return true
}

// run works for a while of the clock.
func (w *world) run(a time.Duration) {
	w.t.Helper()
	until := w.clock.Add(a)
	for steps := 0; w.step(context.Background(), until); steps++ {
		if steps > 200_000 {
			w.t.Fatalf("still at work after %d steps, at %s", steps, w.clock)
		}
	}
	w.clock = until
}

// delivery is what became of an item; its state is "" if nothing did yet.
func (w *world) delivery(id string) (d Delivery) {
	w.t.Helper()
	record, err := w.store.Load(context.Background(), store.ID{Kind: KindDelivery, Key: id})
	if errors.Is(err, store.ErrNotFound) {
		return d
	}
	if err != nil {
		w.t.Fatal(err)
	}
	if err := json.Unmarshal(record.Value, &d); err != nil {
		w.t.Fatal(err)
	}
	return d
}

// want checks the states of items, "id:state".
func (w *world) want(states ...string) {
	w.t.Helper()
	for _, pair := range states {
		id, state, _ := strings.Cut(pair, ":")
		if d := w.delivery(id); d.State != state || (state != "" && d.RunID != "run-"+id) {
			w.t.Errorf("%s is %+v, want %q", id, d, state)
		}
	}
}

// letters are all dead letters, newest first.
func (w *world) letters() []deadletter.Letter {
	w.t.Helper()
	var all []deadletter.Letter
	if err := deadletter.Each(context.Background(), w.store, deadletter.Filter{}, "", 1000, 1000, func(l deadletter.Letter) {
		whole, _, err := deadletter.Load(context.Background(), w.store, l.ID)
		if err != nil {
			w.t.Fatal(err)
		}
		all = append(all, whole)
	}); err != nil {
		w.t.Fatal(err)
	}
	return all
}

// waiting are the effect ids that wait.
func (w *world) waiting(prefix string) []string {
	w.t.Helper()
	list, err := w.outbox.Waiting(context.Background(), prefix, 1000)
	if err != nil {
		w.t.Fatal(err)
	}
	ids := []string{}
	for _, item := range list {
		ids = append(ids, item.EffectID)
	}
	slices.Sort(ids)
	return ids
}

func person(n int) string { return fmt.Sprintf("%s:wa/test:%d", PrefixContact, n) }

var (
	busy    = &abi.Error{Code: "busy", Message: "come back later", Retryable: true}
	refused = &abi.Error{Code: "no_such_person", Message: "nobody lives there"}
)
