// Package server holds the two HTTP listeners: the public one (gateway and
// webhooks) and the admin one. It mounts what others offer, turns errors into
// problem details, gives each request an id, and stops in order: no new
// requests, then the ones in progress.
//
// It must not know flows, or decide anything about a request.
package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"

	"github.com/trama-run/trama/host/channel"
	"github.com/trama-run/trama/host/problem"
)

// Bounds of the listeners.
const (
	BodyLimit    = 4 << 20          // bytes of a request's body; more is answered with 413
	readTimeout  = 30 * time.Second // for a whole request
	idleTimeout  = 60 * time.Second // of a kept connection
	headerBuffer = 16 << 10         // bytes of a request's headers
	connections  = 4096             // open at once; more are closed
)

// headerRequest carries the id of a request, in and out.
const headerRequest = "X-Request-Id"

// Public is what the public listener offers.
type Public struct {
	Gateway func(prefix string) fiber.Handler
	Hook    func(ctx context.Context, q channel.Request) (channel.Reply, error)
}

// newApp returns a Fiber app with the settings that both listeners share.
func newApp(log *slog.Logger, bodyLimit int) *fiber.App {
	app := fiber.New(fiber.Config{
		DisableStartupMessage: true,
		BodyLimit:             bodyLimit,
		ReadTimeout:           readTimeout,
		IdleTimeout:           idleTimeout,
		ReadBufferSize:        headerBuffer,
		StrictRouting:         false,
		CaseSensitive:         true,
		Concurrency:           connections,
		// Multipart bodies come as they are: a signature is of their bytes.
		DisablePreParseMultipartForm: true,
		ErrorHandler:                 func(c *fiber.Ctx, err error) error { return write(c, log, err) },
	})
	app.Use(func(c *fiber.Ctx) (err error) {
		c.Set(headerRequest, requestID(c))
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("panic: %v", p)
			}
		}()
		if ambiguous(c.Request().Header.RawHeaders()) {
			c.Context().SetConnectionClose() // what follows on it may not be a request
			return problem.New(400, "framing", "the request says in two ways where its body ends")
		}
		return c.Next()
	})
	return app
}

// ambiguous says whether a request's headers tell its length twice, in which
// case a proxy in front may have read another request out of the same bytes
// (RFC 9112, section 6.3).
func ambiguous(headers []byte) bool {
	seen := 0
	for line := range bytes.Lines(headers) {
		name, _, _ := bytes.Cut(line, []byte(":"))
		if bytes.EqualFold(name, []byte("Content-Length")) || bytes.EqualFold(name, []byte("Transfer-Encoding")) {
			seen++
		}
	}
	return seen > 1
}

// requestID returns the caller's id of a request if it is harmless, else a new
// one.
func requestID(c *fiber.Ctx) string {
	given := c.Get(headerRequest)
	harmless := func(r rune) bool {
		return r == '-' || r == '_' || r == '.' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
	}
	if len(given) > 0 && len(given) <= 128 && strings.TrimFunc(given, harmless) == "" {
		return strings.Clone(given)
	}
	return uuid.NewString()
}

// NewPublic returns the app of the public listener.
func NewPublic(log *slog.Logger, p Public) *fiber.App {
	app := newApp(log, BodyLimit)
	app.All("/api/*", p.Gateway("/api"))
	app.All("/hooks/:channel", func(c *fiber.Ctx) error { return hook(c, p.Hook) })
	app.Use(func(c *fiber.Ctx) error {
		return problem.New(404, "no_path", "there is nothing at this path: routes are under /api/, webhooks under /hooks/")
	})
	return app
}

// NewAdmin returns an app for the admin listener, without routes. Its bodies
// may be larger: a whole workspace is applied in one.
func NewAdmin(log *slog.Logger) *fiber.App { return newApp(log, 8*BodyLimit) }

// hook hands a webhook request over, copied out of the server's memory.
func hook(c *fiber.Ctx, take func(context.Context, channel.Request) (channel.Reply, error)) error {
	q := channel.Request{
		Channel: strings.Clone(c.Params("channel")), Method: strings.Clone(c.Method()),
		Headers: map[string]string{}, Query: map[string]string{},
		Body: append([]byte(nil), c.Request().Body()...), // raw: c.Body() would decompress it, unbounded and before its signature is checked
	}
	c.Request().Header.VisitAll(func(name, value []byte) { join(q.Headers, strings.ToLower(string(name)), string(value)) })
	c.Request().URI().QueryArgs().VisitAll(func(name, value []byte) { join(q.Query, string(name), string(value)) })
	ctx, cancel := context.WithTimeout(context.Background(), readTimeout)
	defer cancel()
	reply, err := take(ctx, q)
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderContentType, reply.Type)
	return c.Status(reply.Status).SendString(reply.Body)
}

// join adds a value to those of a name, so that a second signature or token
// never takes the place of the first: together they match nothing.
func join(values map[string]string, name, value string) {
	if before, twice := values[name]; twice {
		value = before + ", " + value
	}
	values[name] = value
}

// write answers with the problem that an error is. What is not a problem is
// ours: strangers get an id, the log gets the cause.
func write(c *fiber.Ctx, log *slog.Logger, err error) error {
	d, isProblem := errors.AsType[*problem.Details](err)
	if !isProblem {
		if f, isFiber := errors.AsType[*fiber.Error](err); isFiber {
			d = ofFiber(f, c.App().Config().BodyLimit)
		} else {
			d = problem.New(500, "internal", "the host failed; its log has the request's id")
			log.Error("request failed", "method", c.Method(), "path", c.Path(), "request", c.GetRespHeader(headerRequest), "error", err)
		}
	}
	shown := *d
	shown.RequestID = strings.Clone(c.GetRespHeader(headerRequest))
	if shown.RequestID == "" { // refused before the first handler, such as a body over the limit
		shown.RequestID = uuid.NewString()
		c.Set(headerRequest, shown.RequestID)
	}
	if shown.RetryAfter > 0 {
		c.Set(fiber.HeaderRetryAfter, strconv.Itoa(int(shown.RetryAfter.Round(time.Second)/time.Second)))
	}
	if len(shown.Allow) > 0 {
		c.Set(fiber.HeaderAllow, strings.Join(shown.Allow, ", "))
	}
	c.Set(fiber.HeaderContentType, problem.ContentType)
	return c.Status(shown.Status).Send(shown.JSON())
}

// ofFiber is the problem of an error that the HTTP server found.
func ofFiber(f *fiber.Error, bodyLimit int) *problem.Details {
	switch f.Code {
	case fiber.StatusRequestEntityTooLarge:
		return problem.New(f.Code, "too_big", fmt.Sprintf("the body is larger than %d bytes", bodyLimit))
	case fiber.StatusRequestHeaderFieldsTooLarge:
		return problem.New(f.Code, "headers_too_big", fmt.Sprintf("the headers are larger than %d bytes", headerBuffer))
	case fiber.StatusRequestTimeout:
		return problem.New(f.Code, "slow", fmt.Sprintf("the request did not come within %s", readTimeout))
	case fiber.StatusMethodNotAllowed:
		return problem.New(f.Code, "method", "the path does not take this method")
	}
	// Its own words may quote the request, credentials included.
	return problem.New(f.Code, "bad_request", "the request is not HTTP as this server takes it")
}

// Listen binds an address, so that a port in use is an error at start.
func Listen(addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w (choose another with --addr or --admin-addr)", addr, err)
	}
	return l, nil
}

// Serve serves an app until ctx ends, then gives requests in progress a while.
func Serve(ctx context.Context, app *fiber.App, l net.Listener, grace time.Duration) error {
	failed := make(chan error, 1)
	go func() { failed <- app.Listener(l) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve %s: %w", l.Addr(), err)
	case <-ctx.Done():
		return app.ShutdownWithTimeout(grace)
	}
}
