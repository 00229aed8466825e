package catalog

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/flow"
)

// TestPlan: a plan says what an Apply will do, and does nothing.
func TestPlan(t *testing.T) {
	s := openStore(t, t.TempDir())
	c := openCatalog(t, s)
	set := Set{Flows: []*flow.Flow{hello(t, "one")}, Routes: []Route{route(1, "/a"), route(2, "/b")}, Grants: []Grant{someGrant(1, 32<<20)}}
	apply(t, c, set, true)
	before := c.Snapshot()
	if changes, err := c.Plan(t.Context(), set); err != nil || len(changes) != 0 {
		t.Errorf("what is there already: %v, %v", changes, err)
	}
	set = Set{Flows: []*flow.Flow{hello(t, "two")}, Routes: []Route{route(1, "/a"), route(2, "/c")}, Grants: []Grant{someGrant(1, 64<<20)}}
	changes, err := c.Plan(t.Context(), set)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, ch := range changes {
		lines = append(lines, fmt.Sprintf("%s %s v%d wider=%v: %s", ch.Action, ch.Object, ch.Version, ch.Wider, words(ch.Differences)))
	}
	got, want := strings.Join(lines, "\n"), strings.Join([]string{
		`updated flow/hello v2 wider=false: changed node reply: with.body "one" -> "two"`,
		`updated grant/acme bundled v0 wider=true: changed grant acme bundled: limits.memory "32MiB" -> "64MiB"`,
		`created route/GET /c v0 wider=false: added route GET /c: flow  -> "hello"; method  -> "GET"; path  -> "/c"`,
		`removed route/GET /b v0 wider=false: removed route GET /b: flow "hello" -> ; method "GET" -> ; path "/b" -> `,
	}, "\n")
	if got != want {
		t.Errorf("the plan is\n%s\nwant\n%s", got, want)
	}
	if c.Snapshot() != before || says(c) != "v1 one" {
		t.Errorf("the plan changed what there is: %s", says(c))
	}
	if versions, err := c.Versions(t.Context(), "hello"); err != nil || len(versions) != 1 {
		t.Errorf("versions: %v, %v", versions, err)
	}
	done, err := c.Apply(t.Context(), set, true)
	if err != nil {
		t.Fatal(err)
	}
	for i := range changes {
		changes[i].Differences = nil
	}
	if a, b := marshal(t, changes), marshal(t, done); a != b {
		t.Errorf("planned %s\ndone    %s", a, b)
	}
}

func marshal(t *testing.T, value any) string {
	t.Helper()
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestSecretUsers(t *testing.T) {
	c := openCatalog(t, openStore(t, t.TempDir()))
	for typ, document := range map[string]string{
		"channel":    `{id: in, adapter: whatsapp, secrets: {app_secret: wa_app, verify_token: wa_verify}}`,
		"connection": `{id: erp, base_url: "https://erp.example", auth: {type: bearer, secret: wa_app}}`,
		"alert":      `{id: ops, webhook: {url: "https://ops.example", secret: ops}}`,
		"route":      `{method: GET, path: /a, flow: hello, security: {jwt: {issuer: "https://id.example", audience: api, algorithms: [HS256], secret: sign}}}`,
		"gateway":    `{security: {jwt: {issuer: "https://id.example", audience: api, algorithms: [HS256], secret: sign}}}`,
		"subscription": `{id: crm, url: "https://crm.example", events: [message], secrets: [crm_sign], headers: {A: "{{ one }} {{ two }}", B: "{{ secret.crm_header }}"},
			tokens: {one: {oauth2: {token_url: "https://crm.example/t", client_id: trama, secret: crm_client}},
			two: {http: {url: "https://crm.example/u", headers: {C: "{{ secret.crm_http }}"}, body: {key: ["{{ secret.crm_body }}"]}, token: /t}}}}`,
	} {
		k, _ := KindOf(typ)
		if _, err := c.Put(t.Context(), k, "", []byte(document)); err != nil {
			t.Fatal(err)
		}
	}
	if got := fmt.Sprint(c.Snapshot().SecretUsers()); got != "map[crm_body:[subscription/crm] crm_client:[subscription/crm] crm_header:[subscription/crm] crm_http:[subscription/crm] crm_sign:[subscription/crm] "+
		"ops:[alert/ops] sign:[gateway/gateway route/GET /a] wa_app:[channel/in connection/erp] wa_verify:[channel/in]]" {
		t.Error(got)
	}
}

// TestAPIObjects: tokens and variables are made through the API alone.
func TestAPIObjects(t *testing.T) {
	c := openCatalog(t, openStore(t, t.TempDir()))
	hash := strings.Repeat("0f", 32)
	for _, o := range []struct{ kind, document, says string }{
		{"token", `{id: ci, role: viewer, hash: ` + hash + `, hint: abcd, created: "2026-05-04T10:00:00Z"}`, ""},
		{"token", `{id: ci, role: root, hash: ` + hash + `, hint: abcd, created: "2026-05-04T10:00:00Z"}`, `role "root"; use viewer, operator, admin`},
		{"token", `{id: CI, role: admin, hash: ` + hash + `, hint: abcd, created: "2026-05-04T10:00:00Z"}`, `token id "CI"`},
		{"token", `{id: ci, role: admin, hash: secret, hint: abcd, created: "2026-05-04T10:00:00Z"}`, "not a SHA-256"},
		{"variable", `{name: LIMIT, value: 9007199254740993}`, ""},
		{"variable", `{name: 1ST, value: 1}`, `variable "1ST"`},
		{"variable", `{name: NONE}`, "value"},
	} {
		k, _ := KindOf(o.kind)
		_, err := c.Put(t.Context(), k, "", []byte(o.document))
		if (err == nil) != (o.says == "") || err != nil && !strings.Contains(err.Error(), o.says) {
			t.Errorf("%s %s: %v, want %q", o.kind, o.document, err, o.says)
		}
	}
	if s := c.Snapshot(); s.Tokens["ci"].Role != RoleViewer || string(s.Variables["LIMIT"]) != "9007199254740993" || len(s.Tokens)+len(s.Variables) != 2 {
		t.Errorf("%+v, %s", s.Tokens, s.Variables)
	}
	if got := apply(t, c, Set{}, false); got != "" { // no file takes them away
		t.Errorf("an empty workspace: %s", got)
	}
	for _, pair := range [][2]Role{{RoleViewer, RoleOperator}, {RoleOperator, RoleAdmin}, {"root", RoleViewer}, {RoleAdmin, ""}} {
		if pair[0].Includes(pair[1]) {
			t.Errorf("%s may what %s may", pair[0], pair[1])
		}
	}
	if !RoleAdmin.Includes(RoleViewer) || !RoleOperator.Includes(RoleOperator) {
		t.Error("a role may not what lesser ones may")
	}
}
