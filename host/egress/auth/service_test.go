package auth

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/trama-run/trama/pdk/abi"
)

func TestServiceAccount(t *testing.T) {
	i := newIssuer(t)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	file := func(change func(map[string]string)) string {
		f := map[string]string{
			"type": "service_account", "client_email": "robot@project.iam.gserviceaccount.com", "private_key_id": "kid-1",
			"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), "token_uri": "https://evil.test/token",
		}
		if change != nil {
			change(f)
		}
		data, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	s := &surroundings{secrets: map[string]string{"file": file(nil)}}
	a := Auth{Type: ServiceAccount, Secret: "file", TokenURL: i.URL + "/token", Scopes: []string{"scope-a", "scope-b"}, Subject: "ana@example.com"}
	k := keeperAt(noon)
	if got := bearer(t, k, a, s); got != "token-1" {
		t.Fatalf("got %q", got)
	}
	if got := bearer(t, k, a, s); got != "token-1" {
		t.Errorf("the token was not kept: %q", got)
	}
	form := i.forms()[0]
	if form.Get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" || len(form) != 2 {
		t.Errorf("sent %v", form)
	}
	parts := strings.Split(form.Get("assertion"), ".")
	if len(parts) != 3 {
		t.Fatalf("the assertion is %q", form.Get("assertion"))
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err := rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, digest[:], signature); err != nil {
		t.Errorf("the signature: %v", err)
	}
	for n, want := range []string{
		`{"alg":"RS256","kid":"kid-1","typ":"JWT"}`,
		fmt.Sprintf(`{"aud":%q,"exp":%d,"iat":%d,"iss":"robot@project.iam.gserviceaccount.com","scope":"scope-a scope-b","sub":"ana@example.com"}`, i.URL+"/token", noon.Add(time.Hour).Unix(), noon.Unix()),
	} {
		if got, err := base64.RawURLEncoding.DecodeString(parts[n]); err != nil || string(got) != want {
			t.Errorf("part %d is %s, %v; want %s", n, got, err, want)
		}
	}
	if a.TokenURL = ""; a.tokenURL() != googleTokenURL {
		t.Errorf("tokens come from %s", a.tokenURL())
	}
	a.TokenURL = i.URL
	for name, text := range map[string]string{
		"no JSON": "canary", "no mail": file(func(f map[string]string) { delete(f, "client_email") }),
		"no PEM": file(func(f map[string]string) { f["private_key"] = "canary" }),
		"bad key": file(func(f map[string]string) {
			f["private_key"] = "-----BEGIN PRIVATE KEY-----\nY2FuYXJ5\n-----END PRIVATE KEY-----\n"
		}),
	} {
		s.set("file", text)
		var failure *abi.Error
		if err := NewKeeper(Config{}).Apply(t.Context(), a, s, request(t)); !errors.As(err, &failure) || failure.Code != abi.CodeInvalid || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
