package access

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// TestRefused: the operator learns why a call is refused, its caller only what
// schemes the route takes.
func TestRefused(t *testing.T) {
	const key = "0123456789abcdef0123456789abcdef"
	var log strings.Builder
	r := newRig(t, func(r *rig) { r.environ = []string{"TRAMA_SECRET_TOKENS=" + key} })
	r.Guard.config.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	erp, _ := r.client(Client{Name: "erp", Signed: true})
	shop, _ := r.client(Client{Name: "shop"})
	token := func(audience string) string {
		return "authorization: Bearer " + signed(t, key, jwt.MapClaims{"iss": "i", "aud": audience, "scope": "read", "exp": r.now.Add(time.Hour).Unix()})
	}
	const jwts = "jwt: {issuer: i, audience: a, algorithms: [HS256], secret: tokens}"
	const client = `Client header="client_id"`
	for name, c := range map[string]struct {
		security string
		headers  []string
		why      string
		schemes  string
	}{
		"nothing was sent":     {"{clients: any}", nil, "no client_id was sent", client},
		"an unknown key":       {"{clients: any}", []string{"client_id: trama_nonsense"}, "no client has a key of this id", client},
		"a wrong value":        {"{clients: any}", []string{"client_id: " + erp[:len(erp)-1] + "!"}, "the value is not the key's (client erp, key ", client},
		"another client":       {"{clients: [erp]}", []string{"client_id: " + shop}, "client shop is not one of those that may call", ""},
		"no signature":         {"{clients: any, signed: true}", []string{"client_id: " + erp}, "no signature was sent (client erp, key ", client + `, Signature header="trama-signature"`},
		"no secret to sign":    {"{clients: any, signed: true}", []string{"client_id: " + shop, "trama-signature: " + Sign("x", "nonce-nonce", r.now, "GET", "/", nil)}, "the key has no secret to sign with (client shop, key ", client + `, Signature header="trama-signature"`},
		"a wrong signature":    {"{clients: any, signed: true}", []string{"client_id: " + erp, "trama-signature: " + Sign("x", "nonce-nonce", r.now, "GET", "/", nil)}, "the signature is not that of the request", client + `, Signature header="trama-signature"`},
		"another audience":     {"{" + jwts + "}", []string{token("b")}, "audience", `Bearer error="invalid_token"`},
		"no token":             {"{" + jwts + "}", nil, "no token was sent", "Bearer"},
		"a scope is missing":   {"{" + jwts + ", scopes: [write]}", []string{token("a")}, `the scope write is missing among ["read"]`, `Bearer error="insufficient_scope", scope="write"`},
		"another address":      {"{ips: [10.0.0.0/8]}", nil, "it comes from " + here, ""},
		"a token, of two ways": {"[{clients: any}, {" + jwts + "}]", []string{token("b")}, "way 1: no client_id was sent; way 2: the token is not taken", client + `, Bearer error="invalid_token"`},
	} {
		r.lockout = newLockout()
		log.Reset()
		caller, refused := r.Check(t.Context(), asks(secured(t, c.security), here, c.headers...))
		if refused == nil || !strings.Contains(caller.Refused, c.why) || refused.Header["WWW-Authenticate"] != c.schemes {
			t.Errorf("%s: %q, %+v; want %q, %q", name, caller.Refused, refused, c.why, c.schemes)
			continue
		}
		if strings.Contains(refused.Detail, c.why) || !strings.Contains(log.String(), "call refused") {
			t.Errorf("%s: the caller gets %q, the log %q", name, refused.Detail, &log)
		}
	}
}

// TestLocked: what locks an address is logged once, and listed while it holds.
func TestLocked(t *testing.T) {
	var log strings.Builder
	r := newRig(t)
	r.Guard.config.Log = slog.New(slog.NewTextHandler(&log, nil))
	security := secured(t, "{clients: any}")
	for range failures.Calls + 5 {
		r.Check(t.Context(), asks(security, here, "client_id: wrong"))
	}
	if all := r.Locked(); len(all) != 1 || all[0].Address.String() != here || !all[0].Until.After(r.now) {
		t.Errorf("locked: %v", all)
	}
	if n := strings.Count(log.String(), "address locked out"); n != 1 {
		t.Errorf("it is logged %d times: %s", n, &log)
	}
	addr := r.Locked()[0].Address
	if r.Shut(addr, "hook:shop") == 0 {
		t.Error("another kind of caller is not locked out")
	}
	r.Passed(addr, "hook:shop")
	if r.Shut(addr, "hook:shop") != 0 || r.Shut(addr, "hook:other") == 0 {
		t.Error("who proved itself is locked out, or who did not is not")
	}
	r.now = r.now.Add(lockedFor)
	if all := r.Locked(); len(all) != 0 {
		t.Errorf("after a while: %v", all)
	}
}
