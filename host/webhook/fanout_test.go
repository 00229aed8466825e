package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/dispatch"
	"github.com/trama-run/trama/host/outbox"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/host/store/memory"
)

// failing is a store whose commits fail now and then.
type failing struct {
	store.Store
	every int
	n     int
}

var errNow = errors.New("not now")

func (f *failing) Commit(ctx context.Context, b *store.Batch) (store.Result, error) {
	if f.n++; f.every > 0 && f.n%f.every == 0 {
		return store.Result{}, errNow
	}
	return f.Store.Commit(ctx, b)
}

// TestFanOut: an event goes to each of many subscriptions once, over several
// commits of which some fail and over restarts.
func TestFanOut(t *testing.T) {
	const many = 1000
	lines := make([]string, many)
	for n := range lines {
		lines[n] = sub(fmt.Sprintf("s%04d", n), "https://example.com/"+strconv.Itoa(n), `events: ["event:a", event]`)
	}
	w := newWorld(t, near, lines...)
	broken := &failing{Store: w.store}
	w.store = broken
	w.open()
	for n := range 5 {
		w.tell("event:a", map[string]any{"n": n})
	}
	broken.every, broken.n = 2, 0
	for tries := 0; ; tries++ {
		_, err := w.webhooks.FanOut(t.Context(), keyEvents)
		if err == nil {
			break
		}
		if !errors.Is(err, errNow) || tries > 100 {
			t.Fatal(err)
		}
		if tries == 3 {
			w.open()
		}
	}
	broken.every = 0
	waiting, err := w.outbox.Waiting(t.Context(), PrefixDelivery, 10*many)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, one := range waiting {
		seen[one.EffectID]++
	}
	if len(waiting) != 5*many || len(seen) != 5*many {
		t.Errorf("%d deliveries of %d names, want %d", len(waiting), len(seen), 5*many)
	}
	if _, err := w.store.Load(t.Context(), store.ID{Kind: kindCursor, Key: keyEvents}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the cursor is left: %v", err)
	}
	if items, err := w.store.Read(t.Context(), keyEvents, 0, 10); len(items) != 0 || err != nil {
		t.Errorf("%d events are left, %v", len(items), err)
	}
}

// TestOrdered: events of a subscription that wants them in order wait for one
// another; those of others don't.
func TestOrdered(t *testing.T) {
	s := &status{code: 500}
	r := newReceiver(t, s.answer)
	w := newWorld(t, near, sub("one", r.URL+"/one", "ordered: true"), sub("two", r.URL+"/two", ""))
	for n := range 3 {
		w.tell("event:a", map[string]any{"n": n})
	}
	w.work(time.Second)
	if n := len(r.all()); n != 4 {
		t.Errorf("%d deliveries, want one of the first and three of the second", n)
	}
	s.set(200, "")
	w.work(time.Hour)
	if n := len(r.all()); n != 10 {
		t.Errorf("%d deliveries", n)
	}
	if waiting, err := w.outbox.Waiting(t.Context(), "", 10); len(waiting) != 0 || err != nil {
		t.Errorf("%v wait, %v", waiting, err)
	}
}

// TestFilter: a subscriber gets what its filter takes.
func TestFilter(t *testing.T) {
	r := newReceiver(t, nil)
	w := newWorld(t, near,
		sub("orders", r.URL, `events: [run.finished, message], filter: 'input.data.flow == "orders" && input.data.status == "failed" || input.type == "message" && input.data.channel == "wa"'`),
		sub("broken", r.URL, `events: [run.finished], filter: 'input.data.flow + 1'`))
	for _, c := range []struct {
		typ  string
		data map[string]any
		told bool
	}{
		{catalog.EventRun, map[string]any{"flow": "orders", "status": "failed"}, true},
		{catalog.EventRun, map[string]any{"flow": "orders", "status": "done"}, false},
		{catalog.EventRun, map[string]any{"flow": "other", "status": "failed"}, false},
		{catalog.EventRun, nil, false},
		{catalog.EventMessage, map[string]any{"channel": "wa"}, true},
		{catalog.EventMessage, map[string]any{"channel": "sms"}, false},
		{catalog.EventStatus, map[string]any{"channel": "wa"}, false},
	} {
		if told := w.tell(c.typ, c.data); told != c.told {
			t.Errorf("%s %v: told %v", c.typ, c.data, told)
		}
	}
	w.work(time.Second)
	if len(r.all()) != 2 || strings.Count(w.logged(), "whose filter fails") != 1 {
		t.Errorf("%d deliveries", len(r.all()))
	}
	found := w.webhooks.Findings()
	if len(found) != 1 || found[0].State != "broken" || found[0].ID != "broken" || !strings.Contains(found[0].Reason, "run.finished") || !strings.Contains(strings.Join(w.state("broken").Warnings, " "), found[0].Reason) {
		t.Errorf("of a filter that fails operators learn %+v, %q", found, w.state("broken").Warnings)
	}
	if w.apply(sub("broken", r.URL, `events: [run.finished], filter: 'input.data.flow == "x"'`)); len(w.webhooks.Findings()) != 0 {
		t.Error("a filter that was mended is told of")
	}
}

// TestLarge: what makes an event too large is left out, and named.
func TestLarge(t *testing.T) {
	r := newReceiver(t, nil)
	w := newWorld(t, near, sub("crm", r.URL, "events: [run.finished]"))
	w.tell(catalog.EventRun, map[string]any{"run_id": "r1", "result": strings.Repeat("x", 100_000), "error": strings.Repeat("y", 30_000), "label": "ok"})
	w.work(time.Second)
	e := r.all()[0].event
	if fmt.Sprint(e.Data["left_out"]) != "[result]" || e.Data["run_id"] != "r1" || e.Data["label"] != "ok" || e.Data["result"] != nil || len(fmt.Sprint(e.Data["error"])) != 30_000 {
		t.Errorf("the event is %.300v", e.Data)
	}
}

// TestLargeFiltered: filters see a large event whole, though it is sent without
// what makes it large; and only that is left out.
func TestLargeFiltered(t *testing.T) {
	r, rest, more := newReceiver(t, nil), newReceiver(t, nil), newReceiver(t, nil)
	w := newWorld(t, near,
		sub("all", rest.URL, ""),
		sub("paid", r.URL, `filter: 'input.data.data.paid == true && input.data.data.note != ""'`),
		sub("unpaid", more.URL, `filter: 'input.data.data.paid == false'`))
	big := strings.Repeat("x", 70<<10)
	for _, data := range []map[string]any{
		{"paid": true, "note": "a short one"},
		{"paid": true, "note": big, "photo": "small"},
		{"paid": true, "note": big, "photo": big + big},
		{"paid": false},
	} {
		w.tell("event:a", map[string]any{"event": "a", "data": data})
	}
	w.work(time.Second)
	if len(r.all()) != 3 || len(rest.all()) != 4 || len(more.all()) != 1 {
		t.Fatalf("%d, %d and %d deliveries", len(r.all()), len(rest.all()), len(more.all()))
	}
	for i, want := range []string{
		"map[data:map[note:a short one paid:true] event:a]",
		"map[data:map[paid:true photo:small] event:a left_out:[data.note]]",
		"map[data:map[paid:true] event:a left_out:[data.photo data.note]]",
	} {
		if got := fmt.Sprint(r.all()[i].event.Data); got != want {
			t.Errorf("event %d is %.200s, want %s", i, got, want)
		}
	}
	// Nobody's filter takes it: it costs nothing.
	w.apply(sub("unpaid", more.URL, `filter: 'input.data.data.paid == false'`))
	if w.tell("event:a", map[string]any{"event": "a", "data": map[string]any{"paid": true, "note": big}}) {
		t.Error("told what no filter takes")
	}
	// Many small members: what is named is not longer than what is left out.
	many := map[string]any{}
	for i := range 20_000 {
		many[fmt.Sprint("member", i)] = i
	}
	w.apply(sub("all", rest.URL, ""))
	w.tell("event:a", map[string]any{"event": "a", "data": many})
	w.work(time.Second)
	if got := rest.all()[4]; fmt.Sprint(got.event.Data) != "map[event:a left_out:[data]]" || len(got.body) > maxEvent {
		t.Errorf("the event is %.200v", got.event.Data)
	}
}

// TestQueues: the queues of one type of event are none of another's.
func TestQueues(t *testing.T) {
	of := func(typ string) string {
		return queueOf(&subscription{Subscription: catalog.Subscription{ID: "crm"}}, typ, "evt_1")
	}
	for _, other := range []string{"event:a/b", "event:a/", "event:a%2Fb", "event:ab", "event"} {
		if strings.HasPrefix(of(other), QueuesOf("crm", "event:a")) || strings.HasPrefix(of("event:a"), QueuesOf("crm", other)) {
			t.Errorf("%s is taken for one of event:a", of(other))
		}
	}
	if of("event:a/b") == of("event:a%2Fb") || !strings.HasPrefix(of("event:a/b"), QueuesOf("crm", "event:a/b")) || !strings.HasPrefix(of("event:a/b"), QueuesOf("crm", "")) {
		t.Error(of("event:a/b"))
	}
}

// TestMark: the same thing is told once.
func TestMark(t *testing.T) {
	w := newWorld(t, near, sub("crm", "https://example.com", "events: [message]"))
	for range 2 {
		var b store.Batch
		if _, err := w.webhooks.Tell(&b, catalog.EventMessage, "unit/wa/1", nil); err != nil {
			t.Fatal(err)
		}
		if _, err := w.store.Commit(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
	}
	if items, err := w.store.Read(t.Context(), keyEvents, 0, 10); len(items) != 1 || err != nil {
		t.Errorf("%d events, %v", len(items), err)
	}
}

// TestDeadBesideLive: endpoints that hang, and one that refuses, don't slow the
// others. It runs on the system's clock, with the dispatcher of the host.
func TestDeadBesideLive(t *testing.T) {
	hanging, err := net.Listen("tcp", "127.0.0.1:0") // it accepts, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer hanging.Close()
	refusing, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refusing.Close()
	live := newReceiver(t, nil)
	w := newWorld(t, near, sub("aa-hangs", "http://"+hanging.Addr().String(), ""), sub("ab-hangs", "http://"+hanging.Addr().String(), ""), sub("ac-refuses", "http://"+refusing.Addr().String(), ""), sub("live", live.URL, ""))
	w.store = memory.Open(w.disk, nil)
	var d *dispatch.Dispatcher
	poke := func() { d.Poke() }
	w.webhooks.config.Store, w.webhooks.config.Now, w.webhooks.config.Poke = w.store, time.Now, poke
	o := outbox.New(outbox.Config{Store: w.store, Poke: poke, Log: slog.New(slog.DiscardHandler),
		Lanes: map[string]outbox.Lane{PrefixDelivery: {Sender: w.webhooks, Policy: Policy()}}})
	d = dispatch.New(w.store, slog.New(slog.DiscardHandler), map[string]dispatch.Handler{PrefixEvents: w.webhooks.FanOut, PrefixDelivery: o.Work})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx, 0) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	const events = 300
	began := time.Now()
	for n := range events {
		w.tell("event:a", map[string]any{"n": n})
	}
	d.Poke()
	for len(live.all()) < events {
		if time.Since(began) > 20*time.Second {
			t.Fatalf("%d of %d deliveries after %s", len(live.all()), events, time.Since(began))
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Logf("%d events in %s beside %d that wait", events, time.Since(began), w.state("aa-hangs").Waiting)
	if w.state("live").Failed != 0 || w.state("aa-hangs").Waiting == 0 {
		t.Errorf("live: %+v", w.state("live"))
	}
}

// idle makes n subscriptions that nothing happens for.
func idle(t testing.TB, n int) *world {
	list := make([]string, n)
	for i := range list {
		filter := ""
		if i%10 == 0 { // each takes a while to be checked
			filter = `, filter: input.data.channel == "wa"`
		}
		list[i] = sub(fmt.Sprintf("s%05d", i), "https://example.com/"+strconv.Itoa(i), `events: [message, "event:order.paid"], secrets: [old]`+filter)
	}
	w := newWorld(t, near)
	var set catalog.Set
	for some := range slices.Chunk(list, 1000) { // a file has its bound
		if problems := read(&set, lines(some)); problems != nil {
			t.Fatal(problems)
		}
	}
	if _, err := w.catalog.Apply(t.Context(), set, true); err != nil {
		t.Fatal(err)
	}
	return w
}

// TestIdle: 10,000 subscriptions have no work, no goroutine, no connection and
// no record of their own, and cost nothing of what they did not ask for.
func TestIdle(t *testing.T) {
	before := runtime.NumGoroutine()
	w := idle(t, 10_000)
	if wakes, err := w.store.Due(t.Context(), store.Wake{}, begin.AddDate(100, 0, 0), 10); len(wakes) != 0 || err != nil {
		t.Errorf("they have work: %v, %v", wakes, err)
	}
	if records, err := w.store.List(t.Context(), kindState, "", 10, false); len(records) != 0 || err != nil {
		t.Errorf("they have records: %v, %v", records, err)
	}
	if after := runtime.NumGoroutine(); after > before+2 {
		t.Errorf("%d goroutines, %d before", after, before)
	}
	var b store.Batch
	if n := testing.AllocsPerRun(1000, func() {
		if told, err := w.webhooks.Tell(&b, catalog.EventRun, "", nil); told || err != nil {
			t.Error(told, err)
		}
	}); n != 0 {
		t.Errorf("%v allocations for what nobody wants", n)
	}
	if len(w.webhooks.states) != 0 {
		t.Errorf("%d states in memory", len(w.webhooks.states))
	}
}

// BenchmarkIdle is what telling of a thing costs that none of n subscribers
// asked for, and what each of them takes of memory.
func BenchmarkIdle(b *testing.B) {
	for _, n := range []int{0, 10_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			w := idle(b, n)
			runtime.GC()
			runtime.ReadMemStats(&after)
			var batch store.Batch
			for b.Loop() {
				if _, err := w.webhooks.Tell(&batch, catalog.EventRun, "", nil); err != nil {
					b.Fatal(err)
				}
			}
			if n > 0 {
				b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(n), "B/subscription")
			}
		})
	}
}
