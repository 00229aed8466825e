package sandbox

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/tetratelabs/wazero"

	"github.com/trama-run/trama/host/sandbox/compile"
	"github.com/trama-run/trama/host/sandbox/lines"
	"github.com/trama-run/trama/host/sandbox/meter"
	"github.com/trama-run/trama/pdk/abi"
)

// Host is what one call may reach of the world. Its methods are called by the
// goroutine of the call, one at a time, and never after Call has returned. A
// nil Host refuses everything, requests and logs, and its settings are those of
// [Options].
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
	// Ahead is how far the guest's clocks are ahead of ours.
	Ahead time.Duration
	// Image is the state that the call starts from; nil for the module's own.
	Image *Image
}

// Result is what a call that succeeded gives. All but Output is also set when
// it failed, if the guest ran.
type Result struct {
	Output      []byte
	Fuel        int64         // units, see package meter; the same for the same work
	GuestTime   time.Duration // without waiting for the host, or for a turn
	MemoryBytes int64         // of the instance's linear memory, at the end
}

// Module is a compiled plugin. It may be called from many goroutines at once;
// each call has an instance to itself.
type Module struct {
	sandbox   *Sandbox
	info      Info
	callable  map[string]bool // exports () -> i32
	bulk      bool            // it has the exports that move input and output in one piece
	memory    int64           // bytes
	hasMemory bool
	still     bool // see Options
	settings  map[string]string
	budget    budget
	rewritten meter.Result // Wasm is dropped once it is compiled
	source    *lines.Table // of the original; nil if it has no line tables
	runtime   wazero.Runtime
	code      *compile.Code // nil for an interpreter
	compiled  wazero.CompiledModule
	base      *Image

	slots chan struct{} // holds one for each call that runs

	mu      sync.Mutex
	images  map[*Image]bool // guarded by mu; not closed ones, base too
	closing bool            // guarded by mu

	closed   chan struct{} // closed once everything is released
	closeErr error         // read after closed
}

// maxCalls is how many calls of one module run at once, waiting for the host
// included; more wait for one to end.
const maxCalls = 128

// Info is what Inspect says of the module.
func (m *Module) Info() Info { return m.info }

// Fresh says why every call initialises an instance of its own, which takes
// milliseconds; it is empty if calls start from an image.
func (m *Module) Fresh() string { return m.rewritten.Fresh }

// Call runs one export.
//
// # Errors
//
// Every error is an [*Error]. After any kind but KindGuest, and KindRefused or
// KindLimit of the input, which nothing ran for, the instance is discarded; the
// next call gets another.
func (m *Module) Call(ctx context.Context, c Call) (Result, error) {
	result, in, image, err := m.run(ctx, c)
	if in != nil {
		image.put(in)
	}
	if image != nil {
		m.leave(image)
	}
	if err != nil {
		return result, err
	}
	return result, nil
}

// Prepare runs one export, and keeps the state that it leaves behind as an
// image: calls from it begin where this one ended. Its output is dropped.
//
// # Errors
//
// Those of Call, and KindRefused for a module without images; see Fresh.
func (m *Module) Prepare(ctx context.Context, c Call) (*Image, error) {
	if reason := m.Fresh(); reason != "" {
		return nil, newError(KindRefused, "the module has no images: %s", reason)
	}
	_, in, image, err := m.run(ctx, c)
	if image != nil {
		defer m.leave(image)
	}
	if err != nil {
		if in != nil {
			image.put(in)
		}
		return nil, err
	}
	if in == nil {
		return nil, newError(KindExit, "the plugin ended itself, so there is no state to keep")
	}
	kept, failed := m.keep(in)
	if failed != nil {
		in.close()
		return nil, newError(KindTrap, "%v", failed).because(failed)
	}
	if !m.remember(kept) {
		return nil, newError(KindRefused, "%v", errors.Join(ErrClosed, kept.Close(ctx))).because(ErrClosed)
	}
	return kept, nil
}

// run performs a call. The image, if there is one, has been entered; the
// instance, if there is one, has ended its call and is nobody's.
func (m *Module) run(ctx context.Context, c Call) (Result, *instance, *Image, error) {
	fail := func(image *Image, err *Error) (Result, *instance, *Image, error) {
		if err.Export == "" {
			err.Export = c.Export
		}
		return Result{}, nil, image, err
	}
	if err := m.admit(ctx, c); err != nil {
		return fail(nil, err)
	}
	image := c.Image
	if image == nil {
		image = m.base
	}
	if !image.enter() {
		return fail(nil, newError(KindRefused, "%v", ErrClosed).because(ErrClosed))
	}
	if err := m.begin(ctx); err != nil {
		image.leave()
		return fail(nil, err)
	}
	in, err := image.take(ctx, c.Limits)
	if err != nil {
		return fail(image, asError(err))
	}
	result, poisoned, failure := in.call(ctx, c)
	if poisoned {
		in.close()
		in = nil
	}
	if failure != nil {
		if failure.Export == "" {
			failure.Export = c.Export
		}
		return result, in, image, failure
	}
	return result, in, image, nil
}

// begin waits until the call may run: not too many of its module do, and not
// too many of all.
func (m *Module) begin(ctx context.Context) *Error {
	select {
	case m.slots <- struct{}{}:
	default:
		select {
		case m.slots <- struct{}{}:
		case <-ctx.Done():
			return notBegun(ctx, "%d calls of this plugin ran all the while, the most at once", maxCalls)
		}
	}
	if err := m.sandbox.calls.take(ctx, m, 1); err != nil {
		<-m.slots
		return notBegun(ctx, "%d calls of plugins ran all the while, the most at once", maxAllCalls)
	}
	return nil
}

// leave ends what begin began, and the use of the image.
func (m *Module) leave(image *Image) {
	m.sandbox.calls.give(1)
	<-m.slots
	image.leave()
}

func notBegun(ctx context.Context, format string, args ...any) *Error {
	err := newError(KindTimeout, "not begun: "+format, args...).because(ctx.Err())
	err.Err.Retryable = true
	return err
}

// admit checks a call before anything runs.
func (m *Module) admit(ctx context.Context, c Call) *Error {
	n := int64(len(c.Input))
	switch {
	case ctx.Err() != nil && errors.Is(ctx.Err(), context.DeadlineExceeded):
		return newError(KindTimeout, "not begun: the caller's deadline had passed").because(ctx.Err())
	case ctx.Err() != nil:
		return newError(KindCanceled, "not begun: the caller had cancelled the call").because(ctx.Err())
	case !m.callable[c.Export]:
		return m.notCallable(c.Export)
	case c.Image != nil && c.Image.module != m:
		return newError(KindRefused, "the image is of another module")
	}
	if err := c.Limits.check(); err != nil {
		return newError(KindRefused, "%v", err)
	}
	if limit := c.Limits.Input; n > limit {
		return limitError(LimitInput, "input of %s is over the limit of %s, so the plugin was not run; %s",
			size(n), size(limit), bytesRemedy(LimitInput, n, CeilingLimits().Input))
	}
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

// remember adds an image to those that Close closes; false if it has begun.
func (m *Module) remember(i *Image) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.closing {
		m.images[i] = true
	}
	return !m.closing
}

// forget is told that an image is closed. The last one of a closing module
// takes the code with it.
func (m *Module) forget(i *Image) {
	m.mu.Lock()
	delete(m.images, i)
	last := m.closing && len(m.images) == 0
	m.mu.Unlock()
	if last {
		m.release()
	}
}

// open lists the images that are not closed.
func (m *Module) open() []*Image {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []*Image
	for i := range m.images {
		all = append(all, i)
	}
	return all
}

// Close refuses new calls, waits for those that run, and releases everything,
// images too. If ctx ends first, Close reports it and the last call does the
// rest.
func (m *Module) Close(ctx context.Context) error {
	m.mu.Lock()
	m.closing = true
	m.mu.Unlock()
	var err error
	for _, i := range m.open() {
		err = errors.Join(err, i.Close(ctx))
	}
	select {
	case <-m.closed:
		return errors.Join(err, m.closeErr)
	case <-ctx.Done():
		return fmt.Errorf("close module %s: calls are still running: %w", m.info.SHA256, ctx.Err())
	}
}

// release runs once, when no image is left.
func (m *Module) release() {
	m.closeErr = closeAll(m.runtime, m.code)
	m.sandbox.forget(m)
	close(m.closed)
}

// closeAll closes a runtime and then the code that it runs.
func closeAll(rt wazero.Runtime, code *compile.Code) error {
	ctx := context.Background()
	err := rt.Close(ctx)
	if code != nil {
		err = errors.Join(err, code.Close(ctx))
	}
	return err
}
