package main

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"slices"
	"strings"

	"github.com/trama-run/trama/pdk/abi/jwa"
	pdk "github.com/trama-run/trama/pdk/go"
)

// maxKeys is how many keys a set may have.
const maxKeys = 100

// public is a key that a signature may be checked with here.
type public struct {
	key        crypto.PublicKey
	algorithms []string // that it serves
	id         string   // "kid" of a JWK
}

// inline gives the public keys of the input that may have signed a token with
// this header: the one of "public_key", or those of "jwks" with the header's
// key id. Of a set, a key without an id is for tokens without one.
func (in VerifyInput) inline(header object, algorithm string) ([]public, error) {
	if !isSet(in.Keys) {
		key, err := parsePublicKey(in.PublicKey)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(key.algorithms, algorithm) {
			return nil, pdk.Errorf(codeAlgorithm, "public_key: a key of this type serves %s, not the token's %s", strings.Join(key.algorithms, ", "), algorithm)
		}
		return []public{key}, nil
	}
	id, named := parseString(header["kid"])
	if header["kid"] != nil && !named {
		return nil, malformed(`header: "kid" is no string`)
	}
	keys, err := parseSet(in.Keys)
	if err != nil {
		return nil, err
	}
	keys = slices.DeleteFunc(keys, func(k public) bool {
		return k.id != id && named || !slices.Contains(k.algorithms, algorithm)
	})
	switch {
	case len(keys) == 0 && named:
		return nil, pdk.Errorf(codeUnknownKey, "jwks: no key has the token's key id (kid) %.100q and serves %s; if the issuer has changed its keys, fetch the set again", id, algorithm)
	case len(keys) == 0:
		return nil, pdk.Errorf(codeUnknownKey, "jwks: the token names no key (kid), and none of the set serves %s", algorithm)
	}
	return keys, nil
}

func isSet(value json.RawMessage) bool { return len(value) > 0 && string(value) != "null" }

// parsePublicKey reads a key that is given as PEM text or as a JWK.
func parsePublicKey(value json.RawMessage) (public, error) {
	text, isText := parseString(value)
	if !isText {
		return parseJWK("public_key", value)
	}
	key, err := parsePEM(text)
	if err != nil {
		return public{}, err
	}
	served, err := jwa.Serves(key)
	if err != nil {
		return public{}, pdk.Errorf(codeKey, "public_key: %v", err)
	}
	return public{key: key, algorithms: served}, nil
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

// parseJWK reads a public key of RFC 7517. place is for the errors.
func parseJWK(place string, value json.RawMessage) (public, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(value, &members); err != nil {
		return public{}, pdk.Errorf(codeKey, "%s: neither a PEM text nor a JWK", place)
	}
	for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"} {
		if members[private] != nil {
			return public{}, pdk.Errorf(codeKey, "%s: the JWK has the secret field %q; private and HMAC keys are named in the host and never stand in a flow", place, private)
		}
	}
	k, err := jwa.ParseJWK(value)
	if err != nil {
		return public{}, pdk.Errorf(codeKey, "%s: %v", place, err)
	}
	if k.Use != "" && k.Use != "sig" {
		return public{}, pdk.Errorf(codeKey, "%s: the JWK's use is %q, not \"sig\"", place, k.Use)
	}
	if k.Ops != nil && !slices.Contains(k.Ops, "verify") {
		return public{}, pdk.Errorf(codeKey, "%s: the JWK's key_ops are %q, without \"verify\"", place, k.Ops)
	}
	return public{k.Public, k.Algorithms, k.ID}, nil
}

// parseSet reads a JWK Set (RFC 7517, 5). Keys that are of no use here are
// passed over, as the RFC wants it: sets hold keys for encryption and of types
// to come.
func parseSet(value json.RawMessage) ([]public, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if text, ok := parseString(value); ok { // as some answers have it
		value = json.RawMessage(text)
	}
	if err := json.Unmarshal(bytes.TrimSpace(value), &set); err != nil || set.Keys == nil {
		return nil, pdk.Errorf(codeKey, `jwks: not a JWK Set, which is {"keys": [...]}`)
	}
	if len(set.Keys) > maxKeys {
		return nil, pdk.Errorf(codeKey, "jwks: %d keys, over the limit of %d", len(set.Keys), maxKeys)
	}
	var keys []public
	for _, value := range set.Keys {
		if key, err := parseJWK("jwks", value); err == nil {
			keys = append(keys, key)
		}
	}
	return keys, nil
}
