package plugintest

import (
	"context"
	"runtime"
	"slices"
	"time"
)

// Measured is what many equal calls cost, one after the other.
type Measured struct {
	Calls int `json:"calls"`
	// P50, P90 and P99: so many of a hundred calls took no longer; nanoseconds.
	P50       time.Duration `json:"p50"`
	P90       time.Duration `json:"p90"`
	P99       time.Duration `json:"p99"`
	PerSecond float64       `json:"per_second"`
	Fuel      int64         `json:"fuel"`   // of one call
	Memory    int64         `json:"memory"` // bytes of the plugin's, at the end of one
	// Allocations and GarbageBytes are the host's, of one call: those of the call
	// in the sandbox and of the functions that it used.
	Allocations  int64 `json:"allocations"`
	GarbageBytes int64 `json:"garbage_bytes"`
	// Error is the code with which the calls failed; empty: they succeeded.
	Error string `json:"error,omitempty"`
}

// Measure repeats a call for a span of time, once at least, after some calls
// that don't count; these, and those whose garbage is counted, take no longer
// than the span either.
func (p *Plugin) Measure(ctx context.Context, c Call, span time.Duration) (Measured, error) {
	const first, most = 20, 1_000_000
	var m Measured
	if _, err := repeat(span, first, func() error {
		out, err := p.Call(ctx, c)
		if m.Fuel, m.Memory = out.Fuel, out.Memory; out.Error != nil {
			m.Error = out.Error.Code
		}
		return err
	}); err != nil {
		return m, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	times := make([]time.Duration, 0, 1024)
	var sum time.Duration
	if _, err := repeat(span, most, func() error {
		a, err := p.prepare(ctx, c)
		if err != nil {
			return err
		}
		a.perform(ctx)
		times, sum = append(times, a.out.Took), sum+a.out.Took
		return ctx.Err()
	}); err != nil {
		return m, err
	}
	slices.Sort(times)
	at := func(percent int) time.Duration { return times[(len(times)-1)*percent/100] }
	m.Calls, m.P50, m.P90, m.P99 = len(times), at(50), at(90), at(99)
	m.PerSecond = float64(m.Calls) / sum.Seconds()
	// Counting garbage stops the world, so it is done apart, of fewer calls.
	var before, after runtime.MemStats
	counted, err := repeat(span, first, func() error {
		a, err := p.prepare(ctx, c)
		if err != nil {
			return err
		}
		runtime.ReadMemStats(&before)
		a.perform(ctx)
		runtime.ReadMemStats(&after)
		m.Allocations += int64(after.Mallocs - before.Mallocs)
		m.GarbageBytes += int64(after.TotalAlloc - before.TotalAlloc)
		return ctx.Err()
	})
	m.Allocations, m.GarbageBytes = m.Allocations/int64(counted), m.GarbageBytes/int64(counted)
	return m, err
}

// repeat calls f until a span of time is over or it was called so often, once at
// least, and says how often. An error of f ends it.
func repeat(span time.Duration, most int, f func() error) (calls int, err error) {
	for began := time.Now(); calls == 0 || calls < most && time.Since(began) < span; {
		calls++
		if err := f(); err != nil {
			return calls, err
		}
	}
	return calls, nil
}
