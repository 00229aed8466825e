package run

import (
	"maps"
	"slices"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/pdk/abi"
)

// candidate is a trigger of a published flow.
type candidate struct {
	flow    catalog.Flow
	trigger flow.Trigger
}

// listener is a trigger that takes messages.
type listener struct {
	candidate
	*flow.Listener
}

// published are the triggers of a snapshot, in the order of flows and
// triggers. They are prepared once for a snapshot: every message is compared
// with all that listen.
type published struct {
	of        *catalog.Snapshot
	listeners []listener
	events    map[string][]candidate // by event
	schedules map[string]candidate   // by "<flow>/<trigger>"
}

// published gives the triggers of the present snapshot.
func (r *Runner) published() *published {
	s := r.config.Catalog().Snapshot()
	if known := r.triggers.Load(); known != nil && known.of == s {
		return known
	}
	p := &published{of: s, events: map[string][]candidate{}, schedules: map[string]candidate{}}
	for _, id := range slices.Sorted(maps.Keys(s.Flows)) {
		f := s.Flows[id]
		for _, t := range f.Flow.Triggers {
			c := candidate{f, t}
			switch t.Type {
			case flow.TriggerEvent:
				p.events[t.Event] = append(p.events[t.Event], c)
			case flow.TriggerSchedule:
				p.schedules[id+"/"+t.ID] = c
			default:
				if l, ok := t.Listener(); ok {
					p.listeners = append(p.listeners, listener{c, l})
				}
			}
		}
	}
	r.triggers.Store(p)
	return p
}

// listener finds the trigger that a message on a channel starts: the one that
// it fits best, then one that names the channel before one that takes any,
// then the first. If interrupting is set, only triggers that interrupt are
// looked at.
func (r *Runner) listener(channel string, m abi.Message, interrupting bool) (found candidate, ok bool) {
	heard := flow.Hear(m)
	best, bestNamed := 0, false
	for _, l := range r.published().listeners {
		on, named := l.On(channel)
		if !on || interrupting && !l.trigger.Interrupt {
			continue
		}
		if fit := l.Fit(heard); fit > best || fit == best && fit > 0 && named && !bestNamed {
			found, best, bestNamed, ok = l.candidate, fit, named, true
		}
	}
	return found, ok
}

// listens says whether a flow takes any message of a channel.
func (r *Runner) listens(channel string) bool {
	for _, l := range r.published().listeners {
		if on, _ := l.On(channel); on {
			return true
		}
	}
	return false
}
