package admin

import (
	"slices"
	"testing"
	"time"

	"github.com/trama-run/trama/host/contact"
)

// TestForget: who is erased is named by no entry, others are, and what was done
// stays, for as long as it would have.
func TestForget(t *testing.T) {
	r := newRig(t)
	a := newAPI(r.config)
	paths := []string{
		"/v1/contacts/wa%2Fapichat:ana@example.com", "/v1/contacts/wa/apichat:ana@example.com?dry_run=true", "/v1/contacts/wa%2Fapichat:ana@example.com.br",
		"/v1/contacts?limit=5&prefix=wa%2Fapichat%3Aana%40example.com", "/v1/runs?contact=tg%2Fp%3A9&status=failed", "/v1/contacts/tg/p:91", "/v1/contacts/import",
	}
	for i, path := range paths {
		r.now = r.now.Add(time.Minute)
		if err := a.keep(t.Context(), AuditEntry{ID: auditID(r.now), At: r.now, Method: "PATCH", Path: path, Status: 200 + i}); err != nil {
			t.Fatal(err)
		}
	}
	r.now = r.now.Add(24 * time.Hour)
	for _, dry := range []bool{true, false} {
		n, err := a.forget(t.Context(), []contact.Key{"wa/apichat:ana@example.com", "tg/p:9"}, dry)
		if n != 4 || err != nil {
			t.Errorf("dry %v: %d entries, %v", dry, n, err)
		}
	}
	var list []AuditEntry
	r.get("/v1/audit", &list)
	var got []string
	for i, e := range slices.Backward(list) {
		got = append(got, e.Path)
		if e.Method != "PATCH" || e.Status != 200+len(list)-1-i {
			t.Errorf("%s: %+v", e.Path, e)
		}
	}
	want := []string{
		"/v1/contacts/…", "/v1/contacts/…?dry_run=true", paths[2],
		"/v1/contacts?limit=5&prefix=…", "/v1/runs?contact=…&status=failed", paths[5], paths[6],
	}
	if !slices.Equal(got, want) {
		t.Errorf("the log has\n%q, want\n%q", got, want)
	}
	r.now = r.now.Add(DefaultAuditFor - 24*time.Hour + time.Minute)
	left, err := r.config.Store.List(t.Context(), kindAudit, "", 100, false)
	if err != nil || len(left) > 0 {
		t.Errorf("%d entries outlive their time, %v", len(left), err)
	}
}
