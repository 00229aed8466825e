package webhook

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/deadletter"
	"github.com/trama-run/trama/host/outbox"
	"github.com/trama-run/trama/host/signature"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/pdk/abi"
)

// verify checks a delivery as a receiver does that has one secret.
func verify(t *testing.T, g got, secret string, now time.Time) error {
	t.Helper()
	m := signature.Standard()
	key, err := m.Key(secret)
	if err != nil {
		t.Fatal(err)
	}
	headers := map[string]string{}
	for name := range g.header {
		headers[strings.ToLower(name)] = g.header.Get(name)
	}
	_, err = m.Verify(signature.Request{Headers: headers, Body: []byte(g.body)}, now, key)
	return err
}

const (
	oldSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	newSecret = "a secret that the operator chose"
)

// TestDelivery: an event comes whole, signed, and with the headers that its
// subscription gives.
func TestDelivery(t *testing.T) {
	r := newReceiver(t, nil)
	w := newWorld(t, near, sub("crm", r.URL+"/in?x=1", `events: ["event:order.paid", run.finished], secrets: [old], headers: {X-Key: "k {{ secret.key }}", User-Agent: Ours}`))
	data := map[string]any{"event": "order.paid", "data": map[string]any{"ref": 9007199254740993, "text": "<ação>"}}
	if !w.tell("event:order.paid", data) || w.tell("event:other", data) || w.tell("message", data) {
		t.Error("told what nobody wants, or not what somebody does")
	}
	w.work(time.Minute)
	all := r.all()
	if len(all) != 1 {
		t.Fatalf("%d deliveries", len(all))
	}
	g := all[0]
	for name, want := range map[string]string{
		"Content-Type": "application/json; charset=utf-8", "User-Agent": "Ours", "X-Key": "k k3y-of-ours",
		"Webhook-Id": g.event.ID, "Webhook-Timestamp": strconv.FormatInt(begin.Unix(), 10),
	} {
		if got := g.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if err := verify(t, g, oldSecret, begin); err != nil {
		t.Error(err)
	}
	if !strings.HasPrefix(g.event.ID, "evt_") || g.event.Type != "event:order.paid" || !g.event.Time.Equal(begin) || !strings.Contains(g.body, `"ref":9007199254740993`) {
		t.Errorf("the body is %s", g.body)
	}
	if got := w.delivered(g.event.ID, "crm"); got != outbox.StateSent {
		t.Errorf("the delivery is %q", got)
	}

	// While the secret is rotated there are two signatures; each receiver knows
	// one of the secrets. Headers replace defaults one by one.
	w.apply(sub("crm", r.URL, `secrets: [new, old], headers: {content-type: application/vnd.ours+json}`))
	w.tell("event:order.paid", data)
	w.work(time.Minute)
	g = r.all()[1]
	if n := len(strings.Fields(g.header.Get("Webhook-Signature"))); n != 2 {
		t.Errorf("%d signatures: %s", n, g.header.Get("Webhook-Signature"))
	}
	for _, secret := range []string{oldSecret, newSecret} {
		if err := verify(t, g, secret, begin); err != nil {
			t.Error(err)
		}
	}
	if verify(t, g, "another", begin) == nil {
		t.Error("signed by a secret that nobody named")
	}
	if g.header.Get("Content-Type") != "application/vnd.ours+json" || g.header.Get("User-Agent") != "Trama" || g.header.Get("X-Key") != "" {
		t.Errorf("the headers are %v", g.header)
	}

	// Without a secret there is an id and a time, and no signature.
	w.apply(sub("crm", r.URL, ""))
	w.tell("event:order.paid", data)
	w.work(time.Minute)
	g = r.all()[2]
	if g.header.Get("Webhook-Id") == "" || g.header.Get("Webhook-Timestamp") == "" || g.header.Get("Webhook-Signature") != "" {
		t.Errorf("the headers are %v", g.header)
	}
	if warnings := w.state("crm").Warnings; !strings.Contains(fmt.Sprint(warnings), "not signed") {
		t.Errorf("the warnings are %q", warnings)
	}
}

// TestSchedule: a delivery that fails is tried ten times, with growing pauses,
// each with its own time and the same id; then it is dead, and can be sent
// again under the same id.
func TestSchedule(t *testing.T) {
	s := &status{code: 500}
	r := newReceiver(t, s.answer)
	w := newWorld(t, Rules{true, true, 30 * 24 * time.Hour}, sub("crm", r.URL, "secrets: [old]"))
	w.tell("event:a", nil)
	w.work(20 * 24 * time.Hour)
	all := r.all()
	if len(all) != 10 {
		t.Fatalf("%d tries", len(all))
	}
	pauses := Policy().Pauses
	for i, g := range all {
		if g.body != all[0].body || g.header.Get("Webhook-Id") != all[0].event.ID {
			t.Errorf("try %d sent another event", i)
		}
		stamp, err := strconv.ParseInt(g.header.Get("Webhook-Timestamp"), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		if err := verify(t, g, oldSecret, time.Unix(stamp, 0)); err != nil {
			t.Errorf("try %d: %v", i, err)
		}
		if i == 0 {
			continue
		}
		before, _ := strconv.ParseInt(all[i-1].header.Get("Webhook-Timestamp"), 10, 64)
		pause := time.Duration(stamp-before) * time.Second
		// A breaker that is open may add to it.
		if least, most := pauses[i-1]-time.Second, pauses[i-1]*12/10+10*time.Minute; pause < least || pause > most {
			t.Errorf("pause %d is %s, want %s and up to a fifth more", i, pause, pauses[i-1])
		}
	}
	letters := w.letters()
	if len(letters) != 1 || len(letters[0].Tries) != 10 || letters[0].Reason.Code != "status_500" {
		t.Fatalf("the dead letters are %+v", letters)
	}
	s.set(200, "")
	n, _, err := deadletter.ReplayAll(t.Context(), w.store, deadletter.Filter{Queue: QueuesOf("crm", "event:a")}, nil, w.now())
	if n != 1 || err != nil {
		t.Fatalf("%d replayed, %v", n, err)
	}
	w.work(time.Hour)
	if all := r.all(); len(all) != 11 || all[10].header.Get("Webhook-Id") != all[0].event.ID || all[10].body != all[0].body {
		t.Errorf("the replay sent %+v", all[len(all)-1])
	}
	if st := w.state("crm"); !st.Failing.IsZero() || len(st.Attempts) != maxAttempts || st.Attempts[0].Status != 200 {
		t.Errorf("the state is %+v", st)
	}
}

// TestAnswers: what counts as taken, and what becomes of the rest.
func TestAnswers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		code   int
		header string
		taken  bool
		says   string
	}{
		{200, "", true, ""}, {202, "", true, ""}, {299, "", true, ""},
		{301, "", false, "redirect"}, {307, "", false, "redirect"}, {304, "", false, "304"},
		{400, "", false, "400"}, {401, "", false, "401"}, {404, "", false, "404"}, {500, "", false, "500"},
	} {
		t.Run(strconv.Itoa(c.code), func(t *testing.T) {
			elsewhere := newReceiver(t, nil)
			r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request, _ string) {
				w.Header().Set("Location", elsewhere.URL)
				w.WriteHeader(c.code)
			})
			w := newWorld(t, near, sub("crm", r.URL, ""))
			w.tell("event:a", nil)
			w.work(time.Second)
			st := w.state("crm")
			if len(elsewhere.all()) != 0 {
				t.Error("a redirect was followed")
			}
			if taken := st.Attempts[0].Error == ""; taken != c.taken || !strings.Contains(st.Attempts[0].Error, c.says) || st.Attempts[0].Status != c.code {
				t.Errorf("the attempt is %+v", st.Attempts[0])
			}
			if st.Waiting != map[bool]int{true: 0, false: 1}[c.taken] || len(w.letters()) != 0 {
				t.Errorf("%d wait, dead are %v", st.Waiting, w.letters())
			}
		})
	}
	// An answer without an end, and one that comes to none: the status counts.
	for name, write := range map[string]func(w http.ResponseWriter, r *http.Request){
		"without an end": func(w http.ResponseWriter, _ *http.Request) {
			for range 100 {
				if _, err := w.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
		},
		"that stalls": func(w http.ResponseWriter, r *http.Request) {
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		},
		"that breaks off": func(w http.ResponseWriter, _ *http.Request) {
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		},
	} {
		r := newReceiver(t, func(w http.ResponseWriter, r *http.Request, _ string) {
			w.WriteHeader(200)
			write(w, r)
		})
		w := newWorld(t, near, sub("crm", r.URL, "timeout: 1s"))
		w.tell("event:a", nil)
		w.work(10 * time.Second)
		if st := w.state("crm"); st.Attempts[0].Error != "" || st.Attempts[0].Status != 200 || len(r.all()) != 1 {
			t.Errorf("an answer %s: the state is %+v after %d deliveries", name, st, len(r.all()))
		}
	}
}

// TestRetryAfter: a receiver that can't keep up is spared as a whole.
func TestRetryAfter(t *testing.T) {
	s := &status{code: 429, retryAfter: "300"}
	r := newReceiver(t, s.answer)
	w := newWorld(t, near, sub("crm", r.URL, ""))
	w.tell("event:a", nil)
	w.work(time.Second)
	w.tell("event:b", nil) // it did nothing wrong, and waits too
	w.work(4 * time.Minute)
	if n := len(r.all()); n != 1 {
		t.Fatalf("%d deliveries before the time that was asked for", n)
	}
	if held := w.state("crm").Held; !strings.Contains(held, "has asked for a pause") {
		t.Errorf("held: %q", held)
	}
	s.set(200, "")
	w.work(3 * time.Minute)
	if n := len(r.all()); n != 3 {
		t.Errorf("%d deliveries after it", n)
	}
}

// TestPauseStays: what other tries of the same moment came to makes the pause
// that a receiver asked for no shorter, and the next one no longer.
func TestPauseStays(t *testing.T) {
	w := newWorld(t, near, sub("crm", "http://127.0.0.1", ""))
	s := w.webhooks.index.Load().all["crm"]
	answer := func(began time.Time, status int, asks time.Duration) {
		w.webhooks.pace(t.Context(), s, Attempt{At: began, Status: status}, &abi.Error{RetryAfterMillis: asks.Milliseconds()})
	}
	want := func(pause time.Duration) {
		t.Helper()
		if got := w.webhooks.states["crm"].slowUntil.Sub(w.now()); got != pause {
			t.Errorf("the pause is %s, want %s", got, pause)
		}
	}
	answer(begin, 429, 5*time.Minute)
	for range 8 {
		answer(begin, 502, 0)
	}
	answer(begin, 429, time.Minute)
	want(5 * time.Minute)
	answer(begin, 429, 6*time.Minute)
	want(6 * time.Minute)
	w.pass(6 * time.Minute)
	for range 8 {
		answer(begin.Add(6*time.Minute), 502, 0)
	}
	want(2 * time.Second)
	w.pass(2 * time.Second)
	answer(begin, 200, 0) // it began before
	answer(w.now(), 502, 0)
	want(4 * time.Second)
	w.pass(4 * time.Second)
	answer(w.now(), 200, 0)
	answer(w.now(), 502, 0)
	want(time.Second)
}

// TestGone: 410 disables; what waited is dead, and not lost.
func TestGone(t *testing.T) {
	s := &status{code: 500}
	r := newReceiver(t, s.answer)
	w := newWorld(t, near, sub("crm", r.URL, ""))
	w.tell("event:a", nil)
	w.work(time.Second)
	s.set(410, "")
	w.tell("event:b", nil)
	w.work(time.Hour)
	st := w.state("crm")
	if st.Active || st.Disabled == nil || !strings.Contains(st.Disabled.Reason, "410") || !strings.Contains(st.Held, "disabled") {
		t.Errorf("the state is %+v", st)
	}
	if len(r.all()) != 2 || w.tell("event:c", nil) || w.webhooks.Heard("event:c") {
		t.Errorf("%d deliveries; or another event was told", len(r.all()))
	}
	letters := w.letters()
	if len(letters) != 2 || letters[0].Reason.Code != CodeDisabled || letters[1].Reason.Code != CodeDisabled {
		t.Fatalf("the dead letters are %+v", letters)
	}
	if f := w.webhooks.Findings(); len(f) != 1 || f[0].State != "disabled" || !strings.Contains(f[0].Remedy, "trama subscription enable crm") {
		t.Errorf("the findings are %+v", f)
	}
	w.open() // it is known after a restart
	if w.webhooks.Heard("event:c") || len(w.webhooks.Findings()) != 1 {
		t.Error("a restart enabled it")
	}
	s.set(200, "")
	if a, err := w.webhooks.Test(t.Context(), "crm"); err != nil || a.Status != 200 || a.Type != TypeTest || r.all()[2].event.Type != TypeTest {
		t.Errorf("the test gave %+v, %v", a, err)
	}
	if err := w.webhooks.Enable(t.Context(), "crm"); err != nil {
		t.Fatal(err)
	}
	if n, _, err := deadletter.ReplayAll(t.Context(), w.store, deadletter.Filter{Queue: QueuesOf("crm", "")}, nil, w.now()); n != 2 || err != nil {
		t.Fatal(n, err)
	}
	w.tell("event:c", nil)
	w.work(time.Hour)
	if st := w.state("crm"); len(r.all()) != 6 || !st.Active || st.Disabled != nil || len(w.letters()) != 0 {
		t.Errorf("%d deliveries, %+v", len(r.all()), st)
	}

	// Another URL is another try.
	s.set(410, "")
	w.tell("event:d", nil)
	w.work(time.Second)
	if w.webhooks.Heard("event:e") {
		t.Fatal("410 did not disable it")
	}
	other := newReceiver(t, nil)
	w.apply(sub("crm", other.URL, ""))
	w.tell("event:e", nil)
	w.work(time.Second)
	if len(other.all()) != 1 {
		t.Errorf("%d deliveries to the new URL", len(other.all()))
	}
	// One that is gone leaves nothing behind, and what waited for it ends.
	w.apply()
	if _, err := w.webhooks.Status(t.Context(), "crm"); err != ErrNone {
		t.Error(err)
	}
	w.apply(sub("crm", r.URL, ""))
	if st := w.state("crm"); !st.Active || len(st.Attempts) != 0 {
		t.Errorf("a new subscription of an old id is %+v", st)
	}
}

// TestMissed: what a disabled subscription would have got is counted, over
// restarts too, until it is disabled again.
func TestMissed(t *testing.T) {
	s := &status{code: 410}
	r := newReceiver(t, s.answer)
	w := newWorld(t, near, sub("crm", r.URL, `filter: "input.data.n > 1"`), sub("off", r.URL, "enabled: false"))
	event := func(n int) { w.tell("event:a", map[string]any{"n": n}) }
	missed := func(when string, want int) {
		t.Helper()
		if st := w.state("crm"); st.Missed != want || w.state("off").Missed != 0 {
			t.Errorf("%s: it missed %d, want %d", when, st.Missed, want)
		}
	}
	event(2)
	w.work(time.Second)
	missed("disabled by this one", 0)
	event(1)
	event(2)
	missed("one that its filter takes", 1)
	w.open()
	missed("after a restart", 1)
	w.pass(2 * writeEvery)
	event(3)
	event(4)
	missed("two more", 3)
	w.open()
	missed("after a crash, without those of a minute", 2)
	s.set(200, "")
	if err := w.webhooks.Enable(t.Context(), "crm"); err != nil {
		t.Fatal(err)
	}
	event(5)
	w.work(time.Second)
	if missed("enabled", 2); len(r.all()) != 2 {
		t.Errorf("%d deliveries", len(r.all()))
	}
	s.set(410, "")
	event(6)
	w.work(time.Second)
	missed("disabled again", 0)

	// An event is on its way to the disk while somebody enables it.
	w.pass(2 * writeEvery)
	var batch store.Batch
	if _, err := w.webhooks.Tell(&batch, "event:a", "", map[string]any{"n": 7}); err != nil || len(batch.Put) != 1 {
		t.Fatal(batch, err)
	}
	if err := w.webhooks.Enable(t.Context(), "crm"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.store.Commit(t.Context(), &batch); err != nil {
		t.Fatal(err)
	}
	w.open()
	if st := w.state("crm"); !st.Active {
		t.Errorf("it was enabled, and after a restart: %+v", st)
	}
}

// TestWaiting: deliveries are counted, be they in one queue.
func TestWaiting(t *testing.T) {
	s := &status{code: 500}
	r := newReceiver(t, s.answer)
	w := newWorld(t, near, sub("a", r.URL, "ordered: true"), sub("b", r.URL, ""))
	for n := range eventPage + 3 {
		w.tell("event:x", map[string]any{"n": n})
	}
	w.work(0)
	for _, id := range []string{"a", "b"} {
		if n := w.state(id).Waiting; n != eventPage+3 {
			t.Errorf("%s: %d wait", id, n)
		}
	}
}

// TestDisabledAgain: what was disabled once and has another URL is as any other
// from then on: it is disabled for its failures there, and only for those.
func TestDisabledAgain(t *testing.T) {
	answers, others := &status{code: 410}, &status{code: 410}
	r, other := newReceiver(t, answers.answer), newReceiver(t, others.answer)
	w := newWorld(t, near, sub("crm", r.URL, ""))
	to := func(url, typ string) {
		t.Helper()
		w.apply(sub("crm", url, ""))
		w.tell(typ, nil)
		w.work(time.Second)
	}
	to(r.URL, "event:a")
	old := w.webhooks.index.Load().all["crm"]
	to(other.URL, "event:b")
	if st := w.state("crm"); st.Active || st.Disabled.URL != other.URL {
		t.Fatalf("410 of the new URL did not disable it: %+v", st)
	}
	// Back at the first URL it works, and a restart leaves it so.
	answers.set(200, "")
	to(r.URL, "event:c")
	w.open()
	if st := w.state("crm"); !st.Active || st.Disabled != nil || !w.webhooks.Want("event:d") || len(r.all()) != 2 {
		t.Fatalf("%d deliveries, %+v", len(r.all()), st)
	}
	// So it is if nothing was sent to the other one in between.
	answers.set(410, "")
	to(r.URL, "event:d")
	w.apply(sub("crm", other.URL, ""))
	w.apply(sub("crm", r.URL, ""))
	w.open()
	if st := w.state("crm"); !st.Active || st.Disabled != nil || len(w.webhooks.Findings()) != 0 {
		t.Fatalf("%+v, %+v", st, w.webhooks.Findings())
	}
	// A try that began at a former URL says nothing of this one.
	w.apply(sub("crm", other.URL, ""))
	if disabled, err := w.webhooks.note(t.Context(), old, Attempt{Status: 410, Error: "gone"}, true); disabled || err != nil || w.state("crm").Disabled != nil {
		t.Errorf("%t, %v, %+v", disabled, err, w.state("crm"))
	}
	// And days of failures disable it, as if it were the first time.
	others.set(500, "")
	for range 9 {
		w.tell("event:e", nil)
		w.work(11 * time.Hour)
		w.pass(13 * time.Hour)
	}
	if st := w.state("crm"); st.Active || !strings.Contains(st.Disabled.Reason, "status 500") {
		t.Errorf("%+v", st)
	}
}

// TestDisabledByDocument: what waits for one that is switched off is dead, and
// what waits for one that is removed is not sent to anybody.
func TestDisabledByDocument(t *testing.T) {
	s := &status{code: 500}
	r := newReceiver(t, s.answer)
	w := newWorld(t, near, sub("crm", r.URL, ""), sub("erp", r.URL, ""))
	w.tell("event:a", nil)
	w.work(time.Second)
	id := r.all()[0].event.ID
	w.apply(sub("crm", r.URL, "enabled: false"))
	if w.webhooks.Want("event:a") {
		t.Error("one that is disabled wants events")
	}
	w.work(time.Hour)
	if got := []string{w.delivered(id, "crm"), w.delivered(id, "erp")}; !slices.Equal(got, []string{outbox.StateDead, outbox.StateCancelled}) {
		t.Errorf("the deliveries are %q", got)
	}
	if len(r.all()) != 2 {
		t.Errorf("%d deliveries", len(r.all()))
	}
}

// TestDisabledAfterDays: a subscription whose tries all fail is disabled, and
// its operators are told before.
func TestDisabledAfterDays(t *testing.T) {
	s := &status{code: 500}
	r := newReceiver(t, s.answer)
	w := newWorld(t, near)
	set := catalog.Set{Alerts: []catalog.Alert{{ID: "operator", Webhook: &catalog.AlertWebhook{URL: "https://ops.example.com"}}}}
	if problems := read(&set, sub("crm", r.URL, "")); problems != nil {
		t.Fatal(problems)
	}
	if _, err := w.catalog.Apply(t.Context(), set, true); err != nil {
		t.Fatal(err)
	}
	alerts := func() (texts []string) {
		items, err := w.store.Read(t.Context(), outbox.AlertKey(""), 0, 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range items {
			texts = append(texts, string(item.Value))
		}
		return texts
	}
	w.tell("event:a", nil)
	for day := 1; day <= 5; day++ {
		w.work(23 * time.Hour)
		w.pass(time.Hour)
		w.tell("event:daily", nil)
	}
	w.work(time.Hour)
	if n := len(alerts()); n != 2 || w.state("crm").Disabled != nil { // after a day, and after four
		t.Fatalf("%d notices: %s, %+v", n, alerts(), w.state("crm"))
	}
	if f := w.webhooks.Findings(); len(f) != 1 || f[0].State != "failing" || !strings.Contains(f[0].Remedy, "it is disabled at 2026-01-09T03:04:05Z") {
		t.Errorf("the findings are %+v", f)
	}
	s.set(200, "") // one that is taken, and all is well
	w.tell("event:good", nil)
	w.work(5 * 24 * time.Hour)
	if st := w.state("crm"); !st.Failing.IsZero() || st.Notices != 0 || len(w.webhooks.Findings()) != 0 {
		t.Errorf("the state is %+v", st)
	}
	s.set(500, "")
	failing := w.now()
	w.tell("event:b", nil)
	for w.now().Sub(failing) < 8*24*time.Hour {
		w.work(11 * time.Hour)
		w.pass(time.Hour)
		w.tell("event:daily", nil)
	}
	w.work(time.Hour)
	st := w.state("crm")
	if st.Disabled == nil || st.Disabled.At.Sub(failing) < 7*24*time.Hour || !strings.Contains(st.Disabled.Reason, "status 500") {
		t.Fatalf("the state is %+v; failing since %s", st, failing)
	}
	all := alerts()
	last := all[len(all)-1]
	if len(all) != 2+3+1 || !strings.Contains(last, `"level":"critical"`) || !strings.Contains(last, "trama subscription enable crm") || !strings.Contains(w.logged(), "was disabled") {
		t.Errorf("%d notices: %s", len(all), all)
	}
}

// TestDisabledInTime: notices and the end come when they are due, though the
// next try is hours away.
func TestDisabledInTime(t *testing.T) {
	s := &status{code: 500}
	r := newReceiver(t, s.answer)
	w := newWorld(t, near, sub("crm", r.URL, ""))
	const day = 24 * time.Hour
	w.tell("event:a", nil)
	for _, c := range []struct {
		day     time.Duration
		notices int
	}{{1, 1}, {4, 2}, {6, 3}} {
		w.work(begin.Add(c.day*day - time.Second).Sub(w.now()))
		if n := w.state("crm").Notices; n != c.notices-1 {
			t.Errorf("before day %d: %d notices", c.day, n)
		}
		w.work(begin.Add(c.day * day).Sub(w.now()))
		if n := w.state("crm").Notices; n != c.notices {
			t.Errorf("day %d: %d notices, want %d", c.day, n, c.notices)
		}
		if c.day == 4 {
			w.tell("event:b", nil) // the first is a dead letter: without another it would be quiet
		}
	}
	w.work(begin.Add(7 * day).Sub(w.now()))
	if st := w.state("crm"); st.Disabled == nil || !st.Disabled.At.Equal(begin.Add(7*day)) || w.now().Equal(st.Attempts[0].At) {
		t.Errorf("%+v", st)
	}
	w.work(day) // the try that is left is none
	if letters := w.letters(); len(letters) != 2 || letters[0].Reason.Code != CodeDisabled {
		t.Errorf("%+v", letters)
	}
	if wakes, err := w.store.Wakes(t.Context(), "", "", 10); err != nil || len(wakes) != 0 {
		t.Errorf("%v, %v", wakes, err)
	}
}

// TestDisabledByTries: neither days in which the host was down nor tries of
// another URL disable a subscription.
func TestDisabledByTries(t *testing.T) {
	for name, mend := range map[string]func(w *world, s *status, good string){
		"down": func(w *world, s *status, _ string) {
			w.pass(begin.Add(190 * time.Hour).Sub(w.now())) // both a try and the end are overdue
			s.set(200, "")
			w.open()
		},
		"moved":   func(w *world, _ *status, good string) { w.apply(sub("crm", good, "")) },
		"removed": func(w *world, _ *status, _ string) { w.apply() },
		"off":     func(w *world, _ *status, good string) { w.apply(sub("crm", good, "enabled: false")) },
	} {
		s := &status{code: 500}
		r, good := newReceiver(t, s.answer), newReceiver(t, nil)
		w := newWorld(t, near, sub("crm", r.URL, ""))
		w.tell("event:a", nil)
		w.work(4 * 24 * time.Hour)
		w.tell("event:b", nil)                          // is tried for three days
		w.work(begin.Add(156 * time.Hour).Sub(w.now())) // six days and a half
		if st := w.state("crm"); st.Notices != 3 {
			t.Fatalf("%s: %+v", name, st)
		}
		mend(w, s, good.URL)
		w.work(2 * 24 * time.Hour)
		if strings.Contains(w.logged(), "was disabled") {
			t.Errorf("%s: %s", name, w.logged())
		}
		if w.webhooks.index.Load().all["crm"] == nil {
			continue
		}
		if st := w.state("crm"); st.Disabled != nil || name == "down" && !st.Failing.IsZero() {
			t.Errorf("%s: %+v", name, st)
		}
	}
}

// TestHiccupAfterSilence: a failure that comes long after the last try says
// nothing of the days between them.
func TestHiccupAfterSilence(t *testing.T) {
	s := &status{code: 500}
	r := newReceiver(t, s.answer)
	w := newWorld(t, near, sub("crm", r.URL, ""))
	w.tell("event:a", nil)
	w.work(5 * 24 * time.Hour) // it becomes a dead letter
	if st := w.state("crm"); st.Disabled != nil || st.Failed < 9 || len(w.letters()) != 1 {
		t.Fatalf("%+v", st)
	}
	w.pass(30 * 24 * time.Hour)
	w.tell("event:b", nil)
	w.work(time.Second)
	if st := w.state("crm"); st.Disabled != nil || st.Failed != 1 || st.Notices != 0 || w.now().Sub(st.Failing) > time.Hour {
		t.Errorf("%+v", st)
	}
	s.set(200, "")
	w.work(time.Minute)
	if st := w.state("crm"); !st.Failing.IsZero() || st.Taken.IsZero() {
		t.Errorf("%+v", st)
	}
}

// TestRules: what the operator of the host doesn't allow is not sent, whoever
// subscribes; it waits until it is allowed.
func TestRules(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, host string
		rules      Rules
		says       string
	}{
		{"http", "127.0.0.1", Rules{AllowPrivate: true}, "allow_http"},
		{"loopback", "127.0.0.1", Rules{AllowHTTP: true}, "allow_private"},
		{"local name", "localhost", Rules{AllowHTTP: true}, "allow_private"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newReceiver(t, nil)
			w := newWorld(t, c.rules, sub("crm", strings.Replace(r.URL, "127.0.0.1", c.host, 1), ""))
			if !w.tell("event:a", nil) {
				t.Error("the event was not told")
			}
			w.work(48 * time.Hour)
			st := w.state("crm")
			said := st.Held
			if len(st.Attempts) > 0 {
				said += st.Attempts[0].Error
			}
			if !strings.Contains(said, c.says) || len(r.all()) > 0 || st.Failed != 0 {
				t.Errorf("it says %q; %d deliveries; %+v", said, len(r.all()), st)
			}
			if f := w.webhooks.Findings(); len(f) != 1 || !strings.Contains(f[0].Reason, c.says) {
				t.Errorf("the findings are %+v", f)
			}
			w.rules = near
			w.open()
			w.work(time.Hour)
			if len(r.all()) != 1 {
				t.Errorf("%d deliveries once it is allowed", len(r.all()))
			}
		})
	}
	for name, url := range map[string]string{"https": "https://127.0.0.1:9", "private": "https://10.1.2.3"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, Rules{}, sub("crm", url, ""))
			w.tell("event:a", nil)
			w.work(time.Second)
			if st := w.state("crm"); len(st.Attempts) == 0 || !strings.Contains(st.Attempts[0].Error, "allow_private") || st.Failed != 0 {
				t.Errorf("%+v", st)
			}
		})
	}
}

// TestHeld: what needs a secret that is not there waits, without a try.
func TestHeld(t *testing.T) {
	r := newReceiver(t, nil)
	w := newWorld(t, near, sub("crm", r.URL, "secrets: [none_yet]"), sub("erp", r.URL, `headers: {X-Key: "{{ secret.none_such }}"}`))
	w.tell("event:a", nil)
	w.work(time.Hour)
	if len(r.all()) != 0 || !strings.Contains(w.state("crm").Held, "none_yet") || !strings.Contains(w.state("erp").Held, "none_such") || len(w.webhooks.Findings()) != 2 {
		t.Fatalf("%d deliveries, %+v", len(r.all()), w.webhooks.Findings())
	}
	w.environ = append(w.environ, "TRAMA_SECRET_NONE_YET=here it is", "TRAMA_SECRET_NONE_SUCH=and that")
	w.open()
	w.work(time.Hour)
	if len(r.all()) != 2 || len(w.webhooks.Findings()) != 0 {
		t.Errorf("%d deliveries", len(r.all()))
	}
}
