package simulation

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"
)

// What happened, as the outside knows it.
const (
	Offered  = "offered"  // a unit was given to the host for the first time
	Acked    = "acked"    // the host said that it has a unit, or a ref
	Seen     = "seen"     // the peer was asked to do something
	Answered = "answered" // the peer has answered that, well or not
	Told     = "told"     // the host took a status of a message from the service
	Moved    = "moved"    // the host said that it moved a run to the next version of its flow
	Ticks    = "ticks"    // the schedules are published from now on, or not any more
	Fault    = "fault"    // the host was stopped, or a commit failed
)

// Event is one thing that happened. Which fields it has depends on What.
type Event struct {
	At   time.Time
	What string
	// Name is the unit, the ref, "<step>|<unit>" of what was asked, the
	// service's id of a message, a run, or the kind of a fault.
	Name string
	// Contact is the key of the contact to whom it belongs; empty: none.
	Contact string
	// Word is what an offered unit says, the kind of a ref, a status, or the
	// node at which a moved run stood.
	Word string
	// With is the delivery that a unit came in.
	With string
	// Effect is the effect id, Text the message that was sent; Good says that
	// an answer was not an error, or that there are schedules.
	Effect, Text string
	Good         bool
}

// History is what happened, in order. Its methods may be called at once.
type History struct {
	now    func() time.Time
	mu     sync.Mutex
	events []Event // guarded by mu
}

// NewHistory begins a history by a clock.
func NewHistory(now func() time.Time) *History { return &History{now: now} }

// Add adds an event and returns the instant that it has.
func (h *History) Add(e Event) time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	e.At = h.now()
	h.events = append(h.events, e)
	return e.At
}

// Events gives what happened so far.
func (h *History) Events() []Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]Event(nil), h.events...)
}

// Call is the event of a call of acme with this body, which is the input of
// the operation.
func Call(body []byte, effectID string) (Event, error) {
	var in struct {
		Step, Unit string
		Set, Fired json.Number
	}
	if err := json.Unmarshal(body, &in); err != nil || in.Step == "" || in.Unit == "" {
		return Event{}, fmt.Errorf("a call with %q: %w", body, err)
	}
	e := Event{What: Seen, Name: in.Step + "|" + in.Unit, Effect: effectID}
	if in.Fired != "" {
		e.Text = "|" + in.Set.String() + "|" + in.Fired.String()
	}
	return e, nil
}

// Send is the event of a message to a contact.
func Send(contact, text, effectID string) (Event, error) {
	parts := strings.Split(text, "|")
	if len(parts) < 4 {
		return Event{}, fmt.Errorf("a message %q", text)
	}
	return Event{What: Seen, Name: parts[2] + "|" + parts[3], Contact: contact, Effect: effectID, Text: text}, nil
}
