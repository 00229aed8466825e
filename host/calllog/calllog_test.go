package calllog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/host/store/memory"
)

const hidden = "s3cret-value-of-acme"

// open returns a log on a store in memory.
func open(t testing.TB, change func(*Config)) (*Log, store.Store) {
	t.Helper()
	config := Config{
		Store:   memory.Open(memory.NewDisk(), time.Now),
		Secrets: func() []string { return []string{hidden} }, Log: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&config)
	}
	l := New(config)
	t.Cleanup(l.Close)
	return l, config.Store
}

// search gives the endpoints of what a filter finds.
func search(t *testing.T, l *Log, f Filter) string {
	t.Helper()
	calls, _, err := l.Search(t.Context(), f, 1000)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, c := range calls {
		all = append(all, c.Endpoint)
	}
	return strings.Join(all, " ")
}

func TestSearch(t *testing.T) {
	l, _ := open(t, nil)
	start := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	for i, c := range []Call{
		{Direction: In, Kind: KindGateway, Name: "POST /orders/:id", Method: "POST", Endpoint: "/api/orders/1?x=1", Status: 201, Run: "r1", Client: "erp"},
		{Direction: Out, Kind: KindConnector, Name: "acme.create", Method: "PUT", Endpoint: "https://api.acme.com:8443/v1/orders/1", Status: 503, Run: "r1", Attempt: 1, Contact: "wa/tel:1"},
		{Direction: Out, Kind: KindConnector, Name: "acme.create", Method: "PUT", Endpoint: "https://api.acme.com:8443/v1/orders/2", Status: 200, Run: "r2", Attempt: 2, EffectID: "e1"},
		{Direction: Out, Kind: KindAlert, Name: "ops", Method: "POST", Endpoint: "http://hooks.example.com", Error: "unreachable: no route", RequestID: "q1"},
		{Direction: In, Kind: KindWebhook, Name: "shop", Method: "POST", Endpoint: "/hooks/shop", Status: 401},
	} {
		c.At = start.Add(time.Duration(i) * time.Minute)
		l.Add(&Seen{Call: c})
	}
	const one, two, three, four, five = "/api/orders/1?x=1", "https://api.acme.com:8443/v1/orders/1", "https://api.acme.com:8443/v1/orders/2", "http://hooks.example.com", "/hooks/shop"
	for name, test := range map[string]struct {
		filter Filter
		want   []string
	}{
		"all":                 {Filter{}, []string{five, four, three, two, one}},
		"run":                 {Filter{Run: "r1"}, []string{two, one}},
		"run, none":           {Filter{Run: "r9"}, nil},
		"route":               {Filter{Kind: KindGateway, Name: "POST /orders/:id"}, []string{one}},
		"name of another":     {Filter{Kind: KindGateway, Name: "ops"}, nil},
		"direction":           {Filter{Direction: Out}, []string{four, three, two}},
		"status":              {Filter{Status: "503"}, []string{two}},
		"class":               {Filter{Status: "2xx"}, []string{three, one}},
		"class, as written":   {Filter{Status: "5XX"}, []string{two}},
		"no answer":           {Filter{Status: "none"}, []string{four}},
		"host":                {Filter{Endpoint: "api.acme.com"}, []string{three, two}},
		"host and port":       {Filter{Endpoint: "api.acme.com:8443"}, []string{three, two}},
		"origin":              {Filter{Endpoint: "https://api.acme.com:8443/"}, []string{three, two}},
		"URL":                 {Filter{Endpoint: "https://api.acme.com:8443/v1/orders/2"}, []string{three}},
		"URL, not a segment":  {Filter{Endpoint: "https://api.acme.com:8443/v1/ord"}, nil},
		"path":                {Filter{Endpoint: "/api/orders"}, []string{one}},
		"method":              {Filter{Method: "put"}, []string{three, two}},
		"contact":             {Filter{Contact: "wa/tel:1"}, []string{two}},
		"client":              {Filter{Client: "erp"}, []string{one}},
		"request":             {Filter{RequestID: "q1"}, []string{four}},
		"effect":              {Filter{EffectID: "e1"}, []string{three}},
		"since":               {Filter{Since: start.Add(3 * time.Minute)}, []string{five, four}},
		"until":               {Filter{Until: start.Add(time.Minute)}, []string{one}},
		"between":             {Filter{Since: start.Add(time.Minute), Until: start.Add(3 * time.Minute)}, []string{three, two}},
		"all of them at once": {Filter{Run: "r1", Status: "5xx", Direction: Out, Since: start}, []string{two}},
		"of two calls":        {Filter{Run: "r1", EffectID: "e1"}, nil},
	} {
		if got := search(t, l, test.filter); got != strings.Join(test.want, " ") {
			t.Errorf("%s: found %s\nwant %s", name, got, strings.Join(test.want, " "))
		}
	}
}

// TestPages: what is over many pages is found whole, once each and in order,
// by parts of any size and after a restart.
func TestPages(t *testing.T) {
	l, s := open(t, nil)
	const calls = 3*pageCalls + 17
	for i := range calls {
		l.Add(&Seen{Call: Call{Direction: Out, Kind: KindConnector, Endpoint: fmt.Sprintf("/%d", i), Status: 200, Run: fmt.Sprint("r", i%10)}})
	}
	l.Close()
	l = New(Config{Store: s, Log: slog.New(slog.DiscardHandler)})
	t.Cleanup(l.Close)
	l.Add(&Seen{Call: Call{Endpoint: "/last", Run: "r3"}})
	for _, most := range []int{1, 7, 50, 1000} {
		f, seen := Filter{Run: "r3"}, []string{}
		for {
			found, more, err := l.Search(t.Context(), f, most)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range found {
				seen = append(seen, c.Endpoint)
				if whole, err := l.Load(t.Context(), c.ID); err != nil || whole.Endpoint != c.Endpoint {
					t.Fatalf("call %s: %+v, %v", c.ID, whole, err)
				}
			}
			if f.Before = more; more == "" {
				break
			}
		}
		want := []string{"/last"}
		for i := calls - 1; i >= 0; i-- {
			if i%10 == 3 {
				want = append(want, fmt.Sprintf("/%d", i))
			}
		}
		if strings.Join(seen, " ") != strings.Join(want, " ") {
			t.Errorf("%d at a time: found %d calls, want %d:\n%v", most, len(seen), len(want), seen)
		}
	}
	for _, id := range []string{"", "x", "00-1", "0000000000000001-00", l.last + "-ff", l.last} {
		if _, err := l.Load(t.Context(), id); !errors.Is(err, ErrNotFound) {
			t.Errorf("call %q: %v, want ErrNotFound", id, err)
		}
	}
	if _, _, err := l.Search(t.Context(), Filter{Before: "nonsense"}, 1); err == nil {
		t.Error("a search before nonsense is one")
	}
}

// TestIndexDecides: a search reads the pages that can have what it looks for,
// and no others.
func TestIndexDecides(t *testing.T) {
	reads := 0
	l, _ := open(t, func(c *Config) { c.Store = counting{c.Store, &reads} })
	for i := range 10 * pageCalls {
		l.Add(&Seen{Call: Call{Endpoint: "/x", Status: 200, Run: fmt.Sprint("r", i/pageCalls)}})
	}
	if got := search(t, l, Filter{Run: "r4"}); strings.Count(got, "/x") != pageCalls || reads > 2 {
		t.Errorf("%d found with %d pages read, want %d with 2 at most", strings.Count(got, "/x"), reads, pageCalls)
	}
}

type counting struct {
	store.Store
	reads *int
}

func (c counting) Load(ctx context.Context, id store.ID) (store.Record, error) {
	*c.reads++
	return c.Store.Load(ctx, id)
}

// TestRetention: the log keeps its bounds in bytes over restarts, and the
// oldest go first.
func TestRetention(t *testing.T) {
	const most = 10 * pageBytes
	l, s := open(t, func(c *Config) { c.Bytes = most })
	fill := func(l *Log, from, to int) {
		for i := from; i < to; i++ {
			for !l.Takes(true) {
				if err := l.sync(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			l.Add(&Seen{Call: Call{Endpoint: fmt.Sprintf("/%d", i), Status: 500}, Asked: Half{Body: []byte(strings.Repeat("x", 1000)), Bytes: 1000}})
		}
	}
	size := func() (bytes int64) {
		for after := ""; ; {
			records, err := s.List(t.Context(), KindPage, after, 100, false)
			if err != nil {
				t.Fatal(err)
			}
			if len(records) == 0 {
				return bytes
			}
			for _, r := range records {
				bytes += int64(len(r.Value))
				after = r.ID.Key
			}
		}
	}
	fill(l, 0, 2000)
	l.Close()
	if got := size(); got > most+2*pageBytes || got < most/2 {
		t.Errorf("%d bytes are kept of 2,000,000; the bound is %d", got, most)
	}
	l = New(Config{Store: s, Bytes: most, Log: slog.New(slog.DiscardHandler)})
	t.Cleanup(l.Close)
	fill(l, 2000, 3000)
	if got := search(t, l, Filter{}); !strings.HasPrefix(got, "/2999 /2998") || strings.HasSuffix(got, "/0") {
		t.Errorf("kept: %.40s…", got)
	}
	if got := size(); got > most+2*pageBytes {
		t.Errorf("%d bytes are kept after a restart; the bound is %d", got, most)
	}
}

// TestAge: a page lives for the days that are set.
func TestAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := open(t, func(c *Config) { c.Days = 2 })
		defer l.Close()
		l.Add(&Seen{Call: Call{Endpoint: "/old", Status: 200}})
		if got := search(t, l, Filter{}); got != "/old" {
			t.Fatalf("found %q", got)
		}
		time.Sleep(47 * time.Hour)
		if got := search(t, l, Filter{}); got != "/old" {
			t.Errorf("before its time: found %q", got)
		}
		for range pageCalls {
			l.Add(&Seen{Call: Call{Endpoint: "/new", Status: 200}})
		}
		time.Sleep(50 * time.Hour)
		l.Add(&Seen{Call: Call{Endpoint: "/newest", Status: 200}})
		if got := search(t, l, Filter{}); got != "/newest" || len(l.kept) > 1 {
			t.Errorf("found %.50q, %d pages counted", got, len(l.kept))
		}
	})
}

// TestLoad: what comes faster than it can be written is left out and counted,
// successes first; nobody waits.
func TestLoad(t *testing.T) {
	stuck := make(chan struct{})
	l, _ := open(t, func(c *Config) { c.Store = slow{c.Store, stuck} })
	add := func(n, status int) (taken int) {
		for range n {
			if c := (Call{Direction: Out, Status: status}); l.Takes(c.Failed()) {
				l.Add(&Seen{Call: c})
				taken++
			}
		}
		return taken
	}
	ok := add(10*queueCalls, 200)
	failed := add(10*queueCalls, 500)
	if ok < queueCalls/2 || ok > queueCalls/2+2*roundCalls || failed < queueCalls/2-roundCalls || failed > queueCalls {
		t.Errorf("taken: %d successes and %d failures of room for %d", ok, failed, queueCalls)
	}
	close(stuck)
	found, _, err := l.Search(t.Context(), Filter{}, 10*queueCalls)
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(found)) != int64(ok+failed) || l.Dropped() != int64(20*queueCalls-ok-failed) {
		t.Errorf("%d are found and %d counted as dropped, %d were taken of %d", len(found), l.Dropped(), ok+failed, 20*queueCalls)
	}
}

type slow struct {
	store.Store
	stuck chan struct{}
}

func (s slow) Commit(ctx context.Context, b *store.Batch) (store.Result, error) {
	<-s.stuck
	return s.Store.Commit(ctx, b)
}

// TestFlood: callers that are turned away do not push out the rest.
func TestFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := open(t, nil)
		defer l.Close()
		for range 1000 {
			if l.Takes(false) {
				l.Add(&Seen{Call: Call{Direction: In, Status: 401, Endpoint: "/api/x"}})
			}
		}
		l.Add(&Seen{Call: Call{Direction: In, Status: 401, Endpoint: "/of-a-run", Run: "r1"}})
		time.Sleep(10 * time.Second)
		got := search(t, l, Filter{})
		if n := strings.Count(got, "/api/x"); n < roundRefused || n > 6*roundRefused || !strings.Contains(got, "/of-a-run") {
			t.Errorf("%d of 1,000 refusals are kept", n)
		}
		if l.Dropped() == 0 {
			t.Error("none is counted as dropped")
		}
	})
}

// TestRefusedShare: however many are turned away, and for however long, they
// fill a share of the log and no more.
func TestRefusedShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const days, size = 1, 1 << 20
		l, _ := open(t, func(c *Config) { c.Days, c.Bytes = days, size })
		defer l.Close()
		l.Add(&Seen{Call: Call{At: time.Now(), Direction: In, Status: 200, Endpoint: "/wanted"}})
		body := []byte(strings.Repeat("\x01", Room))
		for range 200 { // an hour and a half
			for range roundRefused {
				l.Add(&Seen{Call: Call{At: time.Now(), Direction: In, Status: 404, Endpoint: "/none"}, Asked: Half{Body: body, Bytes: int64(len(body))}})
			}
			time.Sleep(27 * time.Second)
		}
		got := search(t, l, Filter{})
		if !strings.Contains(got, "/wanted") || !strings.Contains(got, "/none") {
			t.Errorf("kept: %.200s", got)
		}
		if l.bytes > 2*size/shareRefused || l.Dropped() == 0 {
			t.Errorf("they fill %d bytes of %d; %d are dropped", l.bytes, size, l.Dropped())
		}
		time.Sleep(time.Hour) // later there is room again
		l.Add(&Seen{Call: Call{At: time.Now(), Direction: In, Status: 401, Endpoint: "/later"}})
		if got := search(t, l, Filter{Endpoint: "/later"}); got == "" {
			t.Error("none is kept for ever")
		}
	})
}

// TestLongRound: calls that are many times longer in JSON are all stored.
func TestLongRound(t *testing.T) {
	l, _ := open(t, nil)
	body := []byte(strings.Repeat("\x01", maxBody)) // six bytes each, in JSON
	const calls = roundCalls
	for range calls {
		half := Half{Body: body, Bytes: int64(len(body))}
		l.Add(&Seen{Call: Call{At: time.Now(), Direction: In, Status: 500, Endpoint: "/x"}, Asked: half, Answered: half})
	}
	if n := len(strings.Fields(search(t, l, Filter{}))); n != calls || l.Dropped() != 0 {
		t.Errorf("%d of %d calls are kept, %d dropped", n, calls, l.Dropped())
	}
}

// TestFull: a disk that is full loses calls and nothing else.
func TestFull(t *testing.T) {
	refuse := true
	l, _ := open(t, func(c *Config) { c.Store = full{c.Store, &refuse} })
	l.Add(&Seen{Call: Call{Endpoint: "/lost"}})
	if got := search(t, l, Filter{}); got != "" || l.Dropped() != 1 {
		t.Errorf("found %q, %d dropped", got, l.Dropped())
	}
	refuse = false
	l.Add(&Seen{Call: Call{Endpoint: "/kept"}})
	if got := search(t, l, Filter{}); got != "/kept" {
		t.Errorf("found %q", got)
	}
}

type full struct {
	store.Store
	refuse *bool
}

func (f full) Commit(ctx context.Context, b *store.Batch) (store.Result, error) {
	if *f.refuse && b.Intake {
		return store.Result{}, store.ErrNoSpace
	}
	return f.Store.Commit(ctx, b)
}

// TestOff: a log that is off takes nothing and says so.
func TestOff(t *testing.T) {
	var l *Log
	l.Add(&Seen{})
	if l.Takes(true) || l.Dropped() != 0 {
		t.Error("a log that is off takes calls")
	}
	if _, _, err := l.Search(t.Context(), Filter{}, 1); !errors.Is(err, ErrOff) {
		t.Errorf("search: %v", err)
	}
	if _, err := l.Load(t.Context(), "x"); !errors.Is(err, ErrOff) {
		t.Errorf("load: %v", err)
	}
	l.Close()
}

// BenchmarkAdd is what a call costs its side, and Written what the writer takes
// for it.
func BenchmarkAdd(b *testing.B) {
	headers := []byte("Host: localhost\r\nUser-Agent: wrk\r\nContent-Type: application/json\r\nAccept: */*\r\nClient_id: abcdefghijklmnop\r\nX-Request-Id: 1b4e28ba-2fa1-11d2-883f-0016d3cca427\r\n")
	body := []byte(`{"order":{"id":"A-1","items":[{"sku":"x","price":10},{"sku":"y","price":20}]},"customer":{"name":"Ana","phone":"+5511999999999"}}`)
	seen := func() *Seen {
		half := Half{Headers: append([]byte(nil), headers...), Body: append([]byte(nil), body...), Bytes: int64(len(body))}
		return &Seen{Call: Call{At: time.Now(), Direction: In, Kind: KindGateway, Name: "POST /orders", Method: "POST", Endpoint: "/api/orders", Status: 200, Run: "0196b0b0-0000-7000-8000-000000000000"}, Asked: half, Answered: half}
	}
	b.Run("dropped", func(b *testing.B) {
		l := &Log{queue: make(chan *Seen, queueCalls)}
		l.waiting.Store(queueBytes)
		for b.Loop() {
			if l.Takes(false) {
				b.Fatal("taken")
			}
		}
	})
	b.Run("taken", func(b *testing.B) {
		l := &Log{queue: make(chan *Seen, queueCalls)}
		b.ReportAllocs()
		for b.Loop() {
			l.Add(seen())
			<-l.queue
		}
	})
	b.Run("written", func(b *testing.B) {
		l, _ := open(b, nil)
		l.Close()
		l.renew(time.Now())
		b.ReportAllocs()
		for b.Loop() {
			var batch store.Batch
			if _, err := l.put(&batch, seen(), time.Now()); err != nil {
				b.Fatal(err)
			}
		}
	})
}
