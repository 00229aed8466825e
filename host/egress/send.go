package egress

import (
	"compress/gzip"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/trama-run/trama/host/grant"
	"github.com/trama-run/trama/host/trace"
	"github.com/trama-run/trama/pdk/abi"
)

const (
	maxRedirects = 5
	userAgent    = "Trama" // where the guest sets none
)

// outgoing is a request on its way, over its redirects.
type outgoing struct {
	method  string
	header  http.Header
	body    body
	toBlob  bool // the answer's body becomes a blob
	crossed bool // a redirect led to another origin: no credentials from then on
}

// Send performs one request, following redirects. Any status is an answer;
// an error is an [*abi.Error] of code denied, invalid, limit, timeout,
// unreachable, unknown or no_secret, and names no query and no secret.
func (s *Scope) Send(ctx context.Context, req abi.HTTPRequest) (abi.HTTPResponse, error) {
	timeout := s.policy.Timeout
	if wish := time.Duration(req.TimeoutMillis) * time.Millisecond; req.TimeoutMillis > 0 && req.TimeoutMillis < timeout.Milliseconds() {
		timeout = wish
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	// A connection that is ready gets the request at once: from then on, some
	// of it may have arrived.
	var sent atomic.Bool
	arrival := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { sent.Store(true) }}
	response, failure := s.send(ctx, req, arrival)
	if failure != nil {
		if s.policy.Unsafe && sent.Load() && failure.Code == abi.CodeUnreachable {
			failure = fail(abi.CodeUnknown, "the request may have arrived: %s", failure.Message)
		}
		failure.Message = s.Redact(failure.Message)
		return abi.HTTPResponse{}, failure
	}
	return response, nil
}

func (s *Scope) send(ctx context.Context, req abi.HTTPRequest, arrival *httptrace.ClientTrace) (abi.HTTPResponse, *abi.Error) {
	out, to, failure := s.prepare(ctx, req)
	if failure != nil {
		return abi.HTTPResponse{}, failure
	}
	named := to.name()
	if to.url, failure = s.fillURL(to); failure != nil {
		return abi.HTTPResponse{}, failure
	}
	for hop := 0; ; hop++ {
		response, seen, failure := s.exchange(ctx, out, to, named, arrival)
		if failure != nil {
			return abi.HTTPResponse{}, failure
		}
		location := response.Header.Get("Location")
		if s.policy.Direct || location == "" || !slices.Contains([]int{301, 302, 303, 307, 308}, response.StatusCode) {
			answer, failure := s.read(ctx, out, response, named, seen)
			seen.end(failure)
			return answer, failure
		}
		response.Body.Close() //nolint:errcheck // an answer that nobody reads
		seen.end(nil)
		if hop == maxRedirects {
			return abi.HTTPResponse{}, fail(abi.CodeLimit, "%s: more than %d redirects", named, maxRedirects)
		}
		if to, failure = s.follow(&out, to, response.StatusCode, location); failure != nil {
			failure.Message = named + " redirects: " + failure.Message
			return abi.HTTPResponse{}, failure
		}
		named = to.name()
	}
}

// prepare checks a guest's request and puts secrets into headers and body.
// Those of the URL come later, so that errors can name it without them.
func (s *Scope) prepare(ctx context.Context, req abi.HTTPRequest) (out outgoing, to target, failure *abi.Error) {
	out = outgoing{method: req.Method, header: http.Header{}, toBlob: req.Response == abi.ResponseBlob}
	if out.method == "" {
		out.method = http.MethodGet
	}
	if strings.Trim(out.method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-") != "" || len(out.method) > 32 || out.method == http.MethodConnect || out.method == http.MethodTrace {
		return out, to, fail(abi.CodeInvalid, "method %.40q is not one that a plugin can use", out.method)
	}
	u, failure := s.resolve(req.URL)
	if failure != nil {
		return out, to, failure
	}
	if to, failure = s.admit(u); failure != nil {
		return out, to, failure
	}
	switch {
	case req.Response != "" && !out.toBlob:
		return out, to, fail(abi.CodeInvalid, "%s: response %.20q is not known: leave it out, or ask for %q", to.name(), req.Response, abi.ResponseBlob)
	case out.toBlob && s.policy.Blobs == nil:
		return out, to, fail(abi.CodeUnavailable, "%s: this call can't keep a blob: they belong to contacts and gateway runs", to.name())
	}
	if failure := s.setHeader(&out, to, req.Headers); failure != nil {
		return out, to, failure
	}
	out.body, failure = s.readBody(ctx, req, to, out.header)
	return out, to, failure
}

// setHeader checks and fills the guest's headers.
func (s *Scope) setHeader(out *outgoing, to target, headers map[string]string) *abi.Error {
	for name, value := range headers {
		switch {
		case !validHeaderName(name):
			return fail(abi.CodeInvalid, "%s: %.60q is not a header's name", to.name(), name)
		case !validHeaderValue(value):
			return fail(abi.CodeInvalid, "%s: header %s holds a line break or control character", to.name(), name)
		case isHostHeader(name):
			return fail(abi.CodeInvalid, "%s: header %s is the host's to set: leave it out", to.name(), name)
		case to.connected && slices.Contains(s.base.Auth.Headers(), http.CanonicalHeaderKey(name)):
			return fail(abi.CodeDenied, "%s: header %s carries the credentials of connection %q: leave it out", to.name(), name, s.base.ID)
		case out.header[http.CanonicalHeaderKey(name)] != nil:
			return fail(abi.CodeInvalid, "%s: header %s is given twice", to.name(), name)
		}
		out.header[http.CanonicalHeaderKey(name)] = []string{value}
	}
	if to.connected && s.base.Auth.Query != "" && slices.ContainsFunc(splitQuery(to.url.RawQuery), func(f string) bool { return strings.EqualFold(queryName(f), s.base.Auth.Query) }) {
		return fail(abi.CodeDenied, "%s: query parameter %s carries the credentials of connection %q: leave it out", to.name(), s.base.Auth.Query, s.base.ID)
	}
	if failure := s.fillHeader(to, out.header); failure != nil {
		return failure
	}
	if out.header.Get("User-Agent") == "" {
		out.header.Set("User-Agent", userAgent)
	}
	// The host must be able to read what comes back, so it chooses: a secret in
	// an encoded answer would pass unseen.
	out.header.Set("Accept-Encoding", "gzip")
	if out.header.Get("Range") != "" {
		// By parts, a plugin could fetch a secret in pieces that nobody knows.
		if to.connected || !s.hidden.Empty() {
			return fail(abi.CodeDenied, "%s: header Range can't go with credentials or secrets, because a part of an answer can't be searched for them: leave it out and ask for the whole", to.name())
		}
		out.header.Set("Accept-Encoding", "identity") // a part of a gzip file can't be unpacked
	}
	return nil
}

// exchange sends one request and waits for the head of its answer. Whoever
// reads the answer ends what is seen of it.
func (s *Scope) exchange(ctx context.Context, out outgoing, to target, named string, arrival *httptrace.ClientTrace) (*http.Response, *watched, *abi.Error) {
	if failure := s.count(); failure != nil {
		return nil, nil, failure
	}
	for again := false; ; again = true {
		ctx, seen := s.watch(ctx, out, to, named)
		broke := func(failure *abi.Error) (*http.Response, *watched, *abi.Error) {
			seen.end(failure)
			return nil, nil, failure
		}
		request, failure := s.request(ctx, out, to, named)
		if failure != nil {
			return broke(failure)
		}
		request = request.WithContext(httptrace.WithClientTrace(ctx, arrival)) // not that of a token
		response, err := s.client.transports[to.reach].RoundTrip(request)
		if err != nil {
			return broke(broken(ctx, named, err))
		}
		seen.answered(request, response)
		if response.StatusCode == http.StatusUnauthorized && !again && to.connected && !out.crossed && s.client.auth.Renewable(s.base.Auth, request) {
			response.Body.Close() //nolint:errcheck // an answer that nobody reads
			seen.end(nil)
			continue
		}
		if response.StatusCode < 200 {
			response.Body.Close() //nolint:errcheck // the connection is of no use
			return broke(fail(abi.CodeUnreachable, "%s answered with status %d, which ends no exchange", named, response.StatusCode))
		}
		return response, seen, nil
	}
}

// request makes one request with the credentials that belong to it.
func (s *Scope) request(ctx context.Context, out outgoing, to target, named string) (*http.Request, *abi.Error) {
	request, err := http.NewRequestWithContext(ctx, out.method, to.url.String(), nil)
	if err != nil {
		return nil, fail(abi.CodeInvalid, "%s: the request can't be made", named)
	}
	request.Header = out.header.Clone()
	if request.Header.Get("Traceparent") == "" {
		trace.Send(ctx, request.Header)
	}
	sent := out.body
	if s.secures(to) && !out.crossed {
		var failure *abi.Error
		if sent, failure = s.secure(sent); failure != nil {
			return nil, failure
		}
	}
	s.put(ctx, request, sent)
	if to.connected && !out.crossed {
		if failure := s.authenticate(ctx, request); failure != nil {
			return nil, failure
		}
	}
	return request, nil
}

// safeHeaders go along to another origin. All others may be credentials.
var safeHeaders = []string{
	"Accept", "Accept-Encoding", "Accept-Language", "Content-Language", "Content-Type", "Range", "User-Agent",
}

// follow turns a redirect into the next request (RFC 9110, section 15.4).
func (s *Scope) follow(out *outgoing, from target, status int, location string) (target, *abi.Error) {
	reference, err := url.Parse(location)
	if err != nil {
		return from, fail(abi.CodeInvalid, "the location can't be read")
	}
	u, err := parseURL(from.url.ResolveReference(reference).String())
	if err != nil {
		return from, fail(abi.CodeInvalid, "the location can't be used: %v", err)
	}
	to, failure := s.admit(u)
	if failure != nil {
		return from, failure
	}
	if from.origin.Scheme == "https" && to.origin.Scheme != "https" {
		return from, fail(abi.CodeDenied, "to %s, which is not encrypted", to.origin)
	}
	// 303, and by long custom 301 and 302 after POST, ask for a GET.
	if status == 303 && out.method != http.MethodHead || (status == 301 || status == 302) && out.method == http.MethodPost {
		out.method, out.body = http.MethodGet, body{}
		for _, name := range []string{"Content-Type", "Content-Encoding", "Content-Language", "Content-Location"} {
			out.header.Del(name)
		}
	}
	if from.origin != to.origin {
		if out.body.secret || s.Redact(location) != location {
			return from, fail(abi.CodeDenied, "to %s, and would carry a secret there", to.origin)
		}
		out.crossed = true
		for name := range out.header {
			if !slices.Contains(safeHeaders, name) {
				out.header.Del(name)
			}
		}
		// A guest can hide a secret's handle in any header.
		for name, values := range out.header {
			if s.Redact(values[0]) != values[0] {
				out.header.Del(name)
			}
		}
	}
	return to, nil
}

// errTooLong: a body is longer than the limit.
var errTooLong = errors.New("body too long")

// capped reads at most left bytes, then fails.
type capped struct {
	from io.Reader
	left int64
}

func (c *capped) Read(p []byte) (int, error) {
	n, err := c.from.Read(p[:min(int64(len(p)), c.left+1)])
	if int64(n) > c.left {
		return int(c.left), errTooLong
	}
	c.left -= int64(n)
	return n, err
}

// read reads an answer's body within the limit and gives it its shape.
func (s *Scope) read(ctx context.Context, out outgoing, response *http.Response, named string, seen *watched) (answer abi.HTTPResponse, failure *abi.Error) {
	defer response.Body.Close()
	limit, tooLong := s.policy.HTTPBytes, s.tooLong(named, "the answer's body")
	if out.toBlob {
		limit, tooLong = s.takeBlobs(), s.tooManyBlobs(named)
		defer func() {
			unused := limit
			if answer.Blob != nil {
				unused = max(limit-answer.Blob.Size, 0)
			}
			s.giveBlobs(unused)
		}()
	}
	if response.ContentLength > limit && out.method != http.MethodHead && !s.policy.Cut {
		return abi.HTTPResponse{}, tooLong
	}
	answer.Status = response.StatusCode
	plain, err := s.unpack(out, response, limit, named)
	switch {
	case err != nil:
	case out.toBlob:
		answer.Blob, err = s.store(ctx, seen.body(s.hidden.Reader(plain)), response.Header.Get("Content-Type"))
	default:
		err = inline(&answer, seen.body(s.hidden.Reader(plain)))
	}
	var shaped *abi.Error
	switch {
	case err != nil && s.policy.Cut: // the status is what counts
	case errors.Is(err, errTooLong):
		return abi.HTTPResponse{}, tooLong
	case errors.As(err, &shaped):
		return abi.HTTPResponse{}, shaped
	case err != nil:
		return abi.HTTPResponse{}, broken(ctx, named+": the answer broke off", err)
	}
	if !s.hidden.Empty() && out.method != http.MethodHead {
		response.Header.Del("Content-Length") // it counts what may have been taken out
	}
	answer.Headers = make(map[string]string, len(response.Header))
	for name, values := range response.Header {
		answer.Headers[s.Redact(strings.ToLower(name))] = strings.ToValidUTF8(s.Redact(strings.Join(values, ", ")), "\uFFFD")
	}
	return answer, nil
}

// unpack gives an answer's body as plain bytes, of which there are at most
// limit. While there is a secret to hide, a body in an encoding that the host
// can't read is refused.
func (s *Scope) unpack(out outgoing, response *http.Response, limit int64, named string) (io.Reader, error) {
	body := &capped{response.Body, limit}
	encoding := strings.ToLower(response.Header.Get("Content-Encoding"))
	switch {
	case out.method == http.MethodHead || encoding == "" || encoding == "identity":
		return body, nil
	case encoding == "gzip" || encoding == "x-gzip":
		response.Header.Del("Content-Encoding")
		response.Header.Del("Content-Length")
		zipped, err := gzip.NewReader(body)
		if errors.Is(err, io.EOF) { // no body at all
			return body, nil
		}
		// Both sides are capped: gzip members without content are endless
		// input for no output.
		return &capped{zipped, limit}, err
	case !s.hidden.Empty() && response.ContentLength != 0:
		return nil, fail(abi.CodeInvalid, "%s: the answer is encoded with %.20q, which was not asked for, so the secrets of this call can't be looked for in it: have the other system answer plainly or with gzip", named, encoding)
	}
	return body, nil
}

// inline puts a body into the answer itself.
func inline(answer *abi.HTTPResponse, from io.Reader) error {
	data, err := io.ReadAll(from)
	if utf8.Valid(data) {
		answer.Body = string(data)
	} else {
		answer.BodyBase64 = base64.StdEncoding.EncodeToString(data)
	}
	return err
}

func (s *Scope) tooLong(named, what string) *abi.Error {
	return fail(abi.CodeLimit, "%s: %s is longer than %d bytes: %s", named, what, s.policy.HTTPBytes, raise("http", grant.Size(s.policy.HTTPBytes), grant.Ceiling().HTTP))
}

// broken says why there is no answer.
func broken(ctx context.Context, named string, err error) *abi.Error {
	var refused *refusal
	var timeout net.Error
	switch {
	case errors.As(err, &refused):
		return fail(abi.CodeDenied, "%s: %v: %s", named, refused, refused.remedy())
	case errors.Is(ctx.Err(), context.Canceled):
		return fail(abi.CodeTimeout, "%s: the call was stopped before there was an answer", named)
	case ctx.Err() != nil, errors.As(err, &timeout) && timeout.Timeout():
		return fail(abi.CodeTimeout, "%s: no answer in time", named)
	}
	return fail(abi.CodeUnreachable, "%s: %v", named, err)
}
