package main

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// account is a service account with its token endpoint: an http.Handler that
// checks the assertion and gives an access token for it.
//
// Source: Google, "Using OAuth 2.0 for Server to Server Applications",
// https://developers.google.com/identity/protocols/oauth2/service-account
type account struct {
	email, tokenURL, token string
	key                    *rsa.PrivateKey
}

func newAccount(tokenURL string) (*account, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	return &account{email: "trama@invented-project.iam.gserviceaccount.com", tokenURL: tokenURL, token: rand.Text(), key: key}, err
}

// file is the key as Google lets it be downloaded.
func (a *account) file() []byte {
	der, err := x509.MarshalPKCS8PrivateKey(a.key)
	if err != nil {
		panic(err) // an RSA key always can be
	}
	data, err := json.MarshalIndent(map[string]string{
		"type": "service_account", "project_id": "invented-project", "private_key_id": "key-1",
		"private_key":  string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
		"client_email": a.email, "token_uri": a.tokenURL,
	}, "", "  ")
	if err != nil {
		panic(err) // texts always can be
	}
	return data
}

func (a *account) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	if err := a.check(r); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		json.NewEncoder(w).Encode(map[string]string{"error": "invalid_grant", "error_description": err.Error()}) //nolint:errcheck // the client is gone
		return
	}
	json.NewEncoder(w).Encode(map[string]any{"access_token": a.token, "expires_in": 3599, "token_type": "Bearer"}) //nolint:errcheck // the client is gone
}

// check verifies the assertion of a request.
func (a *account) check(r *http.Request) error {
	if grant := r.PostFormValue("grant_type"); grant != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
		return fmt.Errorf("grant_type %q", grant)
	}
	parts := strings.Split(r.PostFormValue("assertion"), ".")
	if len(parts) != 3 {
		return fmt.Errorf("the assertion is no JWT")
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err := rsa.VerifyPKCS1v15(&a.key.PublicKey, crypto.SHA256, sum[:], signature); err != nil {
		return err
	}
	data, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return err
	}
	var claims struct {
		Iss, Scope, Aud string
		Iat, Exp        int64
	}
	if err := json.Unmarshal(data, &claims); err != nil {
		return err
	}
	now := time.Now().Unix()
	switch {
	case claims.Iss != a.email:
		return fmt.Errorf("iss %q is not %q", claims.Iss, a.email)
	case claims.Aud != a.tokenURL:
		return fmt.Errorf("aud %q is not %q", claims.Aud, a.tokenURL)
	case claims.Scope != "https://www.googleapis.com/auth/spreadsheets":
		return fmt.Errorf("scope %q", claims.Scope)
	case claims.Exp-claims.Iat > 3600 || claims.Exp < now || claims.Iat > now+60:
		return fmt.Errorf("it is not for now")
	}
	return nil
}
