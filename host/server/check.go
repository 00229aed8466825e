package server

import (
	"bytes"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2/utils"
	"github.com/valyala/fasthttp"

	"github.com/trama-run/trama/host/problem"
)

// methods are those that a request may have.
var methods = [...]string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

// single are the headers that a request has once at most: with two of them, a
// proxy in front may have gone by the other one.
var single = [...]string{"Host", "Content-Length", "Transfer-Encoding", "Content-Type", "Content-Encoding", "Authorization", "Expect", "Idempotency-Key"}

// Places in single.
const (
	atHost = iota
	atLength
	atTransfer
	atContentType
	atContentEncoding
	atAuthorization
	atExpect
)

// check refuses a request that two programs could read in two ways, or that
// isn't HTTP/1: the library behind Fiber takes nearly everything. length is
// that of the body: -1 for chunks. It looks at the bytes as they came (RFC
// 9112), and allocates nothing for a request that is plain.
func check(h *fasthttp.RequestHeader) (length int, refused *problem.Details) {
	if !isToken(h.Method()) {
		return 0, malformed("it does not begin with a method")
	}
	if !isKnown(h.Method()) {
		return 0, checkUnknown(h)
	}
	return checkRest(h)
}

// isKnown says whether requests may have a method.
func isKnown(method []byte) bool {
	return slices.ContainsFunc(methods[:], func(m string) bool { return string(method) == m })
}

// checkUnknown refuses a request with a method that no path takes. If nothing
// else is wrong with it, that is left to its path, which says what it takes.
func checkUnknown(h *fasthttp.RequestHeader) *problem.Details {
	if _, other := checkRest(h); other == nil {
		return nil
	}
	// 501 is the word for a method that nobody knows, but alarms go by 5xx.
	refused := problem.New(405, "method", "the server does not take this method, whatever the path")
	refused.Allow = methods[:]
	return refused
}

// checkRest checks all but the method.
func checkRest(h *fasthttp.RequestHeader) (length int, refused *problem.Details) {
	version := utils.UnsafeString(h.Protocol())
	if version != "HTTP/1.1" && version != "HTTP/1.0" {
		return 0, problem.New(400, "version", "the server speaks HTTP/1.1 and HTTP/1.0")
	}
	if refused := checkTarget(utils.UnsafeString(h.RequestURI())); refused != nil {
		return 0, refused
	}
	var found [len(single)][]byte
	if refused := scan(h.RawHeaders(), &found); refused != nil {
		return 0, refused
	}
	host, transfer, expect := found[atHost], found[atTransfer], found[atExpect]
	switch {
	case host == nil && version == "HTTP/1.1":
		return 0, malformed("it has no Host header")
	case len(host) == 0 && version == "HTTP/1.1", !isAuthority(string(host)):
		return 0, malformed("its Host header is not the name of a host")
	case !originForm(h, host):
		return 0, malformed("its target is a URL of another host than its Host header names")
	case found[atLength] != nil && transfer != nil:
		return 0, problem.New(400, "framing", "the request says in two ways where its body ends")
	case transfer != nil && (!bytes.EqualFold(transfer, []byte("chunked")) || version != "HTTP/1.1"):
		return 0, problem.New(400, "framing", "the only Transfer-Encoding that is taken is chunked, in HTTP/1.1")
	case expect != nil && !bytes.EqualFold(expect, []byte("100-continue")):
		return 0, problem.New(417, "expect", "the only expectation that is met is 100-continue")
	case transfer != nil:
		return -1, nil
	case found[atLength] == nil:
		return 0, nil
	}
	// ParseUint takes digits only, without a sign.
	n, err := strconv.ParseUint(string(found[atLength]), 10, 62)
	if err != nil {
		return 0, problem.New(400, "framing", "the Content-Length is not a number of bytes")
	}
	return int(n), nil
}

// originForm makes a path of a target that is a URL (RFC 9112, section 3.2.2),
// so that nobody behind it goes by another host than Host. It says whether they
// are one.
func originForm(h *fasthttp.RequestHeader, host []byte) bool {
	if h.RequestURI()[0] == '/' {
		return true
	}
	_, rest, _ := bytes.Cut(h.RequestURI(), []byte("://")) // see checkTarget
	authority, path := rest, []byte("/")
	if i := bytes.IndexAny(rest, "/?"); i >= 0 {
		authority, path = rest[:i], rest[i:]
	}
	if host != nil && !bytes.EqualFold(authority, host) {
		return false
	}
	if path[0] == '?' {
		path = append([]byte("/"), path...)
	}
	h.SetRequestURIBytes(bytes.Clone(path))
	return true
}

func malformed(why string) *problem.Details {
	return problem.New(400, "bad_request", "the request is not HTTP as this server takes it: "+why)
}

// scan goes over header lines and finds the values of single. A value that is
// there is not nil.
func scan(raw []byte, found *[len(single)][]byte) *problem.Details {
	for count := 0; len(raw) > 0; count++ {
		if count > headerCount {
			return problem.New(431, "headers_too_big", fmt.Sprintf("the request has more than %d headers", headerCount))
		}
		end := bytes.IndexByte(raw, '\n')
		if end < 1 || raw[end-1] != '\r' {
			return malformed("a header line does not end with CR LF")
		}
		line := raw[:end-1]
		raw = raw[end+1:]
		if len(line) == 0 {
			break
		}
		colon := bytes.IndexByte(line, ':')
		if colon < 1 || !isToken(line[:colon]) {
			return malformed("a header line does not begin with a name and a colon")
		}
		name, value := line[:colon], bytes.Trim(line[colon+1:], " \t")
		for _, c := range value {
			if c < ' ' && c != '\t' || c == 0x7f {
				return malformed("a header has a control character")
			}
		}
		for i, s := range single {
			if len(s) != len(name) || !strings.EqualFold(s, string(name)) {
				continue
			}
			if found[i] != nil {
				code := "duplicate_header"
				if i == atLength || i == atTransfer {
					code = "framing"
				}
				return problem.New(400, code, "the request has the header "+s+" twice")
			}
			if found[i] = value; value == nil {
				found[i] = []byte{}
			}
		}
	}
	return nil
}

// isToken says whether a name is one of a header (RFC 9110, section 5.6.2).
func isToken(name []byte) bool {
	for _, c := range name {
		if c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte("-_.!#$%&'*+^`|~", c) >= 0 {
			continue
		}
		return false
	}
	return true
}

// isAuthority says whether a text is a host with or without a port, and without
// anything that would break out of a URL or a header that it is put into.
func isAuthority(host string) bool {
	for i := range len(host) {
		c := host[i]
		if c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte(".-:[]_", c) >= 0 {
			continue
		}
		return false
	}
	return len(host) <= 255
}

// checkTarget refuses a request target that programs read in different ways:
// what stands for a path must say which one it is.
func checkTarget(target string) *problem.Details {
	bad := func(why string) *problem.Details { return problem.New(400, "bad_path", "the request's target "+why) }
	for i := range len(target) {
		if c := target[i]; c <= ' ' || c == 0x7f || c == '\\' || c == '#' {
			return bad("has a character that a URL has only in another form, such as %20")
		}
	}
	if !strings.HasPrefix(target, "/") { // the form that is sent to proxies
		scheme, rest, ok := strings.Cut(target, "://")
		authority, path, _ := strings.Cut(rest, "/")
		if !ok || !strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "https") || authority == "" || !isAuthority(authority) {
			return bad("is neither a path nor a URL")
		}
		target = "/" + path
	}
	if strings.HasPrefix(target, "//") {
		return bad("begins with //, which names a host for some")
	}
	path, query, _ := strings.Cut(target, "?")
	if !utf8.ValidString(path) || !utf8.ValidString(query) {
		return bad("is not UTF-8")
	}
	if strings.Contains(query, "%") {
		if text, err := url.QueryUnescape(query); err == nil && !utf8.ValidString(text) {
			return bad("has a query that is not UTF-8")
		}
	}
	if !strings.Contains(path, "%") && !strings.Contains(path, "/.") {
		return nil
	}
	for segment := range strings.SplitSeq(path, "/") {
		text, err := url.PathUnescape(segment)
		switch {
		case err != nil:
			return bad("has a % that no two hexadecimal digits follow")
		case text == "." || text == "..":
			return bad("has a segment . or .., which names another path")
		case !utf8.ValidString(text):
			return bad("has a path that is not UTF-8")
		case strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }):
			return bad("has a control character in its path")
		}
	}
	return nil
}
