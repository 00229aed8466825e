// Package jwa computes the signature algorithms of the contract: JSON Web
// Algorithms (RFC 7518, 3, and RFC 8037) over the keys of Go's library. The
// host, the test host of the Go PDK and the plugin "jwt" share it.
//
// It must not know tokens, where keys come from, or who may use them. It
// needs the standard library only.
package jwa

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha256" // the hashes below
	_ "crypto/sha512"
	"fmt"
	"math/big"
	"slices"

	"github.com/trama-run/trama/pdk/abi"
)

// Sizes of RSA moduli in bits: less is weak (RFC 7518, 3.3), more only costs
// time.
const (
	minRSABits = 2048
	maxRSABits = 8192
)

// hashOf gives the hash of an algorithm other than EdDSA: the digits of its
// name say it.
func hashOf(algorithm string) crypto.Hash {
	switch algorithm[2:] {
	case "384":
		return crypto.SHA384
	case "512":
		return crypto.SHA512
	}
	return crypto.SHA256
}

// Serves lists the algorithms that a key serves, private or public: []byte for
// HMAC, *rsa, *ecdsa and ed25519 keys. The error says why it serves none.
func Serves(key any) ([]string, error) {
	switch k := key.(type) {
	case []byte:
		var served []string
		for _, algorithm := range []string{abi.AlgHS256, abi.AlgHS384, abi.AlgHS512} {
			if len(k) >= hashOf(algorithm).Size() { // RFC 7518, 3.2
				served = append(served, algorithm)
			}
		}
		if served == nil {
			return nil, fmt.Errorf("%s needs at least %d bytes, and it has %d", abi.AlgHS256, crypto.SHA256.Size(), len(k))
		}
		return served, nil
	case *rsa.PrivateKey:
		return Serves(&k.PublicKey)
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); bits < minRSABits || bits > maxRSABits {
			return nil, fmt.Errorf("an RSA key of %d bits; between %d and %d are accepted", bits, minRSABits, maxRSABits)
		}
		if k.E < 3 || k.E%2 == 0 {
			return nil, fmt.Errorf("the RSA exponent %d is not odd and at least 3", k.E)
		}
		return []string{abi.AlgRS256, abi.AlgRS384, abi.AlgRS512, abi.AlgPS256, abi.AlgPS384, abi.AlgPS512}, nil
	case *ecdsa.PrivateKey:
		return Serves(&k.PublicKey)
	case *ecdsa.PublicKey:
		for algorithm, curve := range curves() {
			if k.Curve == curve {
				return []string{algorithm}, nil
			}
		}
		return nil, fmt.Errorf("the curve %s is not supported; use P-256, P-384 or P-521", k.Curve.Params().Name)
	case ed25519.PrivateKey, ed25519.PublicKey:
		return []string{abi.AlgEdDSA}, nil
	}
	return nil, fmt.Errorf("keys of type %T serve no algorithm; use an HMAC secret, RSA, P-256, P-384, P-521 or Ed25519", key)
}

func curves() map[string]elliptic.Curve {
	return map[string]elliptic.Curve{abi.AlgES256: elliptic.P256(), abi.AlgES384: elliptic.P384(), abi.AlgES512: elliptic.P521()}
}

// Curve gives the curve of an ECDSA algorithm; nil for others.
func Curve(algorithm string) elliptic.Curve { return curves()[algorithm] }

func fits(algorithm string, key any) error {
	served, err := Serves(key)
	if err == nil && !slices.Contains(served, algorithm) {
		err = fmt.Errorf("the key serves %s, not %q", served, algorithm)
	}
	return err
}

// Sign signs data. The key is []byte, *rsa.PrivateKey, *ecdsa.PrivateKey or
// ed25519.PrivateKey, and must serve the algorithm.
func Sign(algorithm string, key any, data []byte) ([]byte, error) {
	if err := fits(algorithm, key); err != nil {
		return nil, err
	}
	if k, ok := key.(ed25519.PrivateKey); ok {
		return ed25519.Sign(k, data), nil
	}
	hash := hashOf(algorithm)
	switch k := key.(type) {
	case []byte:
		return mac(hash, k, data), nil
	case *rsa.PrivateKey:
		if algorithm[0] == 'P' {
			return rsa.SignPSS(rand.Reader, k, hash, sum(hash, data), pss())
		}
		return rsa.SignPKCS1v15(nil, k, hash, sum(hash, data))
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, k, sum(hash, data))
		if err != nil {
			return nil, err
		}
		n := fieldBytes(k.Curve)
		signature := make([]byte, 2*n)
		r.FillBytes(signature[:n])
		s.FillBytes(signature[n:])
		return signature, nil
	}
	return nil, fmt.Errorf("it is a public key (%T), which verifies and can't sign", key)
}

// Verify says whether signature is data's under a key, which is []byte,
// *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey. The error is about the
// key: it serves another algorithm.
func Verify(algorithm string, key any, data, signature []byte) (bool, error) {
	if err := fits(algorithm, key); err != nil {
		return false, err
	}
	if k, ok := key.(ed25519.PublicKey); ok {
		return ed25519.Verify(k, data, signature), nil
	}
	hash := hashOf(algorithm)
	switch k := key.(type) {
	case []byte:
		return hmac.Equal(mac(hash, k, data), signature), nil
	case *rsa.PublicKey:
		if algorithm[0] == 'P' {
			return rsa.VerifyPSS(k, hash, sum(hash, data), signature, pss()) == nil, nil
		}
		return rsa.VerifyPKCS1v15(k, hash, sum(hash, data), signature) == nil, nil
	case *ecdsa.PublicKey:
		n := fieldBytes(k.Curve)
		if len(signature) != 2*n { // RFC 7518, 3.4
			return false, nil
		}
		r, s := new(big.Int).SetBytes(signature[:n]), new(big.Int).SetBytes(signature[n:])
		return ecdsa.Verify(k, sum(hash, data), r, s), nil
	}
	return false, fmt.Errorf("a key of type %T verifies nothing", key)
}

// pss is RSASSA-PSS as RFC 7518, 3.5 has it.
func pss() *rsa.PSSOptions { return &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash} }

func fieldBytes(c elliptic.Curve) int { return (c.Params().BitSize + 7) / 8 }

func sum(h crypto.Hash, data []byte) []byte {
	digest := h.New()
	digest.Write(data)
	return digest.Sum(nil)
}

func mac(h crypto.Hash, key, data []byte) []byte {
	m := hmac.New(h.New, key)
	m.Write(data)
	return m.Sum(nil)
}
