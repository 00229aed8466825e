package plugintest

import (
	"errors"
	"testing"
	"time"
)

// TestRepeat: what takes longer than the span is done once, for a plugin that
// runs into its limit takes seconds a call.
func TestRepeat(t *testing.T) {
	for _, test := range []struct {
		span time.Duration
		fail bool
		want int
	}{{0, false, 1}, {time.Hour, false, 20}, {time.Hour, true, 1}} {
		calls := 0
		said, err := repeat(test.span, 20, func() error {
			if calls++; test.fail {
				return errors.New("no")
			}
			return nil
		})
		if calls != test.want || said != calls || (err != nil) != test.fail {
			t.Errorf("in %s: %d calls, it says %d, %v; want %d", test.span, calls, said, err, test.want)
		}
	}
}
