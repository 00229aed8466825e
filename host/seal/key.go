package seal

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// Key is a public key. Its text is "ed25519:" and base64 (RFC 4648, section 4).
type Key [ed25519.PublicKeySize]byte

// Keys are trusted keys, by the names that an operator gave them.
type Keys map[string]Key

// idDigits is how many hexadecimal digits the id of a key has.
const idDigits = 16

// ID names the key in signatures: the first 16 hexadecimal digits of its
// sha256.
func (k Key) ID() string {
	sum := sha256.Sum256(k[:])
	return hex.EncodeToString(sum[:])[:idDigits]
}

func isID(text string) bool {
	return len(text) == idDigits && strings.Trim(text, "0123456789abcdef") == ""
}

// String gives the key's text.
func (k Key) String() string { return algorithm + ":" + base64.StdEncoding.EncodeToString(k[:]) }

// MarshalText gives what String gives.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads a key's text.
func (k *Key) UnmarshalText(text []byte) error {
	encoded, ok := strings.CutPrefix(string(text), algorithm+":")
	data, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if !ok || err != nil || len(data) != len(k) {
		return errors.New(`it is no public key: want "ed25519:" and base64 of 32 bytes, as "trama plugin key" prints it`)
	}
	copy(k[:], data)
	return nil
}

// Generate makes a pair: the private key in PEM, as PKCS #8, and the public one.
func Generate() ([]byte, Key, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, Key{}, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, Key{}, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), Key(public), nil
}

// ParsePrivate reads a private key in PEM, as Generate and `openssl genpkey
// -algorithm ed25519` write it (PKCS #8, RFC 8410). Errors say nothing of what
// it holds.
func ParsePrivate(text []byte) (ed25519.PrivateKey, error) {
	block, _ := pem.Decode(text)
	switch {
	case block == nil:
		return nil, errors.New("it is not a key in PEM: make one with `trama plugin key NAME`")
	case block.Type == "ENCRYPTED PRIVATE KEY":
		return nil, errors.New("the key has a password: decrypt it with `openssl pkey -in FILE -out PLAIN`, and keep the result as you keep passwords")
	case block.Type != "PRIVATE KEY":
		return nil, fmt.Errorf("it holds a %s, want a PRIVATE KEY (PKCS #8): make one with `trama plugin key NAME`", block.Type)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	private, is := key.(ed25519.PrivateKey)
	if err != nil || !is {
		return nil, errors.New("it is not an Ed25519 key: make one with `trama plugin key NAME`, or `openssl genpkey -algorithm ed25519`")
	}
	return private, nil
}

// ParsePublic reads a public key: its text, or in PEM, as `openssl pkey
// -pubout` writes it (RFC 8410). Of a private key in PEM it gives the public
// one.
func ParsePublic(text []byte) (Key, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		var key Key
		err := key.UnmarshalText([]byte(strings.TrimSpace(string(text))))
		return key, err
	}
	if block.Type != "PUBLIC KEY" {
		private, err := ParsePrivate(text)
		if err != nil {
			return Key{}, err
		}
		return Key(private.Public().(ed25519.PublicKey)), nil
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	public, is := key.(ed25519.PublicKey)
	if err != nil || !is {
		return Key{}, errors.New("it is not an Ed25519 key")
	}
	return Key(public), nil
}
