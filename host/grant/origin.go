package grant

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// Origin is a scheme, a host and a port (RFC 6454), or a pattern for several
// origins: with Wildcard, Host is a suffix and stands for every name that has
// one or more labels before it, but not for the suffix itself.
type Origin struct {
	Scheme   string // "http" or "https"
	Host     string // lower-case name, or an IP address without brackets
	Port     uint16
	Wildcard bool
}

// ParseOrigin reads "https://api.example.com", "https://*.example.com",
// "http://localhost:9000" or "http://[::1]:9000". A port left out is the
// scheme's. Anything after the port is refused.
func ParseOrigin(text string) (Origin, error) {
	if text == "*" {
		return Origin{}, errors.New("origin \"*\" stands for the whole Internet: name the hosts, for example https://api.example.com")
	}
	u, err := url.Parse(text)
	if err != nil {
		return Origin{}, fmt.Errorf("origin %q is not a URL: write scheme://host or scheme://host:port", text)
	}
	if u.Path != "" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.HasSuffix(text, "#") {
		return Origin{}, fmt.Errorf("origin %q has something after the host: write scheme://host or scheme://host:port", text)
	}
	pattern := strings.HasPrefix(u.Host, "*.")
	u.Host = strings.TrimPrefix(u.Host, "*.")
	o, err := OriginOf(u)
	if err != nil {
		return Origin{}, fmt.Errorf("origin %q: %w", text, err)
	}
	if pattern {
		if _, err := netip.ParseAddr(o.Host); err == nil || !strings.Contains(o.Host, ".") {
			return Origin{}, fmt.Errorf("origin %q: a wildcard needs a domain of at least two labels after it, such as *.example.com", text)
		}
	}
	o.Wildcard = pattern
	return o, nil
}

// OriginOf gives the origin of an absolute http or https URL. It refuses user
// information and every way of writing a host that another program might read
// differently: decimal, octal and hexadecimal addresses, IPv4 inside IPv6,
// zones, trailing dots, percent escapes and names that are not ASCII.
func OriginOf(u *url.URL) (Origin, error) {
	if u.Scheme != "http" && u.Scheme != "https" {
		return Origin{}, errors.New("the scheme must be http or https")
	}
	if u.User != nil {
		return Origin{}, errors.New("a user name or password has no place in a URL: use a connection's auth")
	}
	host, err := parseHost(u)
	if err != nil {
		return Origin{}, err
	}
	port := uint16(80)
	if u.Scheme == "https" {
		port = 443
	}
	if text := u.Port(); text != "" {
		n, err := strconv.ParseUint(text, 10, 16)
		if err != nil || n == 0 {
			return Origin{}, fmt.Errorf("port %q is not between 1 and 65535", text)
		}
		port = uint16(n)
	} else if strings.HasSuffix(u.Host, ":") {
		return Origin{}, errors.New("there is a colon without a port")
	}
	return Origin{Scheme: u.Scheme, Host: host, Port: port}, nil
}

// labelPattern is one label of a host name; underscores are not in RFC 1123,
// but stand in names that container networks give.
var labelPattern = regexp.MustCompile(`^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$`)

func parseHost(u *url.URL) (string, error) {
	host := strings.ToLower(u.Hostname())
	if strings.HasPrefix(u.Host, "[") {
		addr, err := netip.ParseAddr(host)
		if err != nil || addr.Zone() != "" || !addr.Is6() {
			return "", fmt.Errorf("%q is not an IPv6 address", u.Host)
		}
		if addr.Is4In6() {
			return "", fmt.Errorf("%q is an IPv4 address inside an IPv6 one: write %s", host, addr.Unmap())
		}
		return addr.String(), nil
	}
	if host == "" {
		return "", errors.New("there is no host")
	}
	labels := strings.Split(host, ".")
	for _, label := range labels {
		if !labelPattern.MatchString(label) {
			return "", fmt.Errorf("host %q is not a plain name (letters, digits and hyphens; xn-- form for others) or IP address", host)
		}
	}
	// A last label that is a number makes the whole an IPv4 address to many
	// programs (WHATWG URL, "ends in a number"), in forms such as 2130706433,
	// 0177.0.0.1 or 0x7f.1. Only the four-part decimal one is taken.
	last := labels[len(labels)-1]
	if _, err := strconv.ParseUint(last, 0, 64); err == nil || isDigits(last) || strings.HasPrefix(last, "0x") {
		addr, err := netip.ParseAddr(host)
		if err != nil {
			return "", fmt.Errorf("host %q is not an IPv4 address in its usual form, such as 192.0.2.1", host)
		}
		return addr.String(), nil
	}
	if len(host) > 253 {
		return "", errors.New("the host name is longer than 253 characters")
	}
	return host, nil
}

func isDigits(s string) bool {
	return strings.Trim(s, "0123456789") == ""
}

// String gives the form that ParseOrigin reads, without a default port.
func (o Origin) String() string {
	host := o.Host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if o.Wildcard {
		host = "*." + host
	}
	if o.Scheme == "http" && o.Port == 80 || o.Scheme == "https" && o.Port == 443 {
		return o.Scheme + "://" + host
	}
	return o.Scheme + "://" + host + ":" + strconv.Itoa(int(o.Port))
}

// Covers says whether every origin that other stands for is one of o's.
func (o Origin) Covers(other Origin) bool {
	if o.Scheme != other.Scheme || o.Port != other.Port {
		return false
	}
	if !o.Wildcard {
		return !other.Wildcard && o.Host == other.Host
	}
	return strings.HasSuffix(other.Host, "."+o.Host) || other.Wildcard && other.Host == o.Host
}

// Match says whether the URL's origin is one of o's.
func (o Origin) Match(u *url.URL) bool {
	other, err := OriginOf(u)
	return err == nil && o.Covers(other)
}
