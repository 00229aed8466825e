// Package egress is the only HTTP client that serves guests. Everything that
// a plugin sends goes through it: Extism's http_request and trama's http_send.
//
// A [Scope] is what one call of a plugin may reach. For every request, and
// again for every redirect, it checks the URL against the call's [Policy], and
// the address at the moment of dialling, so a name that changes its mind
// between check and use gains nothing. Credentials are put in here and taken
// out of everything that comes back; a guest never holds one.
//
// Proxy settings of the environment are not followed: a proxy would resolve
// names out of our sight. The package must not know plugins, flows or stores.
package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"

	"github.com/trama-run/trama/host/egress/auth"
	"github.com/trama-run/trama/host/secret"
)

const (
	connectTimeout = 5 * time.Second  // name, TCP; and again for TLS
	idleTimeout    = 90 * time.Second // of a pooled connection
	maxHeaderBytes = 64 << 10         // of a response
	maxIdle        = 256              // pooled connections of one transport
	maxIdlePerHost = 64
)

// Config joins a client to its surroundings.
type Config struct {
	Secrets *secret.Source
	// Resolver looks names up; nil means the system's.
	Resolver *net.Resolver
	// RootCAs verify servers; nil means the system's.
	RootCAs *x509.CertPool
	// Vault keeps refresh tokens that servers give over a restart; nil: they
	// last as long as the client.
	Vault auth.Vault
	// Transport answers in the place of the network, for trials: everything is
	// as ever but that nothing is resolved and dialled. nil: the network.
	Transport http.RoundTripper
	// Exchanged is told of each request after its end, with the context that it
	// was made in; nil: nobody asks.
	Exchanged func(ctx context.Context, x *Exchange)
	Log       *slog.Logger // nil drops everything
}

// Client sends the requests of all calls and pools their connections.
type Client struct {
	secrets *secret.Source
	auth    *auth.Keeper
	// exchanged is told of each request; nil: nobody asks.
	exchanged func(ctx context.Context, x *Exchange)
	// One transport for each reach: a connection in the pool was checked for
	// the reach of its transport, so no request can be handed one to a place
	// that it may not reach itself.
	transports [reachAddress + 1]http.RoundTripper
}

// New returns a client.
func New(config Config) *Client {
	c := &Client{secrets: config.Secrets, exchanged: config.Exchanged, auth: auth.NewKeeper(auth.Config{Vault: config.Vault, Log: config.Log})}
	for r := range c.transports {
		if c.transports[r] = config.Transport; config.Transport == nil {
			c.transports[r] = newTransport(config, reach(r))
		}
	}
	return c
}

// Close closes pooled connections. Requests in progress are not stopped.
func (c *Client) Close() {
	for _, t := range c.transports {
		if network, ok := t.(*http.Transport); ok {
			network.CloseIdleConnections()
		}
	}
}

// refusal: an address is further in than the request may reach.
type refusal struct{ at reach }

func (r *refusal) Error() string { return "the name leads to a " + r.at.String() + " address" }

// remedy is what the operator can do, if it is meant.
func (r *refusal) remedy() string {
	switch r.at {
	case reachNever:
		return "no grant opens those"
	case reachPrivate:
		return "if that is meant, write it as base_url of the connection, or grant its IP address or a local name"
	case reachLoopback:
		return "if that is meant, grant or configure it as localhost or by its IP address"
	}
	return "if that is meant, grant or configure it by its IP address"
}

func newTransport(config Config, allowed reach) *http.Transport {
	dialer := &net.Dialer{
		Timeout:  connectTimeout,
		Resolver: config.Resolver,
		// Called with each address after the name was resolved and before the
		// connection is made: what is checked here is what is dialled.
		ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
			addr, err := netip.ParseAddrPort(address)
			if err != nil {
				return err
			}
			if at := reachOf(addr.Addr()); at > allowed {
				return &refusal{at}
			}
			return nil
		},
	}
	return &http.Transport{
		Proxy: nil,
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			return dialer.DialContext(ctx, "tcp", address)
		},
		TLSClientConfig:        &tls.Config{RootCAs: config.RootCAs, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    connectTimeout,
		ForceAttemptHTTP2:      true, // a transport with its own dialler has HTTP/1.1 only, otherwise
		DisableCompression:     true, // read does it, within the body limit
		MaxIdleConns:           maxIdle,
		MaxIdleConnsPerHost:    maxIdlePerHost,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxHeaderBytes,
	}
}
