package trace

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// receiver is a collector.
type receiver struct {
	*httptest.Server
	mu      sync.Mutex
	spans   []*otlp.Span // guarded by mu
	service string       // guarded by mu
	headers http.Header  // guarded by mu
	status  int          // guarded by mu; 0: 200
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.status != 0 {
			w.WriteHeader(r.status)
			return
		}
		zipped, err := gzip.NewReader(q.Body)
		if err != nil {
			t.Error(err)
			return
		}
		data, err := io.ReadAll(zipped)
		var request collector.ExportTraceServiceRequest
		if err = errors.Join(err, proto.Unmarshal(data, &request)); err != nil || q.URL.Path != "/v1/traces" {
			t.Errorf("%s: %v", q.URL, err)
		}
		r.headers = q.Header
		for _, resource := range request.ResourceSpans {
			for _, a := range resource.Resource.Attributes {
				if a.Key == "service.name" {
					r.service = a.Value.GetStringValue()
				}
			}
			for _, scope := range resource.ScopeSpans {
				r.spans = append(r.spans, scope.Spans...)
			}
		}
	}))
	t.Cleanup(r.Close)
	return r
}

func open(t *testing.T, config Config) *Tracer {
	t.Helper()
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	tracer, err := Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	return tracer
}

func textOf(s *otlp.Span, name string) string {
	for _, a := range s.Attributes {
		if a.Key == name {
			return a.Value.GetStringValue()
		}
	}
	return ""
}

// TestSpans: what was begun arrives at a collector, under what it was begun
// in, in the trace that the caller named.
func TestSpans(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
	t.Setenv("OTEL_TRACES_SAMPLER", "always_off")
	r := newReceiver(t)
	tracer := open(t, Config{Endpoint: r.URL, Headers: func() (map[string]string, error) { return map[string]string{"Authorization": "Bearer x"}, nil }})
	const caller = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	ctx := Receive(With(t.Context(), tracer), http.Header{"Traceparent": {caller}})
	ctx, request := Begin(ctx, Served, "GET /x")
	if ID(ctx) != "4bf92f3577b34da6a3ce929d0e0e4736" {
		t.Errorf("the trace is %q", ID(ctx))
	}
	elsewhere, run := Begin(Carry(context.Background(), ctx), Inside, "run")
	run.Text("trama.flow", "orders")
	run.Fail("timeout")
	sent := http.Header{}
	Send(elsewhere, sent)
	run.End()
	request.Name("GET /:id")
	request.End()
	if err := tracer.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(r.spans) != 2 || r.service != "trama" || r.headers.Get("Authorization") != "Bearer x" {
		t.Fatalf("%d spans of %q with %v", len(r.spans), r.service, r.headers)
	}
	inner, outer := r.spans[0], r.spans[1]
	if inner.Name != "run" || outer.Name != "GET /:id" || string(inner.ParentSpanId) != string(outer.SpanId) || outer.Kind != otlp.Span_SPAN_KIND_SERVER {
		t.Errorf("spans %v and %v", inner, outer)
	}
	if textOf(inner, "trama.flow") != "orders" || textOf(inner, "error.type") != "timeout" || inner.Status.Code != otlp.Status_STATUS_CODE_ERROR {
		t.Errorf("span %v", inner)
	}
	if parts := strings.Split(sent.Get("Traceparent"), "-"); len(parts) != 4 || parts[1] != "4bf92f3577b34da6a3ce929d0e0e4736" || parts[3] != "01" {
		t.Errorf("sent on: %v", sent)
	}
}

// TestShare: a trace that is not kept here or elsewhere is not kept further
// in, and those who are called learn that.
func TestShare(t *testing.T) {
	r := newReceiver(t)
	tracer := open(t, Config{Endpoint: r.URL, Share: 1e-9})
	for name, header := range map[string]http.Header{
		"here":      {},
		"elsewhere": {"Traceparent": {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"}},
	} {
		ctx, outer := Begin(Receive(With(t.Context(), tracer), header), Served, "x")
		ctx, inner := Begin(ctx, Inside, "y")
		sent := http.Header{}
		Send(ctx, sent)
		if outer.On() || inner.On() || ID(ctx) != "" || !strings.HasSuffix(sent.Get("Traceparent"), "-00") {
			t.Errorf("%s: kept, or sent on as %v", name, sent)
		}
		inner.End()
		outer.End()
	}
	if err := tracer.Close(t.Context()); err != nil || len(r.spans) != 0 {
		t.Errorf("%d spans, %v", len(r.spans), err)
	}
}

// TestOff: without a tracer nothing happens, at no cost.
func TestOff(t *testing.T) {
	ctx := With(t.Context(), nil)
	header := http.Header{"Traceparent": {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}}
	sent := http.Header{}
	cost := testing.AllocsPerRun(100, func() {
		inner, span := Begin(Receive(ctx, header), Served, "x")
		span.Text("a", "b")
		span.Number("c", 1)
		span.Fail("d")
		Send(inner, sent)
		span.End()
		if inner != ctx || span.On() || ID(inner) != "" {
			t.Fatal("something is traced")
		}
	})
	if cost > 1 || len(sent) != 0 { // the interface around the headers
		t.Errorf("%v allocations, sent %v", cost, sent)
	}
	if (*Tracer)(nil).Close(ctx) != nil {
		t.Error("what is off can't be closed")
	}
}

// TestCollectorFails: a collector that is not there costs its spans and a line
// in the log.
func TestCollectorFails(t *testing.T) {
	r := newReceiver(t)
	r.status = 400
	var log strings.Builder
	tracer := open(t, Config{Endpoint: r.URL + "/v1/traces", Log: slog.New(slog.NewTextHandler(&log, nil))})
	_, span := Begin(With(t.Context(), tracer), Inside, "x")
	span.End()
	if err := tracer.Close(t.Context()); err != nil || !strings.Contains(log.String(), "not taken by the collector") {
		t.Errorf("%v; log: %s", err, log.String())
	}
	for _, endpoint := range []string{"", "localhost:4318", "ftp://x", "http://", "://"} {
		if _, err := Open(t.Context(), Config{Endpoint: endpoint}); err == nil {
			t.Errorf("endpoint %q is taken", endpoint)
		}
	}
}
