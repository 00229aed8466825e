package admin

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/trama-run/trama/host/access"
	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/outbox"
	"github.com/trama-run/trama/host/problem"
	"github.com/trama-run/trama/host/secret"
	"github.com/trama-run/trama/host/store/memory"
)

// rig is the API over real objects and secrets.
type rig struct {
	*testing.T
	config Config
	app    *fiber.App
	now    time.Time
}

// fileToken is the token of the rig's file.
const fileToken = "the token of the file"

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{T: t, now: time.Now().UTC().Truncate(time.Second)}
	clock := func() time.Time { return r.now }
	s := memory.Open(memory.NewDisk(), clock)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	objects, err := catalog.Open(t.Context(), s, func(*catalog.Snapshot) {})
	if err != nil {
		t.Fatal(err)
	}
	vault, err := secret.OpenVault(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	secrets := secret.New([]string{"TRAMA_SECRET_OF_ENV=the value of env"}, "")
	if err := secrets.Keep(vault); err != nil {
		t.Fatal(err)
	}
	guard, err := access.New(t.Context(), access.Config{Store: s, Secrets: secrets, Vault: vault, Now: clock, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	r.config = Config{Guard: guard, Token: fileToken, Store: s, Catalog: objects, Secrets: secrets, Outbox: outbox.New(outbox.Config{Store: s}), Env: map[string]any{"CURRENCY": "BRL"}, Now: clock}
	r.mount(newAPI(r.config).endpoints())
	return r
}

// mount serves a table.
func (r *rig) mount(table []endpoint) {
	r.app = fiber.New(fiber.Config{ErrorHandler: func(c *fiber.Ctx, err error) error {
		details, ok := err.(*problem.Details)
		if !ok {
			r.Fatalf("%s %s: %v is no problem", c.Method(), c.Path(), err)
		}
		return c.Status(details.Status).SendString(details.Code + ": " + details.Detail)
	}})
	newAPI(r.config).mount(r.app, table)
}

// ask sends a request with a token and gives the answer.
func (r *rig) ask(token, method, path, body string) (int, string) {
	r.Helper()
	q := httptest.NewRequest(method, path, strings.NewReader(body))
	if token != "" {
		q.Header.Set("Authorization", "Bearer "+token)
	}
	a, err := r.app.Test(q, -1)
	if err != nil {
		r.Fatal(err)
	}
	defer a.Body.Close()
	data, err := io.ReadAll(a.Body)
	if err != nil {
		r.Fatal(err)
	}
	return a.StatusCode, string(data)
}

// get decodes the answer to a GET of the file's token.
func (r *rig) get(path string, into any) {
	r.Helper()
	status, body := r.ask(fileToken, "GET", path, "")
	if err := json.Unmarshal([]byte(body), into); status != 200 || err != nil {
		r.Fatalf("GET %s: %d %s (%v)", path, status, body, err)
	}
}

// token makes a token.
func (r *rig) token(id string, role catalog.Role, expires time.Time) string {
	r.Helper()
	body, err := json.Marshal(TokenRequest{id, role, expires})
	if err != nil {
		r.Fatal(err)
	}
	status, answer := r.ask(fileToken, "POST", "/v1/tokens", string(body))
	var made NewToken
	if err := json.Unmarshal([]byte(answer), &made); status != 201 || err != nil {
		r.Fatalf("%d %s", status, answer)
	}
	return made.Token
}

// TestRoles asks each endpoint of the table with each role.
func TestRoles(t *testing.T) {
	r := newRig(t)
	bearer := map[catalog.Role]string{}
	for _, role := range catalog.Roles() {
		bearer[role] = r.token(string(role), role, time.Time{})
	}
	table := newAPI(r.config).endpoints()
	if len(table) < 50 {
		t.Fatalf("the table has %d endpoints", len(table))
	}
	for i := range table {
		table[i].handle = func(c *fiber.Ctx) error { return c.SendStatus(299) }
	}
	r.mount(table)
	for have, role := range catalog.Roles() {
		for _, e := range table {
			method, path, _ := strings.Cut(e.do, " ")
			status, body := r.ask(bearer[role], method, "/v1"+strings.NewReplacer(":", "", "+", "").Replace(path), "")
			need := slices.Index(catalog.Roles(), e.needs())
			switch {
			case need < 0:
				t.Errorf("%s needs the role %q", e.do, e.needs())
			case have >= need && status != 299:
				t.Errorf("%s as %s: %d %s, want it to be reached", e.do, role, status, body)
			case have < need && (status != 403 || !strings.Contains(body, "of the role "+string(e.needs()))):
				t.Errorf("%s as %s: %d %s, want a refusal that names the role %s", e.do, role, status, body, e.needs())
			}
		}
	}
	// What changes something is an admin's, but for the work of operators.
	operators := []string{
		"POST /runs/:id/retry", "POST /runs/:id/cancel", "POST /activations", "POST /events/:name", "PUT /contacts/+key", "PATCH /contacts/+key", "DELETE /contacts/+key",
		"POST /contacts/merge", "POST /contacts/import",
		"POST /dead-letters/replay", "POST /dead-letters/:id/replay", "DELETE /dead-letters/:id", "POST /outbox/cancel",
		"POST /channels/:id/connect", "POST /channels/:id/check", "POST /subscriptions/:id/test", "POST /subscriptions/:id/enable", "POST /subscriptions/:id/replay",
	}
	for _, e := range table {
		method, _ := e.route()
		want := catalog.RoleAdmin
		switch {
		case slices.Contains(operators, e.do):
			want = catalog.RoleOperator
		case method == "GET" && e.do != "GET /backup", e.do == "POST /plan":
			want = catalog.RoleViewer
		}
		if e.needs() != want {
			t.Errorf("%s needs %s, want %s", e.do, e.needs(), want)
		}
	}
}

// TestTokens: who is let in, and what is shown of a token.
func TestTokens(t *testing.T) {
	r := newRig(t)
	ci := r.token("ci", catalog.RoleViewer, r.now.Add(time.Hour))
	for _, c := range []struct{ name, token, says string }{
		{"the file's", fileToken, `{"token":"admin.token","role":"admin"}`},
		{"one that was made", ci, `{"token":"ci","role":"viewer"}`},
		{"none", "", "token: send a token"},
		{"an unknown one", "trama_x", "token: the token is not one of this server"},
		{"part of one", ci[:len(ci)-1], "token: the token is not one of this server"},
	} {
		if status, body := r.ask(c.token, "GET", "/v1/whoami", ""); !strings.HasPrefix(body, c.says) || (status == 200) != (c.says[0] == '{') {
			t.Errorf("%s: %d %s", c.name, status, body)
		}
	}
	var list []TokenInfo
	if r.get("/v1/tokens", &list); len(list) != 1 || list[0].Hint != ci[len(ci)-4:] || !list[0].Used.Equal(r.now) || list[0].Expired {
		t.Errorf("list: %+v", list)
	}
	if _, body := r.ask(fileToken, "GET", "/v1/tokens", ""); strings.Contains(body, ci) || strings.Contains(body, "hash") {
		t.Errorf("the list tells too much: %s", body)
	}
	used := r.now
	r.now = r.now.Add(30 * time.Minute) // coarse: not written again
	r.ask(ci, "GET", "/v1/whoami", "")
	if r.get("/v1/tokens", &list); !list[0].Used.Equal(used) {
		t.Errorf("used at %s", list[0].Used)
	}
	r.now = r.now.Add(30 * time.Minute)
	if status, body := r.ask(ci, "GET", "/v1/whoami", ""); status != 401 || !strings.HasPrefix(body, CodeExpired+": the token ci expired at ") {
		t.Errorf("at its end: %d %s", status, body)
	}
	for _, c := range []struct {
		body   string
		status int
	}{
		{`{"id": "ci", "role": "admin"}`, 409},
		{`{"id": "x", "role": "root"}`, 422},
		{`{"id": "X", "role": "admin"}`, 422},
		{`{"id": "x", "role": "admin", "expires": "2020-01-01T00:00:00Z"}`, 422},
		{`{"id": "x", "rol": "admin"}`, 400},
	} {
		if status, body := r.ask(fileToken, "POST", "/v1/tokens", c.body); status != c.status {
			t.Errorf("%s: %d %s", c.body, status, body)
		}
	}
	other := r.token("other", catalog.RoleAdmin, time.Time{})
	if status, body := r.ask(other, "DELETE", "/v1/tokens/other", ""); status != 200 {
		t.Errorf("remove: %d %s", status, body)
	}
	if status, _ := r.ask(other, "GET", "/v1/whoami", ""); status != 401 {
		t.Errorf("a token that was removed: %d", status)
	}
}

// TestSecrets: a value goes in and never comes out.
func TestSecrets(t *testing.T) {
	r := newRig(t)
	const value = "what nobody may see again"
	if status, body := r.ask(fileToken, "PUT", "/v1/connections/erp", `{id: erp, base_url: "https://erp.example", auth: {type: bearer, secret: erp}}`); status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	var list []SecretInfo
	if r.get("/v1/secrets", &list); len(list) != 2 || !list[0].Missing || list[0].Name != "erp" || list[0].Users[0] != "connection/erp" || list[1].Source != secret.FromEnv {
		t.Errorf("before: %+v", list)
	}
	for _, c := range []struct {
		path, body string
		status     int
	}{
		{"erp", `{"value": "` + value + `"}`, 200},
		{"erp", `{"value": "` + value + `", "more": 1}`, 400},
		{"erp", `{"value": "` + value, 400},
		{"erp", `{"value": ""}`, 422},
		{"ERP", `{"value": "` + value + `"}`, 422},
		{"of_env", `{"value": "` + value + `"}`, 409},
	} {
		if status, body := r.ask(fileToken, "PUT", "/v1/secrets/"+c.path, c.body); status != c.status || strings.Contains(body, value) {
			t.Errorf("%s %s: %d %s", c.path, c.body, status, body)
		}
	}
	if v, err := r.config.Secrets.Open("erp"); err != nil || v.Reveal() != value {
		t.Errorf("it is not in use: %v", err)
	}
	list = nil // what is left out would stay
	if r.get("/v1/secrets", &list); list[0].Missing || list[0].Source != secret.FromStore || !list[0].Set.Equal(r.now) {
		t.Errorf("after: %+v", list)
	}
	for _, path := range []string{"/v1/secrets", "/v1/secrets/erp", "/v1/connections", "/v1/connections/erp", "/v1/audit"} {
		if _, body := r.ask(fileToken, "GET", path, ""); strings.Contains(body, value) || strings.Contains(body, "the value of env") {
			t.Errorf("GET %s shows a secret: %s", path, body)
		}
	}
	for path, want := range map[string]int{"of_env": 409, "none": 404, "erp": 200} {
		if status, body := r.ask(fileToken, "DELETE", "/v1/secrets/"+path, ""); status != want {
			t.Errorf("remove %s: %d %s", path, status, body)
		}
	}
}

// TestVariables: those of the settings are changed there.
func TestVariables(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct {
		method, name, body string
		status             int
	}{
		{"PUT", "LIMIT", `{"value": 9007199254740993}`, 200},
		{"PUT", "CURRENCY", `{"value": "USD"}`, 409},
		{"PUT", "1ST", `{"value": 1}`, 422},
		{"PUT", "NONE", `{}`, 400},
		{"DELETE", "CURRENCY", "", 409},
		{"DELETE", "NONE", "", 404},
		{"GET", "NONE", "", 404},
	} {
		if status, body := r.ask(fileToken, c.method, "/v1/variables/"+c.name, c.body); status != c.status {
			t.Errorf("%s %s %s: %d %s", c.method, c.name, c.body, status, body)
		}
	}
	var list []ObjectInfo
	if r.get("/v1/variables", &list); len(list) != 2 || string(list[0].Value) != `"BRL"` || list[0].Origin.File != "trama.yaml" || string(list[1].Value) != "9007199254740993" || list[1].Origin.Kind != "api" {
		t.Errorf("%+v", list)
	}
	if status, _ := r.ask(fileToken, "DELETE", "/v1/variables/LIMIT", ""); status != 200 {
		t.Errorf("remove: %d", status)
	}
}

// TestHiddenHeaders: what people wrote into headers and URLs is shown to admins
// alone, and where a subscription leads to everybody.
func TestHiddenHeaders(t *testing.T) {
	r := newRig(t)
	const key = "key-of-the-crm"
	if status, body := r.ask(fileToken, "POST", "/v1/subscriptions", `{id: crm, url: "https://crm.example/in?k=`+key+`", events: [message], headers: {X-Key: `+key+`, X-Token: "{{ t }}"},
		tokens: {t: {oauth2: {token_url: "https://crm.example/token?k=`+key+`", client_id: c, secret: s, params: {k: `+key+`}}}}}`); status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	for _, path := range []string{"/v1/subscriptions", "/v1/subscriptions/crm"} {
		for _, role := range catalog.Roles() {
			token := fileToken
			if role != catalog.RoleAdmin {
				token = r.token(string(role)+path[len(path)-1:], role, time.Time{})
			}
			status, body := r.ask(token, "GET", path, "")
			if shown := strings.Contains(body, key); status != 200 || shown != (role == catalog.RoleAdmin) || !strings.Contains(body, "https://crm.example/in") {
				t.Errorf("GET %s as %s: %d %s", path, role, status, body)
			}
		}
	}
}
