package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"slices"
	"strings"

	"github.com/trama-run/trama/pdk/abi"
	pdk "github.com/trama-run/trama/pdk/go"
)

// Sizes of RSA moduli in bits: less is weak, more only costs time.
const (
	minRSABits = 2048
	maxRSABits = 8192
)

// verifyInline checks a signature with a public key given as a PEM text or a
// JWK object. The key's type decides the algorithm.
func verifyInline(publicKey json.RawMessage, algorithm string, data, signature []byte) (bool, error) {
	key, err := parsePublicKey(publicKey)
	if err != nil {
		return false, err
	}
	digest := sha256.Sum256(data)
	switch key := key.(type) {
	case *rsa.PublicKey:
		if algorithm != abi.AlgRS256 {
			return false, wrongKey("RSA", abi.AlgRS256, algorithm)
		}
		return rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature) == nil, nil
	case *ecdsa.PublicKey:
		if algorithm != abi.AlgES256 {
			return false, wrongKey("P-256", abi.AlgES256, algorithm)
		}
		if len(signature) != 64 { // R and S, 32 bytes each (RFC 7518, 3.4)
			return false, nil
		}
		r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
		return ecdsa.Verify(key, digest[:], r, s), nil
	case ed25519.PublicKey:
		if algorithm != abi.AlgEdDSA {
			return false, wrongKey("Ed25519", abi.AlgEdDSA, algorithm)
		}
		return ed25519.Verify(key, data, signature), nil
	}
	return false, pdk.Errorf(codeKey, "public_key: keys of type %T are not supported; use RSA, P-256 or Ed25519", key)
}

func wrongKey(kind, serves, algorithm string) error {
	return pdk.Errorf(codeAlgorithm, "public_key: a key of type %s serves %s, not the token's %s", kind, serves, algorithm)
}

func parsePublicKey(value json.RawMessage) (crypto.PublicKey, error) {
	var key crypto.PublicKey
	var err error
	if text, ok := parseString(value); ok {
		key, err = parsePEM(text)
	} else {
		key, err = parseJWK(value)
	}
	if err != nil {
		return nil, err
	}
	switch key := key.(type) {
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits < minRSABits || bits > maxRSABits {
			return nil, pdk.Errorf(codeKey, "public_key: an RSA key of %d bits; between %d and %d are accepted", bits, minRSABits, maxRSABits)
		}
		if key.E < 3 || key.E%2 == 0 {
			return nil, pdk.Errorf(codeKey, "public_key: the RSA exponent %d is not odd and at least 3", key.E)
		}
	case *ecdsa.PublicKey:
		if key.Curve != elliptic.P256() {
			return nil, pdk.Errorf(codeKey, "public_key: the curve %s is not supported; ES256 uses P-256", key.Curve.Params().Name)
		}
	}
	return key, nil
}

func parsePEM(text string) (crypto.PublicKey, error) {
	block, rest := pem.Decode([]byte(text))
	if block == nil {
		return nil, pdk.Errorf(codeKey, "public_key: the text is not PEM (-----BEGIN PUBLIC KEY-----)")
	}
	if strings.TrimSpace(string(rest)) != "" {
		return nil, pdk.Errorf(codeKey, "public_key: something follows the first PEM block; give one key")
	}
	var key crypto.PublicKey
	var err error
	switch block.Type {
	case "PUBLIC KEY":
		key, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		key, err = x509.ParsePKCS1PublicKey(block.Bytes)
	default:
		return nil, pdk.Errorf(codeKey, "public_key: a PEM block %q; want PUBLIC KEY. Private keys are named in the host and never stand in a flow", block.Type)
	}
	if err != nil {
		return nil, pdk.Errorf(codeKey, "public_key: %v", err)
	}
	return key, nil
}

// parseJWK reads a public key of RFC 7517, with the fields of RFC 7518, 6 and
// RFC 8037, 2.
func parseJWK(value json.RawMessage) (crypto.PublicKey, error) {
	jwk, err := parseObject(value)
	if err != nil {
		return nil, pdk.Errorf(codeKey, "public_key: neither a PEM text nor a JWK: %v", err)
	}
	if use := jwk["use"]; use != nil && string(use) != `"sig"` {
		return nil, pdk.Errorf(codeKey, "public_key: the JWK's use is %s, not \"sig\"", use)
	}
	for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"} {
		if jwk[private] != nil {
			return nil, pdk.Errorf(codeKey, "public_key: the JWK has the secret field %q; private and HMAC keys are named in the host and never stand in a flow", private)
		}
	}
	kind, _ := parseString(jwk["kty"])
	curve, _ := parseString(jwk["crv"])
	switch {
	case kind == "RSA":
		return jwk.rsa()
	case kind == "EC" && curve == "P-256":
		x, err := jwk.bytes("x", 32)
		if err != nil {
			return nil, err
		}
		y, err := jwk.bytes("y", 32)
		if err != nil {
			return nil, err
		}
		key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, x, y))
		if err != nil {
			return nil, pdk.Errorf(codeKey, "public_key: x and y are no point of P-256")
		}
		return jwk.serving(abi.AlgES256, key)
	case kind == "OKP" && curve == "Ed25519":
		x, err := jwk.bytes("x", ed25519.PublicKeySize)
		if err != nil {
			return nil, err
		}
		return jwk.serving(abi.AlgEdDSA, ed25519.PublicKey(x))
	}
	return nil, pdk.Errorf(codeKey, "public_key: a JWK with kty %q and crv %q is not supported; use RSA, EC with P-256 or OKP with Ed25519", kind, curve)
}

func (o object) rsa() (crypto.PublicKey, error) {
	n, err := o.bytes("n", 0)
	if err != nil {
		return nil, err
	}
	e, err := o.bytes("e", 0)
	if err != nil {
		return nil, err
	}
	exponent := new(big.Int).SetBytes(e)
	if exponent.BitLen() > 31 {
		return nil, pdk.Errorf(codeKey, "public_key: the RSA exponent is longer than 31 bits")
	}
	return o.serving(abi.AlgRS256, &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(exponent.Int64())})
}

// serving refuses a JWK whose alg is another than its type's.
func (o object) serving(algorithm string, key crypto.PublicKey) (crypto.PublicKey, error) {
	if stated := o["alg"]; stated != nil && string(stated) != `"`+algorithm+`"` {
		return nil, pdk.Errorf(codeKey, "public_key: the JWK's alg is %s; this type of key serves %s", stated, algorithm)
	}
	return key, nil
}

// bytes decodes a base64url field; size 0 is any size but none.
func (o object) bytes(name string, size int) ([]byte, error) {
	text, ok := parseString(o[name])
	if !ok {
		return nil, pdk.Errorf(codeKey, "public_key: the JWK's field %q is missing or no string", name)
	}
	data, err := decodePart(text)
	if err != nil {
		return nil, pdk.Errorf(codeKey, "public_key: the JWK's field %q: %v", name, err)
	}
	if len(data) == 0 || size > 0 && len(data) != size {
		return nil, pdk.Errorf(codeKey, "public_key: the JWK's field %q has %d bytes", name, len(data))
	}
	return data, nil
}
