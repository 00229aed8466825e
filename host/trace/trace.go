// Package trace follows what one request or event causes through the host, as
// spans of OpenTelemetry: the request, the run, the calls of its nodes, the
// plugin's function, and what that sends. They go to a collector over OTLP.
//
// A context carries the tracer and the span that is current; without a tracer
// in it everything here does nothing. Spans say what happened and how long it
// took, by names that the operator chose; no bodies, queries or headers. The
// package must not know what it is that is traced.
package trace

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	api "go.opentelemetry.io/otel/trace"
)

// Bounds of what waits for the collector; what is over them is dropped.
const (
	queue      = 4096
	batch      = 512
	batchEvery = 2 * time.Second
	sendTime   = 10 * time.Second
)

// Config says where spans go.
type Config struct {
	// Endpoint is the URL of a collector that takes OTLP over HTTP, such as
	// http://127.0.0.1:4318; without a path, /v1/traces is added.
	Endpoint string
	// Headers gives the headers of a request to the collector. It is asked for
	// each, so that a rotated secret counts at once.
	Headers func() (map[string]string, error)
	// Share is how many traces are kept, from 0 to 1; one that began elsewhere
	// is not kept if that was decided there. 0: all.
	Share float64
	Log   *slog.Logger
}

// Tracer makes spans and sends them. A nil Tracer makes none.
type Tracer struct {
	provider *sdk.TracerProvider
	tracer   api.Tracer
}

// Open returns a tracer. Of the environment only OTEL_RESOURCE_ATTRIBUTES
// counts, which says where the process runs: the settings of a host are in its
// files.
func Open(ctx context.Context, config Config) (*Tracer, error) {
	u, err := url.Parse(config.Endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("otel: endpoint %q: want a URL such as http://127.0.0.1:4318", config.Endpoint)
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = "/v1/traces"
	}
	exporter, err := otlptracehttp.New(ctx,
		otlptracehttp.WithEndpointURL(u.String()), otlptracehttp.WithTimeout(sendTime), otlptracehttp.WithHeaders(map[string]string{}),
		otlptracehttp.WithCompression(otlptracehttp.GzipCompression), otlptracehttp.WithHTTPClient(client(config.Headers)))
	if err != nil {
		return nil, fmt.Errorf("otel: %w", err)
	}
	share := config.Share
	if share == 0 {
		share = 1
	}
	provider := sdk.NewTracerProvider(
		sdk.WithBatcher(&telling{SpanExporter: exporter, log: config.Log}, sdk.WithMaxQueueSize(queue), sdk.WithMaxExportBatchSize(batch), sdk.WithBatchTimeout(batchEvery), sdk.WithExportTimeout(sendTime)),
		sdk.WithSampler(sdk.ParentBased(sdk.TraceIDRatioBased(share), sdk.WithRemoteParentSampled(byChance(share)))),
		sdk.WithResource(resource.NewSchemaless(attribute.String("service.name", "trama"))),
		sdk.WithRawSpanLimits(sdk.SpanLimits{AttributeValueLengthLimit: 1024, AttributeCountLimit: 32, EventCountLimit: 32, LinkCountLimit: 8, AttributePerEventCountLimit: 8, AttributePerLinkCountLimit: 8}),
	)
	return &Tracer{provider, provider.Tracer("github.com/trama-run/trama")}, nil
}

// byChance keeps a share of the traces that began elsewhere and are kept there:
// whoever sends a request chooses that, and the trace's id.
type byChance float64

// ShouldSample implements sdk.Sampler.
func (share byChance) ShouldSample(p sdk.SamplingParameters) sdk.SamplingResult {
	decision := sdk.Drop
	if rand.Float64() < float64(share) {
		decision = sdk.RecordAndSample
	}
	return sdk.SamplingResult{Decision: decision, Tracestate: api.SpanContextFromContext(p.ParentContext).TraceState()}
}

// Description implements sdk.Sampler.
func (share byChance) Description() string { return fmt.Sprintf("byChance{%g}", float64(share)) }

// client sends to the collector, with the headers that are set. It follows
// neither proxies of the environment nor redirects.
func client(headers func() (map[string]string, error)) *http.Client {
	return &http.Client{
		Timeout:       sendTime,
		Transport:     sender{headers, &http.Transport{DialContext: (&net.Dialer{Timeout: sendTime}).DialContext, TLSHandshakeTimeout: sendTime, ForceAttemptHTTP2: true, IdleConnTimeout: time.Minute}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

type sender struct {
	headers func() (map[string]string, error)
	next    http.RoundTripper
}

func (s sender) RoundTrip(r *http.Request) (*http.Response, error) {
	if s.headers != nil {
		headers, err := s.headers()
		if err != nil {
			return nil, err
		}
		r = r.Clone(r.Context())
		for name, value := range headers {
			r.Header.Set(name, value)
		}
	}
	return s.next.RoundTrip(r)
}

// Close sends what waits.
func (t *Tracer) Close(ctx context.Context) error {
	if t == nil {
		return nil
	}
	if err := t.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("otel: %w", err)
	}
	return nil
}

// telling is an exporter that says when the collector can't be reached, and
// when it can again.
type telling struct {
	sdk.SpanExporter
	log    *slog.Logger
	failed bool // of the batcher's goroutine alone
}

func (t *telling) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	err := t.SpanExporter.ExportSpans(ctx, spans)
	switch {
	case err != nil && !t.failed:
		t.log.Warn("spans are not taken by the collector, and dropped", "error", err)
	case err == nil && t.failed:
		t.log.Info("the collector takes spans again")
	}
	t.failed = err != nil
	return nil // it is said
}

type key struct{}

// With makes everything that happens in a context traced.
func With(ctx context.Context, t *Tracer) context.Context {
	if t == nil {
		return ctx
	}
	return context.WithValue(ctx, key{}, t)
}

// of is the tracer of a context, or nil.
func of(ctx context.Context) *Tracer {
	t, _ := ctx.Value(key{}).(*Tracer)
	return t
}

// Carry gives one context the tracer and the span of another.
func Carry(to, from context.Context) context.Context {
	t := of(from)
	if t == nil {
		return to
	}
	return api.ContextWithSpan(With(to, t), api.SpanFromContext(from))
}

var w3c = propagation.TraceContext{}

// Headers are read or written by name.
type Headers interface {
	Get(name string) string
	Set(name, value string)
}

// carrier is Headers as propagation has them.
type carrier struct{ Headers }

// Keys implements propagation.TextMapCarrier; W3C's fields have fixed names.
func (carrier) Keys() []string { return nil }

// Receive gives a context the trace that a request belongs to (W3C's
// traceparent), if it names one.
func Receive(ctx context.Context, from Headers) context.Context {
	if of(ctx) == nil {
		return ctx
	}
	return w3c.Extract(ctx, carrier{from})
}

// Send tells the receiver of a request which trace it belongs to.
func Send(ctx context.Context, to Headers) {
	if of(ctx) != nil {
		w3c.Inject(ctx, carrier{to})
	}
}

// ID is the id of the trace that is kept of this context, or "".
func ID(ctx context.Context) string {
	if of(ctx) == nil {
		return ""
	}
	if span := api.SpanContextFromContext(ctx); span.IsSampled() {
		return span.TraceID().String()
	}
	return ""
}

// Kind is what a span is of.
type Kind int

// Kinds of spans.
const (
	Inside Kind = iota // work of the host
	Served             // a request that came
	Sent               // a request that goes out
)

// Span is a piece of work. The zero value is one that nobody follows.
type Span struct{ span api.Span }

// Begin begins a span under the current one, or a trace if there is none.
func Begin(ctx context.Context, kind Kind, name string) (context.Context, Span) {
	t := of(ctx)
	if t == nil {
		return ctx, Span{}
	}
	ctx, span := t.tracer.Start(ctx, name, api.WithSpanKind([]api.SpanKind{api.SpanKindInternal, api.SpanKindServer, api.SpanKindClient}[kind]))
	if !span.IsRecording() {
		return ctx, Span{}
	}
	return ctx, Span{span}
}

// On says whether the span is kept.
func (s Span) On() bool { return s.span != nil }

// Name gives the span another name.
func (s Span) Name(name string) {
	if s.On() {
		s.span.SetName(name)
	}
}

// Text adds an attribute, unless it is empty.
func (s Span) Text(name, value string) {
	if s.On() && value != "" {
		s.span.SetAttributes(attribute.String(name, value))
	}
}

// Number adds an attribute.
func (s Span) Number(name string, value int64) {
	if s.On() {
		s.span.SetAttributes(attribute.Int64(name, value))
	}
}

// Fail marks the span as failed. The reason is a code, never a message: those
// may hold what callers sent.
func (s Span) Fail(code string) {
	if s.On() {
		s.span.SetStatus(codes.Error, code)
		s.span.SetAttributes(attribute.String("error.type", code))
	}
}

// End ends the span.
func (s Span) End() {
	if s.On() {
		s.span.End()
	}
}
