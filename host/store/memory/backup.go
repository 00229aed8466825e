package memory

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/host/store/snapshot"
)

// Backup implements store.Store. Commits wait only while it notes what there
// is.
func (s *Store) Backup(ctx context.Context, w io.Writer) error {
	unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	now, sequence := s.now(), s.disk.seq
	entries := s.disk.entries(now.UnixMilli())
	unlock()
	out := snapshot.NewWriter(w, sequence, now)
	for i, e := range entries {
		if i%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if err := out.Put(e); err != nil {
			return err
		}
	}
	return out.Close()
}

// entries returns all that lives, in the order of a snapshot. Values are
// shared: nobody writes to them.
func (d *Disk) entries(now int64) (all []snapshot.Entry) {
	for _, kind := range slices.Sorted(maps.Keys(d.keys)) {
		d.keys[kind].up("", func(key string) bool {
			if r := d.record(store.ID{Kind: kind, Key: key}, now); r.revision != 0 {
				all = append(all, snapshot.Entry{Section: snapshot.Records, Kind: string(kind), Name: key, Number: uint64(r.revision), Time: r.expires, Value: r.value})
			}
			return true
		})
	}
	byLength := func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b)) }
	for _, queue := range slices.SortedFunc(maps.Keys(d.queues), byLength) {
		d.queues[queue].up(item{}, func(it item) bool {
			all = append(all, snapshot.Entry{Section: snapshot.Items, Name: queue, Number: uint64(it.position), Value: it.value})
			return true
		})
	}
	for _, mark := range slices.Sorted(maps.Keys(d.marks)) {
		if d.marks[mark] > now {
			all = append(all, snapshot.Entry{Section: snapshot.Marks, Name: mark, Time: d.marks[mark]})
		}
	}
	for _, key := range slices.Sorted(maps.Keys(d.wakes)) {
		w := d.wakes[key]
		all = append(all, snapshot.Entry{Section: snapshot.Wakes, Name: key, Number: uint64(w.Revision), Time: w.At.UnixNano()})
	}
	for _, tx := range slices.Sorted(maps.Keys(d.txs)) {
		if d.txs[tx].expires > now {
			all = append(all, snapshot.Entry{Section: snapshot.Txs, Name: tx, Number: uint64(d.txs[tx].revision), Time: d.txs[tx].expires})
		}
	}
	return all
}

// Restore returns a disk with the content of a backup.
func Restore(r io.Reader) (*Disk, error) {
	in := bufio.NewReader(r)
	from, err := snapshot.NewReader(in)
	if err != nil {
		return nil, err
	}
	d := NewDisk()
	d.seq = from.Summary.Sequence
	for {
		e, err := from.Next()
		if errors.Is(err, io.EOF) {
			return d, nil
		}
		if err != nil {
			return nil, err
		}
		switch e.Section {
		case snapshot.Records:
			d.put(store.ID{Kind: store.Kind(e.Kind), Key: e.Name}, record{store.Revision(e.Number), e.Value, e.Time})
		case snapshot.Items:
			d.append(e.Name, item{store.Position(e.Number), e.Value})
		case snapshot.Marks:
			d.mark(e.Name, e.Time)
		case snapshot.Wakes:
			d.wake(store.Wake{Key: e.Name, Revision: store.Revision(e.Number), At: time.Unix(0, e.Time)})
		case snapshot.Txs:
			d.tx(e.Name, tx{store.Revision(e.Number), e.Time})
		default:
			return nil, fmt.Errorf("%w: a store has no %s", snapshot.ErrDamaged, e.Section)
		}
	}
}
