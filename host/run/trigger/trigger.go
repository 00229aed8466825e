// Package trigger finds what starts flows: which trigger of the published flows
// takes a message, an event or an instant. It must not know what becomes of it.
package trigger

import (
	"maps"
	"slices"
	"sync/atomic"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/flow"
)

// Candidate is a trigger of a published flow.
type Candidate struct {
	Flow    catalog.Flow
	Trigger flow.Trigger
}

// listener is a trigger that takes messages.
type listener struct {
	Candidate
	*flow.Listener
}

// Triggers are those of a snapshot, in the order of flows and triggers. They are
// prepared once for a snapshot: every message is compared with all that listen.
type Triggers struct {
	of        *catalog.Snapshot
	listeners []listener
	events    map[string][]Candidate // by event
	schedules map[string]Candidate   // by "<flow>/<trigger>"
}

// Published gives the triggers of the flows that are published now.
type Published struct {
	catalog func() *catalog.Catalog
	last    atomic.Pointer[Triggers]
}

// New returns the triggers of a catalog.
func New(of func() *catalog.Catalog) *Published { return &Published{catalog: of} }

// Now gives the triggers of the present snapshot.
func (p *Published) Now() *Triggers {
	s := p.catalog().Snapshot()
	if known := p.last.Load(); known != nil && known.of == s {
		return known
	}
	t := triggersOf(s)
	p.last.Store(t)
	return t
}

func triggersOf(s *catalog.Snapshot) *Triggers {
	p := &Triggers{of: s, events: map[string][]Candidate{}, schedules: map[string]Candidate{}}
	for _, id := range slices.Sorted(maps.Keys(s.Flows)) {
		f := s.Flows[id]
		for _, t := range f.Flow.Triggers {
			c := Candidate{f, t}
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
	return p
}

// Snapshot is what the triggers are of.
func (t *Triggers) Snapshot() *catalog.Snapshot { return t.of }

// Event gives the triggers that an event starts.
func (t *Triggers) Event(name string) []Candidate { return t.events[name] }

// Schedule gives the trigger of a schedule, "<flow>/<trigger>".
func (t *Triggers) Schedule(name string) (found Candidate, ok bool) {
	found, ok = t.schedules[name]
	return found, ok
}

// Schedules gives the names of all schedules.
func (t *Triggers) Schedules() []string { return slices.Sorted(maps.Keys(t.schedules)) }

// Message finds the trigger that a message on a channel starts: the one that
// it fits best, then one that names the channel before one that takes any,
// then the first. If interrupting is set, only triggers that interrupt are
// looked at.
func (t *Triggers) Message(channel string, heard flow.Heard, interrupting bool) (found Candidate, ok bool) {
	best, bestNamed := 0, false
	for _, l := range t.listeners {
		on, named := l.On(channel)
		if !on || interrupting && !l.Trigger.Interrupt {
			continue
		}
		if fit := l.Fit(heard); fit > best || fit == best && fit > 0 && named && !bestNamed {
			found, best, bestNamed, ok = l.Candidate, fit, named, true
		}
	}
	return found, ok
}

// Listens says whether a flow takes any message of a channel.
func (t *Triggers) Listens(channel string) bool {
	for _, l := range t.listeners {
		if on, _ := l.On(channel); on {
			return true
		}
	}
	return false
}
