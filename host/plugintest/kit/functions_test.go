package kit

import (
	"testing"

	"github.com/trama-run/trama/pdk/abi"
)

// TestMessages: there is a message of each kind that can be sent, and it lacks
// nothing.
func TestMessages(t *testing.T) {
	all := messages()
	for _, kind := range abi.MessageKinds() {
		if m, ok := all[kind]; !ok {
			t.Errorf("there is none of the kind %s", kind)
		} else if err := m.Check(); err != nil || m.Kind() != kind {
			t.Errorf("%s: %v, of the kind %s", kind, err, m.Kind())
		}
	}
	if len(all) != len(abi.MessageKinds()) {
		t.Errorf("%d messages, %d kinds", len(all), len(abi.MessageKinds()))
	}
}
