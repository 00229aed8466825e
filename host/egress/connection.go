package egress

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/trama-run/trama/host/egress/auth"
	"github.com/trama-run/trama/host/grant"
	"github.com/trama-run/trama/host/secret"
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
	BaseURL string    `json:"base_url" source:"required"`
	Auth    auth.Auth `json:"auth,omitzero"`
}

// Validate returns what is wrong with the connection, each with its remedy.
func (c Connection) Validate() []string {
	var problems []string
	if c.ID == "" {
		problems = append(problems, "a connection has no id: name it, so that nodes can use it")
	}
	if _, err := parseBase(c.BaseURL); err != nil {
		problems = append(problems, fmt.Sprintf("base_url: %v", err))
	}
	return append(problems, c.Auth.Validate(func(text string) error {
		_, err := parseURL(text)
		return err
	})...)
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

// authenticate puts the connection's credentials into a request.
func (s *Scope) authenticate(ctx context.Context, r *http.Request) *abi.Error {
	for _, name := range s.base.Auth.Headers() {
		r.Header.Del(name) // a redirect may have led here with the guest's own
	}
	if query := s.base.Auth.Query; query != "" {
		fields := slices.DeleteFunc(splitQuery(r.URL.RawQuery), func(f string) bool { return queryName(f) == query })
		r.URL.RawQuery = strings.Join(fields, "&")
	}
	if err := s.client.auth.Apply(ctx, s.base.Auth, surroundings{s}, r); err != nil {
		failure := *asError(err)
		failure.Message = fmt.Sprintf("connection %q: %s", s.base.ID, failure.Message)
		return &failure
	}
	return nil
}

// Refused returns why the connection's calls fail without being sent: its token
// endpoint refused, and neither it nor its secrets have changed since. nil: no
// such thing.
func (c *Client) Refused(connection Connection) *abi.Error {
	return c.auth.Refused(connection.Auth, func(name string) (string, error) {
		if c.secrets == nil {
			return "", secret.ErrMissing
		}
		value, err := c.secrets.Open(name)
		return value.Reveal(), err
	})
}

// secures says whether credentials of the connection go into what is sent.
func (s *Scope) secures(to target) bool {
	return to.connected && s.base.Auth.Type == auth.WSSecurity
}

// secure puts the connection's credentials into a SOAP envelope. The body that
// the guest gave, which logs show and redirects send on, stays without.
func (s *Scope) secure(b body) (body, *abi.Error) {
	header, err := s.client.auth.SecurityHeader(s.base.Auth, surroundings{s}, b.security)
	if err != nil {
		failure := *asError(err)
		failure.Message = fmt.Sprintf("connection %q: %s", s.base.ID, failure.Message)
		return b, &failure
	}
	data, at := b.pieces[0].data, b.security.At
	b.pieces = []piece{{data: data[:at]}, {data: header}, {data: data[at:]}}
	return b, nil
}

// surroundings is what a scope gives to authentication.
type surroundings struct{ scope *Scope }

func (a surroundings) Open(name string) (string, error) {
	value, failure := a.scope.open(name, "auth")
	if failure != nil {
		return "", failure
	}
	return value.Reveal(), nil
}

func (a surroundings) Hide(text string)          { a.scope.hidden.Hide(text) }
func (a surroundings) Redact(text string) string { return a.scope.Redact(text) }

// maxToken is the longest answer of a token endpoint.
const maxToken = 1 << 20

// Fetch sends a request to a token endpoint, under the rules of addresses that
// hold for base URLs: the operator wrote both.
func (a surroundings) Fetch(r *http.Request) (int, []byte, error) {
	u, err := parseURL(r.URL.String())
	if err != nil {
		return 0, nil, fail(abi.CodeInvalid, "token_url: %v", err)
	}
	origin, err := grant.OriginOf(u)
	if err != nil {
		return 0, nil, fail(abi.CodeInvalid, "token_url: %v", err)
	}
	named := origin.String() + u.EscapedPath()
	r.Header.Set("User-Agent", userAgent)
	response, err := a.scope.client.transports[reachFor(origin, true)].RoundTrip(r)
	if err != nil {
		return 0, nil, broken(r.Context(), named, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(&capped{response.Body, maxToken})
	if err != nil {
		return 0, nil, broken(r.Context(), named+": the answer broke off", err)
	}
	return response.StatusCode, body, nil
}
