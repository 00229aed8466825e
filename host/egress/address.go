package egress

import (
	"net/netip"
	"strings"

	"github.com/trama-run/trama/host/grant"
)

// reach is how far into the operator's own networks something lies, and how
// far a request may go: one that may reach a place may reach all before it.
type reach int

const (
	reachPublic   reach = iota // the Internet
	reachPrivate               // private networks
	reachLoopback              // this machine
	reachAddress               // link-local, cloud metadata, benchmarking: by address only
	reachNever                 // nothing that a request could want is there
)

// String names the kind of address for an error.
func (r reach) String() string {
	return [...]string{"public", "private", "loopback", "link-local or metadata", "special-purpose"}[r]
}

// special lists the addresses that are not plainly public; the first prefix
// that matches counts. Sources: the IANA IPv4 and IPv6 Special-Purpose Address
// Registries (RFC 6890), and the metadata addresses that cloud vendors
// document. Forms that carry an IPv4 address inside IPv6 (NAT64, 6to4, Teredo,
// IPv4-compatible) are never dialled: they would reach any IPv4 address.
var special = []struct {
	prefix netip.Prefix
	reach  reach
}{
	{netip.MustParsePrefix("100.100.100.200/32"), reachAddress}, // Alibaba Cloud metadata
	{netip.MustParsePrefix("168.63.129.16/32"), reachAddress},   // Azure platform
	{netip.MustParsePrefix("169.254.0.0/16"), reachAddress},     // link-local; metadata of most clouds
	{netip.MustParsePrefix("192.0.0.0/24"), reachAddress},       // protocol assignments; Oracle metadata
	{netip.MustParsePrefix("198.18.0.0/15"), reachAddress},      // benchmarking
	{netip.MustParsePrefix("127.0.0.0/8"), reachLoopback},
	{netip.MustParsePrefix("10.0.0.0/8"), reachPrivate},
	{netip.MustParsePrefix("100.64.0.0/10"), reachPrivate}, // carrier-grade NAT
	{netip.MustParsePrefix("172.16.0.0/12"), reachPrivate},
	{netip.MustParsePrefix("192.168.0.0/16"), reachPrivate},
	{netip.MustParsePrefix("0.0.0.0/8"), reachNever},      // "this network"
	{netip.MustParsePrefix("192.0.2.0/24"), reachNever},   // documentation
	{netip.MustParsePrefix("192.88.99.0/24"), reachNever}, // 6to4 relays
	{netip.MustParsePrefix("198.51.100.0/24"), reachNever},
	{netip.MustParsePrefix("203.0.113.0/24"), reachNever},
	{netip.MustParsePrefix("224.0.0.0/4"), reachNever}, // multicast
	{netip.MustParsePrefix("240.0.0.0/4"), reachNever}, // reserved, broadcast
	{netip.MustParsePrefix("0.0.0.0/0"), reachPublic},

	{netip.MustParsePrefix("::1/128"), reachLoopback},
	{netip.MustParsePrefix("fd00:ec2::254/128"), reachAddress}, // AWS metadata
	{netip.MustParsePrefix("fd20:ce::254/128"), reachAddress},  // Google Cloud metadata
	{netip.MustParsePrefix("fe80::/10"), reachAddress},         // link-local
	{netip.MustParsePrefix("fc00::/7"), reachPrivate},          // unique local
	{netip.MustParsePrefix("2001::/23"), reachNever},           // Teredo, ORCHID, benchmarking
	{netip.MustParsePrefix("2001:db8::/32"), reachNever},       // documentation
	{netip.MustParsePrefix("2002::/16"), reachNever},           // 6to4
	{netip.MustParsePrefix("3fff::/20"), reachNever},           // documentation
	{netip.MustParsePrefix("2000::/3"), reachPublic},           // all global unicast
	{netip.MustParsePrefix("::/0"), reachNever},                // multicast, NAT64, IPv4-compatible, unassigned
}

// reachOf says what an address is.
func reachOf(addr netip.Addr) reach {
	addr = addr.Unmap().WithZone("")
	for _, s := range special {
		if s.prefix.Contains(addr) {
			return s.reach
		}
	}
	return reachNever
}

// NearOf says of a host that is written as an address, or as a name that only
// means something near, whether it is near: private or this machine. never says
// that it is link-local, a metadata service's or special, so that only a grant
// that names it can mean it. Of other names nothing is known.
func NearOf(host string) (near, never bool) {
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	if err != nil {
		return isLocalName(host), false
	}
	switch reachOf(addr) {
	case reachPublic:
		return false, false
	case reachAddress, reachNever:
		return false, true
	}
	return true, false
}

// localSuffixes end names that are not the public DNS's to give: RFC 6761,
// RFC 6762, RFC 8375, and "internal", which ICANN reserved in 2024.
var localSuffixes = []string{".localhost", ".local", ".internal", ".home.arpa", ".lan"}

// isLocalName says whether a name can only mean something near: nobody on the
// Internet can point it at this machine.
func isLocalName(host string) bool {
	if !strings.Contains(host, ".") && !strings.Contains(host, ":") {
		return true // localhost, and names of container networks
	}
	for _, suffix := range localSuffixes {
		if strings.HasSuffix(host, suffix) {
			return true
		}
	}
	return false
}

// reachFor says how far a request to an origin may go that a grant, or (with
// configured) a connection, names exactly, not through a wildcard. An address
// is itself; a local name may be near; any other name may be in a private
// network only if the operator wrote it into a connection, because whoever
// owns the name decides where it points.
func reachFor(o grant.Origin, configured bool) reach {
	_, err := netip.ParseAddr(o.Host)
	switch {
	case err == nil:
		return reachAddress
	case isLocalName(o.Host):
		return reachLoopback
	case configured:
		return reachPrivate
	}
	return reachPublic
}
