package channel

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/deadletter"
	"github.com/trama-run/trama/host/grant"
	"github.com/trama-run/trama/host/plugin"
	"github.com/trama-run/trama/host/run/mail"
	"github.com/trama-run/trama/host/secret"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/host/store/memory"
	"github.com/trama-run/trama/pdk/abi"
)

// reader is an adapter whose requests are texts: it gives each as a unit, with
// an unread part for each "!" in it, or fails as it is told to.
type reader struct {
	mu    sync.Mutex
	tries map[string]int               // guarded by mu
	fails func(body string) *abi.Error // nil: it doesn't
	waits func()                       // for something outside; nil: it doesn't
}

func (r *reader) Call(_ context.Context, c plugin.Call) (json.RawMessage, plugin.Usage, *abi.Error) {
	var in abi.Receive
	if err := json.Unmarshal(c.Input, &in); err != nil {
		return nil, plugin.Usage{}, &abi.Error{Code: abi.CodeInvalid, Message: err.Error()}
	}
	if r.waits != nil {
		r.waits()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	body := string(in.Body)
	r.tries[body]++
	if failure := r.fails(body); failure != nil {
		return nil, plugin.Usage{}, failure
	}
	received := abi.Received{Units: []abi.Unit{{ID: body, From: abi.Address{Scheme: "x", Path: "1"}, Message: &abi.Message{Type: abi.MessageText, Text: body}}}}
	for range strings.Count(body, "!") {
		received.Unread = append(received.Unread, "a part")
	}
	out, err := json.Marshal(received)
	if err != nil {
		return nil, plugin.Usage{}, &abi.Error{Code: abi.CodeBadOutput, Message: err.Error()}
	}
	return out, plugin.Usage{}, nil
}

func (r *reader) Manifest(string) (abi.Manifest, bool) {
	return abi.Manifest{Kind: abi.KindChannel, Webhook: &abi.Webhook{}}, true
}
func (r *reader) Grant(string) grant.Grant {
	return grant.Grant{Limits: grant.Limits{Input: 1 << 20}}
}
func (r *reader) Ready(string) *abi.Error { return nil }
func (r *reader) Has(string, string) bool { return false }

// intake is a channel whose adapter is a reader.
type intake struct {
	*testing.T
	*reader
	*Channels
	store store.Store
}

func newIntake(t *testing.T) *intake {
	i := &intake{T: t, reader: &reader{tries: map[string]int{}}, store: memory.Open(memory.NewDisk(), nil)}
	objects, err := catalog.Open(t.Context(), i.store, func(*catalog.Snapshot) {})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := objects.Apply(t.Context(), catalog.Set{Channels: []catalog.Channel{{ID: "wa", Adapter: "post"}}}, true); err != nil {
		t.Fatal(err)
	}
	i.Channels = New(Config{
		Store: i.store, Catalog: func() *catalog.Catalog { return objects }, Plugins: i.reader, Secrets: secret.New(nil, ""),
		Poke: func() {}, Log: slog.New(slog.DiscardHandler),
	})
	return i
}

// comes stores requests with these bodies.
func (i *intake) comes(bodies ...string) {
	i.Helper()
	for _, body := range bodies {
		if _, err := i.Hook(i.Context(), Request{Channel: "wa", Method: "POST", Headers: map[string]string{}, Body: []byte(body)}); err != nil {
			i.Fatal(err)
		}
	}
}

// work does what is due within a while, as the dispatcher does.
func (i *intake) work(a time.Duration) {
	i.Helper()
	for until := time.Now().Add(a); ; {
		wakes, err := i.store.Wakes(i.Context(), PrefixIntake, "", 1)
		if err != nil {
			i.Fatal(err)
		}
		if len(wakes) == 0 || wakes[0].At.After(until) {
			time.Sleep(time.Until(until))
			return
		}
		time.Sleep(time.Until(wakes[0].At))
		if wakes[0].At, err = i.Intake(i.Context(), wakes[0].Key); err != nil {
			i.Fatal(err)
		}
		if _, err := i.store.Commit(i.Context(), &store.Batch{Wake: wakes}); err != nil {
			i.Fatal(err)
		}
	}
}

// arrived gives the texts in the contact's mailbox, in order.
func (i *intake) arrived() []string {
	i.Helper()
	items, err := i.store.Read(i.Context(), mail.Key("wa/x:1"), 0, 100)
	if err != nil {
		i.Fatal(err)
	}
	texts := []string{}
	for _, item := range items {
		var l mail.Letter
		if err := json.Unmarshal(item.Value, &l); err != nil {
			i.Fatal(err)
		}
		texts = append(texts, l.Unit.Message.Text)
	}
	return texts
}

func (i *intake) want(texts ...string) {
	i.Helper()
	if got := i.arrived(); !slices.Equal(got, texts) {
		i.Errorf("arrived: %q, want %q", got, texts)
	}
}

// dead counts the dead letters by the codes of their reasons.
func (i *intake) dead(want map[string]int) {
	i.Helper()
	got := map[string]int{}
	if err := deadletter.Each(i.Context(), i.store, deadletter.Filter{}, "", 100, 100, func(l deadletter.Letter) { got[l.Reason.Code]++ }); err != nil {
		i.Fatal(err)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		i.Errorf("dead letters %v, want %v", got, want)
	}
}

// TestReadersThatWait: a request whose reading waits for something outside holds
// those behind it for a moment only, and their order stays.
func TestReadersThatWait(t *testing.T) {
	i := newIntake(t)
	i.fails = func(string) *abi.Error { return nil }
	var all sync.WaitGroup
	var want []string
	for n := range inOneGo {
		want = append(want, fmt.Sprint(n))
	}
	all.Add(len(want))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	i.waits = func() { // until all are being read
		all.Done()
		through := make(chan struct{})
		go func() { all.Wait(); close(through) }()
		select {
		case <-through:
		case <-ctx.Done():
		}
	}
	i.comes(want...)
	i.work(0)
	if got := i.arrived(); ctx.Err() != nil || !slices.Equal(got, want) {
		t.Errorf("arrived: %q, %v", got, ctx.Err())
	}
}

// TestUnreadable: a request that fails for good is dead after three tries, and
// holds no other.
func TestUnreadable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := newIntake(t)
		i.fails = func(body string) *abi.Error {
			if body == "bad" {
				return &abi.Error{Code: "bad", Message: "no"}
			}
			return nil
		}
		i.comes("a", "bad", "b")
		i.work(0)
		i.want("a", "b")
		i.dead(map[string]int{"bad": 1})
		if i.tries["bad"] != maxTries {
			t.Errorf("%d tries", i.tries["bad"])
		}
	})
}

// TestNoLetter: a request of which a unit can't be written down is dead, and
// holds no other; of one that is read in part, the good units arrive, and the
// rest is dead.
func TestNoLetter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := newIntake(t)
		i.fails = func(string) *abi.Error { return nil }
		i.comes("a", "b", "c", "d")
		items, err := i.store.Read(t.Context(), intakeKey("wa"), 0, 10)
		if err != nil || len(items) != 4 {
			t.Fatal(items, err)
		}
		unit := func(text string, l *abi.Location) abi.Unit {
			return abi.Unit{ID: text, From: abi.Address{Scheme: "x", Path: "1"}, Message: &abi.Message{Type: abi.MessageText, Text: text, Location: l}}
		}
		bad := &abi.Location{Latitude: math.NaN()}
		err = i.settle(t.Context(), catalog.Channel{ID: "wa", Adapter: "post"}, []request{
			{item: items[0], units: []abi.Unit{unit("a", bad)}},
			{item: items[1], units: []abi.Unit{unit("b", nil)}},
			{item: items[2], units: []abi.Unit{unit("c", nil)}, failure: &abi.Error{Code: "part", Message: "entry 2"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		err = i.settle(t.Context(), catalog.Channel{ID: "wa", Adapter: "post"}, []request{{item: items[3], units: []abi.Unit{unit("d", nil)}, failure: &abi.Error{Code: "part", Message: "entry 2"}}})
		if err != nil {
			t.Fatal(err)
		}
		i.want("b", "c", "d")
		i.dead(map[string]int{abi.CodeLimit: 1, "part": 2})
		if left, err := i.store.Read(t.Context(), intakeKey("wa"), 0, 10); err != nil || len(left) != 0 {
			t.Errorf("%d requests are left, %v", len(left), err)
		}
	})
}

// TestUnread: what an adapter could not read of a request is kept as a dead
// letter, beside the units of the rest, which are there once.
func TestUnread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := newIntake(t)
		i.fails = func(string) *abi.Error { return nil }
		i.comes("a", "b!!", "c")
		i.work(time.Second)
		i.want("a", "b!!", "c")
		i.dead(map[string]int{abi.CodeInvalid: 1})
		if i.tries["b!!"] != 1 {
			t.Errorf("read %d times", i.tries["b!!"])
		}
	})
}

// TestReadLater: a request that may be read later holds those behind it, which
// keep their order; it is tried ever more rarely, and dead in the end.
func TestReadLater(t *testing.T) {
	for _, c := range []struct {
		name    string
		lasts   time.Duration
		arrived []string
		dead    map[string]int
		atMost  int // tries
	}{
		{name: "a while", lasts: time.Minute, arrived: []string{"a", "busy", "b", "c"}, dead: map[string]int{}, atMost: 20},
		{name: "for ever", lasts: 24 * time.Hour, arrived: []string{"a", "b", "c"}, dead: map[string]int{"busy": 1}, atMost: 50},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				i := newIntake(t)
				began := time.Now()
				i.fails = func(body string) *abi.Error {
					if body == "busy" && time.Since(began) < c.lasts {
						return &abi.Error{Code: "busy", Message: "come back later", Retryable: true}
					}
					return nil
				}
				i.comes("a", "busy", "b")
				i.work(time.Second)
				i.want("a")
				i.dead(map[string]int{})
				before := i.tries["busy"]
				i.comes("c") // wakes the channel
				i.work(0)
				if i.tries["busy"] != before || before != 1 {
					t.Errorf("%d tries, and %d after another request came", before, i.tries["busy"])
				}
				i.work(patience + time.Minute)
				i.want(c.arrived...)
				i.dead(c.dead)
				if n := i.tries["busy"]; n > c.atMost || n < 5 {
					t.Errorf("%d tries", n)
				}
			})
		})
	}
}
