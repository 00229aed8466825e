package host_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/trama-run/trama/pdk/abi"
)

func address(path string) abi.Address { return abi.Address{Scheme: "post", Path: path} }

// TestSecrecy: the values of secrets are in nothing that a guest, a caller or
// an operator gets, though a server sends them back; the search for them does
// find what is planted.
func TestSecrecy(t *testing.T) {
	t.Parallel()
	const planted, credential = "planted-4b1d7e", "credential-of-a-caller"
	secrets := map[string]string{"bearer": "s3cret-bearer-90f2", "password": "s3cret-password-71aa", "post_key": postKey, "peer_token": "s3cret-peer-5e5e"}
	mirror := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Seen", r.Header.Get("Authorization"))
		fmt.Fprintf(w, `{"authorization": %q, "planted": "%s"}`, r.Header.Get("Authorization"), planted)
	}))
	t.Cleanup(mirror.Close)
	p := newPeer(t)
	files := join(withPost(t, p, counting), map[string]string{
		"trama.yaml":  "env: {PLACE: planted-env}\n",
		"routes.yaml": "- {method: POST, path: /tell, flow: tell}\n- {method: POST, path: /fail, flow: fail}\n",
		"flows/fail.yaml": `schema: 1
id: fail
triggers: [{id: start, type: gateway}]
nodes:
  - {id: script, type: run_code, with: {input: "{{ input.body }}", code: "throw new Error(input)"}}
edges:
  - {from: start, to: script}
`,
		"flows/tell.yaml": `schema: 1
id: tell
triggers: [{id: start, type: gateway}]
nodes:
  - {id: fetch, type: http.get, connection: mirror, with: {url: /}}
  - {id: login, type: http.get, connection: basic, with: {url: /}}
  - {id: wrong, type: http.get, connection: mirror, with: {url: "http://{{ trigger.body }}.test/"}}
  - id: script
    type: run_code
    with:
      input: {trigger: "{{ trigger }}", nodes: "{{ nodes }}"}
      code: |
        console.log("` + planted + `", JSON.stringify({nodes: input.nodes, flow, user, env}));
        return {input, flow, user, env, all: Object.keys(globalThis).map(String)};
  - {id: say, type: response.json, with: {body: "{{ input }}"}}
edges:
  - {from: start, to: fetch}
  - {from: fetch, to: login}
  - {from: login, to: wrong}
  - {from: wrong, to: script}
  - {from: wrong, port: error, to: script}
  - {from: script, to: say}
`,
	})
	files["connections.yaml"] = `- {id: mirror, base_url: "` + mirror.URL + `", auth: {type: bearer, secret: bearer}}
- {id: basic, base_url: "` + mirror.URL + `", auth: {type: basic, username: trama, secret: password}}
` + "- " + strings.Trim(files["connections.yaml"], "[]") + "\n"
	files["grants.yaml"] += "- {plugin: http, of: bundled, egress: [connection]}\n"
	i := install(t, []string{"javascript", "http"}, files)
	i.secrets = secrets
	i.start()

	a := i.call("POST", "/api/tell", planted, "Content-Type", "text/plain", "Authorization", "Bearer "+credential)
	if err := a.want(200); err != nil {
		t.Fatal(err)
	}
	d := i.ended(a.run())
	names := []string{"{{secret:peer_token}}", "{{ env.PLACE }}", "{{ secrets.bearer }}", "${TRAMA_SECRET_BEARER}"}
	for n, name := range names {
		i.accepted(fmt.Sprint("d", n), unit{ID: fmt.Sprint("u", n), From: "ana", Text: name})
	}
	p.wait(i, len(names))
	for n, text := range p.texts("ana") {
		if want := fmt.Sprintf("%d: %s", n+1, names[n]); text != want {
			t.Errorf("ana got %q, want %q", text, want)
		}
	}

	// One that a caller knows and sends is in no record that operators see.
	told := i.call("POST", "/api/tell", `{"echo": "it is `+secrets["password"]+`"}`, "Content-Type", "application/json")
	if err := told.want(200); err != nil {
		t.Fatal(err)
	}
	if kept := i.admin("GET", "/v1/runs/"+i.ended(told.run()).ID, "").body; !strings.Contains(kept, `"it is [redacted]"`) {
		t.Errorf("the record has what was sent otherwise: %s", kept)
	}

	if a := i.call("POST", "/api/fail", `"it is `+secrets["password"]+`"`, "Content-Type", "application/json"); a.status != 500 {
		t.Fatalf("%d %s", a.status, a.body)
	} else if failed := i.ended(a.run()); !strings.Contains(failed.Error.Message, "it is [redacted]") {
		t.Errorf("the run failed with %+v", failed.Error)
	}

	texts := map[string]string{"the answer": a.body, "the log": i.log.String()}
	paths := []string{"/v1/flows", "/v1/flows/tell", "/v1/plugins", "/v1/grants", "/v1/runs", "/v1/doctor", "/v1/dead-letters", "/v1/outbox", "/v1/deliveries", "/v1/sessions"}
	for _, r := range i.runs() {
		paths = append(paths, "/v1/runs/"+r.ID)
	}
	for _, path := range paths {
		found := i.admin("GET", path, "")
		if err := found.want(200); err != nil {
			t.Error(err)
		}
		texts[path] = found.body
	}
	for _, s := range p.got() {
		texts["the peer's bodies"] += s.Body
	}
	for _, place := range []string{"the answer", "/v1/runs/" + d.ID, "/v1/flows/tell"} {
		if !slices.Contains(find(texts, planted), place) {
			t.Errorf("the search does not find what is planted in %s: %s", place, texts[place])
		}
	}
	if !strings.Contains(texts["the log"], "plugin loaded") || !strings.Contains(texts["the answer"], "[redacted]") || !strings.Contains(texts["the answer"], "planted-env") {
		t.Errorf("the log or the answer is not what it should be: %s", texts["the answer"])
	}
	secrets["password, as it is sent"] = base64.StdEncoding.EncodeToString([]byte("trama:" + secrets["password"]))
	for name, value := range secrets {
		if places := find(texts, value); len(places) > 0 {
			t.Errorf("the secret %s is in %q", name, places)
		}
	}
	delete(texts, "the answer") // the flow gave the caller's own header back
	if places := find(texts, credential); len(places) > 0 {
		t.Errorf("the caller's credential is in %q", places)
	}
}

// find lists the texts that hold a value, plainly or in a usual encoding.
func find(texts map[string]string, value string) (places []string) {
	raw := []byte(value)
	for place, text := range texts {
		for _, form := range []string{value, url.QueryEscape(value), hex.EncodeToString(raw), base64.RawStdEncoding.EncodeToString(raw), base64.RawURLEncoding.EncodeToString(raw)} {
			if strings.Contains(text, form) {
				places = append(places, place)
				break
			}
		}
	}
	return places
}
