package value

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // so that a machine without a time zone table knows the same zones
)

// Zone gives a time zone by its IANA name, such as America/Sao_Paulo.
func Zone(name string) (*time.Location, error) {
	zone, err := time.LoadLocation(name)
	if err != nil || name == "" || name == "Local" {
		return nil, fmt.Errorf("%q is not a time zone", name)
	}
	return zone, nil
}

// Span is a day from its first to its last nanosecond, or an instant, which is
// both.
type Span struct{ First, Last time.Time }

var (
	isoDate   = regexp.MustCompile(`^([0-9]{4})-([0-9]{2})-([0-9]{2})$`)
	dayFirst  = regexp.MustCompile(`^([0-9]{1,2})([/.-])([0-9]{1,2})([/.-])([0-9]{4}|[0-9]{2})$`)
	timeOfDay = regexp.MustCompile(`^([0-9]{1,2})(?:[:h]([0-9]{2})(?::([0-9]{2}))?)? ?(h|hs|hrs|hora|horas|min|am|pm|a\.m\.|p\.m\.)?$`)
)

// Moment reads a date or an instant. What has no zone is in the reading's.
func Moment(v any, r Reading) (Span, bool) {
	s, ok := v.(string)
	s = strings.TrimSpace(s)
	if !ok || len(s) > maxForm {
		return Span{}, false
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return Span{t, t}, t.Year() >= firstYear
	}
	day, rest := s, ""
	if i := strings.IndexAny(s, "T "); i > 0 {
		day, rest = s[:i], strings.TrimSpace(s[i+1:])
	}
	year, month, date, ok := calendar(day)
	if !ok {
		return Span{}, false
	}
	if rest == "" {
		first := time.Date(year, month, date, 0, 0, 0, 0, r.zone())
		return Span{first, time.Date(year, month, date+1, 0, 0, 0, 0, r.zone()).Add(-1)}, true
	}
	h, m, sec, ok := clock(rest)
	t := time.Date(year, month, date, h, m, sec, 0, r.zone())
	return Span{t, t}, ok
}

// firstYear is the first year of four digits: what is before it is a slip.
const firstYear = 1000

// calendar reads a day of the calendar.
func calendar(s string) (year int, month time.Month, day int, ok bool) {
	var y, m, d string
	if f := isoDate.FindStringSubmatch(s); f != nil {
		y, m, d = f[1], f[2], f[3]
	} else if f := dayFirst.FindStringSubmatch(s); f != nil && f[2] == f[4] {
		d, m, y = f[1], f[3], f[5]
	} else {
		return 0, 0, 0, false
	}
	year, mm, day := number(y), number(m), number(d)
	if len(y) == 2 {
		if year += 2000; year >= 2069 {
			year -= 100
		}
	}
	t := time.Date(year, time.Month(mm), day, 0, 0, 0, 0, time.UTC)
	return year, t.Month(), day, year >= firstYear && int(t.Month()) == mm && t.Day() == day
}

// clock reads a time of the day.
func clock(s string) (h, m, sec int, ok bool) {
	f := timeOfDay.FindStringSubmatch(Fold(s))
	if f == nil || f[2] == "" && (f[4] == "" || f[4] == "min") {
		return 0, 0, 0, false
	}
	h, m, sec = number(f[1]), number(f[2]), number(f[3])
	switch {
	case f[4] == "" || f[4][0] != 'a' && f[4][0] != 'p':
	case h < 1 || h > 12:
		return 0, 0, 0, false
	default:
		if h %= 12; f[4][0] == 'p' {
			h += 12
		}
	}
	return h, m, sec, h < 24 && m < 60 && sec < 60
}

// number gives digits that a pattern has taken, none as 0.
func number(digits string) int {
	n, _ := strconv.Atoi(digits) // four digits at most, or none
	return n
}

func readDate(v any, r Reading) (any, bool) {
	span, ok := Moment(v, r)
	if !ok {
		return nil, false
	}
	// An instant is of the day that it says itself, whatever the reading's zone.
	return span.First.Format(time.DateOnly), true
}

func readTime(v any, _ Reading) (any, bool) {
	s, ok := v.(string)
	if !ok {
		return nil, false
	}
	h, m, sec, ok := clock(s)
	switch {
	case !ok:
		return nil, false
	case sec != 0:
		return fmt.Sprintf("%02d:%02d:%02d", h, m, sec), true
	}
	return fmt.Sprintf("%02d:%02d", h, m), true
}
