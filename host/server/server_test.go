package server

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/gofiber/fiber/v2"
)

// listen serves an app that answers with the body's length, on loopback.
func listen(t *testing.T) string {
	t.Helper()
	app := newApp(slog.New(slog.DiscardHandler), 1<<10)
	app.All("/*", func(c *fiber.Ctx) error { return c.SendString(fmt.Sprint(len(c.Request().Body()))) })
	l, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- app.Listener(l) }()
	t.Cleanup(func() {
		if err := app.Shutdown(); err != nil {
			t.Error(err)
		}
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
	for _, c := range []struct {
		name, headers, body string
		status              int
	}{
		{"one length", "Content-Length: 2\r\n", "ab", 200},
		{"chunked", "Transfer-Encoding: chunked\r\n", "2\r\nab\r\n0\r\n\r\n", 200},
		{"two lengths", "Content-Length: 2\r\nContent-Length: 0\r\n", "ab", 400},
		{"length and chunked", "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", "2\r\nab\r\n0\r\n\r\n", 400},
		{"in any case", "content-length: 2\r\nTRANSFER-ENCODING: chunked\r\n", "2\r\nab\r\n0\r\n\r\n", 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, body, closed := raw(t, addr, "POST / HTTP/1.1\r\nHost: x\r\n"+c.headers+"\r\n"+c.body)
			if status != c.status || (status == 200 && body != "2") || (status == 400 && (!closed || !strings.Contains(body, "framing"))) {
				t.Errorf("status %d, closed %v: %s", status, closed, body)
			}
		})
	}
}

// TestErrorsQuoteNothing: what the HTTP server says of a bad request may hold
// the request, and is not passed on.
func TestErrorsQuoteNothing(t *testing.T) {
	addr := listen(t)
	for name, c := range map[string]struct {
		request string
		status  int
		says    string
	}{
		"headers too big": {"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: caller" + strings.Repeat("x", 2*headerBuffer) + "\r\n\r\n", 431, "16384 bytes"},
		"bad header":      {"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: caller\r\nContent-Length: ten\r\n\r\n", 400, "HTTP"},
		"body too big":    {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2000\r\n\r\n", 413, "1024 bytes"},
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
