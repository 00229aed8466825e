package run

import (
	"slices"

	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/host/run/mail"
	"github.com/trama-run/trama/host/run/trigger"
	"github.com/trama-run/trama/pdk/abi"
)

// Who has answered a question by a press, and presses it again when the run is
// over, by mistake or since the service let them, has said nothing new: it must
// not begin a conversation. Any other press may be the contact's first word, as
// that of a template's button is.

// maxPressed is how many questions a contact's record knows as answered.
const maxPressed = 20

// pressMark names the message whose button or row a letter presses; empty: it is
// no press, or the service doesn't say of what.
func pressMark(l mail.Letter) string {
	m := l.Unit.Message
	if m == nil || m.ReplyTo == "" || m.Type != abi.MessageButtonReply && m.Type != abi.MessageListReply {
		return ""
	}
	return sum([]byte(string(l.At) + "\x00" + m.ReplyTo))[:16]
}

// press notes, with the next commit, that a letter answers a question of the run
// by a press.
func (c *conversation) press(j *journey, l letter) {
	asked := c.contact.Choices
	if !l.answers || l.pressed == "" || asked.Run != j.session.ID || slices.Contains(c.contact.Pressed, l.pressed) {
		return
	}
	known := c.contact.Pressed
	known = known[max(0, len(known)-maxPressed+1):]
	c.contact.Pressed = append(slices.Clip(known), l.pressed)
}

// taker finds the trigger that a contact's message starts.
func (c *conversation) taker(l letter, interrupting bool) (trigger.Candidate, bool) {
	heard := flow.Hear(*l.Unit.Message)
	heard.Again = l.pressed != "" && slices.Contains(c.contact.Pressed, l.pressed)
	return c.runner.published.Now().Message(c.channelOf(l), heard, interrupting)
}
