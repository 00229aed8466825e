package main

import (
	"encoding/json"
	"testing"

	"github.com/trama-run/trama/pdk/go/pdktest"
)

// The payload of RFC 7515, A.1 to A.3.
const rfcPayload = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"

// TestRFC7515 checks the signed examples of RFC 7515, appendix A.
func TestRFC7515(t *testing.T) {
	secret, err := decodePart("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow")
	if err != nil {
		t.Fatal(err)
	}
	k := keyring{host: pdktest.NewHost(t)}
	k.host.AddKey("a1", secret)
	tests := []struct {
		name, token string
		key         map[string]any
		algorithm   string
	}{
		{"A.1", "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." + rfcPayload +
			".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", map[string]any{"key": "a1"}, "HS256"},
		{"A.2", "eyJhbGciOiJSUzI1NiJ9." + rfcPayload +
			".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5" +
			"jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07" +
			"Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI" +
			"8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
			map[string]any{"public_key": map[string]any{"kty": "RSA", "e": "AQAB", "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yR" +
				"T-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo" +
				"7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91" +
				"kzk2PAcDTW9gb54h4FRWyuXpoQ"}}, "RS256"},
		{"A.3", "eyJhbGciOiJFUzI1NiJ9." + rfcPayload +
			".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
			map[string]any{"public_key": map[string]any{"kty": "EC", "crv": "P-256",
				"x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}}, "ES256"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			input := map[string]any{"token": test.token, "algorithms": []string{test.algorithm}, "issuer": "joe"}
			for name, value := range test.key {
				input[name] = value
			}
			output, failure := k.verify(1300819379, input)
			checkCode(t, output, failure, "")
			output, failure = k.verify(1300819380, input)
			checkCode(t, output, failure, codeExpired)
			input["token"] = test.token[:len(test.token)-4] + "AAAA"
			output, failure = k.verify(1300819379, input)
			checkCode(t, output, failure, codeSignature)
		})
	}
}

// TestRFC8037 checks the signature of RFC 8037, A.4. Its payload is no claims
// set, so it is no JWT: the signature counts before that does.
func TestRFC8037(t *testing.T) {
	token := "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc." +
		"hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
	key := json.RawMessage(`{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`)
	parsed, err := parseToken(token)
	if err != nil {
		t.Fatal(err)
	}
	if valid, err := (verifier{}).valid(VerifyInput{PublicKey: key}, parsed, "EdDSA"); err != nil || !valid {
		t.Errorf("got %v, %v", valid, err)
	}
	k := keyring{host: pdktest.NewHost(t)}
	output, failure := k.verify(start, map[string]any{"token": token, "public_key": key, "algorithms": []string{"EdDSA"}})
	checkCode(t, output, failure, codeMalformed)
}

// TestRFC7519 decodes the unsecured JWT of RFC 7519, 6.1, which verify
// refuses.
func TestRFC7519(t *testing.T) {
	token := "eyJhbGciOiJub25lIn0." + rfcPayload + "."
	decoded, err := decodeToken(DecodeInput{Token: token})
	if err != nil || decoded.Verified || string(decoded.Header) != `{"alg":"none"}` {
		t.Errorf("got %+v, %v", decoded, err)
	}
	k := newKeyring(t)
	output, failure := k.verify(start, map[string]any{"token": token, "public_key": k.public["RS256"], "algorithms": []string{"RS256"}})
	checkCode(t, output, failure, codeAlgorithm)
}
