package outbox

import (
	"crypto/sha256"
	"encoding/binary"
	"net/http"
	"strconv"
	"time"

	"github.com/trama-run/trama/pdk/abi"
)

// Policy is how the items of a sender are tried.
type Policy struct {
	// Pauses are those before each repeat of a failed try; after the last, the
	// item is a dead letter.
	Pauses []time.Duration
	// Jitter lengthens each pause by up to this share of it, so that what
	// failed together does not come back together. By how much is decided by
	// effect id and try: it is the same after a crash.
	Jitter float64
	// MaxRetryAfter is the longest that the other side may have us wait.
	MaxRetryAfter time.Duration
	// AtOnce is how many sends to one endpoint run at the same time.
	AtOnce int
	// Slow is from when on an endpoint's sends take long: then, and until it
	// has shown that they don't, AtOnceSlow of them run, so that endpoints that
	// take their time leave places to the others. 0: no matter how long.
	Slow       time.Duration
	AtOnceSlow int
	Breaker    Breaker
}

// Breaker is when an endpoint is spared. Closed, it lets everything through;
// once it has seen MinTries in Window of which Share failed it opens: items
// wait, without a try of theirs being burned. After Pause one item goes through
// as a probe: if the endpoint answers, it closes, and else it stays open, each
// time for twice as long, up to MaxPause.
type Breaker struct {
	Window          time.Duration
	MinTries        int
	Share           float64
	Pause, MaxPause time.Duration
}

// pause says how long after its failed-th failure an item is tried again, if
// at all.
func (p Policy) pause(effectID string, failed int, failure abi.Error) (time.Duration, bool) {
	if !failure.Retryable || failed > len(p.Pauses) {
		return 0, false
	}
	asked := min(time.Duration(max(failure.RetryAfterMillis, 0))*time.Millisecond, p.MaxRetryAfter)
	if failure.RetryAfterMillis > p.MaxRetryAfter.Milliseconds() { // or the product overflows
		asked = p.MaxRetryAfter
	}
	pause := max(p.Pauses[failed-1], asked)
	jitter := time.Duration(p.Jitter * share(effectID, failed) * float64(pause))
	return pause + jitter.Truncate(time.Millisecond), true // as exact as the clock, or its instant would never be reached by it
}

// share is a number in [0, 1) that a name and a number decide.
func share(name string, n int) float64 {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64([]byte(name), uint64(n)))
	return float64(binary.BigEndian.Uint64(sum[:])>>11) / (1 << 53)
}

// How soon an item that is held looks again whether what it needs is there, at
// first and at last: the longer it waits, the more rarely it looks.
const (
	minHeld = 2 * time.Second
	maxHeld = 30 * time.Second
)

func heldPause(now, since time.Time) time.Duration {
	return min(max(now.Sub(since)/4, minHeld), maxHeld).Truncate(time.Millisecond) // as exact as the clock
}

// RetryAfter reads the header of that name: seconds, or a date (RFC 9110,
// section 10.2.3). 0 if it says nothing that can be read.
func RetryAfter(header string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(header, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(header); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}
