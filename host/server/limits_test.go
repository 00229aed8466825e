package server

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/trama-run/trama/host/openapi"
	"github.com/trama-run/trama/host/problem"
)

// peer is a client that speaks byte by byte.
type peer struct {
	t *testing.T
	net.Conn
	reader *bufio.Reader
}

func dial(t *testing.T, addr string) *peer {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return &peer{t, c, bufio.NewReader(c)}
}

func (p *peer) send(text string) {
	p.t.Helper()
	if _, err := io.WriteString(p, text); err != nil {
		p.t.Fatal(err)
	}
}

// want reads one answer.
func (p *peer) want(status int, says string) *http.Response {
	p.t.Helper()
	a, err := http.ReadResponse(p.reader, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	if a.StatusCode != status || !strings.Contains(string(text), says) {
		p.t.Errorf("status %d: %s; want %d, %q", a.StatusCode, text, status, says)
	}
	if status >= 400 && a.Header.Get("Content-Type") != "application/problem+json" {
		p.t.Errorf("the answer is %s", a.Header.Get("Content-Type"))
	}
	return a
}

// ended waits until the server has closed the connection.
func (p *peer) ended() {
	p.t.Helper()
	if _, err := p.reader.ReadByte(); !errors.Is(err, io.EOF) {
		p.t.Errorf("the connection goes on: %v", err)
	}
}

func TestSlowPeersAreLeft(t *testing.T) {
	s := newServer(slog.New(slog.DiscardHandler), 64<<10, sendTime)
	s.App.Server().ReadTimeout, s.bodyTime = time.Second, time.Second
	s.App.All("/*", func(c *fiber.Ctx) error { return c.SendString("ok") })
	addr := serving(t, s, TLS{})
	for _, c := range []struct{ name, sends, code string }{
		{"nothing", "", "slow"},
		{"half of the headers", "GET / HTTP/1.1\r\nHost: x\r\nX-A: b", "slow"},
		{"a small body", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf", "slow"},
		{"a large body", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 30000\r\n\r\n" + strings.Repeat("x", 20000), "slow"},
		{"chunks", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", "slow"},
		{"a chunk's size", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2;" + strings.Repeat("x", 20000), "body"}, // the library does not say why
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := dial(t, addr)
			p.send(c.sends)
			p.want(map[string]int{"slow": 408, "body": 400}[c.code], c.code)
			p.ended()
		})
	}
}

// TestBodiesAreBounded: a length takes no memory, bytes do, and when they are
// gone large bodies are refused and small ones are not.
func TestBodiesAreBounded(t *testing.T) {
	s := newServer(slog.New(slog.DiscardHandler), 1<<20, sendTime)
	s.bodies.most = 80 << 10 // while a body grows, it is there twice
	s.App.All("/*", func(c *fiber.Ctx) error { return c.SendString(fmt.Sprint(len(c.Request().Body()))) })
	addr := serving(t, s, TLS{})
	const begin = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 40000\r\n\r\n"
	held := dial(t, addr)
	held.send(begin + strings.Repeat("x", 39_999))
	for s.bodies.used.Load() != 40_000 {
		time.Sleep(time.Millisecond)
	}
	large := dial(t, addr)
	large.send(begin + strings.Repeat("x", 40_000))
	if a := large.want(503, `"bodies"`); a.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	large.ended()
	small := dial(t, addr)
	small.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 8000\r\n\r\n" + strings.Repeat("x", 8000))
	small.want(200, "8000")
	held.send("x")
	held.want(200, "40000")
	held.send(begin + strings.Repeat("x", 40_000)) // the connection goes on
	held.want(200, "40000")
	for s.bodies.used.Load() != 0 {
		time.Sleep(time.Millisecond)
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	s := newServer(slog.New(slog.DiscardHandler), 1<<10, sendTime)
	s.App.All("/*", func(c *fiber.Ctx) error { return c.SendString("ok") })
	l, err := Listen("127.0.0.1:0", TLS{}, uncounted, s.log)
	if err != nil {
		t.Fatal(err)
	}
	l.(*listener).most = 2
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l, time.Second) }()
	const get = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
	one, two := dial(t, l.Addr().String()), dial(t, l.Addr().String())
	for range 3 {
		one.send(get)
		one.want(200, "ok")
		two.send(get)
		two.want(200, "ok")
	}
	three := dial(t, l.Addr().String())
	three.want(503, `"connections"`)
	three.ended()
	if open, most := s.Connections(); open != 2 || most != connections {
		t.Errorf("%d of %d are open", open, most)
	}
	one.Close()
	for l.(*listener).open.Load() != 1 {
		time.Sleep(time.Millisecond)
	}
	four := dial(t, l.Addr().String())
	four.send(get)
	four.want(200, "ok")
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if open := l.(*listener).open.Load(); open != 0 {
		t.Errorf("%d connections are counted after the end", open)
	}
}

// TestConnectionsOfOneAddressAreBounded: one address is refused while others
// still get in.
func TestConnectionsOfOneAddressAreBounded(t *testing.T) {
	s := newServer(slog.New(slog.DiscardHandler), 1<<10, sendTime)
	s.App.All("/*", func(c *fiber.Ctx) error { return c.SendString("ok") })
	l, err := Listen("127.0.0.1:0", TLS{}, func(peer netip.Addr) netip.Addr {
		if peer == netip.MustParseAddr("127.0.0.3") {
			return netip.Addr{} // a proxy
		}
		return peer
	}, s.log)
	if err != nil {
		t.Fatal(err)
	}
	l.(*listener).each = 2
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l, time.Second) }()
	from := func(addr string) *peer {
		t.Helper()
		c, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(addr)}}).Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		return &peer{t, c, bufio.NewReader(c)}
	}
	get := func(p *peer) {
		t.Helper()
		p.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		p.want(200, "ok")
	}
	one := from("127.0.0.1")
	get(one)
	get(from("127.0.0.1"))
	crowded := from("127.0.0.1")
	crowded.want(503, "of this address")
	crowded.ended()
	get(from("127.0.0.2"))
	for range 4 {
		get(from("127.0.0.3"))
	}
	one.Close()
	for l.(*listener).open.Load() != 6 {
		time.Sleep(time.Millisecond)
	}
	get(from("127.0.0.1"))
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if left := l.(*listener).of; len(left) != 0 {
		t.Errorf("%v are counted after the end", left)
	}
}

// TestContinue: who asks before a body is told at once if it is refused.
func TestContinue(t *testing.T) {
	addr := listen(t)
	p := dial(t, addr)
	p.send("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 20000\r\n\r\n")
	if line, err := p.reader.ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") {
		t.Fatalf("%q, %v", line, err)
	}
	if _, err := p.reader.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	p.send(strings.Repeat("x", 20000))
	p.want(200, "20000")
	for _, c := range []struct {
		headers, says string
		status        int
	}{
		{"Expect: 100-continue\r\nContent-Length: 200000\r\n", "too_big", 413},
		{"Expect: 100-continue\r\nContent-Length: 200\r\nContent-Length: 300\r\n", "framing", 400},
		{"Expect: a-miracle\r\nContent-Length: 200\r\n", "expect", 417},
	} {
		p := dial(t, addr)
		p.send("POST / HTTP/1.1\r\nHost: x\r\n" + c.headers + "\r\n")
		p.want(c.status, c.says)
		p.ended()
	}
}

// TestPipelined: answers come in the order of requests, and nothing after a
// refused one is taken for a request.
func TestPipelined(t *testing.T) {
	p := dial(t, listen(t))
	p.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n" +
		"GET /b HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc" + // a GET with a body
		"POST /c HTTP/1.1\r\nHost: x\r\nContent-Length: 30\r\nContent-Length: 3\r\n\r\nabcGET /d HTTP/1.1\r\nHost: x\r\n\r\n")
	p.want(200, "0")
	p.want(200, "3")
	p.want(400, "framing")
	p.ended()
	old := dial(t, listen(t))
	old.send("GET /a HTTP/1.0\r\n\r\n")
	old.want(200, "0")
	old.ended()
}

// TestStopInOrder: requests in progress end, others are told that they were not
// begun, and no connection is left without an answer.
func TestStopInOrder(t *testing.T) {
	begun, end := make(chan bool), make(chan bool)
	s := newServer(slog.New(slog.DiscardHandler), 64<<10, sendTime)
	s.App.All("/slow", func(c *fiber.Ctx) error {
		begun <- true
		<-end
		return c.SendString("done")
	})
	s.App.All("/*", func(c *fiber.Ctx) error { return c.SendString("ok") })
	l, err := Listen("127.0.0.1:0", TLS{}, uncounted, s.log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l, 10*time.Second) }()
	const get = " HTTP/1.1\r\nHost: x\r\n\r\n"
	slow, kept, idle := dial(t, l.Addr().String()), dial(t, l.Addr().String()), dial(t, l.Addr().String())
	slow.send("GET /slow" + get)
	<-begun
	for _, p := range []*peer{kept, idle} {
		p.send("GET /" + get)
		if a := p.want(200, "ok"); a.Close {
			t.Error("an answer ends its connection too early")
		}
	}
	s.Leave()
	kept.send("GET /" + get)
	if a := kept.want(200, "ok"); !a.Close {
		t.Error("an answer does not end its connection while the server leaves")
	}
	kept.ended()
	stop()
	for !s.shut.Load() {
		time.Sleep(time.Millisecond)
	}
	for _, p := range []*peer{idle, dial(t, l.Addr().String())} {
		p.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 30000\r\n\r\n")
		if a := p.want(503, `"stopping"`); !a.Close || a.Header.Get("Retry-After") == "" {
			t.Errorf("closes %v, Retry-After %q", a.Close, a.Header.Get("Retry-After"))
		}
		p.ended()
	}
	select {
	case err := <-ended:
		t.Fatalf("ended before the request in progress: %v", err)
	default:
	}
	end <- true
	slow.want(200, "done")
	slow.ended()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestStopEndsWaits: who still waits at the end of a stop's grace is answered.
func TestStopEndsWaits(t *testing.T) {
	begun := make(chan bool)
	s := newServer(slog.New(slog.DiscardHandler), 64<<10, sendTime)
	s.App.All("/wait", func(c *fiber.Ctx) error {
		begun <- true
		<-c.UserContext().Done()
		return problem.Busy("stopping", "it goes on", time.Second)
	})
	l, err := Listen("127.0.0.1:0", TLS{}, uncounted, s.log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l, 100*time.Millisecond) }()
	p := dial(t, l.Addr().String())
	p.send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
	<-begun
	stop()
	p.want(503, "it goes on")
	p.ended()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// poor is a listener whose system has no connection to give, a few times.
type poor struct {
	net.Listener
	times atomic.Int32
}

func (p *poor) Accept() (net.Conn, error) {
	if p.times.Add(-1) >= 0 {
		return nil, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", syscall.EMFILE)}
	}
	return p.Listener.Accept()
}

// TestAcceptGoesOn: while the process has as many open files as it may, nobody
// comes in; then they do.
func TestAcceptGoesOn(t *testing.T) {
	var log bytes.Buffer
	l, err := Listen("127.0.0.1:0", TLS{}, uncounted, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p := &poor{Listener: l.(*listener).Listener}
	p.times.Store(3)
	l.(*listener).Listener = p
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	taken, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if err := taken.Close(); err != nil || strings.Count(log.String(), "LimitNOFILE") != 1 {
		t.Errorf("%v, the log says %q", err, log.String())
	}
}

// TestPanicsAreOurs: strangers get an id, the log gets the cause.
func TestPanicsAreOurs(t *testing.T) {
	var log strings.Builder
	s := newServer(slog.New(slog.NewTextHandler(&log, nil)), 1<<10, sendTime)
	s.App.Get("/", func(*fiber.Ctx) error { panic("the cause") })
	p := dial(t, serving(t, s, TLS{}))
	p.send("GET / HTTP/1.1\r\nHost: x\r\nX-Request-Id: abc\r\n\r\n")
	p.want(500, `"request_id":"abc"`)
	if text := log.String(); !strings.Contains(text, "the cause") || !strings.Contains(text, "request=abc") || !strings.Contains(text, "limits_test.go") {
		t.Errorf("the log has %s", text)
	}
}

// TestDocsThatTheCallerHas: what is described is not sent again to who has it.
func TestDocsThatTheCallerHas(t *testing.T) {
	s := newServer(slog.New(slog.DiscardHandler), 1<<10, sendTime)
	s.App.All("/*", func(c *fiber.Ctx) error {
		return docs(c, func(string) (openapi.File, bool, error) {
			return openapi.File{Type: "text/plain", ETag: `"a"`, Body: []byte("text")}, true, nil
		})
	})
	p := dial(t, serving(t, s, TLS{}))
	for header, status := range map[string]int{`"a"`: 304, `W/"a"`: 304, `"b", W/"a"`: 304, "*": 304, `"b"`: 200} {
		p.send("GET /docs HTTP/1.1\r\nHost: x\r\nIf-None-Match: " + header + "\r\n\r\n")
		p.want(status, map[int]string{200: "text"}[status])
	}
}
