package sandbox

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/sys"

	"github.com/trama-run/trama/pdk/abi"
)

// instance is one instantiated module. It serves one call at a time. After a
// trap, an exit, a limit or a time-out its state is undefined: it is poisoned,
// and closed instead of being used again.
type instance struct {
	mod       api.Module
	guard     *guard
	memory    *linearMemory
	functions map[string]api.Function // handles are costly to make
	stack     [1]uint64
	idleSince time.Time

	// Of one call.
	host           Host
	limits         Limits
	arena          arena
	requests       int
	vars           map[string][]byte
	httpStatus     int
	httpHeaders    map[string]string
	logLeft        int64
	stdout, stderr console
	fault          *Error // why a host function stopped the guest
}

// instantiate makes an instance and runs what the module runs once: a start
// section, then the initialisers of its language. All of it is under the time
// limit, and none of it reaches the host.
func (m *Module) instantiate(ctx context.Context, limits Limits) (_ *instance, err error) {
	in := &instance{
		memory:    &linearMemory{limit: uint64(m.memory)},
		functions: map[string]api.Function{},
		arena:     newArena(),
	}
	in.guard = newGuard(in)
	in.stdout = console{in: in, level: "info"}
	in.stderr = console{in: in, level: "warn", keep: true}
	config := wazero.NewModuleConfig().
		WithName(""). // anonymous: a runtime holds many
		WithStartFunctions().
		WithStdout(&in.stdout).WithStderr(&in.stderr).
		WithRandSource(rand.Reader).
		WithSysWalltime().WithSysNanotime().WithNanosleep(in.nanosleep)

	defer func() {
		if r := recover(); r != nil {
			err = newError(KindTrap, "instantiation panicked: %v", r)
		}
		if err != nil {
			in.close()
		}
	}()
	in.limits = limits
	in.arena.begin(nil, limits.transfer())
	in.guard.start(ctx, limits.Time)
	in.mod, err = m.runtime.InstantiateModule(experimental.WithMemoryAllocator(in.guard, in.memory), m.compiled, config)
	where := "instantiation"
	if err == nil {
		where, err = in.initialize()
	}
	clean := in.guard.finish()
	if err != nil || !clean || in.poisoned() {
		failure := in.failure(ctx, err)
		failure.Export = where
		return nil, failure
	}
	in.forget()
	return in, nil
}

// initialize runs the initialisers that go-sdk runs, in its order.
func (in *instance) initialize() (where string, err error) {
	initializers := [][]string{{"_initialize", "hs_init"}, {"_initialize"}, {"__wasm_call_ctors"}}
	for _, group := range initializers {
		if in.mod.ExportedFunction(group[len(group)-1]) == nil {
			continue
		}
		for _, where = range group {
			f := in.mod.ExportedFunction(where)
			if f == nil {
				continue
			}
			// hs_init takes argc and argv.
			arguments := make([]uint64, len(f.Definition().ParamTypes()))
			if _, err := f.Call(in.guard, arguments...); err != nil {
				return where, err
			}
		}
		break
	}
	return where, nil
}

// call runs one export. The caller puts the instance back only if it is not
// poisoned.
func (in *instance) call(ctx context.Context, c Call) (result Result, poisoned bool, failure *Error) {
	f := in.functions[c.Export]
	if f == nil {
		f = in.mod.ExportedFunction(c.Export)
		in.functions[c.Export] = f
	}
	in.host, in.limits, in.logLeft = c.Host, c.Limits, c.Limits.Log
	if !in.arena.begin(c.Input, c.Limits.transfer()) {
		return Result{}, true, in.transferError(uint64(len(c.Input)))
	}
	in.guard.start(ctx, c.Limits.Time)
	in.stack[0] = 0
	err := f.CallWithStack(in.guard, in.stack[:])
	clean := in.guard.finish()
	in.stdout.flush()
	in.stderr.flush()

	result.GuestTime, result.MemoryBytes = in.guard.spent, int64(len(in.memory.buf))
	if err != nil && !exitedWell(err) {
		failure = in.failure(ctx, err)
	} else {
		result.Output, failure = in.outcome(uint32(in.stack[0]))
	}
	poisoned = err != nil || !clean || in.poisoned()
	in.forget()
	return result, poisoned, failure
}

// exitedWell reports proc_exit(0), which is a success, as in go-sdk.
func exitedWell(err error) bool {
	var exit *sys.ExitError
	return errors.As(err, &exit) && exit.ExitCode() == 0
}

// outcome reads what a call that ended by itself leaves behind. As in go-sdk,
// an error that was set counts even beside code 0.
func (in *instance) outcome(code uint32) ([]byte, *Error) {
	a := &in.arena
	text := a.block(a.errorOffset)
	if n, limit := int64(len(text)), in.limits.Output; n > limit {
		return nil, outputError("error text", n, limit)
	}
	if len(text) > 0 {
		return nil, guestError(string(text))
	}
	if code != 0 {
		return nil, newError(KindGuest, "the plugin returned code %d without saying why", int32(code))
	}
	if a.outputLength == 0 {
		return nil, nil
	}
	return append([]byte(nil), a.buf[a.outputOffset:][:a.outputLength]...), nil
}

// failure tells why a call ended early: the clock and the caller come first,
// since what they interrupt fails for that reason.
func (in *instance) failure(ctx context.Context, err error) *Error {
	spent := in.guard.spent.Round(time.Millisecond)
	reason := in.guard.reason()
	_, up := reason.(timeUp)
	var exit *sys.ExitError
	switch {
	case up:
		return in.timeError()
	case errors.Is(reason, context.DeadlineExceeded), errors.Is(ctx.Err(), context.DeadlineExceeded):
		late := newError(KindTimeout, "stopped after %s of guest time: the caller's deadline passed", spent).
			because(context.DeadlineExceeded)
		late.Err.Retryable = true // what it waited for may answer in time the next time
		return late
	case reason != nil, ctx.Err() != nil:
		return newError(KindCanceled, "stopped after %s of guest time: the caller cancelled the call", spent).
			because(context.Canceled)
	case in.fault != nil:
		return in.fault
	case err == nil: // the timer has fired and is just about to say so
		return in.timeError()
	case in.memory.refused > 0:
		need, limit := int64(in.memory.refused), int64(in.memory.limit)
		return limitError(LimitMemory, "the plugin crashed after it was refused %s of memory, over the limit of %s; %s",
			size(need), size(limit), bytesRemedy(LimitMemory, need, CeilingLimits().Memory)).because(err)
	case errors.As(err, &exit):
		return in.crash(newError(KindExit, "the plugin ended itself with code %d", exit.ExitCode()), err)
	}
	text, _, _ := strings.Cut(err.Error(), "\n")
	text = strings.TrimSuffix(text, " (recovered by wazero)")
	return in.crash(newError(KindTrap, "the plugin crashed: %s", strings.TrimPrefix(text, "wasm error: ")), err)
}

// crash adds what the plugin said before it crashed, which is the only thing
// that its author can use, and where it was.
func (in *instance) crash(e *Error, err error) *Error {
	if said := in.stderr.last(); said != "" {
		e.Err.Message += "; it wrote: " + said
	} else if said := in.arena.block(in.arena.errorOffset); len(said) > 0 {
		e.Err.Message += "; it set the error: " + printable(string(said[:min(len(said), maxTail)]))
	}
	detail := struct {
		Stderr string   `json:"stderr,omitempty"`
		Trace  []string `json:"trace,omitempty"`
	}{Stderr: printable(string(in.stderr.tail))}
	const deepest = 12
	if _, trace, ok := strings.Cut(err.Error(), "wasm stack trace:\n"); ok {
		for _, frame := range strings.Split(trace, "\n") {
			if frame = strings.TrimSpace(frame); frame == "" || len(detail.Trace) == deepest {
				break
			}
			detail.Trace = append(detail.Trace, frame)
		}
	}
	if data, err := json.Marshal(detail); err == nil && string(data) != "{}" {
		e.Err.Detail = data
	}
	return e.because(err)
}

// stop ends the guest from within a host function.
func (in *instance) stop(e *Error) {
	in.fault = e
	panic(e)
}

// pause stops the clock around a host function that waits.
func (in *instance) pause() {
	if !in.guard.pause() {
		in.stop(in.timeError())
	}
}

// nanosleep is the guest's sleep. It counts as guest time.
func (in *instance) nanosleep(ns int64) {
	if ns > 0 {
		in.guard.sleep(time.Duration(ns))
	}
	if err := in.guard.Err(); err != nil {
		panic(err)
	}
}

// forget drops everything that belongs to one call.
func (in *instance) forget() {
	in.arena.end()
	in.stdout.reset()
	in.stderr.reset()
	in.host, in.vars, in.httpHeaders, in.fault = nil, nil, nil, nil
	in.requests, in.httpStatus, in.logLeft, in.memory.refused = 0, 0, 0, 0
}

// poisoned reports whether wazero has closed the module, by proc_exit or by a
// time-out that came too late to be noticed.
func (in *instance) poisoned() bool { return in.mod == nil || in.mod.IsClosed() }

// close releases the module. No guest code runs when it is called.
func (in *instance) close() {
	in.guard.timer.Stop()
	if in.mod != nil {
		// There is nothing to fail: a plugin has no files.
		_ = in.mod.Close(context.Background())
	}
}

func (in *instance) timeError() *Error {
	limit, ceiling := in.limits.Time, CeilingLimits().Time
	remedy := raise(LimitTime, min(2*limit, ceiling).String())
	if limit >= ceiling {
		remedy = fmt.Sprintf("%s is the highest that a grant may give", ceiling)
	}
	e := newError(KindTimeout, "stopped after %s of guest time, the limit; %s", limit, remedy).
		because(context.DeadlineExceeded)
	e.Limit = LimitTime
	return e
}

func outputError(what string, n, limit int64) *Error {
	return limitError(LimitOutput, "%s of %s is over the limit of %s; %s", what, size(n), size(limit),
		bytesRemedy(LimitOutput, n, CeilingLimits().Output))
}

func (in *instance) transferError(n uint64) *Error {
	limit := in.limits.transfer()
	return limitError(LimitTransfer, "the plugin asked for a block of %d bytes, and with it would hold more than the %s of transfer memory"+
		" that its limits of input, output and http add up to; free blocks, or %s", n, size(limit),
		bytesRemedy(LimitOutput, 2*in.limits.Output, CeilingLimits().Output))
}

// Interface guard: what a guest sets as its error is an error here.
var _ error = (*abi.Error)(nil)
