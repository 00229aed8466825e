package run

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/trama-run/trama/host/engine"
)

// pins gives the contents that serve now of the plugins that a flow needs. A
// run takes them when it begins, and ends on them, however the files change; a
// plugin that it needs and that served nothing then is taken at its first call.
func (r *Runner) pins(p *engine.Program) map[string]string {
	var pins map[string]string
	for _, name := range r.needs(p).plugins {
		if digest := r.config.Plugins.Serving(name); digest != "" {
			if pins == nil {
				pins = map[string]string{}
			}
			pins[name] = digest
		}
	}
	return pins
}

// pin takes the content of a plugin that the run has none of yet.
func (j *journey) pin(name string) {
	if j.session.Pins[name] != "" {
		return
	}
	if digest := j.runner.config.Plugins.Serving(name); digest != "" {
		if j.session.Pins == nil {
			j.session.Pins = map[string]string{}
		}
		j.session.Pins[name] = digest
	}
}

// pinPage is how many sessions are read at once when pins are counted: one may
// be large.
const pinPage = 100

// Pinned counts the stored sessions that began with each content of a plugin,
// by its digest. It reads all sessions, so it is not for every call.
func (r *Runner) Pinned(ctx context.Context) (map[string]int, error) {
	counts := map[string]int{}
	for after := ""; ; {
		records, err := r.config.Store.List(ctx, kindSession, after, pinPage, false)
		if err != nil {
			return nil, fmt.Errorf("count the sessions of plugins: %w", err)
		}
		if len(records) == 0 {
			return counts, nil
		}
		for _, record := range records {
			var s struct {
				Pins map[string]string `json:"pins"`
			}
			if err := json.Unmarshal(record.Value, &s); err != nil {
				return nil, fmt.Errorf("count the sessions of plugins: record %s: %w", record.ID.Key, err)
			}
			for _, digest := range s.Pins {
				counts[digest]++
			}
			after = record.ID.Key
		}
	}
}
