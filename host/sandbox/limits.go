package sandbox

import (
	"fmt"
	"math"
	"regexp"
	"time"

	"github.com/trama-run/trama/host/sandbox/wasm"
)

// Limits bound one call. Every field must be set: a zero field is an error,
// never "unlimited", so start from [DefaultLimits].
type Limits struct {
	// Memory is the linear memory in bytes. It is fixed when a module is
	// compiled; Call does not read this field.
	Memory int64
	// Fuel is the work that guest code may do, in units of package meter:
	// about one an instruction.
	Fuel int64
	// Time is how long guest code may run. Waiting for other systems, and for
	// a turn among calls that run for long, does not count.
	Time time.Duration
	// Input, Output and HTTPBody (one body, either way) are in bytes.
	Input, Output, HTTPBody int64
	// Requests is the number of outbound HTTP requests.
	Requests int
	// Log is the bytes of log text. What is beyond it is dropped, not an
	// error: a talkative plugin must not lose its result.
	Log int64
}

const (
	kib = 1 << 10
	mib = 1 << 20

	million = 1_000_000
	billion = 1_000_000_000
)

// DefaultLimits hold for a plugin whose grant changes none.
func DefaultLimits() Limits {
	return Limits{
		Memory: 32 * mib, Fuel: 2 * billion, Time: 5 * time.Second,
		Input: 4 * mib, Output: 4 * mib, HTTPBody: 4 * mib,
		Requests: 32, Log: 64 * kib,
	}
}

// CeilingLimits are the highest that a grant may give.
func CeilingLimits() Limits {
	return Limits{
		Memory: 512 * mib, Fuel: 100 * billion, Time: 60 * time.Second,
		Input: 32 * mib, Output: 32 * mib, HTTPBody: 32 * mib,
		Requests: 256, Log: mib,
	}
}

// Limits that no grant changes.
const (
	maxVars       = mib       // Extism variables of one call, as go-sdk's default
	maxLine       = 4 * kib   // one log line; the rest of it is cut
	maxTail       = 2 * kib   // stderr kept for the error of a trap
	maxErrorText  = 256 * kib // what a plugin passes to error_set
	maxConfigKey  = 4 * kib   // a longer key is of no setting
	maxRequest    = 64 * kib  // the JSON of Extism's http_request, without its body
	maxBlock      = 2 * mib   // the request of a function of trama:host/v1 but http_send
	instanceBytes = 256 * kib // what an instance takes beside its memory, at least
	margin        = mib       // transfer memory beyond input, output and bodies
	maxMemory     = 65535     // pages: with one more, a read could end at 2^32, which panics in wazero
	pageSize      = 64 * kib  // bytes of a WebAssembly page
	keptArena     = mib       // transfer memory that an idle instance keeps
	firstArena    = 64 * kib  // transfer memory that an instance starts with
	bodyShares    = 4         // bodies that transfer memory holds at once, as base64
	maxArena      = 1<<31 - 1 // offsets are cut to 32 bits
)

// transfer is how much transfer memory ("kernel memory" in Extism) one call
// may hold: its input, its output, HTTP bodies both ways, and a margin.
func (l Limits) transfer() int64 {
	return min(l.Input+l.Output+bodyShares*l.HTTPBody+margin, maxArena)
}

// check reports the first field that is not set.
func (l Limits) check() error {
	for _, f := range []struct {
		key   string
		value int64
	}{
		{LimitFuel, l.Fuel}, {LimitTime, int64(l.Time)}, {LimitInput, l.Input}, {LimitOutput, l.Output},
		{LimitHTTP, l.HTTPBody}, {LimitRequests, int64(l.Requests)}, {LimitLog, l.Log},
	} {
		if f.value <= 0 {
			return fmt.Errorf("limit %q is %d: set every limit, starting from the defaults", f.key, f.value)
		}
		if f.value > math.MaxInt64/16 {
			return fmt.Errorf("limit %q is %d: that is no bound", f.key, f.value)
		}
	}
	return nil
}

// Keys of limits, as they stand in grants.yaml and in [Error].Limit.
const (
	LimitMemory   = "memory"
	LimitFuel     = "fuel"
	LimitTime     = "time"
	LimitInput    = "input"
	LimitOutput   = "output"
	LimitHTTP     = "http"
	LimitRequests = "requests"
	LimitLog      = "log"
	LimitTransfer = "transfer" // derived from input, output and http
	LimitVars     = "vars"     // not adjustable
)

// bytesRemedy says how to raise the limit key to at least need bytes.
func bytesRemedy(key string, need, ceiling int64) string {
	if need > ceiling {
		return fmt.Sprintf("%s is the highest that a grant may give", size(ceiling))
	}
	suggest := int64(kib)
	for suggest < need {
		suggest *= 2
	}
	return raise(key, size(min(suggest, ceiling)))
}

// raise is the sentence that names the place and the key.
func raise(key, value string) string {
	return fmt.Sprintf("raise it in grants.yaml with limits: {%s: %s}", key, value)
}

var raised = regexp.MustCompile(`raise it in grants\.yaml with limits: \{(\w+): ([^}]*)\}`)

// Raised gives a message in which what raises a limit is said by somebody else:
// that it is raised in grants.yaml is no help where no grant is asked.
func Raised(message string, by func(key, value string) string) string {
	return raised.ReplaceAllStringFunc(message, func(said string) string {
		parts := raised.FindStringSubmatch(said)
		return by(parts[1], parts[2])
	})
}

// units writes an amount of fuel the way grants.yaml takes it.
func units(n int64) string {
	switch {
	case n >= billion && n%billion == 0:
		return fmt.Sprintf("%dG", n/billion)
	case n >= million && n%million == 0:
		return fmt.Sprintf("%dM", n/million)
	}
	return fmt.Sprint(n)
}

// size writes a number of bytes the way grants.yaml takes it.
func size(n int64) string { return wasm.Size(n) }
