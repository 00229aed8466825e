package badger

import (
	"bytes"
	"sync"

	badgerdb "github.com/dgraph-io/badger/v4"

	"github.com/trama-run/trama/host/store"
)

// snapshots hands out read timestamps. Badger's own transactions wait for the
// commit that is being synced; a reader here gets the last finished one.
type snapshots struct {
	mu      sync.Mutex
	visible uint64         // guarded by mu: the last finished commit
	readers map[uint64]int // guarded by mu: how many read at each timestamp
}

func (s *snapshots) begin() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.readers == nil {
		s.readers = map[uint64]int{}
	}
	s.readers[s.visible]++
	return s.visible
}

func (s *snapshots) end(ts uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.readers[ts]--; s.readers[ts] == 0 {
		delete(s.readers, ts)
	}
}

// finish makes a commit visible and returns the timestamp below which no
// reader needs an older version.
func (s *snapshots) finish(ts uint64) (discard uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.visible = ts
	discard = ts
	for reader := range s.readers {
		discard = min(discard, reader)
	}
	return discard
}

// view is a consistent read of the engine.
type view struct {
	store *Store
	txn   *badgerdb.Txn
}

func (s *Store) view() view {
	return view{s, s.db.NewTransactionAt(s.snapshots.begin(), false)}
}

func (v view) close() {
	v.txn.Discard()
	v.store.snapshots.end(v.txn.ReadTs())
}

func (v view) get(key []byte) (value []byte, found bool, err error) { return get(v.txn, key) }

func get(txn *badgerdb.Txn, key []byte) (value []byte, found bool, err error) {
	item, err := txn.Get(key)
	if err == badgerdb.ErrKeyNotFound {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	value, err = item.ValueCopy(nil)
	return value, err == nil, err
}

// cursors remember where live entries begin, so that reading a queue or the
// wakes does not walk over all that was ever removed (the engine keeps a
// tombstone for each until it compacts). They are hints: each holds a key
// that nothing live is below.
type cursors struct {
	mu    sync.Mutex
	heads *recent[string, head] // guarded by mu: by queue

	due        []byte // guarded by mu: there is no wake below this key
	dueReaders int    // guarded by mu: those between dueFrom and dueSeen
	dueSet     []byte // guarded by mu: the lowest set since one of them began, or nil
}

type head struct {
	pos     store.Position
	removed int // items removed since pos was last stored
}

// storeHeadAfter is how many removals make a queue's head worth storing: a
// start walks at most that many tombstones again.
const storeHeadAfter = 512

func newCursors() *cursors { return &cursors{heads: newRecent[string, head](1 << 14)} }

// head returns the cursor of a queue; known is false if the stored one has to
// be looked up.
func (c *cursors) head(queue string) (pos store.Position, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h, known := c.heads.get(queue)
	return h.pos, known
}

// raise says that no item of the queue is or will be below pos.
func (c *cursors) raise(queue string, pos store.Position) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h, _ := c.heads.get(queue)
	h.pos = max(h.pos, pos)
	c.heads.put(queue, h)
}

// removed counts a removal and returns the position to store now, or 0.
func (c *cursors) removed(queue string) store.Position {
	c.mu.Lock()
	defer c.mu.Unlock()
	h, known := c.heads.get(queue)
	if !known {
		return 0 // nobody has read it for long
	}
	h.removed++
	pos := store.Position(0)
	if h.removed >= storeHeadAfter {
		h.removed, pos = 0, h.pos
	}
	c.heads.put(queue, h)
	return pos
}

// dueFrom returns where to look for wakes. The view is taken after it, and
// dueSeen is called in the end.
func (c *cursors) dueFrom() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dueReaders == 0 {
		c.dueSet = nil
	}
	c.dueReaders++
	return c.due
}

// dueSeen says that the view had no wake below key; nil if it was not read.
func (c *cursors) dueSeen(key []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dueReaders--
	if c.dueSet != nil && bytes.Compare(c.dueSet, key) < 0 {
		key = c.dueSet // the view may not have had it
	}
	if bytes.Compare(key, c.due) > 0 {
		c.due = key
	}
}

// dueAdded is called after a commit that set a wake at key can be seen, and
// before it is answered.
func (c *cursors) dueAdded(key []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dueSet == nil || bytes.Compare(key, c.dueSet) < 0 {
		c.dueSet = key
	}
	if bytes.Compare(key, c.due) < 0 {
		c.due = key
	}
}

// recent is a map that forgets: it keeps at least the size keys used last, and
// at most twice as many.
type recent[K comparable, V any] struct {
	size     int
	new, old map[K]V
}

func newRecent[K comparable, V any](size int) *recent[K, V] {
	return &recent[K, V]{size: size, new: map[K]V{}}
}

func (r *recent[K, V]) get(k K) (V, bool) {
	if v, ok := r.new[k]; ok {
		return v, true
	}
	v, ok := r.old[k]
	if ok {
		r.put(k, v)
	}
	return v, ok
}

func (r *recent[K, V]) put(k K, v V) {
	if len(r.new) >= r.size {
		if _, ok := r.new[k]; !ok {
			r.old, r.new = r.new, map[K]V{}
		}
	}
	r.new[k] = v
}

func (r *recent[K, V]) clear() { r.new, r.old = map[K]V{}, nil }
