package egress

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/trama-run/trama/host/trace"
	"github.com/trama-run/trama/pdk/abi"
)

// Exchange is one request that went out, and what came of it: for the log of
// calls. It may hold secrets: all that is kept of it goes through Redact.
type Exchange struct {
	Began       time.Time
	Took        time.Duration
	Method, URL string
	Asked       http.Header
	AskedBody   []byte // its beginning; nothing of a blob, and nothing behind it
	AskedBytes  int64
	// Status is 0 if there was no answer; Failure says why, or what is wrong
	// with the answer.
	Status        int
	Answered      http.Header
	AnsweredBody  []byte // its beginning
	AnsweredBytes int64
	Failure       *abi.Error
	Redact        func(text string) string
}

// keptBody is how much of a body an Exchange has.
const keptBody = 18 << 10

// watched is an exchange while it is made. Nil: nobody wants to know of it.
type watched struct {
	Exchange
	ctx  context.Context //nolint:containedctx // of the exchange, and lives as long
	span trace.Span
	tell func(context.Context, *Exchange)
}

// watch begins to watch a request.
func (s *Scope) watch(ctx context.Context, out outgoing, to target, named string) (context.Context, *watched) {
	ctx, span := trace.Begin(ctx, trace.Sent, out.method)
	if s.client.exchanged == nil && !span.On() {
		return ctx, nil
	}
	if span.On() {
		span.Text("http.request.method", out.method)
		span.Text("server.address", to.origin.Host)
		span.Text("url.full", s.Redact(named))
	}
	w := &watched{ctx: ctx, span: span, tell: s.client.exchanged, Exchange: Exchange{
		Began: time.Now(), Method: out.method, URL: to.url.String(), Asked: out.header, Redact: s.Redact,
		AskedBody: out.body.start(keptBody), AskedBytes: out.body.size(),
	}}
	return ctx, w
}

// answered takes the head of an answer.
func (w *watched) answered(request *http.Request, response *http.Response) {
	if w == nil {
		return
	}
	w.Asked, w.Status, w.Answered = request.Header, response.StatusCode, response.Header
}

// body reads an answer's body along.
func (w *watched) body(from io.Reader) io.Reader {
	if w == nil {
		return from
	}
	return io.TeeReader(from, along{w})
}

// along keeps the beginning of what is written.
type along struct{ w *watched }

func (a along) Write(p []byte) (int, error) {
	a.w.AnsweredBytes += int64(len(p))
	a.w.AnsweredBody = append(a.w.AnsweredBody, p[:min(len(p), keptBody-len(a.w.AnsweredBody))]...)
	return len(p), nil
}

// end tells of the exchange.
func (w *watched) end(failure *abi.Error) {
	if w == nil {
		return
	}
	w.Took = time.Since(w.Began)
	w.Failure = failure
	if w.span.On() {
		if w.Status != 0 {
			w.span.Number("http.response.status_code", int64(w.Status))
		}
		switch {
		case failure != nil:
			w.span.Fail(failure.Code)
		case w.Status >= 400:
			w.span.Fail("status")
		}
		w.span.End()
	}
	if w.tell != nil {
		w.tell(w.ctx, &w.Exchange)
	}
}
