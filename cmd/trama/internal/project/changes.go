package project

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"sync"
	"time"

	"github.com/trama-run/trama/host/author"
	"github.com/trama-run/trama/host/watch"
)

// changes notices that a file changed that a project's build may read, by looking
// at all of them every second.
type changes struct {
	dir string

	mu     sync.Mutex
	beyond []string         // guarded by mu, as is seen: what lies outside of dir
	seen   map[string]stamp // by path
}

// stamp is what tells two states of a file apart.
type stamp struct{ size, changed int64 }

// watched begins with the files of a project as they are.
func watched(dir string) (*changes, error) {
	c := &changes{dir: dir}
	var err error
	c.seen, _, err = c.look()
	return c, err
}

// read says what a build that began then has read outside of the project. What
// has changed since is a change.
func (c *changes) read(beyond []string, began time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.beyond
	c.beyond = beyond
	now, _, err := c.look()
	if err != nil {
		return err
	}
	for _, path := range before {
		if _, still := now[path]; !still {
			delete(c.seen, path)
		}
	}
	for _, path := range beyond {
		if _, known := c.seen[path]; !known && now[path].changed < began.UnixNano() {
			c.seen[path] = now[path]
		}
	}
	return nil
}

// wait sends to changed, if it can, whenever there is a change that has settled,
// until ctx ends.
func (c *changes) wait(ctx context.Context, changed chan<- struct{}) error {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		is, err := c.new()
		if err != nil {
			return err
		}
		if !is {
			continue
		}
		select {
		case changed <- struct{}{}:
		default: // one is waiting already, and covers this one
		}
	}
}

// new says whether there is a change since it last said so.
func (c *changes) new() (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, settled, err := c.look()
	if err != nil || !settled || maps.Equal(c.seen, now) {
		return false, err
	}
	c.seen = now
	return true, nil
}

// look gives the files as they are, and says whether all were left alone for a
// while: one that is still being written is not looked at.
func (c *changes) look() (now map[string]stamp, settled bool, err error) {
	files, err := author.Files(c.dir)
	if err != nil {
		return nil, false, err
	}
	now, settled = map[string]stamp{}, true
	for _, path := range append(files, c.beyond...) {
		info, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) { // it has gone meanwhile
			continue
		}
		if err != nil {
			return nil, false, err
		}
		if info.IsDir() { // outside, beside the files that are read
			continue
		}
		now[path] = stamp{info.Size(), info.ModTime().UnixNano()}
		settled = settled && time.Since(info.ModTime()) > watch.Settle
	}
	return now, settled, nil
}
