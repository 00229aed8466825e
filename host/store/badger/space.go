package badger

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/trama-run/trama/host/store"
)

const (
	spaceAge   = 100 * time.Millisecond // the volume is asked again after this time
	spaceBytes = 4 << 20                // or after so many admitted bytes
)

// guard refuses commits before the volume is full. The engine writes through
// mapped files: a full volume ends the process with SIGBUS, and again at each
// start.
type guard struct {
	dir           string
	low, critical uint64
	free          func() (uint64, error)

	mu       sync.Mutex
	asked    time.Time // guarded by mu, as all below
	last     uint64
	admitted uint64 // bytes since asked
	reserved uint64 // bytes of batches on their way to disk
}

// admit lets a batch of this many bytes through and reserves them until
// release, or returns ErrNoSpace.
func (g *guard) admit(bytes int, intake bool) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.check(uint64(bytes), intake); err != nil {
		return err
	}
	g.reserved += uint64(bytes)
	g.admitted += uint64(bytes)
	return nil
}

func (g *guard) release(bytes int) {
	g.mu.Lock()
	g.reserved -= uint64(bytes)
	g.mu.Unlock()
}

// space returns what a small batch of new work would be told.
func (g *guard) space() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.check(0, true)
}

// opening says whether the engine may be opened: it replays its logs into
// tables and makes new logs, all through mapped files.
func (g *guard) opening(memTable uint64) error {
	need := 4 * memTable
	if free, err := g.free(); err == nil && free < need {
		return fmt.Errorf("%w: %s has %s free, opening needs %s: free some space or enlarge the volume",
			store.ErrNoSpace, g.dir, mib(free), mib(need))
	} else if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return fmt.Errorf("the free space of %s can't be read: %w", g.dir, err)
	}
	return nil
}

func (g *guard) check(bytes uint64, intake bool) error {
	if time.Since(g.asked) > spaceAge || g.admitted > spaceBytes {
		free, err := g.free()
		if errors.Is(err, errors.ErrUnsupported) {
			return nil // Open has said so in the log
		}
		if err != nil {
			return fmt.Errorf("%w: the free space of %s can't be read: %w", store.ErrNoSpace, g.dir, err)
		}
		g.last, g.asked, g.admitted = free, time.Now(), 0
	}
	mark, what := g.critical, "all work"
	if intake {
		mark, what = g.low, "new work"
	}
	if need := mark + g.reserved + bytes; g.last < need {
		return fmt.Errorf("%w: %s has %s free, %s is refused below %s: free some space or enlarge the volume",
			store.ErrNoSpace, g.dir, mib(g.last), what, mib(need))
	}
	return nil
}

func mib(n uint64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

// FreeSpace returns the bytes that can still be written to the volume of a
// directory.
func FreeSpace(dir string) (uint64, error) { return freeSpace(dir) }
