package host_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/trama-run/trama/host/access"
	"github.com/trama-run/trama/host/admin"
)

// echoFlow answers with the event that it got.
const echoFlow = `{schema: 1, id: echo, triggers: [{id: start, type: gateway}], nodes: [{id: answer, type: response.json, with: {body: "{{ trigger }}"}}], edges: [{from: start, to: answer}]}`

// client makes a client through the API.
func (i *installation) newClient(q admin.ClientRequest) (made admin.NewClientKey) {
	i.t.Helper()
	body, err := json.Marshal(q)
	if err != nil {
		i.t.Fatal(err)
	}
	a := i.admin("POST", "/v1/clients", string(body))
	if a.status != 201 {
		i.t.Fatalf("%d %s", a.status, a.body)
	}
	if err := json.Unmarshal([]byte(a.body), &made); err != nil {
		i.t.Fatal(err)
	}
	return made
}

// TestAccess: routes are closed to all but those whom they name, on a real
// listener and behind a proxy that is trusted.
func TestAccess(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"keys":[{"kty":"EC","crv":"P-256","kid":"1","x":%q,"y":%q}]}`, b64(point[1:33]), b64(point[33:]))
	}))
	defer issuer.Close()
	i := serve(t, nil, map[string]string{
		"trama.yaml":      "trusted_proxies: [127.0.0.0/8]\n",
		"flows/echo.yaml": echoFlow,
		"routes.yaml": `
- {method: GET, path: /office, flow: echo, security: {ips: [198.51.100.0/24, "2001:db8::/32"]}}
- {method: POST, path: /signed, flow: echo, security: {clients: [erp], signed: true}}
- {method: GET, path: /token, flow: echo, security: {jwt: {issuer: me, audience: trama, algorithms: [ES256], jwks: "` + issuer.URL + `/keys"}, scopes: [read]}}
- {method: GET, path: /rate, flow: echo, security: {clients: any, rate: 2/1h}}
- {method: GET, path: /rest, flow: echo}
`,
	})
	made := i.newClient(admin.ClientRequest{Name: "erp", ClientSettings: admin.ClientSettings{Signed: true}})

	for _, c := range []struct {
		forwarded string
		status    int
	}{
		{"198.51.100.7", 200}, {"10.0.0.1, 198.51.100.7", 200}, {"2001:db8::1", 200}, {"[2001:db8::1]:99", 200},
		{"198.51.100.7, 203.0.113.1", 403}, {"198.51.100.7, unknown", 403}, {"", 403},
	} {
		headers := []string{}
		if c.forwarded != "" {
			headers = []string{"X-Forwarded-For", c.forwarded}
		}
		if a := i.call("GET", "/api/office", "", headers...); a.status != c.status {
			t.Errorf("X-Forwarded-For %q: %d %s", c.forwarded, a.status, a.body)
		}
	}
	if a := i.call("GET", "/api/office", "", "X-Forwarded-For", "203.0.113.1", "Forwarded", "for=198.51.100.7"); a.status != 403 {
		t.Errorf("two headers of which one is made up: %d %s", a.status, a.body)
	}

	var signature string
	i.eventually("a signed request", func() error { // signatures of the second in which the host began are too old
		signature = access.Sign(made.Secret, "nonce-0001", time.Now(), "POST", "/api/signed?b=2&a=%20", []byte(`{"n": 1}`))
		if a := i.call("POST", "/api/signed?b=2&a=%20", `{"n": 1}`, "client_id", made.ClientID, "Trama-Signature", signature, "Content-Type", "application/json"); a.status != 200 {
			return fmt.Errorf("%d %s", a.status, a.body)
		} else if strings.Contains(a.body, made.ClientID) || strings.Contains(a.body, signature) || !strings.Contains(a.body, `"name":"erp"`) {
			t.Fatalf("the flow is told of credentials, or not of the client: %s", a.body)
		}
		return nil
	})
	again := func() answer {
		return i.call("POST", "/api/signed?b=2&a=%20", `{"n": 1}`, "client_id", made.ClientID, "Trama-Signature", signature, "Content-Type", "application/json")
	}
	i.problem(again(), 401, "signature_replayed")
	i.problem(i.call("POST", "/api/signed?a=%20&b=2", `{"n": 1}`, "client_id", made.ClientID, "Trama-Signature", signature), 401, "unauthorized")
	i.restart()
	i.problem(again(), 401, "signature_late")

	claims := jwt.MapClaims{"iss": "me", "aud": "trama", "sub": "ana", "scope": "read", "exp": time.Now().Add(time.Hour).Unix()}
	for scope, status := range map[string]int{"read": 200, "write": 403} {
		claims["scope"] = scope
		token := jwt.NewWithClaims(jwt.SigningMethodES256, claims)
		token.Header["kid"] = "1"
		text, err := token.SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		a := i.call("GET", "/api/token", "", "Authorization", "Bearer "+text)
		if a.status != status || status == 200 && (!strings.Contains(a.body, `"sub":"ana"`) || strings.Contains(a.body, text)) {
			t.Errorf("a token with scope %s: %d %s", scope, a.status, a.body)
		}
	}
	i.problem(i.call("GET", "/api/token", ""), 401, "unauthorized")

	for n, status := range []int{200, 200, 429} {
		a := i.call("GET", "/api/rate", "", "client_id", made.ClientID)
		if a.status != status || !strings.Contains(a.header.Get("RateLimit"), fmt.Sprintf(`"rate";r=%d`, max(1-n, 0))) {
			t.Errorf("call %d: %d %s %v", n+1, a.status, a.body, a.header)
		}
		if status == 429 && a.header.Get("Retry-After") != "1800" {
			t.Errorf("Retry-After: %q", a.header.Get("Retry-After"))
		}
	}

	// What holds for all routes is a document, and a route's own goes before it.
	if a := i.call("GET", "/api/rest", ""); a.status != 200 {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := i.admin("PUT", "/v1/gateway", "security: {clients: any}"); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	i.problem(i.call("GET", "/api/rest", ""), 401, "unauthorized")
	if a := i.call("GET", "/api/office", "", "X-Forwarded-For", "198.51.100.7"); a.status != 200 {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := i.admin("GET", "/v1/routes", ""); !strings.Contains(a.body, `"policy":"any client"`) || !strings.Contains(a.body, `"policy":"only from 198.51.100.0/24, 2001:db8::/32"`) {
		t.Errorf("%s", a.body)
	}
	if a := i.admin("DELETE", "/v1/gateway", ""); a.status != 200 || i.call("GET", "/api/rest", "").status != 200 {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// TestManyUnknownClients: thousands of ids that nobody has are refused, and the
// host is as it was.
func TestManyUnknownClients(t *testing.T) {
	i := serve(t, nil, map[string]string{
		"flows/echo.yaml": echoFlow,
		"routes.yaml":     "- {method: GET, path: /a, flow: echo, security: {clients: any}}\n",
	})
	made := i.newClient(admin.ClientRequest{Name: "erp"})
	if a := i.call("GET", "/api/a", "", "client_id", made.ClientID); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	seen := map[int]int{}
	for n := range 3000 {
		seen[i.call("GET", "/api/a", "", "client_id", fmt.Sprintf("trama_%08d_%052d", n, n)).status]++
	}
	if seen[401] < 20 || seen[429] == 0 || seen[401]+seen[429] != 3000 {
		t.Errorf("statuses %v", seen)
	}
	if a := i.call("GET", "/api/a", "", "client_id", made.ClientID); a.status != 200 {
		t.Errorf("the client that was let in before: %d %s", a.status, a.body)
	}
	i.eventually("the two runs", func() error {
		if runs := i.runs(); len(runs) != 2 {
			return fmt.Errorf("%d runs", len(runs))
		}
		return nil
	})
}
