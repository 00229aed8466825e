package outbox

import (
	"time"

	"github.com/trama-run/trama/pdk/abi"
)

// States of a breaker.
const (
	BreakerClosed   = "closed"
	BreakerOpen     = "open"
	BreakerHalfOpen = "half-open" // a probe is on its way, or may go
)

// parts is into how many a breaker's window is cut: what leaves it does so one
// part at a time.
const parts = 6

// breaker is the state of one endpoint's Breaker. The zero value is closed.
type breaker struct {
	counts [parts]count // of the window

	open    bool
	until   time.Time     // a probe may go then
	pause   time.Duration // that ended, or ends, with until
	probing bool
	last    string // the last failure
}

// count is what happened in one part of the window.
type count struct {
	began         time.Time
	tries, failed int
}

// wait says how long to wait for the breaker; 0: an item may go.
func (b *breaker) wait(now time.Time) time.Duration {
	switch left := b.until.Sub(now); {
	case !b.open:
		return 0
	case left > 0:
		return left
	case b.probing:
		return probeWait
	}
	return 0
}

// begin says whether the item that goes now is the probe.
func (b *breaker) begin() (probe bool) {
	b.probing = b.open
	return b.open
}

// note takes in how a send ended.
func (b *breaker) note(p Breaker, now time.Time, probe, called bool, failure *abi.Error) {
	failed := failure != nil && (failure.Retryable || failure.Code == abi.CodeUnknown)
	if called && failed {
		b.last = cut(failure.Message)
	}
	if probe {
		b.probing = false
	}
	switch {
	case !called: // it says nothing; the next one may be the probe
	case probe && failed:
		b.trip(now, min(2*b.pause, p.MaxPause))
	case probe:
		*b = breaker{last: b.last}
	case b.open: // it began before the breaker opened: nothing new
	default:
		b.count(p, now, failed)
		if tries, bad := b.sum(p.Window, now); tries >= p.MinTries && float64(bad) >= p.Share*float64(tries) {
			b.trip(now, p.Pause)
		}
	}
}

// trip opens the breaker.
func (b *breaker) trip(now time.Time, pause time.Duration) {
	b.open, b.pause, b.until = true, pause, now.Add(pause)
}

// count adds one try to the window.
func (b *breaker) count(p Breaker, now time.Time, failed bool) {
	length := p.Window / parts
	began := now.Truncate(length)
	c := &b.counts[began.UnixNano()/int64(length)%parts]
	if !c.began.Equal(began) {
		*c = count{began: began}
	}
	c.tries++
	if failed {
		c.failed++
	}
}

// sum counts the tries within the window.
func (b *breaker) sum(window time.Duration, now time.Time) (tries, failed int) {
	for _, c := range b.counts {
		if now.Sub(c.began) < window {
			tries, failed = tries+c.tries, failed+c.failed
		}
	}
	return tries, failed
}

// describe adds the state to what is shown of an endpoint.
func (b *breaker) describe(e *Endpoint, p Breaker, now time.Time) {
	e.Breaker, e.LastFailure = BreakerClosed, b.last
	e.Tries, e.Failed = b.sum(p.Window, now)
	if b.open {
		e.Breaker, e.Until = BreakerOpen, b.until
		if !b.until.After(now) {
			e.Breaker = BreakerHalfOpen
		}
	}
}
