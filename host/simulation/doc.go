// Package simulation proves the promises about crashes: it has the flows that
// are run, the history of what the outside saw, the checker that judges a
// history, the points at which a process is stopped, and mutants: stores that
// break one promise each, which the checker must catch.
//
// Two tests use it. The one in this package drives the real parts over
// store/memory with a virtual clock, thousands of times, each from a seed; the
// one in package host kills a real process on a real disk. Nothing that runs in
// production may import it. It must not know how the parts keep their promises:
// the checker looks at what was acknowledged, what came out, and what is left.
package simulation

import (
	"embed"
	"fmt"
	"io/fs"
	"strings"
	"time"
)

//go:embed flows/*.yaml
var flows embed.FS

// Flows gives the files of the flows, by their paths in a workspace. Schedules
// are due at multiples of a beat, of whole seconds. They need
// the channels of [Hooks], the channels post and loud over the adapter post,
// the connector acme (see host/testdata) and the connection peer; order.yaml
// needs a route. A store has no end of work while [PathTick] is published.
func Flows(beat time.Duration) (map[string][]byte, error) {
	files := map[string][]byte{}
	err := fs.WalkDir(flows, "flows", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		files[path], err = flows.ReadFile(path)
		return err
	})
	var pairs []string
	for _, s := range schedules {
		pairs = append(pairs, fmt.Sprintf("every: %ds", s.beats), fmt.Sprintf("every: %ds", s.beats*int(beat.Seconds())))
	}
	files[PathTick] = []byte(strings.NewReplacer(pairs...).Replace(string(files[PathTick])))
	return files, err
}

// Hooks are the lines of channels.yaml for webhooks that become events, with
// the secret sim_token in the header X-Token and JSON of ref and, but for lone,
// of contact.
const Hooks = `- {id: lone, adapter: webhook, config: {event: sim.lone, token: "header:X-Token", id: "json:/ref"}, secrets: {secret: sim_token}}
- {id: after, adapter: webhook, config: {event: sim.after, token: "header:X-Token", id: "json:/ref", contact: "json:/contact"}, secrets: {secret: sim_token}}
- {id: halted, adapter: webhook, config: {event: sim.halt, token: "header:X-Token", id: "json:/ref", contact: "json:/contact"}, secrets: {secret: sim_token}}
`
