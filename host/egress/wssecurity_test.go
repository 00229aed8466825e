package egress

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/xml"
	"net/http"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/egress/auth"
	"github.com/trama-run/trama/pdk/abi"
)

const (
	envelopeSpace = "http://schemas.xmlsoap.org/soap/envelope/"
	openEnvelope  = `<s:Envelope xmlns:s="` + envelopeSpace + `">`
)

// received is what a service reads of an envelope.
type received struct {
	Header struct {
		Security struct {
			MustUnderstand string `xml:"http://schemas.xmlsoap.org/soap/envelope/ mustUnderstand,attr"`
			Timestamp      *struct{ Created, Expires string }
			Token          struct {
				Username string
				Password struct {
					Type string `xml:",attr"`
					Text string `xml:",chardata"`
				}
				Nonce, Created string
			} `xml:"UsernameToken"`
		} `xml:"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd Security"`
		Trace string
	} `xml:"http://schemas.xmlsoap.org/soap/envelope/ Header"`
	Body struct{ Ping string } `xml:"http://schemas.xmlsoap.org/soap/envelope/ Body"`
}

func TestWSSecurity(t *testing.T) {
	other := serve(t, nil)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/away" {
			http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
		}
		if r.URL.Path == "/echo" {
			w.Write([]byte("<a>" + r.Header.Get("X") + "</a>" + password)) //nolint:errcheck // the client is gone
		}
	})
	open := func(a auth.Auth) *Scope {
		a.Type, a.Username, a.Secret = auth.WSSecurity, "bob & co", "password"
		return newClient(t, nil).Open(Policy{HTTPBytes: 1 << 20, Origins: []string{"connection", other.URL}, Connection: &Connection{ID: "c", BaseURL: s.URL, Auth: a}})
	}
	const without, with = openEnvelope + `<s:Body><Ping>1</Ping></s:Body></s:Envelope>`, openEnvelope + `<s:Header><Trace>t</Trace></s:Header><s:Body><Ping>1</Ping></s:Body></s:Envelope>`
	nonces := map[string]bool{}
	for name, c := range map[string]struct {
		auth  auth.Auth
		body  string
		place abi.WSSecurity
	}{
		"a digest, no header":   {auth.Auth{}, without, abi.WSSecurity{At: len(openEnvelope), NoHeader: true, Envelope: envelopeSpace}},
		"again":                 {auth.Auth{Password: "digest"}, without, abi.WSSecurity{At: len(openEnvelope), NoHeader: true, Envelope: envelopeSpace}},
		"text beside a header":  {auth.Auth{Password: "text"}, with, abi.WSSecurity{At: strings.Index(with, "</s:Header>"), Envelope: envelopeSpace}},
		"all that can be asked": {auth.Auth{ExpiresSeconds: 600, MustUnderstand: true}, with, abi.WSSecurity{At: strings.Index(with, "</s:Header>"), Envelope: envelopeSpace}},
	} {
		ok(t, open(c.auth), abi.HTTPRequest{Method: "POST", URL: "/", Body: c.body, WSSecurity: &c.place})
		request, sent := s.last(t)
		var got received
		if err := xml.Unmarshal([]byte(sent), &got); err != nil {
			t.Fatalf("%s: %v in %s", name, err, sent)
		}
		if request.ContentLength != int64(len(sent)) || got.Body.Ping != "1" || (c.body == with) != (got.Header.Trace == "t") {
			t.Errorf("%s: sent %s", name, sent)
		}
		security := got.Header.Security
		token := security.Token
		nonce, err := base64.StdEncoding.DecodeString(token.Nonce)
		if err != nil || len(nonce) != 16 || nonces[token.Nonce] || token.Username != "bob & co" {
			t.Errorf("%s: token %+v, %v", name, token, err)
		}
		nonces[token.Nonce] = true
		want, kind := password, "#PasswordText"
		if c.auth.Password != "text" {
			sum := sha1.Sum([]byte(string(nonce) + token.Created + password))
			want, kind = base64.StdEncoding.EncodeToString(sum[:]), "#PasswordDigest"
		}
		if token.Password.Text != want || !strings.HasSuffix(token.Password.Type, kind) {
			t.Errorf("%s: password %+v, want %q as %s", name, token.Password, want, kind)
		}
		if asked := c.auth.MustUnderstand; asked != (security.Timestamp != nil) || asked != (security.MustUnderstand == "1") {
			t.Errorf("%s: %+v", name, security)
		}
	}
	place := abi.WSSecurity{At: len(openEnvelope), NoHeader: true, Envelope: envelopeSpace}
	// Elsewhere the body arrives as the guest wrote it.
	scope := open(auth.Auth{Password: "text"})
	ok(t, scope, abi.HTTPRequest{Method: "POST", URL: "/away", Body: without, WSSecurity: &place})
	if _, arrived := other.last(t); arrived != without {
		t.Errorf("elsewhere arrived %s", arrived)
	}
	// What comes back has no password.
	if answer := ok(t, scope, abi.HTTPRequest{Method: "POST", URL: "/echo", Body: without, WSSecurity: &place}); strings.Contains(answer.Body, password) {
		t.Errorf("the answer has the password: %s", answer.Body)
	}
	before := s.count()
	refused(t, scope, abi.HTTPRequest{Method: "POST", URL: "/", Body: without}, abi.CodeInvalid, "soap.call")
	for _, bad := range []abi.WSSecurity{{At: -1, Envelope: envelopeSpace}, {At: len(without) + 1, Envelope: envelopeSpace}, {Envelope: `"><x`}} {
		refused(t, scope, abi.HTTPRequest{Method: "POST", URL: "/", Body: without, WSSecurity: &bad}, abi.CodeInvalid, "")
	}
	if s.count() != before {
		t.Error("a refused request arrived")
	}
}
