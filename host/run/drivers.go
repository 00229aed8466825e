package run

import "sync/atomic"

// maxIdle is how many goroutines wait for a run to drive.
const maxIdle = 64

// drivers drive gateway runs beside their callers. A goroutine drives one run
// after another, since the stack of a new one grows several times on its way
// into a plugin.
type drivers struct {
	work chan func() // takes one only while somebody waits for it
	idle atomic.Int64
}

// beside does a piece of work beside the caller. Close waits for its end.
func (r *Runner) beside(work func()) {
	r.gone.Add(1)
	select {
	case r.drivers.work <- work:
	default:
		go r.driver(work)
	}
}

// driver does a piece of work, and those that come while few others wait.
func (r *Runner) driver(work func()) {
	d := &r.drivers
	for {
		work()
		r.gone.Done()
		if d.idle.Add(1) > maxIdle {
			d.idle.Add(-1)
			return
		}
		select {
		case work = <-d.work:
			d.idle.Add(-1)
		case <-r.stop.Done():
			return
		}
	}
}
