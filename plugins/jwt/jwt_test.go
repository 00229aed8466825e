package main

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trama-run/trama/pdk/abi"
	pdk "github.com/trama-run/trama/pdk/go"
	"github.com/trama-run/trama/pdk/go/pdktest"
)

const start = 1_300_819_000 // shortly before the RFCs' tokens expire

func at(seconds int64) func() time.Time {
	return func() time.Time { return time.Unix(seconds, 0) }
}

func TestExamples(t *testing.T) {
	pdktest.Examples(t, manifest, func(host *pdktest.Host) map[string]pdktest.Handler {
		host.AddKey("partner", []byte("trama-test-key-trama-test-key-32")) // the HS256 key of trama plugin test
		return map[string]pdktest.Handler{
			"sign":   pdktest.Handle(signer{host.Sign, time.Now}.run),
			"verify": pdktest.Handle(verifier{host.Verify, time.Now}.run),
			"decode": pdktest.Handle(decodeToken),
		}
	})
}

// keyring is a host with one key of each algorithm, named like it, and their
// public halves as PEM.
type keyring struct {
	host   *pdktest.Host
	public map[string]string
}

func newKeyring(t *testing.T) keyring {
	t.Helper()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	edPublic, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	k := keyring{pdktest.NewHost(t), map[string]string{}}
	public := map[string]any{"EdDSA": edPublic, "ES256": &ecKey.PublicKey}
	k.host.AddKey("EdDSA", edKey)
	k.host.AddKey("ES256", ecKey)
	for i, bits := range []string{"256", "384", "512"} {
		k.host.AddKey("HS"+bits, []byte("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"[:32+16*i]))
		k.host.AddKey("RS"+bits, rsaKey)
		k.host.AddKey("PS"+bits, rsaKey)
		public["RS"+bits], public["PS"+bits] = &rsaKey.PublicKey, &rsaKey.PublicKey
	}
	for name, curve := range map[string]elliptic.Curve{"ES384": elliptic.P384(), "ES512": elliptic.P521()} {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		k.host.AddKey(name, key)
		public[name] = &key.PublicKey
	}
	for name, key := range public {
		k.public[name] = toPEM(t, key)
	}
	return k
}

func toPEM(t *testing.T, key any) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func (k keyring) sign(t *testing.T, input string) string {
	t.Helper()
	output, failure := pdk.Call(signer{k.host.Sign, at(start)}.run, []byte(input))
	if failure != nil {
		t.Fatalf("sign %s: %v", input, failure)
	}
	var signed Signed
	if err := json.Unmarshal(output, &signed); err != nil {
		t.Fatal(err)
	}
	return signed.Token
}

// raw signs any header and payload.
func (k keyring) raw(t *testing.T, algorithm, header, payload string) string {
	t.Helper()
	text := encodePart([]byte(header)) + "." + encodePart([]byte(payload))
	signature, err := k.host.Sign(algorithm, algorithm, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + encodePart(signature)
}

func (k keyring) verify(now int64, input map[string]any) ([]byte, *abi.Error) {
	data, err := json.Marshal(input)
	if err != nil {
		return nil, &abi.Error{Code: "test", Message: err.Error()}
	}
	return pdk.Call(verifier{k.host.Verify, at(now)}.run, data)
}

func checkCode(t *testing.T, output []byte, failure *abi.Error, code string) {
	t.Helper()
	switch {
	case code == "" && failure != nil:
		t.Errorf("failed with %v", failure)
	case code != "" && (failure == nil || failure.Code != code):
		t.Errorf("got %s, %v, want the code %s", output, failure, code)
	}
}

func TestSignThenVerify(t *testing.T) {
	k := newKeyring(t)
	for _, algorithm := range abi.SignAlgorithms() {
		t.Run(algorithm, func(t *testing.T) {
			token := k.sign(t, `{"key":"`+algorithm+`","algorithm":"`+algorithm+`","header":{"kid":"k-1"},
				"claims":{"z": 9007199254740993, "a":"<ç>"},"expires_in":60,"not_before_in":-5}`)
			verified := `{"verified":true,"header":{"alg":"` + algorithm + `","typ":"JWT","kid":"k-1"},` +
				`"claims":{"z":9007199254740993,"a":"<ç>","iat":1300819000,"nbf":1300818995,"exp":1300819060}}`
			output, failure := k.verify(start, map[string]any{"token": token, "key": algorithm, "algorithms": []string{algorithm}})
			if failure != nil || string(output) != verified {
				t.Fatalf("got %s, %v\nwant %s", output, failure, verified)
			}
			if public, ok := k.public[algorithm]; ok {
				output, failure = k.verify(start, map[string]any{"token": token, "public_key": public, "algorithms": []string{algorithm}})
				if failure != nil || string(output) != verified {
					t.Errorf("by the public key: %s, %v", output, failure)
				}
			}
			decoded, failure := pdk.Call(decodeToken, []byte(`{"token":"`+token+`"}`))
			if failure != nil || string(decoded) != strings.Replace(verified, "true", "false", 1) {
				t.Errorf("decoded %s, %v", decoded, failure)
			}
			// every character of the token counts
			for i := 0; i < len(token); i += 7 {
				changed := []byte(token)
				changed[i] = map[bool]byte{true: 'B', false: 'A'}[changed[i] == 'A']
				output, failure := k.verify(start, map[string]any{"token": string(changed), "key": algorithm, "algorithms": []string{algorithm}})
				if failure == nil {
					t.Fatalf("character %d was changed: %s", i, output)
				}
			}
		})
	}
}

func TestSignRefuses(t *testing.T) {
	k := newKeyring(t)
	for _, test := range []struct{ name, input, code, message string }{
		{"no key", `{"algorithm":"ES256","claims":{}}`, abi.CodeInvalid, "name of a key"},
		{"a key that is not granted", `{"key":"other","algorithm":"ES256","claims":{}}`, abi.CodeDenied, "other"},
		{"a key of another algorithm", `{"key":"RS256","algorithm":"HS256","claims":{}}`, abi.CodeInvalid, "serves RS256, RS384"},
		{"HS512", `{"key":"HS256","algorithm":"HS512","claims":{}}`, abi.CodeInvalid, "serves HS256, not HS512"},
		{"no claims", `{"key":"ES256","algorithm":"ES256"}`, abi.CodeInvalid, "claims: missing"},
		{"claims that are no object", `{"key":"ES256","algorithm":"ES256","claims":[1]}`, abi.CodeInvalid, "not a JSON object"},
		{"null claims", `{"key":"ES256","algorithm":"ES256","claims":null}`, abi.CodeInvalid, "not a JSON object"},
		{"a claim twice", `{"key":"ES256","algorithm":"ES256","claims":{"a":1,"\u0061":2}}`, abi.CodeInvalid, "stands twice"},
		{"nbf twice", `{"key":"ES256","algorithm":"ES256","claims":{"nbf":1},"not_before_in":1}`, abi.CodeInvalid, "claims.nbf"},
		{"expired at once", `{"key":"ES256","algorithm":"ES256","claims":{},"expires_in":0}`, abi.CodeInvalid, "outlive"},
	} {
		output, failure := pdk.Call(signer{k.host.Sign, at(start)}.run, []byte(test.input))
		if failure == nil || failure.Code != test.code || !strings.Contains(failure.Message, test.message) {
			t.Errorf("%s: got %s, %v, want %s: %s", test.name, output, failure, test.code, test.message)
		}
	}
}

func TestSignKeepsGivenTimes(t *testing.T) {
	k := newKeyring(t)
	for claims, want := range map[string]string{
		`{"claims":{}}`:                                    `{"iat":1300819000}`,
		`{"claims":{},"issued_at":false}`:                  `{}`,
		`{"claims":{"iat":5,"exp":2000000000.5}}`:          `{"iat":5,"exp":2000000000.5}`,
		`{"claims":{},"issued_at":false,"expires_in":1}`:   `{"exp":1300819001}`,
		`{"claims":{ "a" : "}" },"header":{"typ":"at+j"}}`: `{"a":"}","iat":1300819000}`,
	} {
		token := k.sign(t, `{"key":"HS256","algorithm":"HS256",`+claims[1:])
		parsed, err := parseToken(token)
		if err != nil || string(parsed.payload) != want {
			t.Errorf("%s gives %s, %v, want %s", claims, parsed.payload, err, want)
		}
	}
}

func TestVerifyTimesAndNames(t *testing.T) {
	k := newKeyring(t)
	tests := []struct {
		name, claims string
		input        map[string]any
		code         string
	}{
		{"no times", `{}`, nil, ""},
		{"last second", `{"exp":1300819001}`, nil, ""},
		{"expired on the second", `{"exp":1300819000}`, nil, codeExpired},
		{"expired within the leeway", `{"exp":1300818991}`, map[string]any{"leeway": 10}, ""},
		{"expired past the leeway", `{"exp":1300818990}`, map[string]any{"leeway": 10}, codeExpired},
		{"fraction", `{"exp":1300819000.5}`, nil, ""},
		{"expired before 1970", `{"exp":-1}`, nil, codeExpired},
		{"exp is text", `{"exp":"1300819999"}`, nil, codeMalformed},
		{"exp is null", `{"exp":null}`, nil, codeMalformed},
		{"exp is out of range", `{"exp":1e999}`, nil, codeMalformed},
		{"valid from now", `{"nbf":1300819000}`, nil, ""},
		{"valid later", `{"nbf":1300819001}`, nil, codeTooEarly},
		{"valid later, within the leeway", `{"nbf":1300819001}`, map[string]any{"leeway": 1}, ""},
		{"issued in the future", `{"iat":1300819100}`, nil, codeTooEarly},
		{"issuer", `{"iss":"a"}`, map[string]any{"issuer": "a"}, ""},
		{"issuer in another case", `{"iss":"A"}`, map[string]any{"issuer": "a"}, codeIssuer},
		{"claim name in another case", `{"ISS":"a"}`, map[string]any{"issuer": "a"}, codeIssuer},
		{"no issuer", `{}`, map[string]any{"issuer": "a"}, codeIssuer},
		{"audience", `{"aud":"a"}`, map[string]any{"audience": "a"}, ""},
		{"one audience of several", `{"aud":["x","a"]}`, map[string]any{"audience": []string{"a", "b"}}, ""},
		{"another audience", `{"aud":["x"]}`, map[string]any{"audience": "a"}, codeAudience},
		{"no audience", `{}`, map[string]any{"audience": "a"}, codeAudience},
		{"audience not expected", `{"aud":"a"}`, nil, codeAudience},
		{"audience is a number", `{"aud":1}`, map[string]any{"audience": "1"}, codeMalformed},
		{"required", `{"sub":"a"}`, map[string]any{"require": []string{"sub"}}, ""},
		{"required and missing", `{}`, map[string]any{"require": []string{"exp"}}, codeMissing},
		{"required and null", `{"sub":null}`, map[string]any{"require": []string{"sub"}}, codeMissing},
		{"claims that are no object", `[]`, nil, codeMalformed},
		{"claims that are no JSON", `{"a":`, nil, codeMalformed},
		{"a claim twice", `{"sub":"a","sub":"b"}`, nil, codeMalformed},
		{"a name twice, deeper", `{"a":[{"b":1,"b":2}]}`, nil, codeMalformed},
		{"the same name in two objects", `{"a":{"b":1},"c":{"b":1},"b":"a"}`, nil, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			input := map[string]any{"token": k.raw(t, "HS256", `{"alg":"HS256"}`, test.claims), "key": "HS256", "algorithms": []string{"HS256"}}
			for name, value := range test.input {
				input[name] = value
			}
			output, failure := k.verify(start, input)
			checkCode(t, output, failure, test.code)
		})
	}
}

func TestVerifyRefusesHeaders(t *testing.T) {
	k := newKeyring(t)
	for _, test := range []struct{ name, header, code string }{
		{"plain", `{"alg":"EdDSA"}`, ""},
		{"unknown parameters are ignored", `{"alg":"EdDSA","typ":"x","foo":[1]}`, ""},
		{"none", `{"alg":"none"}`, codeAlgorithm},
		{"None", `{"alg":"None"}`, codeAlgorithm},
		{"alg in capitals", `{"ALG":"EdDSA"}`, codeMalformed},
		{"alg twice", `{"alg":"EdDSA","alg":"none"}`, codeMalformed},
		{"no alg", `{}`, codeMalformed},
		{"alg is a number", `{"alg":1}`, codeMalformed},
		{"another algorithm", `{"alg":"HS256"}`, codeAlgorithm},
		{"crit", `{"alg":"EdDSA","crit":["exp"]}`, codeHeader},
		{"empty crit", `{"alg":"EdDSA","crit":[]}`, codeHeader},
		{"own key", `{"alg":"EdDSA","jwk":{"kty":"OKP"}}`, codeHeader},
		{"own key by address", `{"alg":"EdDSA","jku":"https://evil.example/"}`, codeHeader},
		{"own certificate", `{"alg":"EdDSA","x5c":["x"]}`, codeHeader},
		{"own certificate by address", `{"alg":"EdDSA","x5u":"https://evil.example/"}`, codeHeader},
		{"payload not encoded", `{"alg":"EdDSA","b64":false}`, codeHeader},
		{"no object", `"EdDSA"`, codeMalformed},
	} {
		t.Run(test.name, func(t *testing.T) {
			output, failure := k.verify(start, map[string]any{"token": k.raw(t, "EdDSA", test.header, `{}`), "public_key": k.public["EdDSA"], "algorithms": []string{"EdDSA"}})
			checkCode(t, output, failure, test.code)
		})
	}
}

// TestAlgorithmConfusion: the public key as HMAC secret, the oldest of JWT's
// attacks, and keys of one type for another's algorithm.
func TestAlgorithmConfusion(t *testing.T) {
	k := newKeyring(t)
	k.host.AddKey("public", []byte(k.public["RS256"]))
	text := encodePart([]byte(`{"alg":"HS256"}`)) + "." + encodePart([]byte(`{}`))
	mac, err := k.host.Sign("public", "HS256", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	forged := text + "." + encodePart(mac)
	for _, test := range []struct {
		name  string
		input map[string]any
		code  string
	}{
		{"HMAC where RSA is expected", map[string]any{"token": forged, "public_key": k.public["RS256"], "algorithms": []string{"RS256"}}, codeAlgorithm},
		{"HMAC allowed with a public key", map[string]any{"token": forged, "public_key": k.public["RS256"], "algorithms": []string{"RS256", "HS256"}}, codeAlgorithm},
		{"HMAC under the host's RSA key", map[string]any{"token": forged, "key": "RS256", "algorithms": []string{"HS256"}}, abi.CodeInvalid},
		{"an EC key for RS256", map[string]any{"token": k.raw(t, "RS256", `{"alg":"RS256"}`, `{}`), "public_key": k.public["ES256"], "algorithms": []string{"RS256", "ES256"}}, codeAlgorithm},
		{"an Ed25519 key for ES256", map[string]any{"token": k.raw(t, "ES256", `{"alg":"ES256"}`, `{}`), "public_key": k.public["EdDSA"], "algorithms": []string{"ES256"}}, codeAlgorithm},
		{"another key of the same type", map[string]any{"token": k.raw(t, "ES256", `{"alg":"ES256"}`, `{}`), "public_key": newKeyring(t).public["ES256"], "algorithms": []string{"ES256"}}, codeSignature},
		{"no algorithms", map[string]any{"token": forged, "key": "HS256"}, abi.CodeInvalid},
		{"none allowed", map[string]any{"token": forged, "key": "HS256", "algorithms": []string{"none"}}, codeAlgorithm},
		{"no key", map[string]any{"token": forged, "algorithms": []string{"HS256"}}, abi.CodeInvalid},
		{"two keys", map[string]any{"token": forged, "key": "RS256", "public_key": k.public["RS256"], "algorithms": []string{"RS256"}}, abi.CodeInvalid},
		{"too much leeway", map[string]any{"token": forged, "key": "HS256", "algorithms": []string{"HS256"}, "leeway": 601}, abi.CodeInvalid},
	} {
		t.Run(test.name, func(t *testing.T) {
			output, failure := k.verify(start, test.input)
			checkCode(t, output, failure, test.code)
		})
	}
}

func TestMalformedTokens(t *testing.T) {
	k := newKeyring(t)
	good := k.raw(t, "HS256", `{"alg":"HS256"}`, `{}`)
	parts := strings.Split(good, ".")
	for name, token := range map[string]string{
		"empty":             "",
		"two parts":         parts[0] + "." + parts[1],
		"four parts":        good + ".",
		"five parts":        good + "..",
		"padding":           good + "=",
		"line end":          good[:len(good)-2] + "\n" + good[len(good)-2:],
		"space":             " " + good,
		"bearer":            "Bearer " + good,
		"plain base64":      parts[0] + "." + parts[1] + ".+/+/",
		"stray bits":        parts[0] + "." + parts[1] + ".AB",
		"header no object":  encodePart([]byte(`[]`)) + "." + parts[1] + "." + parts[2],
		"header no JSON":    encodePart([]byte(`{`)) + "." + parts[1] + "." + parts[2],
		"header two values": encodePart([]byte(`{}{}`)) + "." + parts[1] + "." + parts[2],
	} {
		output, failure := k.verify(start, map[string]any{"token": token, "key": "HS256", "algorithms": []string{"HS256"}})
		t.Run(name, func(t *testing.T) { checkCode(t, output, failure, codeMalformed) })
	}
	output, failure := k.verify(start, map[string]any{"token": parts[0] + "." + parts[1] + ".", "key": "HS256", "algorithms": []string{"HS256"}})
	checkCode(t, output, failure, codeSignature)
}

// TestES256Form: R and S stand as 32 bytes each; an ASN.1 signature, as most
// libraries make it, is not valid.
func TestES256Form(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	text := encodePart([]byte(`{"alg":"ES256"}`)) + "." + encodePart([]byte(`{}`))
	host := pdktest.NewHost(t)
	host.AddKey("k", key)
	good, err := host.Sign("k", "ES256", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	public, _ := json.Marshal(toPEM(t, &key.PublicKey))
	for name, test := range map[string]struct {
		signature []byte
		valid     bool
	}{
		"good":        {good, true},
		"one more":    {append(good[:64:64], 0), false},
		"one less":    {good[:63], false},
		"padded":      {append([]byte{0}, good...), false},
		"S padded":    {slices.Concat(good[:32], []byte{0}, good[32:]), false},
		"zeros":       {make([]byte, 64), false},
		"order twice": {append(elliptic.P256().Params().N.FillBytes(make([]byte, 32)), good[32:]...), false},
	} {
		if valid, err := (verifier{}).valid(VerifyInput{PublicKey: public}, token{signed: []byte(text), signature: test.signature}, "ES256"); err != nil || valid != test.valid {
			t.Errorf("%s: %v, %v", name, valid, err)
		}
	}
}

func TestPublicKeysRefused(t *testing.T) {
	small := &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 1023, 1), E: 65537}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(p384)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, key, message string }{
		{"text", `"hello"`, "not PEM"},
		{"number", `1`, "neither a PEM text nor a JWK"},
		{"private PEM", quoted(string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))), "never stand in a flow"},
		{"two PEM blocks", quoted(toPEM(t, &p384.PublicKey) + toPEM(t, &p384.PublicKey)), "one key"},
		{"broken PEM", quoted("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"), "public_key"},
		{"P-224", quoted(toPEM(t, &p224.PublicKey)), "P-224"},
		{"short RSA", quoted(toPEM(t, small)), "1024 bits"},
		{"HMAC as JWK", `{"kty":"oct","k":"AAAA"}`, `secret field "k"`},
		{"private JWK", `{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","d":"x"}`, `secret field "d"`},
		{"encryption JWK", `{"kty":"OKP","use":"enc","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`, "use"},
		{"JWK of another alg", `{"kty":"OKP","crv":"Ed25519","alg":"ES256","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`, "alg"},
		{"no point", `{"kty":"EC","crv":"P-256","x":"` + encodePart(make([]byte, 32)) + `","y":"` + encodePart(make([]byte, 32)) + `"}`, "no point"},
		{"short x", `{"kty":"EC","crv":"P-256","x":"AQAB","y":"AQAB"}`, "3 bytes"},
		{"X25519", `{"kty":"OKP","crv":"X25519","x":"AQAB"}`, "not supported"},
		{"even exponent", `{"kty":"RSA","n":"` + encodePart(append([]byte{0x80}, make([]byte, 255)...)) + `","e":"BA"}`, "exponent"},
		{"long exponent", `{"kty":"RSA","n":"AQAB","e":"AQAAAAAB"}`, "31 bits"},
	} {
		t.Run(test.name, func(t *testing.T) {
			key, err := parsePublicKey(json.RawMessage(test.key))
			if err == nil {
				t.Fatalf("gave %v", key)
			}
			failure, ok := err.(*abi.Error)
			if !ok || failure.Code != codeKey || !strings.Contains(failure.Message, test.message) {
				t.Errorf("got %v, want %q", err, test.message)
			}
		})
	}
}

// TestSets: the token's key id names the key; what is not for signatures is
// passed over; a set is no way around the rules for keys.
func TestSets(t *testing.T) {
	const x = `"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"`
	seed, err := decodePart("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")
	if err != nil {
		t.Fatal(err)
	}
	k := newKeyring(t)
	k.host.AddKey("rfc", ed25519.NewKeyFromSeed(seed))
	signed := func(header string) string {
		text := encodePart([]byte(header)) + "." + encodePart([]byte(`{"sub":"1"}`))
		signature, err := k.host.Sign("rfc", "EdDSA", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return text + "." + encodePart(signature)
	}
	const other = `"kty":"OKP","crv":"Ed25519","x":"` + "2d4ZK0LSTWFC1cvNLyOJkFpxmZ7gGh5sLoXXU2Bj9wE" + `"`
	plain, named := signed(`{"alg":"EdDSA"}`), signed(`{"alg":"EdDSA","kid":"b"}`)
	for _, test := range []struct{ name, token, set, code string }{
		{"by id", named, `{"keys":[{"kid":"a",` + other + `},{"kid":"b",` + x + `}]}`, ""},
		{"a set as text", named, quoted(`{"keys":[{"kid":"b",` + x + `}]}`), ""},
		{"no id in the token", plain, `{"keys":[{"kid":"a",` + other + `},{"kid":"b",` + x + `}]}`, ""},
		{"unknown id", named, `{"keys":[{"kid":"c",` + x + `}]}`, codeUnknownKey},
		{"an id for a key without one", named, `{"keys":[{` + x + `}]}`, codeUnknownKey},
		{"another key under the id", named, `{"keys":[{"kid":"b",` + other + `}]}`, codeSignature},
		{"strange keys", plain, `{"keys":[{"kty":"new"},{"kty":"RSA","use":"enc"},{"kid":1},7,{` + x + `}]}`, ""},
		{"for encryption", plain, `{"keys":[{"use":"enc",` + x + `}]}`, codeUnknownKey},
		{"to sign with", plain, `{"keys":[{"key_ops":["sign"],` + x + `}]}`, codeUnknownKey},
		{"a private key", plain, `{"keys":[{"d":"x",` + x + `}]}`, codeUnknownKey},
		{"another algorithm", plain, `{"keys":[{"alg":"ES256",` + x + `}]}`, codeUnknownKey},
		{"no set", plain, `{` + x + `}`, codeKey},
		{"no JSON", plain, `"keys"`, codeKey},
		{"an id that is no text", signed(`{"alg":"EdDSA","kid":1}`), `{"keys":[{` + x + `}]}`, codeMalformed},
		{"too many", plain, `{"keys":[` + strings.Repeat(`{},`, maxKeys) + `{}]}`, codeKey},
	} {
		output, failure := k.verify(start, map[string]any{"token": test.token, "jwks": json.RawMessage(test.set), "algorithms": []string{"EdDSA"}})
		t.Run(test.name, func(t *testing.T) { checkCode(t, output, failure, test.code) })
	}
	output, failure := k.verify(start, map[string]any{"token": plain, "jwks": json.RawMessage(`{"keys":[]}`), "algorithms": []string{"HS384"}})
	checkCode(t, output, failure, codeAlgorithm)
}

func quoted(text string) string { data, _ := json.Marshal(text); return string(data) }

// FuzzParseToken: whatever is taken has one spelling, and nothing panics.
func FuzzParseToken(f *testing.F) {
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Add("eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PP")
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := parseToken(text)
		if err != nil {
			return
		}
		if again := encodePart(parsed.headerRaw) + "." + encodePart(parsed.payload) + "." + encodePart(parsed.signature); again != text {
			t.Fatalf("%q is also spelt %q", text, again)
		}
		if _, err := parsed.claims(); err == nil && !json.Valid(parsed.payload) {
			t.Fatalf("claims that are no JSON: %q", parsed.payload)
		}
	})
}
