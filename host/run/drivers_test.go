package run

import (
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/trama-run/trama/host/store/memory"
)

// TestDriversAreKept: a goroutine that has driven a run drives the next one; of
// many only some wait for that, and Close waits for all.
func TestDriversAreKept(t *testing.T) {
	r := New(Config{Store: memory.Open(memory.NewDisk(), time.Now), Log: slog.New(slog.DiscardHandler)})
	const many = 3 * maxIdle
	var begun sync.WaitGroup
	end := make(chan struct{})
	begun.Add(many)
	for range many {
		r.beside(func() { begun.Done(); <-end })
	}
	begun.Wait() // all at once: none waits for another
	close(end)
	r.gone.Wait()
	wait := func(want int64) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); r.drivers.idle.Load() != want; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%d goroutines wait; want %d", r.drivers.idle.Load(), want)
			}
		}
	}
	wait(maxIdle)
	again := make(chan struct{})
	// One that is counted may be about to wait: the first may find none.
	for deadline := time.Now().Add(time.Minute); r.drivers.idle.Load() == maxIdle; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("a goroutine that waits is not taken")
		}
		r.beside(func() { <-again })
	}
	done := make(chan struct{})
	go func() { r.Close(t.Context()); close(done) }()
	select {
	case <-done:
		t.Error("Close did not wait for a run")
	case <-time.After(20 * time.Millisecond):
	}
	close(again)
	<-done
}
