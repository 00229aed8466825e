package channel

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/outbox"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/host/store/memory"
	"github.com/trama-run/trama/pdk/abi"
)

// crossed is a store in which something else is committed right before one
// commit.
type crossed struct {
	store.Store
	before func()
}

func (c *crossed) Commit(ctx context.Context, b *store.Batch) (store.Result, error) {
	if before := c.before; before != nil {
		c.before = nil
		before()
	}
	return c.Store.Commit(ctx, b)
}

// desk is a channel's news and sends on one store.
type desk struct {
	t       *testing.T
	store   *crossed
	sending bool
	*Channels
}

func newDesk(t *testing.T) *desk {
	d := &desk{t: t, store: &crossed{Store: memory.Open(memory.NewDisk(), nil)}, sending: true}
	d.Channels = New(Config{
		Store: d.store, Poke: func() {}, Log: slog.New(slog.DiscardHandler),
		Sending: func(endpoint string) bool { return d.sending && endpoint == "channel wa" },
	})
	return d
}

// webhook lets statuses of the message "m" come in, in one request.
func (d *desk) webhook(states ...string) {
	d.t.Helper()
	var units []abi.Unit
	for n, state := range states {
		units = append(units, abi.Unit{ID: fmt.Sprint(n), Status: &abi.Status{MessageID: "m", State: state, Error: &abi.Error{Code: "c", Message: strings.Repeat("long ", 1000)}}})
	}
	if err := d.deal(d.t.Context(), catalog.Channel{ID: "wa"}, request{item: store.Item{Queue: "intake:wa", Position: 1}, units: units}); err != nil {
		d.t.Fatal(err)
	}
}

// sent commits the send of the message "m", as the outbox does.
func (d *desk) sent() {
	d.t.Helper()
	d.sentAs("m")
}

// sentAs commits the send of the one message, which its service calls id.
func (d *desk) sentAs(id string) {
	d.t.Helper()
	item := outbox.Item{Head: outbox.Head{EffectID: "effect"}, Queue: "outbox:wa/x:1", Position: 7, Value: []byte(`{"effect_id":"effect"}`)}
	outcome := d.outcome("wa/x:1", item, id, nil)
	for {
		var b store.Batch
		known := outbox.Delivery{RunID: "r", Queue: "outbox:wa/x:1", MessageID: id, State: outbox.StateSent, At: now()}
		if err := outcome.Settle(d.t.Context(), &b, &known); err != nil {
			d.t.Fatal(err)
		}
		if err := setPut(&b, store.ID{Kind: outbox.KindDelivery, Key: "effect"}, known, 0); err != nil {
			d.t.Fatal(err)
		}
		_, err := d.store.Commit(d.t.Context(), &b)
		if errors.Is(err, store.ErrConflict) {
			continue
		}
		if err != nil {
			d.t.Fatal(err)
		}
		return
	}
}

func (d *desk) state() string {
	d.t.Helper()
	record, err := d.store.Load(d.t.Context(), store.ID{Kind: outbox.KindDelivery, Key: "effect"})
	if err != nil {
		d.t.Fatal(err)
	}
	var known outbox.Delivery
	if err := json.Unmarshal(record.Value, &known); err != nil {
		d.t.Fatal(err)
	}
	if known.RunID != "r" || known.MessageID != "m" {
		d.t.Errorf("the delivery is %+v", known)
	}
	return known.State
}

// TestNews: what a service tells of a message counts whether it comes before
// our commit of the send, after it, or at the same moment; and never goes back.
func TestNews(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(d *desk)
		want string
	}{
		{"after", func(d *desk) { d.sent(); d.webhook("delivered"); d.webhook("read") }, "read"},
		{"after, in the wrong order", func(d *desk) { d.sent(); d.webhook("read"); d.webhook("delivered", "sent") }, "read"},
		{"after, together", func(d *desk) { d.sent(); d.webhook("read", "delivered") }, "read"},
		{"before", func(d *desk) { d.webhook("delivered"); d.sent() }, "delivered"},
		{"before, twice", func(d *desk) { d.webhook("delivered"); d.webhook("read"); d.sent() }, "read"},
		{"before, in the wrong order", func(d *desk) { d.webhook("read"); d.webhook("delivered"); d.sent() }, "read"},
		{"before, together", func(d *desk) { d.webhook("read", "delivered", "sent"); d.sent() }, "read"},
		{"before and after", func(d *desk) { d.webhook("delivered"); d.sent(); d.webhook("failed") }, "failed"},
		{"before, and old news after", func(d *desk) { d.webhook("read"); d.sent(); d.webhook("delivered") }, "read"},
		{"while it is committed", func(d *desk) { d.store.before = func() { d.webhook("delivered") }; d.sent() }, "delivered"},
		{"committed while it comes in", func(d *desk) { d.store.before = d.sent; d.webhook("delivered") }, "delivered"},
		{"more while it is committed", func(d *desk) {
			d.webhook("delivered")
			d.store.before = func() { d.webhook("read") }
			d.sent()
		}, "read"},
		{"committed while more comes in", func(d *desk) {
			d.webhook("delivered")
			d.store.before = d.sent
			d.webhook("read")
		}, "read"},
		{"while nothing is sent", func(d *desk) { d.sending = false; d.webhook("delivered"); d.sent() }, "sent"}, // of another system's message
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDesk(t)
			c.do(d)
			if got := d.state(); got != c.want {
				t.Errorf("the message is %s, want %s", got, c.want)
			}
			kept, err := d.store.List(t.Context(), kindEarly, "", 10, false)
			if err != nil || len(kept) > 0 {
				t.Errorf("news is still kept: %v, %v", kept, err)
			}
		})
	}
}

// TestEarlyNewsIsBounded in what is kept of one, and in how many are.
func TestEarlyNewsIsBounded(t *testing.T) {
	d := newDesk(t)
	d.webhook("delivered")
	kept, err := d.store.List(t.Context(), kindEarly, "", 10, false)
	if err != nil || len(kept) != 1 || len(kept[0].Value) > 1000 {
		t.Fatalf("kept: %v, %v", kept, err)
	}
	d.early.count = maxEarly - 1
	for n := range 3 {
		units := []abi.Unit{{ID: "u", Status: &abi.Status{MessageID: fmt.Sprint("other-", n), State: "read"}}}
		if err := d.deal(t.Context(), catalog.Channel{ID: "wa"}, request{item: store.Item{Queue: "intake:wa", Position: 1}, units: units}); err != nil {
			t.Fatal(err)
		}
	}
	if kept, err := d.store.List(t.Context(), kindEarly, "", 10, false); err != nil || len(kept) != 2 {
		t.Errorf("kept after the bound: %d, %v", len(kept), err)
	}
	var e early
	if at := now(); !e.room(at) || e.count != 1 || !e.room(at.Add(earlyTTL)) || e.count != 1 {
		t.Errorf("the count is not begun anew: %+v", e.count)
	}
}
