package badger

import (
	"fmt"
	"os"
	"runtime"
	"time"

	badgerdb "github.com/dgraph-io/badger/v4"

	"github.com/trama-run/trama/host/store"
)

const (
	txKept      = 24 * time.Hour // how long Resolve knows a transaction; an hour is promised
	maxMerged   = 1024           // batches in one transaction
	cachedHeads = 1 << 14        // records whose revision the committer remembers, at least
)

// committer applies batches, many in one synced transaction. All fields belong
// to its goroutine, but line.
type committer struct {
	store      *Store
	line       chan *request // not buffered: a batch in it can still be withdrawn
	dir        string
	dirTime    time.Time
	maxBytes   int64 // of one transaction, as all below
	maxEntries int64

	seq     uint64 // the last revision or position given
	records *recent[string, recordState]
	failed  error // no commits any more
}

func newCommitter(s *Store, dir string) (*committer, error) {
	v := s.view()
	defer v.close()
	seq, err := v.number(seqKey())
	if err != nil {
		return nil, fmt.Errorf("sequence number: %w", err)
	}
	return &committer{
		store: s, line: make(chan *request), dir: dir, seq: uint64(seq),
		maxBytes: s.db.MaxBatchSize() * 9 / 10, maxEntries: s.db.MaxBatchCount() * 9 / 10,
		records: newRecent[string, recordState](cachedHeads),
	}, nil
}

// run takes what waits until the store stops. A batch that does not fit any
// more begins the next transaction.
func (c *committer) run() {
	var next *request
	for {
		first := next
		next = nil
		if first == nil {
			select {
			case first = <-c.line:
			case <-c.store.stop:
				return
			}
		}
		var group []*request
		group, next = c.gather(first)
		c.commit(group)
	}
}

// gather takes the batches that wait now; it never waits for one. Before it
// ends it lets others run once: those who were just answered are about to send
// their next batch (measured: 82 instead of 57 batches in a transaction of 128
// writers, 10% more in all).
func (c *committer) gather(first *request) (group []*request, next *request) {
	group = append(group, first)
	bytes, entries := first.bytes, first.entries
	yielded := false
	for len(group) < maxMerged {
		select {
		case r := <-c.line:
			bytes, entries = bytes+r.bytes, entries+r.entries
			if bytes > c.maxBytes || entries > c.maxEntries {
				return group, r
			}
			group = append(group, r)
		default:
			if yielded {
				return group, nil
			}
			yielded = true
			runtime.Gosched()
		}
	}
	return group, nil
}

// change is one transaction being made.
type change struct {
	*committer
	txn    *badgerdb.Txn
	now    uint64
	wakes  map[string]*wakeChange // by key
	order  []*wakeChange          // the same, in the order in which they came first
	lowest []byte                 // key of the earliest wake set
	err    error                  // the first failed read or write; nothing is applied then
}

// wakeChange is what a transaction makes of the wake of a key; an entry without
// a revision is none. Many of its batches may set the same one, and only what the
// last of them leaves is written.
type wakeChange struct {
	key     string
	was, is wakeEntry
}

// commit applies a group of batches and answers each.
func (c *committer) commit(group []*request) {
	answers := make([]answer, len(group))
	defer func() {
		for i, r := range group {
			r.answer <- answers[i]
		}
	}()
	fail := func(err error) {
		for i := range answers {
			answers[i] = answer{err: err}
		}
	}
	if c.failed != nil {
		fail(fmt.Errorf("%w: an earlier commit failed (%w): open the store again", store.ErrClosed, c.failed))
		return
	}

	visible := c.store.snapshots.begin()
	defer c.store.snapshots.end(visible)
	before := c.seq
	w := &change{committer: c, txn: c.store.db.NewTransactionAt(visible, true), now: nowMillis()}
	defer w.txn.Discard()
	for i, r := range group {
		answers[i] = w.apply(r)
	}
	w.setWakes()
	if c.seq == before && w.err == nil {
		return // all lost
	}
	w.set(seqKey(), number(c.seq), 0)
	if w.err != nil { // nothing was written: forget what was decided
		c.seq = before
		c.records.clear()
		fail(fmt.Errorf("store: commit: %w", w.err))
		return
	}
	err := c.write(w.txn, visible+1)
	if err == nil {
		err = c.store.count.set(visible + 1)
	}
	if err != nil {
		c.failed = err
		c.store.log.Error("store: a commit failed, its outcome is not known: no more commits are taken until the store is opened again", "error", err)
		fail(fmt.Errorf("%w: %w", store.ErrUnknown, err))
		return
	}
	c.store.db.SetDiscardTs(c.store.snapshots.finish(visible + 1))
	if w.lowest != nil {
		c.store.cursors.dueAdded(w.lowest)
	}
}

// write commits a transaction and makes sure that it is on disk.
func (c *committer) write(txn *badgerdb.Txn, ts uint64) error {
	if err := txn.CommitAt(ts, nil); err != nil {
		return err
	}
	// The engine syncs its log, but not the directory in which it made it.
	info, err := os.Stat(c.dir)
	if err != nil {
		return err
	}
	if info.ModTime().Equal(c.dirTime) {
		return nil
	}
	if err := syncDir(c.dir); err != nil {
		return err
	}
	// The clock of file times ticks in milliseconds and can hide a change
	// right after this one, so a fresh time is not remembered.
	if time.Since(info.ModTime()) > 20*time.Millisecond {
		c.dirTime = info.ModTime()
	}
	return nil
}

// apply checks one batch and puts it into the transaction. A batch that loses
// leaves nothing there.
func (w *change) apply(r *request) (a answer) {
	for _, e := range r.batch.Expect {
		if found := w.record(recordKey(e.ID)).revision; found != e.Revision {
			return answer{err: fmt.Errorf("%w: %s %q is at revision %d, expected %d", store.ErrConflict, e.ID.Kind, e.ID.Key, found, e.Revision)}
		}
	}
	w.seq++
	rev := store.Revision(w.seq)
	a.result.Revision = rev
	for i, p := range r.batch.Put {
		a.drop(w.put(p, rev, r.puts[i]))
	}
	for _, id := range r.batch.Delete {
		key := recordKey(id)
		a.drop(w.forget(key))
		w.delete(key)
		w.records.put(string(key), recordState{})
	}
	if len(r.batch.Append) > 0 {
		a.result.Positions = make([]store.Position, len(r.batch.Append))
	}
	for i, ap := range r.batch.Append {
		pos := w.append(ap, r.items[i], r.itemRef[i])
		if a.result.Positions[i] = pos; pos == 0 {
			a.drop(r.itemRef[i])
		}
	}
	for _, ref := range r.batch.Remove {
		a.drop(w.remove(ref))
	}
	for _, wake := range r.batch.Wake {
		w.wake(wake, rev)
	}
	if r.batch.Tx != "" {
		w.set(nameKey(keyTx, r.batch.Tx), number(uint64(rev)), expiry(w.now, txKept))
	}
	return a
}

func (a *answer) drop(name blobName) {
	if name != (blobName{}) {
		a.garbage = append(a.garbage, name)
	}
}

// put writes a record and returns the blob that it replaces.
func (w *change) put(p store.Put, rev store.Revision, entry []byte) (old blobName) {
	key := recordKey(p.ID)
	old = w.forget(key)
	st := recordState{revision: rev, expiry: expiry(w.now, p.TTL)}
	_, ref, err := parseBody(entry[recordHeader:])
	w.note(err)
	st.blob = ref.name
	setRecordHeader(entry, rev, st.expiry)
	w.set(key, entry, st.expiry)
	if st.blob != (blobName{}) {
		w.set(blobKey(st.blob), nil, st.expiry)
	}
	w.records.put(string(key), st)
	return old
}

// forget drops the blob of the record at a key, if it has one.
func (w *change) forget(key []byte) (old blobName) {
	if old = w.record(key).blob; old != (blobName{}) {
		w.delete(blobKey(old))
	}
	return old
}

// append adds an item, unless its mark is there.
func (w *change) append(a store.Append, body []byte, blob blobName) store.Position {
	if a.Mark != "" {
		key := nameKey(keyMark, a.Mark)
		if until := w.number(key); until > w.now {
			return 0
		}
		end := expiry(w.now, a.MarkTTL)
		w.set(key, number(end), end)
	}
	w.seq++
	pos := store.Position(w.seq)
	w.set(itemKey(a.Queue, pos), body, 0)
	if blob != (blobName{}) {
		w.set(blobKey(blob), nil, 0)
	}
	return pos
}

// remove deletes an item and returns its blob.
func (w *change) remove(ref store.ItemRef) (old blobName) {
	key := itemKey(ref.Queue, ref.Position)
	raw, found := w.get(key)
	if !found {
		return blobName{}
	}
	_, blob, err := parseBody(raw)
	w.note(err)
	w.delete(key)
	if blob.name != (blobName{}) {
		w.delete(blobKey(blob.name))
	}
	if pos := w.store.cursors.removed(ref.Queue); pos != 0 {
		w.set(nameKey(keyHead, ref.Queue), number(uint64(pos)), 0)
	}
	return blob.name
}

// wake sets or clears the wake of a key.
func (w *change) wake(wake store.Wake, rev store.Revision) {
	of := w.wakes[wake.Key]
	if of == nil {
		of = &wakeChange{key: wake.Key}
		if raw, found := w.get(nameKey(keyWake, wake.Key)); found {
			var err error
			of.was, err = parseWake(raw)
			w.note(err)
		}
		of.is = of.was
		if w.wakes == nil {
			w.wakes = map[string]*wakeChange{}
		}
		w.wakes[wake.Key] = of
		w.order = append(w.order, of)
	}
	switch {
	case wake.Revision != 0 && wake.Revision != of.is.revision:
	case wake.At.IsZero():
		of.is = wakeEntry{}
	default:
		of.is = wakeEntry{at: instant(wake.At), revision: rev}
	}
}

// setWakes writes what has become of wakes, each under both of its entries.
func (w *change) setWakes() {
	for _, of := range w.order {
		if of.is == of.was {
			continue
		}
		if of.was.revision != 0 && (of.is.revision == 0 || of.is.at != of.was.at) {
			w.delete(dueKey(of.was.at, of.key))
		}
		key := nameKey(keyWake, of.key)
		if of.is.revision == 0 {
			w.delete(key)
			continue
		}
		w.set(key, of.is.bytes(), 0)
		due := dueKey(of.is.at, of.key)
		w.set(due, number(uint64(of.is.revision)), 0)
		if w.lowest == nil || string(due) < string(w.lowest) {
			w.lowest = due
		}
	}
}

// record returns the state of the record at a key, from memory if it is there.
func (w *change) record(key []byte) recordState {
	st, known := w.records.get(string(key))
	if !known {
		if raw, found := w.get(key); found {
			var err error
			st, _, _, err = parseRecord(raw)
			w.note(err)
		}
		w.records.put(string(key), st)
	}
	return st.at(w.now)
}

// get reads an entry as the batches before in this transaction left it.
func (w *change) get(key []byte) (value []byte, found bool) {
	value, found, err := get(w.txn, key)
	w.note(err)
	return value, found
}

func (w *change) number(key []byte) uint64 {
	raw, found := w.get(key)
	if !found {
		return 0
	}
	n, err := parseNumber(raw)
	w.note(err)
	return n
}

func (w *change) set(key, value []byte, expiry uint64) {
	w.note(w.txn.SetEntry(newEntry(key, value, expiry)))
}

// expiryGrace is how many seconds the engine keeps an entry at least after its
// expiry. The engine knows whole seconds only: who reads an entry judges the
// exact time.
const expiryGrace = 2

func newEntry(key, value []byte, expiry uint64) *badgerdb.Entry {
	e := badgerdb.NewEntry(key, value)
	if expiry != 0 {
		e.ExpiresAt = expiry/1000 + expiryGrace
	}
	return e
}

func (w *change) delete(key []byte) { w.note(w.txn.Delete(key)) }

func (w *change) note(err error) {
	if w.err == nil {
		w.err = err
	}
}
