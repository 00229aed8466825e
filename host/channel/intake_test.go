package channel

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/deadletter"
	"github.com/trama-run/trama/host/grant"
	"github.com/trama-run/trama/host/plugin"
	"github.com/trama-run/trama/host/run"
	"github.com/trama-run/trama/host/secret"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/host/store/memory"
	"github.com/trama-run/trama/pdk/abi"
)

// reader is an adapter whose requests are texts: it gives each as a unit, or
// fails as it is told to.
type reader struct {
	mu    sync.Mutex
	tries map[string]int               // guarded by mu
	fails func(body string) *abi.Error // nil: it doesn't
}

func (r *reader) Call(_ context.Context, c plugin.Call) (json.RawMessage, plugin.Usage, *abi.Error) {
	var in abi.Receive
	if err := json.Unmarshal(c.Input, &in); err != nil {
		return nil, plugin.Usage{}, &abi.Error{Code: abi.CodeInvalid, Message: err.Error()}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	body := string(in.Body)
	r.tries[body]++
	if failure := r.fails(body); failure != nil {
		return nil, plugin.Usage{}, failure
	}
	out, err := json.Marshal(abi.Received{Units: []abi.Unit{{ID: body, From: abi.Address{Scheme: "x", Path: "1"}, Message: &abi.Message{Type: abi.MessageText, Text: body}}}})
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
	items, err := i.store.Read(i.Context(), run.MailKey("wa/x:1"), 0, 100)
	if err != nil {
		i.Fatal(err)
	}
	texts := []string{}
	for _, item := range items {
		var l run.Letter
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
