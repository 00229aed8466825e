package secret

import (
	"bytes"
	"crypto"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/trama-run/trama/pdk/abi/jwa"
)

// ErrKey: the secret is there but can't serve as the key that was asked for.
// The error that wraps it says why.
var ErrKey = errors.New("unusable key")

// key is a parsed secret. What the secret is decides the algorithms that it
// serves, so a caller can't make a public key serve as an HMAC secret.
type key struct {
	algorithms []string
	private    any // []byte, *rsa.PrivateKey, *ecdsa.PrivateKey or ed25519.PrivateKey; nil for a public key
	public     any // []byte, *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey
}

// parsed is a key with the text that it was made from. It is kept behind a
// pointer for the same reason as the text of a [Value].
type parsed struct {
	text string
	key  key
}

// Sign signs data with the secret called name as key. Algorithms are those of
// the contract's (package jwa); one that is not the key's is refused.
func (s *Source) Sign(name, alg string, data []byte) ([]byte, error) {
	k, err := s.key(name, alg)
	if err != nil {
		return nil, err
	}
	if k.private == nil {
		return nil, fmt.Errorf("%w %q: it is a public key, which verifies and can't sign", ErrKey, name)
	}
	return jwa.Sign(alg, k.private, data)
}

// Verify says whether signature is data's under the key called name, which
// may be a public one.
func (s *Source) Verify(name, alg string, data, signature []byte) (bool, error) {
	k, err := s.key(name, alg)
	if err != nil {
		return false, err
	}
	return jwa.Verify(alg, k.public, data, signature)
}

// MAC gives the HMAC-SHA256 of data under the secret called name, of whatever
// length: services choose the secrets of their webhooks. A PEM key is refused.
func (s *Source) MAC(name string, data []byte) ([]byte, error) {
	value, err := s.Open(name)
	if err != nil {
		return nil, err
	}
	if isPEM(value.Reveal()) {
		return nil, fmt.Errorf("%w %q: it is a PEM key, not a shared secret", ErrKey, name)
	}
	return mac([]byte(value.Reveal()), data), nil
}

// VerifyMAC says, in constant time, whether sum is what MAC gives.
func (s *Source) VerifyMAC(name string, data, sum []byte) (bool, error) {
	want, err := s.MAC(name, data)
	return err == nil && hmac.Equal(want, sum), err
}

func mac(secret, data []byte) []byte {
	h := hmac.New(sha256.New, secret)
	h.Write(data)
	return h.Sum(nil)
}

// key opens and parses a key and checks that it serves alg. Parsing is kept
// until the secret changes: an RSA key costs as much to parse as to use.
func (s *Source) key(name, alg string) (key, error) {
	if s.dummy {
		return dummyKey(name, alg)
	}
	value, err := s.Open(name)
	if err != nil {
		return key{}, err
	}
	s.mu.Lock()
	p, ok := s.keys[name]
	s.mu.Unlock()
	if !ok || p.text != value.Reveal() {
		k, err := parseKey(value.Reveal())
		if err != nil {
			return key{}, fmt.Errorf("%w %q: %w", ErrKey, name, err)
		}
		p = &parsed{value.Reveal(), k}
		s.mu.Lock()
		s.keys[name] = p
		s.mu.Unlock()
	}
	if !slices.Contains(p.key.algorithms, alg) {
		return key{}, fmt.Errorf("%w %q: it serves %s, not %q", ErrKey, name, strings.Join(p.key.algorithms, ", "), alg)
	}
	return p.key, nil
}

func isPEM(text string) bool { return strings.Contains(text, "-----BEGIN") }

// isJWK says whether a text is meant as a key in JSON (RFC 7517).
func isJWK(text string) bool {
	var k struct {
		Type *string `json:"kty"`
	}
	return json.Unmarshal([]byte(text), &k) == nil && k.Type != nil
}

// parseKey reads a key. Its errors say nothing of the text.
func parseKey(text string) (key, error) {
	if isJWK(text) {
		k, err := jwa.ParseJWK([]byte(text))
		return key{k.Algorithms, k.Private, k.Public}, err
	}
	if !isPEM(text) {
		served, err := jwa.Serves([]byte(text))
		if err != nil {
			return key{}, fmt.Errorf("%w; or write a PEM key or a JWK", err)
		}
		return key{served, []byte(text), []byte(text)}, nil
	}
	block, rest := pem.Decode([]byte(text))
	for block != nil && block.Type == "EC PARAMETERS" { // openssl writes them before the key
		block, rest = pem.Decode(rest)
	}
	if block == nil {
		return key{}, errors.New("it begins like PEM and can't be read as PEM")
	}
	if len(bytes.TrimSpace(rest)) > 0 {
		return key{}, errors.New("it holds more than one PEM block: keep the key alone")
	}
	parse, ok := map[string]func([]byte) (any, error){
		"PRIVATE KEY":     x509.ParsePKCS8PrivateKey,
		"RSA PRIVATE KEY": func(der []byte) (any, error) { return x509.ParsePKCS1PrivateKey(der) },
		"EC PRIVATE KEY":  func(der []byte) (any, error) { return x509.ParseECPrivateKey(der) },
		"PUBLIC KEY":      x509.ParsePKIXPublicKey,
		"RSA PUBLIC KEY":  func(der []byte) (any, error) { return x509.ParsePKCS1PublicKey(der) },
	}[block.Type]
	if !ok || block.Headers["DEK-Info"] != "" {
		return key{}, errors.New("it is not an unencrypted PKCS#8, PKCS#1 or SEC 1 private key, nor a public key")
	}
	material, err := parse(block.Bytes)
	if err != nil {
		return key{}, errors.New("its PEM block can't be read as the key that it says it is")
	}
	return keyOf(material)
}

// keyOf gives the key that Go's library has read, private or public.
func keyOf(material any) (key, error) {
	served, err := jwa.Serves(material)
	if err != nil {
		return key{}, err
	}
	if private, ok := material.(crypto.Signer); ok {
		return key{served, private, private.Public()}, nil
	}
	return key{algorithms: served, public: material}, nil
}
