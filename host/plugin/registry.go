// Package plugin turns the files of the plugin directories into plugins that
// can be called: a manifest, what the operator granted of it, and code that
// is compiled at first use.
//
// A file's content is a generation, named by its sha256. A changed file makes
// a new generation; calls in progress end on the one they began with, and
// until the new one is granted the former goes on serving, if it still may.
// What a plugin
// may reach is decided from the grants each time they change, never by its
// author. The package must not know flows, runs or channels.
package plugin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/trama-run/trama/host/egress"
	"github.com/trama-run/trama/host/grant"
	"github.com/trama-run/trama/host/sandbox"
	"github.com/trama-run/trama/host/secret"
	"github.com/trama-run/trama/pdk/abi"
)

// Config joins a registry to its surroundings.
type Config struct {
	// Dirs hold the .wasm files; a later directory loses against an earlier
	// one when both have a plugin of the same name.
	Dirs []string
	// CacheDir keeps the files' contents and manifests by digest.
	CacheDir string
	// Bundled are the sha256 (hex) of the plugins that belong to this build.
	Bundled []string
	Sandbox *sandbox.Sandbox
	Egress  *egress.Client
	Secrets *secret.Source
	Log     *slog.Logger
}

// State says whether a plugin can be called.
type State string

// The states of a plugin.
const (
	StateReady   State = "ready"
	StatePending State = "pending" // waits for the operator's grant
	StateRefused State = "refused" // the file can't be used
)

// Status is what an operator sees of one file.
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
	Serving  string        `json:"serving,omitempty"`
	Bundled  bool          `json:"bundled"`
	Grant    *grant.Grant  `json:"grant,omitempty"`
	Manifest *abi.Manifest `json:"manifest,omitempty"`
}

// entry is one file: its present content, and what serves until that is
// granted.
type entry struct {
	file    string
	stamp   string      // size and time of the content that was looked at
	present *generation // nil if the content is refused
	former  *generation // what served before; nil once present is granted
	refusal *Status     // why the present content can't be used
}

// Registry holds the plugins of a host.
type Registry struct {
	config Config

	scanning sync.Mutex // one Scan at a time; taken before mu

	mu      sync.Mutex        // held for moments: never while a file is read or code compiled
	entries map[string]*entry // by file; guarded by mu
	grants  []grant.Grant     // guarded by mu
	scanned atomic.Bool

	table atomic.Pointer[table]
}

// New returns an empty registry; Scan fills it.
func New(config Config) *Registry {
	r := &Registry{config: config, entries: map[string]*entry{}}
	r.table.Store(&table{byName: map[string]*plugin{}})
	return r
}

// SetGrants decides anew on every plugin.
func (r *Registry) SetGrants(grants []grant.Grant) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.grants = slices.Clone(grants)
	r.publish()
}

// Patterns lists the globs of the files that Scan looks at.
func (r *Registry) Patterns() []string {
	var patterns []string
	for _, dir := range r.config.Dirs {
		patterns = append(patterns, filepath.Join(dir, "*.wasm"), filepath.Join(dir, "*.yaml"))
	}
	return patterns
}

// republish is publish for those who don't hold mu.
func (r *Registry) republish() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.publish()
}

// Scan looks at the directories and takes in what changed. A file that can't
// be used is reported in its status, not as an error; the error is a directory
// that can't be read.
func (r *Registry) Scan(ctx context.Context) error {
	r.scanning.Lock()
	defer r.scanning.Unlock()
	var errs []error
	found := map[string]bool{}
	for _, dir := range r.config.Dirs {
		files, err := os.ReadDir(dir)
		if errors.Is(err, os.ErrNotExist) {
			continue // a workspace without plugins of its own
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("plugin directory: %w", err))
			continue
		}
		for _, f := range files {
			if strings.HasSuffix(f.Name(), ".wasm") && !f.IsDir() {
				path := filepath.Join(dir, f.Name())
				found[path] = true
				r.look(ctx, path)
			}
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for path, e := range r.entries {
		if !found[path] {
			r.config.Log.Info("plugin removed", "file", path)
			e.present.retire()
			e.former.retire()
			delete(r.entries, path)
		}
	}
	r.publish()
	r.scanned.Store(true)
	return errors.Join(errs...)
}

// Scanned says whether the directories have been looked at once.
func (r *Registry) Scanned() bool { return r.scanned.Load() }

// look takes in one file, if it changed, and publishes it: a file that takes
// long delays no other before it. The caller holds scanning.
func (r *Registry) look(ctx context.Context, path string) {
	stamp, err := stampOf(path)
	r.mu.Lock()
	e := r.entries[path]
	same := e != nil && err == nil && stamp == e.stamp
	r.mu.Unlock()
	if same {
		return
	}
	next, digest, size, err := r.load(ctx, path)
	r.mu.Lock()
	defer r.mu.Unlock()
	if e == nil {
		e = &entry{file: path}
		r.entries[path] = e
	}
	e.stamp = stamp
	switch {
	case err != nil:
		e.step(nil, r.mayServe(e.present))
		e.refusal = &Status{
			Name: strings.TrimSuffix(filepath.Base(path), ".wasm"), File: path, Digest: digest, Bytes: size,
			State: StateRefused, Reason: err.Error(), Remedy: remedyOf(err, path),
		}
		if e.former != nil {
			e.refusal.Name = e.former.manifest.Name
		}
		r.config.Log.Error("plugin refused", "file", path, "reason", err)
	case e.present != nil && e.present.digest == next.digest:
		e.refusal = nil
		e.present.forget() // touched: worth another try
	case e.former != nil && e.former.digest == next.digest:
		e.present.retire()
		e.present, e.former, e.refusal = e.former, nil, nil // put back
	default:
		r.config.Log.Info("plugin loaded", "file", path, "plugin", next.manifest.Name, "version", next.manifest.Version, "digest", next.digest)
		e.step(next, r.mayServe(e.present))
		e.refusal = nil
	}
	r.publish()
}

// step puts a new content, or none, in the place of the present one. What
// served goes on until the new one is granted; what never served ends.
func (e *entry) step(next *generation, served bool) {
	if served {
		e.former.retire()
		e.former = e.present
	} else {
		e.present.retire()
	}
	e.present = next
}

// remedyOf is what to do about a file that can't be used.
func remedyOf(err error, path string) string {
	if errors.Is(err, errNoManifest) {
		return "put its manifest beside it, as " + filepath.Base(sidecar(path)) + " (see plugins/README.md), or remove the file"
	}
	return "replace or remove the file"
}

// stampOf tells two contents of a plugin apart without reading them.
func stampOf(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	stamp := fmt.Sprint(info.Size(), info.ModTime().UnixNano())
	if side, err := os.Stat(sidecar(path)); err == nil {
		stamp += fmt.Sprint(" ", side.Size(), side.ModTime().UnixNano())
	}
	return stamp, nil
}

// List returns the status of every file.
func (r *Registry) List() []Status { return r.table.Load().status }

// Manifest returns the manifest of the plugin with this name.
func (r *Registry) Manifest(name string) (abi.Manifest, bool) {
	p, ok := r.table.Load().byName[name]
	if !ok {
		return abi.Manifest{}, false
	}
	return p.manifest, true
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
func (r *Registry) Ready(name string) *abi.Error {
	_, err := r.granted(name)
	return err
}

// granted returns the plugin with this name and a decision that lets it be
// called, or Ready's error. Both come from one table: a plugin must not run
// under a decision that was made on another content, or on other grants.
func (r *Registry) granted(name string) (*plugin, *abi.Error) {
	t := r.table.Load()
	p, ok := t.byName[name]
	if !ok {
		reason := fmt.Sprintf("plugin %q is not installed: put its .wasm file into a plugin directory", name)
		for _, s := range t.status {
			if s.Name == name {
				reason = fmt.Sprintf("plugin %q is refused: %s", name, s.Reason)
			}
		}
		if !r.Scanned() {
			reason = fmt.Sprintf("plugin %q: the plugin directories are still being read", name)
		}
		return nil, &abi.Error{Code: abi.CodeUnavailable, Message: reason, Retryable: true}
	}
	if p.decision.Status != grant.Granted {
		return nil, &abi.Error{
			Code:    abi.CodeUnavailable,
			Message: fmt.Sprintf("plugin %q is pending: %s; %s", name, p.decision.Reason, p.decision.Remedy), Retryable: true,
		}
	}
	if p.failure != nil {
		return nil, &abi.Error{
			Code:    abi.CodeUnavailable,
			Message: fmt.Sprintf("plugin %q is refused: %v; %s", name, p.failure, failureRemedy), Retryable: true,
		}
	}
	return p, nil
}

// Close closes the code of every plugin after its running calls.
func (r *Registry) Close() {
	r.scanning.Lock()
	defer r.scanning.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.entries {
		e.present.retire()
		e.former.retire()
	}
	r.entries = map[string]*entry{}
	r.publish()
}
