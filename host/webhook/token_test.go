package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/engine"
	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/host/run"
	"github.com/trama-run/trama/pdk/abi"
)

// issuer is a server that gives tokens which run out, and knows which are good.
type issuer struct {
	*receiver
	world *world
	life  time.Duration

	mu     sync.Mutex
	issued int                  // guarded by mu
	good   map[string]time.Time // until when; guarded by mu
	broken bool                 // guarded by mu
	asked  []string             // bodies, with their Authorization; guarded by mu
}

func newIssuer(t *testing.T, life time.Duration) *issuer {
	i := &issuer{life: life, good: map[string]time.Time{}}
	i.receiver = newReceiver(t, func(w http.ResponseWriter, r *http.Request, body string) {
		i.mu.Lock()
		defer i.mu.Unlock()
		i.asked = append(i.asked, r.Header.Get("Authorization")+" "+r.Header.Get("X-Key")+" "+body)
		if i.broken {
			w.WriteHeader(503)
			return
		}
		i.issued++
		name := "token-" + strconv.Itoa(i.issued)
		i.good[name] = i.world.now().Add(i.life)
		answer := map[string]any{"access_token": name, "token_type": "Bearer", "expires_in": i.life.Seconds(), "data": map[string]any{"jwt": name, "until": i.world.now().Add(i.life).Format(time.RFC3339Nano)}}
		if err := json.NewEncoder(w).Encode(answer); err != nil {
			t.Error(err)
		}
	})
	return i
}

// asks says how often a token was asked for.
func (i *issuer) asks() int { return len(i.all()) }

// fail makes the issuer fail, or work again.
func (i *issuer) fail(broken bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.broken = broken
}

// revoke ends all tokens.
func (i *issuer) revoke() {
	i.mu.Lock()
	defer i.mu.Unlock()
	clear(i.good)
}

// check is a receiver that takes good tokens only.
func (i *issuer) check(w http.ResponseWriter, r *http.Request, _ string) {
	name, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	i.mu.Lock()
	until := i.good[name]
	i.mu.Unlock()
	if !i.world.now().Before(until) {
		w.WriteHeader(401)
		return
	}
	w.WriteHeader(204)
}

const oauth = `headers: {Authorization: "Bearer {{ crm }}"}, tokens: {crm: {oauth2: {token_url: %q, client_id: "our id", secret: client, scopes: [a, b]}}}`

// failedTries counts the attempts of the schedule that were burned.
func (w *world) failedTries() (n int) {
	w.t.Helper()
	waiting, err := w.outbox.Waiting(w.t.Context(), PrefixDelivery, 1000)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, one := range waiting {
		n += one.Failed
	}
	return n + 100*len(w.letters())
}

// landed waits until no token is asked for.
func (w *world) landed() {
	w.t.Helper()
	inAir := func() (f *flight) {
		w.webhooks.tokens.mu.Lock()
		defer w.webhooks.tokens.mu.Unlock()
		for _, k := range w.webhooks.tokens.held {
			if k.flight != nil {
				f = k.flight
			}
		}
		return f
	}
	for f := inAir(); f != nil; f = inAir() {
		<-f.done
	}
}

// TestTokens: a token is renewed before it runs out, so that no delivery is
// refused for it.
func TestTokens(t *testing.T) {
	i := newIssuer(t, time.Minute)
	r := newReceiver(t, i.check)
	w := newWorld(t, near, sub("crm", r.URL, oauth, i.URL))
	i.world = w
	for n := range 100 {
		w.tell("event:a", map[string]any{"n": n})
		w.work(0)
		w.pass(3 * time.Second)
	}
	w.work(time.Second)
	if n := len(r.all()); n != 100 || w.failedTries() != 0 { // more were sent again after a 401
		t.Errorf("%d deliveries, %d tries failed", n, w.failedTries())
	}
	if asked := i.asks(); asked < 6 || asked > 8 { // each serves 48 s of its minute
		t.Errorf("%d tokens in 300 s", asked)
	}
	if got := i.asked[0]; !strings.Contains(got, "grant_type=client_credentials&scope=a+b") || !strings.HasPrefix(got, "Basic ") {
		t.Errorf("asked with %q", got)
	}

	// It is kept, encrypted by the vault, over a restart.
	w.landed() // else the clock moves within a request
	w.pass(2 * time.Minute)
	w.tell("event:a", nil)
	w.work(time.Second)
	before := i.asks()
	w.open()
	w.tell("event:a", nil)
	w.work(time.Second)
	if i.asks() != before || len(r.all()) != 102 {
		t.Errorf("after a restart %d tokens were asked for, and there are %d deliveries", i.asks()-before, len(r.all()))
	}
}

// TestTokenRefused: at a 401 the token is renewed at once and the same delivery
// sent again; that burns no try.
func TestTokenRefused(t *testing.T) {
	i := newIssuer(t, time.Hour)
	r := newReceiver(t, i.check)
	w := newWorld(t, near, sub("crm", r.URL, oauth, i.URL))
	i.world = w
	w.tell("event:a", nil)
	w.work(time.Second)
	i.revoke()
	w.tell("event:b", nil)
	w.work(time.Second)
	all := r.all()
	if len(all) != 3 || all[1].body != all[2].body || all[1].header.Get("Webhook-Id") != all[2].header.Get("Webhook-Id") || all[1].header.Get("Authorization") == all[2].header.Get("Authorization") {
		t.Fatalf("%d deliveries: %v", len(all), all)
	}
	st := w.state("crm")
	if !st.Attempts[0].Renewed || st.Attempts[0].Error != "" || !st.Failing.IsZero() || st.Waiting != 0 {
		t.Errorf("the state is %+v", st)
	}
	// A receiver that refuses every token is asked twice in a try, not for ever.
	i.life = 0
	w.tell("event:c", nil)
	i.revoke()
	w.work(time.Second)
	if n := len(r.all()); n != 5 || w.failedTries() != 1 {
		t.Errorf("%d deliveries, %d tries failed", n, w.failedTries())
	}
}

// TestTokenExpires: with tokens that live for a second, a receiver that rejects
// expired ones gets everything.
func TestTokenExpires(t *testing.T) {
	i := newIssuer(t, time.Second)
	r := newReceiver(t, i.check)
	w := newWorld(t, near, sub("crm", r.URL, oauth, i.URL))
	i.world = w
	for range 60 {
		w.tell("event:a", nil)
		w.work(0)
		w.pass(370 * time.Millisecond)
	}
	if w.work(time.Second); w.failedTries() != 0 || len(r.all()) < 60 || w.state("crm").Waiting != 0 {
		t.Errorf("%d deliveries, %d tries failed, %+v", len(r.all()), w.failedTries(), w.state("crm"))
	}
}

// TestTokenSingleFlight: many deliveries at once ask for one token.
func TestTokenSingleFlight(t *testing.T) {
	slow := make(chan struct{})
	i := newIssuer(t, time.Hour)
	answer := i.receiver.answer
	i.receiver.answer = func(w http.ResponseWriter, r *http.Request, body string) {
		<-slow
		answer(w, r, body)
	}
	r := newReceiver(t, i.check)
	w := newWorld(t, near, sub("crm", r.URL, oauth, i.URL))
	i.world = w
	s := w.webhooks.index.Load().all["crm"]
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if token, failure := w.webhooks.tokens.get(t.Context(), s, "crm"); token != "token-1" || failure != nil {
				t.Errorf("%q, %v", token, failure)
			}
		})
	}
	for i.asks() == 0 { // the first one is on its way
		time.Sleep(time.Millisecond)
	}
	close(slow)
	all.Wait()
	if i.asks() != 1 {
		t.Errorf("%d tokens were asked for", i.asks())
	}
	// One that is stopped leaves the others theirs.
	i.revoke()
	w.webhooks.tokens.reject(s, "crm", "token-1")
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, failure := w.webhooks.tokens.get(gone, s, "crm"); failure == nil {
		t.Error("a call that was stopped got a token")
	}
	if token, failure := w.webhooks.tokens.get(t.Context(), s, "crm"); token != "token-2" || failure != nil {
		t.Errorf("%q, %v", token, failure)
	}
}

// TestTokenSourceFails: deliveries wait for a token, and no try is burned;
// operators see why.
func TestTokenSourceFails(t *testing.T) {
	i := newIssuer(t, time.Hour)
	r := newReceiver(t, i.check)
	w := newWorld(t, Rules{true, true, 24 * time.Hour}, sub("crm", r.URL, oauth, i.URL))
	i.world = w
	i.fail(true)
	for range 20 {
		w.tell("event:a", nil)
	}
	w.work(10 * time.Minute)
	if len(r.all()) != 0 || w.failedTries() != 0 {
		t.Fatalf("%d deliveries, %d tries failed", len(r.all()), w.failedTries())
	}
	if n := i.asks(); n < 8 || n > 20 { // with growing pauses, however many wait
		t.Errorf("%d tokens were asked for in ten minutes", n)
	}
	if f := fmt.Sprint(w.webhooks.Findings()); !strings.Contains(f, "answered with status 503") || !strings.Contains(f, `token "crm"`) {
		t.Errorf("the findings are %s", f)
	}
	i.fail(false)
	w.work(10 * time.Minute)
	if len(r.all()) != 20 || w.failedTries() != 0 || len(w.webhooks.Findings()) != 0 {
		t.Errorf("%d deliveries, %d tries failed", len(r.all()), w.failedTries())
	}
	// What the receiver answered stays in sight, and it has failed nothing.
	i.fail(true)
	i.revoke()
	w.tell("event:a", nil)
	w.tell("event:a", nil)
	w.work(10 * time.Minute)
	st := w.state("crm")
	if st.Failed != 0 || len(st.Attempts) != maxAttempts || !st.Attempts[0].Unsent || st.Attempts[1].Status != 204 {
		t.Errorf("the state is %+v", st)
	}
	i.fail(false)
	w.work(time.Hour)
	// It does not go on for ever.
	i.fail(true)
	i.revoke()
	w.tell("event:a", nil)
	w.work(25 * time.Hour)
	if st := w.state("crm"); st.Disabled == nil || len(w.letters()) != 1 {
		t.Errorf("%+v, %d dead", st, len(w.letters()))
	}
}

// TestTokenStillGood: a token is used until its end while there is no other,
// and deliveries don't wait for the next one; a restart changes nothing.
func TestTokenStillGood(t *testing.T) {
	i := newIssuer(t, time.Hour)
	r := newReceiver(t, i.check)
	w := newWorld(t, near, sub("crm", r.URL, oauth, i.URL))
	i.world = w
	w.tell("event:a", nil)
	w.work(time.Second)
	w.pass(59*time.Minute + 5*time.Second)
	i.fail(true)
	for n := range 2 {
		w.tell("event:b", nil)
		w.work(time.Second)
		if len(r.all()) != 2+n {
			t.Fatalf("a delivery waits though the token is good for 55 s: %+v", w.state("crm").Attempts)
		}
		w.open()
	}
	w.pass(time.Minute)
	w.tell("event:c", nil)
	w.work(time.Second)
	if st := w.state("crm"); len(r.all()) != 3 || !st.Attempts[0].Unsent || st.Failed != 0 {
		t.Errorf("%d deliveries, the last with a token that has run out; %+v", len(r.all()), st)
	}
	i.fail(false)
	w.work(time.Minute)
	if len(r.all()) != 4 || w.failedTries() != 0 {
		t.Errorf("%d deliveries, %d tries failed", len(r.all()), w.failedTries())
	}
}

// TestTokenForgotten: the vault keeps no token of what is gone.
func TestTokenForgotten(t *testing.T) {
	i := newIssuer(t, time.Hour)
	r := newReceiver(t, i.check)
	w := newWorld(t, near, sub("crm", r.URL, oauth, i.URL), sub("erp", r.URL, oauth, i.URL))
	i.world = w
	w.tell("event:a", nil)
	w.work(time.Second)
	if len(w.vault.kept) != 2 {
		t.Fatalf("%d are kept", len(w.vault.kept))
	}
	w.apply(sub("crm", r.URL, ""))
	if len(w.vault.kept) != 0 {
		t.Errorf("the vault has %v", w.vault.kept)
	}
}

// TestTokenChanged: what an operator changes of headers and tokens counts from
// the next try on, and nothing is lost by it.
func TestTokenChanged(t *testing.T) {
	i := newIssuer(t, time.Hour)
	r := newReceiver(t, i.check)
	w := newWorld(t, near, sub("crm", r.URL, `headers: {Authorization: "Bearer wrong"}`))
	i.world = w
	for range 5 {
		w.tell("event:a", nil)
	}
	w.work(time.Second)
	if len(r.all()) != 5 {
		t.Fatalf("%d deliveries", len(r.all()))
	}
	w.apply(sub("crm", r.URL, oauth, i.URL))
	w.work(time.Hour)
	if st := w.state("crm"); st.Waiting != 0 || len(w.letters()) != 0 || !st.Failing.IsZero() || i.asks() != 1 {
		t.Errorf("%+v", st)
	}
	// Another source is another token.
	w.apply(sub("crm", r.URL, strings.Replace(oauth, "[a, b]", "[a]", 1), i.URL))
	w.tell("event:a", nil)
	w.work(time.Hour)
	if i.asks() != 2 {
		t.Errorf("%d tokens", i.asks())
	}
}

// TestTokenByHTTP: a token from any request.
func TestTokenByHTTP(t *testing.T) {
	i := newIssuer(t, time.Hour)
	r := newReceiver(t, i.check)
	w := newWorld(t, near, sub("crm", r.URL, `headers: {Authorization: "Bearer {{ crm }}"}, tokens: {crm: {http: {url: %q, headers: {X-Key: "{{ secret.key }}"}, body: {user: us, password: "{{secret.client}}", n: [1]}, token: /data/jwt, expires: /data/until}}}`, i.URL))
	i.world = w
	w.tell("event:a", nil)
	w.work(time.Second)
	if len(r.all()) != 1 || w.state("crm").Attempts[0].Error != "" {
		t.Fatalf("%+v", w.state("crm").Attempts)
	}
	if want := ` k3y-of-ours {"n":[1],"password":"the client's own","user":"us"}`; i.asked[0] != want {
		t.Errorf("asked with %q", i.asked[0])
	}
	w.pass(58 * time.Minute)
	w.tell("event:a", nil)
	w.work(time.Second)
	w.pass(3 * time.Minute) // it has run out
	w.tell("event:a", nil)
	w.work(time.Second)
	if i.asks() != 2 || len(r.all()) != 3 {
		t.Errorf("%d tokens, %d deliveries", i.asks(), len(r.all()))
	}
	w.apply(sub("crm", r.URL, `headers: {Authorization: "Bearer {{ crm }}"}, tokens: {crm: {http: {url: %q, token: /data/none}}}`, i.URL))
	w.tell("event:a", nil)
	w.work(time.Second)
	if said := w.state("crm").Attempts[0].Error; !strings.Contains(said, "no text at /data/none") {
		t.Errorf("it says %q", said)
	}
}

// TestTokenByFlow: a token from a flow.
func TestTokenByFlow(t *testing.T) {
	r := newReceiver(t, nil)
	w := newWorld(t, near)
	document, err := flow.Parse("flows/get.yaml", []byte(`schema: 1
id: get
triggers: [{id: start, type: gateway}]
nodes: [{id: reply, type: response.json, with: {body: {token: x, expires_in: 60}}}]
edges: [{from: start, to: reply}]
`))
	if err != nil {
		t.Fatal(err)
	}
	set := catalog.Set{Flows: []*flow.Flow{document}}
	if problems := read(&set, sub("crm", r.URL, `headers: {Authorization: "Bearer {{ crm }}"}, tokens: {crm: {flow: get}}`)+"\n"+sub("erp", r.URL, `headers: {X: "{{ a }}"}, tokens: {a: {flow: none}}`)); problems != nil {
		t.Fatal(problems)
	}
	if _, err := w.catalog.Apply(t.Context(), set, true); err != nil {
		t.Fatal(err)
	}
	calls := 0
	answer := run.Answer{Response: &engine.Respond{Status: 200, Body: map[string]any{"token": "of the flow", "expires_in": int64(60)}}}
	var failure error
	w.run = func(_ context.Context, f catalog.Flow, trigger string, event map[string]any) (run.Answer, error) {
		if calls++; f.Flow.ID != "get" || trigger != "start" || fmt.Sprint(event["body"]) != "map[subscription:crm token:crm]" {
			t.Errorf("ran %s at %s with %v", f.Flow.ID, trigger, event)
		}
		return answer, failure
	}
	for range 3 {
		w.tell("event:a", nil)
		w.work(0)
		w.pass(30 * time.Second)
	}
	all := r.all()
	if calls != 2 || len(all) != 3 || all[0].header.Get("Authorization") != "Bearer of the flow" {
		t.Errorf("%d calls, %d deliveries: %v", calls, len(all), all)
	}
	if said := w.state("erp").Held; !strings.Contains(said, `flow "none" is not published`) {
		t.Errorf("it says %q", said)
	}
	for _, c := range []struct {
		answer  run.Answer
		failure error
		says    string
	}{
		{run.Answer{RunID: "r1", Failure: &abi.Error{Code: "x", Message: "it says the token"}}, nil, "trama runs show r1"},
		{run.Answer{RunID: "r2"}, nil, "did not answer with a token"},
		{run.Answer{Response: &engine.Respond{Status: 500}}, nil, "did not answer with a token"},
		{run.Answer{Response: &engine.Respond{Status: 200, Body: "x"}}, nil, "no text at /token"},
		{run.Answer{Response: &engine.Respond{Status: 200, Body: map[string]any{"token": "x", "expires_in": "2027-01-02T15:04:05"}}}, nil, "at /expires_in says no time"},
		{run.Answer{}, errors.New("too many runs"), "too many runs"},
	} {
		answer, failure = c.answer, c.failure
		w.pass(2 * time.Minute)
		w.tell("event:a", nil)
		w.work(time.Second)
		if said := w.state("crm").Attempts[0].Error; !strings.Contains(said, c.says) || strings.Contains(said, "says the token") {
			t.Errorf("it says %q, want %q", said, c.says)
		}
	}
}

// TestInstant: what a source may say of a token's end.
func TestInstant(t *testing.T) {
	for _, c := range []struct {
		value any
		want  time.Duration // from begin; 0: it is not said
	}{
		{json.Number("3600"), time.Hour}, {"3600", time.Hour}, {int64(60), time.Minute}, {0.5, time.Second / 2},
		{begin.Add(time.Hour).Unix(), time.Hour}, {begin.Add(time.Hour).UnixMilli(), time.Hour}, {strconv.FormatInt(begin.Add(time.Hour).Unix(), 10), time.Hour},
		{begin.Add(time.Hour).Format(time.RFC3339), time.Hour},
		{json.Number(strconv.FormatInt(begin.Add(time.Hour).Unix(), 10) + ".123"), time.Hour}, {strconv.FormatInt(begin.Add(time.Hour).Unix(), 10) + ".123", time.Hour},
		{float64(begin.Add(time.Hour).Unix()) + 0.5, time.Hour}, {begin.Add(time.Hour).Format(http.TimeFormat), time.Hour},
		{nil, 0}, {json.Number("0"), 0}, {json.Number("-5"), 0},
	} {
		got, readable := instant(c.value, begin)
		if c.want == 0 && !got.IsZero() || c.want != 0 && !got.Equal(begin.Add(c.want)) || !readable {
			t.Errorf("%v (%T): %s, %v, want %s", c.value, c.value, got, readable, c.want)
		}
	}
	for _, value := range []any{"soon", "", "NaN", "Inf", true, map[string]any{}, json.Number("1e300"), json.Number("1e18"), "2027-01-02T15:04:05"} {
		if got, readable := instant(value, begin); readable || !got.IsZero() {
			t.Errorf("%v (%T) is read as %s", value, value, got)
		}
	}
}

// FuzzInstant: no end that a token's source gives does harm.
func FuzzInstant(f *testing.F) {
	f.Add("60")
	f.Add("1e400")
	f.Fuzz(func(t *testing.T, end string) {
		if got, _ := instant(end, begin); !got.IsZero() && got.Before(time.Unix(0, 0)) {
			t.Errorf("%q is %s", end, got)
		}
	})
}
