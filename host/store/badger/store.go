// Package badger is the store of a single machine: the interface of package
// store on an embedded Badger.
//
// A directory holds
//
//	store.json   format version and sizes, fixed when the directory is made
//	commits      how many commits were answered, to tell a loss at Open
//	damaged      what a damaged file has lost; Open refuses while it is there
//	engine/      Badger: logs (.mem), tables (.sst), MANIFEST, LOCK
//	blobs/       one file for each value over 256 KiB
//
// One goroutine, the committer, applies all batches: it takes those that are
// waiting, checks their preconditions, writes the winners as one transaction,
// syncs once, and answers all of them. Badger itself syncs each transaction
// apart. It also means that nothing else writes, so that what the committer
// knows (revisions, the sequence number) can't become stale.
//
// One process may open a directory at a time. The volume should be the
// store's own: see Config.LowSpace. The package must not know what the values
// mean.
package badger

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	badgerdb "github.com/dgraph-io/badger/v4"
	engineopts "github.com/dgraph-io/badger/v4/options"

	"github.com/trama-run/trama/host/store"
)

const (
	engineDir = "engine"
	blobDir   = "blobs"

	minMemTable     = 4 << 20
	maxMemTable     = 512 << 20
	defaultMemTable = 16 << 20

	defaultLowSpace      = 512 << 20
	defaultCriticalSpace = 256 << 20

	maintenanceEvery = 5 * time.Minute
)

// Config says where the store is and when it refuses work.
type Config struct {
	// Dir is made if it does not exist.
	Dir string
	Log *slog.Logger

	// LowSpace is how many bytes must be free on the volume to accept new
	// work (Batch.Intake), CriticalSpace to accept any. Between the two, work
	// in progress ends; below, only reading is left. The critical mark covers
	// what the engine writes on its own, about 12 times MemTable. Zero is
	// the default: 512 MiB and 256 MiB.
	LowSpace, CriticalSpace uint64

	// MemTable is the size in bytes of the engine's write buffer in a
	// directory that is made now (4 MiB to 512 MiB; zero is 16 MiB). An
	// existing directory keeps its own. A transaction holds 15% of it.
	MemTable int64
}

// Store implements store.Store.
type Store struct {
	db    *badgerdb.DB
	count *counter
	blobs *blobs
	guard *guard
	log   *slog.Logger

	snapshots snapshots
	cursors   *cursors
	committer *committer

	mu     sync.RWMutex
	closed bool           // guarded by mu
	users  sync.WaitGroup // calls that run; grows under mu only
	stop   chan struct{}  // closed when the last call has ended
	work   sync.WaitGroup // own goroutines
}

var _ store.Store = (*Store)(nil)

// Open opens or makes a store. It refuses a directory that it can't write,
// that another process has open, or that another release's format is in; the
// error names the remedy.
func Open(c Config) (*Store, error) {
	s, err := open(c)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	return s, nil
}

func open(c Config) (_ *Store, err error) {
	if c, err = c.complete(); err != nil {
		return nil, err
	}
	m, err := openMeta(c.Dir, meta{Format: format, MemTable: c.MemTable})
	if err != nil {
		return nil, err
	}
	if m.MemTable != c.MemTable {
		c.Log.Info("store: the directory keeps the memtable that it was made with", "dir", c.Dir, "memtable", m.MemTable, "configured", c.MemTable)
	}
	if _, err := freeSpace(c.Dir); errors.Is(err, errors.ErrUnsupported) {
		c.Log.Warn("store: free space is not known on this system: watch the volume yourself", "dir", c.Dir)
	}
	g := &guard{dir: c.Dir, low: c.LowSpace, critical: c.CriticalSpace, free: func() (uint64, error) { return freeSpace(c.Dir) }}
	if err := g.opening(uint64(m.MemTable)); err != nil {
		return nil, err
	}

	if err := refuseDamaged(c.Dir); err != nil {
		return nil, err
	}
	o := options(filepath.Join(c.Dir, engineDir), m.MemTable, c.Log)
	inTables, err := checkListed(o)
	if err != nil {
		if locked(o.Dir) { // its files change while they are read
			return nil, inUseError(c.Dir)
		}
		return nil, err
	}
	count, answered, err := openCounter(c.Dir)
	if err != nil {
		return nil, err
	}
	db, err := badgerdb.OpenManaged(o)
	if err != nil {
		return nil, errors.Join(explainOpen(c.Dir, err), count.close())
	}
	s := &Store{db: db, count: count, guard: g, log: c.Log, cursors: newCursors(), stop: make(chan struct{})}
	defer func() {
		if err != nil {
			err = errors.Join(err, db.Close(), count.close())
		}
	}()
	if err := checkContinuity(c.Dir, db, inTables, answered); err != nil {
		return nil, errors.Join(err, count.set(db.MaxVersion()))
	}
	if err := count.set(db.MaxVersion()); err != nil {
		return nil, err
	}
	s.snapshots.visible = db.MaxVersion()
	if s.blobs, err = openBlobs(filepath.Join(c.Dir, blobDir)); err != nil {
		return nil, err
	}
	if err := syncDir(c.Dir); err != nil {
		return nil, err
	}
	removed, err := s.blobs.sweep(s.blobInUse)
	if err != nil {
		return nil, err
	}
	if removed > 0 {
		c.Log.Info("store: removed blobs that a crash left", "count", removed)
	}
	if s.committer, err = newCommitter(s, filepath.Join(c.Dir, engineDir)); err != nil {
		return nil, err
	}
	s.work.Go(s.committer.run)
	s.work.Go(s.maintain)
	return s, nil
}

func (c Config) complete() (Config, error) {
	if c.Dir == "" {
		return c, errors.New("no directory given")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.MemTable == 0 {
		c.MemTable = defaultMemTable
	}
	if c.LowSpace == 0 && c.CriticalSpace == 0 {
		c.LowSpace, c.CriticalSpace = defaultLowSpace, defaultCriticalSpace
	}
	if c.MemTable < minMemTable || c.MemTable > maxMemTable {
		return c, fmt.Errorf("memtable %d is outside %d..%d", c.MemTable, minMemTable, maxMemTable)
	}
	if c.LowSpace < c.CriticalSpace {
		return c, fmt.Errorf("low space %s is below critical space %s: new work must stop first", mib(c.LowSpace), mib(c.CriticalSpace))
	}
	return c, nil
}

// options are the engine's settings. Durability: every transaction is synced,
// and nothing lies in the value log (all values are below the threshold). Own
// concurrency control: no conflict detection. Memory: small caches and few
// buffers. MaxLevels and BaseLevelSize stay at their defaults for ever: the
// engine fails on data that they no longer fit.
func options(dir string, memTable int64, log *slog.Logger) badgerdb.Options {
	o := badgerdb.DefaultOptions(dir)
	o.Logger = engineLog{log}
	o.SyncWrites = true
	o.DetectConflicts = false
	o.MetricsEnabled = false
	o.MemTableSize = memTable
	o.NumMemtables = 2
	o.NumCompactors = 2
	o.NumLevelZeroTables = 3
	o.NumLevelZeroTablesStall = 8
	o.BlockCacheSize = 16 << 20
	o.IndexCacheSize = 16 << 20
	o.ValueThreshold = maxInline + 1<<10
	o.ValueLogFileSize = 1 << 20 // the least: the file stays empty
	o.ChecksumVerificationMode = engineopts.OnBlockRead
	return o
}

// enter keeps the engine open until leave.
func (s *Store) enter() error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return store.ErrClosed
	}
	s.users.Add(1)
	return nil
}

func (s *Store) leave() { s.users.Done() }

// Space implements store.Store.
func (s *Store) Space() error { return s.guard.space() }

// Close implements store.Store. A second call does nothing.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	s.users.Wait()
	close(s.stop)
	s.work.Wait()
	if err := errors.Join(s.db.Close(), s.count.close()); err != nil {
		return fmt.Errorf("store: close: %w", err)
	}
	return nil
}

// maintain gives back space that the engine and expired values left.
func (s *Store) maintain() {
	tick := time.NewTicker(maintenanceEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-tick.C:
		}
		if n, err := s.blobs.sweep(s.blobInUse); err != nil {
			s.log.Error("store: sweep of blobs failed", "error", err)
		} else if n > 0 {
			s.log.Info("store: removed blobs that expired", "count", n)
		}
		// The value log holds no values, but each start makes a file of it.
		if err := s.db.RunValueLogGC(0.5); err != nil && !errors.Is(err, badgerdb.ErrNoRewrite) {
			s.log.Warn("store: value log was not cleaned", "error", err)
		}
	}
}

// Resolve implements store.Store.
func (s *Store) Resolve(ctx context.Context, tx string) (bool, error) {
	_, found, err := s.lookup(ctx, nameKey(keyTx, tx))
	return found, err
}

func (s *Store) blobInUse(name blobName) (bool, error) {
	v := s.view()
	defer v.close()
	_, found, err := v.get(blobKey(name))
	return found, err
}
