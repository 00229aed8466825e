package badger

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	badgerdb "github.com/dgraph-io/badger/v4"

	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/host/store/snapshot"
)

// Backup implements store.Store: one view of the engine is one moment. (The
// engine's own backup opens a view for each of its goroutines, and skips what
// it can't read.) Blob files that are dropped meanwhile stay until the end.
func (s *Store) Backup(ctx context.Context, w io.Writer) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	s.blobs.hold()
	defer func() { s.drop(s.blobs.release()) }() //nolint:errcheck // the sweep will try again
	v := s.view()
	defer v.close()
	sequence, err := v.number(seqKey())
	if err != nil {
		return fmt.Errorf("store: backup: sequence number: %w", err)
	}
	now := time.Now()
	out := snapshot.NewWriter(w, uint64(sequence), now)
	for _, prefix := range []byte{keyRecord, keyItem, keyMark, keyWake, keyTx} {
		err := v.scan(ctx, []byte{prefix}, []byte{prefix}, false, func(item *badgerdb.Item) (bool, error) {
			raw, err := item.ValueCopy(nil)
			if err != nil {
				return false, err
			}
			e, err := s.export(item, raw)
			if err != nil {
				return false, fmt.Errorf("store: backup: %c entry %q: %w", prefix, item.Key()[1:], err)
			}
			if e.Section != snapshot.Items && e.Section != snapshot.Wakes && e.Time != 0 && e.Time <= now.UnixMilli() {
				return true, nil
			}
			return true, out.Put(e)
		})
		if err != nil {
			return err
		}
	}
	// An iterator of the engine ends early, and says nothing, where it can't
	// read a table.
	if err := checkOpen(s.db); err != nil {
		return fmt.Errorf("store: backup: %w", err)
	}
	return out.Close()
}

// export gives an entry of the engine in the form of a snapshot.
func (s *Store) export(item *badgerdb.Item, raw []byte) (e snapshot.Entry, err error) {
	key := item.Key()
	name := string(key[1:])
	var ref blobRef
	switch key[0] {
	case keyRecord:
		kind, record, ok := strings.Cut(name, "\x00")
		if !ok {
			return e, errCorrupt
		}
		var st recordState
		e = snapshot.Entry{Section: snapshot.Records, Kind: kind, Name: record}
		st, e.Value, ref, err = parseRecord(raw)
		e.Number, e.Time = uint64(st.revision), int64(st.expiry)
	case keyItem:
		if len(name) < 10 || int(binary.BigEndian.Uint16(key[1:])) != len(name)-10 {
			return e, errCorrupt
		}
		e = snapshot.Entry{Section: snapshot.Items, Name: name[2 : len(name)-8], Number: binary.BigEndian.Uint64(key[len(key)-8:])}
		e.Value, ref, err = parseBody(raw)
	case keyMark:
		var end uint64
		end, err = parseNumber(raw)
		e = snapshot.Entry{Section: snapshot.Marks, Name: name, Time: int64(end)}
	case keyWake:
		var w wakeEntry
		w, err = parseWake(raw)
		e = snapshot.Entry{Section: snapshot.Wakes, Name: name, Number: uint64(w.revision), Time: instantTime(w.at).UnixNano()}
	case keyTx:
		e = snapshot.Entry{Section: snapshot.Txs, Name: name, Time: int64(item.ExpiresAt()) * 1000}
		e.Number, err = parseNumber(raw)
	}
	if err == nil && ref.name != (blobName{}) {
		e.Value, err = s.blobs.read(ref)
	}
	return e, err
}

// Restore makes the store of c.Dir, which is absent or empty, from a backup. It
// is built beside it and moved into place when all of it is there and on disk:
// after an error there is nothing.
func Restore(ctx context.Context, c Config, r io.Reader) error {
	if err := restore(ctx, c, r); err != nil {
		return fmt.Errorf("store: restore into %s: %w", c.Dir, err)
	}
	return nil
}

func restore(ctx context.Context, c Config, r io.Reader) (err error) {
	if names, err := os.ReadDir(c.Dir); err == nil && len(names) > 0 {
		return fmt.Errorf("the directory is not empty: choose another, or remove %s and the rest of it", names[0].Name())
	}
	dir := filepath.Clean(c.Dir)
	parent := filepath.Dir(dir)
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return err
	}
	building, err := os.MkdirTemp(parent, ".restoring-")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(building))
		}
	}()
	c.Dir = building
	s, err := open(c)
	if err != nil {
		return err
	}
	if err := errors.Join(s.load(ctx, r), s.Close()); err != nil {
		return err
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.Rename(building, dir); err != nil {
		return err
	}
	return syncDir(parent)
}

// load fills a new store that nobody else uses with a snapshot. All of it has
// one timestamp of the engine: it is one commit, in transactions that fit.
func (s *Store) load(ctx context.Context, r io.Reader) error {
	from, err := snapshot.NewReader(bufio.NewReader(r))
	if err != nil {
		return err
	}
	const ts = 1
	var txn *badgerdb.Txn
	begin := func() { txn = s.db.NewTransactionAt(math.MaxUint64, true) }
	begin()
	defer func() { txn.Discard() }()
	set := func(key, value []byte, expiry uint64) error {
		e := newEntry(key, value, expiry)
		err := txn.SetEntry(e)
		if errors.Is(err, badgerdb.ErrTxnTooBig) {
			if err = txn.CommitAt(ts, nil); err != nil {
				return err
			}
			begin()
			err = txn.SetEntry(e)
		}
		return err
	}
	now := nowMillis()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		e, err := from.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if err := s.guard.admit(len(e.Value), true); err != nil {
			return err
		}
		err = s.loadEntry(e, now, set)
		s.guard.release(len(e.Value))
		if err != nil {
			return fmt.Errorf("%s %s %q: %w", e.Section, e.Kind, e.Name, err)
		}
	}
	if err := set(seqKey(), number(from.Summary.Sequence), 0); err != nil {
		return err
	}
	if err := txn.CommitAt(ts, nil); err != nil {
		return err
	}
	s.snapshots.finish(ts)
	return s.blobs.sync()
}

// loadEntry sets what belongs to one entry of a snapshot. What has expired is
// left out.
func (s *Store) loadEntry(e snapshot.Entry, now uint64, set func(key, value []byte, expiry uint64) error) error {
	body := func(header int, expiry uint64) ([]byte, error) {
		var ref blobRef
		if len(e.Value) > maxInline {
			var err error
			if ref, err = s.blobs.write(e.Value); err != nil {
				return nil, err
			}
			s.blobs.settle(ref.name) // nothing sweeps yet
			if err := set(blobKey(ref.name), nil, expiry); err != nil {
				return nil, err
			}
			return appendBody(make([]byte, header), nil, ref), nil
		}
		return appendBody(make([]byte, header), e.Value, ref), nil
	}
	expiry := uint64(e.Time)
	switch e.Section {
	case snapshot.Records:
		if expiry != 0 && expiry <= now {
			return nil
		}
		raw, err := body(recordHeader, expiry)
		if err != nil {
			return err
		}
		setRecordHeader(raw, store.Revision(e.Number), expiry)
		return set(recordKey(store.ID{Kind: store.Kind(e.Kind), Key: e.Name}), raw, expiry)
	case snapshot.Items:
		raw, err := body(0, 0)
		if err != nil {
			return err
		}
		return set(itemKey(e.Name, store.Position(e.Number)), raw, 0)
	case snapshot.Marks:
		if expiry <= now {
			return nil
		}
		return set(nameKey(keyMark, e.Name), number(expiry), expiry)
	case snapshot.Wakes:
		w := wakeEntry{instant(time.Unix(0, e.Time)), store.Revision(e.Number)}
		if err := set(nameKey(keyWake, e.Name), w.bytes(), 0); err != nil {
			return err
		}
		return set(dueKey(w.at, e.Name), number(uint64(w.revision)), 0)
	case snapshot.Txs:
		if expiry <= now {
			return nil
		}
		return set(nameKey(keyTx, e.Name), number(e.Number), expiry-1000*expiryGrace)
	}
	return fmt.Errorf("%w: a store has no %s", snapshot.ErrDamaged, e.Section)
}
