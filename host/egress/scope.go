package egress

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/trama-run/trama/host/egress/redact"
	"github.com/trama-run/trama/host/grant"
	"github.com/trama-run/trama/host/secret"
	"github.com/trama-run/trama/pdk/abi"
)

// Policy is what one call may reach. Fields left zero have the defaults of a
// plugin without a grant for more: 4 MiB, 32 requests, 30 seconds, 32 MiB
// of blobs.
type Policy struct {
	// Origins are those of the grant; "connection" among them stands for
	// Connection's base URL.
	Origins    []string
	Connection *Connection // nil for none
	// Secrets are the manifest's requests, as far as they are granted.
	Secrets []abi.SecretRequest
	// Named gives the names on this host of what the manifest calls otherwise; a
	// secret that is not there has the manifest's name.
	Named map[string]string
	// Bound are the origins, or "connection", that a secret may go to, of those
	// that it could; a secret that is not there may go to all.
	Bound     map[string][]string
	HTTPBytes int64         // one body, either way, after decompression
	Requests  int           // of the call, redirects included
	Timeout   time.Duration // of one request, redirects and body included
	// Direct: a redirect is an answer like any other, and is not followed.
	Direct bool
	// Near bounds how far into the operator's networks requests may go.
	Near Near
	// Cut: an answer's body that is longer than HTTPBytes, or doesn't come to its
	// end, is cut, not refused: its status is what counts.
	Cut bool
	// Unsafe: a repeat of the call may do it twice, so a request that may have
	// arrived and failed then ends as unknown, not as unreachable.
	Unsafe bool
	// Blobs are those that the call can refer to; nil: it has none.
	Blobs     Blobs
	BlobBytes int64 // all blobs that the call makes
}

// Near is how far into the operator's networks a request may go at most.
type Near int

const (
	// NearAsNamed: as far as whoever named the place may.
	NearAsNamed Near = iota
	// NearNothing: to public addresses only, whatever names the place.
	NearNothing
	// NearHosts: to private networks and this machine too, whatever names the
	// place; never to link-local and metadata addresses.
	NearHosts
)

const (
	defaultBlobs    = 32 << 20
	defaultBytes    = 4 << 20
	defaultRequests = 32
	defaultTimeout  = 30 * time.Second
)

// Scope is one call's view of the network. It is safe for concurrent use.
type Scope struct {
	client        *Client
	policy        Policy
	origins       []grant.Origin
	base          *base // nil without a connection
	baseErr       error // why the connection is unusable
	viaConnection bool  // egress "connection" is granted

	hidden redact.Set // what must not come back

	mu       sync.Mutex
	requests int               // guarded by mu
	blobs    int64             // bytes that blobs may still have; guarded by mu
	handles  map[string]handle // guarded by mu; by handle text
}

// Open returns the scope of one call. An origin that can't be read reaches
// nothing: [grant.Grant.Validate] reports it to the operator.
func (c *Client) Open(p Policy) *Scope {
	p.HTTPBytes = cmp.Or(p.HTTPBytes, defaultBytes)
	p.Requests = cmp.Or(p.Requests, defaultRequests)
	p.Timeout = cmp.Or(p.Timeout, defaultTimeout)
	p.BlobBytes = cmp.Or(p.BlobBytes, defaultBlobs)
	s := &Scope{client: c, policy: p, blobs: p.BlobBytes}
	for _, text := range p.Origins {
		if text == abi.EgressConnection {
			s.viaConnection = true
		} else if o, err := grant.ParseOrigin(text); err == nil {
			s.origins = append(s.origins, o)
		}
	}
	if p.Connection != nil {
		s.base, s.baseErr = newBase(*p.Connection)
	}
	return s
}

// target is a URL that the policy admits.
type target struct {
	url       *url.URL
	origin    grant.Origin
	reach     reach
	connected bool // inside the connection's base URL: its credentials belong here
}

// name is the target without its query, for errors.
func (t target) name() string { return t.origin.String() + t.url.EscapedPath() }

// admit checks a URL, as parseURL gives it, against the policy.
func (s *Scope) admit(u *url.URL) (target, *abi.Error) {
	origin, err := grant.OriginOf(u)
	if err != nil {
		return target{}, fail(abi.CodeInvalid, "the URL can't be used: %v", err)
	}
	clean := *u
	clean.Host = strings.TrimPrefix(origin.String(), origin.Scheme+"://")
	clean.Fragment, clean.RawFragment = "", ""
	t := target{url: &clean, origin: origin}
	t.connected = s.base != nil && s.base.holds(origin, u)
	granted, named := t.connected && s.viaConnection, false
	for _, o := range s.origins {
		if o.Covers(origin) {
			granted, named = true, named || !o.Wildcard
		}
	}
	if granted {
		if configured := s.base != nil && origin == s.base.origin; named || configured {
			t.reach = reachFor(origin, configured)
		}
		switch s.policy.Near {
		case NearNothing:
			t.reach = reachPublic
		case NearHosts:
			t.reach = reachLoopback
		}
		return t, nil
	}
	switch {
	case s.viaConnection && s.base != nil && origin == s.base.origin:
		return t, fail(abi.CodeDenied, "%s is outside the base_url of connection %q, %s: shorten that, or grant %s to the plugin in grants.yaml", t.name(), s.base.ID, s.base.BaseURL, origin)
	case t.connected:
		return t, fail(abi.CodeDenied, "connection %q is not granted to the plugin: add connection (or %s) to its egress in grants.yaml", s.base.ID, origin)
	case s.viaConnection && s.baseErr != nil:
		return t, fail(abi.CodeInvalid, "%v", s.baseErr)
	}
	return t, fail(abi.CodeDenied, "%s is not granted: if the plugin shall reach it, add %s to its egress in grants.yaml", origin, origin)
}

// resolve reads a guest's URL, relative or absolute.
func (s *Scope) resolve(text string) (*url.URL, *abi.Error) {
	if text == "" || text[0] == '/' || text[0] == '?' {
		if s.baseErr != nil {
			return nil, fail(abi.CodeInvalid, "%v", s.baseErr)
		}
		if s.base == nil {
			return nil, fail(abi.CodeInvalid, "the URL is relative and there is no connection that it could belong to: name a connection, or write an absolute URL")
		}
		text = s.base.append(text)
	}
	u, err := parseURL(text)
	if err != nil {
		return nil, fail(abi.CodeInvalid, "the URL can't be used: %v", err)
	}
	return u, nil
}

// open opens a secret and hides its value from everything that comes back.
func (s *Scope) open(name, what string) (secret.Value, *abi.Error) {
	if s.client.secrets == nil {
		return secret.Value{}, fail(abi.CodeNoSecret, "%s: this host has no secrets", what)
	}
	value, err := s.client.secrets.Open(name)
	if err != nil {
		code := abi.CodeInvalid
		if errors.Is(err, secret.ErrMissing) {
			code = abi.CodeNoSecret
		}
		return secret.Value{}, fail(code, "%s: %v", what, err)
	}
	s.hidden.Hide(value.Reveal())
	return value, nil
}

// Hide keeps a text that the caller puts into a request from coming back.
func (s *Scope) Hide(text string) { s.hidden.Hide(text) }

// Redact takes the secrets that this scope has used out of a text, in every
// spelling that [redact] knows.
func (s *Scope) Redact(text string) string { return s.hidden.Redact(text) }

// count takes one request from the call's allowance.
func (s *Scope) count() *abi.Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.requests >= s.policy.Requests {
		return fail(abi.CodeLimit, "the call has made its %d outbound requests (redirects count): %s", s.policy.Requests, raise("requests", s.policy.Requests, grant.Ceiling().Requests))
	}
	s.requests++
	return nil
}

// raise says how to double a limit.
func raise[T int | grant.Size](key string, now, ceiling T) string {
	if now >= ceiling {
		return fmt.Sprintf("%v is the highest that a grant may give", ceiling)
	}
	return fmt.Sprintf("raise it in grants.yaml with limits: {%s: %v}", key, min(2*now, ceiling))
}

// fail makes an error. Those that time may heal are retryable.
func fail(code, format string, args ...any) *abi.Error {
	return &abi.Error{
		Code: code, Message: fmt.Sprintf(format, args...),
		Retryable: slices.Contains([]string{abi.CodeTimeout, abi.CodeUnreachable}, code),
	}
}

// asError gives an error of another package the form that all errors of this
// one have.
func asError(err error) *abi.Error {
	var shaped *abi.Error
	if errors.As(err, &shaped) {
		return shaped
	}
	return fail(abi.CodeInvalid, "%v", err)
}
