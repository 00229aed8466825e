package signature

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"
)

// method makes a scheme ready.
func method(t testing.TB, s Scheme) *Method {
	t.Helper()
	m, err := New(s)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func key(t testing.TB, m *Method, secret string) Key {
	t.Helper()
	k, err := m.Key(secret)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestVectors: requests that services give as examples, or that their own
// libraries have in their tests, are right; any change of them is not.
func TestVectors(t *testing.T) {
	slackBody := "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
	for _, c := range []struct {
		name    string
		scheme  Scheme
		secret  string
		at      int64
		headers map[string]string
		body    string
	}{
		{
			"Standard Webhooks, shared secret", Scheme{Preset: "standard"}, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", 1614265330,
			map[string]string{"webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek", "webhook-timestamp": "1614265330", "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="},
			`{"test": 2432232314}`,
		},
		{
			"Standard Webhooks, ed25519", Scheme{Preset: "standard"}, "whsk_VEVTVFNJR05JTkdLRVlET05PVFVTRVRISVNGT1JBTlk=", 1614265330,
			map[string]string{"webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek", "webhook-timestamp": "1614265330", "webhook-signature": "v1a,tQ9V2XOqn7jL/DQenEFpqIugdBVtiMmER5mhSkXBNwM0mkATuDe6KYYUuxqtaiHeYGb7KaaBRdM5WqyeFiL8Ag=="},
			`{"test": 2432232314}`,
		},
		{
			"GitHub", Scheme{Preset: "github"}, "It's a Secret to Everybody", 0,
			map[string]string{"x-hub-signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"},
			"Hello, World!",
		},
		{
			"Slack", Scheme{Preset: "slack"}, "8f742231b10e8888abcd99yyyzzz85a5", 1531420618,
			map[string]string{"x-slack-request-timestamp": "1531420618", "x-slack-signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"},
			slackBody,
		},
		{
			"Square: its URL is a literal", Scheme{Header: "X-Square-HmacSha256-Signature", Encoding: "base64", Signed: "https://webhook.site/679a4f3a-dcfa-49ee-bac5-9d0edad886b9{body}"}, "Ibxx_5AKakO-3qeNVR61Dw", 0,
			map[string]string{"x-square-hmacsha256-signature": "GF4YkrJgGBDZ9NIYbNXBnMzqb2HoL4RW/S6vkZ9/2N4="},
			`{"merchant_id":"MLEFBHHSJGVHD","type":"webhooks.test_notification","event_id":"ac3ac95b-f97d-458c-a6e6-18981597e05f","created_at":"2022-07-13T20:30:59.037339943Z","data":{"type":"webhooks","id":"bc368e64-01aa-407e-b46e-3231809b1129"}}`,
		},
		{
			"Zendesk, as its event connectors signed", Scheme{Preset: "zendesk", Signed: "{body}{timestamp}"}, "HRkRd4BeOAoUkfZr-mhauJT64rvBASlJRoIyPsd3zeA=", 1627207200,
			map[string]string{"x-zendesk-webhook-signature": "tRDSF7URY8BLCDlaBcQ7FHu051Zk+aAB0NKMP53teMw=", "x-zendesk-webhook-signature-timestamp": "2021-07-25T10:00:00Z"},
			`{"say": "hello"}`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := method(t, c.scheme)
			k := key(t, m, c.secret)
			now := time.Unix(c.at, 0)
			verify := func(change func(*Request)) error {
				q := Request{Headers: maps.Clone(c.headers), Body: []byte(c.body)}
				change(&q)
				_, err := m.Verify(q, now, k)
				return err
			}
			if err := verify(func(*Request) {}); err != nil {
				t.Fatal(err)
			}
			if err := verify(func(q *Request) { q.Body[0] ^= 1 }); !errors.Is(err, ErrWrong) {
				t.Errorf("another body: %v", err)
			}
			for name, value := range c.headers {
				if err := verify(func(q *Request) { delete(q.Headers, name) }); err == nil {
					t.Errorf("without %s it is taken", name)
				}
				last := value[len(value)-1] // of base64 it is the padding
				if last == '=' {
					continue
				}
				if err := verify(func(q *Request) { q.Headers[name] = value[:len(value)-1] + string(last^1) }); err == nil {
					t.Errorf("with another %s it is taken", name)
				}
			}
			if other := key(t, m, "whsec_b3RoZXJvdGhlcm90aGVyb3RoZXJvdGhlcg=="); true {
				if _, err := m.Verify(Request{Headers: c.headers, Body: []byte(c.body)}, now, other); !errors.Is(err, ErrWrong) {
					t.Errorf("another secret: %v", err)
				}
				if _, err := m.Verify(Request{Headers: c.headers, Body: []byte(c.body)}, now, other, k); err != nil {
					t.Errorf("the second of two secrets: %v", err)
				}
			}
			if strings.Contains(c.headers["x-zendesk-webhook-signature-timestamp"], "T") {
				return // we write seconds
			}
			// What we sign is the same, to the byte.
			signed, err := m.Sign(c.headers["webhook-id"], now, []byte(c.body), k)
			if err != nil {
				t.Fatal(err)
			}
			for name, value := range signed {
				if c.headers[strings.ToLower(name)] != value {
					t.Errorf("signed: %s is %q, want %q", name, value, c.headers[strings.ToLower(name)])
				}
			}
		})
	}
}

func TestStandardTakesSeveral(t *testing.T) {
	m := Standard()
	at := time.Unix(1614265330, 0)
	old, fresh := key(t, m, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), key(t, m, "whsk_VEVTVFNJR05JTkdLRVlET05PVFVTRVRISVNGT1JBTlk=")
	headers, err := m.Sign("msg_1", at, []byte("{}"), old, fresh)
	if err != nil {
		t.Fatal(err)
	}
	lower := map[string]string{}
	for name, value := range headers {
		lower[strings.ToLower(name)] = value
	}
	if text := lower["webhook-signature"]; !strings.HasPrefix(text, "v1,") || !strings.Contains(text, " v1a,") {
		t.Errorf("two signatures are %q", text)
	}
	for _, k := range []Key{old, fresh} {
		proof, err := m.Verify(Request{Headers: lower, Body: []byte("{}")}, at, k)
		if err != nil || proof.ID != "msg_1" || !proof.At.Equal(at) || proof.Digest != sha256.Sum256([]byte("msg_1.1614265330.{}")) {
			t.Errorf("%+v, %v", proof, err)
		}
	}
	if text := fmt.Sprintf("%v %+v %#v %s", old, fresh, struct{ K Key }{old}, []Key{fresh}); strings.Contains(text, "TEST") || strings.Contains(text, "MfKQ") || !strings.Contains(text, "[redacted]") {
		t.Errorf("a key prints as %s", text)
	}
}

func mac(secret, content string) string {
	h := hmac.New(sha256.New, []byte(secret))
	h.Write([]byte(content))
	return hex.EncodeToString(h.Sum(nil))
}

// TestHeaders: how signatures may be written, and what is refused for what
// reason.
func TestHeaders(t *testing.T) {
	const now = 1700000000
	body := `{"a":1}`
	timed := func(at int64) string { return mac("key", fmt.Sprintf("%d.%s", at, body)) }
	stripe := func(at int64) string { return fmt.Sprintf("t=%d,v1=%s", at, timed(at)) }
	one := func(name, value string) map[string]string { return map[string]string{name: value} }
	b64 := func(e *base64.Encoding, text string) string {
		h := hmac.New(sha256.New, []byte("key"))
		h.Write([]byte(text))
		return e.EncodeToString(h.Sum(nil))
	}
	slack := func(at string) map[string]string {
		return map[string]string{"x-slack-request-timestamp": at, "x-slack-signature": "v0=" + mac("key", "v0:"+at+":"+body)}
	}
	bare := Scheme{Header: "X-S"}
	for _, c := range []struct {
		name    string
		scheme  Scheme
		headers map[string]string
		want    error
		says    string
	}{
		{"hex", bare, one("x-s", mac("key", body)), nil, ""},
		{"upper-case hex", bare, one("x-s", strings.ToUpper(mac("key", body))), nil, ""},
		{"spaces around", bare, one("x-s", " "+mac("key", body)+"\t"), nil, ""},
		{"no header", bare, one("x-t", mac("key", body)), ErrWrong, "header X-S, which holds the signature, is missing"},
		{"empty", bare, one("x-s", ""), ErrWrong, "X-S"},
		{"half", bare, one("x-s", mac("key", body)[:32]), ErrWrong, "X-S"},
		{"longer", bare, one("x-s", mac("key", body)+"00"), ErrWrong, "X-S"},
		{"twice, joined", bare, one("x-s", mac("key", body)+", "+mac("key", body)), ErrWrong, "X-S"},
		{"another key", bare, one("x-s", mac("other", body)), ErrWrong, "X-S"},
		{"not hex", bare, one("x-s", "zz"), ErrWrong, "X-S"},
		{"prefix is missing", Scheme{Header: "X-S", Prefix: "sha256="}, one("x-s", mac("key", body)), ErrWrong, "X-S"},
		{"another prefix", Scheme{Header: "X-S", Prefix: "sha256="}, one("x-s", "sha1="+mac("key", body)), ErrWrong, "X-S"},
		{"base64", Scheme{Header: "X-S", Encoding: "base64"}, one("x-s", b64(base64.StdEncoding, body)), nil, ""},
		{"base64 without padding", Scheme{Header: "X-S", Encoding: "base64"}, one("x-s", b64(base64.RawStdEncoding, body)), nil, ""},
		{"base64url", Scheme{Header: "X-S", Encoding: "base64url"}, one("x-s", b64(base64.URLEncoding, body)), nil, ""},
		{"a line break in base64", Scheme{Header: "X-S", Encoding: "base64"}, one("x-s", b64(base64.StdEncoding, body)[:8]+"\n"+b64(base64.StdEncoding, body)[8:]), ErrWrong, "X-S"},

		{"stripe", Scheme{Preset: "stripe"}, one("stripe-signature", stripe(now)), nil, ""},
		{"stripe, spaces", Scheme{Preset: "stripe"}, one("stripe-signature", strings.ReplaceAll(stripe(now), ",", " , ")), nil, ""},
		{"stripe, another scheme beside it", Scheme{Preset: "stripe"}, one("stripe-signature", stripe(now)+",v0=6ffbb59b2300aae63f272406069a9788598b792a944a07aba816edb039989a39"), nil, ""},
		{"stripe, rotated: the second", Scheme{Preset: "stripe"}, one("stripe-signature", fmt.Sprintf("t=%d,v1=%s,v1=%s", now, mac("old", "x"), timed(now))), nil, ""},
		{"stripe, 5 minutes ago", Scheme{Preset: "stripe"}, one("stripe-signature", stripe(now-300)), nil, ""},
		{"stripe, a second more", Scheme{Preset: "stripe"}, one("stripe-signature", stripe(now-301)), ErrTime, "Stripe-Signature holds a time more than 5m0s from now"},
		{"stripe, 5 minutes ahead", Scheme{Preset: "stripe"}, one("stripe-signature", stripe(now+300)), nil, ""},
		{"stripe, a second more ahead", Scheme{Preset: "stripe"}, one("stripe-signature", stripe(now+301)), ErrTime, ""},
		{"its own tolerance", Scheme{Preset: "stripe", Tolerance: "1h"}, one("stripe-signature", stripe(now-3600)), nil, ""},
		{"beyond its own tolerance", Scheme{Preset: "stripe", Tolerance: "10s"}, one("stripe-signature", stripe(now-11)), ErrTime, ""},
		{"late and wrong is wrong", Scheme{Preset: "stripe"}, one("stripe-signature", fmt.Sprintf("t=%d,v1=%s", now-9999, timed(now))), ErrWrong, ""},
		{"stripe, no time", Scheme{Preset: "stripe"}, one("stripe-signature", "v1="+timed(now)), ErrMalformed, "Stripe-Signature holds no time"},
		{"stripe, no signature", Scheme{Preset: "stripe"}, one("stripe-signature", fmt.Sprintf("t=%d", now)), ErrWrong, ""},
		{"stripe, two times", Scheme{Preset: "stripe"}, one("stripe-signature", stripe(now-9999)+fmt.Sprintf(",t=%d", now)), ErrMalformed, "two times"},
		{"stripe, twice", Scheme{Preset: "stripe"}, one("stripe-signature", stripe(now)+", "+stripe(now)), ErrMalformed, "two times"},
		{"stripe, endless", Scheme{Preset: "stripe"}, one("stripe-signature", stripe(now)+strings.Repeat(",v1=00", 100)), ErrMalformed, "more than 16 parts"},

		{"slack", Scheme{Preset: "slack"}, slack("1700000000"), nil, ""},
		{"milliseconds", Scheme{Preset: "slack"}, slack("1700000000999"), nil, ""},
		{"RFC 3339", Scheme{Preset: "slack"}, slack("2023-11-14T22:13:20.123456789Z"), nil, ""},
		{"RFC 3339 with a zone", Scheme{Preset: "slack"}, slack("2023-11-14T19:13:20-03:00"), nil, ""},
		{"not a time", Scheme{Preset: "slack"}, slack("now"), ErrMalformed, "X-Slack-Request-Timestamp holds no time"},
		{"before 1970", Scheme{Preset: "slack"}, slack("-1"), ErrMalformed, ""},
		{"far too long", Scheme{Preset: "slack"}, slack(strings.Repeat("1", 1000)), ErrMalformed, ""},
		{"beyond all times", Scheme{Preset: "slack"}, slack("9223372036854775807"), ErrMalformed, ""},

		{"an id that is not there", Scheme{Preset: "svix"}, map[string]string{"svix-signature": "v1,x", "svix-timestamp": "1700000000"}, ErrMalformed, "Svix-Id, which is signed, is missing"},
		{"a header and a parameter", Scheme{Header: "X-S", Signed: "{header:X-Id};{query:q};{body}"}, map[string]string{"x-s": mac("key", "7;v;"+body), "x-id": "7"}, nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := method(t, c.scheme)
			k := Key{&material{shared: []byte("key")}}
			_, err := m.Verify(Request{Headers: c.headers, Query: map[string]string{"q": "v"}, Body: []byte(body)}, time.Unix(now, 0), k)
			if !errors.Is(err, c.want) || c.want == nil && err != nil {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			if err == nil {
				return
			}
			if !strings.Contains(err.Error(), c.says) {
				t.Errorf("it says %q, want %q", err, c.says)
			}
			if strings.Contains(err.Error(), mac("key", body)[:8]) || strings.Contains(err.Error(), timed(now)[:8]) {
				t.Errorf("it tells the signature: %v", err)
			}
		})
	}
}

// TestSchemes: mistakes are found when a scheme is read.
func TestSchemes(t *testing.T) {
	for name := range Presets() {
		if _, err := New(Scheme{Preset: name}); err != nil {
			t.Errorf("preset %s: %v", name, err)
		}
	}
	for _, c := range []struct {
		scheme Scheme
		says   string
	}{
		{Scheme{}, "name the header that holds the signature, or a preset"},
		{Scheme{Preset: "stripes"}, `preset "stripes" is not known: use one of calendly, discord, github`},
		{Scheme{Header: "X S"}, `header "X S"`},
		{Scheme{Header: "X", Algorithm: "md5"}, "use sha256, sha1, sha512, ed25519 or sha256-prefixed"},
		{Scheme{Header: "X", Encoding: "base32"}, "use hex, base64 or base64url"},
		{Scheme{Header: "X", Key: "pem"}, "use text, base64 or hex"},
		{Scheme{Header: "X", ID: "header:X-Id"}, "want the name of a header"},
		{Scheme{Header: "X", Timestamp: "X-Time"}, "want header:NAME, or part:PREFIX with a separator"},
		{Scheme{Header: "X", Timestamp: "part:t="}, "want header:NAME, or part:PREFIX with a separator"},
		{Scheme{Header: "X", Tolerance: "5m"}, "tolerance is for schemes with a timestamp"},
		{Scheme{Preset: "slack", Tolerance: "0s"}, "want 1s to 24h"},
		{Scheme{Preset: "slack", Tolerance: "25h"}, "want 1s to 24h"},
		{Scheme{Preset: "slack", Tolerance: "5"}, "want 1s to 24h"},
		{Scheme{Header: "X", Signed: "{timestamp}.{body}"}, "{timestamp} and the field timestamp go together"},
		{Scheme{Preset: "slack", Signed: "{body}"}, "{timestamp} and the field timestamp go together"},
		{Scheme{Header: "X", Signed: "{id}{body}"}, "{id} and the field id go together"},
		{Scheme{Header: "X", Signed: "{header:X-Id}"}, "it lacks {body}"},
		{Scheme{Header: "X", Signed: "{body"}, "a { without its }"},
		{Scheme{Header: "X", Signed: "body}"}, "a } without its {"},
		{Scheme{Header: "X", Signed: "{bodi}"}, "{bodi} is not known"},
		{Scheme{Header: "X", Signed: "{header:}{body}"}, "{header:} is not known"},
	} {
		if _, err := New(c.scheme); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %v, want %q", c.scheme, err, c.says)
		}
	}
}

// TestKeys: how secrets may be written. An error never tells what they are.
func TestKeys(t *testing.T) {
	seed := base64.StdEncoding.EncodeToString([]byte("the seed of a key of ed25519, 32"))
	public := ed25519.NewKeyFromSeed([]byte("the seed of a key of ed25519, 32"))[32:]
	for _, c := range []struct {
		scheme  Scheme
		secret  string
		want    string // of a shared secret
		private bool
		says    string
	}{
		{Scheme{Preset: "standard"}, "whsec_c2VjcmV0", "secret", true, ""},
		{Scheme{Preset: "svix"}, "whsec_c2VjcmV0", "secret", true, ""},
		{Scheme{Preset: "standard"}, "as it stands", "as it stands", true, ""},
		{Scheme{Preset: "standard"}, "whsec_!!hush-hush!!", "", false, "begins with whsec_ and goes on with what is not base64"},
		{Scheme{Preset: "standard"}, "whsec_", "", false, "it is empty"},
		{Scheme{Preset: "stripe"}, "whsec_c2VjcmV0", "whsec_c2VjcmV0", true, ""}, // Stripe's are texts
		{Scheme{Preset: "github"}, "", "", false, "it is empty"},
		{Scheme{Header: "X", Key: "base64"}, "c2VjcmV0", "secret", true, ""},
		{Scheme{Header: "X", Key: "hex"}, "736563726574", "secret", true, ""},
		{Scheme{Header: "X", Key: "hex"}, "secret", "", false, "it is not hex"},
		{Scheme{Header: "X"}, "-----BEGIN PUBLIC KEY-----", "", false, "it is a PEM key"},
		{Scheme{Preset: "standard"}, "whsk_" + seed, "", true, ""},
		{Scheme{Preset: "standard"}, "whsk_" + base64.StdEncoding.EncodeToString(ed25519.NewKeyFromSeed([]byte("the seed of a key of ed25519, 32"))), "", true, ""},
		{Scheme{Preset: "standard"}, "whsk_" + base64.StdEncoding.EncodeToString(make([]byte, 64)), "", false, "its halves are not of one key"},
		{Scheme{Preset: "standard"}, "whsk_c2VjcmV0", "", false, "has 32 bytes, and it has 6"},
		{Scheme{Preset: "standard"}, "whpk_" + base64.StdEncoding.EncodeToString(public), "", false, ""},
		{Scheme{Preset: "standard"}, "whpk_c2VjcmV0", "", false, "has 32 bytes, and it has 6"},
		{Scheme{Preset: "discord"}, hex.EncodeToString(public), "", false, ""},
		{Scheme{Preset: "discord"}, "whpk_" + base64.StdEncoding.EncodeToString(public), "", false, ""},
		{Scheme{Preset: "discord"}, "7365", "", false, "has 32 bytes, and it has 2"},
	} {
		m := method(t, c.scheme)
		k, err := m.Key(c.secret)
		switch {
		case c.says != "":
			if err == nil || !strings.Contains(err.Error(), c.says) || len(c.secret) > 8 && strings.Contains(err.Error(), c.secret[6:]) {
				t.Errorf("%+v, %q: %v, want %q", c.scheme, c.secret, err, c.says)
			}
		case err != nil || string(k.material.shared) != c.want || k.Private() != c.private:
			t.Errorf("%+v, %q: %+v, %v", c.scheme, c.secret, k.material, err)
		}
	}
	var none Key
	if _, err := Standard().Verify(Request{Headers: map[string]string{"webhook-id": "1", "webhook-timestamp": "0", "webhook-signature": "v1,AA=="}}, time.Unix(0, 0), none); !errors.Is(err, ErrWrong) || none.Private() {
		t.Errorf("no key: %v", err)
	}
}

// TestHubSpot: the examples of HubSpot's documentation for its versions 1 and 2,
// and version 3 as it describes that
// (developers.hubspot.com/docs/faq/v1-request-validation, v2-request-validation,
// and .../authentication/request-validation).
func TestHubSpot(t *testing.T) {
	const secret = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"
	const now = 1700000000
	v3 := func(text string) map[string]string {
		h := hmac.New(sha256.New, []byte(secret))
		h.Write([]byte(text))
		return map[string]string{"x-hubspot-request-timestamp": "1700000000000", "x-hubspot-signature-v3": base64.StdEncoding.EncodeToString(h.Sum(nil))}
	}
	old := func(sum string) map[string]string { return map[string]string{"x-hubspot-signature": sum} }
	const body = `[{"eventId":1,"subscriptionId":12345,"portalId":62515,"occurredAt":1564113600000,"subscriptionType":"contact.creation","attemptNumber":0,"objectId":123,"changeSource":"CRM","changeFlag":"NEW","appId":54321}]`
	const address = "https://www.example.com/webhook_uri"
	for _, c := range []struct {
		name, preset string
		q            Request
		want         error
	}{
		{"v1", "hubspot-v1", Request{Headers: old("232db2615f3d666fe21a8ec971ac7b5402d33b9a925784df3ca654d05f4817de"), Body: []byte(body)}, nil},
		{"v2", "hubspot-v2", Request{Method: "GET", URL: address, Headers: old("eee2dddcc73c94d699f5e395f4b9d454a069a6855fbfa152e91e88823087200e")}, nil},
		{"v2, another method", "hubspot-v2", Request{Method: "POST", URL: address, Headers: old("eee2dddcc73c94d699f5e395f4b9d454a069a6855fbfa152e91e88823087200e")}, ErrWrong},
		{"v2, another address", "hubspot-v2", Request{Method: "GET", URL: address + "?", Headers: old("eee2dddcc73c94d699f5e395f4b9d454a069a6855fbfa152e91e88823087200e")}, ErrWrong},
		{"v3", "hubspot", Request{Method: "POST", URL: address + "?a=1", Headers: v3("POST" + address + "?a=1" + body + "1700000000000"), Body: []byte(body)}, nil},
		{"v3, an address with codes", "hubspot", Request{Method: "POST", URL: address + "?a=b%40c%2Cd%20e", Headers: v3("POST" + address + "?a=b@c,d%20e" + body + "1700000000000"), Body: []byte(body)}, nil},
		{"v3, another body", "hubspot", Request{Method: "POST", URL: address, Headers: v3("POST" + address + body + "1700000000000"), Body: []byte(body + " ")}, ErrWrong},
	} {
		m := method(t, Scheme{Preset: c.preset})
		if _, err := m.Verify(c.q, time.Unix(now, 0), key(t, m, secret)); !errors.Is(err, c.want) || c.want == nil && err != nil {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	m := method(t, Scheme{Preset: "hubspot"})
	late := Request{Method: "POST", URL: address, Headers: v3("POST" + address + "1700000000000")}
	if _, err := m.Verify(late, time.Unix(now+301, 0), key(t, m, secret)); !errors.Is(err, ErrTime) {
		t.Errorf("five minutes later: %v", err)
	}
}

// TestSign: what is signed by a scheme verifies under it, and what can't be
// signed is refused.
func TestSign(t *testing.T) {
	at := time.Unix(1700000000, 0)
	for name, s := range Presets() {
		if name == "discord" || name == "hubspot" || name == "hubspot-v2" {
			continue // has public keys only; sign the address too
		}
		m := method(t, s)
		k := key(t, m, "a secret of this test")
		headers, err := m.Sign("msg_1", at, []byte("{}"), k)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		lower := map[string]string{}
		for header, value := range headers {
			lower[strings.ToLower(header)] = value
		}
		if _, err := m.Verify(Request{Headers: lower, Body: []byte("{}")}, at, k); err != nil {
			t.Errorf("%s: %v of %v", name, err, headers)
		}
	}
	public := Key{&material{public: make([]byte, 32)}}
	k := Key{&material{shared: []byte("k")}}
	for _, c := range []struct {
		scheme Scheme
		id     string
		keys   []Key
		says   string
	}{
		{Scheme{Preset: "standard"}, "1", nil, "there is no key"},
		{Scheme{Preset: "standard"}, "1", []Key{public}, "a public key verifies and can't sign"},
		{Scheme{Preset: "standard"}, "1\r\nX: y", []Key{k}, "a line break"},
		{Scheme{Preset: "github"}, "1", []Key{k, k}, "room for one signature"},
		{Scheme{Header: "X", Signed: "{query:q}{body}"}, "1", []Key{k}, "which only their sender has"},
		{Scheme{Preset: "hubspot"}, "1", []Key{k}, "which only their sender has"},
	} {
		if _, err := method(t, c.scheme).Sign(c.id, at, nil, c.keys...); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %v, want %q", c.scheme, err, c.says)
		}
	}
}

// FuzzVerify: no header makes a request right that was not signed, or the
// check fail in another way than its errors say.
func FuzzVerify(f *testing.F) {
	var methods []*Method
	for _, s := range Presets() {
		methods = append(methods, method(f, s))
	}
	f.Add("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= v1a,AAAA", "1614265330", "msg_1", []byte("{}"))
	f.Add("t=1614265330,v1=00,v1=ff,t=", "2023-11-14T22:13:20Z", "", []byte(""))
	f.Add("ts=1;h1=", "-1", "\x00", []byte("{"))
	f.Add("sha256=", "9999999999999", "a.b", []byte("{body}"))
	f.Fuzz(func(t *testing.T, header, stamp, id string, body []byte) {
		for _, m := range methods {
			q := Request{Headers: map[string]string{strings.ToLower(m.Header()): header}, Body: body}
			for i, name := range m.Headers()[1:] {
				q.Headers[strings.ToLower(name)] = []string{id, stamp}[i%2]
			}
			if m.timeIn != "" {
				q.Headers[m.timeIn] = stamp
			}
			now := time.Unix(1614265330, 0)
			if at, ok := Time(stamp); ok {
				now = at
			}
			keys := []Key{{&material{shared: []byte("a secret that the fuzzer does not know")}}, {&material{public: make([]byte, 32)}}}
			_, err := m.Verify(q, now, keys[0])
			if !errors.Is(err, ErrWrong) && !errors.Is(err, ErrMalformed) {
				t.Fatalf("%s: %v", m.Header(), err)
			}
			if _, err := m.Verify(q, now, keys...); err != nil && !errors.Is(err, ErrWrong) && !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrTime) {
				t.Fatalf("%s: %v", m.Header(), err)
			}
		}
	})
}

// FuzzScheme: a template is read or refused, and what is read has its body.
func FuzzScheme(f *testing.F) {
	f.Add("{id}.{timestamp}.{body}", "header:X-T", "5m")
	f.Add("{{body}}", "part:t=", "")
	f.Add("{header:x}{query:{}", "", "-1s")
	f.Fuzz(func(t *testing.T, signed, timestamp, tolerance string) {
		m, err := New(Scheme{Header: "X", Separator: ",", Signed: signed, Timestamp: timestamp, Tolerance: tolerance})
		if err != nil {
			return
		}
		body := []byte("the body that must be in it")
		if !bytes.Contains(m.content(values{timestamp: "1", body: body}), body) {
			t.Fatalf("%q does not sign the body", signed)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	m := Standard()
	k := key(b, m, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	q := Request{
		Headers: map[string]string{"webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek", "webhook-timestamp": "1614265330", "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="},
		Body:    []byte(`{"test": 2432232314}`),
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.Verify(q, time.Unix(1614265330, 0), k); err != nil {
			b.Fatal(err)
		}
	}
}
