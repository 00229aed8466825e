// Package auth proves to another system who its caller is: it puts a
// connection's credentials into requests, in the way that the connection's
// "auth" in connections.yaml describes.
//
// The secrets that it needs are named there; it opens them through the
// request's [Scope], which also hides them, and what is made of them, from
// everything that comes back. Tokens that another system issues live in a
// [Keeper]. What a SOAP message carries in its own headers (WS-Security) is made
// here too, and goes into the body where its maker says. The package must not
// know plugins, grants or which addresses may be reached.
package auth

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/trama-run/trama/pdk/abi"
)

// The types of [Auth].
const (
	Bearer         = "bearer"          // RFC 6750
	Basic          = "basic"           // RFC 7617
	APIKey         = "api_key"         // a header or query parameter
	OAuth2         = "oauth2"          // RFC 6749: client credentials, or a refresh token
	ServiceAccount = "service_account" // RFC 7523, with a key file as Google gives it
	SigV4          = "sigv4"           // AWS Signature Version 4
	HMAC           = "hmac"            // a keyed hash over parts of the request
	WSSE           = "wsse"            // X-WSSE: UsernameToken, with a password digest
	WSSecurity     = "ws_security"     // a UsernameToken inside of a SOAP envelope
)

// Auth says how requests of a connection are authenticated: the field "auth" of
// a connection. Which fields belong to which type is what [Auth.Validate]
// checks. Names of secrets are never their values.
type Auth struct {
	Type string `json:"type,omitempty"` // empty for none
	// Secret names the token, password, key, client secret, key file (JSON),
	// or secret access key.
	Secret string `json:"secret,omitempty"`
	// Username is that of basic, wsse and ws_security; in hmac, what {username} stands for.
	Username string `json:"username,omitempty"`
	// Header or Query names where an api_key goes; Header where an hmac goes.
	Header string `json:"header,omitempty"`
	Query  string `json:"query,omitempty"`

	// Grant of oauth2 is "client_credentials", which is the default, or
	// "refresh_token".
	Grant    string `json:"grant,omitempty"`
	TokenURL string `json:"token_url,omitempty"`
	ClientID string `json:"client_id,omitempty"`
	// ClientAuth says where the client's own credentials go at the token
	// endpoint: "header" (HTTP Basic), which is the default, or "body".
	ClientAuth string `json:"client_auth,omitempty"`
	// RefreshToken names the secret that holds the first refresh token. One
	// that the server puts in its place is kept by the host.
	RefreshToken string   `json:"refresh_token,omitempty"`
	Scopes       []string `json:"scopes,omitempty"`
	// Params are further parameters of the token request, such as audience.
	Params map[string]string `json:"params,omitempty"`
	// Subject is the user on whose behalf a service account acts.
	Subject string `json:"subject,omitempty"`

	// AccessKey is the access key id of sigv4, which is no secret, Region and
	// Service are the credential's scope, and SessionToken names a secret.
	AccessKey    string `json:"access_key,omitempty"`
	Region       string `json:"region,omitempty"`
	Service      string `json:"service,omitempty"`
	SessionToken string `json:"session_token,omitempty"`

	// Password of ws_security is sent as "digest" (the default) or "text".
	Password string `json:"password,omitempty"`
	// ExpiresSeconds of ws_security adds a Timestamp that ends then;
	// MustUnderstand makes a service refuse the call if it knows neither.
	ExpiresSeconds int  `json:"expires_seconds,omitempty"`
	MustUnderstand bool `json:"must_understand,omitempty"`

	// Algorithm of hmac is "sha256" (the default) or "sha512"; Encoding of its
	// result "hex" (the default) or "base64".
	Algorithm string `json:"algorithm,omitempty"`
	Encoding  string `json:"encoding,omitempty"`
	// Signed is what an hmac covers: text in which {method}, {host}, {path},
	// {query}, {timestamp}, {username}, {body} and {body_sha256} stand for
	// parts of the request.
	Signed string `json:"signed,omitempty"`
	// Format is the header's value: text in which {signature}, {timestamp}
	// and {username} are replaced. Default: "{signature}".
	Format string `json:"format,omitempty"`
	// TimestampHeader carries the timestamp, if it is named; Timestamp is its
	// form: "seconds" (the default) or "millis" since the Unix epoch, or
	// "rfc3339".
	TimestampHeader string `json:"timestamp_header,omitempty"`
	Timestamp       string `json:"timestamp,omitempty"`
}

// Secrets lists the names of the secrets that requests need.
func (a Auth) Secrets() []string {
	return slices.DeleteFunc([]string{a.Secret, a.RefreshToken, a.SessionToken}, func(name string) bool { return name == "" })
}

// Headers lists the request headers that carry the credentials.
func (a Auth) Headers() []string {
	switch a.Type {
	case Bearer, Basic, OAuth2, ServiceAccount:
		return []string{"Authorization"}
	case SigV4:
		return []string{"Authorization", "X-Amz-Date", "X-Amz-Security-Token", "X-Amz-Content-Sha256"}
	case WSSE:
		return []string{"Authorization", "X-Wsse"}
	case APIKey, HMAC:
		var names []string
		for _, name := range []string{a.Header, a.TimestampHeader} {
			if name != "" {
				names = append(names, http.CanonicalHeaderKey(name))
			}
		}
		return names
	}
	return nil
}

// Scope is what a request's surroundings give to its authentication.
type Scope interface {
	// Open gives a secret's value and hides it. Its errors are *abi.Error.
	Open(name string) (string, error)
	// Hide takes a text out of everything that comes back.
	Hide(text string)
	// Redact takes what is hidden out of a text.
	Redact(text string) string
	// Fetch sends a request to a token endpoint that the connection names, and
	// gives status and body of the answer; redirects are not followed.
	Fetch(r *http.Request) (status int, body []byte, err error)
}

// Apply puts the credentials into a request, whose body, if it has one, must be
// readable by r.GetBody. Errors are *abi.Error and name the secret at fault,
// never its value.
func (k *Keeper) Apply(ctx context.Context, a Auth, s Scope, r *http.Request) error {
	switch a.Type {
	case "", WSSecurity: // whose credentials are in the body: SecurityHeader
		return nil
	case OAuth2, ServiceAccount:
		token, err := k.token(ctx, a, s)
		if err != nil {
			return err
		}
		return setHeader(r, "Authorization", "Bearer "+token, a.Secret)
	}
	secret, err := s.Open(a.Secret)
	if err != nil {
		return err
	}
	switch a.Type {
	case Bearer:
		return setHeader(r, "Authorization", "Bearer "+secret, a.Secret)
	case Basic:
		pair := base64.StdEncoding.EncodeToString([]byte(a.Username + ":" + secret))
		s.Hide(pair)
		return setHeader(r, "Authorization", "Basic "+pair, a.Secret)
	case APIKey:
		if a.Header != "" {
			return setHeader(r, a.Header, secret, a.Secret)
		}
		field := url.QueryEscape(a.Query) + "=" + url.QueryEscape(secret)
		if r.URL.RawQuery != "" {
			field = r.URL.RawQuery + "&" + field
		}
		r.URL.RawQuery = field
		return nil
	case SigV4:
		return signV4(ctx, a, s, r, secret, k.now())
	case HMAC:
		return signHMAC(a, r, secret, k.now())
	case WSSE:
		return signWSSE(a, r, secret, k.now())
	}
	return fail(abi.CodeInvalid, "auth type %q is not known", a.Type)
}

// setHeader sets a header made of a secret, which may hold what no header can
// carry.
func setHeader(r *http.Request, name, value, secret string) error {
	if strings.ContainsFunc(value, isControl) {
		return fail(abi.CodeInvalid, "the secret %q holds a line break or control character, which no header can carry: store it without", secret)
	}
	r.Header.Set(name, value)
	return nil
}

func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

// fail makes an error. Those that time may heal are retryable.
func fail(code, format string, args ...any) error {
	return &abi.Error{Code: code, Message: fmt.Sprintf(format, args...), Retryable: code == abi.CodeUnreachable || code == abi.CodeTimeout}
}

// asError gives an error of Scope the form that all errors of this package
// have.
func asError(err error) *abi.Error {
	var shaped *abi.Error
	if errors.As(err, &shaped) {
		return shaped
	}
	return &abi.Error{Code: abi.CodeInvalid, Message: err.Error()}
}

// clock is what time it is; tests have their own.
type clock func() time.Time
