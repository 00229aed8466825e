package outbox

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/pdk/abi"
)

const many = 1000

// one is a queue of the crowd: their names are in its order.
func one(n int) string { return person(many + n) }

// crowd puts an item into each of many queues, and gives their ids in order.
func (w *world) crowd() (ids []string) {
	for n := range many {
		ids = append(ids, fmt.Sprint("m", n))
		w.put(one(n), ids[n])
	}
	return ids
}

// oneByOne is a policy under which items go in the order of their line.
func oneByOne() Policy {
	p := quick()
	p.AtOnce = 1
	return p
}

// TestHeldByMany: one queue looks for all that wait for an operator, and when
// the endpoint opens they go in order, at once.
func TestHeldByMany(t *testing.T) {
	w := newWorld(t, oneByOne())
	missing, looks := &abi.Error{Code: abi.CodeNoSecret, Message: "no secret"}, 0
	w.other.where = func(Item) (string, *abi.Error) { looks++; return "there", missing }
	ids := w.crowd()
	w.run(time.Second)
	if looks > many+1 {
		t.Errorf("%d looks of %d queues in the first second", looks, many)
	}
	looks = 0
	w.run(time.Minute)
	if looks > 20 {
		t.Errorf("%d looks in a minute", looks)
	}
	looks = 0
	w.run(time.Hour)
	if most := int(time.Hour/maxHeld + time.Hour/perWaits); looks > most+100 || looks < 120 {
		t.Errorf("%d looks in an hour, at most %d", looks, most)
	}
	if e := w.endpoint(); e.Waiting != many || len(w.other.got) > 0 {
		t.Errorf("%+v and %d tries", e, len(w.other.got))
	}
	missing = nil
	w.run(maxHeld)
	first := slices.Index(ids, w.other.ids()[0]) // who looked goes first
	want := append([]string{ids[first]}, slices.Delete(slices.Clone(ids), first, first+1)...)
	if got := w.other.ids(); !slices.Equal(got, want) {
		t.Errorf("%d were sent: %v", len(got), got[:min(len(got), 20)])
	}
	if e := w.endpoint(); e.Waiting != 0 || len(w.outbox.endpoints.at) > 0 {
		t.Errorf("at the end %+v, %d queues are known", e, len(w.outbox.endpoints.at))
	}
}

// TestAwayOfMany: where only a send finds out that nothing can be tried, one looks
// for all, too; then they go at once, each by its turn, and no try was burned.
func TestAwayOfMany(t *testing.T) {
	w := newWorld(t, oneByOne())
	away := &abi.Error{Code: abi.CodeUnavailable, Message: "no token"}
	w.other.answer = func(Item, int) *abi.Error { return away }
	w.crowd()
	w.run(time.Hour)
	tries := w.other.ids()
	if most := int(time.Hour/maxHeld) + 20; len(tries) > most || len(tries) < 120 {
		t.Errorf("%d tries in an hour, at most %d", len(tries), most)
	}
	slices.Sort(tries)
	if queues := len(slices.Compact(tries)); queues < 50 { // they take turns
		t.Errorf("the tries are of %d queues", queues)
	}
	w.other.got, away = nil, nil
	w.run(maxHeld)
	if got := len(w.other.got); got != many {
		t.Errorf("%d of %d were sent", got, many)
	}
	if e := w.endpoint(); e.Waiting != 0 || e.Failed != 0 || len(w.outbox.endpoints.at) > 0 {
		t.Errorf("at the end %+v, %d queues are known", e, len(w.outbox.endpoints.at))
	}
}

// TestAwayForOne: an item of which a send says so, and which is alone in that,
// holds the others of its endpoint for a moment at most.
func TestAwayForOne(t *testing.T) {
	w := newWorld(t, quick())
	w.other.answer = func(item Item, _ int) *abi.Error {
		if item.Queue == person(0) {
			return &abi.Error{Code: abi.CodeUnavailable, Message: "its contact can't be read"}
		}
		return nil
	}
	w.put(person(0), "bad")
	w.run(time.Hour)
	for n := range 50 {
		id := fmt.Sprint("m", n)
		w.put(person(n+1), id)
		w.run(maxHeld)
		if n > 0 { // the first may have to find out that it was alone
			w.run(minHeld)
			w.want(id + ":" + StateSent)
		}
	}
	w.want("bad:")
}

// TestBreakerOfMany: one item a pause goes to a dead endpoint however many
// wait, nobody else looks, and its answer lets all go in order.
func TestBreakerOfMany(t *testing.T) {
	p := oneByOne()
	p.Pauses, p.Breaker.MinTries = []time.Duration{time.Hour, time.Hour}, 1
	w := newWorld(t, p)
	looks, down := 0, true
	w.other.where = func(Item) (string, *abi.Error) { looks++; return "there", nil }
	w.other.answer = func(Item, int) *abi.Error {
		if down {
			return busy
		}
		return nil
	}
	ids := w.crowd()
	w.run(time.Second)
	looks = 0
	w.run(50 * time.Second) // probes after 10, 20 s
	if tries := len(w.other.got); tries != 3 || looks > 6 {
		t.Errorf("%d tries and %d looks", tries, looks)
	}
	if got := w.other.ids(); !slices.Equal(got, ids[:3]) {
		t.Errorf("tried %v", got)
	}
	down = false
	w.run(p.Breaker.MaxPause)
	if got := w.other.ids(); !slices.Equal(got, ids) {
		t.Errorf("%d were sent: %v", len(got), got[:min(len(got), 20)])
	}
}

// TestLineGoes: those that wait are not held up by one that was cancelled while
// it was their scout or was called, and follow one that goes elsewhere.
func TestLineGoes(t *testing.T) {
	held := &abi.Error{Code: abi.CodeNoSecret, Message: "no secret"}
	for name, change := range map[string]func(w *world, ids []string){
		"cancelled": func(w *world, ids []string) {
			if w.outbox.endpoints.known["there"].scout != one(0) {
				w.t.Error("another is the scout")
			}
			for n := range many - 1 {
				if _, err := w.outbox.CancelQueue(w.t.Context(), one(n)); err != nil {
					w.t.Fatal(err)
				}
			}
			w.other.where = nil
			w.run(time.Second)
			w.want(ids[0]+":"+StateCancelled, ids[many-1]+":"+StateSent)
		},
		"elsewhere": func(w *world, ids []string) {
			w.outbox.Keep(func(string) bool { return false })
			if list := w.outbox.Endpoints(); len(list) > 0 {
				w.t.Errorf("%+v is shown", list)
			}
			w.other.where = func(Item) (string, *abi.Error) { return "elsewhere", nil }
			w.run(maxHeld)
			if e := w.endpoint(); e.Name != "elsewhere" || len(w.other.got) != many || len(w.outbox.endpoints.known) != 1 {
				w.t.Errorf("%+v, %d were sent; %d endpoints are known", e, len(w.other.got), len(w.outbox.endpoints.known))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, oneByOne())
			w.other.where = func(Item) (string, *abi.Error) { return "there", held }
			ids := w.crowd()
			w.run(time.Second)
			change(w, ids)
		})
	}
}

// TestRun: what waits is looked at once an operator has mended something, and
// all of it after a restart.
func TestRun(t *testing.T) {
	w := newWorld(t, oneByOne())
	held := &abi.Error{Code: abi.CodeNoSecret, Message: "no secret"}
	w.other.where = func(Item) (string, *abi.Error) { return "there", held }
	ids := w.crowd()
	w.run(time.Minute)
	due := func() int {
		t.Helper()
		wakes, err := w.store.Due(t.Context(), store.Wake{}, w.clock, 2*many)
		if err != nil {
			t.Fatal(err)
		}
		return len(wakes)
	}
	w.open() // a restart
	if n := due(); n > 1 {
		t.Fatalf("%d queues are due", n)
	}
	poked := make(chan struct{}, 1)
	w.outbox.config.Poke = func() {
		select {
		case poked <- struct{}{}:
		default:
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.outbox.Run(ctx) }()
	for due() < many {
		<-poked
	}
	w.run(0)
	if e := w.endpoint(); e.Waiting != many || due() > 0 {
		t.Fatalf("%+v, %d are due", e, due())
	}
	held = nil
	w.outbox.Mended()
	w.outbox.Mended() // is heard once, or again
	for due() == 0 {
		<-poked
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if n := due(); n != 1 {
		t.Errorf("%d are due, want the first of the line", n)
	}
	w.run(0)
	if got := w.other.ids(); !slices.Equal(got, ids) {
		t.Errorf("%d of %d were sent at once", len(got), len(ids))
	}
}
