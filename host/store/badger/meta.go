package badger

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// metaFile holds what a directory was made with. It is written before the
// engine's first file, so a directory with engine files has it.
const metaFile = "store.json"

type meta struct {
	Format int `json:"format"`
	// MemTable is the size of the engine's write buffer, in bytes. It stays
	// as it was when the directory was made: the engine ends the process if
	// it finds a log longer than its buffer.
	MemTable int64 `json:"memtable"`
}

// openMeta prepares the directory and returns its settings: those of the file
// if there is one, else the given ones.
func openMeta(dir string, fresh meta) (meta, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return meta{}, err
	}
	if err := probe(dir); err != nil {
		return meta{}, fmt.Errorf("can't write to %s: %w: mount it writable, give this user the right to write, or choose another directory", dir, err)
	}
	path := filepath.Join(dir, metaFile)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		for _, name := range []string{engineDir, blobDir, "MANIFEST"} {
			if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
				return meta{}, fmt.Errorf("%s holds %s but no %s, so this release did not make it: choose another directory, or put the file back from a backup", dir, name, metaFile)
			}
		}
		return fresh, writeMeta(path, fresh)
	}
	if err != nil {
		return meta{}, err
	}
	var m meta
	if err := json.Unmarshal(data, &m); err != nil {
		return meta{}, fmt.Errorf("%s: %w: put the file back from a backup", path, err)
	}
	if m.Format != format {
		return meta{}, fmt.Errorf("%s: the data has format %d, this release knows format %d: run the release that wrote it, or choose another directory", path, m.Format, format)
	}
	if m.MemTable < minMemTable || m.MemTable > maxMemTable {
		return meta{}, fmt.Errorf("%s: memtable %d is outside %d..%d: put the file back from a backup", path, m.MemTable, minMemTable, maxMemTable)
	}
	return m, nil
}

// probe finds out now, and not at the first event, whether files can be made.
func probe(dir string) error {
	f, err := os.CreateTemp(dir, ".probe-")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

func writeMeta(path string, m meta) error {
	data, err := json.Marshal(m)
	if err != nil {
		return err
	}
	temp := path + ".tmp"
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := writeSynced(temp, append(data, '\n')); err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// explainOpen adds the remedy to the one refusal of the engine that operators
// meet. Its lock error has no type, only this text on every system.
func explainOpen(dir string, err error) error {
	if !strings.Contains(err.Error(), "Another process is using this Badger database") {
		return fmt.Errorf("open %s: %w: if a file is damaged, restore a backup into another directory", dir, err)
	}
	return inUseError(dir)
}

func inUseError(dir string) error {
	owner := "another process"
	if pid, readErr := os.ReadFile(filepath.Join(dir, engineDir, "LOCK")); readErr == nil {
		owner = "process " + strings.TrimSpace(string(pid))
	}
	return fmt.Errorf("%s is in use by %s: only one may open it; stop that one, work through its admin API, or choose another directory", dir, owner)
}
