package sandbox

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/tetratelabs/wazero/sys"

	"github.com/trama-run/trama/pdk/abi"
)

// failure tells why a call ended early. The call's own limits come first, then
// the caller, since what they interrupt fails for that reason.
func (in *instance) failure(ctx context.Context, err error) *Error {
	var exit *sys.ExitError
	switch {
	case in.fault != nil && (in.fault.Kind == KindTimeout || in.fault.Limit == LimitFuel):
		return in.fault
	case ctx.Err() != nil:
		return callerError(ctx, in.clock.spent)
	case in.fault != nil && in.fault.Kind == KindTrap && in.fault.cause == nil:
		in.crash(in.fault, err) // which is no cause: it wraps the fault itself
		return in.fault
	case in.fault != nil:
		return in.fault
	case in.memory.crowded:
		return in.crowdedError().because(err)
	case in.memory.refused > 0:
		need, limit := int64(in.memory.refused), int64(in.memory.limit)
		return limitError(LimitMemory, "the plugin crashed after it was refused %s of memory, over the limit of %s; %s",
			size(need), size(limit), bytesRemedy(LimitMemory, need, CeilingLimits().Memory)).because(err)
	case errors.As(err, &exit):
		return in.crash(newError(KindExit, "the plugin ended itself with code %d", exit.ExitCode()), err).because(err)
	}
	text, _, _ := strings.Cut(err.Error(), "\n")
	text = strings.TrimSuffix(text, " (recovered by wazero)")
	return in.crash(newError(KindTrap, "the plugin crashed: %s", strings.TrimPrefix(text, "wasm error: ")), err).because(err)
}

// callerError tells that the caller's context ended.
func callerError(ctx context.Context, spent time.Duration) *Error {
	spent = spent.Round(time.Millisecond)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		late := newError(KindTimeout, "stopped after %s of guest time: the caller's deadline passed", spent).
			because(context.DeadlineExceeded)
		late.Err.Retryable = true // what it waited for may answer in time the next time
		return late
	}
	return newError(KindCanceled, "stopped after %s of guest time: the caller cancelled the call", spent).
		because(context.Canceled)
}

// crowdedError tells that all plugins together hold too much memory.
func (in *instance) crowdedError() *Error {
	all := in.module.sandbox.config.MemoryBytes
	e := limitError(LimitMemory, "the plugin crashed after it was refused %s of memory: all plugins together hold the %s that the host gives them, or this one half of it; try again later",
		size(int64(in.memory.refused)), size(all))
	e.Err.Retryable = true
	return e
}

// crash adds where the plugin crashed and what it said before, which is all that
// its author can use.
func (in *instance) crash(e *Error, err error) *Error {
	detail := struct {
		Stderr string   `json:"stderr,omitempty"` // its end
		Error  string   `json:"error,omitempty"`  // that was set
		Log    []string `json:"log,omitempty"`    // the last lines
		Trace  []string `json:"trace,omitempty"`  // innermost call first
	}{Stderr: printable(string(in.stderr.tail)), Log: in.lastLog}
	frames := in.trace(err)
	shown := fromAuthor(frames)
	for _, f := range shown[:min(len(shown), maxFrames)] {
		text := f.String()
		detail.Trace = append(detail.Trace, printable(text[:min(len(text), maxFrameText)]))
	}
	if where := cmp.Or(in.stderr.goPlace(), placeOf(frames)); where != "" {
		e.Err.Message += ", in " + printable(where[:min(len(where), maxFrameText)])
	}
	if said := in.stderr.last(); said != "" {
		e.Err.Message += "; it wrote: " + said
	}
	if set := in.arena.block(in.arena.errorOffset); len(set) > 0 {
		said := guestError(string(set[:min(len(set), maxErrorText)])).Err.Message
		said = printable(said[:min(len(said), maxTail)])
		e.Err.Message += "; it set the error: " + said
		detail.Error = said
	}
	if data, err := json.Marshal(detail); err == nil && string(data) != "{}" {
		e.Err.Detail = data
	}
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
