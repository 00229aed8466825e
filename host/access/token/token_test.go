package token

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/trama-run/trama/host/egress"
	"github.com/trama-run/trama/host/secret"
)

// claims are those of a token that is taken at a time.
func claims(now time.Time) jwt.MapClaims {
	return jwt.MapClaims{"iss": "i", "aud": "a", "sub": "s", "exp": now.Add(time.Hour).Unix(), "scope": "orders.read orders.write"}
}

// sign signs claims; header adds to the header.
func sign(t testing.TB, algorithm string, key any, claims jwt.MapClaims, header ...map[string]any) string {
	t.Helper()
	made := jwt.NewWithClaims(jwt.GetSigningMethod(algorithm), claims)
	for _, h := range header {
		maps.Copy(made.Header, h)
	}
	text, err := made.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func rsaKey(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	t.Setenv("GODEBUG", "rsa1024min=0")
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func pemOf(t testing.TB, public any) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// clock is a checker with a clock that stands.
type clock struct {
	*Checker
	now time.Time
}

func newClock(t testing.TB, environ ...string) *clock {
	t.Helper()
	c := &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	secrets := secret.New(environ, "")
	client := egress.New(egress.Config{Secrets: secrets})
	t.Cleanup(client.Close)
	c.Checker = NewChecker(secrets, client, func() time.Time { return c.now })
	return c
}

// try says how a check ends: "", "refused" or "unavailable".
func (c *clock) try(t testing.TB, j *JWT, text string) string {
	t.Helper()
	_, err := c.Check(t.Context(), j, text)
	if _, is := errors.AsType[*UnavailableError](err); is {
		return "unavailable"
	}
	if err != nil {
		return "refused"
	}
	return ""
}

func TestCheck(t *testing.T) {
	const shared = "0123456789abcdef0123456789abcdef"
	r := newClock(t, "TRAMA_SECRET_TOKENS="+shared, "TRAMA_SECRET_SHORT=short")
	private, other := rsaKey(t, 2048), rsaKey(t, 2048)
	public := pemOf(t, private.Public())
	var key PublicKey
	if err := key.UnmarshalText([]byte(public)); err != nil {
		t.Fatal(err)
	}
	hs := JWT{Issuer: "i", Audience: "a", Algorithms: []string{"HS256"}, Secret: "tokens"}
	rs := JWT{Issuer: "i", Audience: "a", Algorithms: []string{"RS256", "PS256"}, Keys: []PublicKey{key}}
	short, missing := hs, hs
	short.Secret, missing.Secret = "short", "missing"
	with := func(change func(jwt.MapClaims)) jwt.MapClaims {
		c := claims(r.now)
		change(c)
		return c
	}
	for _, c := range []struct {
		name  string
		j     JWT
		token string
		want  string
	}{
		{"HS256", hs, sign(t, "HS256", []byte(shared), claims(r.now)), ""},
		{"RS256", rs, sign(t, "RS256", private, claims(r.now)), ""},
		{"PS256", rs, sign(t, "PS256", private, claims(r.now)), ""},
		{"an algorithm that is not named", rs, sign(t, "RS512", private, claims(r.now)), "refused"},
		{"none", hs, sign(t, "none", jwt.UnsafeAllowNoneSignatureType, claims(r.now)), "refused"},
		{"the public key as a secret", rs, sign(t, "HS256", []byte(public), claims(r.now)), "refused"},
		{"another secret", hs, sign(t, "HS256", []byte(strings.Repeat("x", 32)), claims(r.now)), "refused"},
		{"another key", rs, sign(t, "RS256", other, claims(r.now)), "refused"},
		{"another issuer", hs, sign(t, "HS256", []byte(shared), with(func(c jwt.MapClaims) { c["iss"] = "x" })), "refused"},
		{"no issuer", hs, sign(t, "HS256", []byte(shared), with(func(c jwt.MapClaims) { delete(c, "iss") })), "refused"},
		{"another audience", hs, sign(t, "HS256", []byte(shared), with(func(c jwt.MapClaims) { c["aud"] = []string{"x", "y"} })), "refused"},
		{"one of several audiences", hs, sign(t, "HS256", []byte(shared), with(func(c jwt.MapClaims) { c["aud"] = []string{"x", "a"} })), ""},
		{"expired", hs, sign(t, "HS256", []byte(shared), with(func(c jwt.MapClaims) { c["exp"] = r.now.Add(-leeway - time.Second).Unix() })), "refused"},
		{"expired within the leeway", hs, sign(t, "HS256", []byte(shared), with(func(c jwt.MapClaims) { c["exp"] = r.now.Add(time.Second - leeway).Unix() })), ""},
		{"without an end", hs, sign(t, "HS256", []byte(shared), with(func(c jwt.MapClaims) { delete(c, "exp") })), "refused"},
		{"not yet", hs, sign(t, "HS256", []byte(shared), with(func(c jwt.MapClaims) { c["nbf"] = r.now.Add(leeway + time.Second).Unix() })), "refused"},
		{"nearly", hs, sign(t, "HS256", []byte(shared), with(func(c jwt.MapClaims) { c["nbf"] = r.now.Add(leeway - time.Second).Unix() })), ""},
		{"critical extensions", hs, sign(t, "HS256", []byte(shared), claims(r.now), map[string]any{"crit": []string{"x"}, "x": 1}), "refused"},
		{"a long token", hs, sign(t, "HS256", []byte(shared), with(func(c jwt.MapClaims) { c["x"] = strings.Repeat("x", maxToken) })), "refused"},
		{"rubbish", hs, "a.b.c", "refused"},
		{"a secret that is too short", short, sign(t, "HS256", []byte("short"), claims(r.now)), "unavailable"},
		{"no secret", missing, sign(t, "HS256", []byte(shared), claims(r.now)), "unavailable"},
	} {
		if got := r.try(t, &c.j, c.token); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	got, err := r.Check(t.Context(), &hs, sign(t, "HS256", []byte(shared), with(func(c jwt.MapClaims) { c["list"] = []any{1, 1.5} })))
	if want := map[string]any{"iss": "i", "aud": "a", "sub": "s", "exp": r.now.Add(time.Hour).Unix(), "scope": "orders.read orders.write", "list": []any{int64(1), 1.5}}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("claims %v, %v; want %v", got, err, want)
	}
}

func TestScopes(t *testing.T) {
	for _, c := range []struct {
		claim  string
		claims map[string]any
		want   string
	}{
		{"", map[string]any{"scope": "b a"}, "a b"},
		{"", map[string]any{"scp": []any{"a", "b", 1}}, "a b"},
		{"", map[string]any{"scp": "a b", "scope": "a"}, "a b"},
		{"", map[string]any{"may": "a"}, ""},
		{"may", map[string]any{"may": []any{"a"}, "scope": "b"}, "a"},
		{"may", map[string]any{"may": 1}, ""},
	} {
		j := JWT{ScopesClaim: c.claim}
		if got := strings.Join(j.Scopes(c.claims), " "); got != c.want {
			t.Errorf("%v by %q: %q, want %q", c.claims, c.claim, got, c.want)
		}
	}
}

// issuer serves a key set that a test changes.
type issuer struct {
	*httptest.Server
	mu     sync.Mutex
	body   string
	status int
	hits   atomic.Int64
	gate   chan struct{} // answers wait for it, if it is set
}

func newIssuer(t *testing.T) *issuer {
	i := &issuer{status: 200}
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		i.hits.Add(1)
		i.mu.Lock()
		body, status, gate := i.body, i.status, i.gate
		i.mu.Unlock()
		if gate != nil {
			<-gate
		}
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	t.Cleanup(i.Close)
	return i
}

func (i *issuer) set(status int, keys ...map[string]any) {
	i.mu.Lock()
	defer i.mu.Unlock()
	data, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		panic(err)
	}
	i.status, i.body = status, string(data)
}

func b64(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

func rsaJWK(key *rsa.PrivateKey, id string) map[string]any {
	return map[string]any{"kty": "RSA", "kid": id, "use": "sig", "n": b64(key.N.Bytes()), "e": b64(big.NewInt(int64(key.E)).Bytes())}
}

func TestKeySets(t *testing.T) {
	r := newClock(t)
	i := newIssuer(t)
	one, two := rsaKey(t, 2048), rsaKey(t, 2048)
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	edPublic, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := curve.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	j := &JWT{Issuer: "i", Audience: "a", Algorithms: []string{"RS256", "ES256", "EdDSA"}, JWKS: i.URL + "/keys"}
	try := func(algorithm string, key any, kid string) string {
		t.Helper()
		header := map[string]any{}
		if kid != "" {
			header["kid"] = kid
		}
		return r.try(t, j, sign(t, algorithm, key, claims(r.now), header))
	}
	hits := func(want int64) {
		t.Helper()
		if got := i.hits.Load(); got != want {
			t.Fatalf("the keys were fetched %d times, want %d", got, want)
		}
	}

	i.set(500)
	for range 5 {
		if got := try("RS256", one, "1"); got != "unavailable" {
			t.Fatal(got)
		}
	}
	hits(1) // what fails is not asked for again at once

	i.set(200, rsaJWK(one, "1"),
		map[string]any{"kty": "EC", "crv": "P-256", "kid": "ec", "x": b64(point[1:33]), "y": b64(point[33:])},
		map[string]any{"kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": b64(edPublic)})
	r.now = r.now.Add(jwksPause)
	if got := try("RS256", one, "1"); got != "" {
		t.Fatal(got)
	}
	for _, c := range []struct {
		algorithm string
		key       any
		kid, want string
	}{
		{"RS256", one, "", ""}, {"ES256", curve, "ec", ""}, {"EdDSA", ed, "ed", ""}, {"ES256", curve, "", ""},
		{"RS256", two, "1", "refused"}, {"RS256", one, "ec", "refused"},
	} {
		if got := try(c.algorithm, c.key, c.kid); got != c.want {
			t.Errorf("%s with kid %q: %q, want %q", c.algorithm, c.kid, got, c.want)
		}
	}
	hits(2)

	i.set(200, rsaJWK(two, "2"))
	for range 5 { // an unknown id asks once a while, and is told from a wrong signature until then
		if _, err := r.Check(t.Context(), j, sign(t, "RS256", two, claims(r.now), map[string]any{"kid": "2"})); !errors.Is(err, ErrUnknownKey) {
			t.Fatal(err)
		}
	}
	hits(2)
	r.now = r.now.Add(jwksPause)
	if got := try("RS256", two, "2"); got != "" {
		t.Fatal(got)
	}
	hits(3)
	r.now = r.now.Add(jwksPause)
	if got := try("RS256", one, "1"); got != "refused" {
		t.Errorf("a key that the issuer took back: %q", got)
	}
	hits(4)

	// Keys that are old are fetched beside the calls, and serve until then.
	i.set(503)
	r.now = r.now.Add(jwksFresh)
	if got := try("RS256", two, "2"); got != "" {
		t.Fatal(got)
	}
	set := r.sets.of(i.URL + "/keys")
	for {
		set.mu.Lock()
		flight := set.flight
		set.mu.Unlock()
		if flight == nil {
			break
		}
		<-flight
	}
	hits(5)
	if got := try("RS256", two, "2"); got != "" {
		t.Fatalf("the issuer is down: %s", got)
	}
	r.now = r.now.Add(jwksStale)
	if got := try("RS256", two, "2"); got != "unavailable" {
		t.Errorf("keys that are too old: %q", got)
	}
}

// TestOneFetch: however many calls wait for keys, one request goes out.
func TestOneFetch(t *testing.T) {
	r := newClock(t)
	i := newIssuer(t)
	i.gate = make(chan struct{})
	key := rsaKey(t, 2048)
	i.set(200, rsaJWK(key, "1"))
	j := &JWT{Issuer: "i", Audience: "a", Algorithms: []string{"RS256"}, JWKS: i.URL}
	text := sign(t, "RS256", key, claims(r.now), map[string]any{"kid": "1"})
	var calls sync.WaitGroup
	for range 50 {
		calls.Go(func() {
			if got := r.try(t, j, text); got != "" {
				t.Error(got)
			}
		})
	}
	close(i.gate)
	if calls.Wait(); i.hits.Load() != 1 {
		t.Errorf("%d requests", i.hits.Load())
	}
}

func TestParseJWKS(t *testing.T) {
	key := rsaKey(t, 2048)
	small := rsaKey(t, 1024)
	good := rsaJWK(key, "1")
	with := func(name string, value any) map[string]any {
		changed := maps.Clone(good)
		changed[name] = value
		return changed
	}
	for _, c := range []struct {
		name string
		key  map[string]any
		ok   bool
	}{
		{"good", good, true},
		{"for encryption", with("use", "enc"), false},
		{"for signing alone", with("key_ops", []string{"sign"}), false},
		{"for verifying", with("key_ops", []string{"verify"}), true},
		{"a short key", rsaJWK(small, "1"), false},
		{"an even exponent", with("e", "Ag"), false},
		{"an exponent of one", with("e", "AQ"), false},
		{"a secret", map[string]any{"kty": "oct", "k": "abcd"}, false},
		{"a point that is not on the curve", map[string]any{"kty": "EC", "crv": "P-256", "x": b64(make([]byte, 32)), "y": b64(make([]byte, 32))}, false},
		{"a short coordinate", map[string]any{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}, false},
		{"an unknown curve", map[string]any{"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA"}, false},
		{"an Ed25519 key of the wrong length", map[string]any{"kty": "OKP", "crv": "Ed25519", "x": "AA"}, false},
		{"X25519", map[string]any{"kty": "OKP", "crv": "X25519", "x": b64(make([]byte, 32))}, false},
	} {
		data, err := json.Marshal(map[string]any{"keys": []any{c.key}})
		if err != nil {
			t.Fatal(err)
		}
		if keys, err := parseJWKS(data); (err == nil) != c.ok || c.ok && len(keys) != 1 {
			t.Errorf("%s: %d keys, %v", c.name, len(keys), err)
		}
	}
	for _, bad := range []string{"", "[]", `{"keys": 1}`, `{"keys": []}`, `{"keys": [{"kty": "RSA", "n": "%%%"}]}`, `{"keys":[` + strings.Repeat(`{},`, jwksKeys) + `{}]}`} {
		if keys, err := parseJWKS([]byte(bad)); err == nil {
			t.Errorf("%.40s: %d keys", bad, len(keys))
		}
	}
}

// FuzzAuthorization: no header panics the check, and none is let in but the one
// that was signed.
func FuzzAuthorization(f *testing.F) {
	const shared = "0123456789abcdef0123456789abcdef"
	r := newClock(f, "TRAMA_SECRET_TOKENS="+shared)
	good := sign(f, "HS256", []byte(shared), claims(r.now))
	for _, seed := range []string{"Bearer " + good, "Bearer a.b.c", "Bearer " + sign(f, "none", jwt.UnsafeAllowNoneSignatureType, claims(r.now)), "Basic YTpi", "bearer", ""} {
		f.Add(seed)
	}
	j := &JWT{Issuer: "i", Audience: "a", Algorithms: []string{"HS256"}, Secret: "tokens"}
	f.Fuzz(func(t *testing.T, header string) {
		text, ok := Bearer(header)
		if got := r.try(t, j, text); (got == "") != (ok && text == good) {
			t.Errorf("%q: %q", header, got)
		}
	})
}

// FuzzJWKS: whatever an issuer sends gives keys that serve, or an error.
func FuzzJWKS(f *testing.F) {
	for _, seed := range []string{`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}`, `{"keys":[{"kty":"EC","crv":"P-256","x":"","y":""}]}`, `{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		keys, err := parseJWKS(data)
		if (err == nil) != (len(keys) > 0) {
			t.Errorf("%d keys, %v", len(keys), err)
		}
		for _, k := range keys {
			if kind, err := kindOfKey(k.key); err != nil || kind != k.kind {
				t.Errorf("a key of kind %q: %q, %v", k.kind, kind, err)
			}
		}
	})
}
