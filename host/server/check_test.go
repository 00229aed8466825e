package server

import (
	"bufio"
	"bytes"
	"cmp"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"
)

// TestCheck: each way in which two programs may read a request in two ways.
func TestCheck(t *testing.T) {
	const ok = "Host: x\r\n"
	many := strings.Repeat("X-A: b\r\n", headerCount+1)
	for _, c := range []struct {
		name, request string
		code          string // empty: it is taken; library: it does not get so far
	}{
		{"plain", "GET /api/a?b=c HTTP/1.1\r\n" + ok, ""},
		{"1.0 without a host", "GET / HTTP/1.0\r\n", ""},
		{"1.1 without a host", "GET / HTTP/1.1\r\nX: y\r\n", "bad_request"},
		{"an empty host", "GET / HTTP/1.1\r\nHost:\r\n", "bad_request"},
		{"1.0 with an empty host", "GET / HTTP/1.0\r\nHost:\r\n", ""},
		{"a path that may be a host", "GET //x/api/a HTTP/1.1\r\n" + ok, "bad_path"},
		{"the same in 1.0", "GET //x/api/a HTTP/1.0\r\nHost:\r\n", "bad_path"},
		{"the same in a URL", "GET http://x//api/a HTTP/1.1\r\n" + ok, "bad_path"},
		{"two slashes further on", "GET /api//a HTTP/1.1\r\n" + ok, ""},
		{"two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n", "duplicate_header"},
		{"a host that breaks out", "GET / HTTP/1.1\r\nHost: a/b?\r\n", "bad_request"},
		{"a host with a user", "GET / HTTP/1.1\r\nHost: a@b\r\n", "bad_request"},
		{"an IPv6 host", "GET / HTTP/1.1\r\nHost: [::1]:80\r\n", ""},
		{"HTTP/2 by its preface", "PRI * HTTP/2.0\r\n", "method"},
		{"a version to come", "GET / HTTP/2.0\r\n" + ok, "version"},
		{"a version that is none", "GET / HTTPS\r\n" + ok, "version"},
		{"a lower-case method", "get / HTTP/1.1\r\n" + ok, ""}, // its path says what it takes,
		{"a method of its own", "BREW / HTTP/1.1\r\n" + ok, ""},
		{"TRACE", "TRACE / HTTP/1.1\r\n" + ok, ""},
		{"a method of its own, and no path", "BREW // HTTP/1.1\r\n" + ok, "method"},
		{"CONNECT", "CONNECT a:443 HTTP/1.1\r\n" + ok, "method"},
		{"a URL", "GET http://x/api/a HTTP/1.1\r\n" + ok, ""},
		{"a URL of another host", "GET http://y/api/a HTTP/1.1\r\n" + ok, "bad_request"},
		{"a URL in 1.0", "GET http://y/api/a HTTP/1.0\r\n\r\n", ""},
		{"a URL of another kind", "GET file:///etc/passwd HTTP/1.1\r\n" + ok, "bad_path"},
		{"a URL with a user", "GET http://u:p@x/a HTTP/1.1\r\n" + ok, "bad_path"},
		{"no path", "OPTIONS * HTTP/1.1\r\n" + ok, "bad_path"},
		{"a path without a slash", "GET api/a HTTP/1.1\r\n" + ok, "bad_path"},
		{"a space", "GET /a b HTTP/1.1\r\n" + ok, "bad_path"},
		{"a fragment", "GET /a#b HTTP/1.1\r\n" + ok, "bad_path"},
		{"a backslash", "GET /a\\..\\b HTTP/1.1\r\n" + ok, "bad_path"},
		{"a tab", "GET /a\tb HTTP/1.1\r\n" + ok, "bad_path"},
		{"dots", "GET /api/../v1/runs HTTP/1.1\r\n" + ok, "bad_path"},
		{"dots at the end", "GET /api/.. HTTP/1.1\r\n" + ok, "bad_path"},
		{"one dot", "GET /api/./a HTTP/1.1\r\n" + ok, "bad_path"},
		{"encoded dots", "GET /api/%2e%2E/a HTTP/1.1\r\n" + ok, "bad_path"},
		{"dots encoded twice are a name", "GET /api/%252e%252e HTTP/1.1\r\n" + ok, ""},
		{"dots in a name", "GET /api/a..b/.well-known HTTP/1.1\r\n" + ok, ""},
		{"an encoded slash", "GET /api/a%2Fb HTTP/1.1\r\n" + ok, ""},
		{"dots behind an encoded slash", "GET /api/a%2F..%2Fb HTTP/1.1\r\n" + ok, ""}, // one segment, never split
		{"half an escape", "GET /api/%2 HTTP/1.1\r\n" + ok, "bad_path"},
		{"an escape that is none", "GET /api/%zz HTTP/1.1\r\n" + ok, "bad_path"},
		{"an encoded line", "GET /api/a%0d%0aX:y HTTP/1.1\r\n" + ok, "bad_path"},
		{"an encoded zero", "GET /api/a%00 HTTP/1.1\r\n" + ok, "bad_path"},
		{"Latin-1", "GET /caf\xe9 HTTP/1.1\r\n" + ok, "bad_path"},
		{"encoded Latin-1", "GET /caf%e9 HTTP/1.1\r\n" + ok, "bad_path"},
		{"Latin-1 in the query", "GET /?q=caf%e9 HTTP/1.1\r\n" + ok, "bad_path"},
		{"UTF-8", "GET /caf%c3%a9?q=caf\u00e9 HTTP/1.1\r\n" + ok, ""},
		{"a folded header", "GET / HTTP/1.1\r\n" + ok + "X-A: b\r\n c\r\n", "bad_request"},
		{"a space before the colon", "GET / HTTP/1.1\r\n" + ok + "Content-Length : 0\r\n", "library"},
		{"a line without a colon", "GET / HTTP/1.1\r\n" + ok + "X-A\r\n", "library"},
		{"a name that is none", "GET / HTTP/1.1\r\n" + ok + "X(A): b\r\n", "bad_request"},
		{"lines that end with LF", "GET / HTTP/1.1\nHost: x\n", "bad_request"},
		{"one such line", "GET / HTTP/1.1\r\n" + ok + "X-A: b\nTransfer-Encoding: chunked\r\n", "bad_request"},
		{"a CR in a value", "GET / HTTP/1.1\r\n" + ok + "X-A: b\rc\r\n", "bad_request"},
		{"a zero in a value", "GET / HTTP/1.1\r\n" + ok + "X-A: b\x00c\r\n", "bad_request"},
		{"two types", "POST / HTTP/1.1\r\n" + ok + "Content-Type: a/b\r\ncontent-type: c/d\r\n", "duplicate_header"},
		{"two authorizations", "POST / HTTP/1.1\r\n" + ok + "Authorization: a\r\nAuthorization: b\r\n", "duplicate_header"},
		{"many headers", "GET / HTTP/1.1\r\n" + ok + many, "headers_too_big"},
		{"an expectation", "POST / HTTP/1.1\r\n" + ok + "Expect: 200-ok\r\n", "expect"},
		{"100-continue", "POST / HTTP/1.1\r\n" + ok + "Expect: 100-continue\r\nContent-Length: 2\r\n", ""},
		{"chunks in 1.0", "POST / HTTP/1.0\r\n" + ok + "Transfer-Encoding: chunked\r\n", "framing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var h fasthttp.RequestHeader
			if err := h.Read(bufio.NewReaderSize(strings.NewReader(c.request+"\r\n"), headerBuffer)); err != nil {
				if c.code != "library" {
					t.Fatal(err)
				}
				return
			}
			_, refused := check(&h)
			if code := ""; refused != nil {
				if code = refused.Code; code != c.code {
					t.Errorf("%s: %s, want %q", code, refused.Detail, c.code)
				}
			} else if c.code != "" {
				t.Errorf("taken, want %s", c.code)
			}
		})
	}
}

func TestCheckAllocatesNothing(t *testing.T) {
	var h fasthttp.RequestHeader
	request := "POST /api/orders/7?verbose=1 HTTP/1.1\r\nHost: api.example.com\r\nContent-Type: application/json\r\nContent-Length: 100\r\nAuthorization: Bearer abcdefgh\r\nUser-Agent: a client with a long name/1.0\r\n\r\n"
	if err := h.Read(bufio.NewReaderSize(strings.NewReader(request), headerBuffer)); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() {
		if length, refused := check(&h); length != 100 || refused != nil {
			t.Fatal(length, refused)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzCheck: a request that is taken is one that another program (Go's own
// HTTP server) reads in the same way.
func FuzzCheck(f *testing.F) {
	for _, seed := range []string{
		"GET /a%2Fb?c=d HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab",
		"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
		"GET http://h/p HTTP/1.0\r\nA:\tb \r\n\r\n",
		"\r\nGET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
		"GET /./a HTTP/1.1\nHost: x\n\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var h fasthttp.RequestHeader
		if len(data) > headerBuffer || h.Read(bufio.NewReaderSize(bytes.NewReader(data), headerBuffer)) != nil {
			return
		}
		length, refused := check(&h)
		if refused != nil {
			return
		}
		data = bytes.TrimLeft(data, "\r\n")
		if first, _, _ := bytes.Cut(data, []byte("\n")); !bytes.Contains(first, []byte(" HTTP/1.")) {
			return // HTTP/0.9, which ends with its connection
		}
		other, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(data)))
		if err != nil {
			t.Fatalf("taken, but another program does not: %v\n%q", err, data)
		}
		_, raw, _ := strings.Cut(string(data), string(h.Method())+" ")
		target := other.RequestURI
		if target[0] != '/' { // a URL: we go by its path
			target = cmp.Or(other.URL.EscapedPath(), "/")
			if _, query, has := strings.Cut(other.RequestURI, "?"); has {
				target += "?" + query
			}
		}
		if other.Method != string(h.Method()) || !strings.HasPrefix(raw, other.RequestURI) || target != string(h.RequestURI()) {
			t.Errorf("%s %q, another program reads %s %q", h.Method(), h.RequestURI(), other.Method, other.RequestURI)
		}
		if theirs := other.ContentLength; theirs != int64(length) {
			t.Errorf("a body of %d, another program reads one of %d", length, theirs)
		}
		if length > 0 && length < 1<<16 {
			if _, err := io.Copy(io.Discard, other.Body); err != nil && err != io.ErrUnexpectedEOF {
				t.Error(err)
			}
		}
	})
}

// TestOriginForm: a target that is a URL is its path to all behind.
func TestOriginForm(t *testing.T) {
	for target, want := range map[string]string{
		"http://X:80/api/a?b=http://c/": "/api/a?b=http://c/", "https://x:80": "/", "/api/http://x/": "/api/http://x/",
	} {
		var h fasthttp.RequestHeader
		if err := h.Read(bufio.NewReader(strings.NewReader("GET " + target + " HTTP/1.1\r\nHost: x:80\r\n\r\n"))); err != nil {
			t.Fatal(err)
		}
		if _, refused := check(&h); refused != nil || string(h.RequestURI()) != want {
			t.Errorf("%s: %v, became %s, want %s", target, refused, h.RequestURI(), want)
		}
	}
}
