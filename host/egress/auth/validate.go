package auth

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// kinds says which fields belong to which type.
var kinds = map[string]struct{ needs, takes []string }{
	"":             {},
	Bearer:         {needs: []string{"secret"}},
	Basic:          {needs: []string{"secret"}, takes: []string{"username"}},
	APIKey:         {needs: []string{"secret"}, takes: []string{"header", "query"}},
	OAuth2:         {needs: []string{"token_url", "client_id"}, takes: []string{"secret", "grant", "client_auth", "refresh_token", "scopes", "params"}},
	ServiceAccount: {needs: []string{"secret", "scopes"}, takes: []string{"token_url", "subject"}},
	SigV4:          {needs: []string{"secret", "access_key", "region", "service"}, takes: []string{"session_token"}},
	HMAC:           {needs: []string{"secret", "header", "signed"}, takes: []string{"username", "algorithm", "encoding", "format", "timestamp_header", "timestamp"}},
	WSSE:           {needs: []string{"secret", "username"}},
	WSSecurity:     {needs: []string{"secret", "username"}, takes: []string{"password", "expires_seconds", "must_understand"}},
}

const maxExpires = 24 * 60 * 60 // seconds

// meanings says what a field holds, for the remedy.
var meanings = map[string]string{
	"secret":     "the name of a secret, never its value",
	"token_url":  "where tokens are issued",
	"client_id":  "the id that the server gave this client",
	"scopes":     "a list of what the token shall be good for",
	"access_key": "the access key id",
	"region":     "such as us-east-1",
	"service":    "such as s3",
	"header":     "the header that carries the signature",
	"signed":     `what is signed, such as "{timestamp}.{body}"`,
	"username":   "the name that the other system knows",
}

// fields gives the fields of a that are set, besides type, in the order of the
// documentation.
func (a Auth) fields() []string {
	var set []string
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"secret", a.Secret != ""}, {"username", a.Username != ""}, {"header", a.Header != ""}, {"query", a.Query != ""},
		{"grant", a.Grant != ""}, {"token_url", a.TokenURL != ""}, {"client_id", a.ClientID != ""}, {"client_auth", a.ClientAuth != ""},
		{"refresh_token", a.RefreshToken != ""}, {"scopes", len(a.Scopes) > 0}, {"params", len(a.Params) > 0}, {"subject", a.Subject != ""},
		{"access_key", a.AccessKey != ""}, {"region", a.Region != ""}, {"service", a.Service != ""}, {"session_token", a.SessionToken != ""},
		{"algorithm", a.Algorithm != ""}, {"encoding", a.Encoding != ""}, {"signed", a.Signed != ""}, {"format", a.Format != ""},
		{"timestamp_header", a.TimestampHeader != ""}, {"timestamp", a.Timestamp != ""},
		{"password", a.Password != ""}, {"expires_seconds", a.ExpiresSeconds != 0}, {"must_understand", a.MustUnderstand},
	} {
		if f.set {
			set = append(set, f.name)
		}
	}
	return set
}

// Validate returns what is wrong, each with its field and remedy. CheckURL
// says whether a token URL is one that requests can go to.
func (a Auth) Validate(checkURL func(string) error) []string {
	var problems []string
	report := func(format string, args ...any) {
		problems = append(problems, "auth: "+fmt.Sprintf(format, args...))
	}
	kind, known := kinds[a.Type]
	if !known {
		report("type %q is not known: use bearer, basic, api_key, oauth2, service_account, sigv4, hmac, wsse or ws_security", a.Type)
		return problems
	}
	set := a.fields()
	for _, name := range kind.needs {
		if !slices.Contains(set, name) {
			report("type %s needs %s: %s", a.Type, name, meanings[name])
		}
	}
	for _, name := range set {
		if !slices.Contains(kind.needs, name) && !slices.Contains(kind.takes, name) {
			report("%s has no meaning for type %q: remove it", name, a.Type)
		}
	}
	if a.TokenURL != "" {
		if err := checkURL(a.TokenURL); err != nil {
			report("token_url: %v", err)
		}
	}
	oneOf := func(field, value string, allowed ...string) {
		if value != "" && !slices.Contains(allowed, value) {
			report("%s %q is not known: use %s", field, value, strings.Join(allowed, " or "))
		}
	}
	carries := func(field, name string) {
		if name != "" && !headerCarries(name) {
			report("%s %q can't carry credentials: it is no header's name, or the host's own", field, name)
		}
	}
	switch a.Type {
	case Basic, WSSE:
		if a.Type == Basic && strings.Contains(a.Username, ":") || strings.ContainsFunc(a.Username, isControl) || strings.Contains(a.Username, `"`) && a.Type == WSSE {
			report("username %q can't hold a colon (RFC 7617), quotes or control characters", a.Username)
		}
	case WSSecurity:
		oneOf("password", a.Password, passwordDigest, passwordText)
		if strings.ContainsFunc(a.Username, isControl) {
			report("username %q can't hold control characters", a.Username)
		}
		if a.ExpiresSeconds < 0 || a.ExpiresSeconds > maxExpires {
			report("expires_seconds %d is not between 1 and %d", a.ExpiresSeconds, maxExpires)
		}
	case APIKey:
		if (a.Header == "") == (a.Query == "") {
			report("type api_key needs either header or query: where the key goes")
		}
		carries("header", a.Header)
	case OAuth2:
		oneOf("grant", a.Grant, grantClient, grantRefresh)
		oneOf("client_auth", a.ClientAuth, clientHeader, clientBody)
		switch refresh := a.Grant == grantRefresh; {
		case refresh && a.RefreshToken == "":
			report("grant refresh_token needs refresh_token: the name of the secret that holds the first one")
		case !refresh && a.RefreshToken != "":
			report("refresh_token has a meaning for grant refresh_token alone: set that, or remove it")
		case !refresh && a.Secret == "":
			report("grant client_credentials needs secret: the name of the client's secret, never its value")
		}
		for name := range a.Params {
			if slices.Contains(ownParams, name) {
				report("params: %s is the host's to set: remove it", name)
			}
		}
	case HMAC:
		carries("header", a.Header)
		carries("timestamp_header", a.TimestampHeader)
		oneOf("algorithm", a.Algorithm, "sha256", "sha512")
		oneOf("encoding", a.Encoding, "hex", "base64")
		oneOf("timestamp", a.Timestamp, "seconds", "millis", "rfc3339")
		for _, t := range []struct {
			field, text string
			names       []string
		}{{"signed", a.Signed, signedNames}, {"format", a.Format, formatNames}} {
			if _, err := parseTemplate(t.text, t.names); err != nil {
				report("%s: %v", t.field, err)
			}
		}
	}
	return problems
}

// headerCarries says whether a header may carry credentials: a token (RFC
// 9110, section 5.6.2) that says nothing of the message or its way.
func headerCarries(name string) bool {
	for _, r := range name {
		if !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("!#$%&'*+-.^_`|~", r)) {
			return false
		}
	}
	name = http.CanonicalHeaderKey(name)
	return name != "" && !strings.HasPrefix(name, "Proxy-") && !slices.Contains([]string{
		"Host", "Content-Length", "Transfer-Encoding", "Connection", "Keep-Alive", "Te", "Trailer", "Upgrade", "Expect", "Http2-Settings", "Accept-Encoding",
	}, name)
}

// tokenOrigin names a token endpoint in errors, without its query.
func tokenOrigin(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "the token endpoint"
	}
	return u.Scheme + "://" + u.Host + u.EscapedPath()
}
