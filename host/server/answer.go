package server

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"
	"github.com/valyala/fasthttp"

	"github.com/trama-run/trama/host/problem"
)

// name gives a request its id: the caller's if it is harmless, else a new one.
func name(ctx *fasthttp.RequestCtx) {
	id := string(ctx.Request.Header.Peek(headerRequest))
	harmless := func(r rune) bool {
		return r == '-' || r == '_' || r == '.' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
	}
	if id == "" || len(id) > 128 || strings.TrimFunc(id, harmless) != "" {
		id = uuid.NewString()
	}
	ctx.Response.Header.Set(headerRequest, id)
	ctx.Response.Header.Set(fiber.HeaderXContentTypeOptions, "nosniff")
}

// refuse answers a request before anybody has seen it. Its connection ends: what
// follows on it may be the rest of its body, or not a request at all.
func (s *Server) refuse(ctx *fasthttp.RequestCtx, d *problem.Details) {
	ctx.SetConnectionClose()
	linger(ctx.Conn())
	s.fail(ctx, d)
}

// fail answers with the problem that an error is. What is not a problem is
// ours: strangers get an id, the log gets the cause.
func (s *Server) fail(ctx *fasthttp.RequestCtx, err error) {
	d, isProblem := errors.AsType[*problem.Details](err)
	if !isProblem {
		if f, isFiber := errors.AsType[*fiber.Error](err); isFiber {
			d = ofFiber(f)
		} else {
			d = problem.New(500, "internal", "the host failed; its log has the request's id")
			s.log.Error("request failed", "method", string(ctx.Method()), "path", string(ctx.Path()), "request", requestID(ctx), "error", err)
		}
	}
	if requestID(ctx) == "" { // it was not read far enough to be handled
		name(ctx)
	}
	shown := *d
	shown.RequestID = requestID(ctx)
	header := &ctx.Response.Header
	if shown.RetryAfter > 0 {
		header.Set(fiber.HeaderRetryAfter, strconv.Itoa(int(shown.RetryAfter.Round(time.Second)/time.Second)))
	}
	for name, value := range shown.Header {
		header.Set(name, value)
	}
	if len(shown.Allow) > 0 {
		header.Set(fiber.HeaderAllow, strings.Join(shown.Allow, ", "))
	}
	if s.leaving.Load() {
		ctx.SetConnectionClose()
	}
	header.SetContentType(problem.ContentType)
	ctx.SetStatusCode(shown.Status)
	ctx.SetBody(shown.JSON())
}

func requestID(ctx *fasthttp.RequestCtx) string {
	return string(ctx.Response.Header.Peek(headerRequest))
}

// ofFiber is the problem of an error that Fiber found.
func ofFiber(f *fiber.Error) *problem.Details {
	switch f.Code {
	case fiber.StatusNotFound:
		return problem.New(f.Code, "no_path", "there is nothing at this path")
	case fiber.StatusMethodNotAllowed:
		return problem.New(f.Code, "method", "the path does not take this method")
	}
	// Its own words may quote the request, credentials included.
	return problem.New(f.Code, "bad_request", "the request is not HTTP as this server takes it")
}

// ofHTTP is the problem of a request that could not be read.
func ofHTTP(err error) *problem.Details {
	if _, small := errors.AsType[*fasthttp.ErrSmallBuffer](err); small {
		return problem.New(431, "headers_too_big", fmt.Sprintf("the headers are larger than %d bytes", headerBuffer))
	}
	if timedOut(err) {
		return problem.New(408, "slow", fmt.Sprintf("the headers did not come within %s, or a body within %s", headerTime, bodyTime))
	}
	return problem.New(400, "bad_request", "the request is not HTTP as this server takes it")
}

func timedOut(err error) bool {
	n, isNet := errors.AsType[net.Error](err)
	return isNet && n.Timeout() || errors.Is(err, fasthttp.ErrTimeout)
}

// full is the answer to a connection that is one too many. It is made once:
// who comes then is not worth an allocation.
func full(detail string) []byte {
	d := problem.Busy("connections", detail, time.Second)
	body := d.JSON()
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP/1.1 503 Service Unavailable\r\nContent-Type: %s\r\nContent-Length: %d\r\nRetry-After: 1\r\nConnection: close\r\n\r\n%s",
		problem.ContentType, len(body), body)
	return b.Bytes()
}
