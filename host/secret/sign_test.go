package secret

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/trama-run/trama/pdk/abi"
)

func toPEM(kind string, der []byte, err error) string {
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func pkcs8(key any) string {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return toPEM("PRIVATE KEY", der, err)
}

func pkix(key any) string {
	der, err := x509.MarshalPKIXPublicKey(key)
	return toPEM("PUBLIC KEY", der, err)
}

func publicPEM(t *testing.T) string {
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return pkix(public)
}

// keys gives one source with a key of every form that is taken, and those
// that are not.
func keys(t *testing.T) *Source {
	t.Helper()
	fatal := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	fatal(err)
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	fatal(err)
	ec384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	fatal(err)
	ec521, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	fatal(err)
	public, private, err := ed25519.GenerateKey(rand.Reader)
	fatal(err)
	sec1, err := x509.MarshalECPrivateKey(ecKey)
	env := map[string]string{
		"hmac":       "the shared secret of this test, long enough",
		"long":       strings.Repeat("the shared secret of this test ", 3),
		"rsa":        pkcs8(rsaKey),
		"rsa_pkcs1":  toPEM("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey), nil),
		"rsa_pub":    pkix(&rsaKey.PublicKey),
		"rsa_pub1":   toPEM("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&rsaKey.PublicKey), nil),
		"ec":         pkcs8(ecKey),
		"ec_sec1":    toPEM("EC PRIVATE KEY", sec1, err),
		"ec_openssl": "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n" + toPEM("EC PRIVATE KEY", sec1, err),
		"ec_pub":     pkix(&ecKey.PublicKey),
		"ed":         pkcs8(private),
		"ed_pub":     pkix(public),

		"short":      strings.Repeat("x", 31),
		"p384":       pkcs8(ec384),
		"p384_jwk":   ecJWK(t, ec384, "P-384"),
		"p521":       pkcs8(ec521),
		"p521_pub":   pkix(&ec521.PublicKey),
		"ec_jwk":     ecJWK(t, ecKey, "P-256"),
		"ec_pub_jwk": strings.Replace(ecJWK(t, ecKey, "P-256"), `,"d":`, `,"x-d":`, 1),
		"rsa_jwk":    rsaJWK(rsaKey, ""),
		"pinned":     rsaJWK(rsaKey, "PS256"),
		"ed_jwk":     fmt.Sprintf(`{"kty":"OKP","crv":"Ed25519","x":%q,"d":%q}`, b64(public), b64(private.Seed())),
		"oct":        fmt.Sprintf(`{"kty":"oct","k":%q,"kid":"1"}`, b64([]byte("the shared secret of this test, long enough"))),
		"jwk_torn":   `{"kty":"RSA","n":"AQAB"}`,
		"jwk_twice":  `{"kty":"oct","kty":"RSA","k":"` + strings.Repeat("A", 64) + `"}`,
		"jwk_alg":    rsaJWK(rsaKey, "ES256"),
		"jwk_other":  fmt.Sprintf(`{"kty":"OKP","crv":"Ed25519","x":%q,"d":%q}`, b64(public), b64(make([]byte, 32))),

		"two":     pkcs8(private) + pkcs8(ecKey),
		"cert":    toPEM("CERTIFICATE", []byte("x"), nil),
		"garbage": toPEM("PRIVATE KEY", []byte("x"), nil),
		"wrong":   toPEM("RSA PRIVATE KEY", sec1, nil),
		"rsa1024": rsa1024,
	}
	var environ []string
	for name, text := range env {
		environ = append(environ, envPrefix+strings.ToUpper(name)+"="+text)
	}
	return New(environ, "")
}

func b64(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

func ecJWK(t *testing.T, k *ecdsa.PrivateKey, curve string) string {
	point, err := k.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	d, err := k.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	n := (len(point) - 1) / 2
	return fmt.Sprintf(`{"kty":"EC","crv":%q,"x":%q,"y":%q,"d":%q}`, curve, b64(point[1:1+n]), b64(point[1+n:]), b64(d))
}

func rsaJWK(k *rsa.PrivateKey, alg string) string {
	return fmt.Sprintf(`{"kty":"RSA","n":%q,"e":"AQAB","d":%q,"p":%q,"q":%q,"alg":%q}`,
		b64(k.N.Bytes()), b64(k.D.Bytes()), b64(k.Primes[0].Bytes()), b64(k.Primes[1].Bytes()), alg)
}

// rsa1024 is made with: openssl genrsa 1024 | openssl rsa -pubout
// crypto/rsa makes no keys so short.
const rsa1024 = `-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQCofUUoiMkf75RjEpfnMQRslkSY
Ra4chrxTs+hKyG8rjFm0zH1u8gWxHp2xmOl0FFiZKcC7szYF7KLcJwv0B/+t0o5A
6EH3/ebC/Mwzz7icuSQKkO+4JwsjE+hXpgXAkDA3DkQJRWvq06dcZKBm42oAMzr9
PNXXKX++a0fIDZ8t/wIDAQAB
-----END PUBLIC KEY-----
`

func TestSignAndVerify(t *testing.T) {
	s := keys(t)
	data := []byte("header.payload")
	const signsRSA, verifiesRSA = "rsa rsa_pkcs1 rsa_jwk", "rsa rsa_pkcs1 rsa_jwk rsa_pub rsa_pub1"
	missing := abi.SignAlgorithms()
	for _, c := range []struct{ alg, signs, verifies string }{
		{abi.AlgHS256, "hmac long oct", "hmac"},
		{abi.AlgHS384, "long", "long"},
		{abi.AlgHS512, "long", "long"},
		{abi.AlgRS256, signsRSA, verifiesRSA},
		{abi.AlgRS384, signsRSA, verifiesRSA},
		{abi.AlgRS512, signsRSA, verifiesRSA},
		{abi.AlgPS256, signsRSA + " pinned", verifiesRSA + " pinned"},
		{abi.AlgPS384, signsRSA, verifiesRSA},
		{abi.AlgPS512, signsRSA, verifiesRSA},
		{abi.AlgES256, "ec ec_sec1 ec_openssl ec_jwk", "ec ec_sec1 ec_openssl ec_pub ec_jwk ec_pub_jwk"},
		{abi.AlgES384, "p384 p384_jwk", "p384"},
		{abi.AlgES512, "p521", "p521 p521_pub"},
		{abi.AlgEdDSA, "ed ed_jwk", "ed ed_pub"},
	} {
		missing = slices.DeleteFunc(missing, func(alg string) bool { return alg == c.alg })
		for _, name := range strings.Fields(c.signs) {
			signature, err := s.Sign(name, c.alg, data)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if n, is := map[string]int{abi.AlgES256: 64, abi.AlgES384: 96, abi.AlgES512: 132}[c.alg]; is && len(signature) != n {
				t.Errorf("%s: %d bytes, want R and S together of %d", name, len(signature), n)
			}
			verifies := strings.Fields(c.verifies)
			if c.alg[0] == 'H' {
				verifies = []string{name} // each is a secret of its own
			}
			for _, other := range verifies {
				if ok, err := s.Verify(other, c.alg, data, signature); err != nil || !ok {
					t.Errorf("signed with %s, verified with %s: %v, %v", name, other, ok, err)
				}
				for _, bad := range [][]byte{nil, {}, signature[1:], append(bytes.Clone(signature), 0), make([]byte, len(signature)), append([]byte{signature[0] ^ 1}, signature[1:]...)} {
					if ok, err := s.Verify(other, c.alg, data, bad); err != nil || ok {
						t.Errorf("%s took the signature %x: %v", other, bad, err)
					}
				}
				if ok, err := s.Verify(other, c.alg, []byte("other"), signature); err != nil || ok {
					t.Errorf("%s took other data: %v", other, err)
				}
			}
		}
	}
	if len(missing) > 0 {
		t.Errorf("nothing was signed with %s", missing)
	}
}

func TestKeyDecidesAlgorithm(t *testing.T) {
	s := keys(t)
	anyRSA := "RS256 RS384 RS512 PS256 PS384 PS512"
	serves := map[string]string{
		"hmac": "HS256", "oct": "HS256", "long": "HS256 HS384 HS512", "rsa": anyRSA, "rsa_pub": anyRSA, "pinned": "PS256", "ec": "ES256", "ec_pub": "ES256",
		"p384": "ES384", "p521": "ES512", "p521_pub": "ES512", "ec_pub_jwk": "ES256", "ed": "EdDSA", "ed_pub": "EdDSA",
		"short": "", "two": "", "cert": "", "garbage": "", "wrong": "", "rsa1024": "", "jwk_torn": "", "jwk_twice": "", "jwk_alg": "", "jwk_other": "",
	}
	for name, own := range serves {
		for _, alg := range append(abi.SignAlgorithms(), "none", "", "hs256", "HS1", "RS1") {
			_, err := s.Verify(name, alg, []byte("x"), []byte("y"))
			if may := slices.Contains(strings.Fields(own), alg); may && err != nil || !may && !errors.Is(err, ErrKey) {
				t.Errorf("verify with %s as %q: %v", name, alg, err)
			}
			_, err = s.Sign(name, alg, []byte("x"))
			private := !strings.Contains(name, "_pub")
			if may := slices.Contains(strings.Fields(own), alg) && private; may && err != nil || !may && !errors.Is(err, ErrKey) {
				t.Errorf("sign with %s as %q: %v", name, alg, err)
			}
		}
	}
	if _, err := s.Sign("none", abi.AlgHS256, nil); !errors.Is(err, ErrMissing) {
		t.Error(err)
	}
}

// Known answers of RFC 7515 and RFC 8037.
func TestVectors(t *testing.T) {
	unb64 := func(text string) []byte {
		b, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	// RFC 7515, appendix A.1: the HMAC key, its input and its signature.
	hmacKey := unb64("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow")
	// RFC 8037, appendix A.1: the Ed25519 key; A.4: its signature.
	edKey := ed25519.NewKeyFromSeed(unb64("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"))
	// RFC 7515, appendix A.3: the P-256 key, its input and a signature.
	ecKey, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append([]byte{4},
		append(unb64("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"), unb64("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0")...)...))
	if err != nil {
		t.Fatal(err)
	}
	s := New([]string{"TRAMA_SECRET_H=" + string(hmacKey), "TRAMA_SECRET_ED=" + pkcs8(edKey), "TRAMA_SECRET_EC=" + pkix(ecKey)}, "")
	const payload = ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
	for _, c := range []struct{ key, alg, data, signature string }{
		{"h", abi.AlgHS256, "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9" + payload, "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"},
		{"ed", abi.AlgEdDSA, "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc", "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"},
		{"ec", abi.AlgES256, "eyJhbGciOiJFUzI1NiJ9" + payload, "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"},
	} {
		want := unb64(c.signature)
		if ok, err := s.Verify(c.key, c.alg, []byte(c.data), want); err != nil || !ok {
			t.Errorf("%s: the vector does not verify: %v", c.alg, err)
		}
		if c.alg == abi.AlgES256 {
			continue // its signatures are random
		}
		if got, err := s.Sign(c.key, c.alg, []byte(c.data)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: got %x, %v", c.alg, got, err)
		}
	}
}
