package run

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/trama-run/trama/host/store"
)

// Bounds of the recorder.
const (
	recordQueue = 1024 // records that wait; more are dropped and counted
	recordBatch = 256  // records in one commit
	// recordPace is the least time between two commits of records: runs that
	// need the store's disk come first.
	recordPace = 100 * time.Millisecond
	tellEvery  = 10 * time.Second // how often the log says how many were dropped
)

// recorder stores the records of runs that needed no commit, behind their
// answers. Under load it drops records and counts them; it never makes a run
// wait.
type recorder struct {
	store   store.Store
	log     *slog.Logger
	queue   chan *journey
	dropped atomic.Int64
	done    sync.WaitGroup
	once    sync.Once
}

func newRecorder(s store.Store, log *slog.Logger) *recorder {
	r := &recorder{store: s, log: log, queue: make(chan *journey, recordQueue)}
	r.done.Go(r.work)
	return r
}

// add takes the journey of an ended run; nothing else may use it afterwards.
func (r *recorder) add(j *journey) {
	select {
	case r.queue <- j:
	default:
		r.dropped.Add(1)
	}
}

func (r *recorder) work() {
	told := time.Time{}
	for j := range r.queue {
		var batch store.Batch
		for j != nil {
			j.note()
			if put, err := j.record.put(); err != nil {
				r.log.Error("run not recorded", "run", j.record.ID, "error", err)
			} else {
				batch.Put = append(batch.Put, put)
			}
			j = nil
			if len(batch.Put) < recordBatch {
				select {
				case j = <-r.queue: // nil once closed
				default:
				}
			}
		}
		if _, err := r.store.Commit(context.Background(), &batch); err != nil {
			r.dropped.Add(int64(len(batch.Put)))
			r.log.Error("runs not recorded", "runs", len(batch.Put), "error", err)
		}
		if time.Since(told) > tellEvery {
			if n := r.dropped.Swap(0); n > 0 {
				r.log.Warn("records of successful runs without effects were left out, under load", "runs", n)
				told = time.Now()
			}
		}
		time.Sleep(recordPace)
	}
}

// close stores what waits.
func (r *recorder) close() {
	r.once.Do(func() { close(r.queue) })
	r.done.Wait()
}
