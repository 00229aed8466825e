package deadletter

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/host/store/memory"
	"github.com/trama-run/trama/pdk/abi"
)

var start = time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)

// bury puts an item into a queue and makes a dead letter of it.
func bury(t *testing.T, s store.Store, l Letter) {
	t.Helper()
	result, err := s.Commit(t.Context(), &store.Batch{Append: []store.Append{{Queue: l.Queue, Value: l.Value}}})
	if err != nil {
		t.Fatal(err)
	}
	b := store.Batch{Remove: []store.ItemRef{{Queue: l.Queue, Position: result.Positions[0]}}}
	if err := Bury(&b, result.Positions[0], l); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Commit(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
}

// graveyard is a store with six letters, an hour apart.
func graveyard(t *testing.T) store.Store {
	t.Helper()
	s := memory.Open(memory.NewDisk(), nil)
	for n, of := range []struct{ queue, channel, code string }{
		{"outbox:wa/x:1", "wa", "busy"}, {"outbox:wa/x:1", "wa", "refused"}, {"intake:wa", "wa", "trap"},
		{"outbox:tg/x:1", "tg", "busy"}, {"alert:ops", "", "no_alert"}, {"outbox:wa/x:2", "wa", "busy"},
	} {
		bury(t, s, Letter{
			Queue: of.queue, Channel: of.channel, Reason: abi.Error{Code: of.code},
			At: start.Add(time.Duration(n) * time.Hour), Value: fmt.Appendf(nil, "%d", n),
		})
	}
	return s
}

var filters = []struct {
	name   string
	filter Filter
	want   string // contents, oldest first
}{
	{"all", Filter{}, "012345"},
	{"a queue", Filter{Queue: "outbox:wa/x:1"}, "01"},
	{"queues", Filter{Queue: "outbox:"}, "0135"},
	{"a channel", Filter{Channel: "wa"}, "0125"},
	{"a reason", Filter{Code: "busy"}, "035"},
	{"from a time on", Filter{Since: start.Add(2 * time.Hour)}, "2345"},
	{"before a time", Filter{Until: start.Add(2 * time.Hour)}, "01"},
	{"all at once", Filter{Queue: "outbox", Channel: "wa", Code: "busy", Since: start, Until: start.Add(time.Hour)}, "0"},
	{"none", Filter{Code: "nothing"}, ""},
}

func contents(t *testing.T, s store.Store, f Filter, before string, most, scanned int) string {
	t.Helper()
	var got []string
	if err := Each(t.Context(), s, f, before, most, scanned, func(l Letter) {
		if l.Value != nil {
			t.Errorf("letter %s is listed with its item", l.ID)
		}
		whole, _, err := Load(t.Context(), s, l.ID)
		if err != nil {
			t.Error(err)
		}
		got = append(got, string(whole.Value))
	}); err != nil {
		t.Fatal(err)
	}
	slices.Reverse(got)
	return strings.Join(got, "")
}

func TestEach(t *testing.T) {
	s := graveyard(t)
	for _, c := range filters {
		t.Run(c.name, func(t *testing.T) {
			if got := contents(t, s, c.filter, "", 100, 100); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	if got := contents(t, s, Filter{}, "", 2, 100); got != "45" {
		t.Errorf("two: %q", got)
	}
	if got := contents(t, s, Filter{}, "", 100, 3); got != "345" {
		t.Errorf("a look at three: %q", got)
	}
	var third string
	if err := Each(t.Context(), s, Filter{}, "", 3, 100, func(l Letter) { third = l.ID }); err != nil {
		t.Fatal(err)
	}
	if got := contents(t, s, Filter{}, third, 100, 100); got != "012" {
		t.Errorf("before the fourth: %q", got)
	}
}

func TestReplayAll(t *testing.T) {
	for _, c := range filters {
		t.Run(c.name, func(t *testing.T) {
			s := graveyard(t)
			n, more, err := ReplayAll(t.Context(), s, c.filter, nil, start)
			if err != nil || n != len(c.want) || more {
				t.Fatalf("%d, %v, %v", n, more, err)
			}
			left := contents(t, s, Filter{}, "", 100, 100)
			for _, r := range "012345" {
				if strings.ContainsRune(left, r) == strings.ContainsRune(c.want, r) {
					t.Errorf("left: %q after replaying %q", left, c.want)
				}
			}
			wakes, err := s.Due(t.Context(), store.Wake{}, start, 100)
			if err != nil {
				t.Fatal(err)
			}
			items := 0
			for _, w := range wakes {
				back, err := s.Read(t.Context(), w.Key, 0, 100)
				if err != nil {
					t.Fatal(err)
				}
				items += len(back)
				if w.Key == "outbox:wa/x:1" && len(back) == 2 && (string(back[0].Value) != "0" || string(back[1].Value) != "1") {
					t.Errorf("the queue has another order: %s, %s", back[0].Value, back[1].Value)
				}
			}
			if items != len(c.want) {
				t.Errorf("%d items are back, want %d", items, len(c.want))
			}
		})
	}
}

// dying is a store in which what is put back dies again at once.
type dying struct {
	store.Store
	t *testing.T
}

func (d dying) Commit(ctx context.Context, b *store.Batch) (store.Result, error) {
	result, err := d.Store.Commit(ctx, b)
	if err == nil && len(b.Append) == 1 {
		bury(d.t, d.Store, Letter{Queue: b.Append[0].Queue, At: start, Value: b.Append[0].Value})
	}
	return result, err
}

// TestReplayOfWhatDiesAgain comes to its end.
func TestReplayOfWhatDiesAgain(t *testing.T) {
	s := graveyard(t)
	n, more, err := ReplayAll(t.Context(), dying{s, t}, Filter{}, nil, start)
	if err != nil || n != 6 || more {
		t.Errorf("%d, %v, %v", n, more, err)
	}
	if got := contents(t, s, Filter{}, "", 100, 100); got != "012345" {
		t.Errorf("dead again: %q", got)
	}
}

func TestReplayOfNothing(t *testing.T) {
	s := memory.Open(memory.NewDisk(), nil)
	if n, more, err := ReplayAll(t.Context(), s, Filter{}, nil, start); n != 0 || more || err != nil {
		t.Errorf("%d, %v, %v", n, more, err)
	}
	if err := Replay(t.Context(), s, "0000000000000001", nil, start); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a letter that is not there: %v", err)
	}
	bury(t, s, Letter{Queue: "q", At: start})
	var l Letter
	if err := Each(t.Context(), s, Filter{}, "", 1, 1, func(found Letter) { l = found }); err != nil {
		t.Fatal(err)
	}
	_, revision, err := Load(t.Context(), s, l.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := Remove(t.Context(), s, l.ID, revision+1, store.Batch{}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("another letter of the same id: %v", err)
	}
	if err := Remove(t.Context(), s, l.ID, revision, store.Batch{}); err != nil {
		t.Error(err)
	}
	if got := contents(t, s, Filter{}, "", 1, 1); got != "" {
		t.Errorf("left: %q", got)
	}
}

// TestLongItem: what a queue holds fits a dead letter, and goes back.
func TestLongItem(t *testing.T) {
	s := memory.Open(memory.NewDisk(), nil)
	long := strings.Repeat("x", store.MaxValue)
	bury(t, s, Letter{Queue: "q", At: start, Value: []byte(long), Reason: abi.Error{
		Code: "c", Message: strings.Repeat("m", store.MaxValue), Detail: []byte(`"` + strings.Repeat("d", store.MaxValue) + `"`),
	}})
	if got := contents(t, s, Filter{}, "", 1, 1); got != long {
		t.Fatalf("the letter has %d bytes, want %d", len(got), len(long))
	}
	if _, _, err := ReplayAll(t.Context(), s, Filter{}, nil, start); err != nil {
		t.Fatal(err)
	}
	if back, err := s.Read(t.Context(), "q", 0, 2); err != nil || len(back) != 1 || string(back[0].Value) != long {
		t.Errorf("%d items are back, %v", len(back), err)
	}
	if left, err := s.List(t.Context(), kindValue, "", 1, false); err != nil || len(left) > 0 {
		t.Errorf("the item is still kept: %d, %v", len(left), err)
	}
}

// TestOldLetter: letters that have their items in them are read and replayed.
func TestOldLetter(t *testing.T) {
	s := memory.Open(memory.NewDisk(), nil)
	old := `{"id":"0000000000000001","queue":"q","reason":{"code":"c","message":"m"},"at":"2026-01-02T03:00:00Z","value":"aXRlbQ=="}`
	if _, err := s.Commit(t.Context(), &store.Batch{Put: []store.Put{{ID: store.ID{Kind: Kind, Key: "0000000000000001"}, Value: []byte(old)}}}); err != nil {
		t.Fatal(err)
	}
	if got := contents(t, s, Filter{}, "", 1, 1); got != "item" {
		t.Errorf("the letter has %q", got)
	}
	if err := Replay(t.Context(), s, "0000000000000001", nil, start); err != nil {
		t.Fatal(err)
	}
	if back, err := s.Read(t.Context(), "q", 0, 2); err != nil || len(back) != 1 || string(back[0].Value) != "item" {
		t.Errorf("back: %v, %v", back, err)
	}
}
