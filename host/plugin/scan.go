package plugin

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// entry is one file: its present content, and what serves until that is
// granted.
type entry struct {
	file    string
	stamp   string      // size and time of the content that was looked at
	present *generation // nil if the content can't be used
	former  *generation // what served before; nil once present is granted
	refusal *Status     // why the present content can't be used
}

// Scan looks at the directories and takes in what changed. A file that can't
// be used is reported in its status, not as an error; the error is a directory
// that can't be read.
func (r *Registry) Scan(ctx context.Context) error {
	r.scanning.Lock()
	defer r.scanning.Unlock()
	var errs []error
	if !r.Scanned() {
		errs = append(errs, r.restore())
	}
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
			path := filepath.Join(dir, f.Name())
			if !f.IsDir() && (strings.HasSuffix(path, ".wasm") || misplaced(path) != nil) {
				found[path] = true
				r.look(ctx, path)
			}
		}
	}
	r.mu.Lock()
	for path := range r.entries {
		if !found[path] {
			r.config.Log.Info("plugin removed", "file", path)
			delete(r.entries, path)
		}
	}
	r.scanned.Store(true)
	r.publish()
	r.mu.Unlock()
	r.record()
	return errors.Join(errs...)
}

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
	var next *generation
	var digest string
	var size int64
	if err = misplaced(path); err == nil {
		next, digest, size, err = r.load(ctx, path)
	}
	if after, _ := stampOf(path); after != stamp {
		stamp = "" // it changed while it was read: the next scan reads it again
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if e == nil {
		e = &entry{file: path}
		if !r.Scanned() { // what served before a restart goes on, as without one
			e.former = r.lastOf(path)
		}
		r.entries[path] = e
	}
	e.stamp = stamp
	switch {
	case err != nil:
		e.step(nil, r.mayServe(e.present))
		e.refusal = &Status{
			Name: strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)), File: path, Digest: digest, Bytes: size,
			State: StateBroken, Reason: err.Error(), Remedy: remedyOf(err, path),
		}
		if e.former != nil {
			e.refusal.Name = e.former.manifest.Name
		}
		r.config.Log.Error("plugin is broken", "file", path, "reason", err)
	case e.present != nil && e.present.digest == next.digest:
		e.refusal = nil
		e.present.forget() // touched: worth another try
	default:
		// A content that is known is used on: the file was renamed, or put back.
		if known := r.contents[next.digest]; known != nil {
			known.move(path)
			known.exports = next.exports
			next = known
		}
		r.contents[next.digest] = next
		r.config.Log.Info("plugin loaded", "file", path, "plugin", next.manifest.Name, "version", next.manifest.Version, "digest", next.digest)
		e.step(next, r.mayServe(e.present))
		e.refusal = nil
	}
	r.publish()
}

// step puts a new content, or none, in the place of the present one. What
// served goes on until the new one is granted.
func (e *entry) step(next *generation, served bool) {
	if served {
		e.former = e.present
	}
	if e.former == next {
		e.former = nil // put back
	}
	e.present = next
}

// misfit is a file that is no plugin, though its name says that it was meant to
// be a part of one.
type misfit struct{ reason, remedy string }

func (m *misfit) Error() string { return m.reason }

// misplaced says why a file of a plugin directory is passed over; nil: it is a
// module, its manifest, or none of ours.
func misplaced(path string) error {
	ending := filepath.Ext(path)
	name := strings.TrimSuffix(path, ending)
	module := filepath.Base(name) + ".wasm"
	switch {
	case ending != ".wasm" && strings.EqualFold(ending, ".wasm"):
		return &misfit{"the ending of " + filepath.Base(path) + " is not in lower case", "rename it to " + module + ", or remove it"}
	case ending == ".yaml":
		if _, err := os.Stat(name + ".wasm"); errors.Is(err, os.ErrNotExist) {
			return &misfit{filepath.Base(path) + " is a manifest without a module: there is no " + module + " beside it", "put " + module + " beside it, or remove it"}
		}
	}
	return nil
}

// remedyOf is what to do about a file that can't be used.
func remedyOf(err error, path string) string {
	if m, ok := errors.AsType[*misfit](err); ok {
		return m.remedy
	}
	if errors.Is(err, errNoManifest) {
		return "put its manifest beside it, as " + filepath.Base(sidecar(path)) + ", in the form of the manifest.json of a new project (trama plugin new), or remove the file"
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
