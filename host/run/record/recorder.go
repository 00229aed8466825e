package record

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
	recordQueue = 1024      // records that wait; more are dropped and counted
	recordBytes = 16 << 20  // the same in bytes
	batchCount  = 100       // records in one commit
	batchBytes  = 512 << 10 // the same in bytes, so that none goes to a file of its own
	// recordPace is the least time between two commits of records: runs that
	// need the store's disk come first.
	recordPace = 100 * time.Millisecond
	tellEvery  = 10 * time.Second // how often the log says how many were dropped
)

// Recorder stores the records of runs that needed no commit, behind their
// answers. Under load it drops records and counts them; it never makes a run
// wait. Close ends it.
type Recorder struct {
	store   store.Store
	log     *slog.Logger
	queue   chan store.Put
	waiting atomic.Int64 // bytes in queue
	dropped atomic.Int64
	done    sync.WaitGroup
	once    sync.Once
}

// NewRecorder returns one that stores records in s.
func NewRecorder(s store.Store, log *slog.Logger) *Recorder {
	r := &Recorder{store: s, log: log, queue: make(chan store.Put, recordQueue)}
	r.done.Go(r.work)
	return r
}

// Add takes the record of an ended run, which is only asked for if there is
// room for it.
func (r *Recorder) Add(of func() *Record) {
	if len(r.queue) == cap(r.queue) || r.waiting.Load() > recordBytes {
		r.dropped.Add(1) // before the work of encoding it
		return
	}
	record := of()
	put, err := record.Put()
	if err != nil {
		r.log.Error("run not recorded", "run", record.ID, "error", err)
		return
	}
	r.waiting.Add(int64(len(put.Value)))
	select {
	case r.queue <- put:
	default:
		r.waiting.Add(-int64(len(put.Value)))
		r.dropped.Add(1)
	}
}

// Dropped counts the runs that left no record, under load.
func (r *Recorder) Dropped() int64 { return r.dropped.Load() }

func (r *Recorder) work() {
	told, counted := time.Time{}, int64(0)
	for put := range r.queue {
		r.commit(put)
		if time.Since(told) > tellEvery {
			if n := r.dropped.Load(); n > counted {
				r.log.Warn("records of successful runs without effects were left out, under load", "runs", n-counted)
				told, counted = time.Now(), n
			}
		}
		time.Sleep(recordPace)
	}
}

// commit stores a record and those that wait behind it, as far as one commit
// goes.
func (r *Recorder) commit(first store.Put) {
	batch := store.Batch{Put: []store.Put{first}}
	size := len(first.Value)
	for more := true; more && len(batch.Put) < batchCount && size < batchBytes; {
		select {
		case put, open := <-r.queue:
			if more = open; open {
				batch.Put = append(batch.Put, put)
				size += len(put.Value)
			}
		default:
			more = false
		}
	}
	r.waiting.Add(-int64(size))
	if _, err := r.store.Commit(context.Background(), &batch); err != nil {
		r.dropped.Add(int64(len(batch.Put)))
		r.log.Error("runs not recorded", "runs", len(batch.Put), "error", err)
	}
}

// Close stores what waits.
func (r *Recorder) Close() {
	r.once.Do(func() { close(r.queue) })
	r.done.Wait()
}
