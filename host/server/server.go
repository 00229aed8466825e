// Package server holds the two HTTP listeners: the public one (gateway and
// webhooks) and the admin one. It refuses what is not plain HTTP, bounds what
// strangers can make the process hold, mounts what others offer, turns errors
// into problem details, gives each request an id, and stops in order: no new
// requests, then the ones in progress.
//
// What an attack can take of the process's memory is bounded by the constants
// below: some 50 KiB for each of the open connections (200 MiB) and the bodies
// being read or worked on (128 MiB), whatever the bodies say of their length.
// What bodies take once they are read is bounded by who reads them.
//
// It must not know flows, or decide anything about a request that is HTTP.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/trama-run/trama/host/channel"
	"github.com/trama-run/trama/host/media"
	"github.com/trama-run/trama/host/openapi"
	"github.com/trama-run/trama/host/problem"
)

// Bounds of the listeners.
const (
	BodyLimit    = 4 << 20          // bytes of a request's body; more is answered with 413
	headerTime   = 10 * time.Second // for a request's headers
	bodyTime     = 30 * time.Second // for its body, from the end of the headers
	idleTime     = 60 * time.Second // of a kept connection
	sendTime     = 60 * time.Second // for a public answer to be taken
	headerBuffer = 16 << 10         // bytes of a request's headers
	headerCount  = 200              // of a request
	connections  = 4096             // open at once; more are answered with 503
	eachAddress  = connections / 4  // of them from one address, unless it speaks for many
	bodyMemory   = 128 << 20        // bytes of all large bodies of a listener at once
	lastWord     = time.Second      // of a stop: for the answers to those who wait in vain
	smallBody    = 8 << 10          // bytes of a body that is not counted: it is read with the headers
)

// headerRequest carries the id of a request, in and out.
const headerRequest = "X-Request-Id"

// Public is what the public listener offers.
type Public struct {
	Gateway func(prefix string) fiber.Handler
	Hook    func(ctx context.Context, q channel.Request) (channel.Reply, error)
	// Docs gives what is served at /openapi.json and under /docs.
	Docs func(path string) (openapi.File, bool, error)
	// Media gives what is served under media.Path.
	Media func(ctx context.Context, q media.Request) (media.File, error)
	// URL gives the address that a call was made to, from its Host and its path
	// and query.
	URL func(host []string, target string) string
	// ClientIP gives the address of a caller behind the proxies that are
	// trusted, from the peer's and all values of headers by their lower-case
	// names. Nil: it is the peer's.
	ClientIP func(peer netip.Addr, headers func(name string) []string) netip.Addr
	Watch    Watch
}

// Server is one listener's HTTP server. Routes are added to App before Serve.
type Server struct {
	App *fiber.App

	log       *slog.Logger
	route     fasthttp.RequestHandler // Fiber's
	bodyLimit int
	bodyTime  time.Duration
	bodies    budget
	watch     *Watch          // nil: nobody wants to know of requests
	active    atomic.Int64    // requests in progress
	leaving   atomic.Bool     // each answer ends its connection
	work      context.Context // of requests; it ends a moment before their connections do
	cut       context.CancelFunc
	shut      atomic.Bool // no request is begun
}

// newServer returns a server with the settings that both listeners share.
func newServer(log *slog.Logger, bodyLimit int, sendTime time.Duration) *Server {
	s := &Server{log: log, bodyLimit: bodyLimit, bodyTime: bodyTime, bodies: budget{most: int64(max(bodyMemory, 4*bodyLimit))}}
	s.App = fiber.New(fiber.Config{
		DisableStartupMessage: true,
		BodyLimit:             bodyLimit,
		StreamRequestBody:     true, // so that what a body takes is ours to bound
		ReadTimeout:           headerTime,
		WriteTimeout:          sendTime,
		IdleTimeout:           idleTime,
		ReadBufferSize:        headerBuffer,
		StrictRouting:         false,
		CaseSensitive:         true,
		Concurrency:           2 * connections, // the listener has the limit: Fiber's is answered in plain text
		// Multipart bodies come as they are: a signature is of their bytes.
		DisablePreParseMultipartForm: true,
		ErrorHandler:                 func(c *fiber.Ctx, err error) error { s.fail(c.Context(), err); return nil },
	})
	// Fiber answers unknown methods, and what is not HTTP, past its error
	// handler: requests come through here first.
	http := s.App.Server()
	s.route, http.Handler = http.Handler, s.handle
	http.HeaderReceived = s.received
	http.ErrorHandler = func(ctx *fasthttp.RequestCtx, err error) { s.fail(ctx, ofHTTP(err)) }
	http.CloseOnShutdown = true
	s.work, s.cut = context.WithCancel(context.Background())
	s.App.Use(func(c *fiber.Ctx) (err error) {
		c.SetUserContext(s.work)
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
			}
		}()
		return c.Next()
	})
	return s
}

// NewPublic returns the server of the public listener.
func NewPublic(log *slog.Logger, p Public) *Server {
	s := newServer(log, BodyLimit, sendTime)
	s.watch = &p.Watch
	s.App.Use(s.follow)
	s.App.All("/api/*", p.Gateway("/api"))
	s.App.All("/hooks/:channel", func(c *fiber.Ctx) error { return hook(c, p) })
	s.App.All("/hooks/:channel/*", func(c *fiber.Ctx) error { return hook(c, p) })
	s.App.All(media.Path+":id", func(c *fiber.Ctx) error { return medium(c, p.Media) })
	for _, path := range []string{"/openapi.json", "/docs", "/docs/:file"} {
		s.App.All(path, func(c *fiber.Ctx) error { return docs(c, p.Docs) })
	}
	s.App.Use(func(c *fiber.Ctx) error {
		return problem.New(404, "no_path", "there is nothing at this path: routes are under /api/, webhooks under /hooks/")
	})
	return s
}

// NewAdmin returns the server of the admin listener, without routes. Its bodies
// may be larger, since a whole workspace is applied in one, and its answers may
// take their time, since a backup is one.
func NewAdmin(log *slog.Logger) *Server { return newServer(log, 8*BodyLimit, 0) }

// handle serves one request.
func (s *Server) handle(ctx *fasthttp.RequestCtx) {
	s.active.Add(1)
	defer s.active.Add(-1)
	name(ctx)
	if s.watch != nil {
		q := s.see(ctx)
		defer func() { q.end(s.watch) }()
	}
	length, refused := check(&ctx.Request.Header)
	if refused == nil && s.shut.Load() {
		refused = problem.Busy("stopping", "the host is being stopped; nothing was begun", 5*time.Second)
	}
	if refused != nil {
		s.refuse(ctx, refused)
		return
	}
	if !isKnown(ctx.Method()) {
		s.unknown(ctx)
		return
	}
	held, refused := s.body(ctx, length)
	defer s.bodies.give(held)
	if refused != nil {
		s.refuse(ctx, refused)
		return
	}
	s.route(ctx)
	if s.leaving.Load() {
		ctx.SetConnectionClose()
	}
}

// unknown serves a request whose method nobody takes: its path says what it
// takes. Its body is not read, so its connection ends.
func (s *Server) unknown(ctx *fasthttp.RequestCtx) {
	ctx.SetConnectionClose()
	linger(ctx.Conn())
	method := string(ctx.Method())
	ctx.Request.SetBodyRaw(nil)
	ctx.Request.Header.SetMethod(fiber.MethodTrace) // Fiber knows it, and no path takes it
	s.route(ctx)
	ctx.Request.Header.SetMethod(method) // as those who watch have it
}

// Leave has each answer end its connection from now on, so that clients and
// balancers go elsewhere before Serve's context ends.
func (s *Server) Leave() { s.leaving.Store(true) }

// Active says how many requests are in progress.
func (s *Server) Active() int64 { return s.active.Load() }

// settle waits until no request is in progress, no longer than end.
func (s *Server) settle(end time.Time) {
	for s.active.Load() > 0 && time.Now().Before(end) {
		time.Sleep(5 * time.Millisecond)
	}
}

// Connections says how many connections are open, and how many may be.
func (s *Server) Connections() (open, most int) {
	return int(s.App.Server().GetOpenConnectionsCount()), connections
}

// Serve serves until ctx ends. Then requests that come are answered with 503,
// those in progress have a while to end, then their contexts end, so that who
// waits is told what became of the call, and the listener is closed last: no
// connection is left without an answer.
func (s *Server) Serve(ctx context.Context, l net.Listener, grace time.Duration) error {
	failed := make(chan error, 1)
	go func() { failed <- s.App.Listener(l) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	s.Leave()
	s.shut.Store(true)
	end := time.Now().Add(grace)
	s.settle(end.Add(-min(lastWord, grace/2)))
	s.cut()
	s.settle(end)
	err := s.App.ShutdownWithTimeout(max(time.Until(end), time.Second))
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("stop %s: requests did not end within %s", l.Addr(), grace)
	}
	return err
}
