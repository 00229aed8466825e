package signature

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Sign gives the headers that sign a request: the signatures, one for each
// key, and where the scheme has them the id and the time, in seconds. Two keys
// at once, while a secret is rotated, need a scheme with a separator. What is
// signed must be the body with the id and the time: no other header and no
// parameter.
func (m *Method) Sign(id string, at time.Time, body []byte, keys ...Key) (map[string]string, error) {
	if len(keys) == 0 {
		return nil, errors.New("sign: there is no key")
	}
	if len(keys) > 1 && m.scheme.Separator == "" {
		return nil, errors.New("sign: the scheme has room for one signature, and there are several keys")
	}
	if strings.ContainsAny(id, "\r\n") {
		return nil, errors.New("sign: the id has a line break, which no header may have")
	}
	if err := m.Signs(); err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	stamp := strconv.FormatInt(at.Unix(), 10)
	v := values{id: id, timestamp: stamp, body: body}
	headers := map[string]string{}
	var parts []string
	if m.timePart != "" {
		parts = append(parts, m.timePart+stamp)
	}
	if in := m.Time(); in != "" {
		headers[in] = stamp
	}
	if m.scheme.ID != "" {
		headers[m.scheme.ID] = id
	}
	for _, k := range keys {
		if !k.Private() {
			return nil, errors.New("sign: a public key verifies and can't sign")
		}
		if !m.fits(k) {
			return nil, errors.New("sign: the scheme is ed25519, and the key is a shared secret")
		}
		var signature []byte
		if k.material.shared != nil {
			signature = m.sum(k, v)
		} else {
			signature = ed25519.Sign(k.material.private, m.content(v))
		}
		parts = append(parts, m.prefix(k)+encodings[m.scheme.Encoding].encode(signature))
	}
	headers[m.scheme.Header] = strings.Join(parts, m.scheme.Separator)
	return headers, nil
}

// Signs says why Sign can't, whatever the key is; nil if it can.
func (m *Method) Signs() error {
	for _, p := range m.signed {
		if slices.Contains([]string{"header", "query", "method", "url", "uri"}, p.kind) {
			return errors.New("the scheme signs headers, parameters or the address, which only their sender has")
		}
	}
	return nil
}

// Standard is the method of Standard Webhooks 1.0.0.
func Standard() *Method {
	m, err := New(Scheme{Preset: "standard"})
	if err != nil { // the preset is checked by a test
		panic(err)
	}
	return m
}
