package egress

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/trama-run/trama/host/egress/auth"
	"github.com/trama-run/trama/pdk/abi"
)

func TestRedirects(t *testing.T) {
	other := serve(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "other") })
	secure := httptest.NewTLSServer(http.RedirectHandler(other.URL, http.StatusFound))
	t.Cleanup(secure.Close)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if to := q.Get("to"); to != "" {
			status := 302
			fmt.Sscan(q.Get("status"), &status)
			w.Header().Set("Location", to)
			w.WriteHeader(status)
			return
		}
		if r.URL.Path == "/loop" {
			http.Redirect(w, r, "/loop", http.StatusTemporaryRedirect)
		}
	})
	client := newClient(t, nil)
	client.transports[reachAddress].(*http.Transport).TLSClientConfig.RootCAs = secure.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	scope := client.Open(Policy{Origins: []string{s.URL, other.URL, secure.URL}, Requests: 1000})
	for _, to := range []string{
		"http://127.0.0.1:1/", "http://localhost" + s.port(), "http://169.254.169.254/", "https://127.0.0.1" + s.port(), "http://10.0.0.1/",
	} {
		refused(t, scope, abi.HTTPRequest{URL: s.URL + "/?to=" + to}, abi.CodeDenied, "redirects: ")
	}
	for _, to := range []string{
		"file:///etc/passwd", "http://u:p@127.0.0.1" + other.port(), "http://2130706433" + other.port(), "http://[::ffff:127.0.0.1]" + other.port(), "javascript:1", "/%252e%252e/x",
	} {
		refused(t, scope, abi.HTTPRequest{URL: s.URL + "/?to=" + to}, abi.CodeInvalid, "redirects: ")
	}
	refused(t, scope, abi.HTTPRequest{URL: secure.URL}, abi.CodeDenied, "not encrypted")
	if other.count() > 0 {
		t.Errorf("%d requests arrived", other.count())
	}
	before := s.count()
	refused(t, scope, abi.HTTPRequest{URL: s.URL + "/loop"}, abi.CodeLimit, "redirects")
	if n := s.count() - before; n != maxRedirects+1 {
		t.Errorf("a loop was followed %d times", n)
	}
	// Redirects count as requests.
	refused(t, client.Open(Policy{Origins: []string{s.URL}, Requests: 3}), abi.HTTPRequest{URL: s.URL + "/loop"}, abi.CodeLimit, "outbound requests")

	// Where they are not wanted, they are answers.
	before = s.count()
	direct := client.Open(Policy{Origins: []string{s.URL, other.URL}, Direct: true})
	if response := ok(t, direct, abi.HTTPRequest{URL: s.URL + "/?to=" + other.URL}); response.Status != 302 || s.count() != before+1 || other.count() > 0 {
		t.Errorf("status %d after %d requests here and %d there", response.Status, s.count()-before, other.count())
	}

	for _, c := range []struct {
		method     string
		status     int
		wantMethod string
		wantBody   string
	}{
		{"POST", 301, "GET", ""}, {"POST", 302, "GET", ""}, {"POST", 303, "GET", ""}, {"PUT", 303, "GET", ""}, {"HEAD", 303, "HEAD", ""},
		{"PUT", 302, "PUT", "b"}, {"POST", 307, "POST", "b"}, {"POST", 308, "POST", "b"}, {"DELETE", 301, "DELETE", "b"},
	} {
		req := abi.HTTPRequest{Method: c.method, URL: fmt.Sprintf("%s/?status=%d&to=%s/x", s.URL, c.status, other.URL), Body: "b", Headers: map[string]string{"Content-Type": "text/x"}}
		if c.method == "HEAD" {
			req.Body = ""
		}
		ok(t, scope, req)
		r, body := other.last(t)
		if r.Method != c.wantMethod || body != c.wantBody || r.URL.Path != "/x" || (r.Header.Get("Content-Type") == "") != (c.wantMethod == "GET" && c.method != "GET") {
			t.Errorf("%s with %d became %s with %q, %v", c.method, c.status, r.Method, body, r.Header)
		}
	}
	// A status without a location, and 304, are answers.
	if got := ok(t, scope, abi.HTTPRequest{URL: s.URL + "/?status=304&to=/x"}); got.Status != 304 {
		t.Errorf("got %d", got.Status)
	}
}

func TestCredentialsStayAtTheirOrigin(t *testing.T) {
	other := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if back := r.URL.Query().Get("back"); back != "" {
			http.Redirect(w, r, back, http.StatusFound)
		}
	})
	var s *server
	s = serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/same":
			http.Redirect(w, r, "/end", http.StatusFound)
		case "/away":
			http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
		case "/echo":
			http.Redirect(w, r, other.URL+"/?"+r.URL.RawQuery, http.StatusTemporaryRedirect)
		case "/bounce":
			http.Redirect(w, r, other.URL+"/?back="+s.URL+"/end", http.StatusFound)
		}
	})
	policy := Policy{
		Origins: []string{"connection", other.URL}, Connection: &Connection{ID: "c", BaseURL: s.URL, Auth: auth.Auth{Type: auth.Bearer, Secret: "plain"}}, Requests: 1000,
		Secrets: []abi.SecretRequest{{Name: "password", Places: []string{"header:X-Api-Key", "body", "query:key", "header:Accept"}}},
	}
	scope := newClient(t, nil).Open(policy)
	handle, err := scope.SecretRef("password")
	if err != nil {
		t.Fatal(err)
	}
	headers := map[string]string{"X-Api-Key": handle, "Cookie": "a=b", "X-Custom-Token": "t", "Accept": "text/plain", "Content-Type": "text/plain"}
	ok(t, scope, abi.HTTPRequest{URL: "/same", Headers: headers})
	if r, _ := s.last(t); r.URL.Path != "/end" || r.Header.Get("Authorization") != "Bearer canary-plain-1" || r.Header.Get("X-Api-Key") != password || r.Header.Get("Cookie") == "" {
		t.Errorf("within the origin: %v", r.Header)
	}
	for _, path := range []string{"/away", "/bounce"} {
		ok(t, scope, abi.HTTPRequest{URL: path, Headers: headers})
		r, _ := other.last(t)
		if path == "/bounce" {
			if r, _ = s.last(t); r.URL.Path != "/end" {
				t.Fatal(r.URL)
			}
		}
		for _, name := range []string{"Authorization", "X-Api-Key", "Cookie", "X-Custom-Token"} {
			if r.Header.Get(name) != "" {
				t.Errorf("%s: %s went along: %s", path, name, r.Header.Get(name))
			}
		}
		if r.Header.Get("Accept") != "text/plain" {
			t.Errorf("%s: Accept is lost", path)
		}
	}
	ok(t, scope, abi.HTTPRequest{URL: "/away", Headers: map[string]string{"Accept": handle}})
	if r, _ := other.last(t); r.Header.Get("Accept") != "" {
		t.Errorf("a secret went along as Accept: %v", r.Header)
	}
	before := other.count()
	refused(t, scope, abi.HTTPRequest{Method: "POST", URL: "/away", Body: handle}, abi.CodeDenied, "would carry a secret")
	refused(t, scope, abi.HTTPRequest{Method: "POST", URL: "/echo?key=" + handle}, abi.CodeDenied, "would carry a secret")
	if other.count() != before {
		t.Error("a secret arrived")
	}
	// Sent straight to another origin, there are no credentials either.
	ok(t, scope, abi.HTTPRequest{URL: other.URL})
	if r, _ := other.last(t); r.Header.Get("Authorization") != "" {
		t.Errorf("sent %v", r.Header)
	}
	ok(t, scope, abi.HTTPRequest{URL: other.URL, Headers: map[string]string{"Authorization": "own"}})
	if r, _ := other.last(t); r.Header.Get("Authorization") != "own" {
		t.Errorf("the guest's own is lost: %v", r.Header)
	}
}
