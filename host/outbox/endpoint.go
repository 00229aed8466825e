package outbox

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/pdk/abi"
)

// endpoints are the places that items go to, by name. They live in memory:
// after a restart each begins with a closed breaker.
type endpoints struct {
	mu    sync.Mutex
	known map[string]*endpoint // guarded by mu, with all that is in it
	at    map[string]string    // the endpoint that a queue waits for, or was called to; guarded by mu
}

func newEndpoints() endpoints {
	return endpoints{known: map[string]*endpoint{}, at: map[string]string{}}
}

// endpoint is one of them.
type endpoint struct {
	policy  Policy // of the lane that came last
	breaker breaker
	rests   time.Time     // nothing goes before
	away    time.Time     // since when sends say that nothing can be tried; zero: they don't
	running int           // sends, until their outcome is committed
	took    time.Duration // how long the last sends took, about
	gone    bool          // it is there for those that wait, to tell them
	line
}

// place is leave to send one item.
type place struct {
	endpoint string
	queue    string
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

// closed says how long nothing may go; 0: something may.
func (at *endpoint) closed(now time.Time) time.Duration {
	return max(at.breaker.wait(now), at.rests.Sub(now), 0)
}

// entry is what came of a queue that wanted a place.
type entry struct {
	place place
	ok    bool
	wait  time.Duration // before the queue looks again, if it has no place
	wakes []store.Wake  // of others, which are to be set
}

// enter takes a place at an endpoint for a queue. held is how soon to look
// again whether the endpoint can be tried at all; 0: it can.
func (e *endpoints) enter(name, queue string, p Policy, held time.Duration, now time.Time) entry {
	e.mu.Lock()
	defer e.mu.Unlock()
	var got entry
	if before := e.at[queue]; before != name {
		got.wakes = e.left(queue, now)
	}
	at := e.known[name]
	if at == nil {
		at = &endpoint{took: p.Slow, line: newLine()}
		e.known[name] = at
	}
	at.policy, at.gone = p, false
	called := at.expect(queue, now)
	pause := max(held, at.closed(now))
	if pause > 0 || at.running+len(at.called) >= at.places() {
		e.at[queue] = name
		got.wait = at.stand(queue, called, pause, now)
		return got
	}
	at.forget(queue)
	delete(e.at, queue)
	at.running++
	got.place, got.ok = place{name, queue, now, at.breaker.begin()}, true
	return got
}

// leave gives a place up, and gives the wakes of those that are next. called:
// the endpoint was tried; failure is what came of it, and rest how long it takes
// nothing. If nothing could be tried, the queue stands in line again, behind the
// others: what is in the way may be its own; wait is how long before it looks.
func (e *endpoints) leave(from place, now time.Time, called bool, failure *abi.Error, rest time.Duration) (wait time.Duration, wakes []store.Wake) {
	e.mu.Lock()
	defer e.mu.Unlock()
	at := e.known[from.endpoint]
	at.running--
	at.took += (now.Sub(from.began) - at.took) / recent
	at.breaker.note(at.policy.Breaker, now, from.probe, called, failure)
	untried := failure != nil && failure.Code == abi.CodeUnavailable
	switch {
	case untried && at.away.IsZero():
		at.away = now
	case called:
		at.away = time.Time{}
	}
	if rest = min(rest, at.policy.MaxRetryAfter); untried {
		rest = max(rest, heldPause(now, at.away))
	}
	if until := now.Add(rest); rest > 0 && until.After(at.rests) {
		at.rests = until
	}
	wakes = at.next(now)
	if untried {
		e.at[from.queue] = from.endpoint
		at.order = slices.DeleteFunc(at.order, func(queue string) bool { return queue == from.queue }) // where it stood before
		wait = at.stand(from.queue, false, at.closed(now), now)
	}
	return wait, wakes
}

// left takes a queue out of the line that it stands in, if it does, and gives
// the wakes of those that are next: what took it away may be theirs too. The caller holds mu.
func (e *endpoints) left(queue string, now time.Time) []store.Wake {
	name, waits := e.at[queue]
	if !waits {
		return nil
	}
	delete(e.at, queue)
	at := e.known[name]
	if at == nil { // it was called, did not come in time, and the endpoint went
		return nil
	}
	at.forget(queue)
	delete(at.called, queue)
	wakes := at.next(now)
	if at.gone && at.running+len(at.waiting)+len(at.called) == 0 {
		delete(e.known, name)
	}
	return wakes
}

// empty takes in that nothing waits in a queue.
func (e *endpoints) empty(queue string, now time.Time) []store.Wake {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.left(queue, now)
}

// all gives the wakes of those that are next at all endpoints.
func (e *endpoints) all(now time.Time) (wakes []store.Wake) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, at := range e.known {
		wakes = append(wakes, at.next(now)...)
	}
	return wakes
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
	Waiting int    `json:"waiting"` // queues that wait for a place, the breaker or an operator
	// Tries and Failed are those of the breaker's window.
	Tries  int `json:"tries"`
	Failed int `json:"failed"`
	// Until is when an open breaker lets a probe through.
	Until time.Time `json:"until,omitzero"`
	// Rests is until when it takes nothing, as it or a send to it has said.
	Rests time.Time `json:"rests,omitzero"`
	// LastFailure is the last one's text, as long as the process runs.
	LastFailure string `json:"last_failure,omitempty"`
}

// Keep forgets the endpoints that are not there any more, so that nobody is
// shown their breakers. One that something is on its way to stays until later.
func (o *Outbox) Keep(there func(name string) bool) {
	o.endpoints.mu.Lock()
	defer o.endpoints.mu.Unlock()
	maps.DeleteFunc(o.endpoints.known, func(name string, at *endpoint) bool {
		if at.running > 0 || there(name) {
			return false
		}
		at.gone, at.breaker, at.rests = true, breaker{}, time.Time{} // those that wait are told so, see Mended
		return len(at.waiting)+len(at.called) == 0
	})
}

// Endpoints lists the endpoints that were used since the start, by name.
func (o *Outbox) Endpoints() []Endpoint {
	now := o.now()
	o.endpoints.mu.Lock()
	defer o.endpoints.mu.Unlock()
	list := []Endpoint{}
	for _, name := range slices.Sorted(maps.Keys(o.endpoints.known)) {
		at := o.endpoints.known[name]
		if at.gone {
			continue
		}
		e := Endpoint{Name: name, Running: at.running, Waiting: len(at.waiting)}
		if at.rests.After(now) {
			e.Rests = at.rests
		}
		at.breaker.describe(&e, at.policy.Breaker, now)
		list = append(list, e)
	}
	return list
}
