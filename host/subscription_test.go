package host_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trama-run/trama/host/admin"
	webhooks "github.com/trama-run/trama/host/webhook"
)

// subscriber is an outside system: it gives tokens that soon run out, and takes
// deliveries that carry one which has not.
type subscriber struct {
	*httptest.Server
	life time.Duration
	slow time.Duration // that a delivery takes

	mu     sync.Mutex
	tokens map[string]time.Time // until when; guarded by mu, with what follows
	got    map[string][]string  // webhook-ids of deliveries that were taken, by what they tell
	events []webhooks.Event
	late   int // deliveries whose token had run out
	status int // if not 0, what every delivery is answered with
}

func newSubscriber(t *testing.T, life time.Duration) *subscriber {
	s := &subscriber{life: life, tokens: map[string]time.Time{}, got: map[string][]string{}}
	s.Server = httptest.NewServer(http.HandlerFunc(s.handle))
	t.Cleanup(s.Close)
	return s
}

func (s *subscriber) handle(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the host was killed
	}
	if r.URL.Path != "/token" {
		time.Sleep(s.slow)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.URL.Path == "/token" {
		name := "token-" + strconv.Itoa(len(s.tokens))
		s.tokens[name] = time.Now().Add(s.life)
		fmt.Fprintf(w, `{"access_token": %q, "expires_in": %v}`, name, s.life.Seconds())
		return
	}
	name, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !time.Now().Before(s.tokens[name]) {
		s.late++
		w.WriteHeader(401)
		return
	}
	if s.status != 0 {
		w.WriteHeader(s.status)
		return
	}
	var e webhooks.Event
	if err := json.Unmarshal(body, &e); err != nil {
		w.WriteHeader(400)
		return
	}
	s.events = append(s.events, e)
	key := fmt.Sprint(e.Data["data"])
	s.got[key] = append(s.got[key], r.Header.Get("Webhook-Id"))
}

// answer sets what every delivery is answered with.
func (s *subscriber) answer(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status = status
}

// taken gives the events that were taken.
func (s *subscriber) taken() []webhooks.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]webhooks.Event(nil), s.events...)
}

// workspace is the files of a host with one subscription, to events.
func (s *subscriber) workspace(events string) map[string]string {
	return map[string]string{
		"trama.yaml": "webhooks: {allow_http: true, allow_private: true}\n",
		"subscriptions.yaml": fmt.Sprintf(`
- id: crm
  url: %s/hook
  events: [%s]
  secrets: [sign]
  headers: {Authorization: "Bearer {{ crm }}"}
  tokens: {crm: {oauth2: {token_url: %s/token, client_id: trama, secret: client}}}
`, s.URL, events, s.URL),
	}
}

// TestSubscriptionSurvives: a host that is killed twice loses no event, while
// its subscriber's tokens run out each second and none that has is taken.
func TestSubscriptionSurvives(t *testing.T) {
	s := newSubscriber(t, time.Second)
	s.slow = 200 * time.Millisecond // so that some are on their way at each kill
	i := install(t, nil, s.workspace("event:order.paid"))
	i.secrets = map[string]string{"sign": "a key that is long enough to sign", "client": "c"}
	c := i.startChild()
	token, err := os.ReadFile(filepath.Join(i.data, admin.TokenFile))
	if err != nil {
		t.Fatal(err)
	}
	const events = 150
	for n := range events {
		if n == 50 || n == 100 { // in the middle of deliveries
			c.kill()
			c = i.startChild()
		}
		i.eventually(fmt.Sprintf("event %d to be accepted", n), func() error {
			return i.send("POST", "http://"+c.adminAddr+"/v1/events/order.paid", fmt.Sprintf(`{"id": "e%d", "data": %d}`, n, n), "Authorization", "Bearer "+strings.TrimSpace(string(token))).want(202)
		})
	}
	i.eventually("all events to be delivered", func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.got) != events {
			return fmt.Errorf("%d of %d", len(s.got), events)
		}
		return nil
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	again := 0
	for key, ids := range s.got {
		for _, id := range ids {
			if id != ids[0] {
				t.Errorf("event %s was delivered under %q", key, ids)
			}
		}
		again += len(ids) - 1
	}
	t.Logf("%d events, %d of them delivered again; %d tokens, %d deliveries refused for theirs", events, again, len(s.tokens), s.late)
	if len(s.tokens) < 3 || again == 0 {
		t.Errorf("%d tokens, %d events delivered again: no token ran out, or no kill came in the middle", len(s.tokens), again)
	}
}

// TestSubscriptions: ends of runs and events are told, and the API shows and
// changes how a subscription does.
func TestSubscriptions(t *testing.T) {
	s := newSubscriber(t, time.Minute)
	i := install(t, nil, join(s.workspace("run.finished, event"), map[string]string{
		"routes.yaml":     "- {method: POST, path: /orders, flow: orders}\n",
		"flows/fine.yaml": "schema: 1\nid: orders\ntriggers: [{id: start, type: gateway}]\nnodes:\n  - {id: tell, type: emit_event, with: {event: order.paid, data: \"{{ input.body.ref }}\"}}\n  - {id: reply, type: response.json, with: {status: 201, body: {ok: true}}}\n  - {id: stop, type: end, with: {result: \"{{ trigger.body.ref }}\", label: good}}\nedges: [{from: start, to: tell}, {from: tell, to: reply}, {from: reply, to: stop}]\n",
		"flows/pure.yaml": "schema: 1\nid: pure\ntriggers: [{id: start, type: gateway}]\nnodes: [{id: reply, type: response.json, with: {body: {ok: true}}}]\nedges: [{from: start, to: reply}]\n",
	}))
	i.write("routes.yaml", "- {method: POST, path: /orders, flow: orders}\n- {method: GET, path: /pure, flow: pure}\n")
	i.secrets = map[string]string{"sign": "a key that is long enough to sign", "client": "c"}
	i.start()
	told := func(what string, n int) (events []webhooks.Event) {
		t.Helper()
		i.eventually(fmt.Sprintf("%d deliveries, after %s", n, what), func() error {
			if events = s.taken(); len(events) != n {
				return fmt.Errorf("there are %d", len(events))
			}
			return nil
		})
		return events
	}
	a := i.call("POST", "/api/orders", `{"ref": 7}`, "Content-Type", "application/json")
	if err := a.want(201); err != nil {
		t.Fatal(err)
	}
	byType := map[string]webhooks.Event{}
	for _, e := range told("an order", 2) {
		byType[e.Type] = e
	}
	end := byType["run.finished"].Data
	if end["run_id"] != a.run() || end["flow"] != "orders" || end["status"] != "done" || end["result"] != float64(7) || end["label"] != "good" {
		t.Errorf("the end of the run was told as %v", end)
	}
	if paid := byType["event:order.paid"].Data; paid["event"] != "order.paid" || paid["data"] != float64(7) {
		t.Errorf("the event was told as %v", paid)
	}
	a = i.call("GET", "/api/pure", "")
	if err := a.want(200); err != nil {
		t.Fatal(err)
	}
	if e := told("a run without effects", 3)[2]; e.Data["run_id"] != a.run() {
		t.Errorf("its end was told as %v", e.Data)
	}

	// An event that starts no flow is one that somebody wants.
	if err := i.admin("POST", "/v1/events/other", `{"data": 1}`).want(202); err != nil {
		t.Error(err)
	}
	told("an event of the API", 4)

	i.eventually("the state after four deliveries", func() error { // it is written down after the answer
		state := read[webhooks.Status](i, "/v1/subscriptions/crm/state")
		if !state.Active || len(state.Attempts) != 4 || state.Attempts[0].Type != "event:other" || state.Attempts[0].Status != 200 {
			return fmt.Errorf("the state is %+v", state)
		}
		return nil
	})
	test := i.admin("POST", "/v1/subscriptions/crm/test", "")
	var attempt webhooks.Attempt
	if err := json.Unmarshal([]byte(test.body), &attempt); err != nil || test.want(200) != nil || attempt.Type != webhooks.TypeTest || attempt.Status != 200 {
		t.Errorf("the test gave %d %s", test.status, test.body)
	}
	told("a test", 5)

	// It is gone, and comes back.
	s.answer(410)
	if err := i.admin("POST", "/v1/events/lost", `{"data": 2}`).want(202); err != nil {
		t.Error(err)
	}
	i.finding("subscription crm", "disabled", "410", "trama subscription enable crm")
	i.dead(1)
	i.problem(i.admin("POST", "/v1/events/nobody", `{}`), 404, "no_flow")
	s.answer(0)
	if err := i.admin("POST", "/v1/subscriptions/crm/enable", "").want(200); err != nil {
		t.Error(err)
	}
	i.problem(i.admin("POST", "/v1/subscriptions/crm/replay", `{"event": "evt_none"}`), 404, "no_dead_letter")
	if a := i.admin("POST", "/v1/subscriptions/crm/replay", `{"type": "event:lost", "since": "2020-01-01T00:00:00Z"}`); a.want(200) != nil || !strings.Contains(a.body, `"replayed":1`) {
		t.Errorf("the replay gave %d %s", a.status, a.body)
	}
	if e := told("the replay", 6)[5]; e.Type != "event:lost" {
		t.Errorf("the replay sent %v", e)
	}
	for _, path := range []string{"state", "test", "enable", "replay"} {
		method := map[bool]string{true: "GET", false: "POST"}[path == "state"]
		i.problem(i.admin(method, "/v1/subscriptions/none/"+path, ""), 404, "not_found")
	}
	// One of the API is an object like any other; what is wrong is said.
	i.problem(i.admin("PUT", "/v1/subscriptions/erp", `{"id": "erp", "url": "https://erp.example.com", "events": ["run.finishd"]}`), 422, "invalid", "did you mean")
	i.problem(i.admin("PUT", "/v1/subscriptions/crm", `{"id": "crm", "url": "https://erp.example.com", "events": ["message"]}`), 409, "owned_by_file", "subscriptions.yaml")
	if err := i.admin("PUT", "/v1/subscriptions/erp", `{"id": "erp", "url": "http://127.0.0.1:1/x", "events": ["run.finished"], "filter": "input.data.flow == \"none\""}`).want(200); err != nil {
		t.Error(err)
	}
}
