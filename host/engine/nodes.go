package engine

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/trama-run/trama/host/expr"
	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/pdk/abi"
)

// enter does what the node does and gives the port to leave by; "" means that
// the run calls, waits or has ended. It fills in the step's input and output.
// An error has changed nothing.
func (m *move) enter(n *node, step *Step) (string, *abi.Error) {
	step.Input = m.run.Input()
	switch c := n.config.(type) {
	case *flow.Conditional:
		return m.conditional(c)
	case *flow.Set:
		return m.set(n, c, step)
	case *flow.RunCode:
		return m.runCode(n, c, step)
	case *flow.SendMessage:
		return m.sendMessage(n, c, step)
	case *flow.WaitReply:
		if err := m.needs(flow.TriggerMessage, n, "waits for a message of a contact"); err != nil {
			return "", err
		}
		m.run.Status, m.run.Since = Waiting, m.event.Now
		return "", nil
	case *flow.Respond:
		return m.respond(n, c, step)
	case *flow.End:
		result, err := m.expand(c.Result)
		if err != nil {
			return "", err
		}
		m.run.Result, step.Output = result, result
		m.run.Status = Done
		return "", nil
	case *flow.Operation:
		input, err := m.expand(c.Input)
		if err != nil {
			return "", err
		}
		step.Input = input
		m.call(n, Call{Plugin: c.Plugin, Operation: c.Operation, Input: input})
		return "", nil
	}
	return "", invalid("node %q: a node of type %s can't be run", n.ID, n.Type)
}

func (m *move) conditional(c *flow.Conditional) (string, *abi.Error) {
	scope := m.scope()
	for _, b := range c.Branches {
		v, err := b.When.Eval(scope)
		if err != nil {
			return "", failed(err)
		}
		switch v := v.(type) {
		case nil:
		case bool:
			if v {
				return b.Port, nil
			}
		default:
			return "", invalid("branch %q: the condition %q must be true or false; compare it, as in input.total > 0", b.Port, b.When.String())
		}
	}
	return flow.PortElse, nil
}

func (m *move) set(n *node, c *flow.Set, step *Step) (string, *abi.Error) {
	if n.Type == "set_user" {
		if err := m.needs(flow.TriggerMessage, n, "sets variables of a contact"); err != nil {
			return "", err
		}
	}
	scope := m.scope() // all see the variables before
	values := make(map[string]any, len(c.Set))
	for _, name := range slices.Sorted(maps.Keys(c.Set)) {
		v, err := c.Set[name].Expand(scope)
		if err != nil {
			return "", failed(err)
		}
		values[name] = v
	}
	step.Output = values
	if n.Type == "set_user" {
		m.user = with(m.user, values)
	} else {
		m.run.Vars = with(m.run.Vars, values)
	}
	return flow.PortNext, nil
}

func (m *move) runCode(n *node, c *flow.RunCode, step *Step) (string, *abi.Error) {
	input := m.run.Input()
	if !c.Input.IsZero() {
		var err *abi.Error
		if input, err = m.expand(c.Input); err != nil {
			return "", err
		}
	}
	step.Input = input
	m.call(n, Call{Plugin: c.Language, Operation: abi.FuncRun, Script: true, Input: map[string]any{
		"code": c.Code, "input": input, "flow": object(m.run.Vars), "user": object(m.user), "env": object(m.event.Env),
	}})
	return "", nil
}

// object gives an empty object instead of null.
func object(m map[string]any) map[string]any {
	if m == nil {
		return map[string]any{}
	}
	return m
}

// call stops the run until the result comes.
func (m *move) call(n *node, c Call) {
	c.EffectID = m.effectID()
	c.Node, c.Connection, c.Timeout = n.ID, n.Connection, time.Duration(n.Timeout)
	c.Attempt, c.Since = 1, m.event.Now
	m.run.Pending = &c
}

func (m *move) respond(n *node, c *flow.Respond, step *Step) (string, *abi.Error) {
	if err := m.needs(flow.TriggerGateway, n, "answers a call of the gateway"); err != nil {
		return "", err
	}
	if m.run.Responded {
		return "", invalid("the call is answered already; let one response.json be reached in a run")
	}
	answer := &Respond{Status: 200}
	status, err := m.expand(c.Status)
	if err != nil {
		return "", err
	}
	if status != nil {
		code, ok := status.(int64)
		if !ok || code < 200 || code > 599 {
			return "", invalid("the status must be a number from 200 to 599, found %v", status)
		}
		answer.Status = int(code)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Headers)) {
		value, err := c.Headers[name].Text(m.scope())
		if err != nil {
			return "", failed(err)
		}
		if !headerName(name) || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			return "", invalid("the header %q: %q can't be sent; leave control characters and line breaks out", name, value)
		}
		if answer.Headers == nil {
			answer.Headers = map[string]string{}
		}
		answer.Headers[name] = value
	}
	if answer.Body, err = m.expand(c.Body); err != nil {
		return "", err
	}
	m.run.Responded = true
	step.EffectID = m.effectID()
	step.Output = map[string]any{"status": int64(answer.Status), "body": answer.Body}
	m.effects = append(m.effects, Effect{ID: step.EffectID, Node: n.ID, Respond: answer})
	return flow.PortNext, nil
}

// headerName reports whether a name is a token (RFC 9110, 5.6.2).
func headerName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		return !letter && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	})
}

// needs refuses a node in a run that began with another type of trigger.
func (m *move) needs(triggerType string, n *node, what string) *abi.Error {
	if t, _ := m.program.flow.Trigger(m.run.TriggerID); t.Type != triggerType {
		return invalid("%s %s, but this run began with the %s trigger %q; lead only triggers of type %s to it", n.Type, what, t.Type, t.ID, triggerType)
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
