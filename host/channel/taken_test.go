package channel

import (
	"testing"
	"time"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/deadletter"
	"github.com/trama-run/trama/host/outbox"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/pdk/abi"
)

// tell lets one status of a message come in.
func (d *desk) tell(id, state string, reason *abi.Error) {
	d.t.Helper()
	unit := abi.Unit{ID: id + state, Status: &abi.Status{MessageID: id, State: state, Error: reason}}
	if err := d.deal(d.t.Context(), catalog.Channel{ID: "wa"}, request{item: store.Item{Queue: "intake:wa", Position: 1}, units: []abi.Unit{unit}}); err != nil {
		d.t.Fatal(err)
	}
}

// TestGivenUp: what a service takes and gives up later goes again while the
// reason may pass, and is a dead letter otherwise; what came through is neither.
func TestGivenUp(t *testing.T) {
	blocked, busy := &abi.Error{Code: "refused", Message: "no"}, &abi.Error{Code: "rate_limited", Message: "too fast", Retryable: true}
	for _, test := range []struct {
		name                 string
		do                   func(d *desk)
		letters, again, kept int
	}{
		{"taken", func(d *desk) { d.sent() }, 0, 0, 1},
		{"delivered", func(d *desk) { d.sent(); d.tell("m", "delivered", nil) }, 0, 0, 0},
		{"delivered before the commit", func(d *desk) { d.tell("m", "delivered", nil); d.sent() }, 0, 0, 0},
		{"delivered and read", func(d *desk) { d.sent(); d.webhook("delivered", "read") }, 0, 0, 0},
		{"failed", func(d *desk) { d.sent(); d.tell("m", "failed", blocked) }, 1, 0, 0},
		{"failed without a reason", func(d *desk) { d.sent(); d.tell("m", "failed", nil) }, 1, 0, 0},
		{"failed twice", func(d *desk) { d.sent(); d.tell("m", "failed", blocked); d.tell("m", "failed", busy) }, 1, 0, 0},
		{"failed before the commit", func(d *desk) { d.tell("m", "failed", blocked); d.sent() }, 1, 0, 0},
		{"failed while it is committed", func(d *desk) {
			d.store.before = func() { d.tell("m", "failed", blocked) }
			d.sent()
		}, 1, 0, 0},
		{"failed after it was delivered", func(d *desk) { d.sent(); d.webhook("delivered", "failed") }, 0, 0, 0},
		{"a reason that passes", func(d *desk) { d.sent(); d.tell("m", "failed", busy) }, 0, 1, 1},
		{"the same before the commit", func(d *desk) { d.tell("m", "failed", busy); d.sent() }, 0, 1, 1},
		{"told twice", func(d *desk) { d.sent(); d.tell("m", "failed", busy); d.tell("m", "failed", busy) }, 0, 1, 1},
		{"told again once it was sent again", func(d *desk) {
			d.sent()
			d.tell("m", "failed", busy)
			d.sentAs("m2")
			d.tell("m", "failed", blocked)
		}, 0, 1, 1},
		{"sent again and delivered", func(d *desk) {
			d.sent()
			d.tell("m", "failed", busy)
			d.sentAs("m2")
			d.tell("m2", "delivered", nil)
		}, 0, 1, 0},
		{"it does not pass", func(d *desk) {
			for _, id := range []string{"m", "m2", "m3", "m4"} {
				d.sentAs(id)
				d.tell(id, "failed", busy)
			}
		}, 1, maxAgain, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := newDesk(t)
			began := now()
			test.do(d)
			var letters []deadletter.Letter
			err := deadletter.Each(t.Context(), d.store, deadletter.Filter{}, "", 10, 10, func(l deadletter.Letter) { letters = append(letters, l) })
			if err != nil || len(letters) != test.letters {
				t.Fatalf("%d dead letters (%v), want %d", len(letters), err, test.letters)
			}
			for _, l := range letters {
				whole, _, err := deadletter.Load(t.Context(), d.store, l.ID)
				if err != nil || whole.Queue != "outbox:wa/x:1" || whole.EffectID != "effect" || whole.Reason.Code == "" || string(whole.Value) != `{"effect_id":"effect"}` {
					t.Errorf("the letter is %+v, %v", whole, err)
				}
			}
			items, err := d.store.Read(t.Context(), "outbox:wa/x:1", 0, 10)
			if err != nil || len(items) != test.again {
				t.Errorf("it goes %d times again (%v), want %d", len(items), err, test.again)
			}
			wakes, err := d.store.Wakes(t.Context(), "outbox:", "", 10)
			if err != nil || (len(wakes) == 1) != (test.again > 0) {
				t.Fatalf("wakes: %v, %v", wakes, err)
			}
			if test.again == 1 && wakes[0].At.Before(began.Add(againPause-time.Millisecond)) {
				t.Errorf("it goes again at once")
			}
			kept, err := d.store.List(t.Context(), outbox.KindTaken, "", 10, false)
			if err != nil || len(kept) != test.kept {
				t.Errorf("%d messages are kept (%v), want %d", len(kept), err, test.kept)
			}
		})
	}
}
