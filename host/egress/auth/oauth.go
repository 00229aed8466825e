package auth

import (
	"cmp"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/trama-run/trama/pdk/abi"
)

const (
	grantClient  = "client_credentials"
	grantRefresh = "refresh_token"
	grantJWT     = "urn:ietf:params:oauth:grant-type:jwt-bearer" // RFC 7523

	clientHeader = "header"
	clientBody   = "body"

	googleTokenURL = "https://oauth2.googleapis.com/token"
	assertionLife  = time.Hour // the most that Google takes
)

// CodeUnauthorized is the code of errors where a token endpoint refused. What
// it says is told to all calls until the connection or its secrets change, or
// a while has passed.
const CodeUnauthorized = "unauthorized"

// ownParams are the host's to set in a token request.
var ownParams = []string{"grant_type", "client_id", "client_secret", "refresh_token", "scope", "assertion"}

func (a Auth) tokenURL() string {
	if a.Type == ServiceAccount {
		return cmp.Or(a.TokenURL, googleTokenURL)
	}
	return a.TokenURL
}

// request asks for an access token.
func (k *Keeper) request(ctx context.Context, a Auth, s Scope, opened secrets) (got issued, err error) {
	form := url.Values{}
	for name, value := range a.Params {
		form.Set(name, value)
	}
	refresh := opened.refresh
	switch {
	case a.Type == ServiceAccount:
		assertion, err := assert(a, opened.secret, k.now())
		if err != nil {
			return got, err
		}
		s.Hide(assertion)
		form.Set("grant_type", grantJWT)
		form.Set("assertion", assertion)
	case a.Grant == grantRefresh:
		if refresh, err = k.current(a, opened); err != nil {
			return got, err
		}
		s.Hide(refresh)
		got.refresh = append(got.refresh, refresh)
		form.Set("grant_type", grantRefresh)
		form.Set("refresh_token", refresh)
	default:
		form.Set("grant_type", grantClient)
	}
	if len(a.Scopes) > 0 && a.Type == OAuth2 {
		form.Set("scope", strings.Join(a.Scopes, " "))
	}
	header := http.Header{"Accept": {"application/json"}, "Content-Type": {"application/x-www-form-urlencoded"}}
	switch {
	case a.Type != OAuth2:
	case opened.secret == "" || a.ClientAuth == clientBody:
		form.Set("client_id", a.ClientID)
		if opened.secret != "" {
			form.Set("client_secret", opened.secret)
		}
	default: // RFC 6749, section 2.3.1: both are form-encoded first
		pair := base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(a.ClientID) + ":" + url.QueryEscape(opened.secret)))
		s.Hide(pair)
		header.Set("Authorization", "Basic "+pair)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, a.tokenURL(), strings.NewReader(form.Encode()))
	if err != nil {
		return got, fail(abi.CodeInvalid, "token_url can't be used")
	}
	r.Header = header
	asked := k.now()
	status, body, err := s.Fetch(r)
	if err != nil {
		return got, err
	}
	answer, err := readAnswer(a, status, body)
	if err != nil {
		return got, err
	}
	got.value = answer.AccessToken
	if life := answer.life(); life > 0 {
		got.expires = asked.Add(life - min(earlier, life/5))
	}
	if next := answer.RefreshToken; next != "" {
		got.refresh = append(got.refresh, next)
		if a.Grant == grantRefresh && next != refresh {
			k.rotate(a, opened, next)
		}
	}
	return got, nil
}

// answer is that of a token endpoint (RFC 6749, section 5).
type answer struct {
	AccessToken  string          `json:"access_token"`
	TokenType    string          `json:"token_type"`
	ExpiresIn    json.RawMessage `json:"expires_in"` // a number; some write it as a string
	RefreshToken string          `json:"refresh_token"`
	Error        string          `json:"error"`
}

func (a answer) life() time.Duration {
	seconds, err := strconv.ParseFloat(strings.Trim(string(a.ExpiresIn), `"`), 64)
	if err != nil || math.IsNaN(seconds) || seconds <= 0 {
		return 0 // not said: good until a 401
	}
	return time.Duration(min(seconds, 1e8) * float64(time.Second))
}

// readAnswer takes an answer apart. Of a refusal it tells the error's code
// alone: the rest is whatever the other system writes.
func readAnswer(a Auth, status int, body []byte) (answer, error) {
	var got answer
	err := json.Unmarshal(body, &got)
	at := tokenOrigin(a.tokenURL())
	switch {
	case status >= 500 || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout:
		return got, fail(abi.CodeUnreachable, "%s answered with status %d", at, status)
	case status != http.StatusOK:
		remedy := "check client_id and the secrets of the connection"
		if got.Error == "invalid_grant" && a.Grant == grantRefresh {
			remedy = "the refresh token is not valid any more: authorise the client again and store the new one as secret " + a.RefreshToken
		}
		return got, fail(CodeUnauthorized, "%s refused a token with status %d (%.60q): %s", at, status, got.Error, remedy)
	case err != nil || got.AccessToken == "":
		return got, fail(abi.CodeInvalid, "%s answered without a JSON access_token: check token_url", at)
	case got.TokenType != "" && !strings.EqualFold(got.TokenType, "bearer"):
		return got, fail(abi.CodeInvalid, "%s issues tokens of type %.30q: only bearer tokens are known", at, got.TokenType)
	case strings.ContainsFunc(got.AccessToken, isControl):
		return got, fail(abi.CodeInvalid, "%s issued a token that no header can carry", at)
	}
	return got, nil
}

// rotated is what the vault keeps of a refresh token.
type rotated struct {
	// First is the sha256 of the configured token: one that the operator
	// changes counts again.
	First string `json:"first"`
	Token string `json:"token"`
}

// vaultName names the place of a refresh token. A server that rotates tokens
// ends the former one, so no two connections can share one anyway.
func (a Auth) vaultName() string {
	return strings.Join([]string{"refresh", a.TokenURL, a.ClientID, a.RefreshToken}, "\n")
}

func first(opened secrets) string {
	sum := sha256.Sum256([]byte(opened.refresh))
	return hex.EncodeToString(sum[:])
}

// current returns the refresh token to use: the last that the server gave, or
// the configured one.
func (k *Keeper) current(a Auth, opened secrets) (string, error) {
	k.mu.Lock()
	r, known := k.rotated[a.vaultName()]
	k.mu.Unlock()
	if !known && k.config.Vault != nil {
		kept, err := k.config.Vault.Get(a.vaultName())
		if err == nil && kept != "" {
			err = json.Unmarshal([]byte(kept), &r)
		}
		if err != nil {
			return "", fail(abi.CodeUnavailable, "the refresh token that the server gave last can't be read: %v", err)
		}
	}
	if r.Token != "" && r.First == first(opened) {
		return r.Token, nil
	}
	return opened.refresh, nil
}

// rotate keeps a refresh token that took the place of another. The server has
// ended the former, so one that can't be written still serves this process.
func (k *Keeper) rotate(a Auth, opened secrets, next string) {
	r := rotated{first(opened), next}
	k.mu.Lock()
	k.rotated[a.vaultName()] = r
	k.mu.Unlock()
	if k.config.Vault == nil {
		return
	}
	data, err := json.Marshal(r)
	if err == nil {
		err = k.config.Vault.Put(a.vaultName(), string(data))
	}
	if err != nil {
		k.config.Log.Error("a rotated refresh token was not stored: it is lost when this process ends", "token_url", tokenOrigin(a.TokenURL), "client_id", a.ClientID, "error", err)
	}
}

// serviceKey is what is needed of a service account's key file.
type serviceKey struct {
	Email string `json:"client_email"`
	ID    string `json:"private_key_id"`
	Key   string `json:"private_key"`
}

// assert makes the JWT that a service account asks for tokens with (RFC 7523).
// Errors say nothing of the key.
func assert(a Auth, keyFile string, at time.Time) (string, error) {
	bad := func(what string) (string, error) {
		return "", fail(abi.CodeInvalid, "the secret %q is no service account's key file: %s; store the JSON file as it was downloaded", a.Secret, what)
	}
	var k serviceKey
	if err := json.Unmarshal([]byte(keyFile), &k); err != nil {
		return bad("it is not JSON")
	}
	if k.Email == "" {
		return bad("it has no client_email")
	}
	key, err := parseRSA(k.Key)
	if err != nil {
		return bad("its private_key is " + err.Error())
	}
	header := map[string]any{"alg": "RS256", "typ": "JWT"}
	if k.ID != "" {
		header["kid"] = k.ID
	}
	claims := map[string]any{
		"iss": k.Email, "scope": strings.Join(a.Scopes, " "), "aud": a.tokenURL(),
		"iat": at.Unix(), "exp": at.Add(assertionLife).Unix(),
	}
	if a.Subject != "" {
		claims["sub"] = a.Subject
	}
	var text strings.Builder
	for i, part := range []map[string]any{header, claims} {
		data, err := json.Marshal(part)
		if err != nil {
			return bad(err.Error())
		}
		if i > 0 {
			text.WriteByte('.')
		}
		text.WriteString(base64.RawURLEncoding.EncodeToString(data))
	}
	digest := sha256.Sum256([]byte(text.String()))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
	if err != nil {
		return bad("its private_key can't sign")
	}
	return text.String() + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

func parseRSA(text string) (*rsa.PrivateKey, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("not PEM")
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	any, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	key, ok := any.(*rsa.PrivateKey)
	if err != nil || !ok {
		return nil, errors.New("not an RSA key")
	}
	return key, nil
}
