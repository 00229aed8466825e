package channel

import (
	"context"
	"runtime"
	"sync/atomic"
	"time"
)

// What is taken in goes before what is read: a webhook that is not answered in
// time comes again, while one that is stored loses nothing by waiting.
const (
	crowd     = 2                      // requests being stored for each processor, above which they have to wait for one
	restShare = 4                      // times as long as it read, that a reader rests meanwhile: it keeps a fifth
	restStep  = time.Millisecond       // how often a reader that rests looks whether they are through
	maxRest   = 100 * time.Millisecond // after one request, however long it took
)

// pace counts the requests that are being stored and slows reading down while
// they are many.
type pace struct{ storing atomic.Int64 }

// begin counts a request in, until end is called.
func (p *pace) begin() (end func()) {
	p.storing.Add(1)
	return func() { p.storing.Add(-1) }
}

// rest returns once a reader that read for so long may go on.
func (p *pace) rest(ctx context.Context, read time.Duration) {
	for left := min(restShare*read, maxRest); left > 0 && ctx.Err() == nil; left -= restStep {
		if p.storing.Load() <= crowd*int64(runtime.GOMAXPROCS(0)) {
			return
		}
		time.Sleep(restStep)
	}
}
