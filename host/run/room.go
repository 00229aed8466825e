package run

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/trama-run/trama/host/expr"
	"github.com/trama-run/trama/host/store"
)

// Bounds of what stored runs hold in memory while they are driven: an event may
// take sixty times the bytes of its text, and is held while a call lasts.
const (
	roomForRuns = 512 << 20       // bytes of all of them
	lightRun    = 256 << 10       // bytes of one that is not counted; it never waits for the others
	roomPause   = 5 * time.Second // until one that found no room looks again
)

// room is what the large ones take together.
type room struct{ used atomic.Int64 }

// take takes some bytes, if there are so many.
func (r *room) take(bytes int) bool {
	if r.used.Add(int64(bytes)) <= roomForRuns {
		return true
	}
	r.give(bytes)
	return false
}

func (r *room) give(bytes int) { r.used.Add(int64(-bytes)) }

// weight is how much room the stored session of a key needs, which is never more
// than there is.
func (r *Runner) weight(ctx context.Context, key string) (int, error) {
	stored, err := r.config.Store.Load(ctx, sessionID(key))
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil
	}
	bytes := min(expr.Weight(stored.Value), roomForRuns)
	if bytes <= lightRun {
		bytes = 0
	}
	return bytes, err
}
