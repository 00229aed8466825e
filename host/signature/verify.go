package signature

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Errors of Verify. What wraps them names the header and never what it should
// hold.
var (
	// ErrWrong: the signature is missing or not the body's.
	ErrWrong = errors.New("wrong signature")
	// ErrMalformed: what the scheme needs can't be read.
	ErrMalformed = errors.New("malformed signature")
	// ErrTime: the signature is right, and too old or of the future.
	ErrTime = errors.New("signed at another time")
)

// maxParts bounds the parts of a header: each is a comparison for each key.
const maxParts = 16

// Request is a request as it came. A header or parameter that came more than
// once must not be in it under its name: which of them counts, the sender and
// a proxy may see differently.
type Request struct {
	Method string
	// URL is the address that was called: scheme, host, path and query.
	URL     string
	Headers map[string]string // lower-case names
	Query   map[string]string
	Body    []byte
}

// Proof is what a right signature says.
type Proof struct {
	// ID is the signed id, and At the signed time, where the scheme has them.
	ID string
	At time.Time
	// Digest is the SHA-256 of what was signed, where the scheme has a time:
	// the same one again, within the tolerance, is a replay.
	Digest [sha256.Size]byte
}

// Verify says whether one of the keys signed a request, at about now. Its
// errors wrap ErrWrong, ErrMalformed or ErrTime.
func (m *Method) Verify(q Request, now time.Time, keys ...Key) (Proof, error) {
	header, ok := q.Headers[m.header]
	if !ok {
		return Proof{}, fmt.Errorf("%w: the header %s, which holds the signature, is missing", ErrWrong, m.scheme.Header)
	}
	given, stamp, err := m.parts(header)
	if err != nil {
		return Proof{}, err
	}
	proof := Proof{}
	if m.scheme.ID != "" {
		if proof.ID = q.Headers[m.idIn]; proof.ID == "" {
			return Proof{}, fmt.Errorf("%w: the header %s, which is signed, is missing", ErrMalformed, m.scheme.ID)
		}
	}
	where := m.scheme.Header
	if m.timeIn != "" {
		stamp, where = q.Headers[m.timeIn], strings.TrimPrefix(m.scheme.Timestamp, "header:")
	}
	if m.scheme.Timestamp != "" {
		if proof.At, ok = Time(stamp); !ok {
			return Proof{}, fmt.Errorf("%w: the header %s holds no time", ErrMalformed, where)
		}
	}
	v := values{id: proof.ID, timestamp: stamp, method: q.Method, url: q.URL, headers: q.Headers, query: q.Query, body: q.Body}
	if !m.signedBy(v, given, keys) {
		return Proof{}, fmt.Errorf("%w: the header %s does not hold the signature of this request", ErrWrong, m.scheme.Header)
	}
	if m.scheme.Timestamp == "" {
		return proof, nil
	}
	if off := now.Sub(proof.At); off > m.tolerance || off < -m.tolerance {
		return Proof{}, fmt.Errorf("%w: the header %s holds a time more than %s from now", ErrTime, where, m.tolerance)
	}
	digest := sha256.New()
	m.each(v, func(p []byte) { digest.Write(p) })
	digest.Sum(proof.Digest[:0])
	return proof, nil
}

// parts gives the signatures of a header, still encoded but without their
// prefixes, and its time if that is a part.
func (m *Method) parts(header string) (given []string, stamp string, err error) {
	all := []string{header}
	if m.scheme.Separator != "" {
		if all = strings.SplitN(header, m.scheme.Separator, maxParts+1); len(all) > maxParts {
			return nil, "", fmt.Errorf("%w: the header %s has more than %d parts", ErrMalformed, m.scheme.Header, maxParts)
		}
	}
	for _, part := range all {
		part = strings.Trim(part, " \t")
		if text, ok := strings.CutPrefix(part, m.timePart); ok && m.timePart != "" {
			if stamp != "" {
				return nil, "", fmt.Errorf("%w: the header %s holds two times", ErrMalformed, m.scheme.Header)
			}
			stamp = text
			continue
		}
		given = append(given, part)
	}
	return given, stamp, nil
}

// signedBy says whether one of the signatures is of one of the keys.
func (m *Method) signedBy(v values, given []string, keys []Key) bool {
	right := false
	for _, k := range keys {
		if !m.fits(k) {
			continue
		}
		var sum, content []byte
		for _, part := range given {
			text, ok := strings.CutPrefix(part, m.prefix(k))
			if !ok {
				continue
			}
			signature, err := encodings[m.scheme.Encoding].decode(text)
			if err != nil {
				continue
			}
			if k.material.shared != nil {
				if sum == nil {
					sum = m.sum(k, v)
				}
				right = hmac.Equal(sum, signature) || right
				continue
			}
			if content == nil {
				content = m.content(v)
			}
			right = ed25519.Verify(k.material.public, content, signature) || right
		}
	}
	return right
}

// prefix is what stands before a key's signatures.
func (m *Method) prefix(k Key) string {
	if m.standard && k.material.public != nil {
		return "v1a,"
	}
	return m.scheme.Prefix
}

// content is what is signed, in one piece.
func (m *Method) content(v values) []byte {
	content := []byte{}
	m.each(v, func(p []byte) { content = append(content, p...) })
	return content
}

// Time reads a time as services write it: seconds or milliseconds since 1970,
// or a text of RFC 3339.
func Time(text string) (time.Time, bool) {
	if len(text) > 64 {
		return time.Time{}, false
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return Epoch(n)
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	return at, err == nil
}

// Epoch reads seconds or milliseconds since 1970. What would be a year after
// 5138 in seconds is milliseconds.
func Epoch(n int64) (time.Time, bool) {
	const seconds = 100_000_000_000
	switch {
	case n < 0 || n >= seconds*1000:
		return time.Time{}, false
	case n >= seconds:
		return time.UnixMilli(n), true
	}
	return time.Unix(n, 0), true
}
