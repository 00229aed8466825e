//go:build peers

package signature

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/trama-run/trama/plugins/peer"
)

// others lets the libraries of others do what each request says, and gives
// what they printed.
func others(t *testing.T, requests []map[string]any) []string {
	t.Helper()
	text, err := json.Marshal(requests)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(peer.Run(t, "testdata/peers.mjs", string(text))), "\n"), "\n")
	if len(lines) != len(requests) {
		t.Fatalf("%d requests gave %q", len(requests), lines)
	}
	return lines
}

// TestPeerStandard: the library of Standard Webhooks takes what we sign, and
// we take what it signs.
func TestPeerStandard(t *testing.T) {
	const (
		secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
		other  = "whsec_b3RoZXJvdGhlcm90aGVyb3RoZXJvdGhlcg=="
		body   = `{"type":"ação","id":9007199254740993}`
	)
	m := Standard()
	at := time.Unix(1700000000, 0)
	ours := func(keys ...string) map[string]string {
		var all []Key
		for _, text := range keys {
			all = append(all, key(t, m, text))
		}
		headers, err := m.Sign("msg_1", at, []byte(body), all...)
		if err != nil {
			t.Fatal(err)
		}
		return headers
	}
	const private = "whsk_VEVTVFNJR05JTkdLRVlET05PVFVTRVRISVNGT1JBTlk="
	verify := func(headers map[string]string, body string, after int64) map[string]any {
		return map[string]any{"do": "standard", "secret": secret, "headers": headers, "body": body, "at": at.Unix() + after}
	}
	got := others(t, []map[string]any{
		verify(ours(secret), body, 0),
		verify(ours(other, secret), body, 0),
		verify(ours(private, secret), body, 0),
		verify(ours(secret), body, 300),
		verify(ours(secret), body, 301),
		verify(ours(secret), body+" ", 0),
		verify(ours(other), body, 0),
		verify(ours(private), body, 0), // the library knows shared secrets alone
		{"do": "sign", "secret": secret, "id": "msg_2", "body": body, "at": at.Unix()},
	})
	const wrong = "WebhookVerificationError: No matching signature found"
	for i, want := range []string{"right", "right", "right", "right", "WebhookVerificationError: Message timestamp too old", wrong, wrong, wrong} {
		if got[i] != want {
			t.Errorf("request %d: %s, want %s", i, got[i], want)
		}
	}
	signed := map[string]string{"webhook-id": "msg_2", "webhook-timestamp": strconv.FormatInt(at.Unix(), 10), "webhook-signature": got[8]}
	for _, c := range []struct {
		secret, body string
		right        bool
	}{{secret, body, true}, {other, body, false}, {secret, body + " ", false}} {
		proof, err := m.Verify(Request{Headers: signed, Body: []byte(c.body)}, at, key(t, m, c.secret))
		if (err == nil) != c.right || c.right && proof.ID != "msg_2" {
			t.Errorf("what it signed, with %s: %+v, %v", c.secret, proof, err)
		}
	}
}

// TestPeerHubSpot: we take what HubSpot's own library signs, in its three ways.
func TestPeerHubSpot(t *testing.T) {
	const secret, post, body = "app-secret-of-nobody", "POST", `{"inputFields":{"name":"José"},"id":9007199254740993}`
	const signed = "https://bots.example.com/hooks/hs?path=/a/b&to=ana@acme.example&x=1,2"
	at := time.UnixMilli(1700000000123)
	schemes := []struct{ preset, version, header, url string }{
		{"hubspot-v1", "v1", "x-hubspot-signature", signed},
		{"hubspot-v2", "v2", "x-hubspot-signature", signed},
		{"hubspot", "v3", "x-hubspot-signature-v3", signed},
		// As it comes; the library leaves decoding to its caller.
		{"hubspot", "v3", "x-hubspot-signature-v3", "https://bots.example.com/hooks/hs?path=%2Fa%2Fb&to=ana%40acme.example&x=1%2C2"},
	}
	var requests []map[string]any
	for _, s := range schemes {
		requests = append(requests, map[string]any{"do": "hubspot", "version": s.version, "method": post, "url": signed, "body": body, "at": at.UnixMilli(), "secret": secret})
	}
	for i, signature := range others(t, requests) {
		s := schemes[i]
		m := method(t, Scheme{Preset: s.preset})
		request := Request{Method: post, URL: s.url, Body: []byte(body), Headers: map[string]string{s.header: signature, "x-hubspot-request-timestamp": strconv.FormatInt(at.UnixMilli(), 10)}}
		if _, err := m.Verify(request, at, key(t, m, secret)); err != nil {
			t.Errorf("%s of %s: %v", s.version, s.url, err)
		}
		if _, err := m.Verify(request, at, key(t, m, secret+"x")); err == nil {
			t.Errorf("%s of %s is taken with another secret", s.version, s.url)
		}
		request.Body = []byte(body + " ")
		if _, err := m.Verify(request, at, key(t, m, secret)); err == nil {
			t.Errorf("%s of %s is taken with another body", s.version, s.url)
		}
	}
}
