package alert

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
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
	"github.com/trama-run/trama/host/secret"
	"github.com/trama-run/trama/host/source"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/host/store/memory"
	"github.com/trama-run/trama/pdk/abi"
)

// received is one POST.
type received struct {
	path   string
	header http.Header
	body   string
}

// receiver is an operator's server.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	got    []received                                            // guarded by mu
	answer func(w http.ResponseWriter, r *http.Request, nth int) // guarded by mu; nil: 204
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, err := io.ReadAll(q.Body)
		if err != nil {
			t.Error(err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.got = append(r.got, received{q.Method + " " + q.URL.String(), q.Header, string(body)})
		if r.answer == nil {
			w.WriteHeader(204)
			return
		}
		r.answer(w, q, len(r.got))
	}))
	t.Cleanup(r.Close)
	return r
}

// world is alerts with an outbox, on a store in memory and a clock of the
// test's.
type world struct {
	t       *testing.T
	clock   time.Time
	store   store.Store
	catalog *catalog.Catalog
	alerts  *Alerts
	outbox  *outbox.Outbox
}

const (
	plainKey   = "a secret that the operator chose"
	encodedKey = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
)

func newWorld(t *testing.T, alerts ...catalog.Alert) *world {
	w := &world{t: t, clock: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	w.store = memory.Open(memory.NewDisk(), func() time.Time { return w.clock })
	var err error
	if w.catalog, err = catalog.Open(t.Context(), w.store, func(*catalog.Snapshot) {}); err != nil {
		t.Fatal(err)
	}
	set := catalog.Set{Alerts: alerts}
	for n := range set.Alerts {
		set.Alerts[n].At = source.Place{File: "alerts.yaml", Line: n + 1}
		if problems := set.Alerts[n].Check(); len(problems) > 0 {
			t.Fatal(problems)
		}
	}
	if _, err := w.catalog.Apply(t.Context(), set, true); err != nil {
		t.Fatal(err)
	}
	secrets := secret.New([]string{"TRAMA_SECRET_PLAIN=" + plainKey, "TRAMA_SECRET_ENCODED=" + encodedKey, "TRAMA_SECRET_BROKEN=whsec_%"}, "")
	client := egress.New(egress.Config{Secrets: secrets})
	t.Cleanup(client.Close)
	now := func() time.Time { return w.clock }
	w.alerts = New(Config{Catalog: func() *catalog.Catalog { return w.catalog }, Egress: client, Secrets: secrets, Now: now})
	w.outbox = outbox.New(outbox.Config{
		Store: w.store, Poke: func() {}, Now: now, Log: slog.New(slog.DiscardHandler),
		Lanes: map[string]outbox.Lane{outbox.PrefixAlert: {Sender: w.alerts, Policy: Policy()}},
	})
	return w
}

// raise puts an alert into its outbox, as a run's commit does, and works on
// that until there is nothing to do for longer than patience.
func (w *world) raise(to, effect string, patience time.Duration) {
	w.t.Helper()
	data, err := json.Marshal(outbox.Alert{
		Head: outbox.Head{EffectID: effect, At: w.clock, RunID: "r1"},
		Flow: "orders", Node: "tell", Level: "critical", Text: "stock is <empty>", Data: json.RawMessage(`{"sku":9007199254740993}`),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	queue := outbox.AlertKey(to)
	if _, err := w.store.Commit(w.t.Context(), &store.Batch{Append: []store.Append{{Queue: queue, Value: data}}}); err != nil {
		w.t.Fatal(err)
	}
	for until := w.clock.Add(patience); ; {
		next, err := w.outbox.Work(w.t.Context(), queue)
		if err != nil {
			w.t.Fatal(err)
		}
		if next.IsZero() || next.After(until) {
			return
		}
		w.clock = next
	}
}

// state is what became of an alert.
func (w *world) state(effect string) string {
	w.t.Helper()
	record, err := w.store.Load(w.t.Context(), store.ID{Kind: outbox.KindDelivery, Key: effect})
	if errors.Is(err, store.ErrNotFound) {
		return ""
	}
	if err != nil {
		w.t.Fatal(err)
	}
	var d outbox.Delivery
	if err := json.Unmarshal(record.Value, &d); err != nil {
		w.t.Fatal(err)
	}
	return d.State
}

// dead is the reason of the only dead letter.
func (w *world) dead() abi.Error {
	w.t.Helper()
	var letters []deadletter.Letter
	if err := deadletter.Each(context.Background(), w.store, deadletter.Filter{}, "", 10, 10, func(l deadletter.Letter) { letters = append(letters, l) }); err != nil {
		w.t.Fatal(err)
	}
	if len(letters) != 1 {
		w.t.Fatalf("dead letters %+v, want one", letters)
	}
	return letters[0].Reason
}

func hook(id, url, secret string) catalog.Alert {
	return catalog.Alert{ID: id, Webhook: &catalog.AlertWebhook{URL: url, Secret: secret}}
}

// TestWebhook: what is posted, and how it is signed.
func TestWebhook(t *testing.T) {
	encoded, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(encodedKey, "whsec_"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		secret string
		key    []byte
	}{{"", nil}, {"plain", []byte(plainKey)}, {"encoded", encoded}} {
		t.Run("secret "+c.secret, func(t *testing.T) {
			r := newReceiver(t)
			w := newWorld(t, hook("ops", r.URL+"/a?team=1", c.secret))
			w.raise("ops", "e1", 0)
			if len(r.got) != 1 || w.state("e1") != outbox.StateSent {
				t.Fatalf("%d requests, state %q", len(r.got), w.state("e1"))
			}
			q := r.got[0]
			const want = `{"id":"e1","time":"2026-01-02T03:04:05Z","text":"stock is \u003cempty\u003e","level":"critical","run":"r1","flow":"orders","node":"tell","data":{"sku":9007199254740993}}`
			if q.path != "POST /a?team=1" || q.body != want || q.header.Get("Content-Type") != "application/json" {
				t.Errorf("got %s %v\n%s\nwant\n%s", q.path, q.header, q.body, want)
			}
			id, stamp := q.header.Get("Webhook-Id"), q.header.Get("Webhook-Timestamp")
			if id != "e1" || stamp != fmt.Sprint(w.clock.Unix()) {
				t.Errorf("id %q, timestamp %q", id, stamp)
			}
			signature := ""
			if c.key != nil { // as a receiver computes it
				mac := hmac.New(sha256.New, c.key)
				fmt.Fprintf(mac, "%s.%s.%s", id, stamp, q.body)
				signature = "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
			}
			if got := q.header.Get("Webhook-Signature"); got != signature {
				t.Errorf("signature %q, want %q", got, signature)
			}
		})
	}
}

// TestAnswers: what each answer makes of an alert.
func TestAnswers(t *testing.T) {
	elsewhere := newReceiver(t)
	status := func(codes ...int) func(http.ResponseWriter, *http.Request, int) {
		return func(w http.ResponseWriter, _ *http.Request, nth int) {
			w.Header().Set("Location", elsewhere.URL)
			w.Header().Set("Retry-After", "90")
			w.WriteHeader(codes[min(nth, len(codes))-1])
		}
	}
	for _, c := range []struct {
		name     string
		answer   func(http.ResponseWriter, *http.Request, int)
		patience time.Duration
		state    string
		requests int
		reason   string
	}{
		{"200", status(200), 0, outbox.StateSent, 1, ""},
		{"202", status(202), 0, outbox.StateSent, 1, ""},
		{"503, not before it says", status(503, 200), 89 * time.Second, "", 1, ""},
		{"503, then", status(503, 200), 2 * time.Minute, outbox.StateSent, 2, ""},
		{"429 and 404", status(429, 404, 200), 10 * time.Minute, outbox.StateSent, 3, ""},
		{"a redirect", status(302), time.Hour, outbox.StateDead, 1, "status_302"},
		{"gone", status(410), time.Hour, outbox.StateDead, 1, "status_410"},
		{"malformed", status(422), time.Hour, outbox.StateDead, 1, "status_422"},
		{"never", status(500), 72 * time.Hour, outbox.StateDead, 9, "status_500"},
		{"broken off", func(w http.ResponseWriter, r *http.Request, nth int) {
			if nth == 1 {
				panic(http.ErrAbortHandler)
			}
		}, time.Minute, outbox.StateSent, 2, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newReceiver(t)
			r.answer = c.answer
			w := newWorld(t, hook("ops", r.URL, "plain"))
			w.raise("ops", "e1", c.patience)
			if got := w.state("e1"); got != c.state || len(r.got) != c.requests {
				t.Errorf("state %q after %d requests, want %q after %d", got, len(r.got), c.state, c.requests)
			}
			if c.reason != "" {
				if reason := w.dead(); reason.Code != c.reason || !strings.Contains(reason.Message, `alert "ops"`) {
					t.Errorf("reason %+v", reason)
				}
			}
			for _, q := range r.got {
				if q.header.Get("Webhook-Id") != "e1" {
					t.Errorf("a try with the id %q", q.header.Get("Webhook-Id"))
				}
			}
		})
	}
	if len(elsewhere.got) > 0 {
		t.Errorf("a redirect was followed: %+v", elsewhere.got)
	}
}

// TestSlow: an answer that does not come is not waited for.
func TestSlow(t *testing.T) {
	if timeout != 10*time.Second {
		t.Errorf("the time of a try is %s", timeout)
	}
	r := newReceiver(t)
	w := newWorld(t, hook("ops", r.URL, ""))
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	if failure := w.alerts.post(ctx, hook("ops", r.URL, ""), outbox.Alert{}); failure == nil || failure.Code != abi.CodeTimeout || !failure.Retryable {
		t.Errorf("no time: %v", failure)
	}
}

// TestNoAlert: what is said to nobody is a dead letter at once.
func TestNoAlert(t *testing.T) {
	for _, to := range []string{"nobody", "", strings.Repeat("x", 5000)} {
		w := newWorld(t)
		w.raise(to, "e1", 0)
		if reason := w.dead(); reason.Code != CodeNoAlert || !strings.Contains(reason.Message, "add it to alerts.yaml") {
			t.Errorf("alert %.20q: %+v", to, reason)
		}
		if w.state("e1") != outbox.StateDead {
			t.Errorf("alert %.20q is %q", to, w.state("e1"))
		}
	}
}

// TestDefault: without a name, the operator's alert is meant.
func TestDefault(t *testing.T) {
	r := newReceiver(t)
	w := newWorld(t, hook("operator", r.URL+"/operator", ""), hook("night", r.URL+"/night", ""))
	w.raise("", "e1", 0)
	if len(r.got) != 1 || r.got[0].path != "POST /operator" {
		t.Errorf("got %+v", r.got)
	}
	if list := w.outbox.Endpoints(); len(list) != 1 || list[0].Name != "alert operator" {
		t.Errorf("endpoints %+v", list)
	}
}

// TestHeld: what the operator has to mend holds alerts and burns no try.
func TestHeld(t *testing.T) {
	r := newReceiver(t)
	w := newWorld(t, hook("ops", r.URL, "missing"), hook("odd", r.URL, "broken"), catalog.Alert{ID: "chat", Channel: "wa", To: "whatsapp:1"}, hook("fine", r.URL, "plain"))
	for id, texts := range map[string][]string{
		"ops": {abi.CodeNoSecret, "TRAMA_SECRET_MISSING"}, "odd": {abi.CodeNoSecret, "base64"},
		"chat": {abi.CodeUnavailable, "channels.yaml"}, "nobody": {CodeNoAlert, "alerts.yaml"},
	} {
		held := w.alerts.Held(id)
		if held == nil || held.Code != texts[0] || !strings.Contains(held.Message, texts[1]) {
			t.Errorf("alert %s: held %v, want %q", id, held, texts)
		}
	}
	if held := w.alerts.Held("fine"); held != nil {
		t.Errorf("held: %v", held)
	}
	w.raise("ops", "e1", time.Minute)
	if got := w.state("e1"); got != "" || len(r.got) > 0 {
		t.Errorf("state %q after %d requests", got, len(r.got))
	}
}

// TestInside: a name that leads inside is not followed, an address is.
func TestInside(t *testing.T) {
	w := newWorld(t, hook("never", "http://0.0.0.0:1/", ""), hook("closed", "http://127.0.0.1:1/", ""))
	w.raise("never", "e1", 0)
	if reason := w.dead(); reason.Code != abi.CodeDenied {
		t.Errorf("reason %+v", reason)
	}
	w.raise("closed", "e2", 0)
	if got := w.state("e2"); got != "" {
		t.Errorf("nobody listens, and the alert is %q", got)
	}
}

// TestChannel: an alert to a contact goes on into that one's outbox, once.
func TestChannel(t *testing.T) {
	w := newWorld(t, catalog.Alert{ID: "chat", Channel: "wa", To: "whatsapp:5511987654321"})
	if _, err := w.catalog.Apply(t.Context(), catalog.Set{
		Channels: []catalog.Channel{{At: source.Place{File: "channels.yaml", Line: 1}, ID: "wa", Adapter: "whatsapp"}},
		Alerts:   []catalog.Alert{{At: source.Place{File: "alerts.yaml", Line: 1}, ID: "chat", Channel: "wa", To: "whatsapp:5511987654321"}},
	}, true); err != nil {
		t.Fatal(err)
	}
	w.raise("chat", "e1", 0)
	if got := w.state("e1"); got != outbox.StateQueued {
		t.Errorf("the alert is %q", got)
	}
	const queue = "outbox:wa/whatsapp:5511987654321"
	items, err := w.store.Read(t.Context(), queue, 0, 10)
	if err != nil || len(items) != 1 {
		t.Fatalf("items %v, %v", items, err)
	}
	var m outbox.Message
	if err := json.Unmarshal(items[0].Value, &m); err != nil {
		t.Fatal(err)
	}
	if m.EffectID != "e1" || m.RunID != "r1" || m.Message.Type != abi.MessageText || m.Message.Text != "CRITICAL: stock is <empty>\n(flow orders, node tell, run r1)" {
		t.Errorf("the message is %+v", m)
	}
	due, err := w.store.Due(t.Context(), store.Wake{}, w.clock, 10)
	if err != nil || len(due) != 1 || due[0].Key != queue {
		t.Errorf("due %v, %v", due, err)
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for header, want := range map[string]time.Duration{
		"": 0, "120": 2 * time.Minute, "-1": 0, "soon": 0, "99999999999999999999": 0,
		"Fri, 02 Jan 2026 03:05:05 GMT": time.Minute, "Fri, 02 Jan 2026 03:00:00 GMT": 0,
	} {
		if got := outbox.RetryAfter(header, now); got != want {
			t.Errorf("%q gives %s, want %s", header, got, want)
		}
	}
}

// TestNamesWithoutEnd: what templates make of an alert's name leaves one
// endpoint behind.
func TestNamesWithoutEnd(t *testing.T) {
	w := newWorld(t, hook("ops", "http://127.0.0.1:1/", ""))
	for n := range 20 {
		w.raise(fmt.Sprint("order-", n), fmt.Sprint("e", n), 0)
	}
	if list := w.outbox.Endpoints(); len(list) != 1 || list[0].Name != unconfigured || list[0].Breaker != outbox.BreakerClosed {
		t.Errorf("endpoints %+v", list)
	}
	if got := w.state("e19"); got != outbox.StateDead {
		t.Errorf("the last is %q", got)
	}
}
