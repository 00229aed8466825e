package channel

import (
	"sync"
	"time"

	"github.com/trama-run/trama/host/run"
	"github.com/trama-run/trama/host/store"
)

// patience is how long a request whose reading fails for a reason that may pass
// holds its channel, from its first failure on; then it is a dead letter. A
// rate limit or a short outage of what the adapter asks is over by then, and a
// request that never succeeds doesn't stop the channel for good.
const patience = 10 * time.Minute

// holds are the requests that hold their channels, one of each at most, by
// queue. They live in memory: after a restart the time begins anew.
type holds struct {
	mu   sync.Mutex
	held map[string]hold // guarded by mu
}

type hold struct {
	position store.Position
	since    time.Time // of the first failure
	next     time.Time // when to try again
}

// of gives the hold that an item is, if it is one.
func (h *holds) of(item store.Item) (hold, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	known, ok := h.held[item.Queue]
	return known, ok && known.position == item.Position
}

// failed takes in that an item could not be read now. It says when to try it
// again, or that it was tried for long enough.
func (h *holds) failed(item store.Item, now time.Time) (next time.Time, again bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	known := h.held[item.Queue]
	if known.position != item.Position {
		known = hold{position: item.Position, since: now}
	}
	waited := now.Sub(known.since)
	if waited >= patience {
		return time.Time{}, false
	}
	known.next = now.Add(run.HeldPause(waited).Truncate(time.Millisecond)) // as exact as the clock
	if h.held == nil {
		h.held = map[string]hold{}
	}
	h.held[item.Queue] = known
	return known.next, true
}
