package gateway_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/trama-run/trama/host/gateway"
)

const key = "Idempotency-Key"

func TestIdempotency(t *testing.T) {
	r := serve(t, `
- {method: POST, path: /orders, flow: slowly, idempotency: {required: true, ttl: 1h}, security: [{clients: any}, {public: true}]}
- {method: PUT, path: /orders, flow: slowly, idempotency: {}}
- {method: POST, path: /plain, flow: slowly}
- {method: POST, path: /numbered, flow: slowly, idempotency: {key: "json:/id", required: true}}
`, nil)
	order := func(k, body string, headers ...string) answer {
		t.Helper()
		return r.call("POST", "/api/orders", body, append(headers, key, k)...)
	}
	if d := r.call("POST", "/api/orders", `{"n": 1}`).problem(400, "no_key"); *d.Retry {
		t.Error("the same call may be tried again")
	}
	for _, bad := range []string{`"open`, `a b`, `"a" b`, `""`, strings.Repeat("k", 256), `"\x"`, "k\u00e9"} {
		order(bad, `{"n": 1}`).problem(400, "bad_key")
	}
	r.call("PUT", "/api/orders", `{}`).want(201, `{"calls":1,"got":{}}`).has("Idempotency-Replayed", "")
	first := order("k1", `{"n": 9007199254740993}`).want(201, `{"calls":2,"got":{"n":9007199254740993}}`).has("Idempotency-Replayed", "", "X-Kept", "yes")
	order("k1", `{"n": 9007199254740993}`).want(201, first.body).has("Idempotency-Replayed", "true", "X-Kept", "yes", "Content-Type", "application/json", "Trama-Run", first.header.Get("Trama-Run"))
	order(`"k1"`, `{"n": 9007199254740993}`).want(201, first.body).has("Idempotency-Replayed", "true") // one key, with and without quotes
	if d := order("k1", `{"n": 2}`).problem(422, "key_reused"); *d.Retry {
		t.Error("another request with the key may be tried again")
	}
	r.call("POST", "/api/orders?dry=1", `{"n": 9007199254740993}`, key, "k1").problem(422, "key_reused")
	order("k1", `{"n": 9}`, "client_id", r.clients["erp"]).want(201, `{"calls":3,"got":{"n":9}}`) // another caller, other keys
	order("k1", `{"n": 8}`, "client_id", r.clients["shop"]).want(201, `{"calls":4,"got":{"n":8}}`)
	order("k1", `{"n": 9}`, "client_id", r.clients["erp"]).want(201, `{"calls":3,"got":{"n":9}}`)
	r.call("PUT", "/api/orders", `{"n": 9}`, key, "k1").want(201, `{"calls":5,"got":{"n":9}}`) // another route too
	r.call("POST", "/api/plain", `{}`, key, "k1").want(201, `{"calls":6,"got":{}}`)
	r.call("POST", "/api/plain", `{}`, key, "k1").want(201, `{"calls":7,"got":{}}`) // a route without keys has none

	order("bad", `{"status": 500}`).want(500, `{"calls":8,"got":{"status":500}}`) // a failure is not for later calls
	order("bad", `{"status": 502}`).want(502, `{"calls":9,"got":{"status":502}}`)
	order("bad", `{"status": "none"}`).problem(500, "run_failed")
	order("bad", `{"status": 404}`).want(404, `{"calls":11,"got":{"status":404}}`)
	order("bad", `{"status": 404}`).want(404, `{"calls":11,"got":{"status":404}}`)

	// Ids in the body are told apart as they are written.
	r.call("POST", "/api/numbered", `{"id": 9007199254740992}`).want(201, "")
	r.call("POST", "/api/numbered", `{"id": 9007199254740993}`).want(201, "").has("Idempotency-Replayed", "")
	r.call("POST", "/api/numbered", `{"id": 9007199254740993}`).want(201, "").has("Idempotency-Replayed", "true")
	r.call("POST", "/api/numbered", `{"id": {}}`).problem(400, "bad_key")
	r.call("POST", "/api/numbered", `{}`, key, "k").problem(400, "no_key")

	r.stop()
	r.start() // nothing of it is in memory
	order("k1", `{"n": 9007199254740993}`).want(201, first.body).has("Idempotency-Replayed", "true", "X-Kept", "yes")
	r.pass(time.Hour + time.Minute)
	order("k1", `{"n": 3}`).want(201, `{"calls":14,"got":{"n":3}}`) // the key is forgotten
}

// TestIdempotencyAtOnce: of many calls with one key that come at once, one runs
// the flow.
func TestIdempotencyAtOnce(t *testing.T) {
	r := serve(t, "- {method: POST, path: /x, flow: slowly, idempotency: {}}\n", nil)
	r.plugin.hold()
	const calls = 20
	ended := make(chan answer, calls)
	for range calls {
		go func() {
			a, err := r.try("POST", "/api/x", `{"n": 1}`, key, "k")
			if err != nil {
				t.Error(err)
			}
			ended <- a
		}()
	}
	for range calls - 1 {
		a := <-ended
		if d := a.problem(409, "key_in_use"); !*d.Retry || d.RetryAfter != 1 {
			t.Errorf("%s", a.body)
		}
	}
	r.plugin.release()
	if a := <-ended; a.status != 201 {
		t.Errorf("the one that ran: %d %s", a.status, a.body)
	}
	r.call("POST", "/api/x", `{"n": 1}`, key, "k").want(201, `{"calls":1,"got":{"n":1}}`)
}

// TestIdempotencyAfterACrash: a call that a crash cut short is in progress until
// its run has gone on, and then has an answer: the flow is not begun twice.
func TestIdempotencyAfterACrash(t *testing.T) {
	r := serve(t, "- {method: POST, path: /x, flow: slowly, idempotency: {}, timeout: 100ms}\n", nil)
	r.plugin.hold()
	d := r.call("POST", "/api/x", `{"n": 1}`, key, "k").problem(504, "timeout")
	r.call("POST", "/api/x", `{"n": 1}`, key, "k").problem(409, "key_in_use")
	r.call("POST", "/api/x", `{"n": 2}`, key, "k").problem(422, "key_reused")
	r.called(1)
	r.crash()
	r.plugin.hold()
	r.start()
	r.call("POST", "/api/x", `{"n": 1}`, key, "k").problem(409, "key_in_use")
	r.plugin.release()
	r.hurry(d.RunID)
	var a answer
	r.eventually(func() error {
		if a = r.call("POST", "/api/x", `{"n": 1}`, key, "k"); a.status == 409 {
			return fmt.Errorf("%s", a.body)
		}
		return nil
	})
	// The plugin's call was repeated, with the same effect id; the flow was not.
	a.want(201, `{"calls":2,"got":{"n":1}}`).has("Trama-Run", d.RunID, "Idempotency-Replayed", "true")
}

// state reads the address of a later answer.
func (r *rig) state(path string, headers ...string) (s gateway.Status, a answer) {
	r.Helper()
	a = r.call("GET", path, "", headers...).want(200, "").has("Cache-Control", "no-store")
	if err := json.Unmarshal([]byte(a.body), &s); err != nil {
		r.Fatal(err)
	}
	if s.Run == "" || !strings.HasSuffix(path, s.Run) {
		r.Errorf("%s: %s", path, a.body)
	}
	return s, a
}

// done waits until there is an answer at an address.
func (r *rig) done(path string, headers ...string) (s gateway.Status) {
	r.Helper()
	r.eventually(func() error {
		var a answer
		if s, a = r.state(path, headers...); s.Status == gateway.StatusRunning {
			return fmt.Errorf("%s", a.body)
		}
		return nil
	})
	return s
}

func TestAsync(t *testing.T) {
	r := serve(t, `
- {method: POST, path: /always, flow: slowly, async: always, timeout: 5s, security: {clients: any}}
- {method: POST, path: /allowed, flow: slowly, async: allowed, idempotency: {}}
- {method: POST, path: /never, flow: slowly}
- {method: POST, path: /silent, flow: silent, async: always}
- {method: POST, path: /promised, flow: says, async: always, response: {schema: {type: object}}}
- {method: POST, path: /few, flow: slowly, async: always, security: {clients: any, rate: 1/1h, quota: 1/1d}}
- {method: GET, path: "/:a/:b", flow: echo}
`, map[string]string{"gateway.yaml": `cors: {origins: ["https://shop.example"]}`})
	r.plugin.hold()
	erp := []string{"client_id", r.clients["erp"]}
	a := r.call("POST", "/api/always", `{"n": 1}`, erp...).want(202, "").has("Retry-After", "1", "Preference-Applied", "")
	id, at := a.header.Get("Trama-Run"), a.header.Get("Location")
	if id == "" || at != "/api/.status/"+id || a.body != fmt.Sprintf(`{"run":%q,"status":"running"}`, id) {
		t.Fatalf("%s %v", a.body, a.header)
	}
	s, _ := r.state(at, erp...)
	if s.Status != gateway.StatusRunning || s.Answer != nil {
		t.Errorf("%+v", s)
	}
	r.call("GET", at, "", erp...).has("Retry-After", "1", "Trama-Run", id)
	r.call("GET", at, "").problem(401, "unauthorized")
	r.call("GET", at, "", "client_id", r.clients["shop"]).problem(404, "no_call") // another caller's, as one that never was
	r.call("GET", "/api/.status/01999999-0000-7000-8000-000000000000", "", erp...).problem(404, "no_call")
	r.call("GET", "/api/.status/"+strings.Repeat("x", 3000), "", erp...).problem(404, "no_call")
	r.call("POST", at, "", erp...).has("Allow", "GET, HEAD, OPTIONS").problem(405, "method")
	r.call("OPTIONS", at, "", "Origin", "https://shop.example", "Access-Control-Request-Method", "GET").want(204, "").has("Access-Control-Allow-Origin", "https://shop.example", "Access-Control-Allow-Methods", "GET, HEAD, OPTIONS")
	r.plugin.release()
	s = r.done(at, erp...)
	if s.Status != gateway.StatusDone || s.Answer == nil || s.Answer.Status != 201 || s.Answer.Headers["X-Kept"] != "yes" || fmt.Sprint(s.Answer.Body) != "map[calls:1 got:map[n:1]]" || s.Problem != nil {
		t.Errorf("%+v", s)
	}
	r.call("HEAD", at, "", erp...).want(200, "")

	r.call("POST", "/api/allowed", `{}`).want(201, "").has("Vary", "Origin, Prefer")
	a = r.call("POST", "/api/allowed", `{"n": 2}`, "Prefer", "handling=lenient, Respond-Async", key, "k").want(202, "").has("Preference-Applied", "respond-async", "Vary", "Origin, Prefer")
	again := r.call("POST", "/api/allowed", `{"n": 2}`, "Prefer", "respond-async", key, "k").want(202, "").has("Location", a.header.Get("Location"), "Idempotency-Replayed", "true")
	if s := r.done(again.header.Get("Location")); fmt.Sprint(s.Answer.Body) != "map[calls:3 got:map[n:2]]" {
		t.Errorf("%+v", s)
	}
	r.call("POST", "/api/allowed", `{"n": 2}`, key, "k").want(201, `{"calls":3,"got":{"n":2}}`) // now without waiting
	r.call("POST", "/api/allowed", `{"n": 2}`, key, "k", "Prefer", "respond-async, wait=2").want(201, `{"calls":3,"got":{"n":2}}`).has("Preference-Applied", "wait=2", "Idempotency-Replayed", "true")
	r.call("POST", "/api/allowed", `{"n": 2}`, key, "k", "Prefer", "respond-async").want(202, fmt.Sprintf(`{"run":%q,"status":"done"}`, a.header.Get("Trama-Run")))
	r.call("POST", "/api/never", `{}`, "Prefer", "respond-async").want(201, "").has("Preference-Applied", "")

	// With wait, the caller has the answer at once if it is there in time.
	r.call("POST", "/api/allowed", `{}`, "Prefer", "respond-async, wait=10").want(201, "").has("Preference-Applied", "wait=10")
	r.plugin.hold()
	late := r.call("POST", "/api/allowed", `{"n": 3}`, "Prefer", "respond-async, wait=1").want(202, "").has("Preference-Applied", "respond-async")
	r.plugin.release()
	if s := r.done(late.header.Get("Location")); s.Answer == nil || !strings.Contains(fmt.Sprint(s.Answer.Body), "n:3") {
		t.Errorf("%+v", s)
	}

	// Limits are of calls that start something, not of asking for the answer.
	few := r.call("POST", "/api/few", `{}`, erp...).want(202, "").header.Get("Location")
	if s := r.done(few, erp...); s.Status != gateway.StatusDone {
		t.Errorf("%+v", s)
	}
	r.call("GET", few, "", erp...).want(200, "").has("RateLimit", "")
	r.call("GET", few, "", "client_id", "none").problem(401, "unauthorized")
	r.call("POST", "/api/few", `{}`, erp...).problem(429, "rate_limited")

	if s := r.done(r.call("POST", "/api/silent", `{}`).want(202, "").header.Get("Location")); s.Answer == nil || s.Answer.Status != 204 {
		t.Errorf("a run without an answer: %+v", s)
	}
	s = r.done(r.call("POST", "/api/promised", `{"body": "text"}`).want(202, "").header.Get("Location"))
	if s.Status != gateway.StatusFailed || !strings.Contains(string(s.Problem), `"bad_answer"`) || s.Answer != nil {
		t.Errorf("an answer that is not as promised: %+v %s", s, s.Problem)
	}
	s = r.done(r.call("POST", "/api/allowed", `{"status": 7}`, "Prefer", "respond-async").want(202, "").header.Get("Location"))
	if s.Status != gateway.StatusFailed || !strings.Contains(string(s.Problem), `"run_failed"`) {
		t.Errorf("a run that failed: %+v %s", s, s.Problem)
	}
}

// TestAsyncWithoutRoute: an answer is there for who asked for it, and for nobody
// else, when its route is gone.
func TestAsyncWithoutRoute(t *testing.T) {
	r := serve(t, `
- {method: POST, path: /secured, flow: slowly, async: always, security: {clients: any}}
- {method: POST, path: /network, flow: slowly, async: always, security: {ips: [127.0.0.0/8], rate: 1/1h}}
- {method: POST, path: /open, flow: slowly, async: always}
`, map[string]string{"gateway.yaml": `cors: {origins: ["https://shop.example"]}`})
	erp := []string{"client_id", r.clients["erp"], "Origin", "https://shop.example"}
	secured := r.call("POST", "/api/secured", `{"n": 1}`, erp...).want(202, "").header.Get("Location")
	r.plugin.hold()
	network := r.call("POST", "/api/network", `{"n": 2}`).want(202, "").header.Get("Location")
	open := r.call("POST", "/api/open", `{"n": 3}`).want(202, "").header.Get("Location")
	r.files["routes.yaml"] = []byte("- {method: GET, path: /other, flow: echo, security: {clients: [shop]}}")
	r.apply()
	r.plugin.release() // and they are answered after that
	r.call("GET", secured, "").problem(401, "unauthorized")
	r.call("GET", secured, "", "client_id", r.clients["shop"]).problem(404, "no_call")
	for at, headers := range map[string][]string{secured: erp, network: nil, open: nil} {
		if s := r.done(at, headers...); s.Status != gateway.StatusDone || s.Answer == nil || s.Answer.Status != 201 {
			t.Errorf("%s: %+v", at, s)
		}
	}
	r.call("GET", secured, "", erp...).want(200, "").has("Access-Control-Allow-Origin", "https://shop.example")
	r.files["routes.yaml"] = []byte("- {method: POST, path: /open, flow: echo, security: {clients: [shop]}}")
	r.apply() // what a route that is there asks for counts
	r.call("GET", open, "").problem(401, "unauthorized")
}

// TestAsyncAfterACrash: what was answered with 202 is done, whatever becomes of
// the host.
func TestAsyncAfterACrash(t *testing.T) {
	r := serve(t, "- {method: POST, path: /x, flow: slowly, async: always}\n", nil)
	r.plugin.hold()
	a := r.call("POST", "/api/x", `{"n": 1}`).want(202, "")
	r.called(1)
	b := r.call("POST", "/api/x", `{"n": 2}`).want(202, "")
	r.crash()
	r.start()
	for n, a := range []answer{a, b} {
		at := a.header.Get("Location")
		if s, _ := r.state(at); s.Status != gateway.StatusRunning {
			t.Logf("call %d is %s already", n+1, s.Status)
		}
		r.hurry(a.header.Get("Trama-Run"))
		if s := r.done(at); s.Answer == nil || !strings.Contains(fmt.Sprint(s.Answer.Body), fmt.Sprintf("got:map[n:%d]", n+1)) {
			t.Errorf("call %d: %+v", n+1, s)
		}
	}
}
