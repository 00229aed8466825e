package admin

import (
	"strings"
	"testing"
	"time"

	"github.com/trama-run/trama/host/catalog"
)

// TestWrongTokens: they are in the audit log, so many of an hour and the rest by
// number; their address is locked out, and a token that is taken is taken still.
func TestWrongTokens(t *testing.T) {
	r := newRig(t)
	statuses := map[int]int{}
	for range 10 {
		for range 25 {
			status, _ := r.ask("wrong", "GET", "/v1/runs", "")
			statuses[status]++
		}
		if locked := r.config.Guard.Locked(); len(locked) != 0 { // it is the public listener's
			t.Fatalf("%v are locked out of the public listener", locked)
		}
		if status, body := r.ask(fileToken, "GET", "/v1/whoami", ""); status != 200 {
			t.Fatalf("the right token: %d %s", status, body)
		}
		r.now = r.now.Add(2 * time.Minute)
	}
	if statuses[401] < 200 || statuses[429] < 30 || statuses[401]+statuses[429] != 250 {
		t.Errorf("answers: %v", statuses)
	}
	list := func() (all []AuditEntry) {
		r.get("/v1/audit?status=401&limit=500", &all)
		return all
	}
	if all := list(); len(all) != maxStrange || all[0].Problem != "token" || all[0].Token != "" || all[0].From == "" {
		t.Errorf("%d entries: %+v", len(all), all[0])
	}
	r.now = r.now.Add(time.Hour)
	r.ask("wrong", "GET", "/v1/runs", "")
	if all := list(); len(all) != maxStrange+1 || all[0].Left != statuses[401]-maxStrange {
		t.Errorf("%d entries, the last says that %d have none", len(all), all[0].Left)
	}
}

// TestAuditChanges: the audit log says what was done, through the API and by the
// workspace's files.
func TestAuditChanges(t *testing.T) {
	r := newRig(t)
	for _, document := range []string{`{method: GET, path: /a, flow: hello, security: {clients: any}}`, `{method: GET, path: /a, flow: hello}`} {
		r.now = r.now.Add(time.Second)
		if status, body := r.ask(fileToken, "POST", "/v1/routes", document); status != 200 {
			t.Fatalf("%d %s", status, body)
		}
	}
	var all []AuditEntry
	r.get("/v1/audit?object=route/", &all)
	if len(all) != 2 || len(all[0].Changes) != 1 {
		t.Fatalf("%+v", all)
	}
	made, last := all[1].Changes[0], all[0].Changes[0]
	if made.Action != "created" || made.Was != "" || last.Action != "updated" || last.Was != made.Now || last.Now == last.Was || !strings.HasPrefix(last.Now, "sha256:") {
		t.Errorf("%+v, then %+v", made, last)
	}
	if len(last.Access) != 1 || last.Access[0] != (catalog.Access{Route: "GET /a", Before: "any client", After: "anyone", Opens: true}) {
		t.Errorf("who may call: %+v", last.Access)
	}
	changes := []catalog.Change{{Object: "route/GET /b", Action: "created", Now: "sha256:1"}, {Object: "grant/acme", Action: "widened", Held: "wait"}}
	if err := Files(t.Context(), r.config.Store, 0, "/srv/trama", changes); err != nil {
		t.Fatal(err)
	}
	if err := Files(t.Context(), r.config.Store, 0, "/srv/trama", changes[1:]); err != nil {
		t.Fatal(err)
	}
	r.get("/v1/audit?token="+ByFiles, &all)
	if len(all) != 1 || all[0].Path != "/srv/trama" || len(all[0].Changes) != 1 || all[0].Changes[0].Object != "route/GET /b" || all[0].Objects[0] != "route/GET /b" {
		t.Errorf("by files: %+v", all)
	}
}
