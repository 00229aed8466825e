package secret

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"sync"

	"github.com/trama-run/trama/pdk/abi"
)

// NewDummy returns a source that has every secret, for trials of flows that
// reach nothing outside: texts that are nobody's, and keys for whatever
// algorithm asks. All but RSA's are made of the name, so they are always the
// same.
func NewDummy() *Source {
	s := New(nil, "")
	s.dummy = true
	return s
}

// dummyText is long enough for a key of HMAC.
func dummyText(name string) string {
	return fmt.Sprintf("secret %s of a trial, which is nobody's", name)
}

var dummyRSA = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, minRSABits) })

func dummyKey(name, alg string) (key, error) {
	seed := sha256.Sum256([]byte(dummyText(name)))
	var material any
	var err error
	switch alg {
	case abi.AlgEdDSA:
		material = ed25519.NewKeyFromSeed(seed[:])
	case abi.AlgES256:
		seed[0] = 0 // below the order of the curve
		material, err = ecdsa.ParseRawPrivateKey(elliptic.P256(), seed[:])
	case abi.AlgRS256:
		material, err = dummyRSA()
	case abi.AlgHS256:
		return key{abi.AlgHS256, []byte(dummyText(name)), []byte(dummyText(name))}, nil
	default:
		return key{}, fmt.Errorf("%w %q: %q is not an algorithm", ErrKey, name, alg)
	}
	if err != nil {
		return key{}, err
	}
	return keyOf(material)
}
