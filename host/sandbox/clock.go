package sandbox

import (
	"context"
	"fmt"
	"time"

	"github.com/tetratelabs/wazero/api"

	"github.com/trama-run/trama/host/sandbox/meter"
)

const (
	// slice is the fuel that a guest is given at a time. At its end the guest
	// calls the host, which looks at the clock. It is some 0.2 ms of ordinary
	// instructions, and 20 ms of the slowest. A host function is paid for by
	// the bytes that it goes through, and the clock is looked at behind it. So
	// no limit is overrun by more, but for one bulk instruction or one host
	// function, and nothing in the host waits longer for a guest, garbage
	// collection included.
	slice = 200_000
	// hostCall is the fuel that calling a host function costs.
	hostCall = 16
	// long is the guest time behind which a call takes turns, where fuel does
	// not tell: it may have spent it in host functions.
	long = time.Millisecond
	// stackBytes bounds the nested calls of a guest, by the sizes of frames
	// that the meter estimates. It costs 10 to 60 MB of host memory while the
	// stack grows. Frames that are larger than their estimates end at the
	// engine's own bound, which costs some 180 MB.
	stackBytes = 16 * mib
)

// clock counts what one call uses: fuel, guest time, and its turn among the
// calls that run for long. It belongs to an instance and to one call at a time.
type clock struct {
	fuel, stack api.MutableGlobal // of the rewritten module
	turns       *share            // of calls that have used up a slice
	key         any               // whose line a call waits in

	caller  context.Context
	limits  Limits
	granted int64 // fuel that the guest was given in this call
	since   time.Time
	spent   time.Duration // of guest time, up to since
	turn    bool          // the call holds one of turns
}

// start begins a call.
func (c *clock) start(caller context.Context, limits Limits) {
	c.caller, c.limits, c.spent = caller, limits, 0
	c.granted = min(slice, limits.Fuel)
	c.fuel.Set(uint64(c.granted))
	c.stack.Set(stackBytes)
	c.since = time.Now()
}

// goOn begins a call as the continuation of what was counted last.
func (c *clock) goOn(caller context.Context, limits Limits) {
	used, spent := c.used(), c.spent
	c.start(caller, limits)
	c.granted += used
	c.spent = spent
}

// stop ends a call.
func (c *clock) stop() {
	c.pause()
	c.caller = nil
}

// used is the fuel that the call has used.
func (c *clock) used() int64 { return c.granted - int64(c.fuel.Get()) }

// charge counts work that the host does for the guest, in bytes, and says why
// the call must end if it can't pay. Checks in the guest come at loops and
// functions only, and a function may be long.
func (c *clock) charge(bytes int64) *Error {
	left := int64(c.fuel.Get()) - hostCall - bytes/meter.BytesPerFuel
	c.fuel.Set(uint64(left))
	if left >= 0 {
		return nil
	}
	return c.refuel()
}

// look is for host functions whose cost is not in their bytes.
func (c *clock) look() *Error {
	if err := c.check(); err != nil {
		return err
	}
	if c.spent > long {
		return c.takeTurn()
	}
	return nil
}

// pause stops the guest's time while the host waits for others, and gives up
// the turn.
func (c *clock) pause() {
	c.spent += time.Since(c.since)
	c.giveTurn()
}

func (c *clock) giveTurn() {
	if c.turn {
		c.turn = false
		c.turns.give(1)
	}
}

// resume lets the guest's time run on.
func (c *clock) resume() { c.since = time.Now() }

// refuel gives the next slice, or says why the call must end. A call that
// comes here is a long one: it goes on when it is its turn.
func (c *clock) refuel() *Error {
	if err := c.check(); err != nil {
		return err
	}
	if err := c.takeTurn(); err != nil {
		return err
	}
	more := min(slice, c.limits.Fuel-c.used())
	c.granted = c.used() + more
	c.fuel.Set(uint64(more))
	return nil
}

// takeTurn waits for the call's turn, and gives it up to others after a slice.
func (c *clock) takeTurn() *Error {
	if c.turn && !c.turns.wanted() {
		return nil
	}
	c.pause()
	err := c.turns.take(c.caller, c.key, 1)
	c.resume()
	if err != nil {
		return c.ended()
	}
	c.turn = true
	return nil
}

// check says whether fuel, time or the caller's patience is used up.
func (c *clock) check() *Error {
	if used := c.used(); used > c.limits.Fuel {
		return fuelError(used, c.limits.Fuel)
	}
	now := time.Now()
	c.spent += now.Sub(c.since)
	c.since = now
	if c.spent >= c.limits.Time {
		return timeError(c.limits.Time)
	}
	return c.ended()
}

// ended says that the caller's context is over; nil while it isn't.
func (c *clock) ended() *Error {
	if c.caller.Err() == nil {
		return nil
	}
	return callerError(c.caller, c.spent)
}

// sleep is the guest's sleep. It counts as guest time.
func (c *clock) sleep(d time.Duration) *Error {
	c.giveTurn()
	left := c.limits.Time - c.spent - time.Since(c.since)
	t := time.NewTimer(min(d, max(left, 0)))
	defer t.Stop()
	select {
	case <-t.C:
	case <-c.caller.Done():
	}
	return c.check()
}

func timeError(limit time.Duration) *Error {
	ceiling := CeilingLimits().Time
	remedy := raise(LimitTime, min(2*limit, ceiling).String())
	if limit >= ceiling {
		remedy = fmt.Sprintf("%s is the highest that a grant may give", ceiling)
	}
	e := newError(KindTimeout, "stopped after %s of guest time, the limit; %s", limit, remedy).
		because(context.DeadlineExceeded)
	e.Limit = LimitTime
	return e
}

func fuelError(used, limit int64) *Error {
	ceiling := CeilingLimits().Fuel
	remedy := raise(LimitFuel, units(min(2*limit, ceiling)))
	if limit >= ceiling {
		remedy = fmt.Sprintf("%s is the highest that a grant may give", units(ceiling))
	}
	return limitError(LimitFuel, "used %d units of fuel, over the limit of %d (%s); %s", used, limit, units(limit), remedy)
}
