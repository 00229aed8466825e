package egress

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/egress/auth"
	"github.com/trama-run/trama/host/secret"
	"github.com/trama-run/trama/pdk/abi"
)

// TestExchanged: each request that goes out is told of once it has ended, be it
// a redirect, refused or unanswered; and what is told can be freed of secrets.
func TestExchanged(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/first":
			http.Redirect(w, r, "/second?x=1", http.StatusTemporaryRedirect)
		case "/long":
			fmt.Fprint(w, strings.Repeat("a", 3*keptBody))
		case "/broken":
			w.Header().Set("Content-Length", "10")
			fmt.Fprint(w, "short")
		default:
			fmt.Fprint(w, "you are ", r.Header.Get("Authorization"))
		}
	}))
	t.Cleanup(other.Close)
	type contextKey struct{}
	var told []*Exchange
	c := New(Config{Secrets: secret.New([]string{"TRAMA_SECRET_T=the-token-of-t"}, ""), Exchanged: func(ctx context.Context, x *Exchange) {
		if ctx.Value(contextKey{}) != "mine" {
			t.Error("told with another context")
		}
		told = append(told, x)
	}})
	t.Cleanup(c.Close)
	connection := &Connection{ID: "c", BaseURL: other.URL, Auth: auth.Auth{Type: auth.Bearer, Secret: "t"}}
	ctx := context.WithValue(t.Context(), contextKey{}, "mine")
	for _, test := range []struct {
		path string
		want []string // of each exchange: method, path, status, bytes and the beginning of the answer's body, code
	}{
		{"/x?y=1", []string{"POST /x?y=1 200 25 you are Bearer [redacted] "}},
		{"/first", []string{"POST /first 307 0  ", "POST /second?x=1 200 25 you are Bearer [redacted] "}},
		{"/long", []string{fmt.Sprintf("POST /long 200 %d %s ", 3*keptBody, strings.Repeat("a", 30))}},
		{"/broken", []string{"POST /broken 200 5 short unreachable"}},
	} {
		told = nil
		scope := c.Open(Policy{Origins: []string{abi.EgressConnection}, Connection: connection})
		scope.Send(ctx, abi.HTTPRequest{Method: "POST", URL: test.path, Body: "hello"}) //nolint:errcheck // one of them fails
		var got []string
		for _, x := range told {
			code := ""
			if x.Failure != nil {
				code = x.Failure.Code
			}
			body := string(x.AnsweredBody[:min(len(x.AnsweredBody), 30)])
			got = append(got, fmt.Sprintf("%s %s %d %d %s %s", x.Method, strings.TrimPrefix(x.URL, other.URL), x.Status, x.AnsweredBytes, body, code))
			if string(x.AskedBody) != "hello" || x.AskedBytes != 5 || x.Took <= 0 || x.Redact("it is the-token-of-t") != "it is [redacted]" || len(x.AnsweredBody) > keptBody {
				t.Errorf("%s: told %+v", test.path, x)
			}
		}
		if strings.Join(got, "\n") != strings.Join(test.want, "\n") {
			t.Errorf("%s: told\n%s\nwant\n%s", test.path, strings.Join(got, "\n"), strings.Join(test.want, "\n"))
		}
	}
	address := other.URL
	other.Close()
	told = nil
	scope := c.Open(Policy{Origins: []string{address}})
	if _, err := scope.Send(ctx, abi.HTTPRequest{URL: address + "/x"}); err == nil || len(told) != 1 || told[0].Status != 0 || told[0].Failure == nil || told[0].Failure.Code != abi.CodeUnreachable {
		t.Errorf("of one that nobody takes: %v, %+v", err, told)
	}
}
