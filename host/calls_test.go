package host_test

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/trama-run/trama/host/calllog"
)

// charging is a flow that calls acme, tells operators, and answers.
const charging = `schema: 1
id: talk
triggers: [{id: start, type: gateway}]
nodes:
  - {id: call, type: acme.register, connection: peer, with: {order: 7, access_token: "of the customer"}, retry: {attempts: 2, backoff: 10ms}}
  - {id: tell, type: send_alert, with: {to: ops, text: "order 7"}}
  - {id: done, type: response.json, with: {status: 201, body: {order: 7, refresh_token: abc}}}
edges:
  - {from: start, to: call}
  - {from: call, to: tell}
  - {from: tell, to: done}
`

// spans is a collector.
type spans struct {
	*httptest.Server
	mu   sync.Mutex
	all  []*otlp.Span // guarded by mu
	auth string       // guarded by mu
}

func newSpans(t *testing.T) *spans {
	s := &spans{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		zipped, err := gzip.NewReader(r.Body)
		if err != nil {
			t.Error(err)
			return
		}
		data, err := io.ReadAll(zipped)
		var request collector.ExportTraceServiceRequest
		if err = errors.Join(err, proto.Unmarshal(data, &request)); err != nil {
			t.Error(err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.auth = r.Header.Get("Authorization")
		for _, resource := range request.ResourceSpans {
			for _, scope := range resource.ScopeSpans {
				s.all = append(s.all, scope.Spans...)
			}
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// under gives the names of the spans of a trace, each after those that it is
// in.
func (s *spans) under(trace string) (paths []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	byID := map[string]*otlp.Span{}
	for _, span := range s.all {
		byID[string(span.SpanId)] = span
	}
	for _, span := range s.all {
		if fmt.Sprintf("%x", span.TraceId) != trace {
			continue
		}
		path := span.Name
		for up := byID[string(span.ParentSpanId)]; up != nil; up = byID[string(up.ParentSpanId)] {
			path = up.Name + " > " + path
		}
		paths = append(paths, path)
	}
	slices.Sort(paths)
	return paths
}

// text is all that spans say.
func (s *spans) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fmt.Sprint(s.all)
}

// TestCalls: what a request causes is found in the call log, counted, and
// followed to the last request that goes out; and no secret is in any of it.
func TestCalls(t *testing.T) {
	t.Parallel()
	p, collected := newPeer(t), newSpans(t)
	p.answers(func(s sent, n int) int {
		if n == 1 {
			return 503
		}
		return 200
	})
	i := install(t, nil, join(withPost(t, p, charging), map[string]string{
		"plugins/acme.wasm": guest(t, "acme", "1.0.0"),
		"routes.yaml":       "- {method: POST, path: /charge/:id, flow: talk}\n",
		"alerts.yaml":       `[{id: ops, webhook: {url: "` + p.URL + `/alerts?key=of-the-hook", secret: alert_key}}]`,
		"trama.yaml":        `otel: {endpoint: "` + collected.URL + `", headers: {Authorization: collector_token}}`,
	}))
	const token, alertKey = "the token of the peer", "the key of the alerts"
	i.secrets = map[string]string{"post_key": postKey, "peer_token": token, "alert_key": alertKey, "collector_token": "Bearer of-the-collector"}
	i.start()

	const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	a := i.call("POST", "/api/charge/7?token=of-the-caller&a=b", `{"note": "`+token+`", "password": "of-the-caller"}`,
		"Content-Type", "application/json", "Authorization", "Bearer of-the-caller", "X-Request-Id", "request-7",
		"Traceparent", "00-"+trace+"-00f067aa0ba902b7-01")
	if err := a.want(201); err != nil {
		t.Fatal(err)
	}
	p.wait(i, 3)
	i.deliver("d1", "no signature is of this") // stored or refused: a call all the same
	if err := i.call("GET", "/api/nothing", "").want(404); err != nil {
		t.Error(err)
	}

	list := func(query string) string {
		t.Helper()
		var all []string
		for _, c := range read[[]calllog.Call](i, "/v1/calls?"+query) {
			if c.Request.Body != "" || len(c.Request.Headers) > 0 {
				t.Errorf("the list has what was said: %+v", c)
			}
			all = append(all, fmt.Sprintf("%s %s %s %d", c.Kind, c.Name, c.Method, c.Status))
		}
		return strings.Join(all, ", ")
	}
	const request, first, second, alert = "gateway POST /charge/:id POST 201", "connector acme.register POST 503", "connector acme.register POST 200", "alert ops POST 200"
	i.eventually("the alert to be in the log", func() error {
		if got := list("run=" + a.run() + "&kind=alert"); got != alert {
			return errors.New(got)
		}
		return nil
	})
	host, _ := url.Parse(p.URL)
	for query, want := range map[string]string{
		"run=" + a.run() + "&kind=connector":                    second + ", " + first,
		"route=" + url.QueryEscape("POST /charge/:id"):          request,
		"kind=gateway&status=404":                               "gateway  GET 404",
		"status=5xx&endpoint=" + host.Host:                      first,
		"endpoint=" + url.QueryEscape(p.URL+"/charges"):         second + ", " + first,
		"endpoint=/api/charge":                                  request,
		"request=request-7&kind=connector&status=200":           second,
		"kind=webhook&name=post":                                "webhook post POST 200",
		"kind=connector&since=2999-01-01T00:00:00Z":             "",
		"run=" + a.run() + "&limit=1&direction=in":              request,
		"kind=connector&method=GET":                             "",
		"run=" + a.run() + "&until=2020-01-01T00:00:00%2B00:00": "",
	} {
		if got := list(query); got != want && (query != "kind=webhook&name=post" || !strings.HasPrefix(got, "webhook post POST ")) {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}

	var kept strings.Builder
	for _, c := range read[[]calllog.Call](i, "/v1/calls?limit=100") {
		whole := read[calllog.Call](i, "/v1/calls/"+c.ID)
		fmt.Fprintf(&kept, "%+v\n", whole)
		switch c.Name {
		case "POST /charge/:id":
			if whole.Endpoint != "/api/charge/7?token=[redacted]&a=b" || whole.RequestID != "request-7" || whole.Trace != trace ||
				whole.Request.Body != `{"note": "[redacted]", "password": "[redacted]"}` || whole.Response.Body != `{"order":7,"refresh_token":"[redacted]"}` {
				t.Errorf("request: %+v", whole)
			}
		case "acme.register":
			if whole.Node != "call" || whole.Attempt == 0 || whole.EffectID == "" || whole.Request.Headers["authorization"] != "[redacted]" ||
				whole.Request.Body != `{"access_token":"[redacted]","order":7}` || !strings.HasPrefix(whole.Response.Body, "m") || whole.Trace != trace {
				t.Errorf("connector: %+v", whole)
			}
		case "ops":
			if whole.Endpoint != p.URL+"/alerts?key=[redacted]" || whole.Attempt != 1 || whole.Run != a.run() || !strings.Contains(whole.Request.Body, "order 7") {
				t.Errorf("alert: %+v", whole)
			}
		}
	}
	i.problem(i.admin("GET", "/v1/calls/0000000000000001-00", ""), 404, "no_call")
	i.problem(i.admin("GET", "/v1/calls?status=x", ""), 400, "invalid", "status")

	metrics := i.admin("GET", "/metrics", "").body
	for _, want := range []string{
		`trama_requests_total{route="POST /charge/:id",status="2xx"} 1`, `trama_requests_total{route="none",status="4xx"} 1`,
		`trama_request_seconds_count{route="POST /charge/:id"} 1`, `trama_webhooks_total{channel="post",`,
		`trama_runs_total{flow="talk",result="done"} 1`, `trama_delivery_attempts_total{lane="alert",result="sent"} 1`,
		`trama_queue_waiting{queue="intake"}`, `trama_queue_age_seconds{queue="alert"} 0`, `trama_breakers{state="closed"} 1`, `trama_breakers{state="open"} 0`,
		`trama_dead_letters 0`, `trama_store_free_bytes `, `trama_store_commit_seconds_count `, `trama_call_log_dropped_total 0`, `trama_plugin_calls_total{plugin="acme"} 2`,
	} {
		if !strings.Contains(string(metrics), want) {
			t.Errorf("no metric %s", want)
		}
	}

	i.stop()
	got := collected.under(trace)
	const run = "POST /charge/:id > run talk"
	want := []string{
		"POST /charge/:id", run, run, // again, after the pause before the second attempt
		run + " > node call", run + " > node call > acme.register", run + " > node call > acme.register > POST",
		run + " > node call", run + " > node call > acme.register", run + " > node call > acme.register > POST",
	}
	slices.Sort(want)
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("spans:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if collected.auth != "Bearer of-the-collector" || !strings.Contains(collected.text(), "send to alert ops") {
		t.Errorf("sent with %q:\n%s", collected.auth, collected.text())
	}
	for name, text := range map[string]string{"calls": kept.String(), "spans": collected.text(), "log": i.log.String()} {
		for _, secret := range []string{token, alertKey, "of-the-caller", "of-the-hook", "of the customer", "Bearer of"} {
			if strings.Contains(text, secret) {
				t.Errorf("%s have %q", name, secret)
			}
		}
	}
}

// TestCallLogOff: without a call log the host serves as ever and says so.
func TestCallLogOff(t *testing.T) {
	t.Parallel()
	i := serve(t, nil, map[string]string{
		"flows/talk.yaml": "schema: 1\nid: talk\ntriggers: [{id: start, type: gateway}]\nnodes: [{id: done, type: response.json, with: {body: 1}}]\nedges: [{from: start, to: done}]\n",
		"routes.yaml":     "- {method: GET, path: /x, flow: talk}\n",
		"trama.yaml":      "call_log: {off: true}\n",
	})
	if err := i.call("GET", "/api/x", "").want(200); err != nil {
		t.Fatal(err)
	}
	i.problem(i.admin("GET", "/v1/calls", ""), 409, "off", "trama.yaml")
}
