package plugin

import (
	"fmt"
	"regexp"
	"time"

	"github.com/trama-run/trama/host/grant"
	"github.com/trama-run/trama/pdk/abi"
)

// placePattern is a place of a secret in a request, as egress knows them.
var placePattern = regexp.MustCompile(`^(path|body|header:[A-Za-z0-9_.-]{1,64}|query:.{1,256})$`)

// checkAsked reports what no operator could give: each thing that is asked for is
// a grant of its own, which must be one that can stand in grants.yaml.
func (fs *Faults) checkAsked(m abi.Manifest) {
	ask := func(path string, g grant.Grant) {
		g.Plugin, g.Of = "any", grant.OfBundled
		for _, problem := range g.Validate() {
			fs.report(path, "no grant can give it: %s", problem)
		}
	}
	for i, e := range m.Capabilities.Egress {
		ask(fmt.Sprintf("capabilities.egress.%d", i), grant.Grant{Egress: []string{e}})
	}
	for i, s := range m.Capabilities.Secrets {
		at := fmt.Sprintf("capabilities.secrets.%d.", i)
		ask(at+"name", grant.Grant{Secrets: []string{s.Name}})
		for j, place := range s.Places {
			if !placePattern.MatchString(place) {
				fs.report(fmt.Sprintf("%splaces.%d", at, j), "%q: want header:<Name>, query:<name>, path or body", place)
			}
		}
		for j, o := range s.Origins {
			if _, err := grant.ParseOrigin(o); err != nil && o != abi.EgressConnection {
				fs.report(fmt.Sprintf("%sorigins.%d", at, j), "%v", err)
			}
		}
	}
	ask("capabilities.kv_bytes", grant.Grant{KV: grant.Size(m.Capabilities.KVBytes)})
	fs.checkSettings(m, ask)
	const longest = int64(24 * time.Hour / time.Millisecond) // past all that is given, and no overflow
	l := m.Limits
	for _, limit := range []struct {
		name string
		of   grant.Limits
	}{
		{"memory_bytes", grant.Limits{Memory: grant.Size(l.MemoryBytes)}},
		{"fuel", grant.Limits{Fuel: grant.Fuel(l.Fuel)}},
		{"time_millis", grant.Limits{Time: grant.Duration(max(-1, min(l.TimeMillis, longest)) * int64(time.Millisecond))}},
		{"input_bytes", grant.Limits{Input: grant.Size(l.InputBytes)}},
		{"output_bytes", grant.Limits{Output: grant.Size(l.OutputBytes)}},
		{"http_bytes", grant.Limits{HTTP: grant.Size(l.HTTPBytes)}},
		{"requests", grant.Limits{Requests: l.Requests}},
		{"log_bytes", grant.Limits{Log: grant.Size(l.LogBytes)}},
		{"blob_bytes", grant.Limits{Blob: grant.Size(l.BlobBytes)}},
	} {
		ask("limits."+limit.name, grant.Grant{Limits: limit.of})
	}
}
