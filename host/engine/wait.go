package engine

import (
	"fmt"
	"strings"
	"time"

	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/pdk/abi"
)

// Bounds of messages that are gathered into one.
const (
	maxGathered = 20 // messages
	maxGather   = 10 // times the quiet that ends it, since the first
)

func (m *move) wait(c *flow.Wait) (string, *abi.Error) {
	var due time.Time
	if c.For.IsZero() {
		at, err := m.instant(c.Until)
		if err != nil {
			return "", err
		}
		if !at.After(m.event.Now) {
			return flow.PortNext, nil
		}
		due = at
	} else {
		span, err := m.span(c.For)
		if err != nil {
			return "", err
		}
		due = m.event.Now.Add(span)
	}
	m.park(Wait{Due: due})
	return "", nil
}

// park lets the run wait.
func (m *move) park(w Wait) {
	m.run.Status, m.run.Wait = Waiting, &w
	m.rest()
}

func (m *move) span(s flow.Span) (time.Duration, *abi.Error) {
	v, err := m.expand(s.Template)
	if err != nil {
		return 0, err
	}
	span, problem := flow.ParseSpan(v)
	if problem != nil {
		return 0, invalid("%v; write it as 30s, 10m, 2h, 3d or 1w", problem)
	}
	return span.Truncate(time.Millisecond), nil // as the clock of runs
}

// longestWait bounds "until", like a span.
const longestWait = 366 * 24 * time.Hour

func (m *move) instant(t flow.Template) (time.Time, *abi.Error) {
	v, err := m.expand(t)
	if err != nil {
		return time.Time{}, err
	}
	text, ok := v.(string)
	at, problem := time.Parse(time.RFC3339, text)
	if !ok || problem != nil {
		return at, invalid("until: %v is not a time; write it as 2026-12-24T18:00:00-03:00", v)
	}
	if at.Sub(m.event.Now) > longestWait {
		return at, invalid("until: %s is more than 366 days away", text)
	}
	return at.Truncate(time.Millisecond), nil
}

func (m *move) waitReply(n *node, c *flow.WaitReply) (string, *abi.Error) {
	if m.concurrent() {
		return "", invalid("node %q: sub-runs that go at once can't wait for replies, since it would not be known whose they are; give the node above concurrency: 1, or ask before it", n.ID)
	}
	w := Wait{Reply: true, Also: c.Also}
	if !c.Timeout.IsZero() {
		span, err := m.span(c.Timeout)
		if err != nil {
			return "", err
		}
		w.Due = m.event.Now.Add(span)
	}
	m.park(w)
	return "", nil
}

// message gives the run that listens a message.
func (m *move) message(message *Message) error {
	n, err := m.at("a message came", (*Run).listens)
	if err != nil {
		return err
	}
	c, ok := n.config.(*flow.WaitReply)
	if !ok {
		return fmt.Errorf("advance session %q: node %q does not wait: it was advanced with another version", m.session.ID, n.ID)
	}
	at := message.At
	if at.IsZero() {
		at = m.event.Now
	}
	m.heard(at)
	w := m.run.Wait
	if c.Debounce.IsZero() {
		if len(w.Gathered) == 0 {
			m.reply(n, c, message.Value)
			return nil
		}
		// Another version of the flow, where the session has moved from, gathered.
		w.Gathered = append(w.Gathered, message.Value)
		m.joined(n, c)
		return nil
	}
	quiet, problem := m.span(c.Debounce)
	if problem != nil {
		m.leaveWait(n, flow.PortError, nil, problem)
		return nil
	}
	w.Gathered = append(w.Gathered, message.Value)
	if len(w.Gathered) == 1 {
		w.First = at
	}
	w.Due = at.Add(quiet)
	if last := w.First.Add(maxGather * quiet); w.Due.After(last) {
		w.Due = last
	}
	// If Due is over already, the tick for it joins them: messages that came
	// before it may wait still.
	if len(w.Gathered) == maxGathered {
		m.joined(n, c)
	}
	return nil
}

// joined ends the gathering: the messages become one.
func (m *move) joined(n *node, c *flow.WaitReply) {
	gathered := m.run.Wait.Gathered
	last, _ := gathered[len(gathered)-1].(map[string]any)
	var texts []string
	for _, one := range gathered {
		if fields, ok := one.(map[string]any); ok {
			if text, _ := fields["text"].(string); text != "" {
				texts = append(texts, text)
			}
		}
	}
	m.reply(n, c, with(last, map[string]any{"text": strings.Join(texts, "\n"), "messages": gathered}))
}

// reply takes a reply that is whole: it fits, or is asked for again.
func (m *move) reply(n *node, c *flow.WaitReply, value map[string]any) {
	typed, fits, err := m.accept(c, value)
	switch w := m.run.Wait; {
	case err != nil:
		m.leaveWait(n, flow.PortError, value, err)
	case fits:
		if typed != nil {
			value = with(value, map[string]any{"value": typed})
		}
		if c.SaveAs != "" {
			saved := value["value"]
			if saved == nil {
				saved = value["text"]
			}
			m.run.Vars = with(m.run.Vars, map[string]any{c.SaveAs: saved})
		}
		m.leaveWait(n, flow.PortNext, value, nil)
	case w.Tries < c.Retries:
		m.again(n, c, value)
	default:
		m.leaveWait(n, flow.PortInvalid, value, nil)
	}
}

// again asks once more. The time for a reply begins anew.
func (m *move) again(n *node, c *flow.WaitReply, value map[string]any) {
	step := m.step(n)
	step.Output = value
	step.Error = invalid("the reply does not fit; the contact is asked again")
	tries := m.run.Wait.Tries + 1
	m.run.Steps++
	m.session.Steps++
	m.run.Ordinal, m.run.Since = m.session.Steps, m.event.Now
	text, err := m.text(c.Retry)
	if err == nil && strings.TrimSpace(text) != "" {
		m.effect(n, &step, Effect{Send: &Send{Message: abi.Message{Type: abi.MessageText, Text: text}}})
	}
	m.record(step)
	if err == nil {
		_, err = m.waitReply(n, c)
	}
	if err != nil {
		m.leaveWait(n, flow.PortError, value, err)
		return
	}
	m.run.Wait.Tries = tries
}

// leaveWait ends a wait by a port.
func (m *move) leaveWait(n *node, name string, value map[string]any, err *abi.Error) {
	step := m.step(n)
	m.run.Status, m.run.Wait = "", nil
	m.rest()
	if value != nil {
		step.Output = value
		m.output(n.ID, value)
	}
	if err != nil {
		m.walk(m.fail(step, &Failure{Node: n.ID, Error: *err}))
		return
	}
	m.walk(m.pass(step, name))
}

// tick lets happen what is due, in the order of its instants.
func (m *move) tick() error {
	m.heard(m.event.Heard)
	if m.session.Paused() {
		return m.unpause()
	}
	until := m.event.Now
	if u := m.event.Until; !u.IsZero() && u.Before(until) {
		until = u
	}
	for range maxAllSteps {
		due := m.session.Due()
		if m.session.Over() || due.IsZero() || due.After(until) || m.full() {
			return nil
		}
		if err := m.expire(due); err != nil {
			return err
		}
	}
	return nil
}

// expire ends the one wait that is due at an instant.
func (m *move) expire(due time.Time) error {
	path := m.session.Run.find(func(r *Run) bool { return r.Status == Waiting && r.Wait.Due.Equal(due) })
	if path == nil {
		return m.silence()
	}
	n, err := m.at("an instant came", func(r *Run) bool { return r == path[len(path)-1] })
	if err != nil {
		return err
	}
	c, replies := n.config.(*flow.WaitReply)
	switch {
	case !replies:
		m.leaveWait(n, flow.PortNext, nil, nil)
	case len(m.run.Wait.Gathered) > 0:
		m.joined(n, c)
	default:
		m.leaveWait(n, flow.PortTimeout, nil, nil)
	}
	return nil
}

func (m *move) startInactivity(n *node, c *flow.StartInactivity) (string, *abi.Error) {
	for _, r := range m.above {
		if r.Group != nil {
			return "", invalid("node %q: a sub-run can't arm the inactivity timer, since it would end before the others; arm it before %q", n.ID, r.Node)
		}
	}
	after, err := m.span(c.After)
	if err != nil {
		return "", err
	}
	m.session.Silence = &Silence{Run: m.run.ID, Node: n.ID, After: after, Due: m.event.Now.Add(after)}
	return flow.PortNext, nil
}

// heard sets the inactivity timer back: the contact wrote at an instant.
func (m *move) heard(at time.Time) {
	if s := m.session.Silence; s != nil && s.Due.Before(at.Add(s.After)) {
		later := *s
		later.Due = at.Add(s.After)
		m.session.Silence = &later
	}
}

// silence lets the run that armed the inactivity timer leave by its port; what
// it called or gathered is left.
func (m *move) silence() error {
	s := m.session.Silence
	m.session.Silence = nil
	n, err := m.at("the contact was silent", func(r *Run) bool { return r.ID == s.Run })
	if err != nil {
		return err
	}
	step := m.step(n)
	m.record(step) // where it was
	run := m.run
	run.Status, run.Wait, run.Called, run.Group = "", nil, nil, nil
	armed := m.program.nodes[s.Node]
	if armed == nil {
		return fmt.Errorf("advance session %q: flow %q has no node %q: it was advanced with another version", m.session.ID, run.Flow, s.Node)
	}
	m.rest()
	m.session.Steps++
	run.Steps++
	run.Node, run.Ordinal, run.Since = s.Node, m.session.Steps, m.event.Now
	m.walk(m.pass(m.step(armed), flow.PortInactive))
	return nil
}
