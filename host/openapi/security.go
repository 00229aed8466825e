package openapi

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/trama-run/trama/host/access"
)

// Names of security schemes.
const (
	schemeClient    = "client"
	schemeSignature = "signature"
	schemeToken     = "token"
	schemeService   = "service"
)

// secure says what a caller must send, and in words what else counts. Which
// clients and which addresses may call is not said.
func (b *builder) secure(security access.Security, o *Operation) {
	o.Security = []Requirement{}
	var words []string
	bounded := false
	for _, way := range security {
		requirement := b.requirement(way)
		if !slices.ContainsFunc(o.Security, func(known Requirement) bool { return maps.EqualFunc(known, requirement, slices.Equal) }) {
			o.Security = append(o.Security, requirement)
		}
		limits := limits(way)
		bounded = bounded || limits != ""
		if word := who(way) + limits; !slices.Contains(words, word) {
			words = append(words, word)
		}
	}
	if len(o.Security) == 1 && len(o.Security[0]) == 0 {
		o.Security = []Requirement{}
	}
	if bounded { // else what must be sent says all
		o.Callers = strings.Join(words, "; or ")
	}
}

// requirement names the schemes of one way in.
func (b *builder) requirement(way access.Way) Requirement {
	found := Requirement{}
	scopes := func() []string { return append([]string{}, way.Scopes...) } // never null
	client, signature, token := way.Asks()
	if client {
		found[schemeClient] = []string{}
		b.security[schemeClient] = Scheme{Type: "apiKey", In: "header", Name: access.HeaderClient, Description: "The id that the operator gave you."}
		if !token {
			found[schemeClient] = scopes()
		}
	}
	if signature {
		found[schemeSignature] = []string{}
		b.security[schemeSignature] = Scheme{Type: "apiKey", In: "header", Name: "Trama-Signature", Description: signatureText}
	}
	if s := way.Service; s != nil {
		name := schemeService + "-" + strings.ToLower(s.Header())
		found[name] = []string{}
		b.security[name] = Scheme{Type: "apiKey", In: "header", Name: s.Header(), Description: "The signature of the service that calls, by its own scheme."}
	}
	if token {
		found[b.token(way.JWT)] = scopes()
	}
	return found
}

// token gives the scheme of tokens of one issuer for one audience.
func (b *builder) token(jwt *access.JWT) string {
	scheme := Scheme{Type: "http", Scheme: "bearer", Format: "JWT", Description: fmt.Sprintf("A token of %s for the audience %s.", jwt.Issuer, jwt.Audience)}
	for i := 1; ; i++ {
		name := schemeToken
		if i > 1 {
			name = fmt.Sprintf("%s%d", schemeToken, i)
		}
		if other, taken := b.security[name]; !taken || other == scheme {
			b.security[name] = scheme
			return name
		}
	}
}

// signatureText says how a request is signed: enough to do it.
const signatureText = "A signature of the request: `t=<seconds since 1970>,n=<nonce>,v1=<signature>`. " +
	"The nonce is 8 to 64 letters, digits, - and _ that you use once. " +
	"The signature is the HMAC-SHA256, in lower-case hexadecimal digits, under your client's secret as you were given it, of these six lines, with a line feed between them and none at the end: " +
	"`v1`; the value of t; the nonce; the method; the path and query as they are sent, such as `/api/orders?full=1`; and the SHA-256 of the body (empty if there is none) in lower-case hexadecimal digits. " +
	"It is taken for five minutes, once: sign each request anew when you send it."

// who says in words what a way asks of a caller.
func who(way access.Way) string {
	client, signature, token := way.Asks()
	var words []string
	if client {
		words = append(words, "the header "+access.HeaderClient)
	}
	if signature {
		words = append(words, "the header Trama-Signature")
	}
	if way.Service != nil {
		words = append(words, "a service's signature in "+way.Service.Header())
	}
	if token {
		words = append(words, "a bearer token")
	}
	if len(words) == 0 {
		return "anyone"
	}
	text := "callers with " + strings.Join(words, " and ")
	if len(way.Scopes) > 0 {
		text += " that have " + strings.Join(way.Scopes, ", ")
	}
	return text
}

// fromAddresses says of callers that not all may call: an import opens nothing
// that has it.
const fromAddresses = " from certain addresses"

// limits says what counts beside what a caller sends.
func limits(way access.Way) (words string) {
	if len(way.IPs) > 0 {
		words += fromAddresses
	}
	if !way.Rate.IsZero() {
		words += ", at most " + way.Rate.String()
	}
	if !way.Quota.IsZero() {
		words += ", a quota of " + way.Quota.String()
	}
	return words
}
