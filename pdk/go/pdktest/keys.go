package pdktest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"math/big"

	"github.com/trama-run/trama/pdk/abi"
)

// key is a named key and the one algorithm that it serves.
type key struct {
	algorithm string
	secret    any // []byte, *rsa.PrivateKey, *ecdsa.PrivateKey or ed25519.PrivateKey
}

// AddKey gives the host a key: []byte for HS256, *rsa.PrivateKey for RS256,
// *ecdsa.PrivateKey on P-256 for ES256, ed25519.PrivateKey for EdDSA. As in a
// real host, the key decides its algorithm.
func (h *Host) AddKey(name string, secret any) {
	h.t.Helper()
	switch secret := secret.(type) {
	case []byte:
		h.keys[name] = key{abi.AlgHS256, secret}
	case *rsa.PrivateKey:
		h.keys[name] = key{abi.AlgRS256, secret}
	case *ecdsa.PrivateKey:
		if secret.Curve != elliptic.P256() {
			h.t.Fatalf("key %q is on %s, want P-256", name, secret.Curve.Params().Name)
		}
		h.keys[name] = key{abi.AlgES256, secret}
	case ed25519.PrivateKey:
		h.keys[name] = key{abi.AlgEdDSA, secret}
	default:
		h.t.Fatalf("key %q has type %T", name, secret)
	}
}

// Sign signs with a key of [Host.AddKey].
func (h *Host) Sign(name, algorithm string, data []byte) ([]byte, error) {
	found, err := h.key(name, algorithm)
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256(data)
	switch secret := found.secret.(type) {
	case []byte:
		return hmacSHA256(secret, data), nil
	case *rsa.PrivateKey:
		return rsa.SignPKCS1v15(nil, secret, crypto.SHA256, digest[:])
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, secret, digest[:])
		if err != nil {
			return nil, err
		}
		signature := make([]byte, 64)
		r.FillBytes(signature[:32])
		s.FillBytes(signature[32:])
		return signature, nil
	default:
		return ed25519.Sign(secret.(ed25519.PrivateKey), data), nil
	}
}

// Verify checks a signature with a key of [Host.AddKey].
func (h *Host) Verify(name, algorithm string, data, signature []byte) (bool, error) {
	found, err := h.key(name, algorithm)
	if err != nil {
		return false, err
	}
	digest := sha256.Sum256(data)
	switch secret := found.secret.(type) {
	case []byte:
		return hmac.Equal(signature, hmacSHA256(secret, data)), nil
	case *rsa.PrivateKey:
		return rsa.VerifyPKCS1v15(&secret.PublicKey, crypto.SHA256, digest[:], signature) == nil, nil
	case *ecdsa.PrivateKey:
		if len(signature) != 64 {
			return false, nil
		}
		r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
		return ecdsa.Verify(&secret.PublicKey, digest[:], r, s), nil
	default:
		public := secret.(ed25519.PrivateKey).Public().(ed25519.PublicKey)
		return ed25519.Verify(public, data, signature), nil
	}
}

func (h *Host) key(name, algorithm string) (key, error) {
	found, ok := h.keys[name]
	switch {
	case !ok:
		return key{}, &abi.Error{Code: abi.CodeDenied, Message: fmt.Sprintf("key %q is not granted", name)}
	case found.algorithm != algorithm:
		return key{}, &abi.Error{Code: abi.CodeInvalid, Message: fmt.Sprintf("key %q serves %s, not %s", name, found.algorithm, algorithm)}
	}
	return found, nil
}

func hmacSHA256(secret, data []byte) []byte {
	mac := hmac.New(sha256.New, secret)
	mac.Write(data)
	return mac.Sum(nil)
}
