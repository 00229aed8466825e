package signature

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // services sign with it; as a MAC it stands
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"
)

// The beginnings of secrets as Standard Webhooks write them: the rest is
// base64.
const (
	prefixSymmetric = "whsec_"
	prefixPrivate   = "whsk_"
	prefixPublic    = "whpk_"
)

// Key signs and verifies. It prints as [redacted].
type Key struct {
	material *material // a pointer, so that fmt never prints what it holds
}

type material struct {
	shared  []byte
	private ed25519.PrivateKey // nil for a public key
	public  ed25519.PublicKey  // nil for a shared secret
}

// Format writes "[redacted]" for every verb.
func (Key) Format(f fmt.State, _ rune) { io.WriteString(f, "[redacted]") } //nolint:errcheck // fmt gives no way to report it

// Key reads a secret as the scheme has it written. Where the scheme is that of
// Standard Webhooks, whsec_ begins a shared secret in base64, whsk_ a private
// and whpk_ a public key of ed25519, and any other text is a shared secret as
// it stands. Errors say nothing of the text.
func (m *Method) Key(secret string) (Key, error) {
	for prefix, read := range map[string]func([]byte) (Key, error){prefixPrivate: privateKey, prefixPublic: publicKey, prefixSymmetric: sharedKey} {
		text, ok := strings.CutPrefix(secret, prefix)
		if !ok || !m.standard && (m.scheme.Algorithm != Ed25519 || prefix == prefixSymmetric) {
			continue // such as Stripe's, which begin with whsec_ and are texts
		}
		data, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return Key{}, fmt.Errorf("it begins with %s and goes on with what is not base64", prefix)
		}
		return read(data)
	}
	if strings.Contains(secret, "-----BEGIN") {
		return Key{}, errors.New("it is a PEM key: a webhook is signed with a shared secret, or with ed25519 and a key that begins with whsk_ or whpk_")
	}
	data := []byte(secret)
	if m.scheme.Key != "text" {
		var err error
		if data, err = encodings[m.scheme.Key].decode(secret); err != nil {
			return Key{}, fmt.Errorf("it is not %s", m.scheme.Key)
		}
	}
	if m.scheme.Algorithm == Ed25519 {
		return publicKey(data)
	}
	return sharedKey(data)
}

func sharedKey(data []byte) (Key, error) {
	if len(data) == 0 {
		return Key{}, errors.New("it is empty")
	}
	return Key{&material{shared: data}}, nil
}

func privateKey(data []byte) (Key, error) {
	switch len(data) {
	case ed25519.SeedSize:
		private := ed25519.NewKeyFromSeed(data)
		return Key{&material{private: private, public: private.Public().(ed25519.PublicKey)}}, nil
	case ed25519.PrivateKeySize: // the seed and the public key after it
		k, err := privateKey(data[:ed25519.SeedSize])
		if err == nil && !k.material.public.Equal(ed25519.PublicKey(data[ed25519.SeedSize:])) {
			err = errors.New("its halves are not of one key")
		}
		return k, err
	}
	return Key{}, fmt.Errorf("a private key of ed25519 has %d bytes, and it has %d", ed25519.SeedSize, len(data))
}

func publicKey(data []byte) (Key, error) {
	if len(data) != ed25519.PublicKeySize {
		return Key{}, fmt.Errorf("a public key of ed25519 has %d bytes, and it has %d", ed25519.PublicKeySize, len(data))
	}
	return Key{&material{public: data}}, nil
}

// Private says whether the key can sign: a public one only verifies.
func (k Key) Private() bool {
	return k.material != nil && (k.material.shared != nil || k.material.private != nil)
}

// sum is the HMAC of what is signed, under a shared secret.
func (m *Method) sum(k Key, v values) []byte {
	h := hmac.New(hashOf(m.scheme.Algorithm), k.material.shared)
	if m.scheme.Algorithm == Prefixed {
		h = sha256.New()
		h.Write(k.material.shared)
	}
	m.each(v, func(p []byte) { h.Write(p) })
	return h.Sum(nil)
}

func hashOf(algorithm string) func() hash.Hash {
	switch algorithm {
	case SHA1:
		return sha1.New
	case SHA512:
		return sha512.New
	}
	return sha256.New
}

// fits says whether a key is one for the scheme: that of another may be of
// another kind.
func (m *Method) fits(k Key) bool {
	return k.material != nil && (k.material.shared == nil || m.scheme.Algorithm != Ed25519)
}

// encoding is a way in which bytes are written as a text.
type encoding struct {
	encode func([]byte) string
	decode func(string) ([]byte, error)
}

// encodings are known by the names that a scheme may have. Base64 is read with
// and without its padding: services leave it out in base64url.
var encodings = map[string]*encoding{
	"hex":       {hex.EncodeToString, hex.DecodeString},
	"base64":    {base64.StdEncoding.EncodeToString, padded(base64.StdEncoding)},
	"base64url": {base64.RawURLEncoding.EncodeToString, padded(base64.URLEncoding)},
}

func padded(e *base64.Encoding) func(string) ([]byte, error) {
	bare := e.WithPadding(base64.NoPadding)
	return func(text string) ([]byte, error) {
		if strings.ContainsAny(text, "\r\n") { // which the decoder passes over
			return nil, errors.New("a line break")
		}
		return bare.DecodeString(strings.TrimRight(text, "="))
	}
}
