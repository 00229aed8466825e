package outbox

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/trama-run/trama/pdk/abi"
)

const (
	calledFor  = 10 * time.Second      // a place is kept for the queue that was woken to take it
	turnedAway = 5 * time.Second       // a queue looks again without being woken, at the earliest
	perWaiting = 20 * time.Millisecond // and later by this for each that waits before it
	probeWait  = 2 * time.Second       // a queue looks again while another's item is the probe
)

// endpoints are the places that items go to, by name. They live in memory:
// after a restart each begins with a closed breaker.
type endpoints struct {
	mu    sync.Mutex
	known map[string]*endpoint // guarded by mu, with all that is in it
}

// endpoint is one of them.
type endpoint struct {
	policy  Policy // of the lane that came last
	breaker breaker
	running int           // sends, until their outcome is committed
	took    time.Duration // how long the last sends took, about

	line    []string             // queues that were turned away, the longest first
	waiting map[string]bool      // those of line that still wait
	called  map[string]time.Time // queues that were woken to take a place, and until when it is theirs
}

// place is leave to send one item.
type place struct {
	endpoint string
	began    time.Time
	probe    bool // what comes of it decides whether the breaker closes
}

// recent is how many sends decide what took is, about.
const recent = 4

// places is how many sends may run now.
func (at *endpoint) places() int {
	if at.policy.Slow > 0 && at.took >= at.policy.Slow {
		return at.policy.AtOnceSlow
	}
	return at.policy.AtOnce
}

// enter takes a place at an endpoint for a queue. If there is none now, it
// says how long to wait before looking again.
func (e *endpoints) enter(name, queue string, p Policy, now time.Time) (taken place, wait time.Duration, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	at := e.known[name]
	if at == nil {
		at = &endpoint{took: p.Slow, waiting: map[string]bool{}, called: map[string]time.Time{}}
		e.known[name] = at
	}
	at.policy = p
	maps.DeleteFunc(at.called, func(_ string, until time.Time) bool { return !until.After(now) })
	delete(at.called, queue) // the place that was kept for it is free again, for it
	if wait := at.breaker.wait(queue, now); wait > 0 {
		return place{}, wait, false
	}
	if at.running+len(at.called) >= at.places() {
		if !at.waiting[queue] {
			at.waiting[queue] = true
			at.line = append(at.line, queue)
		}
		return place{}, turnedAway + time.Duration(len(at.line))*perWaiting, false
	}
	delete(at.waiting, queue)
	at.running++
	return place{name, now, at.breaker.begin()}, 0, true
}

// leave gives a place up, and says which queues are to be woken for those that
// are free. called: the endpoint was tried; failure is what came of it.
func (e *endpoints) leave(from place, now time.Time, called bool, failure *abi.Error) []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	at := e.known[from.endpoint]
	at.running--
	at.took += (now.Sub(from.began) - at.took) / recent
	at.breaker.note(at.policy.Breaker, now, from.probe, called, failure)
	if at.breaker.open {
		at.line = nil // they look again by themselves
		clear(at.waiting)
		clear(at.called)
		return nil
	}
	var next []string
	for at.running+len(at.called) < at.places() && len(at.line) > 0 {
		queue := at.line[0]
		at.line = at.line[1:]
		if at.waiting[queue] {
			delete(at.waiting, queue)
			at.called[queue] = now.Add(calledFor)
			next = append(next, queue)
		}
	}
	return next
}

// Sending says whether an item is on its way to an endpoint now, or what became
// of one is not committed yet: others may know of it before.
func (o *Outbox) Sending(name string) bool {
	kept := false
	o.ended.Range(func(_, k any) bool {
		kept = k.(known).endpoint == name
		return !kept
	})
	if kept {
		return true
	}
	o.endpoints.mu.Lock()
	defer o.endpoints.mu.Unlock()
	at := o.endpoints.known[name]
	return at != nil && at.running > 0
}

// Endpoint is how a place that items go to is now.
type Endpoint struct {
	Name    string `json:"name"`
	Breaker string `json:"breaker"` // closed, open or half-open
	Running int    `json:"running"` // sends at the moment
	Waiting int    `json:"waiting"` // queues that wait for one of them to end
	// Tries and Failed are those of the breaker's window.
	Tries  int `json:"tries"`
	Failed int `json:"failed"`
	// Until is when an open breaker lets a probe through.
	Until time.Time `json:"until,omitzero"`
	// LastFailure is the last one's text, as long as the process runs.
	LastFailure string `json:"last_failure,omitempty"`
}

// Keep forgets the endpoints that are not there any more, so that nobody is
// shown their breakers. One that something is on its way to stays until later.
func (o *Outbox) Keep(there func(name string) bool) {
	o.endpoints.mu.Lock()
	defer o.endpoints.mu.Unlock()
	maps.DeleteFunc(o.endpoints.known, func(name string, at *endpoint) bool { return at.running == 0 && !there(name) })
}

// Endpoints lists the endpoints that were used since the start, by name.
func (o *Outbox) Endpoints() []Endpoint {
	now := o.now()
	o.endpoints.mu.Lock()
	defer o.endpoints.mu.Unlock()
	list := []Endpoint{}
	for _, name := range slices.Sorted(maps.Keys(o.endpoints.known)) {
		at := o.endpoints.known[name]
		e := Endpoint{Name: name, Running: at.running, Waiting: len(at.waiting)}
		at.breaker.describe(&e, at.policy.Breaker, now)
		list = append(list, e)
	}
	return list
}
