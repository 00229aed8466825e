package egress

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/trama-run/trama/host/grant"
	"github.com/trama-run/trama/pdk/abi"
)

// Connection is the configured use of another system: a line of
// connections.yaml, such as
//
//	{id: graph, base_url: https://graph.facebook.com/v23.0, auth: {type: bearer, secret: wa_token}}
type Connection struct {
	ID string `json:"id" source:"required"`
	// BaseURL is what relative URLs are appended to. Egress "connection"
	// reaches its origin, from its path downwards, and its credentials go
	// nowhere else.
	BaseURL string `json:"base_url" source:"required"`
	Auth    Auth   `json:"auth,omitzero"`
}

// Auth is how egress authenticates requests of a connection.
type Auth struct {
	// Type is "bearer" (RFC 6750), "basic" (RFC 7617), "api_key", or empty
	// for none.
	Type string `json:"type,omitempty"`
	// Secret names the token, the password or the key.
	Secret   string `json:"secret,omitempty"`
	Username string `json:"username,omitempty"` // basic
	// Header or Query names where an api_key goes.
	Header string `json:"header,omitempty"`
	Query  string `json:"query,omitempty"`
}

// The types of [Auth].
const (
	AuthBearer = "bearer"
	AuthBasic  = "basic"
	AuthAPIKey = "api_key"
)

// Validate returns what is wrong with the connection, each with its remedy.
func (c Connection) Validate() []string {
	var problems []string
	report := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	if c.ID == "" {
		report("a connection has no id: name it, so that nodes can use it")
	}
	if _, err := parseBase(c.BaseURL); err != nil {
		report("base_url: %v", err)
	}
	a := c.Auth
	if a.Type != "" && a.Secret == "" {
		report("auth: type %s needs secret: the name of a secret, never its value", a.Type)
	}
	extra := map[string]string{"username": a.Username, "header": a.Header, "query": a.Query}
	switch a.Type {
	case "":
		extra["secret"] = a.Secret
	case AuthBearer:
	case AuthBasic:
		delete(extra, "username")
		if strings.Contains(a.Username, ":") || !validHeaderValue(a.Username) {
			report("auth: username %q can't hold a colon or control characters (RFC 7617)", a.Username)
		}
	case AuthAPIKey:
		delete(extra, "header")
		delete(extra, "query")
		switch {
		case (a.Header == "") == (a.Query == ""):
			report("auth: type api_key needs either header or query: where the key goes")
		case a.Header != "" && (!validHeaderName(a.Header) || isHostHeader(a.Header)):
			report("auth: header %q can't carry a key", a.Header)
		}
	default:
		report("auth: type %q is not known: use bearer, basic or api_key", a.Type)
		return problems
	}
	for _, key := range []string{"secret", "username", "header", "query"} {
		if extra[key] != "" {
			report("auth: %s has no meaning for type %q: remove it", key, a.Type)
		}
	}
	return problems
}

// base is a connection with its URL taken apart.
type base struct {
	Connection
	url    *url.URL
	origin grant.Origin
}

func newBase(c Connection) (*base, error) {
	u, err := parseBase(c.BaseURL)
	if err != nil {
		return nil, fmt.Errorf("connection %q: base_url: %w", c.ID, err)
	}
	origin, err := grant.OriginOf(u)
	return &base{c, u, origin}, err
}

func parseBase(text string) (*url.URL, error) {
	u, err := parseURL(text)
	if err != nil {
		return nil, err
	}
	if u.RawQuery != "" || u.ForceQuery || strings.Contains(text, "#") {
		return nil, fmt.Errorf("%q has a query or fragment: end it with the path", text)
	}
	return u, nil
}

// append joins a relative URL ("", "/path" or "?query") to the base URL.
func (b *base) append(relative string) string {
	if relative == "" {
		return b.BaseURL
	}
	return strings.TrimRight(b.BaseURL, "/") + relative
}

// holds says whether a URL lies inside the base URL.
func (b *base) holds(o grant.Origin, u *url.URL) bool {
	top := strings.TrimRight(b.url.EscapedPath(), "/")
	path := u.EscapedPath()
	return o == b.origin && (path == top || strings.HasPrefix(path, top+"/"))
}

// header is the request header that carries the credentials, if one does.
func (b *base) header() string {
	switch b.Auth.Type {
	case AuthBearer, AuthBasic:
		return "Authorization"
	case AuthAPIKey:
		return http.CanonicalHeaderKey(b.Auth.Header)
	}
	return ""
}

// authenticate puts the connection's credentials into a request.
func (s *Scope) authenticate(r *http.Request) *abi.Error {
	auth := s.base.Auth
	if auth.Type == "" {
		return nil
	}
	value, failure := s.open(auth.Secret, fmt.Sprintf("connection %q", s.base.ID))
	if failure != nil {
		return failure
	}
	text := value.Reveal()
	if auth.Query == "" && !validHeaderValue(text) {
		return fail(abi.CodeInvalid, "connection %q: the secret %q holds a line break or control character, which no header can carry: store it without", s.base.ID, auth.Secret)
	}
	switch auth.Type {
	case AuthBearer:
		r.Header.Set("Authorization", "Bearer "+text)
	case AuthBasic:
		pair := base64.StdEncoding.EncodeToString([]byte(auth.Username + ":" + text))
		s.hide(pair)
		r.Header.Set("Authorization", "Basic "+pair)
	case AuthAPIKey:
		if auth.Header != "" {
			r.Header.Set(auth.Header, text)
			return nil
		}
		fields := slices.DeleteFunc(splitQuery(r.URL.RawQuery), func(f string) bool { return queryName(f) == auth.Query })
		r.URL.RawQuery = strings.Join(append(fields, url.QueryEscape(auth.Query)+"="+url.QueryEscape(text)), "&")
	default:
		return fail(abi.CodeInvalid, "connection %q: auth type %q is not known", s.base.ID, auth.Type)
	}
	return nil
}
