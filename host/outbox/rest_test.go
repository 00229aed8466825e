package outbox

import (
	"slices"
	"testing"
	"time"

	"github.com/trama-run/trama/pdk/abi"
)

// TestRest: what an endpoint refuses for a rate of its own holds back all that
// is to go there, and what it refuses for another reason that item alone.
func TestRest(t *testing.T) {
	for _, test := range []struct {
		name          string
		asked, rest   time.Duration
		before, quiet time.Duration // when the others have gone, and when not yet
		first         []string      // has gone then
		rests         bool
	}{
		{"of the item", 7 * time.Second, 0, 0, 0, []string{"a", "b", "c"}, false},
		{"of all", 7 * time.Second, 7 * time.Second, 7 * time.Second, 6999 * time.Millisecond, []string{"a"}, true},
		{"bounded", 100 * time.Hour, 100 * time.Hour, time.Hour, time.Hour - time.Millisecond, []string{"a"}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, oneByOne())
			w.other.rest = test.rest
			w.other.answer = func(item Item, nth int) *abi.Error {
				if item.EffectID == "a" && nth == 1 {
					return &abi.Error{Code: "busy", Message: "later", Retryable: true, RetryAfterMillis: test.asked.Milliseconds()}
				}
				return nil
			}
			began := w.clock
			for n, id := range []string{"a", "b", "c"} {
				w.put(one(n), id)
			}
			w.run(test.quiet)
			if got := w.other.ids(); !slices.Equal(got, test.first) {
				t.Errorf("after %s: %q", w.clock.Sub(began), got)
			}
			if e := w.endpoint(); e.Rests.After(w.clock) != test.rests {
				t.Errorf("it is shown as %+v", e)
			}
			w.run(test.before - test.quiet + time.Minute)
			for _, s := range w.other.got[len(test.first):] {
				if at := s.at.Sub(began); at < test.before || at > test.before+10*time.Second {
					t.Errorf("%s went after %s, want %s", s.id, at, test.before)
				}
			}
			if e := w.endpoint(); len(w.other.got) != 4 || !e.Rests.IsZero() || e.Waiting != 0 {
				t.Errorf("%d tries, %+v", len(w.other.got), e)
			}
		})
	}
}
