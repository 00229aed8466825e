package access

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestService: a service signs its requests by its own scheme, with either of
// two secrets while one is rotated, over the address that it called.
func TestService(t *testing.T) {
	r := newRig(t, func(r *rig) {
		r.environ = []string{"TRAMA_SECRET_HUBSPOT_APP=the app's secret", "TRAMA_SECRET_HUBSPOT_NEW=the app's next secret"}
	})
	sign := func(secret, target, body string, at time.Time) []string {
		stamp := fmt.Sprint(at.UnixMilli())
		h := hmac.New(sha256.New, []byte(secret))
		h.Write([]byte("POSThttps://bots.example.com" + target + body + stamp))
		return []string{"host: bots.example.com", "x-hubspot-request-timestamp: " + stamp, "x-hubspot-signature-v3: " + base64.StdEncoding.EncodeToString(h.Sum(nil))}
	}
	const way = "{signature: {scheme: hubspot, secret: [hubspot_app, hubspot_new]}}"
	const target, body = "/api/actions/start?a=1", `{"callbackId":"ap-1"}`
	good := sign("the app's secret", target, body, r.now)
	for name, c := range map[string]struct {
		security string
		headers  []string
		code     string
	}{
		"signed":                  {way, good, ""},
		"the next secret":         {way, sign("the app's next secret", target, body, r.now), ""},
		"another secret":          {way, sign("nobody's", target, body, r.now), "401 unauthorized"},
		"another address":         {way, sign("the app's secret", "/api/actions/start?a=2", body, r.now), "401 unauthorized"},
		"another body":            {way, sign("the app's secret", target, body+" ", r.now), "401 unauthorized"},
		"no signature":            {way, good[:2], "401 unauthorized"},
		"the header twice":        {way, append(good[:3:3], good[2]), "400 duplicate_header"},
		"too old":                 {way, sign("the app's secret", target, body, r.now.Add(-6*time.Minute)), "401 signature_late"},
		"a secret that is not":    {"{signature: {scheme: hubspot, secret: missing}}", good, "503 signatures_unavailable"},
		"one of two is missing":   {"{signature: {scheme: hubspot, secret: [missing, hubspot_app]}}", good, ""},
		"from elsewhere":          {"{signature: {scheme: hubspot, secret: hubspot_app}, ips: [10.0.0.0/8]}", good, "403 forbidden"},
		"or a client that is not": {"[" + way + ", {clients: any}]", good[:1], "401 unauthorized"},
	} {
		r.lockout = newLockout()
		q := asks(secured(t, c.security), here, c.headers...)
		q.Method, q.Target, q.Body = "POST", target, []byte(body)
		caller, refused := r.Check(t.Context(), q)
		if got := code(refused); got != c.code || caller.Service != (c.code == "") {
			t.Errorf("%s: %s (%s), want %s", name, got, caller.Refused, c.code)
		}
		if refused != nil && refused.Status == 401 && !strings.Contains(refused.Header["WWW-Authenticate"], `Signature header="X-HubSpot-Signature-v3"`) {
			t.Errorf("%s: %v", name, refused.Header)
		}
	}
}

// TestServiceMistakes: what is wrong with a scheme is told when it is read.
func TestServiceMistakes(t *testing.T) {
	for _, c := range []struct {
		way  Way
		says string
	}{
		{Way{Service: &Service{Secret: SecretList{"a"}}}, "name the header that holds the signature, or a preset"},
		{Way{Service: &Service{}}, "name 1 to 5 secrets"},
		{Way{Public: true, Service: &Service{Secret: SecretList{"a"}}}, "public lets anyone call"},
	} {
		if problems := strings.Join(Security{c.way}.Validate(), "; "); !strings.Contains(problems, c.says) {
			t.Errorf("%+v: %s, want %s", c.way, problems, c.says)
		}
	}
	const words = "anyone whose request has the signature of a service in X-HubSpot-Signature; 10 requests a minute each"
	if got := secured(t, "{signature: {scheme: {preset: hubspot-v2}, secret: a}, rate: 10/1m}").Words(); got != words {
		t.Errorf("%q, want %q", got, words)
	}
}
