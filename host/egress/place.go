package egress

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/trama-run/trama/host/grant"
	"github.com/trama-run/trama/host/secret"
	"github.com/trama-run/trama/pdk/abi"
)

// Places of a secret in a request, as manifests declare them.
const (
	placeHeader = "header:" // and the header's name
	placeQuery  = "query:"  // and the parameter's name
	placePath   = "path"
	placeBody   = "body"
)

// handle is what one handle stands for.
type handle struct {
	name   string
	value  secret.Value
	places []string
	bounds [][]string // lists of origins: one of each that is not empty must cover the target
}

// mayGo says whether the secret is bound to a target's origin.
func (h handle) mayGo(s *Scope, to target) bool {
	for _, origins := range h.bounds {
		if len(origins) > 0 && !slices.ContainsFunc(origins, func(text string) bool {
			if text == abi.EgressConnection {
				return s.viaConnection && to.connected
			}
			o, err := grant.ParseOrigin(text)
			return err == nil && o.Covers(to.origin)
		}) {
			return false
		}
	}
	return true
}

// SecretRef gives a handle for a secret that the manifest asks for: random
// text that means something in this scope alone. It is made of letters,
// digits and underscores, so that no encoding of the guest changes it.
func (s *Scope) SecretRef(name string) (string, error) {
	i := slices.IndexFunc(s.policy.Secrets, func(r abi.SecretRequest) bool { return r.Name == name })
	if i < 0 {
		return "", fail(abi.CodeDenied, "secret %q is not granted: the plugin's manifest must ask for it and grants.yaml give it", name)
	}
	own := cmp.Or(s.policy.Named[name], name)
	value, failure := s.open(own, "secret_ref")
	if failure != nil {
		return "", failure
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for text, h := range s.handles {
		if h.name == name {
			return text, nil
		}
	}
	if s.handles == nil {
		s.handles = map[string]handle{}
	}
	text := "secretref_" + rand.Text()
	request := s.policy.Secrets[i]
	s.handles[text] = handle{name, value, request.Places, [][]string{request.Origins, s.policy.Bound[own]}}
	return text, nil
}

// fill puts values in the place of the handles in text. A handle of this
// scope at a place that its manifest does not declare, or on its way to an
// origin that it is not bound to, is an error; all else
// is text, also what looks like a handle, and what a value spells.
func (s *Scope) fill(to target, text, place string, encode func(string) (string, error)) (filled string, used bool, failure *abi.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var pairs []string
	for mark, h := range s.handles {
		if !strings.Contains(text, mark) {
			continue
		}
		if !slices.ContainsFunc(h.places, func(p string) bool { return samePlace(p, place) }) {
			return "", false, fail(abi.CodeDenied, "secret %q may not be placed in %s: its manifest declares %q", h.name, place, h.places)
		}
		if !h.mayGo(s, to) {
			return "", false, fail(abi.CodeDenied, "secret %q may not go to %s: the manifest, or bound of the plugin's line in grants.yaml, names the origins that it is for", h.name, to.origin)
		}
		value, err := encode(h.value.Reveal())
		if err != nil {
			return "", false, fail(abi.CodeInvalid, "secret %q can't be placed in %s: %v", h.name, place, err)
		}
		pairs = append(pairs, mark, value)
	}
	if pairs == nil {
		return text, false, nil
	}
	return strings.NewReplacer(pairs...).Replace(text), true, nil // one pass: values are not looked at again
}

// samePlace compares a declared place with an actual one; names of headers
// have no case.
func samePlace(declared, actual string) bool {
	if strings.HasPrefix(actual, placeHeader) {
		return strings.EqualFold(declared, actual)
	}
	return declared == actual
}

// fillURL fills path and query.
func (s *Scope) fillURL(to target) (*url.URL, *abi.Error) {
	u := to.url
	path, inPath, failure := s.fill(to, u.EscapedPath(), placePath, func(v string) (string, error) { return url.PathEscape(v), nil })
	if failure != nil {
		return nil, failure
	}
	fields := splitQuery(u.RawQuery)
	inQuery := false
	for i, field := range fields {
		name, value, _ := strings.Cut(field, "=")
		filled, used, failure := s.fill(to, value, placeQuery+queryName(field), func(v string) (string, error) { return url.QueryEscape(v), nil })
		if failure != nil {
			return nil, failure
		}
		if used {
			fields[i], inQuery = name+"="+filled, true
		}
	}
	if !inPath && !inQuery {
		return u, nil
	}
	filled := *u
	filled.RawQuery = strings.Join(fields, "&")
	if inPath {
		decoded, err := url.PathUnescape(path)
		if err != nil || hasDotSegment(decoded) {
			return nil, fail(abi.CodeInvalid, "a secret can't be placed in the path: it makes a . or .. segment")
		}
		filled.Path, filled.RawPath = decoded, path
	}
	return &filled, nil
}

// fillHeader fills the values of headers.
func (s *Scope) fillHeader(to target, header http.Header) *abi.Error {
	for name, values := range header {
		for i, value := range values {
			filled, used, failure := s.fill(to, value, placeHeader+name, func(v string) (string, error) {
				if !validHeaderValue(v) {
					return "", errors.New("it holds a line break or control character, which no header can carry: store it without")
				}
				return v, nil
			})
			if failure != nil {
				return failure
			}
			if used {
				values[i] = filled
			}
		}
	}
	return nil
}

// fillBody fills a body, with values encoded as its type wants it.
func (s *Scope) fillBody(to target, body []byte, contentType string) (filled []byte, used bool, failure *abi.Error) {
	s.mu.Lock()
	none := len(s.handles) == 0
	s.mu.Unlock()
	if none {
		return body, false, nil
	}
	text, used, failure := s.fill(to, string(body), placeBody, bodyEncoding(body, contentType))
	if !used || failure != nil {
		return body, false, failure
	}
	return []byte(text), true, nil
}

// bodyEncoding is how a value must be written inside a body of this type so
// that it stays one value: a JSON string's inside, form data, XML text, or
// itself.
func bodyEncoding(body []byte, contentType string) func(string) (string, error) {
	media, _, _ := mime.ParseMediaType(contentType) // of a type that can't be read, nothing is assumed
	switch {
	case media == "application/json" || strings.HasSuffix(media, "+json") || contentType == "" && json.Valid(body):
		return func(v string) (string, error) {
			if !utf8.ValidString(v) {
				return "", errors.New("it is not UTF-8, which JSON wants")
			}
			quoted, err := json.Marshal(v)
			if err != nil {
				return "", err
			}
			return string(quoted[1 : len(quoted)-1]), nil
		}
	case media == "application/x-www-form-urlencoded":
		return func(v string) (string, error) { return url.QueryEscape(v), nil }
	case media == "text/xml" || media == "application/xml" || strings.HasSuffix(media, "+xml"):
		return func(v string) (string, error) {
			var b bytes.Buffer
			if err := xml.EscapeText(&b, []byte(v)); err != nil {
				return "", fmt.Errorf("as XML text: %w", err)
			}
			return b.String(), nil
		}
	}
	return func(v string) (string, error) { return v, nil }
}
