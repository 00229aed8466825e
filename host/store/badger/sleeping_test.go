//go:build linux

package badger

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/trama-run/trama/host/store"
)

// fillSessions puts n sessions that sleep, each with its wake.
func fillSessions(t testing.TB, s *Store, n int, first time.Time) {
	t.Helper()
	const each = store.MaxChanges / 2
	for at := 0; at < n; at += each {
		var b store.Batch
		for i := at; i < min(at+each, n); i++ {
			key := fmt.Sprintf("contact/%08d", i*7919%n)
			b.Put = append(b.Put, store.Put{ID: store.ID{Kind: "session", Key: key}, Value: noise(600, i)})
			b.Wake = append(b.Wake, store.Wake{Key: key, At: first.Add(time.Duration(i) * time.Second)})
		}
		if _, err := s.Commit(context.Background(), &b); err != nil {
			t.Fatal(err)
		}
	}
}

// live returns the bytes of the heap that are in use.
func live() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkSleeping opens a store with sessions that sleep and asks for what
// is due. Neither may depend on how many they are: heap-B is the live heap of
// an open store that has looked at all of its due wakes.
func BenchmarkSleeping(b *testing.B) {
	for _, n := range []int{1000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			dir := filepath.Join(b.TempDir(), "data")
			config := Config{Dir: dir}
			s, err := Open(config)
			if err != nil {
				b.Fatal(err)
			}
			first := time.Unix(1_700_000_000, 0)
			began := time.Now()
			fillSessions(b, s, n, first)
			filled := time.Since(began)
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
			before := live()
			var due time.Duration
			var heap int64
			for b.Loop() {
				if s, err = Open(config); err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				began := time.Now()
				wakes, err := s.Due(context.Background(), store.Wake{}, first.Add(99*time.Second), 1000)
				due += time.Since(began)
				if err != nil || len(wakes) != 100 {
					b.Fatalf("%d wakes, %v", len(wakes), err)
				}
				heap = int64(live()) - int64(before)
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
			b.ReportMetric(filled.Seconds(), "fill-s")
			b.ReportMetric(float64(due.Microseconds())/float64(b.N), "due-us")
			b.ReportMetric(float64(heap), "heap-B")
		})
	}
}
