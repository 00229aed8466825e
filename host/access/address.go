package access

import (
	"net/netip"
	"strings"
)

// maxHops bounds how many proxies are followed: chains that are longer are
// nobody's.
const maxHops = 64

// ClientIP gives the address that a call comes from. It is that of the peer
// unless this is a trusted proxy: then it is what the proxies say, in
// X-Forwarded-For or Forwarded (RFC 7239), read from the right to the first
// address that is no trusted proxy's, since all that stands left of it may be
// the caller's invention. Headers gives all values of a header by its
// lower-case name.
//
// The address is invalid, and so in no list, where a trusted proxy names
// something else than an address, or where the two headers lead to different
// ones: a proxy that writes one of them passes the other on as it came.
func ClientIP(peer netip.Addr, headers func(name string) []string, trusted []Network) netip.Addr {
	peer = peer.Unmap().WithZone("")
	if !within(trusted, peer) {
		return peer
	}
	list, elements := headers("x-forwarded-for"), headers("forwarded")
	if len(elements) == 0 {
		return follow(peer, listed(list), trusted)
	}
	addr := follow(peer, forwarded(elements), trusted)
	if len(list) > 0 && follow(peer, listed(list), trusted) != addr {
		return netip.Addr{}
	}
	return addr
}

// Crowd gives what the connections of a peer are counted by: its address, or an
// IPv6 network of 64 bits. It is the zero Addr for those that many callers may
// stand behind: a trusted proxy, and one on this machine.
func Crowd(peer netip.Addr, trusted []Network) netip.Addr {
	if peer = peer.Unmap(); peer.IsLoopback() || within(trusted, peer) {
		return netip.Addr{}
	}
	return home(peer)
}

// follow walks from the peer to the caller. Hops gives the next hop to the
// left, and false after the last.
func follow(peer netip.Addr, hops func() (string, bool), trusted []Network) netip.Addr {
	at := peer
	for range maxHops {
		text, more := hops()
		if !more {
			return at // a caller within the trusted networks
		}
		addr, ok := parseHop(text)
		if !ok {
			return netip.Addr{}
		}
		if at = addr; !within(trusted, at) {
			return at
		}
	}
	return netip.Addr{}
}

// listed gives the entries of X-Forwarded-For from the right.
func listed(lines []string) func() (string, bool) {
	i := len(lines) - 1
	rest, more := "", false
	if i >= 0 {
		rest, more = lines[i], true
	}
	return func() (string, bool) {
		if !more {
			return "", false
		}
		comma := strings.LastIndexByte(rest, ',')
		entry := rest[comma+1:]
		switch {
		case comma >= 0:
			rest = rest[:comma]
		case i > 0:
			i--
			rest = lines[i]
		default:
			more = false
		}
		return strings.Trim(entry, " \t"), true
	}
}

// forwarded gives what the elements of Forwarded say of "for", from the right;
// "" for an element that says nothing of it. A line that can't be read is one
// such element: where its quotes end may be the caller's doing.
func forwarded(lines []string) func() (string, bool) {
	var hops []string
	for _, line := range lines {
		found, ok := parseForwarded(line)
		if !ok {
			found = []string{""}
		}
		hops = append(hops, found...)
	}
	return func() (string, bool) {
		if len(hops) == 0 {
			return "", false
		}
		last := hops[len(hops)-1]
		hops = hops[:len(hops)-1]
		return last, true
	}
}

// parseForwarded reads one line of Forwarded (RFC 7239, section 4). Beside
// what the RFC allows, an address may stand without quotes.
func parseForwarded(line string) (hops []string, ok bool) {
	hop, given := "", false
	for {
		line = strings.TrimLeft(line, " \t")
		name, rest, found := strings.Cut(line, "=")
		if !found || name == "" || strings.Trim(name, tokenChars) != "" {
			return nil, false
		}
		value, rest, ok := forwardedValue(rest)
		if !ok {
			return nil, false
		}
		if strings.EqualFold(name, "for") {
			if given {
				return nil, false
			}
			hop, given = value, true
		}
		switch rest = strings.TrimLeft(rest, " \t"); {
		case rest == "":
			return append(hops, hop), true
		case rest[0] == ',':
			hops = append(hops, hop)
			hop, given = "", false
		case rest[0] != ';':
			return nil, false
		}
		line = rest[1:]
	}
}

const tokenChars = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// forwardedValue takes a token or a quoted string off the front of a text.
func forwardedValue(text string) (value, rest string, ok bool) {
	if text == "" || text[0] != '"' {
		rest = strings.TrimLeft(text, tokenChars+":[]")
		value = text[:len(text)-len(rest)]
		return value, rest, value != ""
	}
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\': // no address needs one
			return "", "", false
		case '"':
			return text[1:i], text[i+1:], true
		}
	}
	return "", "", false
}

// parseHop reads an address with or without a port, IPv6 with or without
// brackets.
func parseHop(text string) (netip.Addr, bool) {
	if addr, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]")); err == nil {
		bracketed := strings.HasPrefix(text, "[")
		if bracketed != strings.HasSuffix(text, "]") || bracketed && addr.Is4() || addr.Zone() != "" {
			return netip.Addr{}, false
		}
		return addr.Unmap(), true
	}
	with, err := netip.ParseAddrPort(text)
	if err != nil || with.Addr().Zone() != "" {
		return netip.Addr{}, false
	}
	return with.Addr().Unmap(), true
}
