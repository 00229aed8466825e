package admin

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/store"
)

// line is an entry in one line, without its times and ids.
func line(e AuditEntry) string {
	text := fmt.Sprintf("%s %s %s: %d", e.Token, e.Method, e.Path, e.Status)
	if e.Problem != "" {
		text += " " + e.Problem
	}
	if len(e.Objects) > 0 {
		text += " [" + strings.Join(e.Objects, " ") + "]"
	}
	return text
}

func TestAudit(t *testing.T) {
	r := newRig(t)
	ci := r.token("ci", catalog.RoleViewer, time.Time{})
	const route = `{method: GET, path: /a, flow: hello}`
	steps := []struct{ token, method, path, body, want string }{
		{"wrong", "DELETE", "/v1/routes/GET%20%2Fa", "", " DELETE /v1/routes/GET%20%2Fa: 401 token"},
		{fileToken, "POST", "/v1/routes", route, "admin.token POST /v1/routes: 200 [route/GET /a]"},
		{fileToken, "PUT", "/v1/routes/GET%20%2Fb", route, "admin.token PUT /v1/routes/GET%20%2Fb: 422 invalid [route/GET /b]"},
		{ci, "DELETE", "/v1/routes/GET%20%2Fa", "", "ci DELETE /v1/routes/GET%20%2Fa: 403 role"},
		{fileToken, "GET", "/v1/routes", "", ""},
		{fileToken, "PUT", "/v1/secrets/erp", `{"value": "1234"}`, "admin.token PUT /v1/secrets/erp: 200 [secret/erp]"},
		{fileToken, "DELETE", "/v1/routes/GET%20%2Fa", "", "admin.token DELETE /v1/routes/GET%20%2Fa: 200 [route/GET /a]"},
		{ci, "GET", "/v1/routes", "", ""},
	}
	var want []string
	for _, s := range steps {
		r.now = r.now.Add(time.Minute)
		r.ask(s.token, s.method, s.path, s.body)
		if s.want != "" {
			want = append([]string{s.want}, want...)
		}
	}
	want = append(want, "admin.token POST /v1/tokens: 201 [token/ci]")
	list := func(query string) (lines []string, entries []AuditEntry) {
		r.get("/v1/audit"+query, &entries)
		for _, e := range entries {
			lines = append(lines, line(e))
		}
		return lines, entries
	}
	lines, entries := list("")
	if strings.Join(lines, "\n") != strings.Join(want, "\n") {
		t.Fatalf("the log is\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
	sum := sha256.Sum256([]byte(route))
	for _, e := range entries {
		digest := ""
		if strings.Contains(e.Method, "P") && strings.Contains(e.Path, "/routes") {
			digest = "sha256:" + hex.EncodeToString(sum[:])
		}
		if strings.HasSuffix(e.Path, "/secrets/erp") && e.Body != "" || digest != "" && e.Body != digest {
			t.Errorf("%s: the body's digest is %q", line(e), e.Body)
		}
	}
	at := func(i int) string { return entries[i].At.Format(time.RFC3339) }
	for query, first := range map[string]int{
		"?token=ci": 2, "?object=secret/": 1, "?object=route/GET%20/a&limit=1": 0, "?status=422": 3,
		"?until=" + at(1): 2, "?before=" + entries[2].ID: 3, "?since=" + at(1) + "&object=secret": 1,
	} {
		if lines, _ := list(query); len(lines) == 0 || lines[0] != want[first] {
			t.Errorf("%s: %q, want first %q", query, lines, want[first])
		}
	}
	if lines, _ := list("?since=" + at(1)); len(lines) != 2 {
		t.Errorf("since: %q", lines)
	}
	for _, bad := range []string{"?limit=0", "?since=today", "?until=never"} {
		if status, _ := r.ask(fileToken, "GET", "/v1/audit"+bad, ""); status != 400 {
			t.Errorf("%s: %d", bad, status)
		}
	}
	r.now = r.now.Add(DefaultAuditFor)
	if lines, _ := list(""); len(lines) != 0 {
		t.Errorf("after a year: %q", lines)
	}
}

// full is a store that takes no audit entries.
type full struct{ store.Store }

func (f full) Commit(ctx context.Context, b *store.Batch) (store.Result, error) {
	for _, p := range b.Put {
		if p.ID.Kind == kindAudit {
			return store.Result{}, store.ErrNoSpace
		}
	}
	return f.Store.Commit(ctx, b)
}

// TestNothingIsDoneUnseen: what the audit log can't take is not done.
func TestNothingIsDoneUnseen(t *testing.T) {
	r := newRig(t)
	r.config.Store = full{r.config.Store}
	done := false
	r.mount([]endpoint{{do: "POST /thing", handle: func(*fiber.Ctx) error { done = true; return nil }}})
	if status, body := r.ask(fileToken, "POST", "/v1/thing", ""); status != 503 || done {
		t.Errorf("%d %s, done: %v", status, body, done)
	}
}

// TestUnknownOutcome: while something is done it is in the log, without an
// outcome; so it stays if the host stops.
func TestUnknownOutcome(t *testing.T) {
	r := newRig(t)
	table := newAPI(r.config).endpoints()
	api := r.app
	var during []AuditEntry
	r.mount(append(table, endpoint{do: "POST /thing", handle: func(c *fiber.Ctx) error {
		(&rig{T: t, app: api}).get("/v1/audit", &during)
		return c.SendStatus(204)
	}}))
	r.ask(fileToken, "POST", "/v1/thing", "")
	var after []AuditEntry
	r.get("/v1/audit", &after)
	if len(during) != 1 || len(after) != 1 || line(during[0]) != "admin.token POST /v1/thing: 0" || line(after[0]) != "admin.token POST /v1/thing: 204" || during[0].ID != after[0].ID {
		t.Errorf("during: %+v\nafter: %+v", during, after)
	}
}
