package calllog

import (
	"encoding/base64"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/trama-run/trama/host/egress/redact"
)

// TestClean: what must not be kept is not, wherever it stands, and the rest is
// as it was.
func TestClean(t *testing.T) {
	l, _ := open(t, nil)
	asked := func(headers, body string) Seen {
		return Seen{Call: Call{Endpoint: "/x"}, Asked: Half{Headers: []byte(headers), Body: []byte(body), Bytes: int64(len(body))}}
	}
	long := strings.Repeat("a", maxBody-10)
	for name, test := range map[string]struct {
		seen Seen
		want Part
	}{
		"headers": {
			asked("Authorization: Basic abc\r\nCookie: a=b\r\nclient_id: 123\r\nClient-Id: 123\r\nX-Hub-Signature-256: sha256=1\r\nX-Api-Key: k\r\nAccept: text/plain\r\nAccept: */*\r\n", ""),
			Part{Headers: map[string]string{"authorization": redact.Mark, "cookie": redact.Mark, "client_id": redact.Mark, "client-id": redact.Mark, "x-hub-signature-256": redact.Mark, "x-api-key": redact.Mark, "accept": "text/plain, */*"}},
		},
		"a secret in a header":       {asked("X-Note: it is "+hidden+"\r\n", ""), Part{Headers: map[string]string{"x-note": "it is " + redact.Mark}}},
		"a token where one is led":   {asked("Location: https://a:b@c.example/d?token=1&e=2\r\n", ""), Part{Headers: map[string]string{"location": "https://c.example/d?token=" + redact.Mark + "&e=2"}}},
		"no headers":                 {asked("garbage\r\n: x\r\n", ""), Part{Headers: map[string]string{}}},
		"text":                       {asked("", `{"a": 1}`), Part{Body: `{"a": 1}`, Bytes: 8}},
		"a secret in a body":         {asked("", `{"a": "`+hidden+`"}`), Part{Body: `{"a": "` + redact.Mark + `"}`, Bytes: 29}},
		"a secret, encoded":          {asked("", base64.StdEncoding.EncodeToString([]byte(hidden))), Part{Body: redact.Mark + "=", Bytes: 28}},
		"members that are secret":    {asked("", `{"user": "ana", "Password" : "a\"b", "access_token":"t", "n": {"client_secret": "x"}, "tokens": 3}`), Part{Body: `{"user": "ana", "Password" : "[redacted]", "access_token":"[redacted]", "n": {"client_secret": "[redacted]"}, "tokens": "[redacted]"}`, Bytes: 98}},
		"a form":                     {asked("Content-Type: application/x-www-form-urlencoded\r\n", "user=ana&password=a%20b&tok%65n=1"), Part{Headers: map[string]string{"content-type": "application/x-www-form-urlencoded"}, Body: "user=ana&password=[redacted]&tok%65n=[redacted]", Bytes: 33}},
		"rows of a form":             {asked("", `[{"key":"deal[name]","value":"x"},{"key":"deal[pin]","value":"x"}]`), Part{Body: `[{"key":"deal[name]","value":"x"},{"key":"deal[pin]","value":"[redacted]"}]`, Bytes: 66}},
		"no text":                    {asked("", "\xff\x00"), Part{BodyBase64: "/wA=", Bytes: 2}},
		"no text, with a secret":     {asked("", "\xff"+hidden), Part{BodyBase64: base64.StdEncoding.EncodeToString([]byte("\xff" + redact.Mark)), Bytes: 21}},
		"long":                       {asked("", strings.Repeat("a", maxBody+5)), Part{Body: strings.Repeat("a", maxBody), Bytes: maxBody + 5, Cut: true}},
		"a secret across the end":    {asked("", long+hidden), Part{Body: long + redact.Mark, Bytes: int64(len(long) + len(hidden)), Cut: true}},
		"a character across the end": {Seen{Asked: Half{Body: []byte("ab\xc3"), Bytes: 100}}, Part{Body: "ab", Bytes: 100, Cut: true}},
		"a member across the end":    {Seen{Asked: Half{Body: []byte(`{"password": "abc`), Bytes: 100}}, Part{Body: `{"password": "[redacted]"`, Bytes: 100, Cut: true}},
		"a caller that was turned away": {
			Seen{Call: Call{Direction: In, Status: 401}, Asked: Half{Body: []byte(strings.Repeat("a", maxRefused-5) + hidden), Bytes: maxRefused + 15}},
			Part{Body: strings.Repeat("a", maxRefused-5) + redact.Mark[:5], Bytes: maxRefused + 15, Cut: true},
		},
		"what the side knows": {
			Seen{Asked: Half{Body: []byte("rotated"), Bytes: 7}, Redact: func(text string) string { return strings.ReplaceAll(text, "rotated", redact.Mark) }},
			Part{Body: redact.Mark, Bytes: 7},
		},
	} {
		l.renew(l.config.Now())
		if got := l.cleaner.call(&test.seen).Request; !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: kept %+v\nwant %+v", name, got, test.want)
		}
	}
}

func TestCleanEndpoint(t *testing.T) {
	l, _ := open(t, nil)
	l.renew(l.config.Now())
	for endpoint, want := range map[string]string{
		"/hooks/a?hub.verify_token=x&n=1":                       "/hooks/a?hub.verify_token=[redacted]&n=1",
		"https://user:pass@api.example/v1?n=1&key=2":            "https://api.example/v1?n=1&key=[redacted]",
		"https://api.example/bot" + hidden + "/send":            "https://api.example/bot[redacted]/send",
		"/x?pwd=1&sig=2&jwt=3&code=4&pass=5":                    "/x?pwd=[redacted]&sig=[redacted]&jwt=[redacted]&code=[redacted]&pass=[redacted]",
		"https://u:p/x@host":                                    "https://u:p/x@host", // what a URL's parser reads: host "u:p"
		"/x?client_id=1&Access-Token=2&a=client_id%3d3":         "/x?client_id=[redacted]&Access-Token=[redacted]&a=client_id%3d3",
		"https://api.example/" + strings.Repeat("a", 2*maxText): "https://api.example/" + strings.Repeat("a", maxText-20) + "…",
	} {
		if got := l.cleaner.call(&Seen{Call: Call{Endpoint: endpoint}}).Endpoint; got != want {
			t.Errorf("%s: kept as %s, want %s", endpoint, got, want)
		}
	}
}

func TestNoBodies(t *testing.T) {
	l, _ := open(t, func(c *Config) { c.NoBodies = true })
	l.Add(&Seen{Call: Call{Endpoint: "/x", Status: 200}, Asked: Half{Headers: []byte("A: b\r\n"), Body: []byte("hello"), Bytes: 5}})
	found, _, err := l.Search(t.Context(), Filter{}, 1)
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	if got := found[0].Request; got.Body != "" || got.Bytes != 5 || !got.Cut || got.Headers["a"] != "b" {
		t.Errorf("kept %+v", got)
	}
}

// FuzzClean: whatever strangers send, no secret is kept and it can be stored.
func FuzzClean(f *testing.F) {
	f.Add("/x?token=1", "A: b\r\nAuthorization: x\r\n", `{"password":"x"}`)
	f.Add("https://u:p@h/?a=%zz&=", "\r\n:\r\na", "\xff\xfe"+hidden)
	f.Fuzz(func(t *testing.T, endpoint, headers, body string) {
		l := &Log{}
		l.config.Secrets = func() []string { return []string{hidden} }
		l.renew(time.Now())
		half := Half{Headers: []byte(headers), Body: []byte(body), Bytes: int64(len(body))}
		c := l.cleaner.call(&Seen{Call: Call{Endpoint: endpoint, Error: body}, Asked: half, Answered: half})
		data, err := json.Marshal(c)
		if err != nil || strings.Contains(string(data), hidden) {
			t.Fatalf("%v: %s", err, data)
		}
		if len(c.Request.Body) > maxBody || len(c.Endpoint) > maxText+3 {
			t.Errorf("kept %d and %d bytes", len(c.Request.Body), len(c.Endpoint))
		}
		p := page{name: "0"}
		if _, err := p.add(c); err != nil {
			t.Fatal(err)
		}
		var x index
		if err := x.decode(p.index.encode()); err != nil || !x.may(&Filter{}, c.terms()) {
			t.Errorf("the index does not know its call: %v", err)
		}
	})
}
