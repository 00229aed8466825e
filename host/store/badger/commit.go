package badger

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/trama-run/trama/host/store"
)

const (
	maxInline = 256 << 10 // a longer value goes to a blob file
	minSpill  = 512       // a shorter one never does, even if the batch is full

	// entryOverhead is what the engine counts for an entry beside key and
	// value, rounded up.
	entryOverhead = 32
)

// request is a batch on its way through the committer: everything is encoded
// and its blobs are on disk, so that the committer only looks up and writes.
type request struct {
	batch   *store.Batch
	puts    [][]byte   // the entry of each put, its header not yet filled
	items   [][]byte   // the body of each append
	itemRef []blobName // the blob of each append, or zero
	bytes   int64      // at most, of what the engine will count
	entries int64      // at most

	written []blobName // blob files made for this batch
	answer  chan answer
}

type answer struct {
	result  store.Result
	err     error
	garbage []blobName // blob files that nothing refers to any more
}

// Commit implements store.Store.
func (s *Store) Commit(ctx context.Context, b *store.Batch) (store.Result, error) {
	if err := ctx.Err(); err != nil {
		return store.Result{}, err
	}
	if err := s.enter(); err != nil {
		return store.Result{}, err
	}
	defer s.leave()
	size, err := b.Check()
	if err != nil {
		return store.Result{}, err
	}
	if err := s.guard.admit(size, b.Intake); err != nil {
		return store.Result{}, err
	}
	defer s.guard.release(size)

	r, err := s.prepare(b)
	if err != nil {
		return store.Result{}, errors.Join(err, s.drop(r.written))
	}
	select {
	case s.committer.line <- r:
	case <-ctx.Done():
		return store.Result{}, errors.Join(ctx.Err(), s.drop(r.written))
	}
	a := <-r.answer
	switch {
	case a.err == nil:
		for _, name := range r.written {
			s.blobs.settle(name)
		}
		if err := s.drop(a.garbage); err != nil { // the batch is applied: the sweep will try again
			s.log.Warn("store: a dropped blob could not be removed", "error", err)
		}
	case errors.Is(a.err, store.ErrUnknown): // the blobs may be referred to: the next Open will know
	default:
		a.err = errors.Join(a.err, s.drop(r.written))
	}
	return a.result, a.err
}

// drop removes blob files.
func (s *Store) drop(names []blobName) error {
	var all error
	for _, name := range names {
		all = errors.Join(all, s.blobs.remove(name))
		s.blobs.settle(name)
	}
	return all
}

// prepare encodes a batch and writes its blobs. The request is valid for drop
// even with an error.
func (s *Store) prepare(b *store.Batch) (*request, error) {
	r := &request{batch: b, answer: make(chan answer, 1)}
	budget := s.db.MaxBatchSize() / 2 // for values in the transaction
	body := func(header int, value []byte) ([]byte, blobName, error) {
		var ref blobRef
		if n := int64(len(value)); n > maxInline || n > budget && n > minSpill {
			var err error
			if ref, err = s.blobs.write(value); err != nil {
				if errors.Is(err, syscall.ENOSPC) {
					err = fmt.Errorf("%w: %w", store.ErrNoSpace, err)
				}
				return nil, ref.name, err
			}
			r.written = append(r.written, ref.name)
			value = nil
		}
		budget -= int64(len(value))
		entry := appendBody(make([]byte, header, header+1+max(len(value), blobRefSize)), value, ref)
		r.count(4, len(entry)) // with the entries of the new and the old blob
		return entry, ref.name, nil
	}
	for _, p := range b.Put {
		entry, _, err := body(recordHeader, p.Value)
		if err != nil {
			return r, fmt.Errorf("store: put %s %q: %w", p.ID.Kind, p.ID.Key, err)
		}
		r.count(0, len(p.ID.Kind)+len(p.ID.Key))
		r.puts = append(r.puts, entry)
	}
	for _, a := range b.Append {
		entry, ref, err := body(0, a.Value)
		if err != nil {
			return r, fmt.Errorf("store: append to %q: %w", a.Queue, err)
		}
		r.count(0, len(a.Queue)+len(a.Mark))
		r.items, r.itemRef = append(r.items, entry), append(r.itemRef, ref)
	}
	for _, id := range b.Delete {
		r.count(2, len(id.Kind)+len(id.Key))
	}
	for _, ref := range b.Remove {
		r.count(3, 2*len(ref.Queue))
	}
	for _, w := range b.Wake {
		r.count(3, 3*len(w.Key))
	}
	r.count(2, len(b.Tx)) // and the sequence number
	if r.bytes > s.committer.maxBytes || r.entries > s.committer.maxEntries {
		return r, fmt.Errorf("%w: %d entries with %d bytes, one transaction holds %d with %d",
			store.ErrTooBig, r.entries, r.bytes, s.committer.maxEntries, s.committer.maxBytes)
	}
	if len(r.written) > 0 {
		if err := s.blobs.sync(); err != nil {
			return r, err
		}
	}
	return r, nil
}

// count adds entries whose keys and values have so many bytes together, fixed
// parts left out.
func (r *request) count(entries, bytes int) {
	r.entries += int64(entries)
	r.bytes += int64(entries*(entryOverhead+blobRefSize) + bytes)
}

// expiry returns when a time to live ends, in milliseconds; 0 is never. The
// millisecond that has begun does not count: nothing ends early.
func expiry(now uint64, ttl time.Duration) uint64 {
	if ttl <= 0 {
		return 0
	}
	return now + uint64((ttl+time.Millisecond-1)/time.Millisecond) + 1
}
