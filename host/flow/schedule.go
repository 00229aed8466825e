package flow

import (
	"slices"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
	"github.com/trama-run/trama/host/source"
	"github.com/trama-run/trama/host/value"
)

// What becomes of the instants of a schedule at which it could not start its
// flow, since the host was down or the flow was held.
const (
	MissedOnce = "run_once" // one run for all of them
	MissedSkip = "skip"     // none
	MissedAll  = "run_all"  // one for each of the last hundred
)

// everyAnchor is an instant of every schedule of equal spans: a Monday, so
// that 15m means the quarters of hours and 1w Mondays, whenever it was
// published.
var everyAnchor = time.Date(1970, 1, 5, 0, 0, 0, 0, time.UTC)

// Schedule gives the instants of a trigger of type schedule.
//
// A cron line follows the wall clock of its zone. Where the clock skips an
// instant, that one is due at the moment of the change; where the clock goes
// back, an instant that comes twice is due the first time. With "*" for hours
// the line follows elapsed time instead, as the ones who write it expect: no
// hour without its run, both of a doubled hour with theirs.
type Schedule struct {
	zone  *time.Location
	cron  cron.Schedule // nil: none
	hours bool          // every hour
	every time.Duration
	at    []time.Time // sorted
}

// Schedule reads the trigger's schedule; the problems are of its document.
func (t Trigger) Schedule() (*Schedule, source.Problems) {
	var problems source.Problems
	s := &Schedule{zone: time.UTC}
	if t.Zone != "" {
		zone, err := value.Zone(t.Zone)
		if err != nil {
			problems.Add(t.At, "write a name of the IANA time zone database, such as America/Sao_Paulo", "%v", err)
		} else {
			s.zone = zone
		}
	}
	given := 0
	for _, is := range []bool{t.Cron != "", t.Every != "", len(t.Times) > 0} {
		if is {
			given++
		}
	}
	switch {
	case given != 1:
		problems.Add(t.At, `write cron: "0 9 * * 1-5", every: 15m or at: 2026-12-24T09:00`, "a schedule needs one of cron, every and at")
	case t.Cron != "":
		problems = append(problems, s.readCron(t)...)
	case t.Every != "":
		var err error
		if s.every, err = ParseSpan(t.Every); err != nil {
			problems.Add(t.At, "write it as 30s, 15m, 2h, 1d or 1w", "every: %v", err)
		}
		if t.Zone != "" {
			problems.Add(t.At, "leave it out, or write a cron line", "equal spans have no zone")
		}
	default:
		for _, text := range t.Times {
			at, ok := readInstant(text, s.zone)
			if !ok {
				problems.Add(t.At, "write it as 2026-12-24T09:00, in the trigger's zone, or as 2026-12-24T09:00:00-03:00", "at: %q is not an instant", text)
			}
			s.at = append(s.at, at)
		}
		slices.SortFunc(s.at, time.Time.Compare)
	}
	if t.Missed != "" && !slices.Contains([]string{MissedOnce, MissedSkip, MissedAll}, t.Missed) {
		problems.Add(t.At, source.Suggest(t.Missed, []string{MissedOnce, MissedSkip, MissedAll}), "missed can't be %q", t.Missed)
	}
	if len(problems) > 0 {
		return nil, problems
	}
	return s, nil
}

func (s *Schedule) readCron(t Trigger) (problems source.Problems) {
	const hint = `write five fields: minute, hour, day of the month, month, day of the week; such as "0 9 * * 1-5"`
	fields := strings.Fields(t.Cron)
	switch {
	case strings.ContainsAny(t.Cron, "=@"):
		problems.Add(t.At, "write the zone as zone: America/Sao_Paulo, and five fields", "cron: %q has more than the five fields", t.Cron)
		return problems
	case len(fields) != 5:
		problems.Add(t.At, hint, "cron: %q has %d fields", t.Cron, len(fields))
		return problems
	}
	parsed, err := cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow).Parse(t.Cron)
	if err != nil {
		problems.Add(t.At, hint, "cron: %v", err)
		return problems
	}
	if parsed.Next(everyAnchor).IsZero() {
		problems.Add(t.At, "name a day that there is", "cron: %q is never due", t.Cron)
	}
	s.cron, s.hours = parsed, fields[1] == "*"
	return problems
}

// readInstant reads an instant, by the clock of a zone if it names no offset.
func readInstant(text string, zone *time.Location) (time.Time, bool) {
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, true
	}
	for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04"} {
		if wall, err := time.Parse(layout, text); err == nil {
			return instant(wall, zone), true
		}
	}
	return time.Time{}, false
}

// Next gives the first instant after one; the zero time if there is none.
func (s *Schedule) Next(after time.Time) time.Time {
	switch {
	case s.every > 0:
		spans := after.Sub(everyAnchor) / s.every
		return everyAnchor.Add((spans + 1) * s.every)
	case s.cron == nil:
		for _, at := range s.at {
			if at.After(after) {
				return at.In(s.zone)
			}
		}
		return time.Time{}
	case s.hours:
		return s.cron.Next(after.In(s.zone))
	}
	for wall := clock(after.In(s.zone)); ; {
		if wall = s.cron.Next(wall); wall.IsZero() {
			return wall
		}
		if at := instant(wall, s.zone); at.After(after) {
			return at
		}
	}
}

// Due gives the instants from first, which is one, to now: the last of them,
// most at least one, and how many there are in all.
func (s *Schedule) Due(first, now time.Time, most int) (last []time.Time, count int) {
	if s.every > 0 && now.After(first) {
		count = int(now.Sub(first) / s.every)
		first = first.Add(time.Duration(max(0, count-most)) * s.every)
		count = max(0, count-most)
	}
	for at := first; !at.IsZero() && !at.After(now); at = s.Next(at) {
		if count++; len(last) == most {
			last = append(last[:0], last[1:]...)
		}
		last = append(last, at.In(s.zone))
	}
	return last, count
}

// clock gives what a clock shows, as if it were UTC's.
func clock(t time.Time) time.Time {
	_, offset := t.Zone()
	return t.Add(time.Duration(offset) * time.Second).UTC()
}

// instant gives when a zone's clock shows a time: the first time that it does
// or, if it skips it, the moment at which it skips.
func instant(wall time.Time, zone *time.Location) time.Time {
	year, month, day := wall.Date()
	t := time.Date(year, month, day, wall.Hour(), wall.Minute(), wall.Second(), 0, zone)
	begin, end := t.ZoneBounds()
	switch shown := clock(t); {
	case shown.After(wall):
		return begin
	case shown.Before(wall):
		return end
	}
	if !begin.IsZero() {
		_, before := begin.Add(-time.Second).Zone()
		if first := wall.Add(-time.Duration(before) * time.Second); first.Before(begin) {
			return first.In(zone)
		}
	}
	return t
}

// When says when a trigger of type schedule is due, in words: "cron 0 9 * * *
// America/Sao_Paulo". Two triggers that say the same are due at the same
// instants.
func (t Trigger) When() string {
	text := "at " + strings.Join(t.Times, ", ")
	switch {
	case t.Cron != "":
		text = "cron " + t.Cron
	case t.Every != "":
		text = "every " + t.Every
	}
	return strings.TrimSpace(text + " " + t.Zone)
}
