package server

import (
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/trama-run/trama/host/problem"
)

// budget bounds what the large bodies of a listener take together.
type budget struct {
	most int64
	used atomic.Int64
}

// take takes n bytes, if there are so many.
func (b *budget) take(n int) bool {
	if b.used.Add(int64(n)) > b.most {
		b.used.Add(-int64(n))
		return false
	}
	return true
}

func (b *budget) give(n int) { b.used.Add(-int64(n)) }

// received is asked when a request's headers have come: how long its body may
// take. A body that is refused anyway is not waited for, nor asked for by 100
// Continue; handle finds the reason again.
func (s *Server) received(h *fasthttp.RequestHeader) fasthttp.RequestConfig {
	refused := h.ContentLength() > s.bodyLimit || s.shut.Load() || !isKnown(h.Method())
	if !refused && len(h.Peek(fasthttp.HeaderExpect)) > 0 {
		_, why := check(h)
		refused = why != nil
	}
	if refused {
		h.Del(fasthttp.HeaderExpect)
		h.SetContentLength(0)
	}
	if n := h.ContentLength(); n == 0 || n == -2 { // there is none
		return fasthttp.RequestConfig{}
	}
	return fasthttp.RequestConfig{ReadTimeout: s.bodyTime}
}

// body reads a request's body and puts it into the request. length is what the
// headers say: -1 for chunks. held is to be given back to s.bodies once the
// request has been answered. Memory is taken as bytes come: a length alone
// costs nothing.
func (s *Server) body(ctx *fasthttp.RequestCtx, length int) (held int, refused *problem.Details) {
	if length > s.bodyLimit {
		return 0, s.tooBig()
	}
	stream := ctx.RequestBodyStream()
	if stream == nil || length == 0 {
		return 0, nil
	}
	if 0 < length && length <= smallBody { // has come already
		data := make([]byte, length)
		if _, err := io.ReadFull(stream, data); err != nil {
			return 0, ofBody(err)
		}
		ctx.Request.SetBodyRaw(data)
		return 0, nil
	}
	headers := 0
	if length < 0 {
		// The library is generous in reading chunks: what follows them is
		// never taken for a request.
		ctx.SetConnectionClose()
		headers, length = ctx.Request.Header.Len(), s.bodyLimit+1
	}
	var data []byte
	for {
		if len(data) == cap(data) {
			larger := min(max(2*cap(data), 2*smallBody), length)
			if larger == cap(data) {
				break
			}
			if !s.bodies.take(larger) {
				return held, problem.Busy("bodies", "the host holds as many large bodies as it may; nothing was begun", time.Second)
			}
			data = append(make([]byte, 0, larger), data...)
			s.bodies.give(held)
			held = larger
		}
		n, err := stream.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return held, ofBody(err)
		}
	}
	switch {
	case len(data) > s.bodyLimit:
		return held, s.tooBig()
	case headers == 0 && len(data) < length:
		return held, ofBody(io.ErrUnexpectedEOF)
	case headers > 0 && ctx.Request.Header.Len() > headers:
		// They would stand among the headers, which were checked before.
		return held, problem.New(400, "framing", "the body ends with trailers, which are not taken")
	}
	ctx.Request.SetBodyRaw(data)
	return held, nil
}

func (s *Server) tooBig() *problem.Details {
	return problem.New(413, "too_big", fmt.Sprintf("the body is larger than %d bytes", s.bodyLimit))
}

// ofBody is the problem of a body that could not be read.
func ofBody(err error) *problem.Details {
	if timedOut(err) {
		return ofHTTP(err)
	}
	return problem.New(400, "body", "the body is cut short, or its chunks are malformed")
}
