package access

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/trama-run/trama/host/problem"
)

func TestSigned(t *testing.T) {
	r := newRig(t)
	value, key := r.client(Client{Name: "erp", Signed: true})
	_, otherKey := r.client(Client{Name: "shop", Signed: true})
	security := secured(t, "{clients: [erp], signed: true}")
	start := r.now
	r.now = r.now.Add(time.Minute)
	body := []byte(`{"n": 1}`)
	nonces := 0
	nonce := func() string { nonces++; return fmt.Sprintf("nonce-%04d", nonces) }
	check := func(q Request, headers ...string) string {
		r.lockout = newLockout()
		q.Headers = lines(append(headers, "client_id: "+value)...)
		_, refused := r.Check(t.Context(), q)
		return code(refused)
	}
	request := asks(security, here)
	request.Method, request.Target, request.Body = "POST", "/api/orders?b=2&a=1", body
	sign := func(at time.Time) string { return Sign(key, nonce(), at, "POST", "/api/orders?b=2&a=1", body) }
	good := sign(r.now)
	for _, c := range []struct {
		name    string
		header  string
		request func(*Request)
		want    string
	}{
		{"good", good, nil, ""},
		{"again", good, nil, "401 signature_replayed"},
		{"with spaces", strings.ReplaceAll(sign(r.now), ",", ", "), nil, ""},
		{"another method", sign(r.now), func(q *Request) { q.Method = "PUT" }, "401 unauthorized"},
		{"another path", sign(r.now), func(q *Request) { q.Target = "/api/order?b=2&a=1" }, "401 unauthorized"},
		{"another order of the query", sign(r.now), func(q *Request) { q.Target = "/api/orders?a=1&b=2" }, "401 unauthorized"},
		{"another body", sign(r.now), func(q *Request) { q.Body = []byte(`{"n": 2}`) }, "401 unauthorized"},
		{"no body", sign(r.now), func(q *Request) { q.Body = nil }, "401 unauthorized"},
		{"another client's secret", Sign(otherKey, nonce(), r.now, "POST", "/api/orders?b=2&a=1", body), nil, "401 unauthorized"},
		{"another time than the signed one", strings.Replace(sign(r.now), "t=", "t=1", 1), nil, "401 unauthorized"},
		{"another nonce than the signed one", strings.Replace(sign(r.now), "n=nonce", "n=money", 1), nil, "401 unauthorized"},
		{"late", sign(r.now.Add(-maxAge - time.Second)), nil, "401 signature_late"},
		{"as old as it may be", sign(r.now.Add(time.Second - time.Minute)), nil, ""},
		{"before the host began", sign(start), nil, "401 signature_late"},
		{"ahead", sign(r.now.Add(maxAhead)), nil, ""},
		{"too far ahead", sign(r.now.Add(maxAhead + time.Second)), nil, "401 signature_late"},
	} {
		q := request
		if c.request != nil {
			c.request(&q)
		}
		if got := check(q, "trama-signature: "+c.header); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	if got := check(request); got != "401 unauthorized" {
		t.Errorf("without a signature: %q", got)
	}
	if got := check(request, "trama-signature: "+sign(r.now), "trama-signature: "+sign(r.now)); got != "400 duplicate_header" {
		t.Errorf("two signatures: %q", got)
	}

	// As long as a signature's time is taken, it is remembered.
	again := sign(r.now.Add(maxAhead))
	if got := check(request, "trama-signature: "+again); got != "" {
		t.Fatal(got)
	}
	for elapsed := time.Duration(0); elapsed < maxAge+maxAhead; elapsed += 10 * time.Second {
		if got := check(request, "trama-signature: "+again); got != "401 signature_replayed" {
			t.Fatalf("after %s: %q", elapsed, got)
		}
		if r.now = r.now.Add(10 * time.Second); check(request, "trama-signature: "+sign(r.now)) != "" {
			t.Fatal("a new one is refused")
		}
	}
	if r.now = r.now.Add(time.Second); check(request, "trama-signature: "+again) != "401 signature_late" {
		t.Error("in the end it is late")
	}

	// A refusal for another reason uses no signature up.
	limited := request
	limited.Security = secured(t, "{clients: [erp], signed: true, rate: 1/1m}")
	if got := check(limited, "trama-signature: "+sign(r.now)); got != "" {
		t.Fatal(got)
	}
	kept := "trama-signature: " + sign(r.now)
	if got := check(limited, kept); got != "429 rate_limited" {
		t.Fatal(got)
	}
	if r.now = r.now.Add(time.Minute); check(limited, kept) != "" {
		t.Error("the request that was to be tried again is refused")
	}
}

// TestSignedOverRestart: what was signed before a host began is not taken, even
// by a client whose clock is ahead.
func TestSignedOverRestart(t *testing.T) {
	r := newRig(t)
	value, key := r.client(Client{Name: "erp", Signed: true})
	security := secured(t, "{signed: true}")
	try := func(signature string) string {
		_, refused := r.Check(t.Context(), asks(security, here, "client_id: "+value, "trama-signature: "+signature))
		return code(refused)
	}
	r.now = r.now.Add(time.Minute)
	now := Sign(key, "12345678", r.now, "GET", "/api/a", nil)
	ahead := Sign(key, "12345678", r.now.Add(20*time.Second), "GET", "/api/a", nil)
	if try(now) != "" || try(ahead) != "" {
		t.Fatal("they are refused")
	}
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.now = r.now.Add(time.Second)
	r.start()
	r.now = r.now.Add(time.Second)
	for s, want := range map[string]string{now: "401 signature_late", ahead: "503 signature_early"} {
		if got := try(s); got != want {
			t.Errorf("after a restart: %q, want %q", got, want)
		}
	}
	r.now = r.now.Add(20 * time.Second)
	if got := try(Sign(key, "12345678", r.now, "GET", "/api/a", nil)); got != "" {
		t.Errorf("a new one: %q", got)
	}
}

// TestSignedOverCrash: a signature ahead of the clock that was taken is not
// taken again after an end at which nothing was stored, and that costs a commit
// now and then.
func TestSignedOverCrash(t *testing.T) {
	var stored *meanwhile
	r := newRig(t, func(r *rig) {
		stored = &meanwhile{Store: r.store, do: func() {}}
		r.store = stored
	})
	value, key := r.client(Client{Name: "erp", Signed: true})
	security := secured(t, "{signed: true}")
	refusal := func(signature string) *problem.Details {
		_, refused := r.Check(t.Context(), asks(security, here, "client_id: "+value, "trama-signature: "+signature))
		return refused
	}
	try := func(signature string) string { return code(refusal(signature)) }
	other, otherKey := r.client(Client{Name: "shop", Signed: true})
	r.now = r.now.Add(time.Minute)
	if got := try(Sign(key, "12345678", r.now, "GET", "/api/a", nil)); got != "" || stored.commits != 0 {
		t.Fatalf("a clock that is right: %q, %d commits", got, stored.commits)
	}
	var ahead string
	for range 60 {
		r.now = r.now.Add(time.Second)
		ahead = Sign(key, "12345678", r.now.Add(20*time.Second), "GET", "/api/a", nil)
		if got := try(ahead); got != "" {
			t.Fatal(got)
		}
	}
	if stored.commits < 1 || stored.commits > 3 {
		t.Errorf("%d commits in a minute", stored.commits)
	}
	r.now = r.now.Add(time.Second)
	r.start()
	r.now = r.now.Add(time.Second)
	if got := try(ahead); got != "503 signature_early" {
		t.Errorf("after a crash: %q", got)
	}
	if _, refused := r.Check(t.Context(), asks(security, here, "client_id: "+other, "trama-signature: "+Sign(otherKey, "12345678", r.now, "GET", "/api/a", nil))); refused != nil {
		t.Errorf("a client whose clock was right: %v", refused)
	}
	refused := refusal(Sign(key, "12345678", r.now.Add(20*time.Second), "GET", "/api/a", nil))
	if !refused.Retry || refused.RetryAfter <= 0 || refused.RetryAfter > maxAhead+time.Second {
		t.Fatalf("its client: %+v", refused)
	}
	r.now = r.now.Add(refused.RetryAfter)
	if got := try(Sign(key, "12345678", r.now.Add(20*time.Second), "GET", "/api/a", nil)); got != "" {
		t.Errorf("when it was to come back: %q", got)
	}
}

// TestSignaturesOfOne: one client that signs without end shuts out no other.
func TestSignaturesOfOne(t *testing.T) {
	r := newRig(t)
	r.used.most = 20
	one, oneKey := r.client(Client{Name: "one", Signed: true})
	other, otherKey := r.client(Client{Name: "other", Signed: true})
	r.now = r.now.Add(time.Minute)
	taken := func(value, key string) (n int) {
		for i := range 30 {
			sign := Sign(key, fmt.Sprintf("%08d", i), r.now, "GET", "/api/a", nil)
			if _, refused := r.Check(t.Context(), asks(secured(t, "{signed: true}"), here, "client_id: "+value, "trama-signature: "+sign)); refused == nil {
				n++
			} else if code(refused) != "503 signatures" {
				t.Fatal(code(refused))
			}
		}
		return n
	}
	if a, b := taken(one, oneKey), taken(other, otherKey); a != 10 || b != 5 {
		t.Errorf("%d are taken of the first, %d of the second", a, b)
	}
}

// TestNoSecret: a key whose secret is gone signs nothing, as one that is wrong.
func TestNoSecret(t *testing.T) {
	r := newRig(t)
	value, key := r.client(Client{Name: "erp", Signed: true})
	if err := r.vault.Remove(VaultName("erp", r.known[0].Keys[0].ID)); err != nil {
		t.Fatal(err)
	}
	r.start()
	r.now = r.now.Add(time.Minute)
	for _, secret := range []string{key, ""} {
		signature := Sign(secret, "12345678", r.now, "GET", "/api/a", nil)
		if _, refused := r.Check(t.Context(), asks(secured(t, "{signed: true}"), here, "client_id: "+value, "trama-signature: "+signature)); code(refused) != "401 unauthorized" {
			t.Errorf("%v", refused)
		}
	}
}

// TestSignatureVector holds the form that clients write against.
func TestSignatureVector(t *testing.T) {
	// printf 'v1\n1767225600\n5f1c8e0a9b7d4c2e\nPOST\n/api/orders?x=1\n%s' "$(printf '{"n":1}' | sha256sum | cut -d' ' -f1)" | openssl dgst -sha256 -hmac tramasec_example
	const want = "t=1767225600,n=5f1c8e0a9b7d4c2e,v1=bd4a1c0295811e74dad4e315b7b9b3fb1f0667df0b826ee7b801fceb44b73b48"
	if got := Sign("tramasec_example", "5f1c8e0a9b7d4c2e", time.Unix(1767225600, 0), "POST", "/api/orders?x=1", []byte(`{"n":1}`)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// FuzzSignature: a header that is read is one that could have been written, and
// nothing but a signature is let in.
func FuzzSignature(f *testing.F) {
	for _, seed := range []string{Sign("k", "12345678", time.Unix(1, 0), "GET", "/", nil), "t=1,n=12345678,v1=", "t=,n=,v1=", "t=1,n=12345678,v1=zz,", "t=999999999999,n=abcdefgh,v1=00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, ok := parseSignature(text)
		if !ok {
			return
		}
		written := fmt.Sprintf("t=%s,n=%s,v1=%x", s.at, s.nonce, s.sum)
		if !strings.EqualFold(written, strings.ReplaceAll(text, " ", "")) {
			t.Errorf("%q is read as %q", text, written)
		}
		if s.verify([]byte("another secret"), "GET", "/", nil) {
			t.Error("it is let in")
		}
	})
}
