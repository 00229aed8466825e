package channel

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/store"
)

const (
	// maxReaders is how many of a channel's requests are read at once, where there
	// are as many processors: reading is an adapter's code, and what comes
	// meanwhile has to be taken in.
	maxReaders = 8
	// lingers is how long a reader takes before another begins beside it: by then
	// it waits for something outside, such as the service that it tells that a
	// button was pressed.
	lingers = 20 * time.Millisecond
)

// readAll lets the adapter read requests, several at once: what one says of its
// request depends on no other.
func (c *Channels) readAll(ctx context.Context, ch catalog.Channel, items []store.Item) []request {
	requests := make([]request, len(items))
	var readers sync.WaitGroup
	var next atomic.Int64
	var begin func()
	begin = func() {
		readers.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(items) || ctx.Err() != nil {
					return
				}
				began, begun := time.Now(), make(chan struct{})
				late := time.AfterFunc(lingers, func() {
					defer close(begun)
					if c.config.Readers > 1 { // else their order matters
						begin()
					}
				})
				requests[i] = c.readOne(ctx, ch, items[i])
				if !late.Stop() {
					<-begun // while this one counts
				}
				c.pace.rest(ctx, time.Since(began))
			}
		})
	}
	for range min(c.config.Readers, len(items)) {
		begin()
	}
	readers.Wait()
	return requests
}

// readOne lets the adapter read a request, again if that fails for good.
func (c *Channels) readOne(ctx context.Context, ch catalog.Channel, item store.Item) request {
	q := request{item: item, sample: sampleIn(item.Value)}
	for range maxTries {
		if q.units, q.failure = c.read(ctx, ch, item.Value); q.failure == nil || len(q.units) > 0 || q.held() || q.later() || ctx.Err() != nil {
			break
		}
	}
	return q
}

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
