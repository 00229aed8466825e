// Package record keeps what runs leave for people: how each came to its end. A
// record is a trace, for two weeks; whether a run goes on must not depend on it.
// The package must not know how runs are driven or what they need: it is told
// what happened, and bounds it.
package record

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/trama-run/trama/host/contact"
	"github.com/trama-run/trama/host/engine"
	"github.com/trama-run/trama/host/run/encode"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/pdk/abi"
)

// Kind is the kind of the records that runs leave, by run id. Ids grow with
// time, so a listing downwards has the newest first.
const Kind store.Kind = "run"

// ID names the record of a run.
func ID(run string) store.ID { return store.ID{Kind: Kind, Key: run} }

// TTL is how long a record is kept from when it was last written.
const TTL = 14 * 24 * time.Hour

// Bounds of a record.
const (
	maxValue   = 16 << 10  // one input or output; longer ones are cut
	maxSteps   = 500       // first steps that are kept; later ones are counted
	maxLast    = 20        // last steps that are kept beyond those
	maxLines   = 200       // log lines that are kept; later ones are counted
	maxInputs  = 200       // messages and instants that are kept; later ones are counted
	maxRecord  = 512 << 10 // inputs and outputs in all
	cutMessage = "… cut: %d bytes"
	secretNote = "not kept: the run makes a secret"
)

// A record that has grown large is not written with each of a run's commits.
const (
	largeEvery = time.Second
	largeSize  = 32 << 10 // of inputs and outputs
	largeSteps = 100
)

// Due says whether the record, which was last written at an instant, goes with
// a commit of its run while that goes on.
func (r *Record) Due(written, now time.Time) bool {
	large := r.Size > largeSize || len(r.Steps) > largeSteps
	return !large || now.Sub(written) >= largeEvery
}

// Record is what a run leaves for people: how it came to its end. It is a
// trace, kept for two weeks; the state that a run needs is elsewhere. A large
// one is stored when the run waits or ends, and once a second at most while it
// goes on: after a crash the steps since then are not in it.
type Record struct {
	ID      string        `json:"id"`
	Flow    string        `json:"flow"`
	Version int           `json:"version"`
	Key     string        `json:"key"` // the unit of order: a contact, or the run itself
	Trigger string        `json:"trigger"`
	Status  engine.Status `json:"status"`
	// Secret: what the run took and gave is not kept.
	Secret bool `json:"secret,omitempty"`
	// Node is where the run is, or ended.
	Node   string          `json:"node,omitempty"`
	Result any             `json:"result,omitempty"`
	Label  string          `json:"label,omitempty"`  // of the end node
	Vars   any             `json:"vars,omitempty"`   // the scope "flow" at the end
	Reason string          `json:"reason,omitempty"` // of a cancelled run
	Error  *engine.Failure `json:"error,omitempty"`
	// Refused is why the caller got an error in place of the run's answer, whose
	// Status says nothing of that.
	Refused *abi.Error `json:"refused,omitempty"`
	Started time.Time  `json:"started"`
	Ended   *time.Time `json:"ended,omitempty"`
	Event   any        `json:"event,omitempty"`
	// From is where the event came in, if it came by a request.
	From *contact.Origin `json:"from,omitempty"`
	// User and Env are the scopes of these names at the start; Flows are the
	// versions of the flows that the run may jump to, its own included, if
	// there are any.
	User  any            `json:"user,omitempty"`
	Env   any            `json:"env,omitempty"`
	Flows map[string]int `json:"flows,omitempty"`
	Steps []Step         `json:"steps"`
	// Last are the last of those that LeftSteps counts.
	Last []Step `json:"last_steps,omitempty"`
	// Inputs are what moved the run on beside its event and the results of its
	// calls, which are in its steps: with all of them it can be played again.
	Inputs []Input `json:"inputs,omitempty"`
	Lines  []Line  `json:"log,omitempty"`
	// Left counts what was over the bounds and left out.
	LeftSteps  int `json:"left_steps,omitempty"`
	LeftInputs int `json:"left_inputs,omitempty"`
	LeftLines  int `json:"left_lines,omitempty"`
	// Size is the bytes of inputs and outputs so far, which are bounded over
	// all drives of a run.
	Size int `json:"size,omitempty"`
	// Known is the sum of the scope "user" as the run left it last.
	Known string `json:"known,omitempty"`
}

// Kinds of inputs.
const (
	InputMessage = "message"
	InputTick    = "tick"  // a timer
	InputRetry   = "retry" // by the operator
	InputMoved   = "moved" // by the operator, to another version of a flow
)

// Input is what moved a run on at an instant.
type Input struct {
	At   time.Time `json:"at"`
	Kind string    `json:"kind"`
	// After is how many steps the run had passed.
	After int `json:"after"`
	// Message is what the contact wrote, as flows see it. Heard is when that
	// was stored or, for a tick, when the contact wrote last.
	Message any       `json:"message,omitempty"`
	Heard   time.Time `json:"heard,omitzero"`
	// User is the scope "user", where it is not as the run left it but for
	// HeardAt, its field of that name, which most messages change.
	User    any `json:"user,omitempty"`
	HeardAt any `json:"heard_at,omitempty"`
	// Flow, From and To are of a move.
	Flow string `json:"flow,omitempty"`
	From int    `json:"from,omitempty"`
	To   int    `json:"to,omitempty"`
}

// Step is what happened at one node.
type Step struct {
	engine.Step
	Cost *Cost `json:"cost,omitempty"` // of the call that was made; nil if there was none
	// Sent are the messages that went to the channel in place of the step's, which
	// it has no form for; none may have. nil: the message went as it is.
	Sent any `json:"sent,omitempty"`
}

// Cost is what a call of a plugin took.
type Cost struct {
	Fuel        int64         `json:"fuel"`         // units of guest work
	GuestTime   time.Duration `json:"guest_time"`   // nanoseconds, without waiting for others
	MemoryBytes int64         `json:"memory_bytes"` // linear memory at the end
}

// Line is one line that a plugin logged.
type Line struct {
	Node  string    `json:"node"`
	At    time.Time `json:"at"`
	Level string    `json:"level"`
	Text  string    `json:"text"`
}

// KeepEvent keeps the event that started the run.
func (r *Record) KeepEvent(value map[string]any) { r.Event = r.bounded(value) }

// KeepStart keeps what the run began with.
func (r *Record) KeepStart(event engine.Event, env any, flows map[string]int) {
	r.Started, r.Env = event.Now, env
	if len(flows) > 1 {
		r.Flows = flows
	}
	if len(event.User) > 0 {
		r.User, r.Known = r.bounded(event.User), knownOf(event.User)
	}
}

// KeepInput keeps what moved the run on, after a number of steps.
func (r *Record) KeepInput(event engine.Event, after int) {
	if len(r.Inputs) >= maxInputs {
		r.LeftInputs++
		return
	}
	i := Input{At: event.Now, After: after, Kind: InputTick, Heard: event.Heard, HeardAt: event.User[contact.FieldHeardAt]}
	switch {
	case event.Message != nil:
		i.Kind, i.Message, i.Heard = InputMessage, r.bounded(event.Message.Value), event.Message.At
	case event.Retry:
		i.Kind = InputRetry
	}
	if len(event.User) > 0 && knownOf(event.User) != r.Known {
		i.User = r.bounded(event.User)
	}
	r.Inputs = append(r.Inputs, i)
}

// KeepMove keeps that the run goes on in another version of a flow.
func (r *Record) KeepMove(flow string, from, to int, at time.Time) {
	if from == to {
		return
	}
	r.KeepLine(Line{Node: r.Node, At: at, Level: "info", Text: fmt.Sprintf("moved from version %d of flow %s to %d", from, flow, to)})
	if len(r.Inputs) >= maxInputs {
		r.LeftInputs++
		return
	}
	r.Inputs = append(r.Inputs, Input{At: at, Kind: InputMoved, After: len(r.Steps) + r.LeftSteps, Flow: flow, From: from, To: to})
}

// Began gives the versions of the flows that the run began with.
func (r *Record) Began() map[string]int {
	versions := map[string]int{}
	maps.Copy(versions, r.Flows)
	versions[r.Flow] = r.Version
	for _, input := range slices.Backward(r.Inputs) {
		if input.Kind == InputMoved {
			versions[input.Flow] = input.From
		}
	}
	return versions
}

// KeepUser keeps how the run left the scope "user".
func (r *Record) KeepUser(user map[string]any) {
	if len(user) > 0 {
		r.Known = knownOf(user)
	}
}

// knownOf is short for the scope "user", whatever the time the contact wrote.
func knownOf(user map[string]any) string {
	if user[contact.FieldHeardAt] != nil {
		user = maps.Clone(user)
		user[contact.FieldHeardAt] = nil
	}
	return sumOf(user)
}

// sumOf is short for a value.
func sumOf(value any) string {
	data, err := json.Marshal(value)
	if err != nil {
		return err.Error()
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:8])
}

// CutOf says whether a value of a record was cut, and gives what is left of its
// JSON.
func CutOf(value any) (prefix string, cut bool) {
	text, ok := value.(string)
	if !ok || !cutPattern.MatchString(text) {
		return "", false
	}
	return text[:strings.LastIndex(text, "… cut: ")], true
}

var cutPattern = regexp.MustCompile(`… cut: \d+ bytes$`)

// KeepStep adds what is known of a node.
func (r *Record) KeepStep(s Step) {
	s.Input, s.Output, s.Sent = r.bounded(s.Input), r.bounded(s.Output), r.bounded(s.Sent)
	if s.Error != nil {
		s.Error = r.boundedError(s.Error)
	}
	if len(r.Steps) < maxSteps {
		r.Steps = append(r.Steps, s)
		return
	}
	r.LeftSteps++
	if len(r.Last) == maxLast {
		r.Last = append(r.Last[:0:0], r.Last[1:]...)
	}
	r.Last = append(r.Last, s)
}

// KeepEnd keeps how the run ended.
func (r *Record) KeepEnd(run *engine.Run, at time.Time) {
	if run.Ended {
		r.Result, r.Label = r.bounded(run.Result), run.Label
	}
	if len(run.Vars) > 0 {
		r.Vars = r.bounded(run.Vars)
	}
	if f := run.Failure; f != nil {
		r.Error = &engine.Failure{Node: f.Node, Attempt: f.Attempt, Error: *r.boundedError(&f.Error)}
	}
	r.Ended = &at
}

// Cancel ends a run that does not come to its own end.
func (r *Record) Cancel(why string, at time.Time) {
	r.Status, r.Ended, r.Reason = engine.Cancelled, &at, why
}

// boundedError is bounded for an error, whose message and detail its plugin
// chooses.
func (r *Record) boundedError(e *abi.Error) *abi.Error {
	kept := *e
	if len(kept.Message) > maxValue/4 {
		kept.Message = strings.ToValidUTF8(kept.Message[:maxValue/4], "") + fmt.Sprintf(cutMessage, len(kept.Message)-maxValue/4)
	}
	if kept.Detail != nil {
		detail, err := json.Marshal(r.bounded(kept.Detail))
		if err != nil { // not JSON: it says so itself
			detail = nil
		}
		kept.Detail = detail
	}
	return &kept
}

// KeepLine adds a line that a plugin logged.
func (r *Record) KeepLine(l Line) {
	if len(r.Lines) >= maxLines {
		r.LeftLines++
		return
	}
	r.Lines = append(r.Lines, l)
}

// Value gives a value as a record keeps it that has no others.
func Value(value any) any { return (&Record{}).bounded(value) }

// bounded returns a value as JSON that can be kept: whole, or its beginning
// as text. Encoding it now also makes it independent of later changes.
func (r *Record) bounded(value any) any {
	if value == nil {
		return nil
	}
	if r.Secret {
		return secretNote
	}
	data, err := encode.Append(nil, value, true)
	if err != nil {
		return fmt.Sprintf("can't be shown: %v", err)
	}
	if len(data) > maxValue || r.Size+len(data) > maxRecord {
		keep := min(max(maxRecord-r.Size, 0), maxValue/4, len(data))
		r.Size += keep
		return strings.ToValidUTF8(string(data[:keep]), "") + fmt.Sprintf(cutMessage, len(data)-keep)
	}
	r.Size += len(data)
	return json.RawMessage(data)
}

// Put returns the change that stores the record.
func (r *Record) Put() (store.Put, error) {
	data, err := json.Marshal(r)
	if err != nil {
		return store.Put{}, fmt.Errorf("record of run %s: %w", r.ID, err)
	}
	return store.Put{ID: ID(r.ID), Value: data, TTL: TTL}, nil
}
