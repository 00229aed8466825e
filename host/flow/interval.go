package flow

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/trama-run/trama/host/source"
	"github.com/trama-run/trama/host/value"
)

// Ports of time_interval.
const (
	PortInside  = "inside"
	PortOutside = "outside"
)

// TimeInterval is "with" of time_interval.
type TimeInterval struct {
	Zone      Template   `json:"zone,omitempty,omitzero" jsonschema_description:"Time zone, such as America/Sao_Paulo or {{ env.ZONE }}; UTC if left out."`
	Days      []string   `json:"days,omitempty" jsonschema_description:"Weekdays on which it begins: mon, tue, wed, thu, fri, sat, sun; all if left out." jsonschema:"enum=mon,enum=tue,enum=wed,enum=thu,enum=fri,enum=sat,enum=sun"`
	From      *Clock     `json:"from,omitempty" jsonschema_description:"When it begins, such as 09:00; 00:00 if left out."`
	To        *Clock     `json:"to,omitempty" jsonschema_description:"When it is over, such as 18:00; 24:00 if left out. Before from: on the next day."`
	Intervals []Interval `json:"intervals,omitempty" jsonschema_description:"Several intervals, instead of days, from and to."`
	Holidays  Template   `json:"holidays,omitempty,omitzero" jsonschema_description:"Days on which no interval begins: a list of dates as 2026-12-25, or 12-25 for every year."`
	Instant   Template   `json:"at,omitempty,omitzero" jsonschema_description:"The instant or date to look at, such as 2026-12-24T18:00:00-03:00, or without an offset in the zone; now if left out."`

	// In is the zone if it does not depend on the run, and nil otherwise.
	In *time.Location `json:"-"`
}

// Interval is a part of certain weekdays, by the clock on the wall.
type Interval struct {
	At source.Place `json:"-"`

	Days []string `json:"days,omitempty" jsonschema_description:"Weekdays on which it begins; all if left out." jsonschema:"enum=mon,enum=tue,enum=wed,enum=thu,enum=fri,enum=sat,enum=sun"`
	From *Clock   `json:"from,omitempty" jsonschema_description:"When it begins; 00:00 if left out."`
	To   *Clock   `json:"to,omitempty" jsonschema_description:"When it is over; 24:00 if left out. Before from: on the next day."`
}

// days are the weekdays, as time.Weekday counts them.
func days() []string { return []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"} }

// Begins says whether the interval begins on a weekday.
func (i Interval) Begins(day time.Weekday) bool {
	return len(i.Days) == 0 || slices.Contains(i.Days, days()[day])
}

// Bounds gives the interval's begin and end in minutes of the day on which it
// begins; the end may be on the next day.
func (i Interval) Bounds() (from, to int) {
	to = dayMinutes
	if i.From != nil {
		from = int(*i.From)
	}
	if i.To != nil {
		to = int(*i.To)
	}
	if to < from {
		to += dayMinutes
	}
	return from, to
}

// dayMinutes are the minutes that the clock on the wall shows in a day.
const dayMinutes = 24 * 60

// Clock is what a clock on the wall shows, in minutes since 00:00; 24:00 is
// the end of the day. One that could not be read is far below 0.
type Clock int

// UnmarshalText reads "09:00".
func (c *Clock) UnmarshalText(text []byte) error {
	if string(text) == "24:00" {
		*c = dayMinutes
		return nil
	}
	shown, _ := value.Read(value.FormTime, string(text), value.Reading{})
	s, _ := shown.(string)
	at, err := time.Parse("15:04", s)
	if err != nil {
		*c = -9 * dayMinutes
		return fmt.Errorf("%q is not a time of the day; write it as 09:00, up to 24:00", text)
	}
	*c = Clock(at.Hour()*60 + at.Minute())
	return nil
}

// All gives the intervals, whichever way they were written.
func (t *TimeInterval) All() []Interval {
	if len(t.Intervals) > 0 {
		return t.Intervals
	}
	return []Interval{{Days: t.Days, From: t.From, To: t.To}}
}

func (t *TimeInterval) check(n *Node) (problems source.Problems) {
	given := n.With.Get("intervals")
	for i, interval := range t.All() {
		in := n.With
		if len(t.Intervals) > 0 {
			in = given.Get(index(i))
		}
		for j, day := range interval.Days {
			if !slices.Contains(days(), day) {
				problems.Add(in.Place("days", index(j)), "use mon, tue, wed, thu, fri, sat, sun", "%q is not a weekday", day)
			}
		}
		if from, to := interval.Bounds(); from >= 0 && to >= 0 && (from == to || from == dayMinutes) {
			problems.Add(in.Place("from"), `write from: "00:00" and to: "24:00" for the whole day`, "an interval that is over when it begins")
		}
	}
	if given.IsList() && len(t.Intervals) == 0 {
		problems.Add(given.Place(), `add {days: [mon, fri], from: "09:00", to: "18:00"}`, "intervals is empty")
	}
	if len(t.Intervals) > 0 && (t.Days != nil || t.From != nil || t.To != nil) {
		problems.Add(given.Place(), "write days, from and to within each interval", "intervals stands instead of days, from and to")
	}
	if t.Zone.IsZero() {
		t.In = time.UTC
	} else if literal, ok := t.Zone.Literal(); ok {
		name, _ := literal.(string)
		var err error
		if t.In, err = value.Zone(name); err != nil {
			problems.Add(n.With.Place("zone"), "write a name of the IANA time zone database, such as America/Sao_Paulo", "%v", err)
		}
	}
	if !t.Holidays.IsZero() {
		if literal, ok := t.Holidays.Literal(); ok {
			if _, at, err := ParseHolidays(literal); err != nil {
				problems.Add(n.With.Place("holidays", fmt.Sprint(at)), "write them as 2026-12-25, or as 12-25 for every year", "%v", err)
			}
		}
	}
	if !t.Instant.IsZero() {
		if literal, ok := t.Instant.Literal(); ok {
			if _, ok := value.Moment(literal, value.Reading{}); !ok {
				problems.Add(n.With.Place("at"), "write it as 2026-12-24T18:00:00-03:00, or leave it out for now", "at: %v is not an instant", literal)
			}
		}
	}
	return problems
}

// Holiday is a day of the calendar. Year 0 is every year.
type Holiday struct {
	Year  int
	Month time.Month
	Day   int
}

// Is says whether a day is the holiday.
func (h Holiday) Is(day time.Time) bool {
	return day.Month() == h.Month && day.Day() == h.Day && (h.Year == 0 || h.Year == day.Year())
}

// ParseHolidays reads a list of days: 2026-12-25, 25/12/2026 or, for every
// year, 12-25. Null is none. At is the index of the one that its error is of.
func ParseHolidays(v any) (holidays []Holiday, at int, err error) {
	list, ok := v.([]any)
	if !ok && v != nil {
		return nil, 0, fmt.Errorf("holidays must be a list of dates")
	}
	for i, item := range list {
		text, _ := item.(string)
		// A leap year has all the days that there are.
		if day, err := time.Parse("2006-01-02", "2000-"+strings.TrimSpace(text)); err == nil {
			holidays = append(holidays, Holiday{0, day.Month(), day.Day()})
			continue
		}
		date, _ := value.Read(value.FormDate, text, value.Reading{})
		read, _ := date.(string)
		day, err := time.Parse(time.DateOnly, read)
		if err != nil {
			return nil, i, fmt.Errorf("holidays: %v is not a day", item)
		}
		holidays = append(holidays, Holiday{day.Year(), day.Month(), day.Day()})
	}
	return holidays, 0, nil
}
