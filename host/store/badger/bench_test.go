//go:build linux

package badger

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	badgerdb "github.com/dgraph-io/badger/v4"

	"github.com/trama-run/trama/host/store"
)

const benchWriters = 128

// BenchmarkAppend compares durable appends of 128 writers: merged by the
// committer, and as separate synced transactions of the same engine with the
// same settings. The sub-benchmark ratio runs both in turns and reports the
// median of the quotients.
func BenchmarkAppend(b *testing.B) {
	b.Run("merged", func(b *testing.B) { runWriters(b, b.N, merged(b)) })
	b.Run("separate", func(b *testing.B) { runWriters(b, b.N, separate(b)) })
	var ratios []float64
	b.Run("ratio", func(b *testing.B) {
		if len(ratios) == 0 { // once, whatever b.N is
			m, s := merged(b), separate(b)
			for range 7 {
				ratios = append(ratios, rate(b, m)/rate(b, s))
			}
			slices.Sort(ratios)
		}
		b.ReportMetric(ratios[len(ratios)/2], "ratio")
	})
}

// BenchmarkLoad reads while others commit: a read does not wait for a sync.
func BenchmarkLoad(b *testing.B) {
	s := benchStore(b)
	ctx := context.Background()
	id := store.ID{Kind: "k", Key: "a"}
	if _, err := s.Commit(ctx, &store.Batch{Put: []store.Put{{ID: id, Value: []byte("v")}}}); err != nil {
		b.Fatal(err)
	}
	var stop atomic.Bool
	var writers sync.WaitGroup
	for range 8 {
		writers.Go(func() {
			for !stop.Load() {
				if _, err := s.Commit(ctx, &store.Batch{Put: []store.Put{{ID: id, Value: []byte("v")}}}); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	b.ResetTimer()
	for range b.N {
		if _, err := s.Load(ctx, id); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	stop.Store(true)
	writers.Wait()
}

// rate returns how many appends a second are done in a while.
func rate(b *testing.B, do func(i int) error) float64 {
	const while = 400 * time.Millisecond
	start := time.Now()
	var done atomic.Int64
	writers(b, func() bool {
		if err := do(int(done.Add(1))); err != nil {
			b.Error(err)
			return false
		}
		return time.Since(start) < while
	})
	return float64(done.Load()) / time.Since(start).Seconds()
}

func runWriters(b *testing.B, n int, do func(i int) error) {
	b.ResetTimer()
	var next atomic.Int64
	writers(b, func() bool {
		i := int(next.Add(1))
		if i > n {
			return false
		}
		if err := do(i); err != nil {
			b.Error(err)
			return false
		}
		return true
	})
	b.StopTimer()
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "appends/s")
}

func writers(b *testing.B, step func() bool) {
	var all sync.WaitGroup
	for range benchWriters {
		all.Go(func() {
			for step() {
			}
		})
	}
	all.Wait()
}

func merged(b *testing.B) func(int) error {
	s := benchStore(b)
	value := make([]byte, 200)
	return func(int) error {
		_, err := s.Commit(context.Background(), &store.Batch{Append: []store.Append{{Queue: "q", Value: value}}})
		return err
	}
}

func separate(b *testing.B) func(int) error {
	db, err := badgerdb.Open(options(benchDir(b), defaultMemTable, slog.New(slog.DiscardHandler)))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	value := make([]byte, 200)
	run := time.Now().UnixNano()
	return func(i int) error {
		return db.Update(func(txn *badgerdb.Txn) error {
			return txn.Set(fmt.Appendf(nil, "q%d-%016d", run, i), value)
		})
	}
}

func benchStore(b *testing.B) *Store {
	s, err := Open(Config{Dir: benchDir(b)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	return s
}

// benchDir is a directory on the disk that holds the repository: the temporary
// directory may be in memory, where a sync costs nothing.
func benchDir(b *testing.B) string {
	root, err := filepath.Abs("../../../build")
	if err != nil {
		b.Fatal(err)
	}
	if err := os.MkdirAll(root, 0o755); err != nil {
		b.Fatal(err)
	}
	const tmpfs = 0x01021994 // TMPFS_MAGIC, statfs(2)
	var st syscall.Statfs_t
	if err := syscall.Statfs(root, &st); err != nil {
		b.Fatal(err)
	}
	if st.Type == tmpfs {
		b.Fatalf("%s is a tmpfs: syncing costs nothing there", root)
	}
	dir, err := os.MkdirTemp(root, "bench-store-")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}
