package jwa

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/trama-run/trama/pdk/abi"
)

// JWK is a key in JSON (RFC 7517; its fields in RFC 7518, 6 and RFC 8037, 2).
type JWK struct {
	ID  string   // "kid"; empty: it has none
	Use string   // "use"; empty: it doesn't say
	Ops []string // "key_ops"
	// Algorithms are those that it serves: the one of "alg", or what the key is
	// decides.
	Algorithms []string
	// Private is nil for a public key. For HMAC both are the same []byte.
	Private, Public any
}

// fields are a key's members. A value that is no text is an error where it is
// looked at.
type fields map[string]json.RawMessage

// ParseJWK reads one key. Its errors say nothing of what a private member
// holds.
func ParseJWK(data []byte) (JWK, error) {
	f, err := object(data)
	if err != nil {
		return JWK{}, err
	}
	var k JWK
	var stated string
	for name, into := range map[string]*string{"kid": &k.ID, "use": &k.Use, "alg": &stated} {
		if *into, err = f.text(name, false); err != nil {
			return JWK{}, err
		}
	}
	if ops := f["key_ops"]; ops != nil {
		if err := json.Unmarshal(ops, &k.Ops); err != nil {
			return JWK{}, errors.New("its member \"key_ops\" is no list of texts")
		}
	}
	if k.Private, k.Public, err = f.key(); err != nil {
		return JWK{}, err
	}
	if k.Algorithms, err = Serves(k.Public); err != nil {
		return JWK{}, err
	}
	if stated != "" {
		if !slices.Contains(k.Algorithms, stated) {
			return JWK{}, fmt.Errorf("its alg is %.40q; a key of this type serves %s", stated, strings.Join(k.Algorithms, ", "))
		}
		k.Algorithms = []string{stated}
	}
	return k, nil
}

// object reads a JSON object. A member that stands twice is refused: readers
// differ in which of them counts (RFC 7517, 4).
func object(data []byte) (fields, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	if start, err := d.Token(); err != nil || start != json.Delim('{') {
		return nil, errors.New("it is no JSON object")
	}
	f := fields{}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, errors.New("it is no JSON object")
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, errors.New("it is no JSON object")
		}
		if _, twice := f[name.(string)]; twice {
			return nil, fmt.Errorf("its member %.40q stands twice", name)
		}
		f[name.(string)] = value
	}
	if _, err := d.Token(); err != nil {
		return nil, errors.New("it is no JSON object")
	}
	if d.More() {
		return nil, errors.New("something follows the JSON object")
	}
	return f, nil
}

func (f fields) key() (private, public any, err error) {
	kind, err := f.text("kty", true)
	if err != nil {
		return nil, nil, err
	}
	switch kind {
	case "oct":
		secret, err := f.bytes("k", 0)
		return secret, secret, err
	case "RSA":
		return f.rsa()
	case "EC":
		return f.ec()
	case "OKP":
		return f.okp()
	}
	return nil, nil, fmt.Errorf("keys of type (kty) %.40q are not supported; use oct, RSA, EC or OKP", kind)
}

func (f fields) rsa() (private, public any, err error) {
	n, err := f.bytes("n", 0)
	if err != nil {
		return nil, nil, err
	}
	e, err := f.bytes("e", 0)
	if err != nil {
		return nil, nil, err
	}
	exponent := new(big.Int).SetBytes(e)
	if exponent.BitLen() > 31 {
		return nil, nil, errors.New("its RSA exponent is longer than 31 bits")
	}
	key := rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(exponent.Int64())}
	if f["d"] == nil {
		return nil, &key, nil
	}
	if _, err := Serves(&key); err != nil { // before anything is computed with it
		return nil, nil, err
	}
	full := &rsa.PrivateKey{PublicKey: key}
	for _, name := range []string{"d", "p", "q"} {
		data, err := f.bytes(name, 0)
		if err != nil {
			return nil, nil, err
		}
		if number := new(big.Int).SetBytes(data); name == "d" {
			full.D = number
		} else {
			full.Primes = append(full.Primes, number)
		}
	}
	if f["oth"] != nil {
		return nil, nil, errors.New("it has more than two primes; use a key with two")
	}
	if full.Validate() != nil {
		return nil, nil, errors.New("its private members don't belong to its public ones")
	}
	full.Precompute()
	return full, &full.PublicKey, nil
}

func (f fields) ec() (private, public any, err error) {
	name, err := f.text("crv", true)
	if err != nil {
		return nil, nil, err
	}
	algorithm, ok := map[string]string{"P-256": abi.AlgES256, "P-384": abi.AlgES384, "P-521": abi.AlgES512}[name]
	if !ok {
		return nil, nil, fmt.Errorf("the curve %.40q is not supported; use P-256, P-384 or P-521", name)
	}
	curve := Curve(algorithm)
	x, err := f.bytes("x", fieldBytes(curve))
	if err != nil {
		return nil, nil, err
	}
	y, err := f.bytes("y", fieldBytes(curve))
	if err != nil {
		return nil, nil, err
	}
	key, err := ecdsa.ParseUncompressedPublicKey(curve, slices.Concat([]byte{4}, x, y))
	if err != nil {
		return nil, nil, fmt.Errorf("x and y are no point of %s", name)
	}
	if f["d"] == nil {
		return nil, key, nil
	}
	d, err := f.bytes("d", fieldBytes(curve))
	if err != nil {
		return nil, nil, err
	}
	full, err := ecdsa.ParseRawPrivateKey(curve, d)
	if err != nil || !full.PublicKey.Equal(key) {
		return nil, nil, errors.New("its private members don't belong to its public ones")
	}
	return full, key, nil
}

func (f fields) okp() (private, public any, err error) {
	curve, err := f.text("crv", true)
	if err != nil {
		return nil, nil, err
	}
	if curve != "Ed25519" {
		return nil, nil, fmt.Errorf("the curve %.40q is not supported; use Ed25519", curve)
	}
	x, err := f.bytes("x", ed25519.PublicKeySize)
	if err != nil || f["d"] == nil {
		return nil, ed25519.PublicKey(x), err
	}
	d, err := f.bytes("d", ed25519.SeedSize)
	if err != nil {
		return nil, nil, err
	}
	full := ed25519.NewKeyFromSeed(d)
	if !bytes.Equal(full[ed25519.SeedSize:], x) {
		return nil, nil, errors.New("its private members don't belong to its public ones")
	}
	return full, ed25519.PublicKey(x), nil
}

// text gives a member that is a text; empty if it isn't there and needn't be.
func (f fields) text(name string, must bool) (string, error) {
	value, there := f[name]
	if !there && !must {
		return "", nil
	}
	var text *string
	if json.Unmarshal(value, &text) != nil || text == nil {
		return "", fmt.Errorf("its member %q is missing or no text", name)
	}
	return *text, nil
}

// bytes decodes a base64url member; size 0 is any size but none.
func (f fields) bytes(name string, size int) ([]byte, error) {
	text, err := f.text(name, true)
	if err != nil {
		return nil, err
	}
	if strings.ContainsAny(text, "\r\n") { // the decoder passes over them
		return nil, fmt.Errorf("its member %q is not base64url: a line end", name)
	}
	data, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("its member %q is not base64url without padding", name)
	}
	if len(data) == 0 || size > 0 && len(data) != size {
		return nil, fmt.Errorf("its member %q has %d bytes", name, len(data))
	}
	return data, nil
}
