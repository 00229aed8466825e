package access

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/trama-run/trama/host/egress"
	"github.com/trama-run/trama/host/problem"
	"github.com/trama-run/trama/host/secret"
	"github.com/trama-run/trama/host/source"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/host/store/memory"
)

// rig is a guard with its surroundings and a clock that stands.
type rig struct {
	*Guard
	t       testing.TB
	now     time.Time
	store   store.Store
	vault   *secret.Vault
	trusted []Network
	environ []string
	known   []Client
}

func newRig(t testing.TB, change ...func(*rig)) *rig {
	t.Helper()
	vault, err := secret.OpenVault(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), vault: vault}
	r.store = memory.Open(memory.NewDisk(), func() time.Time { return r.now })
	t.Cleanup(func() {
		if err := r.store.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, c := range change {
		c(r)
	}
	r.start()
	return r
}

// start begins anew, as a host does that was stopped.
func (r *rig) start() {
	r.t.Helper()
	secrets := secret.New(r.environ, "")
	client := egress.New(egress.Config{Secrets: secrets})
	r.t.Cleanup(client.Close)
	guard, err := New(context.Background(), Config{
		Trusted: r.trusted, Secrets: secrets, Vault: r.vault, Egress: client, Store: r.store,
		Now: func() time.Time { return r.now }, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.Guard = guard
	r.Update(r.known)
}

// client adds a client with one key, and gives the key's value and secret.
func (r *rig) client(c Client) (value, secret string) {
	r.t.Helper()
	key, value, secret := NewKey(r.now, c.Signed)
	if err := c.Add(key, r.now); err != nil {
		r.t.Fatal(err)
	}
	if problems := c.Validate(); len(problems) > 0 {
		r.t.Fatal(problems)
	}
	if c.Signed {
		if err := r.vault.Put(VaultName(c.Name, key.ID), secret); err != nil {
			r.t.Fatal(err)
		}
	}
	r.known = append(r.known, c)
	r.Update(r.known)
	return value, secret
}

// secured reads a security as a document has it.
func secured(t testing.TB, text string) Security {
	t.Helper()
	var document struct {
		Security Security `json:"security"`
	}
	if problems := source.Decode("test", []byte("security: "+text), &document); len(problems) > 0 {
		t.Fatal(problems)
	}
	if problems := document.Security.Validate(); len(problems) > 0 {
		t.Fatal(problems)
	}
	return document.Security
}

// asks gives a request from an address with headers as "name: value".
func asks(security Security, peer string, headers ...string) Request {
	return Request{Owner: "GET /a", Security: security, Peer: netip.MustParseAddr(peer), Method: "GET", Target: "/api/a", Headers: lines(headers...)}
}

// code gives what a check ended with: "" if the call was let in.
func code(refused *problem.Details) string {
	if refused == nil {
		return ""
	}
	return fmt.Sprintf("%d %s", refused.Status, refused.Code)
}

const here = "198.51.100.1"

func TestCheck(t *testing.T) {
	r := newRig(t, func(r *rig) { r.trusted = networks(t, "192.0.2.0/24") })
	erp, _ := r.client(Client{Name: "erp", Scopes: []string{"orders.read", "orders.write"}})
	shop, _ := r.client(Client{Name: "shop"})
	gone, _ := r.client(Client{Name: "gone"})
	old, _ := r.client(Client{Name: "old"})
	r.known[2].Keys[0].Revoked = r.now
	r.known[3].Keys[0].Expires = r.now
	r.Update(r.known)
	unknown := erp[:len(keyPrefix)] + "aaaaaaaa" + erp[len(keyPrefix)+keyIDLength:]
	wrong := erp[:len(erp)-1] + map[bool]string{true: "b", false: "a"}[erp[len(erp)-1] == 'a']
	for _, c := range []struct {
		name, security, peer string
		headers              []string
		want, client, ip     string
	}{
		{name: "nothing asked", peer: here, ip: here},
		{name: "public", security: "{public: true}", peer: here, headers: []string{"client_id: " + wrong}, ip: here},
		{name: "the address", security: "{ips: [198.51.100.0/24]}", peer: here, ip: here},
		{name: "another address", security: "{ips: [198.51.100.0/24]}", peer: "203.0.113.1", want: "403 forbidden"},
		{name: "an IPv6 address", security: `{ips: ["2001:db8::/32"]}`, peer: "2001:db8::7", ip: "2001:db8::7"},
		{name: "IPv4 in IPv6", security: "{ips: [198.51.100.1]}", peer: "::ffff:198.51.100.1", ip: here},
		{name: "an address that is made up", security: "{ips: [10.0.0.0/8]}", peer: here, headers: []string{"x-forwarded-for: 10.0.0.1"}, want: "403 forbidden"},
		{name: "behind a proxy", security: "{ips: [198.51.100.0/24]}", peer: "192.0.2.1", headers: []string{"x-forwarded-for: 10.0.0.1, 198.51.100.9"}, ip: "198.51.100.9"},
		{name: "made up behind a proxy", security: "{ips: [10.0.0.0/8]}", peer: "192.0.2.1", headers: []string{"x-forwarded-for: 10.0.0.1, 198.51.100.9"}, want: "403 forbidden"},
		{name: "a proxy that hides the caller is not the caller", security: "{ips: [192.0.2.0/24]}", peer: "192.0.2.1", headers: []string{"forwarded: for=unknown"}, want: "403 forbidden"},
		{name: "any client", security: "{clients: any}", peer: here, headers: []string{"client_id: " + shop}, client: "shop", ip: here},
		{name: "in the other spelling", security: "{clients: any}", peer: here, headers: []string{"client-id: " + shop}, client: "shop", ip: here},
		{name: "a named client", security: "{clients: [erp]}", peer: here, headers: []string{"client_id: " + erp}, client: "erp", ip: here},
		{name: "another client", security: "{clients: [erp]}", peer: here, headers: []string{"client_id: " + shop}, want: "403 forbidden"},
		{name: "no client", security: "{clients: any}", peer: here, want: "401 unauthorized"},
		{name: "an empty id", security: "{clients: any}", peer: here, headers: []string{"client_id: "}, want: "401 unauthorized"},
		{name: "an unknown id", security: "{clients: any}", peer: here, headers: []string{"client_id: " + unknown}, want: "401 unauthorized"},
		{name: "a wrong id", security: "{clients: any}", peer: here, headers: []string{"client_id: " + wrong}, want: "401 unauthorized"},
		{name: "an id in other case", security: "{clients: any}", peer: here, headers: []string{"client_id: " + strings.ToUpper(erp)}, want: "401 unauthorized"},
		{name: "the name is no id", security: "{clients: any}", peer: here, headers: []string{"client_id: erp"}, want: "401 unauthorized"},
		{name: "a hash is no id", security: "{clients: any}", peer: here, headers: []string{"client_id: " + r.known[0].Keys[0].Hash}, want: "401 unauthorized"},
		{name: "a revoked id", security: "{clients: any}", peer: here, headers: []string{"client_id: " + gone}, want: "401 unauthorized"},
		{name: "an expired id", security: "{clients: any}", peer: here, headers: []string{"client_id: " + old}, want: "401 unauthorized"},
		{name: "two ids", security: "{clients: any}", peer: here, headers: []string{"client_id: " + erp, "client_id: " + erp}, want: "400 duplicate_header"},
		{name: "two ids in both spellings", security: "{clients: any}", peer: here, headers: []string{"client_id: " + erp, "client-id: " + shop}, want: "400 duplicate_header"},
		{name: "two ids in one line", security: "{clients: any}", peer: here, headers: []string{"client_id: " + erp + ", " + erp}, want: "401 unauthorized"},
		{name: "a scope", security: "{clients: any, scopes: [orders.write]}", peer: here, headers: []string{"client_id: " + erp}, client: "erp", ip: here},
		{name: "one of two scopes is missing", security: "{clients: any, scopes: [orders.write, x]}", peer: here, headers: []string{"client_id: " + erp}, want: "403 forbidden"},
		{name: "a client without scopes", security: "{clients: any, scopes: [orders.write]}", peer: here, headers: []string{"client_id: " + shop}, want: "403 forbidden"},
		{name: "client and address", security: "{clients: [erp], ips: [198.51.100.1]}", peer: here, headers: []string{"client_id: " + erp}, client: "erp", ip: here},
		{name: "client from elsewhere", security: "{clients: [erp], ips: [198.51.100.1]}", peer: "203.0.113.1", headers: []string{"client_id: " + erp}, want: "403 forbidden"},
		{name: "the second way", security: "[{ips: [10.0.0.0/8]}, {clients: [erp]}]", peer: here, headers: []string{"client_id: " + erp}, client: "erp", ip: here},
		{name: "the first way", security: "[{ips: [198.51.100.0/24]}, {clients: [erp]}]", peer: here, ip: here},
		{name: "no way: credentials may help", security: "[{clients: [erp]}, {ips: [10.0.0.0/8]}]", peer: here, want: "401 unauthorized"},
		{name: "no way: nothing helps", security: "[{ips: [10.0.0.0/8]}, {clients: [erp]}]", peer: here, headers: []string{"client_id: " + shop}, want: "403 forbidden"},
		{name: "a signature is asked for", security: "{clients: [erp], signed: true}", peer: here, headers: []string{"client_id: " + erp}, want: "401 unauthorized"},
		{name: "a client that can't sign", security: "{signed: true}", peer: here, headers: []string{"client_id: " + erp, "trama-signature: " + Sign("", "12345678", r.now, "GET", "/api/a", nil)}, want: "401 unauthorized"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r.lockout = newLockout() // failures are another test's
			var security Security
			if c.security != "" {
				security = secured(t, c.security)
			}
			caller, refused := r.Check(t.Context(), asks(security, c.peer, c.headers...))
			if got := code(refused); got != c.want || caller.Client != c.client {
				t.Fatalf("%q as client %q, want %q as %q", got, caller.Client, c.want, c.client)
			}
			if c.ip != "" && caller.IP.String() != c.ip {
				t.Errorf("from %v, want %s", caller.IP, c.ip)
			}
			if refused != nil && strings.Contains(refused.Detail+fmt.Sprint(refused.Header), "erp") {
				t.Errorf("the answer tells who may call: %v", refused)
			}
		})
	}
}

// TestUnknownIsAsWrong: the answers to an id that is unknown, wrong, revoked or
// expired are the same, and so is the work: each is hashed and compared once.
func TestUnknownIsAsWrong(t *testing.T) {
	r := newRig(t)
	value, _ := r.client(Client{Name: "erp"})
	gone, _ := r.client(Client{Name: "gone"})
	r.known[1].Keys[0].Revoked = r.now
	r.Update(r.known)
	table := r.clients.Load()
	unknown := strings.Replace(value, r.known[0].Keys[0].ID, "aaaaaaaa", 1)
	if e, ok := table.find(unknown); ok || e != table.none {
		t.Error("an unknown id is not looked up as the one that is not there")
	}
	if e, ok := table.find(value[:len(value)-2] + "aa"); ok || e.client.Name != "erp" {
		t.Error("a wrong id is not compared with the key that it begins like")
	}
	if e, ok := table.find(value); !ok || e.client.Name != "erp" {
		t.Error("the id itself is not found")
	}
	var answers []string
	for _, sent := range []string{unknown, value[:len(value)-2] + "aa", gone, "", "x"} {
		_, refused := r.Check(t.Context(), asks(secured(t, "{clients: [erp]}"), here, "client_id: "+sent))
		answers = append(answers, string(refused.JSON())+fmt.Sprint(refused.Header))
	}
	for _, a := range answers {
		if a != answers[0] {
			t.Errorf("%s\nis not %s", a, answers[0])
		}
	}
}

func TestRotation(t *testing.T) {
	r := newRig(t)
	first, _ := r.client(Client{Name: "erp"})
	security := secured(t, "{clients: [erp]}")
	try := func(value string) string {
		_, refused := r.Check(t.Context(), asks(security, here, "client_id: "+value))
		return code(refused)
	}
	second, value, _ := NewKey(r.now, false)
	r.known[0].Keys[0].Expires = r.now.Add(time.Hour)
	if err := r.known[0].Add(second, r.now); err != nil {
		t.Fatal(err)
	}
	r.Update(r.known)
	if try(first) != "" || try(value) != "" {
		t.Error("both are taken while they overlap")
	}
	r.now = r.now.Add(time.Hour)
	if try(first) != "401 unauthorized" || try(value) != "" {
		t.Error("the first one ends")
	}
	for range 2 * maxKeys { // what ended makes room
		key, _, _ := NewKey(r.now, false)
		key.Revoked = r.now
		if err := r.known[0].Add(key, r.now); err != nil {
			t.Fatal(err)
		}
	}
	if r.Update(r.known); len(r.known[0].Keys) > maxKeys || try(value) != "" {
		t.Errorf("%d keys", len(r.known[0].Keys))
	}
	full := Client{Name: "full"}
	for range maxKeys {
		key, _, _ := NewKey(r.now, false)
		if err := full.Add(key, r.now); err != nil {
			t.Fatal(err)
		}
	}
	if err := full.Add(second, r.now); err == nil {
		t.Error("a client has more keys than it may")
	}
}

func TestLockout(t *testing.T) {
	r := newRig(t)
	value, _ := r.client(Client{Name: "erp"})
	other, _ := r.client(Client{Name: "other"})
	security := secured(t, "{clients: any}")
	try := func(peer, value string) string {
		_, refused := r.Check(t.Context(), asks(security, peer, "client_id: "+value))
		return code(refused)
	}
	if got := try(here, other); got != "" {
		t.Fatal(got)
	}
	for range failures.Calls {
		if got := try(here, "wrong"); got != "401 unauthorized" {
			t.Fatal(got)
		}
	}
	for range 100 {
		if _, refused := r.Check(t.Context(), asks(security, here)); code(refused) != "401 unauthorized" {
			t.Fatalf("a call without an id: %v", refused)
		}
	}
	if got := try(here, value); got != "" {
		t.Fatalf("as many failures as are allowed: %s", got)
	}
	r.lockout.good = newLRU[callerAt, time.Time](maxTrusted) // as if erp had not called
	if try(here, "wrong"); try(here, "wrong") != "429 locked_out" || try(here, value) != "429 locked_out" {
		t.Error("one more locks the address out, whatever it sends")
	}
	if got := try("203.0.113.1", value); got != "" {
		t.Errorf("another address: %s", got)
	}
	r.now = r.now.Add(lockedFor)
	if got := try(here, value); got != "" {
		t.Errorf("afterwards: %s", got)
	}
	for range failures.Calls + 2 {
		try(here, "wrong")
	}
	if try(here, "wrong") != "429 locked_out" || try(here, value) != "" || try(here, other) != "429 locked_out" {
		t.Error("who was let in from there within the hour is still")
	}
	for i := range failures.Calls + 2 { // one customer's network
		try(fmt.Sprintf("2001:db8::%x", i), "wrong")
	}
	if try("2001:db8::ffff", value) != "429 locked_out" || try("2001:db8:0:1::1", value) != "" {
		t.Error("IPv6 is counted by networks of 64 bits")
	}
}

// TestFlatMemory: thousands of addresses, unknown ids and callers are held in
// bounded memory.
func TestFlatMemory(t *testing.T) {
	const bound = 500
	r := newRig(t)
	r.limits.rates.max, r.limits.quotas.max, r.lockout.tries.max, r.lockout.good.max = bound, bound, bound, bound
	value, _ := r.client(Client{Name: "erp"})
	security := secured(t, "[{clients: any}]")
	public := secured(t, "{public: true, rate: 10/1m, quota: 100/1d}")
	for i := range 10 * bound {
		peer := fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255)
		if _, refused := r.Check(t.Context(), asks(security, peer, fmt.Sprintf("client_id: %s%08d_%052d", keyPrefix, i, i))); code(refused) != "401 unauthorized" {
			t.Fatal(refused)
		}
		if _, refused := r.Check(t.Context(), asks(public, peer)); refused != nil {
			t.Fatal(refused)
		}
		if _, refused := r.Check(t.Context(), asks(security, peer, "client_id: "+value)); refused != nil {
			t.Fatal(refused)
		}
		if i%bound == 0 {
			if err := r.limits.save(t.Context(), r.now); err != nil {
				t.Fatal(err)
			}
		}
	}
	for what, n := range map[string]int{
		"addresses that failed": len(r.lockout.tries.index), "callers that were let in": len(r.lockout.good.index),
		"rates": len(r.limits.rates.index), "quotas": len(r.limits.quotas.index),
	} {
		if n != bound {
			t.Errorf("%d %s are held, want %d", n, what, bound)
		}
	}
	if n := len(r.limits.unsaved); n > bound {
		t.Errorf("%d counts wait to be saved", n)
	}
}

// signed makes a token.
func signed(t testing.TB, key string, claims jwt.MapClaims) string {
	t.Helper()
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(key))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestToken(t *testing.T) {
	key := strings.Repeat("k", 32)
	r := newRig(t, func(r *rig) { r.environ = []string{"TRAMA_SECRET_TOKENS=" + key} })
	client, _ := r.client(Client{Name: "erp", Scopes: []string{"write"}})
	const jwks = "jwt: {issuer: i, audience: a, algorithms: [HS256], secret: tokens}"
	good := signed(t, key, jwt.MapClaims{"iss": "i", "aud": "a", "sub": "s", "scope": "read", "exp": r.now.Add(time.Hour).Unix()})
	for name, c := range map[string]struct {
		security string
		headers  []string
		want     string
	}{
		"a token":                          {"{" + jwks + "}", []string{"authorization: Bearer " + good}, ""},
		"in any case":                      {"{" + jwks + "}", []string{"authorization: bearer  " + good}, ""},
		"two":                              {"{" + jwks + "}", []string{"authorization: Bearer " + good, "authorization: Bearer " + good}, "400 duplicate_header"},
		"none":                             {"{" + jwks + "}", nil, "401 unauthorized"},
		"another scheme":                   {"{" + jwks + "}", []string{"authorization: Basic " + good}, "401 unauthorized"},
		"without a token":                  {"{" + jwks + "}", []string{"authorization: Bearer "}, "401 unauthorized"},
		"a wrong one":                      {"{" + jwks + "}", []string{"authorization: Bearer " + good + "x"}, "401 unauthorized"},
		"its scope":                        {"{" + jwks + ", scopes: [read]}", []string{"authorization: Bearer " + good}, ""},
		"another scope":                    {"{" + jwks + ", scopes: [write]}", []string{"authorization: Bearer " + good}, "403 forbidden"},
		"the client's scope is not its":    {"{clients: any, " + jwks + ", scopes: [write]}", []string{"client_id: " + client, "authorization: Bearer " + good}, "403 forbidden"},
		"a client with a token":            {"{clients: any, " + jwks + ", scopes: [read]}", []string{"client_id: " + client, "authorization: Bearer " + good}, ""},
		"a client without the token":       {"{clients: any, " + jwks + "}", []string{"client_id: " + client}, "401 unauthorized"},
		"a client or a token: the token":   {"[{clients: any}, {" + jwks + "}]", []string{"authorization: Bearer " + good}, ""},
		"keys that can't be had":           {"{" + strings.Replace(jwks, "tokens", "missing", 1) + "}", []string{"authorization: Bearer " + good}, "503 keys_unavailable"},
		"a way that works beside that one": {"[{" + strings.Replace(jwks, "tokens", "missing", 1) + "}, {clients: any}]", []string{"client_id: " + client, "authorization: Bearer " + good}, ""},
	} {
		r.lockout = newLockout()
		caller, refused := r.Check(t.Context(), asks(secured(t, c.security), here, c.headers...))
		if code(refused) != c.want || refused == nil && caller.Claims == nil && caller.Client == "" {
			t.Errorf("%s: %q as %+v, want %q", name, code(refused), caller, c.want)
		}
	}
	r.lockout = newLockout() // the cases come in any order
	_, refused := r.Check(t.Context(), asks(secured(t, "[{"+jwks+"}, {clients: any}]"), here))
	if refused.Header["WWW-Authenticate"] != `Bearer, Client header="client_id"` {
		t.Errorf("WWW-Authenticate: %q", refused.Header["WWW-Authenticate"])
	}
	security := secured(t, "{"+jwks+"}")
	r.lockout = newLockout() // which of the cases above was the last is chance
	for range failures.Calls + 2 {
		r.Check(t.Context(), asks(security, here, "authorization: Bearer a.b.c"))
	}
	if _, refused := r.Check(t.Context(), asks(security, here, "authorization: Bearer "+good)); code(refused) != "429 locked_out" {
		t.Errorf("tokens that are guessed: %v", refused)
	}
}

// TestUnknownKey: a token that names a key that its issuer does not have is
// refused as any other; it is no wrong credential, since it may have it soon.
func TestUnknownKey(t *testing.T) {
	issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "1", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`)
	}))
	defer issuer.Close()
	r := newRig(t)
	security := secured(t, `{jwt: {issuer: i, audience: a, algorithms: [EdDSA], jwks: "`+issuer.URL+`/keys"}}`)
	part := base64.RawURLEncoding.EncodeToString
	for i := range 3 * failures.Calls {
		text := part(fmt.Appendf(nil, `{"alg":"EdDSA","kid":"none%d"}`, i)) + "." + part([]byte(`{"iss":"i","aud":"a","exp":9999999999}`)) + "." + part(make([]byte, 64))
		if _, refused := r.Check(t.Context(), asks(security, here, "authorization: Bearer "+text)); code(refused) != "401 unauthorized" {
			t.Fatalf("call %d: %v", i, refused)
		}
	}
}

// TestTokenWithoutSubject: one is not taken for another.
func TestTokenWithoutSubject(t *testing.T) {
	const key = "0123456789abcdef0123456789abcdef"
	r := newRig(t, func(r *rig) { r.environ = []string{"TRAMA_SECRET_TOKENS=" + key} })
	security := secured(t, "{jwt: {issuer: i, audience: a, algorithms: [HS256], secret: tokens}, rate: 2/1m}")
	names := map[string]string{}
	for _, try := range []struct{ subject, who, want string }{
		{"", "abuser", ""}, {"", "abuser", ""}, {"", "abuser", "429 rate_limited"}, {"", "other", ""},
		{"s", "1", ""}, {"s", "2", ""}, {"s", "3", "429 rate_limited"}, {"t", "1", ""},
	} {
		claims := jwt.MapClaims{"iss": "i", "aud": "a", "azp": try.who, "exp": r.now.Add(time.Hour).Unix()}
		if try.subject != "" {
			claims["sub"] = try.subject
		}
		caller, refused := r.Check(t.Context(), asks(security, here, "authorization: Bearer "+signed(t, key, claims)))
		if code(refused) != try.want {
			t.Errorf("%s/%s: %q, want %q", try.subject, try.who, code(refused), try.want)
		}
		who := try.subject
		if who == "" {
			who = try.who
		}
		if before, known := names[who]; known && before != caller.Identity() || caller.Identity() == "" {
			t.Errorf("%s is %q, and was %q", who, caller.Identity(), before)
		}
		names[who] = caller.Identity()
	}
	if names["abuser"] == names["other"] || names["s"] == names["t"] {
		t.Errorf("two are one: %v", names)
	}
}

// BenchmarkCheck: "token" is one that came before, "new_token" one that did not.
func BenchmarkCheck(b *testing.B) {
	shared := strings.Repeat("k", 32)
	r := newRig(b, func(r *rig) { r.environ = []string{"TRAMA_SECRET_TOKENS=" + shared} })
	value, key := r.client(Client{Name: "erp", Signed: true, Scopes: []string{"a", "b"}, Rate: Rate{maxCalls, time.Second}, Quota: Rate{maxCalls, day}})
	r.trusted = networks(b, "192.0.2.0/24")
	r.start()
	body := []byte(strings.Repeat("x", 1000))
	client := "client_id: " + value
	token := func(i int) string {
		return "authorization: Bearer " + signed(b, shared, jwt.MapClaims{"iss": "i", "aud": "a", "sub": "s", "jti": i, "exp": r.now.Add(time.Hour).Unix()})
	}
	const jwts = "{jwt: {issuer: i, audience: a, algorithms: [HS256], secret: tokens}}"
	for _, c := range []struct {
		name, security string
		headers        []string
		each           func(i int) string // a header of each call
	}{
		{name: "public", security: "{public: true}"},
		{name: "ips", security: "{ips: [10.0.0.0/8, 198.51.100.0/24]}"},
		{name: "proxy", security: "{ips: [10.0.0.0/8, 198.51.100.0/24]}", headers: []string{"x-forwarded-for: 1.1.1.1, 198.51.100.1"}},
		{name: "client", security: "{clients: any}", headers: []string{client}},
		{name: "all", security: "{clients: [erp], ips: [198.51.100.0/24], scopes: [a], rate: 1000000000/1s, quota: 1000000000/1d}", headers: []string{client}},
		{name: "signed", security: "{signed: true}", headers: []string{client}, each: func(i int) string {
			return "trama-signature: " + Sign(key, fmt.Sprintf("%08d", i), r.now, "GET", "/api/a", body)
		}},
		{name: "token", security: jwts, headers: []string{token(0)}},
		{name: "new_token", security: jwts, each: token},
	} {
		security := secured(b, c.security)
		b.Run(c.name, func(b *testing.B) {
			r.used = newUsed(r.now.Add(-time.Hour), r.now, nil)
			b.ReportAllocs()
			headers := lines(c.headers...)
			var each [1024]func(string) []string // made at once: to stop the clock takes as long as several checks
			for i := range b.N {
				q := asks(security, here)
				q.Headers, q.Body = headers, body
				if c.name == "proxy" {
					q.Peer = netip.MustParseAddr("192.0.2.1")
				}
				if c.each != nil {
					if i%len(each) == 0 {
						b.StopTimer()
						for n := range each {
							each[n] = lines(append(c.headers[:len(c.headers):len(c.headers)], c.each(i+n))...)
						}
						b.StartTimer()
					}
					q.Headers = each[i%len(each)]
				}
				if _, refused := r.Check(b.Context(), q); refused != nil {
					b.Fatal(refused)
				}
			}
		})
	}
}
