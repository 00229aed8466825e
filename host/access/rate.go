package access

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Rate is a number of calls in a time: "100/1m" in documents. The zero value
// bounds nothing.
type Rate struct {
	Calls int
	Per   time.Duration
}

// Bounds of a rate: more calls than that a nanosecond clock can't tell apart,
// and a longer time is no period that anyone waits for.
const (
	maxCalls = 1_000_000_000
	maxPer   = 366 * day
	day      = 24 * time.Hour
)

// units are the parts of a rate's time.
var units = []struct {
	letter byte
	span   time.Duration
	name   string
}{{'s', time.Second, "second"}, {'m', time.Minute, "minute"}, {'h', time.Hour, "hour"}, {'d', day, "day"}}

// ParseRate reads "CALLS/TIME", where TIME is a whole number of seconds (s),
// minutes (m), hours (h) or days (d), such as 1m.
func ParseRate(text string) (Rate, error) {
	wrong := fmt.Errorf("%q is not a rate; write calls and a time, such as 100/1m or 10000/1d", text)
	calls, per, found := strings.Cut(text, "/")
	n, err := strconv.ParseUint(calls, 10, 31)
	if !found || err != nil || per == "" || calls != strconv.FormatUint(n, 10) {
		return Rate{}, wrong
	}
	count, err := strconv.ParseUint(per[:len(per)-1], 10, 31)
	if err != nil || per[:len(per)-1] != strconv.FormatUint(count, 10) {
		return Rate{}, wrong
	}
	for _, u := range units {
		if u.letter != per[len(per)-1] {
			continue
		}
		if n == 0 || n > maxCalls || count == 0 || count > uint64(maxPer/u.span) {
			return Rate{}, fmt.Errorf("%q is out of bounds; a rate has 1 to %d calls in 1s to %dd", text, maxCalls, maxPer/day)
		}
		return Rate{int(n), time.Duration(count) * u.span}, nil
	}
	return Rate{}, wrong
}

// IsZero says whether the rate bounds nothing.
func (r Rate) IsZero() bool { return r == Rate{} }

// UnmarshalText reads what [ParseRate] does.
func (r *Rate) UnmarshalText(text []byte) (err error) {
	*r, err = ParseRate(string(text))
	return err
}

// String gives what [ParseRate] reads; of the zero rate, "".
func (r Rate) String() string {
	if r.IsZero() {
		return ""
	}
	u, count := r.unit()
	return fmt.Sprintf("%d/%d%c", r.Calls, count, units[u].letter)
}

// MarshalText writes what String gives.
func (r Rate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// unit gives the largest unit that the rate's time is a multiple of.
func (r Rate) unit() (unit int, count int) {
	for unit = len(units) - 1; unit > 0 && r.Per%units[unit].span != 0; unit-- {
	}
	return unit, int(r.Per / units[unit].span)
}

// words gives the rate as "100 requests a minute".
func (r Rate) words() string {
	u, count := r.unit()
	requests := "requests"
	if r.Calls == 1 {
		requests = "request"
	}
	if count == 1 {
		article := "a"
		if units[u].name == "hour" {
			article = "an"
		}
		return fmt.Sprintf("%d %s %s %s", r.Calls, requests, article, units[u].name)
	}
	return fmt.Sprintf("%d %s in %d %ss", r.Calls, requests, count, units[u].name)
}
