package engine

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/trama-run/trama/host/contact"
	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/pdk/abi"
)

func (m *move) end(c *flow.End, step *Step) (string, *abi.Error) {
	result, err := m.expand(c.Result)
	if err != nil {
		return "", err
	}
	step.Output = result
	m.run.Result, m.run.Label, m.run.Ended = result, c.Label, true
	m.run.Status = Done
	return "", nil
}

func (m *move) respond(n *node, c *flow.Respond, step *Step) (string, *abi.Error) {
	if m.session.Responded {
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
	for _, name := range names(c.Headers) {
		value, err := c.Headers[name].Text(m.scope())
		if err != nil {
			return "", failed(err)
		}
		if slices.Contains(framing, strings.ToLower(name)) {
			return "", invalid("the header %q is the server's own; leave it out", name)
		}
		if !headerName(name) || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			return "", invalid("the header %q: %q can't be sent: a name has letters, digits and hyphens, and a value no control characters or line breaks", name, value)
		}
		if answer.Headers == nil {
			answer.Headers = map[string]string{}
		}
		answer.Headers[name] = value
	}
	if answer.Body, err = m.expand(c.Body); err != nil {
		return "", err
	}
	m.session.Responded = true
	step.Output = map[string]any{"status": int64(answer.Status), "body": answer.Body}
	m.effect(n, step, Effect{Respond: answer})
	return flow.PortNext, nil
}

// framing are the headers that say where a response ends or belong to one
// connection (RFC 9110, 7.6.1), and those that the server itself sets: a wrong
// one would let a proxy take the rest for another response.
var framing = []string{
	"connection", "content-length", "date", "keep-alive", "proxy-authenticate", "proxy-connection", "te", "trailer", "trama-run", "transfer-encoding", "upgrade", "x-request-id",
}

// headerName reports whether a name is a token (RFC 9110, 5.6.2).
func headerName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		return !letter && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	})
}

func (m *move) sendAlert(n *node, c *flow.SendAlert, step *Step) (string, *abi.Error) {
	to, err := m.text(c.To)
	if err != nil {
		return "", err
	}
	text, err := m.text(c.Text)
	if err != nil {
		return "", err
	}
	if strings.TrimSpace(text) == "" {
		return "", invalid("the text of the alert is empty")
	}
	data, err := m.expand(c.Data)
	if err != nil {
		return "", err
	}
	alert := &Alert{To: to, Level: cmp.Or(c.Level, "warning"), Text: text, Data: data}
	step.Output = map[string]any{"to": alert.To, "level": alert.Level, "text": alert.Text, "data": alert.Data}
	m.effect(n, step, Effect{Alert: alert})
	return flow.PortNext, nil
}

// CodeNoContact: a contact is of a channel that has none.
const CodeNoContact = "no_contact"

func (m *move) emitEvent(n *node, c *flow.EmitEvent, step *Step) (string, *abi.Error) {
	data, err := m.expand(c.Data)
	if err != nil {
		return "", err
	}
	to, err := m.text(c.Contact)
	if err != nil {
		return "", err
	}
	if !c.Contact.IsZero() { // an event of nobody is one that names none
		channel, address, err := contact.Key(to).Split()
		if err == nil {
			err = contact.CheckAddress(address)
		}
		if err != nil {
			return "", invalid("contact: %v", err)
		}
		if m.event.Talks != nil && !m.event.Talks(channel) {
			return "", &abi.Error{Code: CodeNoContact, Message: fmt.Sprintf("contact: %q is of the channel %q, which is not configured or has no contacts: add it to channels.yaml", to, channel)}
		}
	}
	emit := &Emit{Event: c.Event, Data: data, Contact: to}
	step.Output = map[string]any{"event": emit.Event, "data": emit.Data, "contact": emit.Contact}
	m.effect(n, step, Effect{Emit: emit})
	return flow.PortNext, nil
}
