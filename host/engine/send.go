package engine

import (
	"errors"
	"slices"
	"strings"

	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/pdk/abi"
)

func (m *move) sendMessage(n *node, c *flow.SendMessage, step *Step) (string, *abi.Error) {
	scope := m.scope()
	var problem error
	text := func(t flow.Text) string {
		s, err := t.Text(scope)
		problem = errors.Join(problem, err)
		return s
	}
	message := abi.Message{Type: abi.MessageText, Text: text(c.Text)}
	var ids []string
	for _, b := range c.Buttons {
		button := abi.Button{ID: text(b.ID), Title: text(b.Title)}
		message.Type = abi.MessageButtons
		message.Buttons = append(message.Buttons, button)
		if problem == nil && (button.ID == "" || button.Title == "" || slices.Contains(ids, button.ID)) {
			return "", invalid("the button with id %q and title %q: both must be set, and the id only once", button.ID, button.Title)
		}
		ids = append(ids, button.ID)
	}
	if problem != nil {
		return "", failed(problem)
	}
	if strings.TrimSpace(message.Text) == "" {
		return "", invalid(`the text of the message is empty; give a default for what may be missing: {{ input.name ?? "..." }}`)
	}
	step.Output = MessageValue(message)
	m.effect(n, step, Effect{Send: &Send{Message: message}})
	return flow.PortNext, nil
}
