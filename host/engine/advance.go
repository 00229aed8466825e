package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"time"

	"github.com/trama-run/trama/host/expr"
	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/pdk/abi"
)

// Limits of a run. Reaching one fails the run with a sentence.
const (
	maxSteps       = 1000      // nodes passed since the last start or message: stops loops without waits
	maxRunBytes    = 16 << 20  // values that a run may hold: event, variables, outputs, pending input
	maxWaitBytes   = 256 << 10 // the same while it waits, since each wait is stored
	maxBackoff     = time.Hour // pause before a repeated call, unless the other system asks for more
	maxRetryAfter  = 24 * time.Hour
	defaultBackoff = time.Second
)

// Advance moves a run on by one event. Its error means that the event does
// not fit where the run stands (a result of another call, a message for a run
// that does not wait): nothing happened, drop the event. Whatever a flow does
// wrong is in the outcome instead.
func (p *Program) Advance(run Run, event Event) (Outcome, error) {
	m := move{program: p, run: run, event: event, user: event.User}
	var err error
	switch {
	case event.Start != nil:
		err = m.start(event.Start)
	case event.Result != nil:
		err = m.result(event.Result)
	case event.Message != nil:
		err = m.message(event.Message)
	default:
		err = fmt.Errorf("advance run %q: the event is empty", run.ID)
	}
	if err != nil {
		return Outcome{}, err
	}
	m.checkSize()
	return Outcome{Run: m.run, User: m.user, Effects: m.effects, Steps: m.steps}, nil
}

// move is one Advance at work. It replaces the maps of the run and the
// variables instead of changing them: values may hold them.
type move struct {
	program *Program
	event   Event
	run     Run
	user    map[string]any
	effects []Effect
	steps   []Step
}

func (m *move) start(s *Start) error {
	if m.run.Status != "" {
		return fmt.Errorf("advance run %q: it has started already and is %s", m.run.ID, m.run.Status)
	}
	if _, ok := m.program.flow.Trigger(s.Trigger); !ok {
		return fmt.Errorf("advance run %q: flow %q has no trigger %q", m.run.ID, m.program.flow.ID, s.Trigger)
	}
	m.run.Status = Running
	m.run.TriggerID, m.run.Trigger = s.Trigger, s.Value
	m.leave(s.Trigger, flow.PortNext)
	return nil
}

func (m *move) result(r *Result) error {
	call := m.run.Pending
	if m.run.Status != Running || call == nil {
		return fmt.Errorf("advance run %q: a result came, but the run is %s and calls nothing", m.run.ID, m.run.Status)
	}
	if call.EffectID != r.EffectID {
		return fmt.Errorf("advance run %q: a result of effect %s came, but %s is called", m.run.ID, r.EffectID, call.EffectID)
	}
	n, ok := m.program.nodes[call.Node]
	if !ok {
		return fmt.Errorf("advance run %q: flow %q has no node %q: it was advanced with another version", m.run.ID, m.program.flow.ID, call.Node)
	}
	began := call.Since
	if !call.NotBefore.IsZero() {
		began = call.NotBefore
	}
	step := Step{
		Ordinal: m.run.Steps, Node: n.ID, Type: n.Type, Input: call.Input,
		EffectID: call.EffectID, Attempt: call.Attempt,
		Started: began, Duration: max(m.event.Now.Sub(began), 0),
	}
	if r.Error != nil {
		step.Error = r.Error
		if n.Retry != nil && r.Error.Retryable && call.Attempt < n.Retry.Attempts {
			again := *call
			again.Attempt++
			again.NotBefore = m.event.Now.Add(pause(n.Retry, call.Attempt, r.Error))
			m.run.Pending = &again
			m.steps = append(m.steps, step)
			return nil
		}
		m.run.Pending = nil
		m.fail(step, r.Error)
		return nil
	}
	m.run.Pending = nil
	step.Output = r.Output
	m.output(n.ID, r.Output)
	m.pass(step, flow.PortNext)
	return nil
}

// pause is how long to wait after the attempt that failed.
func pause(retry *flow.Retry, attempt int, err *abi.Error) time.Duration {
	backoff := time.Duration(retry.Backoff)
	if backoff <= 0 {
		backoff = defaultBackoff
	}
	for range attempt - 1 {
		backoff = min(2*backoff, maxBackoff)
	}
	asked := min(err.RetryAfterMillis, maxRetryAfter.Milliseconds())
	return max(min(backoff, maxBackoff), time.Duration(asked)*time.Millisecond)
}

func (m *move) message(message *Message) error {
	if m.run.Status != Waiting {
		return fmt.Errorf("advance run %q: a message came, but the run is %s and does not wait", m.run.ID, m.run.Status)
	}
	n, ok := m.program.nodes[m.run.Node]
	if !ok {
		return fmt.Errorf("advance run %q: flow %q has no node %q: it was advanced with another version", m.run.ID, m.program.flow.ID, m.run.Node)
	}
	wait, ok := n.config.(*flow.WaitReply)
	if !ok {
		return fmt.Errorf("advance run %q: node %q does not wait: it was advanced with another version", m.run.ID, n.ID)
	}
	m.run.Status = Running
	m.run.Awake = 0
	step := Step{
		Ordinal: m.run.Steps, Node: n.ID, Type: n.Type, Input: m.run.Input(), Output: message.Value,
		Started: m.run.Since, Duration: max(m.event.Now.Sub(m.run.Since), 0),
	}
	m.run.Since = time.Time{}
	m.output(n.ID, message.Value)
	if wait.SaveAs != "" {
		fields, _ := message.Value.(map[string]any)
		m.run.Vars = with(m.run.Vars, map[string]any{wait.SaveAs: fields["text"]})
	}
	m.pass(step, flow.PortNext)
	return nil
}

// leave goes on from a port, as far as the run gets.
func (m *move) leave(from, name string) {
	for {
		id, ok := m.program.next[port{from, name}]
		if !ok {
			m.run.Status = Done
			return
		}
		n := m.program.nodes[id]
		m.run.Node = id
		if m.run.Awake >= maxSteps {
			m.stop(id, &abi.Error{Code: abi.CodeLimit, Message: fmt.Sprintf(
				"node %q: the run passed %d nodes without waiting for a message, the limit; look for a loop, or work on lists in a run_code node", id, maxSteps)})
			return
		}
		m.run.Steps++
		m.run.Awake++
		step := Step{Ordinal: m.run.Steps, Node: id, Type: n.Type, Started: m.event.Now}
		taken, err := m.enter(n, &step)
		if err != nil {
			step.Error = err
			if taken = m.caught(step.Node, err); taken == "" {
				m.steps = append(m.steps, step)
				m.stop(id, err)
				return
			}
		}
		step.Port = taken
		if m.run.Pending == nil && m.run.Status != Waiting {
			m.steps = append(m.steps, step) // else when it ends
		}
		if taken == "" {
			return // it calls, waits or has ended
		}
		from, name = id, taken
	}
}

// pass records a step and goes on from its port.
func (m *move) pass(step Step, name string) {
	step.Port = name
	m.steps = append(m.steps, step)
	m.leave(step.Node, name)
}

// fail records a step that failed and goes on from the error port, or ends
// the run.
func (m *move) fail(step Step, err *abi.Error) {
	if taken := m.caught(step.Node, err); taken != "" {
		m.pass(step, taken)
		return
	}
	m.steps = append(m.steps, step)
	m.stop(step.Node, err)
}

// caught gives the error port if an edge leaves it, and sets the scope error.
func (m *move) caught(id string, err *abi.Error) string {
	if _, ok := m.program.next[port{id, flow.PortError}]; !ok {
		return ""
	}
	m.run.Caught = &Failure{Node: id, Error: *err}
	return flow.PortError
}

// stop fails the run.
func (m *move) stop(id string, err *abi.Error) {
	m.run.Status = Failed
	m.run.Pending = nil
	m.run.Failure = &Failure{Node: id, Error: *err}
}

// output keeps a node's output, which is the next node's input.
func (m *move) output(id string, value any) {
	m.run.Nodes = with(m.run.Nodes, map[string]any{id: value})
	m.run.InputOf = id
}

// with gives a copy of a map with some values set.
func with(old, set map[string]any) map[string]any {
	out := make(map[string]any, len(old)+len(set))
	maps.Copy(out, old)
	maps.Copy(out, set)
	return out
}

// effectID is stable for the run's present step.
func (m *move) effectID() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%d", m.run.ID, m.run.Node, m.run.Steps))
	return hex.EncodeToString(sum[:16])
}

// scope gives what expressions see.
func (m *move) scope() map[string]any {
	scope := map[string]any{
		"input":   m.run.Input(),
		"flow":    object(m.run.Vars),
		"user":    object(m.user),
		"env":     object(m.event.Env),
		"trigger": m.run.Trigger,
		"nodes":   object(m.run.Nodes),
		"now":     m.event.Now,
	}
	if caught := m.run.Caught; caught != nil {
		detail, err := expr.ParseJSON(caught.Detail)
		if err != nil {
			detail = nil // absent, or not JSON: the error says enough
		}
		scope["error"] = map[string]any{
			"node": caught.Node, "code": caught.Code, "message": caught.Message,
			"retryable": caught.Retryable, "detail": detail,
		}
	}
	return scope
}

// checkSize fails a run that holds too much.
func (m *move) checkSize() {
	limit := maxRunBytes
	switch m.run.Status {
	case Waiting:
		limit = maxWaitBytes
	case Done, Failed:
		return // it is not going to be kept
	}
	held := size(m.run.Trigger) + size(m.run.Vars) + size(m.run.Nodes)
	if m.run.Pending != nil {
		held += size(m.run.Pending.Input)
	}
	if held <= limit {
		return
	}
	hint := "work on less data"
	if m.run.Status == Waiting {
		hint = "let the nodes before the wait give smaller outputs"
	}
	m.stop(m.run.Node, &abi.Error{Code: abi.CodeLimit, Message: fmt.Sprintf(
		"node %q: the run holds %d bytes of values, over the limit of %d; %s", m.run.Node, held, limit, hint)})
}

// size gives about the bytes of a value as JSON.
func size(v any) int {
	switch v := v.(type) {
	case string:
		return len(v) + 2
	case []any:
		n := 2
		for _, item := range v {
			n += size(item) + 1
		}
		return n
	case map[string]any:
		n := 2
		for k, item := range v {
			n += len(k) + 4 + size(item)
		}
		return n
	}
	return 8
}
