package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	badgerdb "github.com/dgraph-io/badger/v4"
	"golang.org/x/sys/unix"

	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/host/store/badger"
)

// realDisk makes a fresh directory and refuses one that is only memory.
func realDisk(dir string) (string, error) {
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return "", err
	}
	if fs.Type == unix.TMPFS_MAGIC {
		return "", fmt.Errorf("%s is on a tmpfs, where a sync costs nothing: run from a real disk", dir)
	}
	return filepath.Abs(dir)
}

// fsyncTime is the median time of a 4 KiB append with fsync in dir.
func fsyncTime(dir string) (time.Duration, error) {
	f, err := os.Create(filepath.Join(dir, "fsync"))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	var times []float64
	page := make([]byte, 4096)
	for range 200 {
		begin := time.Now()
		if _, err := f.Write(page); err != nil {
			return 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, err
		}
		times = append(times, float64(time.Since(begin)))
	}
	return time.Duration(median(times)), nil
}

const writers = 128

// storeAppend measures durable appends through the committer against as many
// separate, synced Badger transactions.
func storeAppend(s settings, dir string) ([]Row, error) {
	const name = "store.append"
	if !s.wants(name) {
		return nil, nil
	}
	ours, err := badger.Open(badger.Config{Dir: filepath.Join(dir, "merged"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	defer ours.Close()
	theirs, err := badgerdb.Open(badgerdb.DefaultOptions(filepath.Join(dir, "separate")).WithSyncWrites(true).WithLogger(nil).WithDetectConflicts(false).WithMemTableSize(16 << 20).WithValueThreshold(1 << 20))
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	value := make([]byte, 256)
	var n atomic.Int64
	merged := func() error {
		_, err := ours.Commit(context.Background(), &store.Batch{Append: []store.Append{{Queue: "q", Value: value}}})
		return err
	}
	separate := func() error {
		key := []byte("q" + strconv.FormatInt(n.Add(1), 10))
		return theirs.Update(func(txn *badgerdb.Txn) error { return txn.Set(key, value) })
	}
	var a, b, ratios []float64
	for range s.rounds {
		ra, err := rate(writers, s.seconds, always(merged))
		if err != nil {
			return nil, err
		}
		rb, err := rate(writers, s.seconds, always(separate))
		if err != nil {
			return nil, err
		}
		a, b, ratios = append(a, ra), append(b, rb), append(ratios, ra/rb)
	}
	ratio := median(ratios)
	return []Row{{Name: name, Unit: "commits/s", Value: median(a), Peer: "separate synced transactions", PeerValue: median(b), Ratio: ratio, Goal: ">= 5x", Met: ratio >= 5}}, nil
}

// always gives every worker the same function.
func always(f func() error) func() func() error { return func() func() error { return f } }

// rate lets workers call their functions for a while, each the next time when
// the last call has ended, and returns the calls per second.
func rate(workers int, d time.Duration, worker func() func() error) (float64, error) {
	var done atomic.Int64
	var failed atomic.Pointer[error]
	var all sync.WaitGroup
	begin := time.Now()
	for range workers {
		all.Go(func() {
			f := worker()
			for time.Since(begin) < d && failed.Load() == nil {
				if err := f(); err != nil {
					failed.Store(&err)
					return
				}
				done.Add(1)
			}
		})
	}
	all.Wait()
	if err := failed.Load(); err != nil {
		return 0, *err
	}
	return float64(done.Load()) / time.Since(begin).Seconds(), nil
}
