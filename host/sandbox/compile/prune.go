package compile

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

const (
	// stagedPrefix begins the names of entries that are being written.
	stagedPrefix = ".new-"
	// staleAfter is when a staged entry belongs to a process that has died.
	staleAfter = time.Hour
	// justUsed protects what another process may be about to map.
	justUsed = time.Minute
)

var keyPattern = regexp.MustCompile(`^[0-9a-f]{64}$`)

// stored is one entry as prune sees it.
type stored struct {
	key  string
	used time.Time
	size int64
}

// prune removes entries that were not used for long and, while all together
// are too large, the least recently used. What it can't remove costs space
// only, and is logged.
func (c *Cache) prune() {
	c.pruning.Lock()
	defer c.pruning.Unlock()
	files, err := os.ReadDir(c.config.Dir)
	if err != nil {
		c.config.Log.Warn("old compiled code is not removed", "dir", c.config.Dir, "error", err)
		return
	}
	var entries []stored
	var total int64
	now := time.Now()
	for _, file := range files {
		info, err := file.Info()
		if err != nil {
			continue // another process has removed it
		}
		path := filepath.Join(c.config.Dir, file.Name())
		switch {
		case keyPattern.MatchString(file.Name()):
			e := stored{key: file.Name(), used: info.ModTime(), size: sizeOf(path)}
			entries, total = append(entries, e), total+e.size
		case strings.HasPrefix(file.Name(), stagedPrefix) && now.Sub(info.ModTime()) > staleAfter:
			c.remove(path)
		}
	}
	slices.SortFunc(entries, func(a, b stored) int { return a.used.Compare(b.used) })
	for _, e := range entries {
		idle := now.Sub(e.used)
		if idle > c.config.Age || total > c.config.Size && idle > justUsed {
			if c.removeUnused(e.key) {
				total -= e.size
			}
		}
	}
}

// removeUnused deletes an entry unless it is in use.
func (c *Cache) removeUnused(key string) bool {
	c.mu.Lock()
	defer c.mu.Unlock() // so that nobody begins to use it
	if c.used[key] > 0 {
		return false
	}
	c.remove(filepath.Join(c.config.Dir, key))
	return true
}

// sizeOf gives the bytes under a path; what can't be seen has none.
func sizeOf(dir string) (total int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				total += info.Size()
			}
		}
		return nil
	})
	return total
}
