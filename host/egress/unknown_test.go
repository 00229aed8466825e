package egress

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/trama-run/trama/pdk/abi"
)

// TestMayHaveArrived: what is not safe to repeat and may have arrived is not
// called unreachable, however its answer fails.
func TestMayHaveArrived(t *testing.T) {
	var gone string
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/away" {
			http.Redirect(w, r, gone, http.StatusSeeOther)
			return
		}
		if r.URL.Path == "/headers" {
			w.Header().Set("X-Long", strings.Repeat("x", maxHeaderBytes+8192))
			return
		}
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		switch r.URL.Path {
		case "/malformed":
			io.WriteString(conn, "nonsense\r\n\r\n")
		case "/switch":
			io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\n\r\n")
		case "/torn":
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx")
		case "/notzip":
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 30\r\n\r\n"+strings.Repeat("x", 30))
		}
	})
	other := serve(t, nil)
	gone = other.URL
	other.Close()
	client := newClient(t, nil)
	open := func(unsafe bool) *Scope {
		return client.Open(Policy{Origins: []string{s.URL, gone}, Unsafe: unsafe})
	}
	for _, path := range []string{"/cut", "/malformed", "/headers", "/switch", "/torn", "/notzip", "/away"} {
		for _, method := range []string{"POST", "GET"} {
			request := abi.HTTPRequest{Method: method, URL: s.URL + path}
			if f := refused(t, open(true), request, abi.CodeUnknown, "may have arrived"); f.Retryable {
				t.Errorf("%s %s: a repeat is offered: %v", method, path, f)
			}
			if f := refused(t, open(false), request, abi.CodeUnreachable, ""); !f.Retryable {
				t.Errorf("%s %s: safe to repeat, and no repeat is offered: %v", method, path, f)
			}
		}
	}
	refused(t, open(true), abi.HTTPRequest{Method: "POST", URL: gone}, abi.CodeUnreachable, gone)
}

// TestRange: a plugin does not fetch what holds a secret in parts.
func TestRange(t *testing.T) {
	s := serve(t, nil)
	client := newClient(t, nil)
	part := abi.HTTPRequest{URL: s.URL, Headers: map[string]string{"range": "bytes=0-3"}}
	ok(t, client.Open(Policy{Origins: []string{s.URL}}), part)
	secretive := everywhere(client, s.URL)
	handleOf(t, secretive, "plain")
	refused(t, secretive, part, abi.CodeDenied, "header Range")
	connection := &Connection{ID: "c", BaseURL: s.URL}
	refused(t, client.Open(Policy{Origins: []string{"connection"}, Connection: connection}), part, abi.CodeDenied, "header Range")
	if n := s.count(); n != 1 {
		t.Errorf("%d requests arrived, want 1", n)
	}
}
