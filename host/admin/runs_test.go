package admin

import (
	"encoding/json"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gofiber/fiber/v2"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/engine"
	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/host/run"
	"github.com/trama-run/trama/host/run/record"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/host/store/memory"
)

// TestQueuedRuns: runs that have not begun stand among the others, newest first,
// page by page.
func TestQueuedRuns(t *testing.T) {
	s := memory.Open(memory.NewDisk(), nil)
	objects, err := catalog.Open(t.Context(), s, func(*catalog.Snapshot) {})
	if err != nil {
		t.Fatal(err)
	}
	f, err := flow.Parse("f.yaml", []byte("schema: 1\nid: late\ntriggers: [{id: now, type: activate}]\nnodes: [{id: stop, type: end}]\nedges: [{from: now, to: stop}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := objects.Apply(t.Context(), catalog.Set{Flows: []*flow.Flow{f}, Channels: []catalog.Channel{{ID: "wa", Adapter: "post"}}}, true); err != nil {
		t.Fatal(err)
	}
	ids := []string{"r1", "r2", "r3", "r4"}
	next := 0
	runs := run.New(run.Config{Store: s, Catalog: func() *catalog.Catalog { return objects }, Poke: func() {}, Log: slog.New(slog.DiscardHandler), ID: func() (string, error) { next++; return ids[2*next-1], nil }})
	defer runs.Close(t.Context())
	for range 2 { // r2 and r4
		if _, err := runs.Activate(t.Context(), run.Activation{Flow: "late", Contacts: []string{"wa/p:1"}}); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range []string{"r1", "r3"} {
		put, err := (&record.Record{ID: id, Flow: "early", Status: engine.Done}).Put()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Commit(t.Context(), &store.Batch{Put: []store.Put{put}}); err != nil {
			t.Fatal(err)
		}
	}
	a := api{Config: Config{Store: s, Runs: runs, SecretValues: func() []string { return nil }}}
	app := fiber.New()
	app.Get("/runs", a.listRuns)
	app.Get("/runs/:id", a.showRun)
	get := func(path string, into any) {
		t.Helper()
		answer, err := app.Test(httptest.NewRequest("GET", path, nil), -1)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		if err := json.NewDecoder(answer.Body).Decode(into); err != nil || answer.StatusCode != 200 {
			t.Fatalf("%s: status %d, %v", path, answer.StatusCode, err)
		}
	}
	for path, want := range map[string]string{
		"/runs": "r4 queued, r3 done, r2 queued, r1 done", "/runs?limit=3": "r4 queued, r3 done, r2 queued", "/runs?before=r3": "r2 queued, r1 done",
		"/runs?status=queued": "r4 queued, r2 queued", "/runs?status=queued&limit=1&before=r4": "r2 queued", "/runs?status=done": "r3 done, r1 done",
		"/runs?flow=late": "r4 queued, r2 queued", "/runs?flow=early&limit=1": "r3 done", "/runs?flow=early&status=queued": "",
	} {
		var list []RunInfo
		get(path, &list)
		var got []string
		for _, r := range list {
			got = append(got, r.ID+" "+string(r.Status))
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	var one RunDetail
	if get("/runs/r2", &one); one.ID != "r2" || one.Status != run.Queued || one.Flow != "late" || one.Trigger != "now" {
		t.Errorf("%+v", one.Record)
	}
}
