package engine

import (
	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/pdk/abi"
)

func (m *move) sendMessage(n *node, c *flow.SendMessage, step *Step) (string, *abi.Error) {
	fields, err := c.Expand(m.scope())
	if err != nil {
		return "", failed(err)
	}
	var message abi.Message
	if err := fill(&message, fields, "message"); err != nil {
		return "", err
	}
	if err := message.Check(); err != nil {
		return "", err
	}
	step.Output = MessageValue(message)
	m.effect(n, step, Effect{Send: &Send{Message: message}})
	return flow.PortNext, nil
}
