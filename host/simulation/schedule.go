package simulation

import (
	"fmt"
	"slices"
	"time"

	"github.com/trama-run/trama/host/flow"
)

// schedules are what tick.yaml says of its triggers: how many beats are between
// their instants, and what becomes of those that are missed.
var schedules = map[string]struct {
	beats  int
	missed string
}{
	"once": {2, flow.MissedOnce},
	"skip": {3, flow.MissedSkip},
	"all":  {5, flow.MissedAll},
}

// flowTick is the flow that the schedules start.
const flowTick = "tick"

// PathTick is its file.
const PathTick = "flows/" + flowTick + ".yaml"

// onTime is how late an instant may start a flow that skips the missed ones.
const onTime = time.Minute

// tick is a run that a schedule started, as it was told.
type tick struct {
	trigger   string
	at, fired time.Time
	missed    int // instants before it
}

// readTicks reads the runs of schedules, in the order of their instants. Their
// instants are units of their own.
func (j *judge) readTicks() {
	for _, r := range j.final.Runs {
		if r.Flow != flowTick {
			continue
		}
		event, _ := r.Event.(map[string]any)
		trigger, _ := event["trigger"].(string)
		text, _ := event["scheduled_at"].(string)
		fired, _ := event["fired_at"].(string)
		missed, _ := event["missed"].(float64)
		t := tick{trigger: trigger, missed: int(missed)}
		var err1, err2 error
		t.at, err1 = time.Parse(time.RFC3339, text)
		t.fired, err2 = time.Parse(time.RFC3339Nano, fired)
		if _, known := schedules[trigger]; !known || err1 != nil || err2 != nil {
			j.wrong("schedule", "the run %s began with %v", r.ID, event)
			continue
		}
		unit := fmt.Sprintf("%s@%s", trigger, text)
		j.words[unit], j.acked[unit] = WordTick, 0
		j.ticks = append(j.ticks, t)
	}
	slices.SortStableFunc(j.ticks, func(a, b tick) int { return a.at.Compare(b.at) })
}

// schedules: each instant between the publishing of a schedule and its end
// starts one run, not before its time, or is counted as missed by the next one;
// none is missed without a fault, or against its policy.
func (j *judge) schedules() {
	var began, ended time.Time
	for _, e := range j.events {
		switch {
		case e.What != Ticks:
		case !e.Good:
			ended = e.At
		case began.IsZero():
			began = e.At
		}
	}
	for name, of := range schedules {
		every, last, first := time.Duration(of.beats)*j.Beat, began, true
		for _, t := range j.ticks {
			if t.trigger != name {
				continue
			}
			missed := between(last, t.at, every)
			switch {
			case t.at.Equal(last):
				j.wrong("schedule", "%s started two runs at %s", name, t.at)
			case !t.at.Equal(t.at.Truncate(every)) || t.fired.Before(t.at):
				j.wrong("schedule", "%s is due at the multiples of %s, and ran for %s at %s", name, every, t.at, t.fired)
			case len(missed) < t.missed || len(missed) > t.missed && !first:
				j.wrong("schedule", "%s ran for %s and then for %s, which says that it missed %d", name, last, t.at, t.missed)
			case of.missed == flow.MissedAll && t.missed > 0:
				j.wrong("schedule", "%s misses none, and ran for %s with %d missed", name, t.at, t.missed)
			case of.missed == flow.MissedSkip && t.fired.Sub(t.at) > onTime:
				j.wrong("schedule", "%s skips what is missed, and ran for %s at %s", name, t.at, t.fired)
			}
			j.excused(name, missed, t.fired) // those before the first that it counts too: it began late
			last, first = t.at, false
		}
		j.excused(name, between(last, ended, every), ended)
	}
}

// between gives the instants after one and before another.
func between(after, before time.Time, every time.Duration) (instants []time.Time) {
	for at := after.Truncate(every).Add(every); at.Before(before); at = at.Add(every) {
		instants = append(instants, at)
	}
	return instants
}

// excused: there was a fault for which instants had no run of their own until
// another instant.
func (j *judge) excused(name string, instants []time.Time, until time.Time) {
	for _, at := range instants {
		if !slices.ContainsFunc(j.faults, func(i int) bool {
			f := j.events[i].At
			return f.After(at.Add(-j.Slack)) && f.Before(until.Add(time.Millisecond)) // instants are cut to the millisecond
		}) {
			j.wrong("schedule", "%s did not run for %s, and nothing was in its way", name, at)
		}
	}
}
