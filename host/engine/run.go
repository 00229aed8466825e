package engine

import (
	"encoding/json"
	"time"

	"github.com/trama-run/trama/host/expr"
	"github.com/trama-run/trama/pdk/abi"
)

// Status says what a run needs next.
type Status string

// The statuses of a run.
const (
	// Running: Pending must be performed and its result brought back.
	Running Status = "running"
	// Waiting: a message must come.
	Waiting Status = "waiting"
	// Done and Failed runs are over.
	Done   Status = "done"
	Failed Status = "failed"
)

// Run is one journey through one flow, as plain data: it may be written as
// JSON after each Advance and read back before the next one, with the same
// end. Numbers in it are int64 where integral and float64 otherwise.
//
// To begin one, give Advance a Run with ID, Flow and Version set, and an
// event with a [Start].
type Run struct {
	ID      string `json:"id"`
	Flow    string `json:"flow"`    // id of the flow
	Version int    `json:"version"` // and the version that this run is pinned to
	Status  Status `json:"status"`
	// Node is the position: the node that is called, waited at, or was last.
	Node string `json:"node,omitempty"`
	// TriggerID is the trigger that started the run; Trigger is its event.
	TriggerID string `json:"trigger_id,omitempty"`
	Trigger   any    `json:"trigger,omitempty"`
	// InputOf is the node whose output is the present input; empty means
	// that the trigger's event is. See [Run.Input].
	InputOf string         `json:"input_of,omitempty"`
	Vars    map[string]any `json:"vars,omitempty"`  // the scope "flow"
	Nodes   map[string]any `json:"nodes,omitempty"` // the scope "nodes": last outputs

	// Pending is the operation that must be called; set while Running.
	Pending *Call `json:"pending,omitempty"`
	// Since is when the run began to wait; set while Waiting.
	Since time.Time `json:"since,omitzero"`
	// Caught is the scope "error": the last error that an error port took.
	Caught *Failure `json:"caught,omitempty"`
	// Failure is why the run failed.
	Failure *Failure `json:"failure,omitempty"`
	// Responded says that response.json was reached.
	Responded bool `json:"responded,omitempty"`
	// Result is what the end node gave, for the run's record.
	Result any `json:"result,omitempty"`

	// Steps counts the nodes passed since the start; Awake those passed since
	// the last start or message.
	Steps int `json:"steps"`
	Awake int `json:"awake"`
}

// Input is the scope "input": the output of the node before, or the event.
func (r *Run) Input() any {
	if r.InputOf == "" {
		return r.Trigger
	}
	return r.Nodes[r.InputOf]
}

// UnmarshalJSON keeps 64-bit integers.
func (r *Run) UnmarshalJSON(data []byte) error {
	type plain Run
	var p plain
	if err := expr.UnmarshalJSON(data, &p); err != nil {
		return err
	}
	*r = Run(p)
	r.Trigger, r.Result = expr.Numbers(r.Trigger), expr.Numbers(r.Result)
	for _, m := range []map[string]any{r.Vars, r.Nodes} {
		for k, v := range m {
			m[k] = expr.Numbers(v)
		}
	}
	if r.Pending != nil {
		r.Pending.Input = expr.Numbers(r.Pending.Input)
	}
	return nil
}

// Call is an operation of a plugin that the caller has to perform. It is the
// effect itself: after a crash, the same Call with the same EffectID is
// performed again, or not, as the operation's effect class says.
type Call struct {
	// EffectID is the same in all attempts and after every reload.
	EffectID string `json:"effect_id"`
	Node     string `json:"node"`
	// Plugin and Operation name what is called. For a run_code node, Plugin
	// is the language, Operation is "run" and Script is true.
	Plugin    string `json:"plugin"`
	Operation string `json:"operation"`
	Script    bool   `json:"script,omitempty"`
	// Input is the operation's input, a JSON value; for a script it has the
	// shape of [abi.Run].
	Input      any           `json:"input"`
	Connection string        `json:"connection,omitempty"`
	Timeout    time.Duration `json:"timeout,omitempty"` // nanoseconds; 0 means the host's default
	// Attempt counts from 1. NotBefore is when it may be made; zero is now.
	Attempt   int       `json:"attempt"`
	NotBefore time.Time `json:"not_before,omitzero"`
	// Since is when the first attempt was due.
	Since time.Time `json:"since"`
}

// Failure is an error and the node where it came up.
type Failure struct {
	Node string `json:"node,omitempty"`
	abi.Error
}

// Event is what Advance is called with: the instant, the variables of the
// contact and of the process, and one of Start, Result and Message.
type Event struct {
	Now  time.Time
	User map[string]any // the scope "user"; nil in a gateway run
	Env  map[string]any // the scope "env"

	Start   *Start
	Result  *Result
	Message *Message
}

// Start begins a run: the id of a trigger of the flow and its event, a JSON
// value (see [expr.ParseJSON] for its numbers).
type Start struct {
	Trigger string
	Value   any
}

// Result brings the outcome of Run.Pending: an output, a JSON value, or an
// error.
type Result struct {
	EffectID string
	Output   any
	Error    *abi.Error
}

// Message brings a message to a waiting run, in the shape of [MessageValue];
// fields may be added to it.
type Message struct {
	Value any
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
	Run Run
	// User are the contact's variables afterwards: Event.User itself if no
	// node set one, a changed copy otherwise.
	User map[string]any
	// Effects are to be performed in order, once Run is safe.
	Effects []Effect
	// Steps are the nodes passed, for the run's record.
	Steps []Step
}

// Effect is what a node wants done outside, other than a [Call]. Its id is
// stable, so a repeat can be recognised.
type Effect struct {
	ID   string `json:"id"`
	Node string `json:"node"`

	Send    *Send    `json:"send,omitempty"`
	Respond *Respond `json:"respond,omitempty"`
}

// Send is a message to the contact of the run.
type Send struct {
	Message abi.Message `json:"message"`
}

// Respond is the answer to the caller of the gateway. Body is a JSON value.
type Respond struct {
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers,omitempty"`
	Body    any               `json:"body"`
}

// Step is one node passed, as the run's record shows it. A call that is
// repeated gives a step for each attempt, with the same ordinal.
type Step struct {
	Ordinal int    `json:"ordinal"` // counts from 1 in the run
	Node    string `json:"node"`
	Type    string `json:"type"`
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
