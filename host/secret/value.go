package secret

import (
	"fmt"
	"io"
	"log/slog"
)

// redacted is what every way of printing a [Value] gives.
const redacted = "[redacted]"

// Value is a secret's value. It prints as [redacted]; [Value.Reveal] alone
// gives the text.
type Value struct {
	// A pointer, because fmt prints what an unexported field of another
	// struct holds without asking its methods, and stops at a pointer.
	text *string
}

func newValue(text string) Value { return Value{&text} }

// Reveal gives the secret itself. Whoever calls it must keep it out of
// errors, logs, traces and everything that a guest can read.
func (v Value) Reveal() string {
	if v.text == nil {
		return ""
	}
	return *v.text
}

// String gives "[redacted]".
func (v Value) String() string { return redacted }

// GoString gives "[redacted]".
func (v Value) GoString() string { return redacted }

// Format writes "[redacted]" for every verb.
func (v Value) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) } //nolint:errcheck // fmt gives no way to report it

// MarshalText gives "[redacted]".
func (v Value) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON gives "[redacted]" as a JSON string.
func (v Value) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// LogValue gives "[redacted]".
func (v Value) LogValue() slog.Value { return slog.StringValue(redacted) }
