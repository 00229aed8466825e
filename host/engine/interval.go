package engine

import (
	"slices"
	"time"

	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/host/value"
	"github.com/trama-run/trama/pdk/abi"
)

func (m *move) timeInterval(c *flow.TimeInterval) (string, *abi.Error) {
	zone := c.In
	if zone == nil {
		v, err := m.expand(c.Zone)
		if err != nil {
			return "", err
		}
		name, _ := v.(string)
		var problem error
		if zone, problem = value.Zone(name); problem != nil {
			return "", invalid("zone: %v; write a name of the IANA time zone database, such as America/Sao_Paulo", problem)
		}
	}
	at := m.event.Now
	if !c.Instant.IsZero() {
		v, err := m.expand(c.Instant)
		if err != nil {
			return "", err
		}
		moment, ok := value.Moment(v, value.Reading{Zone: zone})
		if !ok {
			return "", invalid("at: %v is not an instant; write it as 2026-12-24T18:00:00-03:00", v)
		}
		at = moment.First
	}
	v, err := m.expand(c.Holidays)
	if err != nil {
		return "", err
	}
	holidays, _, problem := flow.ParseHolidays(v)
	if problem != nil {
		return "", invalid("%v; write them as 2026-12-25, or as 12-25 for every year", problem)
	}
	local := at.In(zone)
	for _, interval := range c.All() {
		if inside(interval, holidays, local) {
			return flow.PortInside, nil
		}
	}
	return flow.PortOutside, nil
}

// inside says whether the clock on the wall shows a time of an interval, which
// began today or yesterday.
func inside(interval flow.Interval, holidays []flow.Holiday, local time.Time) bool {
	from, to := interval.Bounds()
	shown := local.Hour()*60 + local.Minute()
	for _, ago := range []int{0, 1} {
		// As in a calendar: the zone may have left a day out, or doubled an hour.
		day := time.Date(local.Year(), local.Month(), local.Day()-ago, 0, 0, 0, 0, time.UTC)
		since := shown + ago*24*60
		if since >= from && since < to && interval.Begins(day.Weekday()) && !slices.ContainsFunc(holidays, func(h flow.Holiday) bool { return h.Is(day) }) {
			return true
		}
	}
	return false
}
