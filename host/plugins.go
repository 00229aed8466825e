package host

import (
	"context"
	"time"

	"github.com/trama-run/trama/host/plugin"
	"github.com/trama-run/trama/host/telemetry"
	"github.com/trama-run/trama/pdk/abi"
)

// called counts a plugin's call.
func (h *Host) called(name string, usage plugin.Usage, failure *abi.Error) {
	code := ""
	if failure != nil {
		code = failure.Code
	}
	h.metrics.Called(name, code, usage.Fuel, usage.GuestTime, usage.MemoryBytes)
}

// pluginStates is how the plugins are, for metrics.
func (h *Host) pluginStates() []telemetry.Plugin {
	var states []telemetry.Plugin
	for _, s := range h.plugins.List() {
		states = append(states, telemetry.Plugin{Name: s.Name, State: string(s.State), Loaded: h.plugins.Loaded(s.Digest), Sessions: s.Sessions})
	}
	return states
}

// sweepEvery is how often the sessions of retired plugins are counted, which
// reads every session.
const sweepEvery = 10 * time.Minute

// sweep counts the sessions that retired plugins are kept for, and lets go of
// those that have none, until ctx ends.
func (h *Host) sweep(ctx context.Context, scanned <-chan struct{}) error {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-scanned:
			scanned = nil // once
		case <-ticker.C:
		}
		if !h.plugins.Retired() {
			continue
		}
		sessions, err := h.runs.Pinned(ctx)
		if err == nil {
			err = h.plugins.Sweep(sessions.Plugins)
		}
		if err != nil && ctx.Err() == nil {
			h.config.Log.Error("retired plugins", "error", err)
		}
	}
}
