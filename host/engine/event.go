package engine

import (
	"encoding/json"
	"time"

	"github.com/trama-run/trama/host/expr"
	"github.com/trama-run/trama/pdk/abi"
)

// Event is what Advance is called with: the instant, the variables of the
// contact and of the process, and one of Start, Result, Message, Tick and
// Retry.
type Event struct {
	Now  time.Time
	User map[string]any // the scope "user"; nil without a contact
	Env  map[string]any // the scope "env"
	// Talks says whether flows can be started for contacts of a channel; nil: of
	// any.
	Talks func(channel string) bool `json:"-"`

	Start   *Start
	Result  *Result
	Message *Message
	// Tick says that time has passed: whatever is due happens, or a session
	// that paused goes on. A tick that comes too early changes nothing. If Until is set, what is due after it
	// is left: a message was first.
	Tick  bool
	Until time.Time
	// Heard is when the contact wrote last, as far as the caller of a Tick
	// knows: it sets the inactivity timer back.
	Heard time.Time
	// Retry goes on with a failed session, from the node where it failed.
	Retry bool
}

// Start begins a session: the id of a trigger of its run's flow and its event,
// a JSON value (see [expr.ParseJSON] for its numbers).
type Start struct {
	Trigger string
	Value   any
}

// UnmarshalJSON keeps 64-bit integers.
func (s *Start) UnmarshalJSON(data []byte) error {
	type plain Start
	if err := expr.UnmarshalJSON(data, (*plain)(s)); err != nil {
		return err
	}
	s.Value = expr.Numbers(s.Value)
	return nil
}

// Result brings the outcome of one of Session.Calls: an output, a JSON value,
// or an error.
type Result struct {
	EffectID string
	Output   any
	Error    *abi.Error
}

// Message brings a message to a session that listens, in the shape of
// [MessageValue]; fields may be added to it. At is when it was stored; the zero
// time is Event.Now.
type Message struct {
	Value map[string]any
	At    time.Time
}

// MessageValue gives a message as flows see it: its JSON, with "text" always
// present.
func MessageValue(m abi.Message) map[string]any {
	data, err := json.Marshal(m)
	if err != nil {
		// Only Raw can fail to marshal, if it is not JSON.
		m.Raw = nil
		data, _ = json.Marshal(m)
	}
	value, _ := expr.ParseJSON(data)
	fields, _ := value.(map[string]any)
	if fields == nil {
		fields = map[string]any{}
	}
	fields["text"] = m.Text
	return fields
}

// Outcome is what one Advance gives.
type Outcome struct {
	Session Session
	// User are the contact's variables afterwards: Event.User itself if no
	// node set one, a changed copy otherwise.
	User map[string]any
	// Effects are to be performed in order, once Session is safe.
	Effects []Effect
	// Steps are the nodes passed, for the run's record.
	Steps []Step
}

// Effect is what a node wants done outside, other than a [Call]. Its id is
// stable, so a repeat can be recognised.
type Effect struct {
	ID   string `json:"id"`
	Flow string `json:"flow,omitempty"` // of the node, if it is not the flow that began the session
	Node string `json:"node"`

	Send    *Send    `json:"send,omitempty"`
	Respond *Respond `json:"respond,omitempty"`
	Alert   *Alert   `json:"alert,omitempty"`
	Emit    *Emit    `json:"emit,omitempty"`
}

// Send is a message to the contact of the session.
type Send struct {
	Message abi.Message `json:"message"`
}

// Respond is the answer to the caller of the gateway. Body is a JSON value.
type Respond struct {
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers,omitempty"`
	Body    any               `json:"body"`
}

// Alert is news for the operator. To is the id of an alert; empty means the
// operator's first.
type Alert struct {
	To    string `json:"to,omitempty"`
	Level string `json:"level"` // info, warning or critical
	Text  string `json:"text"`
	Data  any    `json:"data,omitempty"`
}

// Emit starts the flows that have a trigger for an event. Contact is the key
// of the contact in whose conversation they start; empty: of none.
type Emit struct {
	Event   string `json:"event"`
	Data    any    `json:"data,omitempty"`
	Contact string `json:"contact,omitempty"`
}

// Step is one node passed, as the run's record shows it. A call that is
// repeated gives a step for each attempt, with the same ordinal.
type Step struct {
	Ordinal int `json:"ordinal"` // counts from 1 in the session
	// Path is where the run of the step stands in its session, as Run.Path;
	// Flow is its flow, if it is not the one that began the session.
	Path string `json:"path,omitempty"`
	Flow string `json:"flow,omitempty"`
	Node string `json:"node"`
	Type string `json:"type"`
	// Port is the port that was taken; empty if the run ended here or the
	// call is repeated.
	Port string `json:"port,omitempty"`
	// Input is what the node was given: its expanded "with" for an
	// operation, the scope "input" otherwise.
	Input    any           `json:"input,omitempty"`
	Output   any           `json:"output,omitempty"`
	Error    *abi.Error    `json:"error,omitempty"`
	EffectID string        `json:"effect_id,omitempty"`
	Attempt  int           `json:"attempt,omitempty"` // of a call
	Started  time.Time     `json:"started"`
	Duration time.Duration `json:"duration"` // nanoseconds
}
