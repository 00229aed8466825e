package memory

import (
	"bytes"
	"cmp"
	"strings"
	"sync"
	"time"

	"github.com/trama-run/trama/host/store"
)

// txKept is how long Resolve knows a transaction; an hour is promised.
const txKept = 24 * time.Hour

// Disk is what survives a Store. It belongs to one Store at a time.
type Disk struct {
	mu    sync.Mutex
	owner *Store // guarded by mu, as all below; nil: closed

	seq     uint64 // the last revision or position given
	records map[store.ID]record
	keys    map[store.Kind]*sorted[string]
	queues  map[string]*sorted[item]
	marks   map[string]int64 // their ends
	txs     map[string]tx
	wakes   map[string]store.Wake
	due     sorted[dueKey]
	ends    sorted[end] // all that has a time to live
}

// record is a stored value. Times in this file are in milliseconds since 1970.
type record struct {
	revision store.Revision
	value    []byte // never written to
	expires  int64  // 0: never
}

// tx is a batch that was applied.
type tx struct {
	revision store.Revision
	expires  int64
}

type item struct {
	position store.Position
	value    []byte // never written to
}

type dueKey struct {
	at  time.Time
	key string
}

// end says that something may be forgotten from a time on: a record, a mark or
// a transaction, unless it has a later end by then.
type end struct {
	at   int64
	what byte // 'r', 'd', 'x'
	id   store.ID
}

// NewDisk returns an empty disk.
func NewDisk() *Disk {
	return &Disk{
		records: map[store.ID]record{}, keys: map[store.Kind]*sorted[string]{}, queues: map[string]*sorted[item]{},
		marks: map[string]int64{}, txs: map[string]tx{}, wakes: map[string]store.Wake{},
		due: sorted[dueKey]{compare: func(a, b dueKey) int {
			return cmp.Or(a.at.Compare(b.at), strings.Compare(a.key, b.key))
		}},
		ends: sorted[end]{compare: func(a, b end) int {
			return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.what, b.what), strings.Compare(string(a.id.Kind), string(b.id.Kind)), strings.Compare(a.id.Key, b.id.Key))
		}},
	}
}

// expiry returns when a time to live ends that begins now; 0 is never. The
// millisecond that has begun does not count: nothing ends early.
func expiry(now int64, ttl time.Duration) int64 {
	if ttl <= 0 {
		return 0
	}
	return now + int64((ttl+time.Millisecond-1)/time.Millisecond) + 1
}

// record returns a record as seen at a time; revision 0 if there is none.
func (d *Disk) record(id store.ID, now int64) record {
	r := d.records[id]
	if r.expires != 0 && r.expires <= now {
		return record{}
	}
	return r
}

// apply makes the changes of a batch that has been checked.
func (d *Disk) apply(b *store.Batch, now int64) store.Result {
	d.seq++
	result := store.Result{Revision: store.Revision(d.seq)}
	for _, p := range b.Put {
		d.put(p.ID, record{result.Revision, bytes.Clone(p.Value), expiry(now, p.TTL)})
	}
	for _, id := range b.Delete {
		d.delete(id)
	}
	if len(b.Append) > 0 {
		result.Positions = make([]store.Position, len(b.Append))
	}
	for i, a := range b.Append {
		if a.Mark != "" {
			if d.marks[a.Mark] > now {
				continue
			}
			d.mark(a.Mark, expiry(now, a.MarkTTL))
		}
		d.seq++
		result.Positions[i] = store.Position(d.seq)
		d.append(a.Queue, item{store.Position(d.seq), bytes.Clone(a.Value)})
	}
	for _, ref := range b.Remove {
		d.remove(ref)
	}
	for _, w := range b.Wake {
		if w.Revision == 0 || w.Revision == d.wakes[w.Key].Revision {
			w.Revision = result.Revision
			d.wake(w)
		}
	}
	if b.Tx != "" {
		d.tx(b.Tx, tx{result.Revision, expiry(now, txKept)})
	}
	return result
}

func (d *Disk) put(id store.ID, r record) {
	if _, there := d.records[id]; !there {
		if d.keys[id.Kind] == nil {
			d.keys[id.Kind] = &sorted[string]{compare: strings.Compare}
		}
		d.keys[id.Kind].add(id.Key)
	}
	d.records[id] = r
	if r.expires != 0 {
		d.ends.add(end{r.expires, 'r', id})
	}
}

func (d *Disk) delete(id store.ID) {
	if _, there := d.records[id]; there {
		delete(d.records, id)
		d.keys[id.Kind].remove(id.Key)
	}
}

func (d *Disk) mark(mark string, until int64) {
	d.marks[mark] = until
	d.ends.add(end{until, 'd', store.ID{Key: mark}})
}

func (d *Disk) tx(name string, t tx) {
	d.txs[name] = t
	d.ends.add(end{t.expires, 'x', store.ID{Key: name}})
}

func (d *Disk) append(queue string, it item) {
	if d.queues[queue] == nil {
		d.queues[queue] = &sorted[item]{compare: func(a, b item) int { return cmp.Compare(a.position, b.position) }}
	}
	d.queues[queue].add(it)
}

func (d *Disk) remove(ref store.ItemRef) {
	items := d.queues[ref.Queue]
	if items == nil {
		return
	}
	if items.remove(item{position: ref.Position}); len(items.chunks) == 0 {
		delete(d.queues, ref.Queue)
	}
}

// wake sets or clears the wake of a key.
func (d *Disk) wake(w store.Wake) {
	if old, there := d.wakes[w.Key]; there {
		d.due.remove(dueKey{old.At, w.Key})
	}
	if w.At.IsZero() {
		delete(d.wakes, w.Key)
		return
	}
	w.At = store.Instant(w.At)
	d.wakes[w.Key] = w
	d.due.add(dueKey{w.At, w.Key})
}

// forget gives back the memory of what has expired.
func (d *Disk) forget(now int64) {
	for len(d.ends.chunks) > 0 {
		e := d.ends.chunks[0][0]
		if e.at > now {
			return
		}
		d.ends.remove(e)
		switch e.what {
		case 'r':
			if d.records[e.id].expires == e.at {
				d.delete(e.id)
			}
		case 'd':
			if d.marks[e.id.Key] == e.at {
				delete(d.marks, e.id.Key)
			}
		case 'x':
			if d.txs[e.id.Key].expires == e.at {
				delete(d.txs, e.id.Key)
			}
		}
	}
}
