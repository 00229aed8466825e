// Package storetest is the conformance suite of the store interface: what
// every engine must do, as tests that any engine's package can run. It must
// not know an engine.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/trama-run/trama/host/store"
)

// Engine is what the suite tests.
type Engine struct {
	// Open opens the store of a directory, which is empty at first. The suite
	// closes it, and runs its tests in parallel. Opening a directory again
	// after Close gives the same store.
	Open func(t *testing.T, dir string) store.Store
	// Restore makes the store of an empty directory from a backup.
	Restore func(dir string, r io.Reader) error
}

// Run runs the suite.
func Run(t *testing.T, engine Engine) {
	for _, c := range []struct {
		name string
		test func(*testing.T, *fixture)
	}{
		{"atomic", testAtomic},
		{"preconditions", testPreconditions},
		{"counter under concurrency", testCounter},
		{"record lifecycle", testRecord},
		{"record ttl", testRecordTTL},
		{"values are the caller's", testOwnership},
		{"list", testList},
		{"queue order", testQueue},
		{"queue order under concurrency", testQueueConcurrent},
		{"queue after many removals", testQueueRemovals},
		{"dedup marks", testMarks},
		{"dedup marks under concurrency", testMarksConcurrent},
		{"wakes", testWakes},
		{"wakes seen", testWakesSeen},
		{"big values", testBig},
		{"limits", testLimits},
		{"resolve", testResolve},
		{"sequence over reopen", testSequence},
		{"contexts", testContexts},
		{"closed", testClosed},
		{"backup", testBackup},
		{"backup under commits", testBackupUnderCommits},
		{"backup damaged", testBackupDamaged},
		{"model", testModel},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(t, newFixture(t, engine))
		})
	}
}

// fixture is an open store and the short forms that the tests use.
type fixture struct {
	store.Store
	engine Engine
	dir    string
}

var ctx = context.Background()

func newFixture(t *testing.T, engine Engine) *fixture {
	f := &fixture{engine: engine, dir: t.TempDir()}
	f.Store = engine.Open(t, f.dir)
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return f
}

// reopen closes the store and opens it again.
func (f *fixture) reopen(t *testing.T) {
	t.Helper()
	if err := f.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	f.Store = f.engine.Open(t, f.dir)
}

func (f *fixture) commit(t *testing.T, b store.Batch) store.Result {
	t.Helper()
	res, err := f.Commit(ctx, &b)
	if err != nil {
		t.Fatalf("commit: %v", err)
	}
	if res.Revision == 0 {
		t.Fatal("commit gave revision 0")
	}
	return res
}

func (f *fixture) refuse(t *testing.T, want error, b store.Batch) {
	t.Helper()
	if _, err := f.Commit(ctx, &b); !errors.Is(err, want) {
		t.Fatalf("commit gave %v, want %v", err, want)
	}
}

func (f *fixture) load(t *testing.T, id store.ID) store.Record {
	t.Helper()
	r, err := f.Load(ctx, id)
	if err != nil {
		t.Fatalf("load %v: %v", id, err)
	}
	return r
}

func (f *fixture) absent(t *testing.T, id store.ID) {
	t.Helper()
	if r, err := f.Load(ctx, id); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("load %v gave revision %d and %v, want not found", id, r.Revision, err)
	}
}

func (f *fixture) read(t *testing.T, queue string, after store.Position, max int) []store.Item {
	t.Helper()
	items, err := f.Read(ctx, queue, after, max)
	if err != nil {
		t.Fatalf("read %q: %v", queue, err)
	}
	return items
}

func (f *fixture) due(t *testing.T, until time.Time, max int) []store.Wake {
	t.Helper()
	wakes, err := f.Due(ctx, store.Wake{}, until, max)
	if err != nil {
		t.Fatalf("due: %v", err)
	}
	return wakes
}

func (f *fixture) list(t *testing.T, kind store.Kind, after string, max int, reverse bool) []store.Record {
	t.Helper()
	recs, err := f.List(ctx, kind, after, max, reverse)
	if err != nil {
		t.Fatalf("list %s: %v", kind, err)
	}
	return recs
}

// eventually waits for what an engine may do some time after it is allowed to.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("not within 10 s: %s", what)
}

func id(kind, key string) store.ID { return store.ID{Kind: store.Kind(kind), Key: key} }

func put(kind, key, value string) store.Put {
	return store.Put{ID: id(kind, key), Value: []byte(value)}
}

func texts(items []store.Item) string {
	s := ""
	for _, it := range items {
		s += string(it.Value) + " "
	}
	return s
}

func keys(recs []store.Record) string {
	s := ""
	for _, r := range recs {
		s += fmt.Sprintf("%s=%s ", r.ID.Key, r.Value)
	}
	return s
}

func wakeKeys(wakes []store.Wake) string {
	s := ""
	for _, w := range wakes {
		s += w.Key + " "
	}
	return s
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

// noise returns bytes that do not compress.
func noise(n int, seed uint64) []byte {
	b := make([]byte, n)
	src := rand.NewPCG(seed, 1)
	for i := range b {
		b[i] = byte(src.Uint64())
	}
	return b
}
