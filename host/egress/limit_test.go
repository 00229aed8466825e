package egress

import (
	"compress/gzip"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/trama-run/trama/pdk/abi"
)

func TestLimits(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/exact":
			io.WriteString(w, strings.Repeat("x", 1000))
		case "/declared":
			w.Header().Set("Content-Length", "1001")
			io.WriteString(w, strings.Repeat("x", 1001))
		case "/endless":
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 4096)); err != nil {
					return
				}
			}
		case "/bomb": // 512 KiB in less than the limit
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			for range 8 {
				z.Write(make([]byte, 64<<10))
			}
			z.Close()
		case "/members": // endless input for no output
			w.Header().Set("Content-Encoding", "gzip")
			for r.Context().Err() == nil {
				if err := gzip.NewWriter(w).Close(); err != nil {
					return
				}
			}
		case "/zipped":
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			io.WriteString(z, strings.Repeat("x", 1000))
			z.Close()
		case "/torn":
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, "x")
		case "/notzip":
			w.Header().Set("Content-Encoding", "gzip")
			io.WriteString(w, "not gzip at all, but long enough")
		case "/headers":
			w.Header().Set("X-Long", strings.Repeat("x", maxHeaderBytes+8192))
		}
	})
	scope := newClient(t, nil).Open(Policy{Origins: []string{s.URL}, HTTPBytes: 1000, Requests: 1000})
	get := func(path string) abi.HTTPRequest { return abi.HTTPRequest{URL: s.URL + path} }
	for _, path := range []string{"/exact", "/zipped"} {
		if got := ok(t, scope, get(path)); got.Body != strings.Repeat("x", 1000) || got.Headers["content-encoding"] != "" {
			t.Errorf("%s: %d bytes, %v", path, len(got.Body), got.Headers)
		}
	}
	for _, path := range []string{"/declared", "/endless", "/bomb", "/members"} {
		refused(t, scope, get(path), abi.CodeLimit, "limits: {http: 2000}")
	}
	for _, path := range []string{"/torn", "/notzip", "/headers"} {
		refused(t, scope, get(path), abi.CodeUnreachable, s.URL+path)
	}
	ok(t, scope, abi.HTTPRequest{Method: "POST", URL: s.URL, Body: strings.Repeat("x", 1000)})
	refused(t, scope, abi.HTTPRequest{Method: "POST", URL: s.URL, Body: strings.Repeat("x", 1001)}, abi.CodeLimit, "request's body")
	if got := ok(t, scope, abi.HTTPRequest{Method: "HEAD", URL: s.URL + "/zipped"}); got.Body != "" {
		t.Errorf("HEAD: %q", got.Body)
	}
	// How it is encoded on its way is the host's business.
	own := ok(t, scope, abi.HTTPRequest{URL: s.URL + "/zipped", Headers: map[string]string{"Accept-Encoding": "br"}})
	if r, _ := s.last(t); r.Header.Get("Accept-Encoding") != "gzip" || own.Headers["content-encoding"] != "" || own.Body != strings.Repeat("x", 1000) {
		t.Errorf("asked with %q, got %+v", r.Header.Get("Accept-Encoding"), own)
	}

	few := newClient(t, nil).Open(Policy{Origins: []string{s.URL}, Requests: 2})
	ok(t, few, get("/exact"))
	ok(t, few, get("/exact"))
	refused(t, few, get("/exact"), abi.CodeLimit, "limits: {requests: 4}")
}

func TestTimeouts(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(200)
		for r.Context().Err() == nil { // a byte now and then, for ever
			if r.URL.Path == "/slow" {
				io.WriteString(w, "x")
				w.(http.Flusher).Flush()
			}
			time.Sleep(5 * time.Millisecond)
		}
	})
	client := newClient(t, nil)
	for _, path := range []string{"/slow", "/silent"} {
		begin := time.Now()
		scope := client.Open(Policy{Origins: []string{s.URL}, Timeout: 100 * time.Millisecond})
		if f := refused(t, scope, abi.HTTPRequest{URL: s.URL + path + "?secret=1", TimeoutMillis: 60_000}, abi.CodeTimeout, path); !f.Retryable || strings.Contains(f.Message, "secret") {
			t.Errorf("%+v", f)
		}
		scope = client.Open(Policy{Origins: []string{s.URL}})
		refused(t, scope, abi.HTTPRequest{URL: s.URL + path, TimeoutMillis: 100}, abi.CodeTimeout, path)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		if _, err := scope.Send(ctx, abi.HTTPRequest{URL: s.URL + path}); err == nil || err.(*abi.Error).Code != abi.CodeTimeout {
			t.Errorf("%s: %v", path, err)
		}
		cancel()
		if took := time.Since(begin); took > 3*time.Second {
			t.Errorf("%s took %s", path, took)
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := "http://" + listener.Addr().String()
	listener.Close()
	if f := refused(t, client.Open(Policy{Origins: []string{gone}}), abi.HTTPRequest{URL: gone + "/p?q=1"}, abi.CodeUnreachable, gone+"/p: "); !f.Retryable || strings.Contains(f.Message, "q=1") {
		t.Errorf("%+v", f)
	}
}
