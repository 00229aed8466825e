// Package plugin turns the files of the plugin directories into plugins that
// can be called: a manifest, what the operator granted of it, and code that
// is compiled at first use.
//
// A file's content is a generation, named by its sha256. A changed file makes
// a new generation; calls in progress end on the one they began with, and a
// file that can't be used leaves the former generation serving. What a plugin
// may reach is decided from the grants each time they change, never by its
// author. The package must not know flows, runs or channels.
package plugin

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
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

// entry is one file: what its present content is, and what serves.
type entry struct {
	file    string
	stamp   string // size and time of the content that was looked at
	serving *generation
	refusal *Status // why the present content does not serve
}

// Registry holds the plugins of a host.
type Registry struct {
	config Config

	mu      sync.Mutex
	entries map[string]*entry // by file; guarded by mu
	grants  []grant.Grant     // guarded by mu
	scanned atomic.Bool

	table atomic.Pointer[table]
}

// table is what calls look at: an immutable view of entries and grants.
type table struct {
	byName map[string]*plugin
	status []Status
}

// plugin is a generation with the decision on it.
type plugin struct {
	*generation
	decision grant.Decision
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

// Scan looks at the directories and takes in what changed. A file that can't
// be used is reported in its status, not as an error; the error is a directory
// that can't be read.
func (r *Registry) Scan(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
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
				r.publish() // as each becomes known: one slow compile delays no other
			}
		}
	}
	for path, e := range r.entries {
		if !found[path] {
			r.config.Log.Info("plugin removed", "file", path)
			e.serving.retire()
			delete(r.entries, path)
		}
	}
	r.publish()
	r.scanned.Store(true)
	return errors.Join(errs...)
}

// Scanned says whether the directories have been looked at once.
func (r *Registry) Scanned() bool { return r.scanned.Load() }

// look takes in one file, if it changed. The caller holds mu.
func (r *Registry) look(ctx context.Context, path string) {
	e := r.entries[path]
	if e == nil {
		e = &entry{file: path}
		r.entries[path] = e
	}
	stamp, err := stampOf(path)
	if err == nil && stamp == e.stamp {
		return
	}
	e.stamp = stamp
	next, digest, size, err := r.load(ctx, path)
	switch {
	case err != nil:
		e.refusal = &Status{
			Name: strings.TrimSuffix(filepath.Base(path), ".wasm"), File: path, Digest: digest, Bytes: size,
			State: StateRefused, Reason: err.Error(), Remedy: "replace or remove the file",
		}
		if e.serving != nil {
			e.refusal.Name, e.refusal.Serving = e.serving.manifest.Name, e.serving.digest
		}
		r.config.Log.Error("plugin refused", "file", path, "reason", err)
	case e.serving != nil && e.serving.digest == next.digest:
		e.refusal = nil // touched, or put back
	default:
		r.config.Log.Info("plugin loaded", "file", path, "plugin", next.manifest.Name, "version", next.manifest.Version, "digest", next.digest)
		e.refusal = nil
		e.serving.retire()
		e.serving = next
	}
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

// publish makes the table anew. The caller holds mu.
func (r *Registry) publish() {
	t := &table{byName: map[string]*plugin{}}
	for _, file := range r.inOrder() {
		e := r.entries[file]
		if e.refusal != nil {
			t.status = append(t.status, *e.refusal)
		}
		g := e.serving
		if g == nil {
			continue
		}
		bundled := slices.Contains(r.config.Bundled, g.digest)
		status := Status{
			Name: g.manifest.Name, File: file, Digest: g.digest, Bytes: g.size,
			State: StateReady, Bundled: bundled, Manifest: &g.manifest,
		}
		if other, taken := t.byName[g.manifest.Name]; taken {
			status.State = StateRefused
			status.Reason = fmt.Sprintf("a plugin named %q is in %s already", g.manifest.Name, other.file)
			status.Remedy = "remove one of the two files"
			t.status = append(t.status, status)
			continue
		}
		p := &plugin{generation: g, decision: grant.Decide(g.manifest, g.digest, bundled, r.grants)}
		t.byName[g.manifest.Name] = p
		if p.decision.Status != grant.Granted {
			status.State, status.Reason, status.Remedy = StatePending, p.decision.Reason, p.decision.Remedy
		} else {
			status.Grant = &p.decision.Grant
		}
		if e.refusal == nil {
			t.status = append(t.status, status)
		}
	}
	r.table.Store(t)
}

// inOrder lists the files as the directories rank them.
func (r *Registry) inOrder() []string {
	var files []string
	for file := range r.entries {
		files = append(files, file)
	}
	slices.SortFunc(files, func(a, b string) int {
		if n := slices.Index(r.config.Dirs, filepath.Dir(a)) - slices.Index(r.config.Dirs, filepath.Dir(b)); n != 0 {
			return n
		}
		return strings.Compare(a, b)
	})
	return files
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
	return p, nil
}

// Close closes the code of every plugin after its running calls.
func (r *Registry) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.entries {
		e.serving.retire()
	}
	r.entries = map[string]*entry{}
	r.publish()
}

// digestOf is the name of a file's content.
func digestOf(wasm []byte) string {
	sum := sha256.Sum256(wasm)
	return hex.EncodeToString(sum[:])
}
