package sandbox

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/tetratelabs/wazero"

	"github.com/trama-run/trama/pdk/abi"
)

// Host is what one call may reach of the world. Its methods are called by the
// goroutine of the call, one at a time, and never after Call has returned. A
// nil Host refuses everything: no configuration, no requests, no logs.
type Host interface {
	// Config gives a setting, for Extism's config_get.
	Config(key string) (value string, ok bool)
	// HTTP performs one request, for Extism's http_request. The guest's clock
	// stands still; ctx is the caller's. An error stops the call; if it is an
	// *abi.Error, the flow sees its code.
	HTTP(ctx context.Context, request abi.HTTPRequest) (abi.HTTPResponse, error)
	// Log takes one line. Level is debug, info, warn or error. The text is
	// valid UTF-8 without control characters and bounded by the log limit.
	Log(level, text string)
	// Function performs a function of trama:host/v1. The reply is an
	// abi.Reply as JSON; refusals belong in it, and an error stops the call.
	// The guest's clock stands still; ctx is the caller's.
	Function(ctx context.Context, name string, request []byte) (reply []byte, err error)
}

// Call is one call of an exported function.
type Call struct {
	Export string
	Input  []byte // not changed, and not kept
	Limits Limits
	Host   Host
}

// Result is what a call that succeeded gives. GuestTime and MemoryBytes are
// also set when it failed, if the guest ran.
type Result struct {
	Output      []byte
	GuestTime   time.Duration // without waiting for the host
	MemoryBytes int64         // of the instance's linear memory, at the end
}

// Module is a compiled plugin. It may be called from many goroutines at once;
// each call has an instance to itself.
type Module struct {
	sandbox  *Sandbox
	info     Info
	callable map[string]bool // exports () -> i32
	memory   int64           // bytes
	runtime  wazero.Runtime
	cache    wazero.CompilationCache // nil without a cache directory
	compiled wazero.CompiledModule

	mu      sync.Mutex
	idle    []*instance // guarded by mu; the one used last stands last
	running int         // guarded by mu
	closing bool        // guarded by mu
	trimmer *time.Timer // guarded by mu; nil while no trim is due

	slots chan struct{} // holds one for each call that runs

	closed   chan struct{} // closed once everything is released
	closeErr error         // read after closed
}

// Instances that wait for calls.
const (
	maxCalls = 128 // of one module at once; more wait for one to end
	maxIdle  = 8
	idleFor  = time.Minute
)

// Info is what Inspect says of the module.
func (m *Module) Info() Info { return m.info }

// Call runs one export.
//
// # Errors
//
// Every error is an [*Error]. After any kind but KindGuest, and KindRefused or
// KindLimit of the input, which nothing ran for, the instance is discarded; the
// next call gets another.
func (m *Module) Call(ctx context.Context, c Call) (Result, error) {
	if err := m.admit(ctx, c); err != nil {
		err.Export = c.Export
		return Result{}, err
	}
	defer m.leave()
	select {
	case m.slots <- struct{}{}:
		defer func() { <-m.slots }()
	case <-ctx.Done():
		err := newError(KindTimeout, "not begun: %d calls of this plugin ran all the while, the most at once", maxCalls).because(ctx.Err())
		err.Export, err.Err.Retryable = c.Export, true
		return Result{}, err
	}
	in := m.take()
	if in == nil {
		var err error
		if in, err = m.instantiate(ctx, c.Limits); err != nil {
			return Result{}, err
		}
	}
	result, poisoned, failure := in.call(ctx, c)
	if poisoned {
		in.close()
	} else {
		m.put(in)
	}
	if failure != nil {
		if failure.Export == "" {
			failure.Export = c.Export
		}
		return result, failure
	}
	return result, nil
}

// admit checks a call before anything runs, and counts it.
func (m *Module) admit(ctx context.Context, c Call) *Error {
	n := int64(len(c.Input))
	switch {
	case ctx.Err() != nil && errors.Is(ctx.Err(), context.DeadlineExceeded):
		return newError(KindTimeout, "not begun: the caller's deadline had passed").because(ctx.Err())
	case ctx.Err() != nil:
		return newError(KindCanceled, "not begun: the caller had cancelled the call").because(ctx.Err())
	case !m.callable[c.Export]:
		return m.notCallable(c.Export)
	}
	if err := c.Limits.check(); err != nil {
		return newError(KindRefused, "%v", err)
	}
	if limit := c.Limits.Input; n > limit {
		return limitError(LimitInput, "input of %s is over the limit of %s, so the plugin was not run; %s",
			size(n), size(limit), bytesRemedy(LimitInput, n, CeilingLimits().Input))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closing {
		return newError(KindRefused, "%v", ErrClosed).because(ErrClosed)
	}
	m.running++
	return nil
}

// notCallable says what there is instead.
func (m *Module) notCallable(name string) *Error {
	const most = 20
	var list []string
	for _, e := range m.info.Exports {
		switch {
		case e.Name == name:
			return newError(KindRefused, "the export is a %s %s; want a function () -> i32", e.Kind, e.Signature)
		case e.Callable() && len(list) < most:
			list = append(list, e.Name)
		}
	}
	return newError(KindRefused, "the plugin has no such export; it has %s", strings.Join(list, ", "))
}

// take gives the idle instance that was used last, or nil.
func (m *Module) take() *instance {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := len(m.idle)
	if n == 0 {
		return nil
	}
	in := m.idle[n-1]
	m.idle[n-1] = nil
	m.idle = m.idle[:n-1]
	return in
}

// put makes an instance idle, or closes it if enough are.
func (m *Module) put(in *instance) {
	m.mu.Lock()
	full := len(m.idle) >= maxIdle
	if !full {
		in.idleSince = in.guard.since
		m.idle = append(m.idle, in)
		if m.trimmer == nil {
			m.trimmer = time.AfterFunc(idleFor, m.trim)
		}
	}
	m.mu.Unlock()
	if full {
		in.close()
	}
}

// trim closes the instances that have been idle for long, and comes again
// while others are.
func (m *Module) trim() {
	m.mu.Lock()
	n := 0
	for n < len(m.idle) && time.Since(m.idle[n].idleSince) >= idleFor {
		n++
	}
	old := append([]*instance(nil), m.idle[:n]...)
	m.idle = append(m.idle[:0], m.idle[n:]...)
	clear(m.idle[len(m.idle):cap(m.idle)])
	m.trimmer = nil
	if len(m.idle) > 0 {
		m.trimmer = time.AfterFunc(idleFor, m.trim)
	}
	m.mu.Unlock()
	for _, in := range old {
		in.close()
	}
}

// leave ends a call. The last one of a closing module releases it.
func (m *Module) leave() {
	m.mu.Lock()
	m.running--
	last := m.closing && m.running == 0
	m.mu.Unlock()
	if last {
		m.release()
	}
}

// Close refuses new calls, waits for those that run, and releases everything.
// If ctx ends first, Close reports it and the last call does the rest.
func (m *Module) Close(ctx context.Context) error {
	m.mu.Lock()
	first := !m.closing
	m.closing = true
	running := m.running
	m.mu.Unlock()
	if first && running == 0 {
		m.release()
	}
	select {
	case <-m.closed:
		return m.closeErr
	case <-ctx.Done():
		return fmt.Errorf("close module %s: calls are still running: %w", m.info.SHA256, ctx.Err())
	}
}

// release runs once, when no call does.
func (m *Module) release() {
	m.mu.Lock()
	idle := m.idle
	m.idle = nil
	if m.trimmer != nil {
		m.trimmer.Stop() // it would hold the module for a minute
	}
	m.mu.Unlock()
	for _, in := range idle {
		in.close()
	}
	m.closeErr = closeAll(m.runtime, m.cache)
	m.sandbox.forget(m)
	close(m.closed)
}

// closeAll closes a runtime and then the cache that it compiled into.
func closeAll(rt wazero.Runtime, cache wazero.CompilationCache) error {
	ctx := context.Background()
	err := rt.Close(ctx)
	if cache != nil {
		err = errors.Join(err, cache.Close(ctx))
	}
	return err
}
