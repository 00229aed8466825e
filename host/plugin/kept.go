package plugin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/trama-run/trama/host/seal"
	"github.com/trama-run/trama/pdk/abi"
)

// record is what the data directory keeps of a content that has served, as
// "<digest>.json"; its code is beside it, as "<sha256 of the .wasm>.wasm".
type record struct {
	Digest   string       `json:"digest"`
	Code     string       `json:"code"`
	File     string       `json:"file"` // where it was found last
	Bytes    int64        `json:"bytes"`
	Bundled  bool         `json:"bundled"` // it belonged to the build that ran it
	Seal     seal.Seal    `json:"seal,omitzero"`
	Manifest abi.Manifest `json:"manifest"`
	// Exports are the functions that can be called; missing in older records.
	Exports []string `json:"exports,omitempty"`
}

func (r *Registry) keptDir() string { return filepath.Join(r.config.DataDir, "plugins") }

// generation makes a generation of a content.
func (r *Registry) generation(file, digest string, size int64, code string, manifest abi.Manifest) *generation {
	return &generation{
		file: file, digest: digest, size: size, manifest: manifest, code: code,
		stored:  filepath.Join(r.keptDir(), code+".wasm"),
		sandbox: r.config.Sandbox, idle: r.config.Idle, failed: r.republish, scripts: r.scripts, log: r.config.Log,
		wasBundled: slices.Contains(r.config.Bundled, digest),
	}
}

// restore takes in what is on record from earlier starts; what no file has any
// more is retired. The caller holds scanning.
func (r *Registry) restore() error {
	files, err := os.ReadDir(r.keptDir())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("kept plugins: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var errs []error
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".json") {
			continue
		}
		g, err := r.restored(filepath.Join(r.keptDir(), f.Name()))
		if err != nil {
			errs = append(errs, fmt.Errorf("kept plugin %s: %w: sessions that began with it can't go on; put its .wasm file back into a plugin directory", f.Name(), err))
			continue
		}
		r.contents[g.digest] = g
	}
	return errors.Join(errs...)
}

func (r *Registry) restored(path string) (*generation, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	var kept record
	if err := json.Unmarshal(data, &kept); err != nil {
		return nil, err
	}
	if err := errors.Join(checkManifest(kept.Manifest), checkName(path, kept)); err != nil {
		return nil, err
	}
	g := r.generation(kept.File, kept.Digest, kept.Bytes, kept.Code, kept.Manifest)
	r.sealed(g, kept.Seal)
	g.exports = kept.Exports
	g.served, g.last, g.wasBundled = true, info.ModTime(), g.wasBundled || kept.Bundled
	return g, nil
}

// checkName holds a record to the name that it has.
func checkName(path string, kept record) error {
	if name := filepath.Base(path); name != kept.Digest+".json" || filepath.Base(kept.Code) != kept.Code {
		return fmt.Errorf("it is the record of %q", kept.Digest)
	}
	return nil
}

// lastOf gives the content that served last of those that were found in a
// file, from earlier starts. The caller holds mu.
func (r *Registry) lastOf(file string) *generation {
	var last *generation
	for _, g := range r.contents {
		if g.served && g.path() == file && (last == nil || g.last.After(last.last)) {
			last = g
		}
	}
	return last
}

// record puts contents on record that serve and are not yet, so that sessions
// may begin with them. The caller does not hold mu.
func (r *Registry) record() {
	r.mu.Lock()
	var fresh []*generation
	exports := map[*generation][]string{}
	for _, g := range r.contents {
		if g.served && !g.recorded {
			g.recorded, g.last = true, time.Now()
			fresh = append(fresh, g)
			exports[g] = g.exports
		}
	}
	r.mu.Unlock()
	for _, g := range fresh {
		data, err := json.Marshal(record{Digest: g.digest, Code: g.code, File: g.path(), Bytes: g.size, Bundled: g.wasBundled, Seal: g.seal, Manifest: g.manifest, Exports: exports[g]})
		if err == nil {
			err = write(filepath.Join(r.keptDir(), g.digest+".json"), data)
		}
		if err != nil {
			r.config.Log.Error("plugin is not on record: sessions that begin with it can't end on it after a restart", "plugin", g.manifest.Name, "digest", g.digest, "error", err)
		}
	}
}

// Retired says whether there are contents that only sessions call, so that
// they should be counted for Sweep.
func (r *Registry) Retired() bool {
	return slices.ContainsFunc(r.List(), func(s Status) bool { return s.State == StateRetired })
}

// Counted takes over how many sessions began with each content, by its digest.
func (r *Registry) Counted(sessions map[string]int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sessions = sessions
	r.publish()
}

// Sweep takes over how many sessions began with each content, by its digest,
// and removes retired contents that none did and that have lingered.
func (r *Registry) Sweep(sessions map[string]int) error {
	r.scanning.Lock()
	defer r.scanning.Unlock()
	r.mu.Lock()
	r.sessions = sessions
	needed := map[string]bool{}
	for digest, g := range r.contents {
		if !g.since.IsZero() && sessions[digest] == 0 && time.Since(g.since) >= r.config.Linger {
			r.config.Log.Info("plugin content removed: no session began with it", "plugin", g.manifest.Name, "digest", digest)
			g.end()
			delete(r.contents, digest)
			continue
		}
		needed[g.code+".wasm"], needed[digest+".json"] = true, true
	}
	r.publish()
	r.mu.Unlock()
	files, err := os.ReadDir(r.keptDir())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("kept plugins: %w", err)
	}
	var errs []error
	for _, f := range files {
		if !needed[f.Name()] {
			errs = append(errs, os.Remove(filepath.Join(r.keptDir(), f.Name())))
		}
	}
	return errors.Join(errs...)
}

// keep writes a file whose name says what it holds, if it is not there.
func keep(path string, data []byte) error {
	if info, err := os.Stat(path); err == nil && info.Size() == int64(len(data)) {
		return nil
	}
	return write(path, data)
}

// write writes a file whole or not at all, and to the disk.
func write(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	_, err = temp.Write(data)
	if err = errors.Join(err, temp.Sync(), temp.Close()); err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp.Name()))
	}
	return nil
}
