package auth

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trama-run/trama/pdk/abi"
)

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func hexSum(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// v4Signature computes the signature that a server expects, from the text of
// "Signature Version 4 signing process", without the library: method, path and
// query as they arrived, and the headers that are said to be signed.
func v4Signature(secret, region, service, date, method, path, query, payload string, headers [][2]string) string {
	fields := strings.Split(query, "&")
	slices.Sort(fields)
	var canonical, names []string
	for _, h := range headers {
		canonical = append(canonical, h[0]+":"+strings.TrimSpace(h[1])+"\n")
		names = append(names, h[0])
	}
	request := strings.Join([]string{method, path, strings.Join(fields, "&"), strings.Join(canonical, ""), strings.Join(names, ";"), payload}, "\n")
	scope := date[:8] + "/" + region + "/" + service + "/aws4_request"
	text := "AWS4-HMAC-SHA256\n" + date + "\n" + scope + "\n" + hexSum(request)
	key := []byte("AWS4" + secret)
	for _, part := range strings.Split(scope, "/") {
		key = mac(key, part)
	}
	return hex.EncodeToString(mac(key, text))
}

// The verifier itself, against the example of AWS's documentation ("Create a
// signed AWS API request": ListUsers).
func TestVerifierOfSigV4(t *testing.T) {
	got := v4Signature("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "us-east-1", "iam", "20150830T123600Z",
		"GET", "/", "Action=ListUsers&Version=2010-05-08", hexSum(""),
		[][2]string{{"content-type", "application/x-www-form-urlencoded; charset=utf-8"}, {"host", "iam.amazonaws.com"}, {"x-amz-date", "20150830T123600Z"}})
	if want := "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"; got != want {
		t.Errorf("the verifier gives %s, AWS %s", got, want)
	}
}

// The signer, against the example of Amazon S3's documentation ("Signature
// calculations for the Authorization header": GET Object).
func TestSigV4AsDocumented(t *testing.T) {
	r, err := http.NewRequestWithContext(t.Context(), "GET", "https://examplebucket.s3.amazonaws.com/test.txt", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Range", "bytes=0-9")
	a := Auth{Type: SigV4, AccessKey: "AKIAIOSFODNN7EXAMPLE", Secret: "key", Region: "us-east-1", Service: "s3"}
	s := &surroundings{secrets: map[string]string{"key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}}
	if err := keeperAt(time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC)).Apply(t.Context(), a, s, r); err != nil {
		t.Fatal(err)
	}
	want := "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
	if got := r.Header.Get("Authorization"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

var credentialPattern = regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260301/([^/]+)/([^/]+)/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$`)

func TestSigV4(t *testing.T) {
	target := newTarget(t)
	s := &surroundings{secrets: map[string]string{"key": "secret-access-key", "session": "session-token"}}
	for _, c := range []struct {
		method, path, body, service, session string
		canonical                            string // path
	}{
		{"GET", "/a/b?z=1&a=2&b=%20x", "", "iam", "", "/a/b"},
		{"POST", "/", "Action=ListUsers", "sqs", "session", "/"},
		{"PUT", "/bucket/key%20with%2Fslash", "body", "s3", "", "/bucket/key%20with%2Fslash"}, // escaped once
		{"GET", "/model/a%3Ab/invoke", "", "bedrock", "session", "/model/a%253Ab/invoke"},     // all others twice
	} {
		a := Auth{Type: SigV4, AccessKey: "AKIDEXAMPLE", Secret: "key", Region: "sa-east-1", Service: c.service, SessionToken: c.session}
		got := target.send(t, keeperAt(noon), a, s, c.method, c.path, c.body, "Content-Type", "text/plain", "X-Own", " spaced ")
		found := credentialPattern.FindStringSubmatch(got.Header.Get("Authorization"))
		if found == nil || found[1] != "sa-east-1" || found[2] != c.service {
			t.Fatalf("%s: %q", c.path, got.Header.Get("Authorization"))
		}
		var headers [][2]string
		for _, name := range strings.Split(found[3], ";") {
			value := got.Header.Get(name)
			switch name {
			case "host":
				value = got.Host
			case "content-length":
				value = fmt.Sprint(len(c.body))
			}
			headers = append(headers, [2]string{name, value})
		}
		for _, name := range []string{"host", "x-amz-date", "x-amz-content-sha256", "x-own", "content-type"} {
			if !slices.Contains(strings.Split(found[3], ";"), name) {
				t.Errorf("%s: %s is not signed", c.path, name)
			}
		}
		want := v4Signature("secret-access-key", "sa-east-1", c.service, "20260301T120000Z", c.method, c.canonical, got.URL.RawQuery, hexSum(c.body), headers)
		if found[4] != want {
			t.Errorf("%s %s: the signature is %s, the server computes %s", c.method, c.path, found[4], want)
		}
		if got.body != c.body || got.Header.Get("X-Amz-Content-Sha256") != hexSum(c.body) {
			t.Errorf("%s: the body is %q", c.path, got.body)
		}
		if (got.Header.Get("X-Amz-Security-Token") == "session-token") != (c.session != "") {
			t.Errorf("%s: the session token is %q", c.path, got.Header.Get("X-Amz-Security-Token"))
		}
	}
}

func TestHMAC(t *testing.T) {
	target := newTarget(t)
	s := &surroundings{secrets: map[string]string{"key": "hmac-secret"}}
	host, err := url.Parse(target.URL)
	if err != nil {
		t.Fatal(err)
	}
	const body = `{"text":"{timestamp} {body}"}` // data that spells a template stays data
	seconds := fmt.Sprint(noon.Unix())
	for name, c := range map[string]struct {
		auth          Auth
		path          string
		header, value string
	}{
		"body alone": {
			Auth{Header: "X-Signature", Signed: "{body}"}, "/p",
			"X-Signature", hex.EncodeToString(mac([]byte("hmac-secret"), body)),
		},
		"as Stripe writes it": {
			Auth{Header: "X-Signature", Signed: "{timestamp}.{body}", Format: "t={timestamp},v1={signature}"}, "/p",
			"X-Signature", "t=" + seconds + ",v1=" + hex.EncodeToString(mac([]byte("hmac-secret"), seconds+"."+body)),
		},
		"all parts": {
			Auth{Header: "Authorization", Signed: "{method}\n{host}\n{path}\n{query}\n{username}\n{body_sha256}\n", Username: "me", Encoding: "base64", Format: "HMAC {username}:{signature}"}, "/a%20b?x=1&y={body}",
			"Authorization", "HMAC me:" + base64.StdEncoding.EncodeToString(mac([]byte("hmac-secret"), "POST\n"+host.Host+"\n/a%20b\nx=1&y={body}\nme\n"+hexSum(body)+"\n")),
		},
		"milliseconds": {
			Auth{Header: "X-S", Signed: "{timestamp}", Timestamp: "millis", TimestampHeader: "X-T"}, "/",
			"X-T", fmt.Sprint(noon.UnixMilli()),
		},
		"rfc3339": {
			Auth{Header: "X-S", Signed: "{timestamp}", Timestamp: "rfc3339"}, "/",
			"X-S", hex.EncodeToString(mac([]byte("hmac-secret"), "2026-03-01T12:00:00Z")),
		},
	} {
		c.auth.Type, c.auth.Secret = HMAC, "key"
		got := target.send(t, keeperAt(noon), c.auth, s, "POST", c.path, body)
		if got.Header.Get(c.header) != c.value || got.body != body {
			t.Errorf("%s: got %q with body %q, want %q", name, got.Header.Get(c.header), got.body, c.value)
		}
	}
	a := Auth{Type: HMAC, Secret: "key", Header: "X-S", Signed: "{body}", Algorithm: "sha512"}
	want := hmac.New(sha512.New, []byte("hmac-secret"))
	want.Write([]byte(body))
	if got := target.send(t, keeperAt(noon), a, s, "POST", "/", body).Header.Get("X-S"); got != hex.EncodeToString(want.Sum(nil)) {
		t.Errorf("sha512: got %q", got)
	}
	// An empty path is sent, and signed, as "/".
	a = Auth{Type: HMAC, Secret: "key", Header: "X-S", Signed: "{path}"}
	if got := target.send(t, keeperAt(noon), a, s, "GET", "", "").Header.Get("X-S"); got != hex.EncodeToString(mac([]byte("hmac-secret"), "/")) {
		t.Errorf("the empty path is signed as another: %q", got)
	}
}

var wssePattern = regexp.MustCompile(`^UsernameToken Username="bob", PasswordDigest="([^"]+)", Nonce="([^"]+)", Created="([^"]+)"$`)

func TestWSSE(t *testing.T) {
	target := newTarget(t)
	s := &surroundings{secrets: map[string]string{"key": "taadtaadpstcsm"}}
	nonces := map[string]bool{}
	for range 3 {
		got := target.send(t, keeperAt(noon), Auth{Type: WSSE, Username: "bob", Secret: "key"}, s, "GET", "/", "")
		found := wssePattern.FindStringSubmatch(got.Header.Get("X-WSSE"))
		if found == nil || got.Header.Get("Authorization") != `WSSE profile="UsernameToken"` {
			t.Fatalf("got %v", got.Header)
		}
		nonce, err := base64.StdEncoding.DecodeString(found[2])
		if err != nil || len(nonce) != 16 || nonces[found[2]] {
			t.Errorf("nonce %q, %v", found[2], err)
		}
		nonces[found[2]] = true
		digest := sha1.Sum([]byte(string(nonce) + "2026-03-01T12:00:00Z" + "taadtaadpstcsm"))
		if found[1] != base64.StdEncoding.EncodeToString(digest[:]) || found[3] != "2026-03-01T12:00:00Z" {
			t.Errorf("got %q", found)
		}
	}
}

func TestSimple(t *testing.T) {
	target := newTarget(t)
	s := &surroundings{secrets: map[string]string{"key": "the-key&", "lines": "a\r\nX-Injected: 1"}}
	for _, c := range []struct {
		auth                Auth
		path, header, value string
	}{
		{Auth{}, "/?a=1", "Authorization", ""},
		{Auth{Type: Bearer, Secret: "key"}, "/?a=1", "Authorization", "Bearer the-key&"},
		{Auth{Type: Basic, Username: "me", Secret: "key"}, "/?a=1", "Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte("me:the-key&"))},
		{Auth{Type: APIKey, Header: "x-key", Secret: "key"}, "/?a=1", "X-Key", "the-key&"},
		{Auth{Type: APIKey, Query: "k y", Secret: "key"}, "/?a=1", "", "/?a=1&k+y=the-key%26"},
		{Auth{Type: APIKey, Query: "k", Secret: "key"}, "/", "", "/?k=the-key%26"},
	} {
		got := target.send(t, keeperAt(noon), c.auth, s, "GET", c.path, "")
		value := got.RequestURI
		if c.header != "" {
			value = got.Header.Get(c.header)
		}
		if value != c.value {
			t.Errorf("%+v: got %q, want %q", c.auth, value, c.value)
		}
	}
	for _, a := range []Auth{
		{Type: Bearer, Secret: "lines"}, {Type: APIKey, Header: "X-K", Secret: "lines"}, {Type: Bearer, Secret: "nowhere"},
		{Type: SigV4, Secret: "key", SessionToken: "lines"}, {Type: SigV4, Secret: "key", SessionToken: "nowhere"}, {Type: "other", Secret: "key"},
		{Type: HMAC, Secret: "key", Header: "X-S", Signed: "{nothing}"}, {Type: HMAC, Secret: "key", Header: "X-S", Format: "{nothing}"},
	} {
		r, err := http.NewRequestWithContext(t.Context(), "GET", target.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		var failure *abi.Error
		if err := keeperAt(noon).Apply(t.Context(), a, s, r); !errors.As(err, &failure) || strings.Contains(err.Error(), "Injected") {
			t.Errorf("%+v: %v", a, err)
		}
	}
}
