package admin

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/trama-run/trama/host/catalog"
)

// TestNoKeyComesBack: a key that has ended, or was taken back, stays so, and
// none is made to end later than it would.
func TestNoKeyComesBack(t *testing.T) {
	r := newRig(t)
	var made NewClientKey
	ask := func(path, body string, want int) string {
		t.Helper()
		status, answer := r.ask(fileToken, "POST", "/v1/clients"+path, body)
		if status != want {
			t.Fatalf("%s %s: %d %s, want %d", path, body, status, answer, want)
		}
		return answer
	}
	if err := json.Unmarshal([]byte(ask("", `{"name": "erp"}`, 201)), &made); err != nil {
		t.Fatal(err)
	}
	key := made.Keys[0].ID
	at := func(d time.Duration) string {
		return fmt.Sprintf(`{"key": %q, "at": %q}`, key, r.now.Add(d).Format(time.RFC3339))
	}
	ask("/erp/expire", at(time.Hour), 200)
	if answer := ask("/erp/expire", at(2*time.Hour), 409); !strings.HasPrefix(answer, "ends_before") {
		t.Error(answer)
	}
	ask("/erp/expire", fmt.Sprintf(`{"at": %q}`, r.now.Add(2*time.Hour).Format(time.RFC3339)), 200)
	r.now = r.now.Add(90 * time.Minute)
	if answer := ask("/erp/expire", at(time.Hour), 409); !strings.HasPrefix(answer, "ended") {
		t.Error(answer)
	}
	ask("/erp/expire", fmt.Sprintf(`{"at": %q}`, r.now.Add(time.Hour).Format(time.RFC3339)), 200)
	var client ClientInfo
	r.get("/v1/clients/erp", &client)
	if got := client.Keys[0]; got.State != "expired" || !got.Expires.Equal(r.now.Add(-30*time.Minute)) {
		t.Errorf("the key is %+v", got)
	}
}

// TestRefusedBounded: whoever tries what it may not does not fill the audit log.
func TestRefusedBounded(t *testing.T) {
	r := newRig(t)
	ci := r.token("ci", catalog.RoleViewer, time.Time{})
	for range 5 * maxRefused {
		if status, body := r.ask(ci, "DELETE", "/v1/routes/GET%20%2Fa?"+strings.Repeat("x", 2000), ""); status != 403 {
			t.Fatalf("%d %s", status, body)
		}
	}
	var entries []AuditEntry
	r.get("/v1/audit?token=ci", &entries)
	if len(entries) != maxRefused || strings.Contains(entries[0].Path, "?") {
		t.Errorf("%d entries, of %q", len(entries), entries[0].Path)
	}
	r.now = r.now.Add(time.Minute)
	r.ask(ci, "DELETE", "/v1/routes/GET%20%2Fa", "")
	if r.get("/v1/audit?token=ci", &entries); len(entries) != maxRefused+1 {
		t.Errorf("a minute later: %d entries", len(entries))
	}
}
