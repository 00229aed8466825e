package channel

import (
	"context"
	"testing"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/cause"
)

// TestAbandoned: what was answered with 200 is seen while its channel is not
// configured, and goes on once it is again.
func TestAbandoned(t *testing.T) {
	const document = `
- {id: erp, adapter: webhook, config: {event: x, token: "header:X-Token"}, secrets: {secret: a}}
`
	h := newHooks(t, document)
	h.answers("taken", asks("erp", `{}`, "X-Token", "key a"), 200, "")
	abandoned := func(want int) {
		t.Helper()
		list, err := h.Abandoned(t.Context())
		if err != nil || len(list) != want || want > 0 && (list[0].Channel != "erp" || list[0].Queues != 1 || list[0].Since.IsZero()) {
			t.Errorf("abandoned %+v, %v; want %d", list, err, want)
		}
	}
	abandoned(0)
	if _, err := h.config.Catalog().Apply(t.Context(), catalog.Set{}, true); err != nil {
		t.Fatal(err)
	}
	h.work(t.Context())
	abandoned(1)
	h.open(document)
	abandoned(0)
}

// TestTraced: a run knows the webhook that started it, and the webhook its run.
func TestTraced(t *testing.T) {
	h := newHooks(t, `
- {id: erp, adapter: webhook, config: {event: x, token: "header:X-Token", order: "header:X-Order", id: "header:X-Id"}, secrets: {secret: a}}
`)
	ctx := cause.With(t.Context(), func(c *cause.Cause) { c.Request = "req-7" })
	ask := func() Reply {
		reply, err := h.Hook(ctx, asks("erp", `{}`, "X-Token", "key a", "X-Order", "1", "X-Id", "e1"))
		if err != nil {
			t.Fatal(err)
		}
		return reply
	}
	first, again := ask(), ask()
	if first.Delivery == "" || first.Outcome != OutcomeTaken || again.Delivery != "" || again.Outcome != OutcomeDuplicate {
		t.Fatalf("answers %+v, %+v", first, again)
	}
	h.work(context.Background())
	if len(h.events) != 1 {
		t.Fatalf("%d events", len(h.events))
	}
	if from := h.events[0].From; from == nil || from.Channel != "erp" || from.Request != "req-7" || from.Delivery != first.Delivery {
		t.Errorf("from %+v", from)
	}
	if runs, err := h.Runs(t.Context(), first.Delivery); err != nil || len(runs) != 1 || runs[0] != "1" {
		t.Errorf("runs %q, %v", runs, err)
	}
	if runs, err := h.Runs(t.Context(), "unknown"); err != nil || len(runs) != 0 {
		t.Errorf("runs %q, %v", runs, err)
	}
}
