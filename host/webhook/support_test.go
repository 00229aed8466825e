package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/deadletter"
	"github.com/trama-run/trama/host/egress"
	"github.com/trama-run/trama/host/outbox"
	"github.com/trama-run/trama/host/run"
	"github.com/trama-run/trama/host/secret"
	"github.com/trama-run/trama/host/source"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/host/store/memory"
)

// got is one request that a receiver got.
type got struct {
	header http.Header
	body   string
	event  Event
}

// receiver is a subscriber's server.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	got    []got                                                     // guarded by mu
	answer func(w http.ResponseWriter, r *http.Request, body string) // nil: 204
}

func newReceiver(t testing.TB, answer func(w http.ResponseWriter, r *http.Request, body string)) *receiver {
	r := &receiver{answer: answer}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, err := io.ReadAll(q.Body)
		if err != nil {
			return // the host was stopped
		}
		g := got{header: q.Header.Clone(), body: string(body)}
		if err := json.Unmarshal(body, &g.event); err != nil && len(body) > 0 && strings.HasPrefix(q.Header.Get("Content-Type"), "application/json") {
			t.Errorf("the body %q: %v", body, err)
		}
		r.mu.Lock()
		r.got = append(r.got, g)
		r.mu.Unlock()
		if r.answer == nil {
			w.WriteHeader(204)
			return
		}
		r.answer(w, q, string(body))
	}))
	t.Cleanup(r.Close)
	return r
}

// all gives what came so far.
func (r *receiver) all() []got {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]got(nil), r.got...)
}

// status answers with a status that the test may change.
type status struct {
	mu         sync.Mutex
	code       int
	retryAfter string
}

func (s *status) set(code int, retryAfter string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.code, s.retryAfter = code, retryAfter
}

func (s *status) answer(w http.ResponseWriter, _ *http.Request, _ string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.retryAfter != "" {
		w.Header().Set("Retry-After", s.retryAfter)
	}
	w.WriteHeader(s.code)
}

// vault is in memory.
type vault struct {
	mu   sync.Mutex
	kept map[string]string
	err  error
}

func (v *vault) Get(name string) (string, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.kept[name], v.err
}

func (v *vault) Put(name, value string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.kept[name] = value
	return v.err
}

func (v *vault) Remove(name string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.kept, name)
	return v.err
}

// world is subscriptions with an outbox, on a store in memory and a clock of
// the test's.
type world struct {
	t        testing.TB
	mu       sync.Mutex
	clock    time.Time // guarded by mu
	store    store.Store
	disk     *memory.Disk
	catalog  *catalog.Catalog
	vault    *vault
	webhooks *Webhooks
	outbox   *outbox.Outbox
	rules    Rules
	run      func(ctx context.Context, f catalog.Flow, trigger string, event map[string]any) (run.Answer, error)
	environ  []string
	log      *strings.Builder
}

var begin = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// near is what tests' receivers need.
var near = Rules{AllowHTTP: true, AllowPrivate: true}

func newWorld(t testing.TB, rules Rules, subscriptions ...string) *world {
	w := &world{
		t: t, clock: begin, disk: memory.NewDisk(), vault: &vault{kept: map[string]string{}}, rules: rules, log: &strings.Builder{},
		environ: []string{
			"TRAMA_SECRET_OLD=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "TRAMA_SECRET_NEW=a secret that the operator chose",
			"TRAMA_SECRET_CLIENT=the client's own", "TRAMA_SECRET_KEY=k3y-of-ours",
		},
	}
	w.store = memory.Open(w.disk, w.now)
	w.open()
	w.apply(subscriptions...)
	return w
}

// open begins a life of the host on the store.
func (w *world) open() {
	w.t.Helper()
	secrets := secret.New(w.environ, "")
	client := egress.New(egress.Config{Secrets: secrets})
	w.t.Cleanup(client.Close)
	var err error
	log := slog.New(slog.NewTextHandler(locked{w}, nil))
	if w.webhooks, err = Open(w.t.Context(), Config{
		Store: w.store, Catalog: func() *catalog.Catalog { return w.catalog }, Egress: client, Secrets: secrets, Vault: w.vault,
		Run: func(ctx context.Context, f catalog.Flow, trigger string, event map[string]any) (run.Answer, error) {
			return w.run(ctx, f, trigger, event)
		},
		Rules: w.rules, Poke: func() {}, Now: w.now, Log: log,
	}); err != nil {
		w.t.Fatal(err)
	}
	if w.catalog, err = catalog.Open(w.t.Context(), w.store, w.webhooks.Update); err != nil {
		w.t.Fatal(err)
	}
	w.outbox = outbox.New(outbox.Config{
		Store: w.store, Poke: func() {}, Now: w.now, Log: log,
		Lanes: map[string]outbox.Lane{PrefixDelivery: {Sender: w.webhooks, Policy: Policy()}},
	})
}

// locked writes to the log of a world.
type locked struct{ world *world }

func (l locked) Write(p []byte) (int, error) {
	l.world.mu.Lock()
	defer l.world.mu.Unlock()
	return l.world.log.Write(p)
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.clock
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clock = w.clock.Add(d)
}

// apply makes the subscriptions these.
func (w *world) apply(subscriptions ...string) {
	w.t.Helper()
	var set catalog.Set
	if problems := read(&set, lines(subscriptions)); len(problems) > 0 {
		w.t.Fatal(problems)
	}
	if _, err := w.catalog.Apply(w.t.Context(), set, true); err != nil {
		w.t.Fatal(err)
	}
}

// lines is a file of subscriptions.
func lines(subscriptions []string) string {
	if len(subscriptions) == 0 {
		return "[]"
	}
	return strings.Join(subscriptions, "\n")
}

func read(set *catalog.Set, text string) source.Problems {
	kind, _ := catalog.KindOf("subscription")
	return kind.Read(set, "subscriptions.yaml", []byte(text))
}

// tell makes an event happen, in a commit of its own.
func (w *world) tell(typ string, data map[string]any) (told bool) {
	w.t.Helper()
	var b store.Batch
	told, err := w.webhooks.Tell(&b, typ, "", data)
	if err == nil && len(b.Append)+len(b.Put) > 0 {
		_, err = w.store.Commit(w.t.Context(), &b)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return told
}

// work does what is due, and what becomes due within a while; the clock goes
// with it. It gives how many pieces of work there were.
func (w *world) work(patience time.Duration) (pieces int) {
	w.t.Helper()
	until := w.now().Add(patience)
	for {
		wakes, err := w.store.Due(w.t.Context(), store.Wake{}, until, 1)
		if err != nil {
			w.t.Fatal(err)
		}
		if len(wakes) == 0 {
			return pieces
		}
		wake := wakes[0]
		if late := wake.At.Sub(w.now()); late > 0 {
			w.pass(late)
		}
		if pieces++; pieces > 100_000 {
			w.t.Fatal("the work has no end")
		}
		var next time.Time
		if prefix, _, _ := strings.Cut(wake.Key, ":"); prefix == PrefixEvents {
			next, err = w.webhooks.FanOut(w.t.Context(), wake.Key)
		} else if prefix == PrefixDelivery {
			next, err = w.outbox.Work(w.t.Context(), wake.Key)
		} else if prefix == PrefixFailing {
			next, err = w.webhooks.Failing(w.t.Context(), wake.Key)
		}
		if err != nil {
			w.t.Fatalf("%s: %v", wake.Key, err)
		}
		wake.At = next
		if _, err := w.store.Commit(w.t.Context(), &store.Batch{Wake: []store.Wake{wake}}); err != nil {
			w.t.Fatal(err)
		}
	}
}

// letters are the dead ones, newest first.
func (w *world) letters() (list []deadletter.Letter) {
	w.t.Helper()
	if err := deadletter.Each(w.t.Context(), w.store, deadletter.Filter{}, "", 1000, 1000, func(l deadletter.Letter) { list = append(list, l) }); err != nil {
		w.t.Fatal(err)
	}
	return list
}

// state is how a subscription does.
func (w *world) state(id string) Status {
	w.t.Helper()
	s, err := w.webhooks.Status(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// delivered is what became of an event on its way to a subscription.
func (w *world) delivered(event, subscription string) string {
	w.t.Helper()
	record, err := w.store.Load(w.t.Context(), store.ID{Kind: outbox.KindDelivery, Key: event + "/" + subscription})
	if errors.Is(err, store.ErrNotFound) {
		return ""
	}
	var d outbox.Delivery
	if err == nil {
		err = json.Unmarshal(record.Value, &d)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return d.State
}

// logged is what the log says.
func (w *world) logged() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.String()
}

// sub is a line of subscriptions.yaml.
func sub(id, url, more string, args ...any) string {
	if more != "" {
		more = ", " + fmt.Sprintf(more, args...)
	}
	if !strings.Contains(more, "events:") {
		more = ", events: [event]" + more
	}
	return fmt.Sprintf("- {id: %s, url: %q%s}", id, url, more)
}
