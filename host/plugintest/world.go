package plugintest

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	_ "embed" // the key of RSA
	"encoding/json"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"

	"github.com/trama-run/trama/host/hostfn"
	"github.com/trama-run/trama/host/sandbox"
	"github.com/trama-run/trama/host/secret"
	"github.com/trama-run/trama/pdk/abi"
	"github.com/trama-run/trama/pdk/abi/jwa"
)

// world is what a call reaches: a host's functions, where every name is that of
// a key for each algorithm that the manifest asks for.
type world struct {
	*hostfn.Host
	call       hostfn.Call
	algorithms []string
}

var _ sandbox.Host = (*world)(nil)

// Function performs a function of trama:host/v1.
func (w *world) Function(ctx context.Context, name string, request []byte) ([]byte, error) {
	if name != abi.HostSign && name != abi.HostVerify {
		return w.Host.Function(ctx, name, request)
	}
	var asked struct{ Key, Algorithm string }
	if json.Unmarshal(request, &asked) != nil {
		return w.Host.Function(ctx, name, request) // which says what is wrong with it
	}
	call := w.call
	if slices.Contains(w.algorithms, asked.Algorithm) {
		text, err := testKey(asked.Algorithm)
		if err != nil {
			return nil, err
		}
		call.Secrets, call.Keys = secret.New([]string{variable(asked.Key, text)}, ""), []string{asked.Key}
	}
	return hostfn.New(call).Function(ctx, name, request)
}

// variable is how a secret stands in an environment.
func variable(name, value string) string {
	return "TRAMA_SECRET_" + strings.ToUpper(name) + "=" + value
}

// hmacKey is the test key of HS256: 32 bytes.
const hmacKey = "trama-test-key-trama-test-key-32"

// testKey gives the test key of an algorithm, as a secret's text. They are
// nobody's.
func testKey(algorithm string) (string, error) {
	var private any
	var err error
	seed := seedOf(hmacKey)
	curve := jwa.Curve(algorithm)
	switch {
	case !slices.Contains(abi.SignAlgorithms(), algorithm):
		return "", fmt.Errorf("there is no test key for %q", algorithm)
	case algorithm == abi.AlgHS256:
		return hmacKey, nil
	case strings.HasPrefix(algorithm, "HS"):
		return hmacKey + hmacKey, nil // as long as the hash, at least
	case algorithm == abi.AlgEdDSA:
		private = ed25519.NewKeyFromSeed(seed[:ed25519.SeedSize])
	case curve != nil:
		number := seed[:(curve.Params().BitSize+7)/8]
		number[0] = 0 // below the order of the curve
		private, err = ecdsa.ParseRawPrivateKey(curve, number)
	default:
		return rsaKey, nil
	}
	if err != nil {
		return "", err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return "", err
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), nil
}

// seedOf gives bytes that are always the same, enough for a key on any curve.
func seedOf(text string) []byte {
	short, long := sha256.Sum256([]byte(text)), sha512.Sum512([]byte(text))
	return slices.Concat(short[:], long[:])
}

// rsaKey is the test key of RSA, made for this and used for nothing else.
//
//go:embed rsa.pem
var rsaKey string
