package badger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trama-run/trama/host/store"
)

var (
	ctx = context.Background()
	idA = store.ID{Kind: "k", Key: "a"}
)

func openForTest(t *testing.T) *Store {
	s := openTest(t, t.TempDir())
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// commitGroup applies batches as one transaction, as the committer does with
// those that wait together. The committer itself is idle meanwhile.
func commitGroup(t *testing.T, s *Store, batches ...store.Batch) []answer {
	t.Helper()
	var group []*request
	for i := range batches {
		r, err := s.prepare(&batches[i])
		if err != nil {
			t.Fatal(err)
		}
		group = append(group, r)
	}
	before := s.snapshots.visible
	s.committer.commit(group)
	if got := s.snapshots.visible - before; got != 1 {
		t.Fatalf("%d transactions for one group", got)
	}
	var answers []answer
	for _, r := range group {
		answers = append(answers, <-r.answer)
	}
	return answers
}

func TestMergedGroup(t *testing.T) {
	s := openForTest(t)
	mark := func(value string) store.Append {
		return store.Append{Queue: "q", Value: []byte(value), Mark: "m", MarkTTL: time.Hour}
	}
	a := commitGroup(t, s,
		store.Batch{Tx: "t0", Expect: []store.Expect{{ID: idA}}, Put: []store.Put{{ID: idA, Value: []byte("0")}}, Append: []store.Append{mark("0")}},
		store.Batch{Tx: "t1", Expect: []store.Expect{{ID: idA}}, Put: []store.Put{{ID: idA, Value: []byte("1")}}, Append: []store.Append{{Queue: "q", Value: []byte("1")}}},
		store.Batch{Tx: "t2", Append: []store.Append{mark("2"), {Queue: "q", Value: []byte("2")}}, Wake: []store.Wake{{Key: "w", At: time.Unix(2, 0)}}},
		store.Batch{Tx: "t3", Wake: []store.Wake{{Key: "w", At: time.Unix(1, 0)}}},
		store.Batch{Tx: "t4", Expect: []store.Expect{{ID: idA, Revision: 1}}, Put: []store.Put{{ID: idA, Value: []byte("4")}}},
	)
	for i, lost := range []bool{false, true, false, false, false} {
		if errors.Is(a[i].err, store.ErrConflict) != lost || !lost && a[i].err != nil {
			t.Errorf("batch %d: %v", i, a[i].err)
		}
		if applied, err := s.Resolve(ctx, fmt.Sprint("t", i)); err != nil || applied == lost {
			t.Errorf("batch %d: resolve says %v, %v", i, applied, err)
		}
	}
	if p := a[2].result.Positions; p[0] != 0 || p[1] == 0 {
		t.Errorf("positions %v, want a duplicate and an item", p)
	}
	if r, err := s.Load(ctx, idA); err != nil || string(r.Value) != "4" || r.Revision != a[4].result.Revision {
		t.Errorf("record %q at %d, %v", r.Value, r.Revision, err)
	}
	items, err := s.Read(ctx, "q", 0, 9)
	if err != nil || len(items) != 2 || string(items[0].Value)+string(items[1].Value) != "02" {
		t.Errorf("items %v, %v", items, err)
	}
	wakes, err := s.Due(ctx, store.Wake{}, time.Unix(9, 0), 9)
	if err != nil || len(wakes) != 1 || wakes[0].At.Unix() != 1 || wakes[0].Revision != a[3].result.Revision {
		t.Errorf("wakes %v, %v", wakes, err)
	}
}

// TestGather: one transaction takes what fits, the next goes on with the rest.
func TestGather(t *testing.T) {
	s := openForTest(t)
	c, err := newCommitter(s, s.committer.dir)
	if err != nil {
		t.Fatal(err)
	}
	const n = 9
	var sending sync.WaitGroup
	for range n {
		sending.Go(func() { c.line <- &request{bytes: c.maxBytes/3 - 1, entries: 1} })
	}
	total := 0
	var next *request
	for total < n {
		first := next
		if first == nil {
			first = <-c.line
		}
		var group []*request
		group, next = c.gather(first)
		if len(group) < 1 || len(group) > 3 {
			t.Fatalf("group of %d, 3 fit", len(group))
		}
		total += len(group)
	}
	sending.Wait()
	if next != nil || total != n {
		t.Fatalf("%d batches came out, %v is left", total, next)
	}
}

// TestUnknown: when the engine fails under a commit, its outcome is unknown,
// and nothing is taken after it.
func TestUnknown(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir)
	put := func() error {
		_, err := s.Commit(ctx, &store.Batch{Put: []store.Put{{ID: idA, Value: []byte("v")}}})
		return err
	}
	if err := put(); err != nil {
		t.Fatal(err)
	}
	if err := s.db.Close(); err != nil {
		t.Fatal(err)
	}
	// The revision is in memory, so the failure is that of the write.
	if err := put(); !errors.Is(err, store.ErrUnknown) {
		t.Fatalf("commit on a broken engine: %v", err)
	}
	if err := put(); !errors.Is(err, store.ErrClosed) || errors.Is(err, store.ErrUnknown) || !strings.Contains(err.Error(), "open the store again") {
		t.Fatalf("commit after that: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, dir)
	defer s.Close()
	if _, err := s.Load(ctx, idA); err != nil {
		t.Fatal(err)
	}
}

// TestWithdraw: a context that ends while a batch waits in line withdraws it.
func TestWithdraw(t *testing.T) {
	s := openForTest(t)
	running := s.committer
	idle, err := newCommitter(s, running.dir)
	if err != nil {
		t.Fatal(err)
	}
	s.committer = idle // takes nothing from its line
	short, cancel := context.WithTimeout(ctx, 30*time.Millisecond)
	defer cancel()
	_, err = s.Commit(short, &store.Batch{Put: []store.Put{{ID: idA, Value: make([]byte, maxInline+1)}}})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("commit that nobody takes: %v", err)
	}
	s.committer = running
	if n := blobFiles(t, s); n != 0 {
		t.Errorf("%d blob files are left", n)
	}
	if len(s.blobs.pending) != 0 || s.guard.reserved != 0 {
		t.Errorf("%d pending blobs, %d bytes reserved", len(s.blobs.pending), s.guard.reserved)
	}
	if _, err := s.Load(ctx, idA); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("load of a withdrawn record: %v", err)
	}
}

// TestHeads: where a queue begins is known without walking over what was
// removed, in another life too.
func TestHeads(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openTest(t, dir)
	var last store.Position
	for range 12 {
		b := store.Batch{}
		for range 200 {
			b.Append = append(b.Append, store.Append{Queue: "q"})
		}
		if _, err := s.Commit(ctx, &b); err != nil {
			t.Fatal(err)
		}
		items, err := s.Read(ctx, "q", 0, 200)
		if err != nil || len(items) != 200 {
			t.Fatalf("%d items, %v", len(items), err)
		}
		b = store.Batch{}
		for _, it := range items {
			b.Remove = append(b.Remove, store.ItemRef{Queue: "q", Position: it.Position})
			last = it.Position
		}
		if _, err := s.Commit(ctx, &b); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, dir)
	defer s.Close()
	v := s.view()
	stored, err := v.number(nameKey(keyHead, "q"))
	v.close()
	if err != nil || stored+3*storeHeadAfter < last {
		t.Fatalf("stored head %d, %v; the last item removed was %d", stored, err, last)
	}
	if _, err := s.Read(ctx, "q", 0, 1); err != nil {
		t.Fatal(err)
	}
	if head, _ := s.cursors.head("q"); head <= last {
		t.Fatalf("head %d after reading an empty queue, the last item was %d", head, last)
	}
}

// TestBlobFiles: files live as long as what points to them.
func TestBlobFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openTest(t, dir)
	big := func(b byte) []byte { return bytes.Repeat([]byte{b}, maxInline+1) }
	commit := func(b store.Batch) store.Result {
		t.Helper()
		res, err := s.Commit(ctx, &b)
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	files := func(want int) {
		t.Helper()
		if got := blobFiles(t, s); got != want {
			t.Fatalf("%d blob files, want %d", got, want)
		}
	}
	rev := commit(store.Batch{Put: []store.Put{{ID: idA, Value: big('a')}}}).Revision
	files(1)
	commit(store.Batch{Put: []store.Put{{ID: idA, Value: big('b')}}})
	files(1)
	if _, err := s.Commit(ctx, &store.Batch{Expect: []store.Expect{{ID: idA, Revision: rev}}, Put: []store.Put{{ID: idA, Value: big('c')}}}); !errors.Is(err, store.ErrConflict) {
		t.Fatal(err)
	}
	files(1)
	mark := store.Append{Queue: "q", Value: big('d'), Mark: "m", MarkTTL: time.Hour}
	pos := commit(store.Batch{Append: []store.Append{mark}}).Positions[0]
	commit(store.Batch{Append: []store.Append{mark}})
	files(2)
	commit(store.Batch{Put: []store.Put{{ID: store.ID{Kind: "k", Key: "ttl"}, Value: big('e'), TTL: 50 * time.Millisecond}}})
	files(3)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	// A crash before the commit leaves a file; a file of others is theirs.
	orphan, other := filepath.Join(s.blobs.dir, strings.Repeat("ab", 16)), filepath.Join(s.blobs.dir, "README")
	for _, path := range []string{orphan, other} {
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s = openTest(t, dir)
	defer s.Close()
	if _, err := os.Stat(orphan); err == nil {
		t.Fatal("the orphan is still there")
	}
	if err := os.Remove(other); err != nil {
		t.Fatal(err)
	}
	if r, err := s.Load(ctx, idA); err != nil || !bytes.Equal(r.Value, big('b')) {
		t.Fatalf("load: %d bytes, %v", len(r.Value), err)
	}
	for end := time.Now().Add(time.Minute); blobFiles(t, s) != 2; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d files: the blob of a record with a TTL stays", blobFiles(t, s))
		}
		if _, err := s.blobs.sweep(s.blobInUse); err != nil {
			t.Fatal(err)
		}
	}
	// A file that is being written is not swept.
	ref, err := s.blobs.write(big('f'))
	if err != nil {
		t.Fatal(err)
	}
	if n, err := s.blobs.sweep(s.blobInUse); n != 0 || err != nil {
		t.Fatalf("swept %d, %v", n, err)
	}
	if err := s.drop([]blobName{ref.name}); err != nil {
		t.Fatal(err)
	}
	commit(store.Batch{Remove: []store.ItemRef{{Queue: "q", Position: pos}}})
	files(1)
	commit(store.Batch{Delete: []store.ID{idA}})
	files(0)
}

func TestBlobDamaged(t *testing.T) {
	s := openForTest(t)
	value := bytes.Repeat([]byte("v"), maxInline+1)
	if _, err := s.Commit(ctx, &store.Batch{Put: []store.Put{{ID: idA, Value: value}}, Append: []store.Append{{Queue: "q", Value: value}}}); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(s.blobs.dir, "*"))
	if err != nil || len(files) != 2 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, path := range files {
		value[1000] ^= 1
		if err := os.WriteFile(path, value, 0o600); err != nil {
			t.Fatal(err)
		}
		value[1000] ^= 1
	}
	wantErr := func(what string, err error, text string) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), s.blobs.dir) || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err = s.Load(ctx, idA)
	wantErr("load of a damaged blob", err, "checksum")
	_, err = s.Read(ctx, "q", 0, 1)
	wantErr("read of a damaged blob", err, "checksum")
	_, err = s.List(ctx, "k", "", 1, false)
	wantErr("list of a damaged blob", err, "checksum")
	for _, path := range files {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	_, err = s.Load(ctx, idA)
	wantErr("load of a missing blob", err, "no such file")
	_, err = s.Read(ctx, "q", 0, 1)
	wantErr("read of a missing blob", err, "no such file")
	_, err = s.List(ctx, "k", "", 1, false)
	wantErr("list of a missing blob", err, "no such file")
}

// TestBlobReplacedWhileRead: readers never meet the gap between an entry and
// the file that a commit has just dropped.
func TestBlobReplacedWhileRead(t *testing.T) {
	t.Parallel()
	s := openForTest(t)
	set := func(n byte, old store.Position) store.Position {
		v := bytes.Repeat([]byte{n}, maxInline+1)
		b := store.Batch{Put: []store.Put{{ID: idA, Value: v}}, Append: []store.Append{{Queue: "q", Value: v}}}
		if old != 0 {
			b.Remove = []store.ItemRef{{Queue: "q", Position: old}}
		}
		res, err := s.Commit(ctx, &b)
		if err != nil {
			t.Error(err)
			return 0
		}
		return res.Positions[0]
	}
	pos := set(0, 0)
	done := make(chan struct{})
	var readers sync.WaitGroup
	for _, read := range []func() error{
		func() error { _, err := s.Load(ctx, idA); return err },
		func() error { _, err := s.List(ctx, "k", "", 9, false); return err },
		func() error {
			items, err := s.Read(ctx, "q", 0, 9)
			if err == nil && len(items) != 1 {
				err = fmt.Errorf("%d items", len(items))
			}
			return err
		},
	} {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if err := read(); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for n := range 60 {
		pos = set(byte(n), pos)
	}
	close(done)
	readers.Wait()
}

func TestRecent(t *testing.T) {
	r := newRecent[int, int](10)
	for i := range 1000 {
		r.put(i, i)
		if v, ok := r.get(7); i >= 7 && (!ok || v != 7) {
			t.Fatalf("a key in use was forgotten at %d", i)
		}
		for k := max(0, i-8); k <= i; k++ {
			if v, ok := r.get(k); !ok || v != k {
				t.Fatalf("key %d was forgotten at %d", k, i)
			}
		}
		if n := len(r.new) + len(r.old); n > 20 {
			t.Fatalf("%d keys", n)
		}
	}
	r.clear()
	if _, ok := r.get(999); ok {
		t.Fatal("not cleared")
	}
}

// TestDamagedEntry: a batch that meets an entry which can't be read is not
// applied, nor is any that was merged with it, and nothing of them is
// remembered.
func TestDamagedEntry(t *testing.T) {
	s := openForTest(t)
	damaged := store.ID{Kind: "k", Key: "damaged"}
	txn := s.db.NewTransactionAt(s.snapshots.visible, true)
	if err := txn.Set(recordKey(damaged), []byte("short")); err != nil {
		t.Fatal(err)
	}
	if err := s.committer.write(txn, s.snapshots.visible+1); err != nil {
		t.Fatal(err)
	}
	s.snapshots.finish(s.snapshots.visible + 1)

	var group []*request
	for _, b := range []store.Batch{{Put: []store.Put{{ID: idA}}}, {Expect: []store.Expect{{ID: damaged}}}} {
		r, err := s.prepare(&b)
		if err != nil {
			t.Fatal(err)
		}
		group = append(group, r)
	}
	s.committer.commit(group)
	for i, r := range group {
		if a := <-r.answer; !errors.Is(a.err, errCorrupt) {
			t.Errorf("batch %d: %v", i, a.err)
		}
	}
	if _, err := s.Load(ctx, idA); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the other batch: %v", err)
	}
	if _, err := s.Commit(ctx, &store.Batch{Expect: []store.Expect{{ID: idA}}, Put: []store.Put{{ID: idA}}}); err != nil {
		t.Errorf("the next batch: %v", err)
	}
}

// TestDueCursor: a reader does not move the cursor over a wake that was set
// after it looked.
func TestDueCursor(t *testing.T) {
	c := newCursors()
	at := func(n uint64) []byte { return dueKey(n, "k") }
	want := func(n uint64) {
		t.Helper()
		if !bytes.Equal(c.due, at(n)) {
			t.Fatalf("cursor at %x, want %x", c.due, at(n))
		}
	}
	read := func(lowest uint64, meanwhile ...uint64) {
		c.dueFrom()
		for _, n := range meanwhile {
			c.dueAdded(at(n))
		}
		c.dueSeen(at(lowest))
	}
	read(3)
	want(3)
	read(9, 12, 7)
	want(7)
	read(5)
	want(7)
	read(9, 2) // below the cursor
	want(2)
	read(9)
	want(9)
	c.dueAdded(at(4))
	want(4)
	// Two readers: the second began after a wake that the first has not seen.
	c.dueFrom()
	c.dueAdded(at(5))
	c.dueFrom()
	c.dueSeen(at(8))
	c.dueSeen(at(8))
	want(5)
	c.dueFrom()
	c.dueSeen(nil) // failed
	want(5)
}

func blobFiles(t *testing.T, s *Store) int {
	t.Helper()
	names, err := os.ReadDir(s.blobs.dir)
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}
