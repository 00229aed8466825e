//go:build peers

package host_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/trama-run/trama/pdk/abi/jwa"
	"github.com/trama-run/trama/plugins/google_sheets/sheetstest"
	others "github.com/trama-run/trama/plugins/peer"
)

// guarded lets requests through to the stub of Google Sheets whose token the
// issuer has signed and nobody has revoked.
type guarded struct {
	stub   http.Handler
	issuer string

	mu      sync.Mutex
	last    string          // guarded by mu; the token that came last
	revoked map[string]bool // guarded by mu
	refused int             // guarded by mu
}

func (g *guarded) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	g.mu.Lock()
	g.last = token
	revoked := g.revoked[token]
	g.mu.Unlock()
	r.Header.Set("Authorization", "Bearer good")
	if err := g.signed(token); err != nil || revoked {
		g.mu.Lock()
		g.refused++
		g.mu.Unlock()
		r.Header.Set("Authorization", "Bearer bad")
	}
	g.stub.ServeHTTP(w, r)
}

// signed checks a token by the keys that the issuer publishes.
func (g *guarded) signed(token string) error {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	response, err := http.Get(g.issuer + "/jwks")
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&set); err != nil || len(set.Keys) != 1 {
		return fmt.Errorf("%d keys, %v", len(set.Keys), err)
	}
	key, err := jwa.ParseJWK(set.Keys[0])
	if err != nil {
		return err
	}
	dot := strings.LastIndexByte(token, '.')
	if dot < 0 {
		return fmt.Errorf("the token is %q", token)
	}
	signature, err := base64.RawURLEncoding.DecodeString(token[dot+1:])
	if err != nil {
		return err
	}
	if right, err := jwa.Verify("RS256", key.Public, []byte(token[:dot]), signature); err != nil || !right {
		return fmt.Errorf("not the issuer's: %v", err)
	}
	return nil
}

// TestPeerOAuth: oauth2-mock-server gives tokens for a sheet to connections of
// each kind; they are renewed when they are revoked, a refresh token that is
// rotated is kept over a restart, and who is refused learns no secret.
func TestPeerOAuth(t *testing.T) {
	const client, secret, account = "trama & co", "canary/s3cret+ü&=", "robot@project.example"
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	file := asJSON(t, map[string]string{
		"type": "service_account", "client_email": account, "private_key_id": "1",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	})
	issuer := others.Start(t, "testdata/peers/oauth.mjs", "CLIENT="+client, "SECRET="+secret, "REFRESH=canary-first", "ACCOUNT="+account,
		"KEY="+string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})))
	stub := sheetstest.New("good")
	stub.Guard(t)
	stub.Put("1aBcInventedSheet", "Clients", []any{"name", "phone"}, []any{"Ana", json.Number("551")})
	guard := &guarded{stub: stub, issuer: issuer.URL, revoked: map[string]bool{}}
	sheets := httptest.NewServer(guard)
	t.Cleanup(sheets.Close)

	files := map[string]string{"grants.yaml": "- {plugin: google_sheets, of: bundled, egress: [connection]}\n"}
	own := fmt.Sprintf("token_url: %q, ", issuer.URL+"/token")
	oauth := own + fmt.Sprintf("type: oauth2, client_id: %q, ", client)
	for name, auth := range map[string]string{
		"credentials": oauth + "secret: client, scopes: [sheets]",
		"refresh":     oauth + "secret: client, grant: refresh_token, refresh_token: first, client_auth: body",
		"account":     own + "type: service_account, secret: file, subject: ana@example.com, scopes: [sheets]",
		"wrong":       oauth + "secret: other",
		"stale":       oauth + "secret: client, grant: refresh_token, refresh_token: other, client_auth: body",
		"scopeless":   own + "type: service_account, secret: file, subject: ana@example.com, scopes: [mail]",
	} {
		files["connections.yaml"] += fmt.Sprintf("- {id: %s, base_url: %q, auth: {%s}}\n", name, sheets.URL, auth)
		files["routes.yaml"] += fmt.Sprintf("- {method: GET, path: /%s, flow: %[1]s}\n", name)
		files["flows/"+name+".yaml"] = `schema: 1
id: ` + name + `
triggers: [{id: start, type: gateway}]
nodes:
  - {id: read, type: google_sheets.read, connection: ` + name + `, with: {spreadsheet: 1aBcInventedSheet, sheet: Clients}}
  - {id: answer, type: response.json, with: {body: "{{ input.rows }}"}}
  - {id: failed, type: response.json, with: {status: 502, body: "{{ error }}"}}
edges: [{from: start, to: read}, {from: read, to: answer}, {from: read, port: error, to: failed}]
`
	}
	i := install(t, []string{"google_sheets"}, files)
	i.secrets = map[string]string{"client": secret, "first": "canary-first", "file": file, "other": "canary-other"}
	i.start()
	for _, name := range []string{"credentials", "refresh", "account"} {
		for _, step := range []string{"a token is got", "it is used", "it was revoked"} {
			if step == "it was revoked" {
				guard.mu.Lock()
				guard.revoked[guard.last] = true
				guard.mu.Unlock()
			}
			if a := i.call("GET", "/api/"+name, ""); a.status != 200 || !strings.Contains(a.body, `"Ana"`) {
				t.Errorf("%s, %s: %d %s", name, step, a.status, a.body)
			}
		}
	}
	for name, want := range map[string]string{"wrong": "invalid_client", "stale": "invalid_grant", "scopeless": "invalid_grant"} {
		if a := i.call("GET", "/api/"+name, ""); a.status != 502 || !strings.Contains(a.body, want) || strings.Contains(a.body, "canary") {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	i.restart()
	if a := i.call("GET", "/api/refresh", ""); a.status != 200 {
		t.Errorf("after a restart: %d %s", a.status, a.body)
	}
	if guard.refused != 3 || strings.Contains(i.log.String(), "canary") {
		t.Errorf("%d requests with a token that was revoked or never issued, want 3; the log: %t", guard.refused, strings.Contains(i.log.String(), "canary"))
	}
}
