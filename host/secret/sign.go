package secret

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"

	"github.com/trama-run/trama/pdk/abi"
)

// ErrKey: the secret is there but can't serve as the key that was asked for.
// The error that wraps it says why.
var ErrKey = errors.New("unusable key")

const (
	minHMACBytes = 32   // RFC 7518, section 3.2
	minRSABits   = 2048 // RFC 7518, section 3.3
	p256Bytes    = 32   // of R and of S; RFC 7518, section 3.4
)

// key is a parsed secret. What the secret is decides the one algorithm that
// it serves, so a caller can't make a public key serve as an HMAC secret.
type key struct {
	alg     string
	private any // []byte, *rsa.PrivateKey, *ecdsa.PrivateKey or ed25519.PrivateKey; nil for a public key
	public  any // []byte, *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey
}

// parsed is a key with the text that it was made from. It is kept behind a
// pointer for the same reason as the text of a [Value].
type parsed struct {
	text string
	key  key
}

// Sign signs data with the secret called name as key. Algorithms are those of
// [abi.Sign]; one that is not the key's is refused.
func (s *Source) Sign(name, alg string, data []byte) ([]byte, error) {
	k, err := s.key(name, alg)
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256(data)
	switch private := k.private.(type) {
	case []byte:
		return mac(private, data), nil
	case *rsa.PrivateKey:
		return rsa.SignPKCS1v15(nil, private, crypto.SHA256, digest[:])
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, private, digest[:])
		if err != nil {
			return nil, err
		}
		signature := make([]byte, 2*p256Bytes)
		r.FillBytes(signature[:p256Bytes])
		s.FillBytes(signature[p256Bytes:])
		return signature, nil
	case ed25519.PrivateKey:
		return ed25519.Sign(private, data), nil
	}
	return nil, fmt.Errorf("%w %q: it is a public key, which verifies and can't sign", ErrKey, name)
}

// Verify says whether signature is data's under the key called name, which
// may be a public one.
func (s *Source) Verify(name, alg string, data, signature []byte) (bool, error) {
	k, err := s.key(name, alg)
	if err != nil {
		return false, err
	}
	digest := sha256.Sum256(data)
	switch public := k.public.(type) {
	case []byte:
		return hmac.Equal(mac(public, data), signature), nil
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature) == nil, nil
	case *ecdsa.PublicKey:
		if len(signature) != 2*p256Bytes {
			return false, nil
		}
		r, s := new(big.Int).SetBytes(signature[:p256Bytes]), new(big.Int).SetBytes(signature[p256Bytes:])
		return ecdsa.Verify(public, digest[:], r, s), nil
	case ed25519.PublicKey:
		return ed25519.Verify(public, data, signature), nil
	}
	return false, fmt.Errorf("%w %q", ErrKey, name)
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
	if p.key.alg != alg {
		return key{}, fmt.Errorf("%w %q: it serves %s, not %q", ErrKey, name, p.key.alg, alg)
	}
	return p.key, nil
}

func isPEM(text string) bool { return strings.Contains(text, "-----BEGIN") }

// parseKey reads a key. Its errors say nothing of the text.
func parseKey(text string) (key, error) {
	if !isPEM(text) {
		if len(text) < minHMACBytes {
			return key{}, fmt.Errorf("%s needs at least %d bytes, and it has %d; or write a PEM key", abi.AlgHS256, minHMACBytes, len(text))
		}
		return key{abi.AlgHS256, []byte(text), []byte(text)}, nil
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

func keyOf(material any) (key, error) {
	switch m := material.(type) {
	case *rsa.PrivateKey:
		k, err := keyOf(&m.PublicKey)
		k.private = m
		return k, err
	case *rsa.PublicKey:
		if m.N.BitLen() < minRSABits {
			return key{}, fmt.Errorf("%s needs at least %d bits, and it has %d", abi.AlgRS256, minRSABits, m.N.BitLen())
		}
		return key{alg: abi.AlgRS256, public: m}, nil
	case *ecdsa.PrivateKey:
		k, err := keyOf(&m.PublicKey)
		k.private = m
		return k, err
	case *ecdsa.PublicKey:
		if m.Curve != elliptic.P256() {
			return key{}, fmt.Errorf("%s needs a key on P-256, and it is on %s", abi.AlgES256, m.Curve.Params().Name)
		}
		return key{alg: abi.AlgES256, public: m}, nil
	case ed25519.PrivateKey:
		return key{abi.AlgEdDSA, m, m.Public().(ed25519.PublicKey)}, nil
	case ed25519.PublicKey:
		return key{alg: abi.AlgEdDSA, public: m}, nil
	}
	return key{}, fmt.Errorf("keys of type %T serve no algorithm of this host", material)
}
