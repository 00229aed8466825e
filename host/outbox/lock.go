package outbox

import (
	"context"
	"sync"
)

// locks holds queues, so that an item is not cancelled while it is sent.
type locks struct {
	mu   sync.Mutex
	held map[string]chan struct{} // guarded by mu; closed when the queue is let go
}

func newLocks() locks { return locks{held: map[string]chan struct{}{}} }

// lock waits for a queue and holds it until unlock is called.
func (l *locks) lock(ctx context.Context, queue string) (unlock func(), err error) {
	for {
		l.mu.Lock()
		other, taken := l.held[queue]
		if !taken {
			mine := make(chan struct{})
			l.held[queue] = mine
			l.mu.Unlock()
			return func() {
				l.mu.Lock()
				delete(l.held, queue)
				l.mu.Unlock()
				close(mine)
			}, nil
		}
		l.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
