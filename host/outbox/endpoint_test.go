package outbox

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/pdk/abi"
)

// endpoint is what is known of the only endpoint.
func (w *world) endpoint() Endpoint {
	w.t.Helper()
	list := w.outbox.Endpoints()
	if len(list) != 1 {
		w.t.Fatalf("endpoints %+v, want one", list)
	}
	return list[0]
}

// TestBreaker: an endpoint that fails is spared, without a try being burned;
// one probe at a time goes there, more and more rarely; its answer lets
// everything through.
func TestBreaker(t *testing.T) {
	p := quick()
	p.Pauses = []time.Duration{time.Hour, time.Hour, time.Hour}
	p.Breaker.MinTries = 6
	w := newWorld(t, p)
	start := w.clock
	down := true
	w.other.answer = func(Item, int) *abi.Error {
		if down {
			return busy
		}
		return nil
	}
	at := func(n int) time.Duration { return w.other.got[n].at.Sub(start).Round(time.Second) }
	for n := range 5 {
		w.put(person(n), fmt.Sprint("a", n))
	}
	w.run(time.Second)
	if e := w.endpoint(); e.Breaker != BreakerClosed || e.Tries != 5 || e.Failed != 5 || e.LastFailure != busy.Message {
		t.Fatalf("after five tries, of six at least: %+v", e)
	}
	for n := range 4 {
		w.put(person(10+n), fmt.Sprint("b", n))
	}
	w.run(time.Second)
	if e := w.endpoint(); e.Breaker != BreakerOpen || !e.Until.Equal(start.Add(11*time.Second)) || len(w.other.got) != 6 {
		t.Fatalf("after the sixth: %+v and %d tries", e, len(w.other.got))
	}
	w.run(8 * time.Second)
	if len(w.other.got) != 6 {
		t.Fatalf("%d tries while the breaker is open", len(w.other.got))
	}
	// Probes after 10, 20, 40 and 40 s, each of one item.
	for n, pause := range []time.Duration{10 * time.Second, 20 * time.Second, 40 * time.Second} {
		last := at(5 + n)
		w.run(pause + time.Second)
		if got := len(w.other.got); got != 7+n {
			t.Fatalf("%d tries after the pause of %s", got, pause)
		}
		if waited := at(6+n) - last; waited < pause || waited > pause+time.Second {
			t.Errorf("the probe came after %s, want %s", waited, pause)
		}
	}
	if until := w.endpoint().Until; until.Sub(w.other.got[8].at).Round(time.Second) != 40*time.Second {
		t.Errorf("the pause grew to %s", until.Sub(w.other.got[8].at))
	}
	// One of them was tried as a probe; none lost a try by waiting.
	list, err := w.outbox.Waiting(t.Context(), "", 100)
	if err != nil {
		t.Fatal(err)
	}
	tries := 0
	for _, item := range list {
		tries += item.Failed
	}
	if tries != len(w.other.got) || len(list) != 9 {
		t.Errorf("%d items wait with %d tries counted, after %d made", len(list), tries, len(w.other.got))
	}
	down = false
	w.run(4 * time.Hour)
	if e := w.endpoint(); e.Breaker != BreakerClosed || !e.Until.IsZero() {
		t.Errorf("it has answered: %+v", e)
	}
	for n := range 5 {
		w.want(fmt.Sprint("a", n, ":", StateSent))
	}
	for n := range 4 {
		w.want(fmt.Sprint("b", n, ":", StateSent))
	}
}

// TestBreakerCounts: what counts as a failure of the endpoint, and for how
// long.
func TestBreakerCounts(t *testing.T) {
	unknown := &abi.Error{Code: abi.CodeUnknown, Message: "who knows"}
	p := Breaker{Window: time.Minute, MinTries: 4, Share: 0.5, Pause: time.Second, MaxPause: time.Second}
	for _, c := range []struct {
		name    string
		every   time.Duration // between tries
		answers []*abi.Error
		open    bool
	}{
		{"too few", time.Second, []*abi.Error{busy, busy, busy}, false},
		{"half", time.Second, []*abi.Error{nil, nil, busy, busy}, true},
		{"less than half", time.Second, []*abi.Error{nil, nil, nil, busy, busy}, false},
		{"unknown outcomes", time.Second, []*abi.Error{unknown, unknown, nil, nil}, true},
		{"refusals are answers", time.Second, []*abi.Error{refused, refused, refused, refused, refused}, false},
		{"long ago", 30 * time.Second, []*abi.Error{busy, busy, busy, busy, busy, busy, busy, busy}, false},
		{"long ago, in other parts of the window", 25 * time.Second, []*abi.Error{busy, busy, busy, busy, busy, busy, busy, busy}, false},
		{"successes are forgotten too", 12 * time.Second, []*abi.Error{nil, nil, nil, nil, nil, nil, busy, busy, busy}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b breaker
			now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
			for _, failure := range c.answers {
				b.note(p, now, b.begin(), true, failure)
				now = now.Add(c.every)
			}
			if b.open != c.open {
				t.Errorf("open: %v", b.open)
			}
		})
	}
}

// TestLateAnswers: sends that began before a breaker opened neither close it
// nor are its probe, and a probe that was not made leaves its turn to another.
func TestLateAnswers(t *testing.T) {
	p := quick()
	p.Breaker.MinTries = 1
	e := newEndpoints()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	enter := func(queue string, want bool) place {
		t.Helper()
		got := e.enter("there", queue, p, 0, now)
		if got.ok != want || got.ok != (got.wait == 0) {
			t.Fatalf("%s enters: %v, wait %s", queue, got.ok, got.wait)
		}
		return got.place
	}
	early, first := enter("early", true), enter("first", true)
	e.leave(first, now, true, busy, 0)
	enter("second", false)
	now = now.Add(10 * time.Second)
	probe := enter("probe", true)
	enter("other", false)
	e.leave(early, now, true, nil, 0)
	if !e.known["there"].breaker.open {
		t.Error("an answer from before closed the breaker")
	}
	enter("other", false)
	e.leave(probe, now, false, nil, 0)
	probe = enter("other", true)
	e.leave(probe, now, true, nil, 0)
	enter("second", true)
	if e.known["there"].breaker.open || e.known["there"].running != 1 {
		t.Errorf("after the probe: %+v", e.known["there"])
	}
}

// TestSlow: an endpoint whose sends take long, or that has not shown yet how
// long they take, gets few places.
func TestSlow(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	p := quick()
	p.AtOnce, p.Slow, p.AtOnceSlow = 5, 2*time.Second, 2
	e := newEndpoints()
	n := 0
	full := func() (places []place) {
		for {
			got := e.enter("there", person(n), p, 0, now)
			if n++; !got.ok {
				return places
			}
			places = append(places, got.place)
		}
	}
	for _, step := range []struct {
		name   string
		took   time.Duration
		ends   int // of the places that are taken then
		places int // that there are before
	}{
		{"at first", 100 * time.Millisecond, 2, 2},
		{"quick", 100 * time.Millisecond, 5, 5},
		{"quick still", 20 * time.Second, 5, 5},
		{"slow", 20 * time.Second, 2, 2},
		{"slow still", time.Millisecond, 2, 2},
	} {
		places := full()
		if len(places) != step.places {
			t.Fatalf("%s: %d places, want %d", step.name, len(places), step.places)
		}
		now = now.Add(step.took)
		for _, taken := range places[:step.ends] {
			e.leave(taken, now, true, nil, 0)
		}
		clear(e.known["there"].called) // nobody comes who was woken
	}
	for range 20 { // it recovers
		now = now.Add(time.Minute)
		for _, taken := range full() {
			now = now.Add(time.Millisecond)
			e.leave(taken, now, true, nil, 0)
		}
		clear(e.known["there"].called)
	}
	if places := full(); len(places) != 5 {
		t.Errorf("%d places once it is quick again", len(places))
	}
}

// TestAtOnce: no more sends to one endpoint run than its policy has, another
// endpoint is not held up, and who was turned away is called in turn.
func TestAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := quick()
		p.AtOnce = 2
		w := newWorld(t, p)
		w.other.where = func(item Item) (string, *abi.Error) {
			if item.Queue == person(9) {
				return "elsewhere", nil
			}
			return "there", nil
		}
		release := map[string]chan struct{}{}
		for n := range 6 {
			release[fmt.Sprint("m", n)] = make(chan struct{})
			w.put(person(n), fmt.Sprint("m", n))
		}
		release["far"] = make(chan struct{})
		w.put(person(9), "far")
		w.other.before = func(_ context.Context, item Item) { <-release[item.EffectID] }
		var workers sync.WaitGroup
		again := make([]time.Time, 10)
		work := func(n int) {
			workers.Go(func() {
				next, err := w.outbox.Work(t.Context(), person(n))
				if err != nil {
					t.Error(err)
				}
				again[n] = next
			})
			synctest.Wait()
		}
		for n := range 6 {
			work(n)
		}
		work(9)
		list := w.outbox.Endpoints()
		if list[0].Name != "elsewhere" || list[0].Running != 1 || list[1].Running != 2 || list[1].Waiting != 4 {
			t.Fatalf("endpoints %+v", list)
		}
		if !w.outbox.Sending("there") || w.outbox.Sending("nowhere") {
			t.Error("what is on its way is not known")
		}
		for n := 2; n < 6; n++ {
			if wait := again[n].Sub(w.clock); wait < waits || wait > waits+3*time.Second {
				t.Errorf("queue %d looks again after %s", n, wait)
			}
		}
		woken := func() []string {
			due, err := w.store.Due(t.Context(), store.Wake{}, w.clock, 100)
			if err != nil {
				t.Fatal(err)
			}
			var keys []string
			for _, d := range due {
				keys = append(keys, d.Key)
			}
			slices.Sort(keys)
			return keys
		}
		// As the dispatcher does after Work: only those that ran have no wake.
		var b store.Batch
		for _, key := range woken() {
			b.Wake = append(b.Wake, store.Wake{Key: key, At: w.clock.Add(time.Hour)})
		}
		if _, err := w.store.Commit(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
		close(release["m1"])
		synctest.Wait()
		if got := woken(); !slices.Equal(got, []string{person(2)}) {
			t.Errorf("woken: %v, want the one that waits longest", got)
		}
		work(5) // it was not called: the place is another's
		if e := w.outbox.Endpoints()[1]; e.Running != 1 || e.Waiting != 3 {
			t.Errorf("after an uncalled look: %+v", e)
		}
		work(2)
		if e := w.outbox.Endpoints()[1]; e.Running != 2 {
			t.Errorf("after the called one came: %+v", e)
		}
		// One that was called and does not come loses its place.
		close(release["m0"])
		synctest.Wait()
		w.clock = w.clock.Add(calledFor)
		work(5)
		if e := w.outbox.Endpoints()[1]; e.Running != 2 {
			t.Errorf("the place of one that did not come is still kept: %+v", e)
		}
		for id, c := range release {
			if id != "m0" && id != "m1" {
				close(c)
			}
		}
		workers.Wait()
		for _, n := range []int{0, 1, 2, 5} {
			w.want(fmt.Sprint("m", n, ":", StateSent))
		}
		w.want("far:" + StateSent)
		if e := w.outbox.Endpoints()[1]; e.Running != 0 {
			t.Errorf("nothing runs: %+v", e)
		}
	})
}

// TestKeep: an endpoint that is gone is not listed, unless something is on its
// way to it.
func TestKeep(t *testing.T) {
	o := New(Config{Now: time.Now})
	policy, now := Policy{AtOnce: 1, Breaker: Breaker{Window: time.Minute, MinTries: 5, Share: 1, Pause: time.Second, MaxPause: time.Minute}}, time.Now()
	busy := o.endpoints.enter("subscription busy", "q1", policy, 0, now).place
	for _, name := range []string{"subscription gone", "subscription stays"} {
		got := o.endpoints.enter(name, "q2", policy, 0, now)
		if !got.ok {
			t.Fatal(name)
		}
		o.endpoints.leave(got.place, now, true, nil, 0)
	}
	left := func() (names string) {
		o.Keep(func(name string) bool { return name == "subscription stays" })
		for _, e := range o.Endpoints() {
			names += e.Name + ";"
		}
		return names
	}
	if got := left(); got != "subscription busy;subscription stays;" {
		t.Errorf("left %s", got)
	}
	o.endpoints.leave(busy, now, true, nil, 0)
	if got := left(); got != "subscription stays;" {
		t.Errorf("left %s", got)
	}
}
