// Package watch notices that files changed, by looking at them every second.
//
// Looking works on every file system (network mounts, bind mounts, editors
// that replace files) where change notifications do not, and a few dozen stat
// calls a second cost nothing. The package must not know what the files mean.
package watch

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Settle is how long a file must have been left alone: one that is still
// being copied is not looked at.
const Settle = 300 * time.Millisecond

// every is the time between two looks.
const every = time.Second

// stamp is what tells two states of a file apart.
type stamp struct {
	path    string
	size    int64
	changed time.Time
}

// Files calls changed whenever the set of files that match the patterns, or
// one of them, is different from the last look and has settled. The state at
// the call is the first one to compare with. It returns when ctx ends.
func Files(ctx context.Context, patterns []string, changed func()) {
	seen, _ := look(patterns)
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now, settled := look(patterns)
		if settled && !slices.Equal(seen, now) {
			seen = now
			changed()
		}
	}
}

// look lists the files that match and says whether all of them have settled.
// A file that vanishes between the two steps is taken as absent.
func look(patterns []string) (stamps []stamp, settled bool) {
	settled = true
	for _, pattern := range patterns {
		paths, _ := filepath.Glob(pattern) // the only error is a bad pattern; ours are constants joined to directories
		for _, path := range paths {
			info, err := os.Stat(path)
			if err != nil {
				continue
			}
			stamps = append(stamps, stamp{path, info.Size(), info.ModTime()})
			settled = settled && time.Since(info.ModTime()) > Settle
		}
	}
	return stamps, settled
}
