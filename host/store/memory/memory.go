// Package memory is a store that keeps everything in memory: the interface of
// package store, whole, without a file. It is for flows that are tried without
// a server, and for simulations that are played again from a seed: it is quick,
// it takes the time from its owner, and the same calls give the same answers.
//
// What survives is a [Disk]; a [Store] is one life on it. The package must not
// know what the values mean, and nothing that runs in production may depend on
// it: a commit here outlives the Store and never the process.
package memory

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/trama-run/trama/host/store"
)

// Store implements store.Store on a Disk.
type Store struct {
	disk *Disk
	now  func() time.Time
}

var _ store.Store = (*Store)(nil)

// Open begins a life on a disk: what the lives before it committed is there.
// One that was not closed ends now, as in a crash, and answers ErrClosed from
// then on. The clock judges times to live only; nil is time.Now.
func Open(d *Disk, now func() time.Time) *Store {
	if now == nil {
		now = time.Now
	}
	s := &Store{d, now}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.owner = s
	return s
}

// lock holds the disk until the returned function is called.
func (s *Store) lock(ctx context.Context) (unlock func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.disk.mu.Lock()
	if s.disk.owner != s {
		s.disk.mu.Unlock()
		return nil, store.ErrClosed
	}
	return s.disk.mu.Unlock, nil
}

// Close implements store.Store. A second call does nothing.
func (s *Store) Close() error {
	s.disk.mu.Lock()
	defer s.disk.mu.Unlock()
	if s.disk.owner == s {
		s.disk.owner = nil
	}
	return nil
}

// Space implements store.Store: memory is never refused.
func (s *Store) Space() error { return nil }

// Commit implements store.Store.
func (s *Store) Commit(ctx context.Context, b *store.Batch) (store.Result, error) {
	unlock, err := s.lock(ctx)
	if err != nil {
		return store.Result{}, err
	}
	defer unlock()
	if _, err := b.Check(); err != nil {
		return store.Result{}, err
	}
	d, now := s.disk, s.now().UnixMilli()
	d.forget(now)
	for _, e := range b.Expect {
		if found := d.record(e.ID, now).revision; found != e.Revision {
			return store.Result{}, fmt.Errorf("%w: %s %q is at revision %d, expected %d", store.ErrConflict, e.ID.Kind, e.ID.Key, found, e.Revision)
		}
	}
	return d.apply(b, now), nil
}

// Load implements store.Store.
func (s *Store) Load(ctx context.Context, id store.ID) (store.Record, error) {
	unlock, err := s.lock(ctx)
	if err != nil {
		return store.Record{}, err
	}
	defer unlock()
	r := s.disk.record(id, s.now().UnixMilli())
	if r.revision == 0 {
		return store.Record{}, store.ErrNotFound
	}
	return store.Record{ID: id, Revision: r.revision, Value: bytes.Clone(r.value)}, nil
}

// List implements store.Store.
func (s *Store) List(ctx context.Context, kind store.Kind, after string, max int, reverse bool) ([]store.Record, error) {
	unlock, err := s.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	keys, now := s.disk.keys[kind], s.now().UnixMilli()
	if keys == nil || max <= 0 {
		return nil, nil
	}
	var out []store.Record
	add := func(key string) bool {
		id := store.ID{Kind: kind, Key: key}
		if r := s.disk.record(id, now); r.revision != 0 && key != after {
			out = append(out, store.Record{ID: id, Revision: r.revision, Value: bytes.Clone(r.value)})
		}
		return len(out) < max
	}
	switch {
	case !reverse:
		keys.up(after, add)
	case after == "":
		keys.back(len(keys.chunks), 0, add)
	default:
		keys.down(after, add)
	}
	return out, nil
}

// Read implements store.Store.
func (s *Store) Read(ctx context.Context, queue string, after store.Position, max int) ([]store.Item, error) {
	unlock, err := s.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	items := s.disk.queues[queue]
	if items == nil || max <= 0 {
		return nil, nil
	}
	var out []store.Item
	items.up(item{position: after}, func(it item) bool {
		if it.position > after {
			out = append(out, store.Item{Queue: queue, Position: it.position, Value: bytes.Clone(it.value)})
		}
		return len(out) < max
	})
	return out, nil
}

// Due implements store.Store.
func (s *Store) Due(ctx context.Context, after store.Wake, until time.Time, max int) ([]store.Wake, error) {
	unlock, err := s.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if max <= 0 {
		return nil, nil
	}
	var out []store.Wake
	from := dueKey{at: store.Instant(after.At), key: after.Key}
	s.disk.due.up(from, func(k dueKey) bool {
		if k.at.After(until) {
			return false
		}
		if k.key == from.key && k.at.Equal(from.at) {
			return true
		}
		out = append(out, store.Wake{Key: k.key, At: k.at, Revision: s.disk.wakes[k.key].Revision})
		return len(out) < max
	})
	return out, nil
}

// Wakes implements store.Store.
func (s *Store) Wakes(ctx context.Context, prefix, after string, max int) ([]store.Wake, error) {
	unlock, err := s.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	var out []store.Wake
	for key, w := range s.disk.wakes {
		if key > after && strings.HasPrefix(key, prefix) {
			out = append(out, w)
		}
	}
	slices.SortFunc(out, func(a, b store.Wake) int { return strings.Compare(a.Key, b.Key) })
	return out[:min(len(out), max)], nil
}

// Resolve implements store.Store.
func (s *Store) Resolve(ctx context.Context, tx string) (bool, error) {
	unlock, err := s.lock(ctx)
	if err != nil {
		return false, err
	}
	defer unlock()
	return s.disk.txs[tx].expires > s.now().UnixMilli(), nil
}
