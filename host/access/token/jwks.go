package token

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/trama-run/trama/host/egress"
	"github.com/trama-run/trama/pdk/abi"
)

// How key sets are kept.
const (
	jwksFresh   = 10 * time.Minute // then they are fetched again, while they serve on
	jwksStale   = 24 * time.Hour   // then they serve no more
	jwksPause   = 30 * time.Second // between two fetches, whatever tokens say
	jwksTimeout = 10 * time.Second // of a fetch
	jwksBytes   = 1 << 20
	jwksKeys    = 100
)

// keySets are the key sets of all issuers, by URL.
type keySets struct {
	fetch func(ctx context.Context, url string) ([]byte, error)
	now   func() time.Time
	mu    sync.Mutex
	sets  map[string]*keySet
}

// of gives the set at a URL.
func (k *keySets) of(url string) *keySet {
	k.mu.Lock()
	defer k.mu.Unlock()
	s, ok := k.sets[url]
	if !ok {
		s = &keySet{sets: k, url: url}
		k.sets[url] = s
	}
	return s
}

// keySet is what an issuer has at one URL. However many calls wait, one fetch
// goes out, and none sooner than jwksPause after the one before.
type keySet struct {
	sets *keySets
	url  string

	mu      sync.Mutex
	keys    []jwk
	fetched time.Time     // when keys came
	tried   time.Time     // when the last fetch began
	failed  error         // how it ended
	flight  chan struct{} // closed when the fetch in progress ends; nil: there is none
}

// ErrUnknownKey: a token names a key that its issuer did not have when it was
// asked a moment ago. It may have been asked for another's token, before it had
// the key: such a token is not taken, and is no wrong credential either.
var ErrUnknownKey = errors.New("the token names a key that its issuer did not have a moment ago; it is asked again within 30 seconds")

// get gives the keys. If none is of the id that a token names, they may have
// changed.
func (s *keySet) get(ctx context.Context, kid string, now time.Time) ([]jwk, error) {
	s.mu.Lock()
	age := now.Sub(s.fetched)
	usable := s.keys != nil && age < jwksStale
	unknown := usable && kid != "" && !slices.ContainsFunc(s.keys, func(k jwk) bool { return k.ID == kid })
	if s.flight == nil && (!usable || unknown || age >= jwksFresh) && now.Sub(s.tried) >= jwksPause {
		s.flight = make(chan struct{})
		s.tried = now
		go s.refresh(s.flight)
	}
	flight, keys := s.flight, s.keys
	failed := s.failed
	s.mu.Unlock()
	switch {
	case usable && !unknown:
		return keys, nil
	case flight == nil && usable:
		return keys, ErrUnknownKey
	case flight == nil:
		return nil, fmt.Errorf("the keys at %s can't be had: %w", s.url, failed)
	}
	select {
	case <-flight:
	case <-ctx.Done():
		return nil, fmt.Errorf("the keys at %s: %w", s.url, ctx.Err())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed != nil && !usable {
		return nil, fmt.Errorf("the keys at %s can't be had: %w", s.url, s.failed)
	}
	return s.keys, nil
}

// Failing says why the keys at a URL could not be had when they were asked for
// last; nil: they could, or nobody has asked.
func (c *Checker) Failing(url string) error {
	c.sets.mu.Lock()
	s, known := c.sets.sets[url]
	c.sets.mu.Unlock()
	if !known {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed
}

// refresh fetches the keys. It belongs to no call: others wait for it too.
func (s *keySet) refresh(flight chan struct{}) {
	ctx, cancel := context.WithTimeout(context.Background(), jwksTimeout)
	defer cancel()
	data, err := s.sets.fetch(ctx, s.url)
	var keys []jwk
	if err == nil {
		keys, err = parseJWKS(data)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed = err; err == nil {
		s.keys, s.fetched = keys, s.sets.now()
	}
	s.flight = nil
	close(flight)
}

// fetcher gets key sets through the client that serves guests: where a URL is
// written down by the operator, it may lead where a connection's may.
func fetcher(client *egress.Client) func(ctx context.Context, url string) ([]byte, error) {
	return func(ctx context.Context, address string) ([]byte, error) {
		u, err := url.Parse(address)
		if err != nil {
			return nil, errors.New("its address can't be read")
		}
		scope := client.Open(egress.Policy{
			Origins: []string{abi.EgressConnection}, Connection: &egress.Connection{ID: "jwks", BaseURL: u.Scheme + "://" + u.Host},
			HTTPBytes: jwksBytes, Timeout: jwksTimeout, Direct: true,
		})
		answer, err := scope.Send(ctx, abi.HTTPRequest{URL: address, Headers: map[string]string{"Accept": "application/jwk-set+json, application/json"}})
		if err != nil {
			return nil, err
		}
		if answer.Status != 200 {
			return nil, fmt.Errorf("the answer has status %d", answer.Status)
		}
		return []byte(answer.Body), nil
	}
}

// jwk is a public key of a set (RFC 7517) that can verify.
type jwk struct {
	ID        string
	Algorithm string // "": any of its kind
	kind      keyKind
	key       any
}

// serves says whether the key may be the one of a token.
func (k jwk) serves(kind keyKind, algorithm, kid string) bool {
	return k.kind == kind && (k.Algorithm == "" || k.Algorithm == algorithm) && (kid == "" || k.ID == kid)
}

// parseJWKS reads a key set. Keys that are not for verifying, or that no
// algorithm takes, are left out; a set without any key is an error.
func parseJWKS(data []byte) ([]jwk, error) {
	var set struct {
		Keys []wireKey `json:"keys"`
	}
	if err := json.Unmarshal(data, &set); err != nil {
		return nil, errors.New("it is no JSON Web Key Set")
	}
	if len(set.Keys) > jwksKeys {
		return nil, fmt.Errorf("it has %d keys, more than %d", len(set.Keys), jwksKeys)
	}
	keys := []jwk{}
	for _, w := range set.Keys {
		if w.Use != "" && w.Use != "sig" || w.Ops != nil && !slices.Contains(w.Ops, "verify") {
			continue
		}
		key, err := w.public()
		if err != nil {
			continue // of a kind, or a size, that is not taken
		}
		kind, err := kindOfKey(key)
		if err == nil {
			keys = append(keys, jwk{w.ID, w.Algorithm, kind, key})
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("it has no key that signatures can be checked with")
	}
	return keys, nil
}

// wireKey is a key of a set as it is written (RFC 7518, section 6; RFC 8037).
type wireKey struct {
	Type      string   `json:"kty"`
	Use       string   `json:"use"`
	Ops       []string `json:"key_ops"`
	Algorithm string   `json:"alg"`
	ID        string   `json:"kid"`
	Curve     string   `json:"crv"`
	X         number   `json:"x"`
	Y         number   `json:"y"`
	N         number   `json:"n"`
	E         number   `json:"e"`
}

func (w wireKey) public() (any, error) {
	switch w.Type {
	case "RSA":
		e := new(big.Int).SetBytes(w.E)
		if !e.IsInt64() || e.Int64() < 3 || e.Int64() > 1<<31-1 || e.Bit(0) == 0 || len(w.N) > 2048 {
			return nil, errors.New("its exponent or modulus is out of bounds")
		}
		return &rsa.PublicKey{N: new(big.Int).SetBytes(w.N), E: int(e.Int64())}, nil
	case "EC":
		curve, ok := map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}[w.Curve]
		if !ok {
			return nil, fmt.Errorf("its curve %q is not known", w.Curve)
		}
		size := (curve.Params().BitSize + 7) / 8
		if len(w.X) != size || len(w.Y) != size {
			return nil, errors.New("its coordinates have the wrong length")
		}
		return ecdsa.ParseUncompressedPublicKey(curve, slices.Concat([]byte{4}, w.X, w.Y)) // checks that it is on the curve
	case "OKP":
		if w.Curve != "Ed25519" || len(w.X) != ed25519.PublicKeySize {
			return nil, fmt.Errorf("its curve %q is not known", w.Curve)
		}
		return ed25519.PublicKey(w.X), nil
	}
	return nil, fmt.Errorf("keys of type %q have no algorithm", w.Type)
}

// number is bytes in base64url without padding.
type number []byte

// UnmarshalText reads them.
func (n *number) UnmarshalText(text []byte) (err error) {
	*n, err = base64.RawURLEncoding.DecodeString(string(text))
	return err
}
