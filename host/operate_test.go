package host_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// TestOperate: what operators set through the API counts at once and after a
// restart, and no GET of the API gives a secret, or the value of a token, out.
func TestOperate(t *testing.T) {
	t.Parallel()
	mirror := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"seen": %q}`, r.Header.Get("Authorization"))
	}))
	t.Cleanup(mirror.Close)
	i := install(t, []string{"http"}, map[string]string{
		"trama.yaml":       "env: {CURRENCY: BRL}\n",
		"connections.yaml": `[{id: mirror, base_url: "` + mirror.URL + `", auth: {type: bearer, secret: late}}]`,
		"grants.yaml":      "- {plugin: http, of: bundled, egress: [connection]}\n",
		"routes.yaml":      "- {method: GET, path: /tell, flow: tell}\n",
		"flows/tell.yaml": `schema: 1
id: tell
triggers: [{id: start, type: gateway}]
nodes:
  - {id: fetch, type: http.get, connection: mirror, with: {url: /}}
  - {id: say, type: response.json, with: {body: {got: "{{ input }}", env: "{{ env }}"}}}
edges:
  - {from: start, to: fetch}
  - {from: fetch, to: say}
`,
	})
	i.start()
	if a := i.call("GET", "/api/tell", ""); a.status != 503 {
		t.Errorf("without the secret: %d %s", a.status, a.body)
	}
	i.finding("trama secret set late")
	values := map[string]string{"first": "the-first-value-4411", "second": "the-second-value-9922"}
	seen := map[string]string{}
	for _, which := range []string{"first", "second"} {
		if a := i.admin("PUT", "/v1/secrets/late", `{"value": "`+values[which]+`"}`); a.status != 200 {
			t.Fatalf("set: %d %s", a.status, a.body)
		}
		a := i.call("GET", "/api/tell", "")
		if a.want(200) != nil || !strings.Contains(a.body, "[redacted]") {
			t.Errorf("with the %s value: %d %s", which, a.status, a.body)
		}
		seen["answer with the "+which] = a.body
	}
	if a := i.admin("PUT", "/v1/variables/LIMIT", `{"value": 9007199254740993}`); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	var made struct{ Token string }
	if a := i.admin("POST", "/v1/tokens", `{"id": "ci", "role": "viewer"}`); a.status != 201 || json.Unmarshal([]byte(a.body), &made) != nil || made.Token == "" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	values["token"] = made.Token

	i.restart()
	a := i.call("GET", "/api/tell", "")
	if a.want(200) != nil || !strings.Contains(a.body, "[redacted]") || !strings.Contains(a.body, `"LIMIT":9007199254740993`) || !strings.Contains(a.body, `"CURRENCY":"BRL"`) {
		t.Errorf("after a restart: %d %s", a.status, a.body)
	}
	seen["answer after a restart"] = a.body

	// Every GET that the API says it has, with a name that is there if we know
	// one: no value is in any of them.
	names := map[string]string{
		"/flows/{id}": "tell", "/plugins/{name}": "http", "/routes/{name}": "GET /tell", "/connections/{name}": "mirror", "/runs/{id}": i.runs()[0].ID,
		"/variables/{name}": "LIMIT", "/flows/{id}/versions": "tell",
	}
	var described struct {
		Paths map[string]map[string]any
	}
	if err := json.Unmarshal([]byte(i.admin("GET", "/v1/openapi.json", "").body), &described); err != nil {
		t.Fatal(err)
	}
	var calls []struct{ ID string }
	i.eventually("the calls to be logged", func() error {
		if err := json.Unmarshal([]byte(i.admin("GET", "/v1/calls?kind=connector", "").body), &calls); err != nil || len(calls) < 3 {
			return fmt.Errorf("%d calls, %v", len(calls), err)
		}
		return nil
	})
	for n, call := range calls {
		seen[fmt.Sprint("call ", n)] = i.admin("GET", "/v1/calls/"+call.ID, "").body
	}
	if !strings.Contains(seen["call 0"], "redacted") {
		t.Errorf("a logged call: %s", seen["call 0"])
	}
	asked, found := 0, 0
	for path, methods := range described.Paths {
		if methods["get"] == nil || path == "/backup" {
			continue
		}
		full := "/v1" + path
		if at := strings.IndexByte(path, '{'); at >= 0 {
			name := names[path]
			if name == "" {
				name = "none"
			}
			rest := path[strings.IndexByte(path, '}')+1:]
			full = "/v1" + path[:at] + url.PathEscape(name) + strings.NewReplacer("{version}", "1").Replace(rest)
		}
		a := i.admin("GET", full, "")
		if asked++; a.status == 200 {
			found++
		}
		if a.status >= 500 {
			t.Errorf("GET %s: %d %s", full, a.status, a.body)
		}
		seen[full] = a.body
	}
	if asked < 30 || found < 25 {
		t.Errorf("%d GETs, %d of them answered with something", asked, found)
	}
	seen["metrics"], seen["log"] = i.admin("GET", "/metrics", "").body, i.log.String()
	for name, value := range values {
		if places := find(seen, value); len(places) > 0 {
			t.Errorf("the %s is in %q", name, places)
		}
	}
	if !slices.Contains(find(seen, "secret/late"), "/v1/audit") {
		t.Errorf("the search does not find what is there: %s", seen["/v1/audit"])
	}
}
