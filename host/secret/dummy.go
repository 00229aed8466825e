package secret

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/trama-run/trama/pdk/abi"
	"github.com/trama-run/trama/pdk/abi/jwa"
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

var dummyRSA = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

func dummyKey(name, alg string) (key, error) {
	short, long := sha256.Sum256([]byte(dummyText(name))), sha512.Sum512([]byte(dummyText(name)))
	seed := slices.Concat(short[:], long[:])
	var material any
	var err error
	curve := jwa.Curve(alg)
	switch {
	case !slices.Contains(abi.SignAlgorithms(), alg):
		return key{}, fmt.Errorf("%w %q: %q is not an algorithm", ErrKey, name, alg)
	case alg == abi.AlgEdDSA:
		material = ed25519.NewKeyFromSeed(seed[:ed25519.SeedSize])
	case curve != nil:
		number := seed[:(curve.Params().BitSize+7)/8]
		number[0] = 0 // below the order of the curve
		material, err = ecdsa.ParseRawPrivateKey(curve, number)
	case strings.HasPrefix(alg, "HS"):
		text := []byte(strings.Repeat(dummyText(name)+" ", 2))
		return key{[]string{alg}, text, text}, nil
	default:
		material, err = dummyRSA()
	}
	if err != nil {
		return key{}, err
	}
	return keyOf(material)
}
