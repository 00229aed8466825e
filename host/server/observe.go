package server

import (
	"bytes"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/trama-run/trama/host/calllog"
	"github.com/trama-run/trama/host/cause"
	"github.com/trama-run/trama/host/trace"
)

// headerRun names the run that answered.
const headerRun = "Trama-Run"

// Watch is who wants to know of the public listener's requests. Its zero value
// is nobody.
type Watch struct {
	Calls  *calllog.Log
	Tracer *trace.Tracer
	// Count is told of each request to a route or webhook, of kind gateway or
	// webhook; name is that of the route or the channel, "" if there is none.
	// outcome is a word for what became of a webhook, "" if none came so far.
	Count func(kind, name, outcome string, status int, took time.Duration)
}

// seen is a request while it is served.
type seen struct {
	ctx   *fasthttp.RequestCtx
	kind  string
	began time.Time
	about *calllog.About
	span  trace.Span
	trace string
}

// seenKey is where a request's seen is found.
type seenKey struct{}

// see begins to watch a request, if it is one for a route or a webhook.
func (s *Server) see(ctx *fasthttp.RequestCtx) *seen {
	kind := ""
	switch path := ctx.Path(); {
	case bytes.HasPrefix(path, []byte("/api/")):
		kind = calllog.KindGateway
	case bytes.HasPrefix(path, []byte("/hooks/")):
		kind = calllog.KindWebhook
	default:
		return nil
	}
	q := &seen{ctx: ctx, kind: kind, began: time.Now(), about: &calllog.About{}}
	ctx.SetUserValue(seenKey{}, q)
	return q
}

// follow lets those who serve a request write on what is kept of it, and makes
// what they do a part of its trace.
func (s *Server) follow(c *fiber.Ctx) error {
	q, watched := c.Context().UserValue(seenKey{}).(*seen)
	if !watched {
		return c.Next()
	}
	ctx := calllog.With(c.UserContext(), q.about)
	ctx = cause.With(ctx, func(of *cause.Cause) { of.Request = requestID(q.ctx) })
	if s.watch.Tracer != nil {
		ctx = trace.Receive(trace.With(ctx, s.watch.Tracer), requestHeaders{&q.ctx.Request.Header})
		ctx, q.span = trace.Begin(ctx, trace.Served, string(q.ctx.Method()))
		q.trace = trace.ID(ctx)
	}
	c.SetUserContext(ctx)
	return c.Next()
}

// requestHeaders are the headers of a request, for the trace that it names.
type requestHeaders struct{ *fasthttp.RequestHeader }

func (h requestHeaders) Get(name string) string { return string(h.Peek(name)) }

// end tells of a request that is answered.
func (q *seen) end(w *Watch) {
	if q == nil {
		return
	}
	took := time.Since(q.began)
	status := q.ctx.Response.StatusCode()
	name := q.about.Name
	if w.Count != nil {
		w.Count(q.kind, name, q.about.Outcome, status, took)
	}
	if q.span.On() {
		q.endSpan(status)
	}
	if w.Calls.Takes(status >= 500) {
		w.Calls.Add(q.call(status, took))
	}
}

func (q *seen) endSpan(status int) {
	switch {
	case q.kind == calllog.KindWebhook && q.about.Name != "":
		q.span.Name("webhook " + q.about.Name)
	case q.about.Name != "":
		q.span.Name(q.about.Name)
		_, route, _ := strings.Cut(q.about.Name, " ")
		q.span.Text("http.route", route)
	}
	q.span.Text("http.request.method", string(q.ctx.Method()))
	q.span.Number("http.response.status_code", int64(status))
	q.span.Text("trama.request", requestID(q.ctx))
	q.span.Text("trama.run", string(q.ctx.Response.Header.Peek(headerRun)))
	q.span.Text("trama.client", q.about.Client)
	if status >= 500 {
		q.span.Fail("status")
	}
	q.span.End()
}

// call copies a request and its answer out of the server's memory.
func (q *seen) call(status int, took time.Duration) *calllog.Seen {
	request, response := &q.ctx.Request, &q.ctx.Response
	peer := q.about.Peer
	if peer == "" {
		peer = q.ctx.RemoteIP().String()
	}
	c := &calllog.Seen{Call: calllog.Call{
		At: q.began, Duration: took, Direction: calllog.In, Kind: q.kind, Name: q.about.Name,
		Method: string(q.ctx.Method()), Endpoint: string(request.RequestURI()), Status: status, Error: q.about.Reason,
		Run: string(response.Header.Peek(headerRun)), Client: q.about.Client, Peer: peer,
		RequestID: requestID(q.ctx), EffectID: q.about.Delivery, Trace: q.trace,
	}}
	c.Asked.Headers = append([]byte(nil), request.Header.RawHeaders()...)
	if !request.IsBodyStream() { // else nobody has read it
		c.Asked.Body, c.Asked.Bytes = first(request.Body())
	}
	response.Header.VisitAll(func(name, value []byte) {
		c.Answered.Headers = append(append(append(append(c.Answered.Headers, name...), ": "...), value...), "\r\n"...)
	})
	if !response.IsBodyStream() {
		c.Answered.Body, c.Answered.Bytes = first(response.Body())
	}
	for _, text := range q.about.Hide {
		if text == "" {
			continue
		}
		hidden := func(data []byte) []byte { return bytes.ReplaceAll(data, []byte(text), []byte("[redacted]")) }
		c.Endpoint = strings.ReplaceAll(c.Endpoint, text, "[redacted]")
		c.Asked.Headers, c.Asked.Body = hidden(c.Asked.Headers), hidden(c.Asked.Body)
		c.Answered.Headers, c.Answered.Body = hidden(c.Answered.Headers), hidden(c.Answered.Body)
	}
	return c
}

// first copies as much of a body as is kept of it.
func first(body []byte) ([]byte, int64) {
	return append([]byte(nil), body[:min(len(body), calllog.Room)]...), int64(len(body))
}
