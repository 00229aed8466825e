package server

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/trama-run/trama/host/problem"
)

// listen serves an app that answers with the body's length, on loopback.
func listen(t *testing.T) string {
	t.Helper()
	s := newServer(slog.New(slog.DiscardHandler), 64<<10, sendTime)
	s.App.All("/*", func(c *fiber.Ctx) error { return c.SendString(fmt.Sprint(len(c.Request().Body()))) })
	return serving(t, s, TLS{})
}

// uncounted lets one address have all connections.
func uncounted(netip.Addr) netip.Addr { return netip.Addr{} }

// serving serves on loopback until the test ends.
func serving(t *testing.T, s *Server, files TLS) string {
	t.Helper()
	l, err := Listen("127.0.0.1:0", files, uncounted, s.log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l, 5*time.Second) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

// raw sends bytes and returns the first answer's status and body, and whether
// the connection was closed after it.
func raw(t *testing.T, addr, request string) (status int, body string, closed bool) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	a, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	return a.StatusCode, string(text), a.Close
}

func TestFraming(t *testing.T) {
	addr := listen(t)
	large := strings.Repeat("x", 20000)
	for _, c := range []struct {
		name, headers, body string
		status              int
		says                string
	}{
		{"one length", "Content-Length: 2\r\n", "ab", 200, "2"},
		{"chunked", "Transfer-Encoding: chunked\r\n", "2\r\nab\r\n0\r\n\r\n", 200, "2"},
		{"a large one", "Content-Length: 20000\r\n", large, 200, "20000"},
		{"a large one, chunked", "Transfer-Encoding: chunked\r\n", "2710\r\n" + large[:10000] + "\r\n2710\r\n" + large[10000:] + "\r\n0\r\n\r\n", 200, "20000"},
		{"as large as it may be", "Content-Length: 65536\r\n", strings.Repeat("x", 65536), 200, "65536"},
		{"chunks with extensions", "Transfer-Encoding: chunked\r\n", "2;a=b\r\nab\r\n0\r\n\r\n", 200, "2"},
		{"two lengths", "Content-Length: 2\r\nContent-Length: 0\r\n", "ab", 400, "framing"},
		{"the same length twice", "Content-Length: 2\r\nContent-Length: 2\r\n", "ab", 400, "framing"},
		{"two in one", "Content-Length: 2, 2\r\n", "ab", 400, "bad_request"},
		{"a length with a sign", "Content-Length: +2\r\n", "ab", 400, "bad_request"},
		{"length and chunked", "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", "2\r\nab\r\n0\r\n\r\n", 400, "framing"},
		{"in any case", "content-length: 2\r\nTRANSFER-ENCODING: chunked\r\n", "2\r\nab\r\n0\r\n\r\n", 400, "framing"},
		{"another coding", "Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n", 400, "framing"},
		{"no coding", "Transfer-Encoding: identity\r\n", "", 400, "framing"},
		{"nearly chunked", "Transfer-Encoding: xchunked\r\n", "0\r\n\r\n", 400, "framing"},
		{"chunked twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n", 400, "framing"},
		{"trailers", "Transfer-Encoding: chunked\r\n", "2\r\nab\r\n0\r\nClient-Id: x\r\n\r\n", 400, "framing"},
		{"a chunk without size", "Transfer-Encoding: chunked\r\n", "\r\nab\r\n", 400, "body"},
		{"a chunk of a negative size", "Transfer-Encoding: chunked\r\n", "-1\r\nab\r\n", 400, "body"},
		{"a chunk beyond its size", "Transfer-Encoding: chunked\r\n", "2\r\nabc\r\n0\r\n\r\n", 400, "body"},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, body, closed := raw(t, addr, "POST / HTTP/1.1\r\nHost: x\r\n"+c.headers+"\r\n"+c.body)
			if status != c.status || (status == 200 && body != c.says) || (status == 400 && (!closed || !strings.Contains(body, c.says))) {
				t.Errorf("status %d, closed %v: %s", status, closed, body)
			}
		})
	}
}

// TestErrorsQuoteNothing: what the HTTP server says of a bad request may hold
// the request, and is not passed on.
// TestUnknownMethods: a path says itself what it takes. The body is not read, so
// nothing that comes after is either.
func TestUnknownMethods(t *testing.T) {
	var body []byte
	s := NewPublic(slog.New(slog.DiscardHandler), Public{Gateway: func(string) fiber.Handler {
		return func(c *fiber.Ctx) error {
			body = append(body, c.Request().Body()...)
			refused := problem.New(405, "method", "its own")
			refused.Allow = []string{"GET", "HEAD"}
			return refused
		}
	}})
	addr := serving(t, s, TLS{})
	for _, method := range []string{"BREW", "TRACE", "get"} {
		for _, frame := range []string{"Content-Length: 41", "Transfer-Encoding: chunked"} {
			status, answer, closed := raw(t, addr, method+" /api/a HTTP/1.1\r\nHost: x\r\n"+frame+"\r\n\r\nGET /api/inner HTTP/1.1\r\nHost: x\r\n\r\n")
			if status != 405 || !strings.Contains(answer, "its own") || !closed || len(body) > 0 {
				t.Errorf("%s, %s: %d %s, closed %v; %d bytes of its body were read", method, frame, status, answer, closed, len(body))
			}
		}
	}
	if status, answer, _ := raw(t, addr, "BREW /none HTTP/1.1\r\nHost: x\r\n\r\n"); status != 404 {
		t.Errorf("where there is nothing: %d %s", status, answer)
	}
}

func TestErrorsQuoteNothing(t *testing.T) {
	addr := listen(t)
	for name, c := range map[string]struct {
		request string
		status  int
		says    string
	}{
		"headers too big": {"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: caller" + strings.Repeat("x", 2*headerBuffer) + "\r\n\r\n", 431, "16384 bytes"},
		"bad header":      {"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: caller\r\nContent-Length: ten\r\n\r\n", 400, "HTTP"},
		"body too big":    {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n", 413, "65536 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			status, body, _ := raw(t, addr, c.request)
			if status != c.status || !strings.Contains(body, c.says) || strings.Contains(body, "caller") {
				t.Errorf("status %d: %s", status, body)
			}
		})
	}
}

func TestMultipartStaysAsItCame(t *testing.T) {
	addr := listen(t)
	body := "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--b--\r\nepilogue"
	_, got, _ := raw(t, addr, fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
	if got != fmt.Sprint(len(body)) {
		t.Errorf("%s bytes arrived of %d", got, len(body))
	}
}

func TestJoin(t *testing.T) {
	values := map[string]string{}
	join(values, "signature", "bad")
	join(values, "signature", "good")
	if got := values["signature"]; got != "bad, good" {
		t.Errorf("two values are %q", got)
	}
}
