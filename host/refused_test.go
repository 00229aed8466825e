package host_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// TestRefusedToken: a token server that refuses is asked once, however many
// calls need a token; the doctor names the connection, and a new secret is
// tried at once.
func TestRefusedToken(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	crm := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/token" {
			fmt.Fprint(w, "{}")
			return
		}
		asked.Add(1)
		if r.FormValue("refresh_token") != "canary-second" {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"error": "invalid_grant"}`)
			return
		}
		fmt.Fprint(w, `{"access_token": "canary-token"}`)
	}))
	t.Cleanup(crm.Close)
	i := install(t, []string{"http"}, map[string]string{
		"connections.yaml": fmt.Sprintf("- {id: crm, base_url: %s, auth: {type: oauth2, grant: refresh_token, token_url: %[1]s/token, client_id: trama, refresh_token: crm_refresh}}\n", crm.URL),
		"grants.yaml":      "- {plugin: http, of: bundled, egress: [connection]}\n",
		"routes.yaml":      "- {method: GET, path: /deals, flow: deals}\n",
		"flows/deals.yaml": `schema: 1
id: deals
triggers: [{id: start, type: gateway}]
nodes:
  - {id: get, type: http.get, connection: crm, with: {url: /deals}, retry: {attempts: 3, backoff: 10ms}}
  - {id: answer, type: response.json, with: {body: "{{ input.status }}"}}
  - {id: failed, type: response.json, with: {status: 502, body: "{{ error }}"}}
edges: [{from: start, to: get}, {from: get, to: answer}, {from: get, port: error, to: failed}]
`,
	})
	i.start()
	set := func(value string) {
		t.Helper()
		if err := i.admin("PUT", "/v1/secrets/crm_refresh", `{"value": "`+value+`"}`).want(200); err != nil {
			t.Fatal(err)
		}
	}
	set("canary-first")
	for range 3 {
		if a := i.call("GET", "/api/deals", ""); a.status != 502 || !strings.Contains(a.body, `"unauthorized"`) || !strings.Contains(a.body, "store the new one as secret crm_refresh") || strings.Contains(a.body, "canary") {
			t.Errorf("refused: %d %s", a.status, a.body)
		}
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("the token server was asked %d times", n)
	}
	i.finding("failing", "connection crm (connections.yaml", "invalid_grant", "store the new one as secret crm_refresh")
	if a := i.admin("GET", "/readyz", ""); a.status != 200 || !strings.Contains(a.body, "no token is given to: crm") {
		t.Errorf("/readyz: %d %s", a.status, a.body)
	}
	set("canary-second")
	if err := i.call("GET", "/api/deals", "").want(200); err != nil {
		t.Error(err)
	}
	if a := i.admin("GET", "/v1/doctor", ""); strings.Contains(a.body, "connection crm") {
		t.Errorf("the doctor still says %s", a.body)
	}
}
