package run

import (
	"slices"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/pdk/abi"
)

// listener finds the trigger that a message on a channel starts: one that names
// the channel before one that takes any, then by flow id. If interrupting is
// set, only triggers that interrupt are looked at.
func listener(s *catalog.Snapshot, channel string, m abi.Message, interrupting bool) (candidate, bool) {
	found := triggers(s, func(t flow.Trigger) bool {
		return t.Type == flow.TriggerMessage && (t.Channel == "" || t.Channel == channel) && (t.Interrupt || !interrupting)
	})
	if len(found) == 0 {
		return candidate{}, false
	}
	return slices.MinFunc(found, func(a, b candidate) int {
		switch {
		case a.trigger.Channel != "" && b.trigger.Channel == "":
			return -1
		case a.trigger.Channel == "" && b.trigger.Channel != "":
			return 1
		}
		return 0
	}), true
}
