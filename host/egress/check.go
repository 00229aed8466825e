package egress

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/trama-run/trama/host/grant"
)

// parseURL reads an absolute http or https URL strictly: what one program
// might read differently from another is refused, not repaired. Its errors
// don't quote the URL, whose query may hold what errors must not.
func parseURL(text string) (*url.URL, error) {
	for _, b := range []byte(text) {
		if b <= ' ' || b == 0x7f || b == '\\' {
			return nil, errors.New("it holds a space, control character or backslash: percent-encode it")
		}
	}
	if !utf8.ValidString(text) {
		return nil, errors.New("it is not UTF-8")
	}
	u, err := url.Parse(text)
	if err != nil || u.Opaque != "" {
		return nil, errors.New("it is not of the form https://host/path?query")
	}
	if u.Scheme == "" {
		return nil, errors.New("it is neither absolute (https://host/path) nor relative to a connection (/path)")
	}
	if _, err := grant.OriginOf(u); err != nil {
		return nil, err
	}
	if hasDotSegment(u.Path) {
		return nil, errors.New("its path holds . or .. segments: write it without")
	}
	u.RawQuery = escapeNonASCII(u.RawQuery)
	return u, nil
}

// hasDotSegment says whether a decoded path has a segment that a server may
// take for "." or "..", also behind an encoded slash or before a parameter.
func hasDotSegment(path string) bool {
	return slices.ContainsFunc(strings.FieldsFunc(path, func(r rune) bool { return r == '/' || r == '\\' }), func(segment string) bool {
		segment, _, _ = strings.Cut(segment, ";")
		return segment == "." || segment == ".."
	})
}

func escapeNonASCII(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for _, c := range []byte(s) {
		if c < utf8.RuneSelf {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		}
	}
	return b.String()
}

func splitQuery(raw string) []string {
	if raw == "" {
		return nil
	}
	return strings.Split(raw, "&")
}

// queryName is the decoded name of one field of a query.
func queryName(field string) string {
	name, _, _ := strings.Cut(field, "=")
	if decoded, err := url.QueryUnescape(name); err == nil {
		return decoded
	}
	return name
}

// validHeaderName: a token of RFC 9110, section 5.6.2.
func validHeaderName(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("!#$%&'*+-.^_`|~", r))
	})
}

// validHeaderValue refuses line breaks and other control characters.
func validHeaderValue(value string) bool {
	return !strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}

// hostHeaders are the host's to set: they say where a message goes, how long
// it is and how the connection is used (RFC 9110, sections 7.2 and 7.6.1).
var hostHeaders = []string{
	"Host", "Content-Length", "Transfer-Encoding", "Connection", "Keep-Alive", "Te",
	"Trailer", "Upgrade", "Expect", "Http2-Settings",
}

func isHostHeader(name string) bool {
	name = http.CanonicalHeaderKey(name)
	return slices.Contains(hostHeaders, name) || strings.HasPrefix(name, "Proxy-")
}
