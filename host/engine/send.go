package engine

import (
	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/pdk/abi"
)

func (m *move) sendMessage(n *node, c *flow.SendMessage, step *Step) (string, *abi.Error) {
	if err := m.needs(flow.TriggerMessage, n, "sends a message to a contact"); err != nil {
		return "", err
	}
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
	step.EffectID, step.Output = m.effectID(), MessageValue(message)
	m.effects = append(m.effects, Effect{ID: step.EffectID, Node: n.ID, Send: &Send{Message: message}})
	return flow.PortNext, nil
}
