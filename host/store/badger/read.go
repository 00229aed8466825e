package badger

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"time"

	badgerdb "github.com/dgraph-io/badger/v4"

	"github.com/trama-run/trama/host/store"
)

// lookup returns the value of one key.
func (s *Store) lookup(ctx context.Context, key []byte) (value []byte, found bool, err error) {
	if err := ctx.Err(); err != nil {
		return nil, false, err
	}
	if err := s.enter(); err != nil {
		return nil, false, err
	}
	defer s.leave()
	v := s.view()
	defer v.close()
	return v.get(key)
}

// dropped reports that a blob was gone when it was read: its entry has been
// replaced or removed meanwhile, so the entry must be read again. If it
// happens with the same reference twice, the file is really missing.
func dropped(err error, ref, last blobRef) bool {
	return errors.Is(err, fs.ErrNotExist) && ref != last
}

// Load implements store.Store.
func (s *Store) Load(ctx context.Context, id store.ID) (store.Record, error) {
	var last blobRef
	for {
		raw, found, err := s.lookup(ctx, recordKey(id))
		if err != nil {
			return store.Record{}, err
		}
		if !found {
			return store.Record{}, store.ErrNotFound
		}
		rec, ref, err := s.decode(id, raw)
		switch {
		case dropped(err, ref, last):
			last = ref
			continue
		case err != nil:
			return store.Record{}, fmt.Errorf("store: load %s %q: %w", id.Kind, id.Key, err)
		case rec.Revision == 0:
			return store.Record{}, store.ErrNotFound
		}
		return rec, nil
	}
}

// decode turns an entry into a record; an expired one has revision 0.
func (s *Store) decode(id store.ID, raw []byte) (store.Record, blobRef, error) {
	st, value, ref, err := parseRecord(raw)
	if err != nil {
		return store.Record{}, ref, err
	}
	if st.at(nowMillis()).revision == 0 {
		return store.Record{}, ref, nil
	}
	if ref.name != (blobName{}) {
		if value, err = s.blobs.read(ref); err != nil {
			return store.Record{}, ref, err
		}
	}
	return store.Record{ID: id, Revision: st.revision, Value: value}, ref, nil
}

// List implements store.Store.
func (s *Store) List(ctx context.Context, kind store.Kind, after string, max int, reverse bool) ([]store.Record, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	prefix := recordPrefix(kind)
	from := recordKey(store.ID{Kind: kind, Key: after})
	if after == "" && reverse {
		from = recordEnd(kind)
	}
	v := s.view()
	defer v.close()
	var out []store.Record
	err := v.scan(ctx, prefix, from, reverse, func(item *badgerdb.Item) (bool, error) {
		if len(out) >= max {
			return false, nil
		}
		if bytes.Equal(item.Key(), from) {
			return true, nil
		}
		id := store.ID{Kind: kind, Key: string(item.Key()[len(prefix):])}
		raw, err := item.ValueCopy(nil)
		if err != nil {
			return false, err
		}
		rec, ref, err := s.decode(id, raw)
		if dropped(err, ref, blobRef{}) {
			if rec, err = s.Load(ctx, id); errors.Is(err, store.ErrNotFound) {
				return true, nil
			}
		}
		if err != nil {
			return false, fmt.Errorf("store: list %s: record %q: %w", kind, id.Key, err)
		}
		if rec.Revision != 0 {
			out = append(out, rec)
		}
		return true, nil
	})
	return out, err
}

// scan calls each for the entries of a prefix, beginning with from, until it
// returns false.
func (v view) scan(ctx context.Context, prefix, from []byte, reverse bool, each func(*badgerdb.Item) (bool, error)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	it := v.txn.NewIterator(badgerdb.IteratorOptions{Prefix: prefix, Reverse: reverse})
	defer it.Close()
	for it.Seek(from); it.ValidForPrefix(prefix); it.Next() {
		if err := ctx.Err(); err != nil {
			return err
		}
		more, err := each(it.Item())
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// Read implements store.Store.
func (s *Store) Read(ctx context.Context, queue string, after store.Position, max int) ([]store.Item, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	if max <= 0 {
		return nil, ctx.Err()
	}
	for {
		items, ref, err := s.read(ctx, queue, after, max)
		if !errors.Is(err, fs.ErrNotExist) {
			return items, err
		}
		// The blob of an item is removed after the item: look again.
		if _, found, lookErr := s.lookup(ctx, blobKey(ref.name)); found || lookErr != nil {
			return nil, errors.Join(err, lookErr)
		}
	}
}

func (s *Store) read(ctx context.Context, queue string, after store.Position, limit int) (out []store.Item, missing blobRef, err error) {
	v := s.view()
	defer v.close()
	head, known := s.cursors.head(queue)
	if !known {
		if head, err = v.number(nameKey(keyHead, queue)); err != nil {
			return nil, missing, err
		}
	}
	prefix := itemPrefix(queue)
	first := store.Position(0) // of the live items at or after from
	from := max(after+1, head)
	err = v.scan(ctx, prefix, itemKey(queue, from), false, func(entry *badgerdb.Item) (bool, error) {
		pos, err := itemPosition(entry.Key())
		if err != nil {
			return false, err
		}
		if first == 0 {
			first = pos
		}
		raw, err := entry.ValueCopy(nil)
		if err != nil {
			return false, err
		}
		value, ref, err := parseBody(raw)
		if err == nil && ref.name != (blobName{}) {
			missing = ref
			value, err = s.blobs.read(ref)
		}
		if err != nil {
			return false, fmt.Errorf("store: read queue %q: position %d: %w", queue, pos, err)
		}
		out = append(out, store.Item{Queue: queue, Position: pos, Value: value})
		return len(out) < limit, nil
	})
	if err != nil {
		return nil, missing, err
	}
	if after+1 > head && after != 0 {
		return out, missing, nil // began above the head: nothing learnt about it
	}
	if first == 0 { // later items are after all that this view has seen
		seq, err := v.number(seqKey())
		if err != nil {
			return nil, missing, err
		}
		first = seq + 1
	}
	s.cursors.raise(queue, first)
	return out, missing, nil
}

// number returns a stored number, 0 if there is none.
func (v view) number(key []byte) (store.Position, error) {
	raw, found, err := v.get(key)
	if err != nil || !found {
		return 0, err
	}
	n, err := parseNumber(raw)
	return store.Position(n), err
}

// Due implements store.Store.
func (s *Store) Due(ctx context.Context, after store.Wake, until time.Time, max int) ([]store.Wake, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	if max <= 0 {
		return nil, ctx.Err()
	}
	var lowest []byte // of the wakes there are
	from := s.cursors.dueFrom()
	behind := after != (store.Wake{})
	if behind {
		from = append(dueKey(instant(after.At), after.Key), 0) // the next key that there may be
	} else {
		defer func() { s.cursors.dueSeen(lowest) }()
	}
	v := s.view()
	defer v.close()
	end := instant(until)
	var out []store.Wake
	err := v.scan(ctx, []byte{keyDue}, from, false, func(item *badgerdb.Item) (bool, error) {
		key := item.KeyCopy(nil)
		w, err := parseDueKey(key)
		if err != nil {
			return false, err
		}
		if lowest == nil {
			lowest = key
		}
		if binary.BigEndian.Uint64(key[1:]) > end {
			return false, nil
		}
		raw, err := item.ValueCopy(nil)
		if err != nil {
			return false, err
		}
		rev, err := parseNumber(raw)
		if err != nil {
			return false, fmt.Errorf("store: wake of %q: %w", w.Key, err)
		}
		w.Revision = store.Revision(rev)
		out = append(out, w)
		return len(out) < max, nil
	})
	if err != nil {
		return nil, err
	}
	if lowest == nil {
		lowest = []byte{keyDue + 1} // there are none
	}
	return out, nil
}

// Wakes implements store.Store.
func (s *Store) Wakes(ctx context.Context, prefix, after string, limit int) ([]store.Wake, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	if limit <= 0 {
		return nil, ctx.Err()
	}
	from := nameKey(keyWake, prefix)
	if last := nameKey(keyWake, after); bytes.Compare(last, from) > 0 {
		from = last
	}
	v := s.view()
	defer v.close()
	var out []store.Wake
	err := v.scan(ctx, nameKey(keyWake, prefix), from, false, func(item *badgerdb.Item) (bool, error) {
		key := string(item.Key()[1:])
		if key <= after {
			return true, nil
		}
		raw, err := item.ValueCopy(nil)
		if err != nil {
			return false, err
		}
		wake, err := parseWake(raw)
		if err != nil {
			return false, fmt.Errorf("store: wake of %q: %w", key, err)
		}
		out = append(out, store.Wake{Key: key, At: instantTime(wake.at), Revision: wake.revision})
		return len(out) < limit, nil
	})
	return out, err
}

func nowMillis() uint64 { return uint64(time.Now().UnixMilli()) }
