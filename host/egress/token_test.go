package egress

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/trama-run/trama/host/egress/auth"
	"github.com/trama-run/trama/pdk/abi"
)

// tokenServer issues tokens "canary-issued-<n>".
func tokenServer(t *testing.T) *server {
	var issued atomic.Int32
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/away":
			http.Redirect(w, r, "/token", http.StatusTemporaryRedirect)
		case "/endless":
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 32<<10)); err != nil {
					return
				}
			}
		default:
			fmt.Fprintf(w, `{"access_token": "canary-issued-%d", "expires_in": 3600}`, issued.Add(1))
		}
	})
}

func oauth(tokenURL string) auth.Auth {
	return auth.Auth{Type: auth.OAuth2, TokenURL: tokenURL, ClientID: "client", Secret: "plain"}
}

// A connection's token is fetched, used by all calls, hidden from them, and
// fetched once more when the other system does not take it any more.
func TestTokens(t *testing.T) {
	tokens := tokenServer(t)
	accepted := "canary-issued-1"
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+accepted {
			w.WriteHeader(http.StatusUnauthorized)
		}
		fmt.Fprint(w, r.Header.Get("Authorization"))
	})
	client := newClient(t, nil)
	connection := &Connection{ID: "c", BaseURL: s.URL, Auth: oauth(tokens.URL + "/token")}
	open := func() *Scope {
		return client.Open(Policy{Origins: []string{"connection"}, Connection: connection, Requests: 1})
	}
	for _, step := range []struct {
		accepts         string
		status          int
		tokens, arrived int // so far
	}{
		{"canary-issued-1", 200, 1, 1}, {"canary-issued-1", 200, 1, 2}, {"canary-issued-2", 200, 2, 4},
		{"none", 401, 2, 5}, {"none", 401, 2, 6}, // the last token was fetched just now
	} {
		accepted = step.accepts
		got := ok(t, open(), abi.HTTPRequest{Method: "POST", URL: "/", Body: "body"})
		if got.Status != step.status || got.Body != "Bearer [redacted]" || tokens.count() != step.tokens || s.count() != step.arrived {
			t.Errorf("%+v: %d with %q after %d tokens, %d requests", step, got.Status, got.Body, tokens.count(), s.count())
		}
		if _, body := s.last(t); body != "body" {
			t.Errorf("the repeat sent %q", body)
		}
	}
	if r, _ := tokens.last(t); r.Header.Get("User-Agent") != userAgent {
		t.Errorf("asked with %v", r.Header)
	}
	refused(t, open(), abi.HTTPRequest{URL: "/", Headers: map[string]string{"authorization": "own"}}, abi.CodeDenied, "carries the credentials")
}

// A token endpoint is under the same rules of addresses as a base URL, and
// redirects lead it nowhere.
func TestTokenEndpointIsChecked(t *testing.T) {
	tokens := tokenServer(t)
	s := serve(t, nil)
	resolver, _ := resolve(t, func(name string, _ int) []netip.Addr {
		if strings.HasPrefix(name, "metadata") {
			return addrs("169.254.169.254")
		}
		return addrs("127.0.0.1")
	})
	client := newClient(t, resolver)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := "http://" + listener.Addr().String()
	listener.Close()
	for _, c := range []struct{ url, code, text string }{
		{"http://login.example.test" + tokens.port(), abi.CodeDenied, "loopback"},
		{"http://metadata.example.test" + tokens.port(), abi.CodeDenied, "link-local"},
		{"http://2130706433" + tokens.port(), abi.CodeInvalid, "IPv4"},
		{"http://user@127.0.0.1" + tokens.port(), abi.CodeInvalid, "user name"},
		{tokens.URL + "/away", auth.CodeUnauthorized, "status 307"},
		{tokens.URL + "/endless", abi.CodeUnreachable, "broke off"},
		{gone, abi.CodeUnreachable, gone},
	} {
		connection := &Connection{ID: "c", BaseURL: s.URL, Auth: oauth(c.url)}
		refused(t, client.Open(Policy{Origins: []string{"connection"}, Connection: connection}), abi.HTTPRequest{URL: "/"}, c.code, c.text)
	}
	if n := tokens.count(); n != 2 {
		t.Errorf("%d token requests arrived, want those of the redirect and of the endless answer", n)
	}
	if s.count() > 0 {
		t.Error("a request without a token arrived")
	}
	// By a name that can only be near, it is meant.
	connection := &Connection{ID: "c", BaseURL: s.URL, Auth: oauth("http://login.internal" + tokens.port())}
	ok(t, client.Open(Policy{Origins: []string{"connection"}, Connection: connection}), abi.HTTPRequest{URL: "/"})
}

// Credentials that are made anew for each request go, like all others, to
// their connection alone.
func TestSignaturesStayAtTheirOrigin(t *testing.T) {
	other := serve(t, nil)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	})
	tokens := tokenServer(t)
	for _, a := range []auth.Auth{
		oauth(tokens.URL),
		{Type: auth.SigV4, AccessKey: "A", Secret: "plain", Region: "r", Service: "s3"},
		{Type: auth.HMAC, Secret: "plain", Header: "X-Signature", TimestampHeader: "X-Time", Signed: "{body}"},
		{Type: auth.WSSE, Username: "u", Secret: "plain"},
	} {
		scope := newClient(t, nil).Open(Policy{Origins: []string{"connection", other.URL}, Connection: &Connection{ID: "c", BaseURL: s.URL, Auth: a}})
		ok(t, scope, abi.HTTPRequest{Method: "POST", URL: "/", Body: "x"})
		sent, _ := s.last(t)
		arrived, _ := other.last(t)
		for _, name := range a.Headers() {
			if name != "X-Amz-Security-Token" && sent.Header.Get(name) == "" {
				t.Errorf("%s: %s is not sent", a.Type, name)
			}
			if arrived.Header.Get(name) != "" {
				t.Errorf("%s: %s went along: %q", a.Type, name, arrived.Header.Get(name))
			}
			refused(t, scope, abi.HTTPRequest{URL: "/", Headers: map[string]string{name: "own"}}, abi.CodeDenied, "carries the credentials")
		}
	}
}
