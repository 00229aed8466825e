package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gofiber/fiber/v2"

	"github.com/trama-run/trama/host/access"
	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/channel"
	"github.com/trama-run/trama/host/deadletter"
	"github.com/trama-run/trama/host/dispatch"
	"github.com/trama-run/trama/host/outbox"
	"github.com/trama-run/trama/host/plugin"
	"github.com/trama-run/trama/host/run"
	"github.com/trama-run/trama/host/source"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/host/store/badger"
	"github.com/trama-run/trama/host/webhook"
)

// paged is a store that tells how many dead letters were asked for at once.
type paged struct {
	store.Store
	most int
}

func (p *paged) List(ctx context.Context, kind store.Kind, after string, most int, reverse bool) ([]store.Record, error) {
	if kind == deadletter.Kind {
		p.most = max(p.most, most)
	}
	return p.Store.List(ctx, kind, after, most, reverse)
}

// TestManyDeadLetters: they are counted and listed up to a bound, few in
// memory at a time.
func TestManyDeadLetters(t *testing.T) {
	opened, err := badger.Open(badger.Config{Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	s := &paged{Store: opened}
	objects, err := catalog.Open(t.Context(), s, func(*catalog.Snapshot) {})
	if err != nil {
		t.Fatal(err)
	}
	runs := run.New(run.Config{Store: s, Log: slog.New(slog.DiscardHandler)})
	defer runs.Close(t.Context())
	webhooks, err := webhook.Open(t.Context(), webhook.Config{Store: s, Catalog: func() *catalog.Catalog { return objects }})
	if err != nil {
		t.Fatal(err)
	}
	guard, err := access.New(t.Context(), access.Config{Store: s, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	app := fiber.New()
	Mount(app, Config{
		Runs: runs, Webhooks: webhooks,
		Token: "t", Store: s, Catalog: objects, Plugins: plugin.New(plugin.Config{}), Ready: func() bool { return true }, Metrics: http.NotFoundHandler(),
		Outbox:       outbox.New(outbox.Config{Store: s}),
		Failing:      func() []dispatch.Failure { return nil },
		Pending:      func() (source.Problems, []catalog.Change) { return nil, nil },
		Health:       func(context.Context) Health { return Health{} },
		Guard:        guard,
		SecretValues: func() []string { return nil },
		Channels:     channel.New(channel.Config{Store: s, Catalog: func() *catalog.Catalog { return objects }}),
	})
	get := func(path string, into any) {
		t.Helper()
		q := httptest.NewRequest("GET", path, nil)
		q.Header.Set("Authorization", "Bearer t")
		a, err := app.Test(q, -1)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Body.Close()
		if err := json.NewDecoder(a.Body).Decode(into); err != nil || a.StatusCode != 200 {
			t.Fatalf("%s: status %d, %v", path, a.StatusCode, err)
		}
	}
	made := 0
	for _, c := range []struct {
		more, listed int
		says         string
	}{{0, 0, ""}, {25, 25, "25 dead letters"}, {maxLimit, maxLimit, fmt.Sprintf("%d or more dead letters", maxLimit)}} {
		var b store.Batch
		for range c.more {
			made++
			d := deadletter.Letter{ID: fmt.Sprintf("%016x", made), Channel: "wa", Value: []byte("content")}
			data, err := json.Marshal(d)
			if err != nil {
				t.Fatal(err)
			}
			b.Put = append(b.Put, store.Put{ID: store.ID{Kind: deadletter.Kind, Key: d.ID}, Value: data})
		}
		if made > 0 {
			if _, err := s.Commit(t.Context(), &b); err != nil {
				t.Fatal(err)
			}
		}
		var list []deadletter.Letter
		get("/v1/dead-letters", &list)
		if len(list) != c.listed {
			t.Fatalf("%d listed, want %d", len(list), c.listed)
		}
		for n, d := range list {
			if want := fmt.Sprintf("%016x", made-n); d.ID != want || d.Value != nil {
				t.Fatalf("letter %d of the list is %s with %d bytes, want %s and none", n, d.ID, len(d.Value), want)
			}
		}
		var findings []Finding
		get("/v1/doctor", &findings)
		if got := fmt.Sprint(findings); !strings.Contains(got, c.says) || len(findings) > 1 {
			t.Errorf("the doctor says %s, want %q", got, c.says)
		}
	}
	if s.most > 10 {
		t.Errorf("%d were read at once, want 10 at most", s.most)
	}
	var older []deadletter.Letter
	get("/v1/dead-letters?before="+fmt.Sprintf("%016x", 4), &older)
	if len(older) != 3 {
		t.Errorf("%d are older than the fourth, want 3", len(older))
	}
}
