// Package plugin turns the files of the plugin directories into plugins that
// can be called: a manifest, what the operator granted of it, and code that
// is compiled at first use.
//
// A file's content is a generation, named by its sha256. A changed file makes
// a new generation; calls in progress end on the one they began with, and
// until the new one is granted the former goes on serving, if it still may. A
// content that has served is kept in the data directory and can be called by
// its digest for as long as it is granted: sessions end on what they began
// with. What a plugin may reach is decided from the grants each time they
// change, never by its author. Code that nobody calls leaves the memory, and
// comes back with the next call.
//
// The package must not know flows, runs or channels.
package plugin

import (
	"cmp"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/trama-run/trama/host/egress"
	"github.com/trama-run/trama/host/grant"
	"github.com/trama-run/trama/host/sandbox"
	"github.com/trama-run/trama/host/seal"
	"github.com/trama-run/trama/host/secret"
	"github.com/trama-run/trama/pdk/abi"
)

// Config joins a registry to its surroundings.
type Config struct {
	// Dirs hold the .wasm files. A name belongs to one file: a plugin of this
	// build, then one that is granted, then the one that had it first, and of
	// equal ones that of the earlier directory.
	Dirs []string
	// DataDir keeps the contents that have served, for the sessions that
	// began with them.
	DataDir string
	// CacheDir keeps manifests by digest, so that a start runs no plugin.
	CacheDir string
	// Bundled are the sha256 (hex) of the plugins that belong to this build.
	Bundled []string
	// Trusted are the keys whose signatures grants may name.
	Trusted map[string]seal.Key
	Sandbox *sandbox.Sandbox
	Egress  *egress.Client
	Secrets *secret.Source
	Log     *slog.Logger
	// Called is told of each call, after its end; nil: nobody asks.
	Called func(plugin string, usage Usage, failure *abi.Error)

	// Idle is after how long without a call a plugin's code leaves the
	// memory; 0: ten minutes.
	Idle time.Duration
	// Linger is how long a content is kept that no session began with, since
	// one that has not been stored yet may have; 0: an hour.
	Linger time.Duration
}

const (
	defaultIdle   = 10 * time.Minute
	defaultLinger = time.Hour
)

// State says whether a plugin can be called.
type State string

// The states of a plugin.
const (
	StateReady   State = "ready"
	StatePending State = "pending" // waits for the operator's grant
	StateBroken  State = "broken"  // the file can't be used
	// StateRetired is a former content of a file, or of one that is gone: it
	// answers the sessions that began with it.
	StateRetired State = "retired"
)

// Status is what an operator sees of one file, or of one retired content.
type Status struct {
	Name   string `json:"name"`
	File   string `json:"file"`
	Digest string `json:"digest,omitempty"`
	Bytes  int64  `json:"bytes,omitempty"`
	State  State  `json:"state"`
	Reason string `json:"reason,omitempty"`
	Remedy string `json:"remedy,omitempty"`
	// Serving is the digest that answers calls, where it is not Digest: the
	// file's former content.
	Serving string `json:"serving,omitempty"`
	// Sessions is how many began with a retired content and have not ended,
	// when they were last counted.
	Sessions int  `json:"sessions,omitempty"`
	Bundled  bool `json:"bundled"`
	// Signature says who signed the content; it is empty for a file that can't
	// be read.
	Signature seal.Status   `json:"signature,omitzero"`
	Grant     *grant.Grant  `json:"grant,omitempty"`
	Manifest  *abi.Manifest `json:"manifest,omitempty"`
}

// Registry holds the plugins of a host.
type Registry struct {
	config  Config
	scripts *scripts

	scanning sync.Mutex // one Scan or Sweep at a time; taken before mu

	mu       sync.Mutex             // held for moments: never while a file is read or code compiled
	entries  map[string]*entry      // by file; guarded by mu
	contents map[string]*generation // by digest: those of entries, and retired ones; guarded by mu
	sessions map[string]int         // by digest, as last counted; guarded by mu
	grants   []grant.Grant          // guarded by mu
	scanned  atomic.Bool

	table atomic.Pointer[table]
}

// New returns an empty registry; Scan fills it.
func New(config Config) *Registry {
	config.Idle = cmp.Or(config.Idle, defaultIdle)
	config.Linger = cmp.Or(config.Linger, defaultLinger)
	r := &Registry{config: config, scripts: newScripts(maxScripts, maxScriptBytes, config.Log), entries: map[string]*entry{}, contents: map[string]*generation{}, sessions: map[string]int{}}
	r.table.Store(&table{byName: map[string]*plugin{}, byDigest: map[string]*plugin{}})
	return r
}

// SetGrants decides anew on every plugin.
func (r *Registry) SetGrants(grants []grant.Grant) {
	r.mu.Lock()
	r.grants = slices.Clone(grants)
	r.publish()
	r.mu.Unlock()
	r.record()
}

// Patterns lists the globs of the files that Scan looks at.
func (r *Registry) Patterns() []string {
	var patterns []string
	for _, dir := range r.config.Dirs {
		patterns = append(patterns, filepath.Join(dir, "*.[wW][aA][sS][mM]"), filepath.Join(dir, "*.yaml"))
	}
	return patterns
}

// Scanned says whether the directories have been looked at once.
func (r *Registry) Scanned() bool { return r.scanned.Load() }

// List returns the status of every file.
func (r *Registry) List() []Status { return r.table.Load().status }

// Loaded says whether the code of a content is in memory.
func (r *Registry) Loaded(digest string) bool {
	p, ok := r.table.Load().byDigest[digest]
	return ok && p.loaded()
}

// Serving returns the digest of the content that answers the calls of the
// plugin with this name; it is empty if there is none.
func (r *Registry) Serving(name string) string {
	if p, ok := r.table.Load().byName[name]; ok && p.decision.Status == grant.Granted {
		return p.digest
	}
	return ""
}

// Manifest returns the manifest of the plugin with this name.
func (r *Registry) Manifest(name string) (abi.Manifest, bool) { return r.ManifestOf(name, "") }

// ManifestOf returns the manifest of the content with this digest or, if that
// is empty, of the present one.
func (r *Registry) ManifestOf(name, digest string) (abi.Manifest, bool) {
	p, ok := r.table.Load().find(name, digest)
	if !ok {
		return abi.Manifest{}, false
	}
	return p.manifest, true
}

// Has says whether the plugin with this name exports a function.
func (r *Registry) Has(name, export string) bool {
	p, ok := r.table.Load().byName[name]
	return ok && slices.Contains(p.exports, export)
}

// Operations returns the operations of the plugin with this name.
func (r *Registry) Operations(name string) ([]abi.Operation, bool) {
	m, ok := r.Manifest(name)
	return m.Operations, ok
}

// Grant returns what the plugin with this name was granted.
func (r *Registry) Grant(name string) grant.Grant {
	if p, ok := r.table.Load().byName[name]; ok {
		return p.decision.Grant
	}
	return grant.Grant{}
}

// Ready returns nil if the plugin can be called, or an error of code
// unavailable that says why not and what to do.
func (r *Registry) Ready(name string) *abi.Error { return r.ReadyOf(name, "") }

// ReadyOf is Ready for the content with this digest, or for the present one if
// that is empty.
func (r *Registry) ReadyOf(name, digest string) *abi.Error {
	_, err := r.granted(name, digest)
	return err
}

// granted returns the plugin with this name, as table.find does, and a
// decision that lets it be called, or Ready's error. Both come from one table: a plugin must not run
// under a decision that was made on another content, or on other grants.
func (r *Registry) granted(name, digest string) (*plugin, *abi.Error) {
	t := r.table.Load()
	p, ok := t.find(name, digest)
	unavailable := func(format string, args ...any) (*plugin, *abi.Error) {
		return nil, &abi.Error{Code: abi.CodeUnavailable, Message: fmt.Sprintf(format, args...), Retryable: true}
	}
	switch {
	case !ok && !r.Scanned():
		return unavailable("plugin %q: the plugin directories are still being read", name)
	case !ok && digest != "":
		return unavailable("plugin %q: the run began with its content %s, which is not kept any more: put that file back into a plugin directory, or let the run end", name, digest)
	case !ok:
		for _, s := range t.status {
			if s.Name == name && s.State == StateBroken {
				return unavailable("plugin %q is broken: %s; %s", name, s.Reason, s.Remedy)
			}
		}
		return unavailable("plugin %q is not installed: put its .wasm file into a plugin directory", name)
	case p.decision.Status != grant.Granted && digest != "":
		return unavailable("plugin %q: the run began with its content %s, which is not granted any more: %s; or let the run end on this error", name, digest, p.decision.Remedy)
	case p.decision.Status != grant.Granted:
		return unavailable("plugin %q is pending: %s; %s", name, p.decision.Reason, p.decision.Remedy)
	case p.failure != nil:
		return unavailable("plugin %q is broken: %v; %s", name, p.failure, failureRemedy)
	}
	return p, nil
}

// Close closes the code of every plugin after its running calls.
func (r *Registry) Close() {
	r.scanning.Lock()
	defer r.scanning.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, g := range r.contents {
		g.end()
	}
	r.entries, r.contents = map[string]*entry{}, map[string]*generation{}
	r.publish()
}
