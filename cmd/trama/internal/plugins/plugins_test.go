package plugins

import (
	"strings"
	"testing"

	"github.com/trama-run/trama/host/plugin"
)

func TestStateOf(t *testing.T) {
	for _, c := range []struct {
		status plugin.Status
		want   string
	}{
		{plugin.Status{State: plugin.StateReady}, "ready"},
		{plugin.Status{State: plugin.StatePending}, "pending"},
		{plugin.Status{State: plugin.StatePending, Serving: strings.Repeat("9f", 32)}, "pending; sha256:9f9f9f9f9f9f serves"},
	} {
		if got := stateOf(c.status); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
