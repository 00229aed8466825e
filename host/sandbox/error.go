package sandbox

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/trama-run/trama/host/sandbox/wasm"
	"github.com/trama-run/trama/pdk/abi"
)

// Kind says how a call ended, when it did not end well. Append only.
type Kind string

// The kinds of [Error].
const (
	// KindGuest: the plugin returned an error. Its instance is reused.
	KindGuest Kind = "guest"
	// KindTrap: the plugin crashed, or a host function stopped it.
	KindTrap Kind = "trap"
	// KindLimit: a limit was reached; Limit names it.
	KindLimit Kind = "limit"
	// KindTimeout: guest time was used up (Limit is "time"), or the caller's
	// deadline passed (Limit is empty).
	KindTimeout Kind = "timeout"
	// KindCanceled: the caller's context was cancelled.
	KindCanceled Kind = "canceled"
	// KindExit: the plugin ended itself with a code other than 0.
	KindExit Kind = "exit"
	// KindRefused: nothing ran, because the module or the call is not
	// acceptable or the module was closed.
	KindRefused Kind = "refused"
)

// Parts of messages, by which one is known.
const (
	// Silent ends that of a plugin which returned a code and set no error.
	Silent = "without saying why"
	// ErrorText begins that of a limit which an error's text passed.
	ErrorText = "error text"
)

// ErrClosed is the cause of a call's error if its module was closed: nothing
// ran, and another module may take the call.
var ErrClosed = errors.New("the module is closed")

// Error is how Compile and Call fail.
type Error struct {
	Kind   Kind
	Stage  string     // of Compile, one of the stages; empty for calls
	Export string     // the function called; empty outside of calls
	Limit  string     // the limit's key, for KindLimit and time-outs by it
	Err    *abi.Error // code, message, retryable and detail
	Said   string     // what a plugin passed to error_set, for KindGuest: Err is what was read of it

	cause error
}

// The stages of [Sandbox.Compile], in order; Inspect takes the first two.
const (
	StageParse   = wasm.StageParse
	StageVerify  = wasm.StageVerify
	StageRewrite = "rewrite"
	StageCompile = "compile"
	StageStart   = "start" // the first instance: its initialisation and image
)

// Error gives the kind, the place and the cause. What the plugin itself says
// is quoted by neither: it stands at the end.
func (e *Error) Error() string {
	if e.Export == "" {
		return fmt.Sprintf("%s: %s", e.Kind, e.Err.Message)
	}
	return fmt.Sprintf("%s in %q: %s", e.Kind, e.Export, e.Err.Message)
}

// Unwrap gives the cause. A time-out satisfies
// errors.Is(err, context.DeadlineExceeded), a cancelled call
// errors.Is(err, context.Canceled).
func (e *Error) Unwrap() error { return e.cause }

// ABI gives the error that a flow sees.
func (e *Error) ABI() *abi.Error { return e.Err }

// newError makes an error whose code follows from its kind.
func newError(kind Kind, format string, args ...any) *Error {
	code := map[Kind]string{
		KindGuest: "error", KindTrap: abi.CodeTrap, KindLimit: abi.CodeLimit,
		KindTimeout: abi.CodeTimeout, KindCanceled: abi.CodeTimeout,
		KindExit: abi.CodeTrap, KindRefused: abi.CodeUnavailable,
	}[kind]
	return &Error{Kind: kind, Err: &abi.Error{Code: code, Message: fmt.Sprintf(format, args...)}}
}

// asError gives an error of this package as what it is.
func asError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return newError(KindTrap, "%v", err).because(err)
}

func limitError(key, format string, args ...any) *Error {
	e := newError(KindLimit, format, args...)
	e.Limit = key
	return e
}

// at gives an error of Compile with the stage that failed.
func at(stage string, err error) error {
	var e *Error
	if !errors.As(err, &e) {
		e = asError(err)
		err = e
	}
	e.Stage = stage
	return err
}

func (e *Error) because(cause error) *Error {
	e.cause = cause
	return e
}

// guestError reads what a plugin passed to error_set: an abi.Error as JSON,
// or plain text.
func guestError(text string) *Error {
	e := newError(KindGuest, "%s", strings.ToValidUTF8(text, "\uFFFD"))
	e.Said = text
	if strings.HasPrefix(strings.TrimSpace(text), "{") {
		var said abi.Error
		if json.Unmarshal([]byte(text), &said) == nil && said.Code+said.Message != "" {
			said.Code = cmp.Or(said.Code, e.Err.Code)
			if said.Code == abi.CodeUnavailable { // the host's own word, for a plugin that can't be called
				said.Code = "plugin_" + said.Code
			}
			said.Message = cmp.Or(said.Message, said.Code)
			e.Err = &said
		}
	}
	return e.because(e.Err)
}
