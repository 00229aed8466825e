package engine

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"strconv"

	"github.com/trama-run/trama/host/expr"
	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/pdk/abi"
)

// walk takes the run that moves on from a node ("": it has ended), until it
// parks or ends, then the sub-runs that may begin beside it, and the runs above
// that waited for it.
func (m *move) walk(id string) {
	for {
		for id != "" {
			if m.full() {
				m.pause(id)
				return
			}
			id = m.visit(id)
		}
		if !m.run.over() && !m.parked() {
			m.run.Status = Done
		}
		more := false
		switch {
		case !m.run.over():
			if id, more = m.widen(); !more {
				return
			}
		case len(m.above) == 0:
			return
		default:
			id = m.ascend()
		}
	}
}

// full says that this Advance has done enough.
func (m *move) full() bool {
	return m.passed >= maxPassed || len(m.effects) >= maxEffects || m.given >= maxEffectBytes
}

// pause parks the run before a node. What may begin beside it does so later.
func (m *move) pause(id string) {
	m.run.Node, m.run.Since = id, m.event.Now
	m.run.Status, m.run.Pending = Running, nil
}

// unpause lets the runs go on that paused, as far as this Advance goes.
func (m *move) unpause() error {
	for m.session.Paused() && !m.full() {
		n, err := m.at("it paused", (*Run).paused)
		if err != nil {
			return err
		}
		m.run.Status = ""
		m.walk(n.ID)
	}
	return nil
}

// parked says that the run waits for something.
func (m *move) parked() bool {
	switch m.run.Status {
	case Running, Waiting, Calling, Gathering:
		return true
	}
	return false
}

// visit passes a node and gives the next one; "" if there is none now.
func (m *move) visit(id string) string {
	n := m.program.nodes[id]
	run := m.run
	run.Node, run.Since, m.fresh = id, m.event.Now, false
	m.passed++
	if err := m.tooLong(id); err != nil {
		return m.stop(id, &Failure{Node: id, Error: *err})
	}
	run.Steps++
	run.Awake++
	m.session.Steps++
	m.session.Awake++
	run.Ordinal = m.session.Steps
	step := m.step(n)
	taken, err := m.do(n, &step)
	if err != nil {
		return m.fail(step, &Failure{Node: id, Error: *err})
	}
	if taken == "" { // it calls, waits or has ended, or another run moves now
		if run.over() {
			m.record(step)
		}
		next := m.turn
		m.turn = ""
		return next
	}
	return m.pass(step, taken)
}

func (m *move) tooLong(id string) *abi.Error {
	what, most := "the run", maxSteps
	if m.run.Awake < maxSteps {
		if m.session.Awake < maxAllSteps {
			return nil
		}
		what, most = "the run and its sub-runs", maxAllSteps
	}
	return &abi.Error{Code: abi.CodeLimit, Message: fmt.Sprintf(
		"node %q: %s passed %d nodes without a wait, the limit; look for a loop, or work on lists in a run_code node", id, what, most)}
}

// step begins the record of the node that the run stands at.
func (m *move) step(n *node) Step {
	s := Step{
		Ordinal: m.run.Ordinal, Path: m.run.Path, Node: n.ID, Type: n.Type, Input: m.run.Input(),
		Started: m.run.Since, Duration: max(m.event.Now.Sub(m.run.Since), 0),
	}
	if m.run.Flow != cmp.Or(m.session.Flow, m.session.Run.Flow) {
		s.Flow = m.run.Flow
	}
	return s
}

// follow gives the node that follows a port; "" if none does.
func (m *move) follow(from, name string) string { return m.program.next[port{from, name}] }

// pass records a step and gives the node after its port.
func (m *move) pass(step Step, name string) string {
	step.Port = name
	m.record(step)
	return m.follow(step.Node, name)
}

// fail records a step that failed and goes on from the error port, or as stop
// does.
func (m *move) fail(step Step, f *Failure) string {
	step.Error = &f.Error
	if to := m.follow(step.Node, flow.PortError); to != "" {
		m.run.Pending, m.run.Called, m.run.Group = nil, nil, nil
		m.run.Caught = f
		return m.pass(step, flow.PortError)
	}
	m.record(step)
	return m.stop(step.Node, f)
}

// stop lets the flow's on_error have an error that no port took, once, or else
// fails the run. What failed stays where it is, for a retry.
func (m *move) stop(id string, f *Failure) string {
	m.run.Status = ""
	if to := m.program.flow.OnError; to != "" && !m.run.Handled && !m.isSub() {
		m.run.Handled, m.run.Caught = true, f
		m.run.Pending, m.run.Called, m.run.Group = nil, nil, nil
		return to
	}
	m.run.Status = Failed
	m.run.Failure = f
	return ""
}

// isSub says whether the run is a sub-run, whose errors its node collects.
func (m *move) isSub() bool {
	return len(m.above) > 0 && m.above[len(m.above)-1].Group != nil
}

// output keeps a node's output, which is the next node's input.
func (m *move) output(id string, value any) {
	nodes := make(map[string]any, len(m.run.Nodes)+1)
	maps.Copy(nodes, m.run.Nodes)
	nodes[id] = value
	m.run.Nodes, m.run.InputOf = nodes, id
}

// effectID is stable for the run's present step.
func (m *move) effectID() string {
	of := make([]byte, 0, 128) // on the stack
	of = append(append(append(of, m.run.ID...), 0), m.run.Node...)
	return hash(strconv.AppendInt(append(of, 0), int64(m.run.Steps), 10))
}

// hash names something by what it is made of.
func hash(of []byte) string {
	sum := sha256.Sum256(of)
	return hex.EncodeToString(sum[:16])
}

// effect adds an effect of the run's present step.
func (m *move) effect(n *node, step *Step, e Effect) {
	step.EffectID = m.effectID()
	e.ID, e.Flow, e.Node = step.EffectID, step.Flow, n.ID
	m.effects = append(m.effects, e)
	m.given += size(step.Output, maxEffectBytes)
}

// do does what the node does and gives the port to leave by; "" means that
// the run calls, waits or has ended. It fills in the step's input and output.
// An error has changed nothing.
func (m *move) do(n *node, step *Step) (string, *abi.Error) {
	if err := m.needs(n); err != nil {
		return "", err
	}
	switch c := n.config.(type) {
	case *flow.Operation:
		return m.operation(n, c, step)
	case *flow.RunCode:
		return m.runCode(n, c, step)
	case *flow.Set:
		return m.set(n, c, step)
	case *flow.UserTag:
		return m.tag(c, step)
	case *flow.SetContact:
		return m.setContact(c, step)
	case *flow.Wait:
		return m.wait(c)
	case *flow.StartInactivity:
		return m.startInactivity(n, c)
	case *flow.EndInactivity:
		m.session.Silence = nil
		return flow.PortNext, nil
	case *flow.SendAlert:
		return m.sendAlert(n, c, step)
	case *flow.EmitEvent:
		return m.emitEvent(n, c, step)
	case *flow.Conditional:
		return m.conditional(c)
	case *flow.TimeInterval:
		return m.timeInterval(c)
	case *flow.Split:
		return m.split(n, c), nil
	case *flow.Jump:
		return m.jump(n, c, step)
	case *flow.ForEach:
		return m.forEach(n, c)
	case *flow.Parallel:
		return m.parallel(n, c)
	case *flow.End:
		return m.end(c, step)
	case *flow.SendMessage:
		return m.sendMessage(n, c, step)
	case *flow.WaitReply:
		return m.waitReply(n, c)
	case *flow.Respond:
		return m.respond(n, c, step)
	}
	return "", invalid("node %q: a node of type %s can't be run", n.ID, n.Type)
}

// needs refuses a node in a session that lacks what it works on.
func (m *move) needs(n *node) *abi.Error {
	switch {
	case n.needs == flow.NeedsContact && m.session.Contact == "":
		return invalid("%s works on a contact, and this run has none: it began with the trigger %q", n.Type, m.session.Run.TriggerID)
	case n.needs == flow.NeedsCaller && !m.session.Caller:
		return invalid("%s answers a caller of the gateway, and this run has none: it began with the trigger %q", n.Type, m.session.Run.TriggerID)
	}
	return nil
}

// expand gives an absent template as null.
func (m *move) expand(t flow.Template) (any, *abi.Error) {
	if t.IsZero() {
		return nil, nil
	}
	v, err := t.Expand(m.scope())
	if err != nil {
		return nil, failed(err)
	}
	return v, nil
}

// or is expand with another value for an absent template.
func (m *move) or(t flow.Template, absent any) (any, *abi.Error) {
	if t.IsZero() {
		return absent, nil
	}
	return m.expand(t)
}

// text gives an absent text as the empty one.
func (m *move) text(t flow.Text) (string, *abi.Error) {
	if t.IsZero() {
		return "", nil
	}
	s, err := t.Text(m.scope())
	if err != nil {
		return "", failed(err)
	}
	return s, nil
}

func invalid(format string, args ...any) *abi.Error {
	return &abi.Error{Code: abi.CodeInvalid, Message: fmt.Sprintf(format, args...)}
}

// failed turns an error of an expression into one that a flow sees.
func failed(err error) *abi.Error {
	code := abi.CodeInvalid
	var e *expr.Error
	if errors.As(err, &e) && e.Limit {
		code = abi.CodeLimit
	}
	return &abi.Error{Code: code, Message: err.Error()}
}

// record keeps a step.
func (m *move) record(step Step) {
	if m.steps == nil {
		m.steps = make([]Step, 0, min(len(m.program.nodes), 16)) // most runs pass a node once
	}
	m.steps = append(m.steps, step)
}
