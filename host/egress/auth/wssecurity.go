package auth

import (
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // what the profile prescribes
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/trama-run/trama/pdk/abi"
)

// Values of [Auth.Password].
const (
	passwordDigest = "digest"
	passwordText   = "text"
)

// What a wsse:Security header is made of (OASIS Web Services Security: SOAP
// Message Security 1.1 and UsernameToken Profile 1.1).
const (
	spaceWSSE   = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
	spaceWSU    = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
	tokenType   = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#Password"
	nonceBase64 = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#Base64Binary"
)

// The namespaces that a SOAP envelope may have.
var envelopes = []string{"http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope"}

// SecurityHeader gives what the credentials of ws_security are in an envelope:
// XML to be put where the request's place is. It is made anew for each
// request, since a nonce is good for one.
func (k *Keeper) SecurityHeader(a Auth, s Scope, place *abi.WSSecurity) ([]byte, error) {
	if place == nil {
		return nil, fail(abi.CodeInvalid, "its auth is ws_security, which goes into SOAP messages: call it with soap.call, or a plugin that says where in its body that may stand")
	}
	if !slices.Contains(envelopes, place.Envelope) {
		return nil, fail(abi.CodeInvalid, "%.80q is the namespace of no SOAP envelope", place.Envelope)
	}
	password, err := s.Open(a.Secret)
	if err != nil {
		return nil, err
	}
	now := k.now().UTC()
	var header strings.Builder
	if place.NoHeader {
		fmt.Fprintf(&header, `<env:Header xmlns:env="%s">`, place.Envelope)
	}
	fmt.Fprintf(&header, `<wsse:Security xmlns:wsse="%s" xmlns:wsu="%s"`, spaceWSSE, spaceWSU)
	if a.MustUnderstand {
		fmt.Fprintf(&header, ` xmlns:env="%s" env:mustUnderstand="1"`, place.Envelope)
	}
	header.WriteString(">")
	created := now.Format("2006-01-02T15:04:05.000Z")
	if a.ExpiresSeconds > 0 {
		fmt.Fprintf(&header, `<wsu:Timestamp><wsu:Created>%s</wsu:Created><wsu:Expires>%s</wsu:Expires></wsu:Timestamp>`,
			created, now.Add(time.Duration(a.ExpiresSeconds)*time.Second).Format("2006-01-02T15:04:05.000Z"))
	}
	form := "Text"
	nonce := make([]byte, 16)
	rand.Read(nonce) //nolint:errcheck // never fails since Go 1.24
	if a.Password != passwordText {
		form = "Digest"
		sum := sha1.Sum(slices.Concat(nonce, []byte(created), []byte(password))) //nolint:gosec // what the profile prescribes
		password = base64.StdEncoding.EncodeToString(sum[:])
		s.Hide(password)
	} else if strings.ContainsFunc(password, func(r rune) bool { return r < ' ' && r != '\t' || r == 0xfffe || r == 0xffff || r == '\ufffd' }) {
		return nil, fail(abi.CodeInvalid, "the secret %q holds a line break or a character that XML can't carry: store it without", a.Secret)
	}
	fmt.Fprintf(&header, `<wsse:UsernameToken><wsse:Username>%s</wsse:Username><wsse:Password Type="%s%s">%s</wsse:Password>`+
		`<wsse:Nonce EncodingType="%s">%s</wsse:Nonce><wsu:Created>%s</wsu:Created></wsse:UsernameToken></wsse:Security>`,
		escapeXML(a.Username), tokenType, form, escapeXML(password), nonceBase64, base64.StdEncoding.EncodeToString(nonce), created)
	if place.NoHeader {
		header.WriteString("</env:Header>")
	}
	if form == "Text" {
		s.Hide(escapeXML(password))
	}
	return []byte(header.String()), nil
}

func escapeXML(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(text)
}
