package run

import (
	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/pdk/abi"
)

// Taker gives the flow and the trigger that a message on a channel would start,
// empty if there is none, and says whether any flow listens to the channel.
func (r *Runner) Taker(channel string, m abi.Message) (flowID, trigger string, listens bool) {
	if by, ok := r.published.Now().Message(channel, flow.Hear(m), false); ok {
		return by.Flow.Flow.ID, by.Trigger.ID, true
	}
	return "", "", r.published.Now().Listens(channel)
}

// Listeners gives the flows that an event would start.
func (r *Runner) Listeners(event string) (flows []string) {
	for _, c := range r.published.Now().Event(event) {
		flows = append(flows, c.Flow.Flow.ID)
	}
	return flows
}
