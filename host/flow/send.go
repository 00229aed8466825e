package flow

import "github.com/trama-run/trama/host/source"

// SendMessage is "with" of send_message.
type SendMessage struct {
	Text    Text     `json:"text" source:"required" jsonschema_description:"The text of the message."`
	Buttons []Button `json:"buttons,omitempty" jsonschema_description:"Reply buttons, three at most."`
}

// Button is a reply button of a message.
type Button struct {
	At source.Place `json:"-"`

	ID    Text `json:"id" source:"required" jsonschema_description:"The reply's payload."`
	Title Text `json:"title" source:"required" jsonschema_description:"What the button says."`
}

// MaxButtons is how many reply buttons one message may have.
const MaxButtons = 3

func (m *SendMessage) check(n *Node) (problems source.Problems) {
	if n.With.Get("text").Any() == "" {
		problems.Add(n.With.Place("text"), "write what the contact reads", "the text is empty")
	}
	if len(m.Buttons) > MaxButtons {
		problems.Add(n.With.Place("buttons"), "ask in two messages", "%d buttons, over the limit of %d", len(m.Buttons), MaxButtons)
	}
	return problems
}
