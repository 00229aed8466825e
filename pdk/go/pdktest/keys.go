package pdktest

import (
	"crypto"
	"fmt"
	"slices"
	"strings"

	"github.com/trama-run/trama/pdk/abi"
	"github.com/trama-run/trama/pdk/abi/jwa"
)

// key is a named key and the algorithms that it serves.
type key struct {
	algorithms []string
	secret     any
}

// AddKey gives the host a key: []byte for HMAC, *rsa.PrivateKey,
// *ecdsa.PrivateKey or ed25519.PrivateKey. As in a real host, what it is
// decides which algorithms it serves.
func (h *Host) AddKey(name string, secret any) {
	h.t.Helper()
	served, err := jwa.Serves(secret)
	if err != nil {
		h.t.Fatalf("key %q: %v", name, err)
	}
	h.keys[name] = key{served, secret}
}

// Sign signs with a key of [Host.AddKey].
func (h *Host) Sign(name, algorithm string, data []byte) ([]byte, error) {
	found, err := h.key(name, algorithm)
	if err != nil {
		return nil, err
	}
	return jwa.Sign(algorithm, found.secret, data)
}

// Verify checks a signature with a key of [Host.AddKey].
func (h *Host) Verify(name, algorithm string, data, signature []byte) (bool, error) {
	found, err := h.key(name, algorithm)
	if err != nil {
		return false, err
	}
	public := found.secret
	if private, ok := public.(crypto.Signer); ok {
		public = private.Public()
	}
	return jwa.Verify(algorithm, public, data, signature)
}

func (h *Host) key(name, algorithm string) (key, error) {
	found, ok := h.keys[name]
	switch {
	case !ok:
		return key{}, &abi.Error{Code: abi.CodeDenied, Message: fmt.Sprintf("key %q is not granted", name)}
	case !slices.Contains(found.algorithms, algorithm):
		return key{}, &abi.Error{Code: abi.CodeInvalid, Message: fmt.Sprintf("key %q serves %s, not %s", name, strings.Join(found.algorithms, ", "), algorithm)}
	}
	return found, nil
}
