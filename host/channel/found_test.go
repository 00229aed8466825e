package channel

import (
	"context"
	"encoding/json"
	"log/slog"
	"testing"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/deadletter"
	"github.com/trama-run/trama/host/outbox"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/pdk/abi"
)

// lossy is a sender of which nobody knows what became of its one message.
type lossy struct {
	d      *desk
	during func() // it is sent
	reason abi.Error
}

func (l lossy) Endpoint(outbox.Item) (string, *abi.Error) { return "channel wa", nil }

func (l lossy) Send(_ context.Context, item outbox.Item) (outbox.Outcome, *abi.Error) {
	if l.during != nil {
		l.during()
	}
	if unsure(&l.reason) {
		return outbox.Outcome{Settle: l.d.toldEarly("wa/x:1", item)}, &l.reason
	}
	return outbox.Outcome{}, &l.reason
}

// loses sends the message "effect" through an outbox, and doesn't learn what
// became of it.
func (d *desk) loses(during func(), reason string) {
	d.t.Helper()
	const queue = "outbox:wa/x:1"
	out := outbox.New(outbox.Config{
		Store: d.store, Poke: func() {}, Log: slog.New(slog.DiscardHandler),
		Lanes: map[string]outbox.Lane{outbox.PrefixContact: {Sender: lossy{d, during, abi.Error{Code: reason, Message: "502"}}, Policy: SendPolicy(), Ended: d.Ended}},
	})
	if _, err := d.store.Commit(d.t.Context(), &store.Batch{Append: []store.Append{{Queue: queue, Value: []byte(`{"effect_id":"effect","run_id":"r"}`)}}}); err != nil {
		d.t.Fatal(err)
	}
	if _, err := out.Work(d.t.Context(), queue); err != nil {
		d.t.Fatal(err)
	}
}

// refers lets news of the message "m" come in, which names an effect id.
func (d *desk) refers(channel, ref string, reason *abi.Error, states ...string) {
	d.t.Helper()
	var units []abi.Unit
	for _, state := range states {
		units = append(units, abi.Unit{ID: state, Status: &abi.Status{MessageID: "m", State: state, Ref: ref, Error: reason}})
	}
	if err := d.deal(d.t.Context(), catalog.Channel{ID: channel}, request{item: store.Item{Queue: "intake:" + channel, Position: 1}, units: units}); err != nil {
		d.t.Fatal(err)
	}
}

// TestFound: news that names the effect id of a message of which nobody knew
// whether it was sent says it, whenever it comes.
func TestFound(t *testing.T) {
	const lost = abi.CodeUnknown
	no, busy := &abi.Error{Code: "refused", Message: "no"}, &abi.Error{Code: "busy", Message: "no", Retryable: true}
	for _, c := range []struct {
		name    string
		do      func(d *desk)
		want    string // the delivery's state
		message string
		letter  string // the dead letter's code; "": there is none
		again   int
	}{
		{"never", func(d *desk) { d.loses(nil, lost) }, "dead", "", lost, 0},
		{"sent", func(d *desk) { d.loses(nil, lost); d.refers("wa", "effect", nil, "sent") }, "sent", "m", "", 0},
		{"delivered", func(d *desk) { d.loses(nil, lost); d.refers("wa", "effect", nil, "delivered") }, "delivered", "m", "", 0},
		{"all at once", func(d *desk) { d.loses(nil, lost); d.refers("wa", "effect", nil, "sent", "delivered", "read") }, "read", "m", "", 0},
		{"one by one", func(d *desk) {
			d.loses(nil, lost)
			d.refers("wa", "effect", nil, "sent")
			d.refers("wa", "", nil, "delivered")
		}, "delivered", "m", "", 0},
		{"sent and failed", func(d *desk) { d.loses(nil, lost); d.refers("wa", "effect", no, "sent", "failed") }, "failed", "m", "refused", 0},
		{"failed for a reason that passes", func(d *desk) { d.loses(nil, lost); d.refers("wa", "effect", busy, "failed") }, "queued", "", "", 1},
		{"while it is sent", func(d *desk) { d.loses(func() { d.refers("wa", "effect", nil, "sent", "delivered") }, lost) }, "delivered", "m", "", 0},
		{"while it is sent, that it failed", func(d *desk) { d.loses(func() { d.refers("wa", "effect", no, "failed") }, lost) }, "failed", "m", "refused", 0},
		{"while it is committed", func(d *desk) {
			d.loses(func() { d.store.before = func() { d.refers("wa", "effect", nil, "read") } }, lost)
		}, "read", "m", "", 0},
		{"committed while it comes in", func(d *desk) {
			d.store.before = func() { d.loses(nil, lost) }
			d.refers("wa", "effect", nil, "delivered")
		}, "delivered", "m", "", 0},
		{"while more comes in", func(d *desk) {
			d.loses(nil, lost)
			d.store.before = func() { d.refers("wa", "effect", nil, "sent") }
			d.refers("wa", "effect", nil, "delivered")
		}, "delivered", "m", "", 0},
		{"of another channel", func(d *desk) { d.loses(nil, lost); d.refers("other", "effect", nil, "read") }, "dead", "", lost, 0},
		{"of another message", func(d *desk) { d.loses(nil, lost); d.refers("wa", "effect-2", nil, "read") }, "dead", "", lost, 0},
		{"without the effect id", func(d *desk) { d.loses(nil, lost); d.refers("wa", "", nil, "read") }, "dead", "", lost, 0},
		{"what is no effect id", func(d *desk) { d.loses(nil, lost); d.refers("wa", "effect\x00", nil, "read") }, "dead", "", lost, 0},
		{"what the service refused", func(d *desk) { d.loses(nil, "refused"); d.refers("wa", "effect", nil, "read") }, "dead", "", "refused", 0},
		{"that an operator has put back", func(d *desk) {
			d.loses(nil, lost)
			if n, _, err := deadletter.ReplayAll(d.t.Context(), d.store, deadletter.Filter{}, nil, now()); n != 1 || err != nil {
				d.t.Fatal(n, err)
			}
			d.refers("wa", "effect", nil, "delivered")
		}, "dead", "", "", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDesk(t)
			c.do(d)
			record, err := d.store.Load(t.Context(), deliveryID("effect"))
			if err != nil {
				t.Fatal(err)
			}
			var got outbox.Delivery
			if err := json.Unmarshal(record.Value, &got); err != nil {
				t.Fatal(err)
			}
			if got.State != c.want || got.MessageID != c.message || got.RunID != "r" {
				t.Errorf("the delivery is %+v, want %s, %q", got, c.want, c.message)
			}
			code := ""
			if err := deadletter.Each(t.Context(), d.store, deadletter.Filter{}, "", 10, 10, func(l deadletter.Letter) {
				if code = l.Reason.Code; l.ID != got.Letter || l.EffectID != "effect" {
					t.Errorf("the letter is %+v, the delivery says %q", l, got.Letter)
				}
			}); err != nil || code != c.letter {
				t.Errorf("the dead letter's code is %q (%v), want %q", code, err, c.letter)
			}
			if items, err := d.store.Read(t.Context(), "outbox:wa/x:1", 0, 10); err != nil || len(items) != c.again {
				t.Errorf("%d items wait (%v), want %d", len(items), err, c.again)
			}
		})
	}
}
