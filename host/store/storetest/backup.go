package storetest

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/host/store/snapshot"
)

func (f *fixture) backup(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := f.Backup(ctx, &b); err != nil {
		t.Fatalf("backup: %v", err)
	}
	return b.Bytes()
}

// restored opens a store made from a backup.
func (f *fixture) restored(t *testing.T, backup []byte) *fixture {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "restored")
	if err := f.engine.Restore(dir, bytes.NewReader(backup)); err != nil {
		t.Fatalf("restore: %v", err)
	}
	r := &fixture{engine: f.engine, dir: dir, Store: f.engine.Open(t, dir)}
	t.Cleanup(func() { r.close(t) })
	return r
}

func summarize(t *testing.T, backup []byte) snapshot.Summary {
	t.Helper()
	s, err := snapshot.Summarize(bufio.NewReader(bytes.NewReader(backup)), time.Time{})
	if err != nil {
		t.Fatalf("summary: %v", err)
	}
	return s
}

// testBackup restores a store that has some of everything, and goes on there.
func testBackup(t *testing.T, f *fixture) {
	if sums := summarize(t, f.backup(t)).Sums; len(sums) != 0 {
		t.Fatalf("an empty store gave %v", sums)
	}
	at := time.Unix(1_700_000_000, 5)
	b := store.Batch{
		Tx:  "tx",
		Put: []store.Put{put("a", "1", "one"), put("a", "\xff", "two"), put("a\x01", "1", ""), {ID: id("t", "long"), TTL: time.Hour, Value: []byte("hour")}, {ID: id("t", "short"), TTL: time.Millisecond}},
		Append: []store.Append{
			{Queue: "q", Value: []byte("x"), Mark: "m", MarkTTL: time.Hour}, {Queue: "q", Value: []byte("y")}, {Queue: "pp", Value: []byte("z")},
			{Queue: "q\x00q", Value: []byte("zero"), Mark: "gone", MarkTTL: time.Millisecond},
		},
		Wake: []store.Wake{{Key: "w", At: at}, {Key: "v", At: at.Add(time.Hour)}, {Key: "old", At: time.Date(1, 1, 2, 0, 0, 0, 0, time.UTC)}},
	}
	first := f.commit(t, b)
	big := f.commit(t, store.Batch{
		Put:    []store.Put{{ID: id("a", "big"), Value: noise(1<<20, 1)}, put("d", "deleted", "v"), put("a", "1", "replaced")},
		Append: []store.Append{{Queue: "q", Value: noise(300<<10, 2)}},
		Remove: []store.ItemRef{{Queue: "q", Position: first.Positions[1]}},
	})
	last := f.commit(t, store.Batch{Delete: []store.ID{id("d", "deleted")}, Wake: []store.Wake{{Key: "v"}}})
	eventually(t, "short lives end", func() bool {
		for _, s := range summarize(t, f.backup(t)).Sums {
			if s.Section == "records" && s.Kind == "t" {
				return s.Count == 1
			}
		}
		return false
	})

	backup := f.backup(t)
	summary := summarize(t, backup)
	counts := ""
	for _, s := range summary.Sums {
		counts += fmt.Sprintf("%s %s %d %d, ", s.Section, s.Kind, s.Count, s.Bytes)
	}
	equal(t, "counts", counts, fmt.Sprintf("records a 3 %d, records a\x01 1 0, records t 1 4, items  4 %d, marks  1 0, wakes  2 0, transactions  1 0, ", 8+3+1<<20, 1+1+4+300<<10))
	equal(t, "sequence", summary.Sequence, uint64(last.Revision))

	r := f.restored(t, backup)
	for range 2 {
		again := summarize(t, r.backup(t))
		if !reflect.DeepEqual(again.Sums, summary.Sums) || again.Sequence != summary.Sequence {
			t.Fatalf("restored:\n%v\nwant\n%v", again, summary)
		}
		r.reopen(t)
	}
	equal(t, "value", string(r.load(t, id("a", "1")).Value), "replaced")
	equal(t, "revision", r.load(t, id("a", "1")).Revision, big.Revision)
	equal(t, "empty value", r.load(t, id("a\x01", "1")).Revision, first.Revision)
	if !bytes.Equal(r.load(t, id("a", "big")).Value, noise(1<<20, 1)) {
		t.Fatal("the big value differs")
	}
	items := r.read(t, "q", first.Positions[0], 9)
	if len(items) != 1 || items[0].Position != big.Positions[0] || !bytes.Equal(items[0].Value, noise(300<<10, 2)) {
		t.Fatalf("%d items after the first", len(items))
	}
	equal(t, "wakes", wakeKeys(r.due(t, at, 9)), "old w ")
	w := r.due(t, at, 9)[1]
	if !w.At.Equal(at) || w.Revision != first.Revision {
		t.Fatalf("wake %v", w)
	}
	r.commit(t, store.Batch{Wake: []store.Wake{{Key: "w", Revision: w.Revision}}})
	equal(t, "wakes", wakeKeys(r.due(t, at, 9)), "old ")
	if ok, err := r.Resolve(ctx, "tx"); !ok || err != nil {
		t.Fatalf("resolve: %v, %v", ok, err)
	}
	r.refuse(t, store.ErrConflict, store.Batch{Expect: []store.Expect{{ID: id("a", "1"), Revision: first.Revision}}})
	res := r.commit(t, store.Batch{
		Expect: []store.Expect{{ID: id("a", "1"), Revision: big.Revision}},
		Append: []store.Append{{Queue: "q", Mark: "m", MarkTTL: time.Hour}, {Queue: "q", Value: []byte("new")}},
	})
	if res.Positions[0] != 0 || res.Revision <= last.Revision || uint64(res.Positions[1]) <= summary.Sequence {
		t.Fatalf("after sequence number %d: %+v", summary.Sequence, res)
	}
	r.reopen(t)
	equal(t, "queue", len(r.read(t, "q", 0, 9)), 3)
	equal(t, "the first store", len(f.read(t, "q", 0, 9)), 2)
}

// testBackupUnderCommits moves amounts between two records while backups are
// taken: each backup has the whole amount, and as many log entries as moves.
func testBackupUnderCommits(t *testing.T, f *fixture) {
	const total, writers = 1000, 4
	amount := func(n int64) []byte {
		// One is stored apart from the commit by engines that have such a place.
		return binary.AppendVarint(make([]byte, 0, 300<<10), n)[:300<<10]
	}
	f.commit(t, store.Batch{Put: []store.Put{{ID: id("k", "a"), Value: amount(total)}, {ID: id("k", "b"), Value: amount(0)[:9]}, put("k", "filler", "f")}})
	var all sync.WaitGroup
	var moves, stop atomic.Int64
	for range writers {
		all.Go(func() {
			for stop.Load() == 0 {
				a, err := f.Load(ctx, id("k", "a"))
				if err != nil {
					t.Error(err)
					return
				}
				b, err := f.Load(ctx, id("k", "b"))
				if err != nil {
					t.Error(err)
					return
				}
				from, _ := binary.Varint(a.Value)
				to, _ := binary.Varint(b.Value)
				_, err = f.Commit(ctx, &store.Batch{
					Expect: []store.Expect{{ID: a.ID, Revision: a.Revision}, {ID: b.ID, Revision: b.Revision}},
					Put:    []store.Put{{ID: a.ID, Value: amount(from - 1)}, {ID: b.ID, Value: amount(to + 1)[:9]}},
					Append: []store.Append{{Queue: "log", Value: []byte("moved")}},
				})
				if err == nil {
					moves.Add(1)
				}
			}
		})
	}
	backups := [][]byte{}
	for len(backups) < 8 && !t.Failed() {
		out := paced{wait: func() {
			before := moves.Load()
			eventually(t, "moves go on", func() bool { return moves.Load() > before || t.Failed() })
		}}
		if err := f.Backup(ctx, &out); err != nil {
			t.Fatalf("backup: %v", err)
		}
		backups = append(backups, out.Bytes())
	}
	stop.Add(1)
	all.Wait()
	for i, backup := range backups {
		r, err := snapshot.NewReader(bufio.NewReader(bytes.NewReader(backup)))
		if err != nil {
			t.Fatal(err)
		}
		amounts, log := map[string]int64{}, int64(0)
		for e, err := r.Next(); e.Section != 0; e, err = r.Next() {
			if err != nil {
				t.Fatal(err)
			}
			if e.Section == snapshot.Records {
				amounts[e.Name], _ = binary.Varint(e.Value)
			} else if e.Section == snapshot.Items {
				log++
			}
		}
		if amounts["a"]+amounts["b"] != total || amounts["b"] != log {
			t.Fatalf("backup %d: %v with %d log entries", i, amounts, log)
		}
	}
	if moves.Load() < int64(len(backups)) {
		t.Fatalf("only %d moves", moves.Load())
	}
	r := f.restored(t, backups[len(backups)-1])
	equal(t, "log", len(r.read(t, "log", 0, 1)) > 0, true)
}

// paced is a writer that lets others go on between writes.
type paced struct {
	bytes.Buffer
	wait func()
}

func (p *paced) Write(b []byte) (int, error) {
	p.wait()
	return p.Buffer.Write(b)
}

// testBackupDamaged: what was cut or changed is refused, and leaves nothing.
func testBackupDamaged(t *testing.T, f *fixture) {
	var b store.Batch
	for i := range 100 {
		b.Put = append(b.Put, put("k", fmt.Sprint(i), "value of a record"))
		b.Append = append(b.Append, store.Append{Queue: "q", Value: []byte("item"), Mark: fmt.Sprint(i), MarkTTL: time.Hour})
	}
	f.commit(t, b)
	good := f.backup(t)
	dir := filepath.Join(t.TempDir(), "restored")
	refuse := func(what string, backup []byte) {
		t.Helper()
		if err := f.engine.Restore(dir, bytes.NewReader(backup)); err == nil {
			t.Fatalf("%s: restored", what)
		}
	}
	for i := range 12 {
		at := i * (len(good) - 1) / 11
		refuse(fmt.Sprintf("cut at %d of %d", at, len(good)), good[:at])
		bad := slices.Clone(good)
		bad[at] ^= 1 << (i % 8)
		refuse(fmt.Sprintf("changed at %d of %d", at, len(good)), bad)
	}
	if err := f.engine.Restore(dir, bytes.NewReader(good)); err != nil {
		t.Fatalf("the whole backup, after refused ones: %v", err)
	}
	r := &fixture{engine: f.engine, dir: dir, Store: f.engine.Open(t, dir)}
	defer r.close(t)
	equal(t, "records", len(r.list(t, "k", "", 999, false)), 100)
}
