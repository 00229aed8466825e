package outbox

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/trama-run/trama/host/store"
)

const (
	calledFor = 10 * time.Second // a place is kept for the queue that was woken to take it
	probeWait = 2 * time.Second  // the scout looks again while another's item is the probe
	waits     = time.Minute      // one that waits looks again without being woken, at the earliest
	perWaits  = time.Second / 2  // and later by this for each that waits before it
)

// line is of the queues that wait for an endpoint. However many they are, one
// looks for all of them whether something may go: the scout, if it is not a
// send in progress whose end they wait for. The others are woken in turn; that
// they look by themselves, rarely, makes good what may be lost.
type line struct {
	order   []string             // the longest first; some may have gone
	waiting map[string]bool      // those of order that still wait
	called  map[string]time.Time // queues that were woken to take a place, and until when it is theirs
	scout   string               // one of waiting; empty: there is none
	look    time.Time            // when it looks
}

func newLine() line {
	return line{waiting: map[string]bool{}, called: map[string]time.Time{}}
}

// expect frees the places of those that were called and did not come, and of a
// queue, for it. It says whether that was called.
func (l *line) expect(queue string, now time.Time) (called bool) {
	_, called = l.called[queue]
	delete(l.called, queue)
	maps.DeleteFunc(l.called, func(_ string, until time.Time) bool { return !until.After(now) })
	return called
}

// stand puts a queue into the line, first if it was called, and says when it
// looks again. pause is how long nothing may go; 0: until a send ends.
func (l *line) stand(queue string, first bool, pause time.Duration, now time.Time) time.Duration {
	if !l.waiting[queue] {
		l.waiting[queue] = true
		if first {
			l.order = slices.Insert(l.order, 0, queue)
		} else {
			l.order = append(l.order, queue)
		}
	}
	if looks := l.scout != "" && l.look.After(now); !looks && pause > 0 {
		l.scout, l.look = queue, now.Add(pause)
	}
	if l.scout == queue && l.look.After(now) {
		return l.look.Sub(now)
	}
	return waits + time.Duration(len(l.waiting))*perWaits
}

// forget takes a queue out of the line.
func (l *line) forget(queue string) {
	delete(l.waiting, queue)
	if l.scout == queue {
		l.scout = ""
	}
}

// head is the queue that waits longest; "": none does.
func (l *line) head() string {
	for len(l.order) > 0 && !l.waiting[l.order[0]] {
		l.order = l.order[1:]
	}
	if len(l.order) == 0 {
		return ""
	}
	return l.order[0]
}

// appoint has the first of the line look after a pause, unless one looks before.
func (l *line) appoint(now time.Time, pause time.Duration) []store.Wake {
	at := now.Add(pause)
	first := l.head()
	if looks := l.scout != "" && l.look.After(now) && !l.look.After(at); looks || first == "" {
		return nil
	}
	l.scout, l.look = first, at
	return []store.Wake{{Key: first, At: at}}
}

// next calls those that wait longest to the places that are free; if none may
// go, one of them looks again when that may change.
func (at *endpoint) next(now time.Time) (wakes []store.Wake) {
	if pause := at.closed(now); pause > 0 {
		clear(at.called) // they stand in line again
		return at.appoint(now, pause)
	}
	for at.running+len(at.called) < at.places() {
		queue := at.head()
		if queue == "" {
			break
		}
		at.forget(queue)
		at.called[queue] = now.Add(calledFor)
		wakes = append(wakes, store.Wake{Key: queue, At: now})
	}
	return wakes
}

// Mended says that what holds an endpoint may have gone: those that wait need
// not find out by themselves. It does not wait for that.
func (o *Outbox) Mended() {
	select {
	case o.mended <- struct{}{}:
	default: // one is waiting already
	}
}

// Run wakes all that waits, since who stands in line is not known after a
// restart, and then what waits for what [Outbox.Mended] tells of. It ends with
// ctx.
func (o *Outbox) Run(ctx context.Context) error {
	if err := o.wakeAll(ctx); err != nil && ctx.Err() == nil {
		o.config.Log.Warn("outboxes not woken; they look again by themselves", "error", err)
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-o.mended:
			o.wake(ctx, o.endpoints.all(o.now()))
		}
	}
}

// wakeAll has all queues look now.
func (o *Outbox) wakeAll(ctx context.Context) error {
	now := o.now()
	for lane := range o.config.Lanes {
		for after := ""; ; {
			wakes, err := o.config.Store.Wakes(ctx, lane+":", after, queuePage)
			if err != nil {
				return err
			}
			if len(wakes) == 0 {
				break
			}
			after = wakes[len(wakes)-1].Key
			wakes = slices.DeleteFunc(wakes, func(w store.Wake) bool { return !w.At.After(now) })
			for i := range wakes {
				wakes[i].At = now
			}
			if err := o.set(ctx, wakes); err != nil {
				return err
			}
		}
	}
	return nil
}

// wake sets the wakes of those that are next.
func (o *Outbox) wake(ctx context.Context, wakes []store.Wake) {
	if err := o.set(ctx, wakes); err != nil && ctx.Err() == nil {
		o.config.Log.Warn("outboxes not woken; they look again by themselves", "error", err)
	}
}

// set sets wakes.
func (o *Outbox) set(ctx context.Context, wakes []store.Wake) error {
	var failed error
	for some := range slices.Chunk(wakes, queuePage) {
		_, err := o.config.Store.Commit(ctx, &store.Batch{Wake: some})
		failed = errors.Join(failed, err)
	}
	if len(wakes) > 0 {
		o.config.Poke()
	}
	return failed
}
