package auth

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trama-run/trama/pdk/abi"
)

// issuer is a token endpoint. Every token is "token-<n>".
type issuer struct {
	*httptest.Server
	mu      sync.Mutex
	seen    []url.Values // forms, with the Basic credentials as "basic"; guarded by mu
	answer  func(n int, form url.Values) (status int, body string)
	arrived chan struct{} // one for each request
	hold    chan struct{} // if set, requests wait until it is closed
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	i := &issuer{arrived: make(chan struct{}, 100)}
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		form := r.PostForm
		if user, password, ok := r.BasicAuth(); ok {
			form.Set("basic", user+" "+password)
		}
		i.mu.Lock()
		i.seen = append(i.seen, form)
		n, answer, hold := len(i.seen), i.answer, i.hold
		i.mu.Unlock()
		i.arrived <- struct{}{}
		if hold != nil {
			<-hold
		}
		status, body := 200, fmt.Sprintf(`{"access_token": "token-%d", "token_type": "Bearer", "expires_in": 3600}`, n)
		if answer != nil {
			status, body = answer(n, form)
		}
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	t.Cleanup(i.Close)
	return i
}

func (i *issuer) forms() []url.Values {
	i.mu.Lock()
	defer i.mu.Unlock()
	return append([]url.Values(nil), i.seen...)
}

// clockwork is a time that tests move.
type clockwork struct {
	mu sync.Mutex
	at time.Time
}

func (c *clockwork) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clockwork) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// bearer applies an auth and returns the token that the request carries.
func bearer(t *testing.T, k *Keeper, a Auth, s Scope) string {
	t.Helper()
	r := request(t)
	if err := k.Apply(t.Context(), a, s, r); err != nil {
		t.Fatal(err)
	}
	return strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
}

func request(t *testing.T) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", "http://api.test/", nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestClientCredentials(t *testing.T) {
	i := newIssuer(t)
	s := &surroundings{secrets: map[string]string{"client": "s3:cret/+"}}
	a := Auth{Type: OAuth2, TokenURL: i.URL + "/token", ClientID: "the client", Secret: "client", Scopes: []string{"read", "write"}, Params: map[string]string{"audience": "api"}}
	for n, where := range []string{"", clientHeader, clientBody} {
		a.ClientAuth = where
		if got, want := bearer(t, NewKeeper(Config{}), a, s), fmt.Sprint("token-", n+1); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		form := i.forms()[n]
		want := url.Values{"grant_type": {"client_credentials"}, "scope": {"read write"}, "audience": {"api"}}
		if where == clientBody {
			want["client_id"], want["client_secret"] = []string{"the client"}, []string{"s3:cret/+"}
		} else { // form-encoded inside of Basic: RFC 6749, section 2.3.1
			want["basic"] = []string{"the+client s3%3Acret%2F%2B"}
		}
		if form.Encode() != want.Encode() {
			t.Errorf("%q: sent %v, want %v", where, form, want)
		}
		if !s.hides(fmt.Sprint("token-", n+1)) {
			t.Error("the token is not hidden")
		}
	}
	if !s.hides(base64.StdEncoding.EncodeToString([]byte("the+client:s3%3Acret%2F%2B"))) {
		t.Error("the client's credentials are not hidden as they are sent")
	}
}

// A token is used until shortly before its end, and hidden in every call's
// scope, also in those that did not fetch it.
func TestTokenIsKept(t *testing.T) {
	i := newIssuer(t)
	clock := &clockwork{at: noon}
	k := NewKeeper(Config{Now: clock.now})
	a := Auth{Type: OAuth2, TokenURL: i.URL, ClientID: "c", Secret: "client"}
	for _, step := range []struct {
		pass time.Duration
		want string
	}{
		{0, "token-1"}, {time.Minute, "token-1"}, {57*time.Minute + 59*time.Second, "token-1"}, {time.Second, "token-2"}, {0, "token-2"}, {2 * time.Hour, "token-3"},
	} {
		clock.pass(step.pass)
		s := &surroundings{secrets: map[string]string{"client": "secret"}}
		got := bearer(t, k, a, s)
		if got != step.want || !s.hides(got) {
			t.Errorf("after %s: %q, hidden %v; want %q", step.pass, got, s.hides(got), step.want)
		}
	}
	// A changed secret asks anew, and so does another auth.
	if got := bearer(t, k, a, &surroundings{secrets: map[string]string{"client": "changed"}}); got != "token-4" {
		t.Errorf("with a changed secret: %q", got)
	}
	a.Scopes = []string{"more"}
	if got := bearer(t, k, a, &surroundings{secrets: map[string]string{"client": "changed"}}); got != "token-5" {
		t.Errorf("with other scopes: %q", got)
	}
	// A life that is not said, or said as text, or short.
	for _, c := range []struct {
		expires string
		lasts   time.Duration // it is still used
		over    time.Duration // it is not used any more; 0: never
	}{
		{`null`, 1000 * time.Hour, 0}, {`"600"`, 8*time.Minute + 59*time.Second, 9 * time.Minute}, {`10`, 7 * time.Second, 8 * time.Second}, {`-1`, time.Hour, 0}, {`1e300`, time.Hour, 0},
	} {
		i.mu.Lock()
		i.answer = func(n int, _ url.Values) (int, string) {
			return 200, fmt.Sprintf(`{"access_token": "token-%d", "expires_in": %s}`, n, c.expires)
		}
		i.mu.Unlock()
		clock := &clockwork{at: noon}
		k := NewKeeper(Config{Now: clock.now})
		s := &surroundings{secrets: map[string]string{"client": "secret"}}
		first := bearer(t, k, a, s)
		clock.pass(c.lasts)
		if got := bearer(t, k, a, s); got != first {
			t.Errorf("expires_in %s: not used after %s", c.expires, c.lasts)
		}
		if c.over > 0 {
			clock.pass(c.over - c.lasts)
			if got := bearer(t, k, a, s); got == first {
				t.Errorf("expires_in %s: still used after %s", c.expires, c.over)
			}
		}
	}
}

// However many calls need a token, one request is made; a call that is stopped
// does not take it from the others.
func TestSingleFlight(t *testing.T) {
	i := newIssuer(t)
	i.hold = make(chan struct{})
	k := NewKeeper(Config{})
	a := Auth{Type: OAuth2, TokenURL: i.URL, ClientID: "c", Secret: "client"}
	s := &surroundings{secrets: map[string]string{"client": "secret"}}
	stopped, stop := context.WithCancel(t.Context())
	first := make(chan error, 1)
	go func() { first <- k.Apply(stopped, a, s, request(t)) }()
	<-i.arrived
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			r := request(t)
			if err := k.Apply(t.Context(), a, s, r); err != nil || r.Header.Get("Authorization") != "Bearer token-1" {
				t.Error(r.Header, err)
			}
		})
	}
	stop()
	var failure *abi.Error
	if err := <-first; !errors.As(err, &failure) || failure.Code != abi.CodeTimeout {
		t.Errorf("the stopped call: %v", err)
	}
	close(i.hold)
	wg.Wait()
	if n := len(i.forms()); n != 1 {
		t.Errorf("%d token requests", n)
	}
}

// A refused token is replaced once; one that was replaced meanwhile stays.
func TestRenewable(t *testing.T) {
	i := newIssuer(t)
	k := NewKeeper(Config{})
	a := Auth{Type: OAuth2, TokenURL: i.URL, ClientID: "c", Secret: "client"}
	s := &surroundings{secrets: map[string]string{"client": "secret"}}
	old := request(t)
	if k.Renewable(a, old) {
		t.Error("there was no token to renew")
	}
	if err := k.Apply(t.Context(), a, s, old); err != nil {
		t.Fatal(err)
	}
	if !k.Renewable(a, old) {
		t.Error("a refused token is not renewed")
	}
	if got := bearer(t, k, a, s); got != "token-2" {
		t.Errorf("after a refusal: %q", got)
	}
	if !k.Renewable(a, old) { // another call was refused with the same old token
		t.Error("the other call is not repeated")
	}
	if got := bearer(t, k, a, s); got != "token-2" {
		t.Errorf("a token that nobody refused was dropped: %q", got)
	}
	if k.Renewable(Auth{Type: Bearer, Secret: "client"}, old) {
		t.Error("a configured token can't be renewed")
	}
}

// An API that refuses whatever token it is shown costs one more, not one with
// each call; after a while the next is tried.
func TestRefusesAllTokens(t *testing.T) {
	i, clock := newIssuer(t), &clockwork{at: noon}
	k := NewKeeper(Config{Now: clock.now})
	a := Auth{Type: OAuth2, TokenURL: i.URL, ClientID: "c", Secret: "client"}
	s := &surroundings{secrets: map[string]string{"client": "secret"}}
	calls := func() {
		for range 20 {
			for again := true; again; {
				r := request(t)
				if err := k.Apply(t.Context(), a, s, r); err != nil {
					t.Fatal(err)
				}
				again = k.Renewable(a, r)
			}
		}
	}
	calls()
	if n := len(i.forms()); n != 2 {
		t.Errorf("20 calls: %d token requests, want 2", n)
	}
	clock.pass(renewedFor)
	calls()
	if n := len(i.forms()); n != 3 {
		t.Errorf("and 20 later: %d token requests, want 3", n)
	}
}

// memoryVault is a vault that can fail.
type memoryVault struct {
	mu     sync.Mutex
	kept   map[string]string
	broken bool
}

func (v *memoryVault) Get(name string) (string, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.kept[name], nil
}

func (v *memoryVault) Put(name, value string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.broken {
		return errors.New("disk full")
	}
	v.kept[name] = value
	return nil
}

// rotating answers as a server that ends a refresh token with each use.
func rotating(i *issuer) {
	valid := "first"
	i.answer = func(n int, form url.Values) (int, string) {
		if form.Get("grant_type") != "refresh_token" || form.Get("refresh_token") != valid {
			return 400, `{"error": "invalid_grant", "error_description": "canary"}`
		}
		valid = fmt.Sprint("refresh-", n)
		return 200, fmt.Sprintf(`{"access_token": "token-%d", "expires_in": 60, "refresh_token": %q}`, n, valid)
	}
}

// A rotated refresh token takes the place of the configured one, over
// restarts, until the operator configures another.
func TestRotatedRefreshToken(t *testing.T) {
	i := newIssuer(t)
	rotating(i)
	clock := &clockwork{at: noon}
	vault := &memoryVault{kept: map[string]string{}}
	k := NewKeeper(Config{Vault: vault, Now: clock.now})
	a := Auth{Type: OAuth2, Grant: grantRefresh, TokenURL: i.URL, ClientID: "c", RefreshToken: "refresh"}
	s := &surroundings{secrets: map[string]string{"refresh": "first"}}
	for n := 1; n <= 3; n++ {
		if got, want := bearer(t, k, a, s), fmt.Sprint("token-", n); got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
		// Also in a call that did not fetch it.
		later := &surroundings{secrets: map[string]string{"refresh": "first"}}
		if bearer(t, k, a, later); !s.hides(fmt.Sprint("refresh-", n)) || !later.hides(fmt.Sprint("refresh-", n)) {
			t.Error("the rotated token is not hidden")
		}
		clock.pass(time.Minute)
	}
	if form := i.forms()[0]; form.Get("client_id") != "c" || form.Has("client_secret") || form.Has("basic") {
		t.Errorf("a public client sends %v", form)
	}
	k = NewKeeper(Config{Vault: vault, Now: clock.now}) // a restart
	if got := bearer(t, k, a, s); got != "token-4" {
		t.Errorf("after a restart: %q", got)
	}
	// The vault fails: the process goes on with what it was given, and says so.
	var log bytes.Buffer
	k = NewKeeper(Config{Vault: vault, Now: clock.now, Log: slog.New(slog.NewTextHandler(&log, nil))})
	vault.broken = true
	for range 2 {
		bearer(t, k, a, s)
		clock.pass(time.Minute)
	}
	if !strings.Contains(log.String(), "disk full") || strings.Contains(log.String(), "refresh-") {
		t.Errorf("the log is %s", log.String())
	}
	vault.broken = false
	// The operator authorised again.
	s.set("refresh", "second")
	i.mu.Lock()
	i.answer = func(n int, form url.Values) (int, string) {
		if form.Get("refresh_token") != "second" {
			return 400, `{"error": "invalid_grant"}`
		}
		return 200, `{"access_token": "token-new"}`
	}
	i.mu.Unlock()
	if got := bearer(t, k, a, s); got != "token-new" {
		t.Errorf("with another configured token: %q", got)
	}
}

func TestRefusedTokens(t *testing.T) {
	i := newIssuer(t)
	s := &surroundings{secrets: map[string]string{"client": "canary-secret", "refresh": "canary-refresh"}}
	client := Auth{Type: OAuth2, TokenURL: i.URL + "/t?q=1", ClientID: "c", Secret: "client"}
	refresh := Auth{Type: OAuth2, Grant: grantRefresh, TokenURL: i.URL, ClientID: "c", RefreshToken: "refresh"}
	for _, c := range []struct {
		auth       Auth
		status     int
		body       string
		code, text string
	}{
		{client, 401, `{"error": "invalid_client", "error_description": "canary-secret"}`, CodeUnauthorized, "invalid_client"},
		{client, 400, `{"error": "canary-secret"}`, CodeUnauthorized, "[redacted]"},
		{client, 302, ``, CodeUnauthorized, "status 302"},
		{client, 503, `{}`, abi.CodeUnreachable, "503"},
		{client, 429, `{}`, abi.CodeUnreachable, "429"},
		{client, 200, `<html>`, abi.CodeInvalid, "access_token"},
		{client, 200, `{}`, abi.CodeInvalid, "access_token"},
		{client, 200, `{"access_token": "x", "token_type": "mac"}`, abi.CodeInvalid, "mac"},
		{client, 200, `{"access_token": "x\r\nX-Injected: 1"}`, abi.CodeInvalid, "no header can carry"},
		{refresh, 400, `{"error": "invalid_grant"}`, CodeUnauthorized, "store the new one as secret refresh"},
	} {
		i.answer = func(int, url.Values) (int, string) { return c.status, c.body }
		err := NewKeeper(Config{}).Apply(t.Context(), c.auth, s, request(t))
		var failure *abi.Error
		if !errors.As(err, &failure) || failure.Code != c.code || !strings.Contains(failure.Message, c.text) || strings.Contains(failure.Message, "canary") || strings.Contains(failure.Message, "q=1") {
			t.Errorf("%d %s: %v", c.status, c.body, err)
		}
	}
	for _, a := range []Auth{{Type: OAuth2, TokenURL: i.URL, ClientID: "c", Secret: "nowhere"}, {Type: OAuth2, Grant: grantRefresh, TokenURL: i.URL, ClientID: "c", RefreshToken: "nowhere"}} {
		before := len(i.forms())
		var failure *abi.Error
		if err := NewKeeper(Config{}).Apply(t.Context(), a, s, request(t)); !errors.As(err, &failure) || failure.Code != abi.CodeNoSecret || len(i.forms()) != before {
			t.Errorf("without a secret: %v", err)
		}
	}
}

// A token endpoint that refuses is not asked again by each call, until some
// minutes have passed or a secret changes; one that can't be reached is.
func TestRefusalIsKept(t *testing.T) {
	i := newIssuer(t)
	clock := &clockwork{at: noon}
	k := NewKeeper(Config{Now: clock.now})
	s := &surroundings{secrets: map[string]string{}}
	a := Auth{Type: OAuth2, Grant: grantRefresh, TokenURL: i.URL, ClientID: "c", RefreshToken: "refresh"}
	answers := func(status int) {
		i.mu.Lock()
		defer i.mu.Unlock()
		i.answer = func(int, url.Values) (int, string) {
			return status, `{"error": "invalid_grant", "access_token": "token"}`
		}
	}
	for n, step := range []struct {
		pass    time.Duration
		refresh string
		status  int
		asked   int // so far
		refused bool
	}{
		{0, "first", 400, 1, true}, {0, "first", 400, 1, true}, {refusedFor - 1, "first", 400, 1, true}, {1, "first", 400, 2, true},
		{0, "second", 400, 3, true}, {0, "third", 503, 4, false}, {0, "third", 503, 5, false}, {0, "third", 401, 6, true},
		{refusedFor, "third", 200, 7, false}, {0, "third", 200, 7, false}, {0, "fourth", 400, 8, true},
	} {
		clock.pass(step.pass)
		s.set("refresh", step.refresh)
		answers(step.status)
		err := k.Apply(t.Context(), a, s, request(t))
		var failure *abi.Error
		if refused := errors.As(err, &failure) && failure.Code == CodeUnauthorized && !failure.Retryable; refused != step.refused || (err == nil) != (step.status == 200) {
			t.Errorf("%d, %+v: %v", n, step, err)
		}
		if asked := len(i.forms()); asked != step.asked {
			t.Errorf("%d, %+v: asked %d times", n, step, asked)
		}
		if told := k.Refused(a, s.Open); (told != nil) != step.refused {
			t.Errorf("%d, %+v: it is told that %v", n, step, told)
		}
	}
	clock.pass(time.Hour) // nobody has called since
	if k.Refused(a, s.Open) == nil {
		t.Error("after a while without a call nobody is told of the refusal")
	}
	s.set("refresh", "fifth")
	if told := k.Refused(a, s.Open); told != nil {
		t.Errorf("with another secret it is told that %v", told)
	}
}
