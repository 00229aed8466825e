// Package access decides who may call a route of the gateway: from which
// addresses, as which client, with which signature or token, and how often.
//
// A route says what it asks for as a [Security]; a [Guard] checks each call
// against it before anything reads the call's body. The package must not know
// HTTP servers, routes or flows, and what it answers a stranger never tells
// what else would have been asked.
package access

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/trama-run/trama/host/access/token"
	"github.com/trama-run/trama/host/source"
)

// Security is what a route asks of a call: one of its ways in, each of which
// asks for everything that it names. In a document it is one way or a list of
// them:
//
//	security: {clients: [erp], ips: [10.0.0.0/8]}
//	security: [{ips: [10.0.0.0/8]}, {clients: any, scopes: [orders.write]}]
//
// None at all asks for nothing.
type Security []Way

// Way is one way in: a call needs all that it names.
type Way struct {
	// Public says that anyone may call.
	Public bool `json:"public,omitempty"`
	// IPs are the addresses and networks that a call may come from.
	IPs []Network `json:"ips,omitempty"`
	// Clients are those that may call, each known by its id in the header
	// client_id.
	Clients Clients `json:"clients,omitzero"`
	// Signed asks that the client signs the request with its secret.
	Signed bool `json:"signed,omitempty"`
	// Service asks that a service has signed the request, by its own scheme and
	// with a secret that both know.
	Service *Service `json:"signature,omitempty"`
	// JWT asks for a token in the header Authorization.
	JWT *JWT `json:"jwt,omitempty"`
	// Scopes are those that the token, or else the client, must have: all of
	// them.
	Scopes []string `json:"scopes,omitempty"`
	// Rate bounds the calls of one caller; the client if there is one, else
	// the token's subject, else the address.
	Rate Rate `json:"rate,omitzero"`
	// Quota is as Rate, but counted in whole periods since 1970 in UTC (of a
	// day: from midnight), and kept over restarts.
	Quota Rate `json:"quota,omitzero"`
}

// JWT is which tokens are taken.
type JWT = token.JWT

// UnmarshalSource reads one way, or a list of them.
func (s *Security) UnmarshalSource(v source.Value) source.Problems {
	if !v.IsList() {
		var way Way
		problems := v.Decode(&way)
		*s = Security{way}
		return problems
	}
	var ways []Way
	problems := v.Decode(&ways)
	if *s = ways; len(ways) == 0 && len(problems) == 0 {
		problems.Add(v.Place(), "write public: true to let anyone call", `"security" is an empty list`)
	}
	return problems
}

// Validate returns what is wrong with the security, each with its remedy.
func (s Security) Validate() []string {
	var problems []string
	for i, w := range s {
		prefix := "security: "
		if len(s) > 1 {
			prefix = fmt.Sprintf("security: way %d: ", i+1)
		}
		for _, p := range w.validate() {
			problems = append(problems, prefix+p)
		}
	}
	return problems
}

func (w Way) validate() (problems []string) {
	known := w.client() || w.JWT != nil
	if w.Service != nil {
		problems = append(problems, w.Service.validate()...)
	}
	switch {
	case w.Public && (known || w.Service != nil || len(w.IPs) > 0 || len(w.Scopes) > 0):
		problems = append(problems, "public lets anyone call, so nothing else can be asked beside it: leave public out, or the rest")
	case !w.Public && !known && w.Service == nil && len(w.IPs) == 0:
		problems = append(problems, "it asks for nothing: write public: true to let anyone call, or name ips, clients, a service's signature or a jwt")
	}
	if len(w.Scopes) > 0 && !known {
		problems = append(problems, "scopes are those of a client or a token: add clients: any, or a jwt")
	}
	for _, scope := range w.Scopes {
		if !ValidScope(scope) {
			problems = append(problems, fmt.Sprintf("scope %q: use letters, digits and . _ : / - without spaces", scope))
		}
	}
	if w.JWT != nil {
		problems = append(problems, w.JWT.Validate()...)
	}
	return problems
}

// Open says whether anyone may call: also where all that a way asks for is an
// address, and any will do.
func (s Security) Open() bool {
	return len(s) == 0 || slices.ContainsFunc(s, func(w Way) bool {
		return w.Public || !w.client() && w.JWT == nil && w.Service == nil && everywhere(w.IPs)
	})
}

// Secrets lists the names of the secrets that tokens are checked with.
func (s Security) Secrets() (names []string) {
	for _, w := range s {
		if w.JWT != nil && w.JWT.Secret != "" {
			names = append(names, w.JWT.Secret)
		}
		if w.Service != nil {
			names = append(names, w.Service.Secret...)
		}
	}
	return names
}

// client says whether the way asks for a client.
func (w Way) client() bool { return !w.Clients.IsZero() || w.Signed }

// Asks says what a document of the API's security says of a way: whether a
// caller must send client_id, sign, and send a token.
func (w Way) Asks() (client, signature, token bool) { return w.client(), w.Signed, w.JWT != nil }

// Clients are any client, or some by name; the zero value is none.
type Clients struct {
	Any   bool
	Names []string
}

// IsZero says whether no client is asked for.
func (c Clients) IsZero() bool { return !c.Any && len(c.Names) == 0 }

func (c Clients) has(name string) bool { return c.Any || slices.Contains(c.Names, name) }

// UnmarshalSource reads "any" or a list of names.
func (c *Clients) UnmarshalSource(v source.Value) (problems source.Problems) {
	if v.IsList() {
		if problems = v.Decode(&c.Names); len(problems) == 0 && len(c.Names) == 0 {
			problems.Add(v.Place(), "write clients: any, or name some", `"clients" is an empty list`)
		}
		return problems
	}
	if c.Any = v.Any() == "any"; !c.Any {
		problems.Add(v.Place(), "write clients: any, or clients: [erp, shop]", `"clients" must be "any" or a list of names`)
	}
	return problems
}

// MarshalJSON writes what UnmarshalSource reads.
func (c Clients) MarshalJSON() ([]byte, error) {
	if c.Any {
		return []byte(`"any"`), nil
	}
	return json.Marshal(c.Names)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (c *Clients) UnmarshalJSON(data []byte) error {
	if c.Any = string(data) == `"any"`; c.Any {
		return nil
	}
	return json.Unmarshal(data, &c.Names)
}

// Network is an address or a network in CIDR form, IPv4 or IPv6.
type Network struct{ netip.Prefix }

// UnmarshalText reads "10.0.0.0/8", "192.0.2.1", "::1" or "2001:db8::/32".
func (n *Network) UnmarshalText(text []byte) error {
	if addr, err := netip.ParseAddr(string(text)); err == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		n.Prefix = netip.PrefixFrom(addr, addr.BitLen())
		return nil
	}
	prefix, err := netip.ParsePrefix(string(text))
	if err != nil {
		return fmt.Errorf("%q is neither an address nor a network; write it as 192.0.2.7, 10.0.0.0/8, 2001:db8::1 or 2001:db8::/32", text)
	}
	if prefix != prefix.Masked() {
		return fmt.Errorf("%q has bits beyond its length; write %s for the network, or the address alone", text, prefix.Masked())
	}
	if prefix.Addr().Is4In6() {
		return fmt.Errorf("%q is IPv4 written as IPv6; write the IPv4 network", text)
	}
	n.Prefix = prefix
	return nil
}

// String gives an address without its length.
func (n Network) String() string {
	if n.IsSingleIP() {
		return n.Addr().String()
	}
	return n.Prefix.String()
}

// MarshalText writes what String gives.
func (n Network) MarshalText() ([]byte, error) { return []byte(n.String()), nil }

// within says whether an address is in one of the networks.
func within(networks []Network, addr netip.Addr) bool {
	for _, n := range networks {
		if n.Contains(addr) {
			return true
		}
	}
	return false
}

// everywhere says whether the networks hold all IPv4 addresses, or all of IPv6.
func everywhere(networks []Network) bool {
	for _, first := range []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()} {
		at := first // all addresses below are in a network
		for {
			i := slices.IndexFunc(networks, func(n Network) bool { return n.Contains(at) })
			if i < 0 {
				break
			}
			if at = last(networks[i].Prefix).Next(); !at.IsValid() { // there is none above
				return true
			}
		}
	}
	return false
}

// last gives the highest address of a network.
func last(p netip.Prefix) netip.Addr {
	bytes := p.Addr().AsSlice()
	for bit := p.Bits(); bit < 8*len(bytes); bit++ {
		bytes[bit/8] |= 1 << (7 - bit%8)
	}
	addr, _ := netip.AddrFromSlice(bytes)
	return addr
}

// ValidScope says whether a text is a scope (RFC 6749, section 3.3, without
// what would need quotes in a document).
func ValidScope(text string) bool {
	return text != "" && len(text) <= 100 && strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:/-") == ""
}
