//go:build linux

package badger

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trama-run/trama/host/store"
)

func TestMain(m *testing.M) {
	var err error
	switch job, dir := os.Getenv("STORE_JOB"), os.Getenv("STORE_DIR"); job {
	case "":
		os.Exit(m.Run())
	case "fill":
		err = fillChild(dir)
	case "synced":
		err = syncedChild(dir)
	case "unsynced":
		err = unsyncedChild(dir)
	case "failed sync":
		err = failedSyncChild(dir)
	case "damage":
		err = damageChild()
	case "crash":
		err = crashChild(dir, os.Getenv("STORE_ROUND"))
	default:
		err = fmt.Errorf("unknown job %q", job)
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

const crashWriters = 6

// crashBatch is what one transaction of the crash test does: it touches every
// kind of entry, and sometimes the value is a blob.
func crashBatch(tx string, n int) *store.Batch {
	return &store.Batch{
		Tx:     tx,
		Expect: []store.Expect{{ID: store.ID{Kind: "tx", Key: tx}}},
		Put: []store.Put{
			{ID: store.ID{Kind: "tx", Key: tx}, Value: crashValue(tx, n)},
			{ID: store.ID{Kind: "last", Key: fmt.Sprint(n % 3)}, Value: crashValue(tx, n)}, // replaces blobs
		},
		Append: []store.Append{
			{Queue: "q", Value: []byte(tx), Mark: tx, MarkTTL: time.Hour},
			{Queue: "q", Value: []byte("twice"), Mark: tx, MarkTTL: time.Hour},
		},
		Wake: []store.Wake{{Key: tx, At: time.Unix(int64(n), 0)}},
	}
}

func crashValue(tx string, n int) []byte {
	size := 100
	if n%9 == 0 {
		size = maxInline + 100
	}
	return []byte(strings.Repeat(tx+".", size/len(tx)+1))
}

// crashChild commits for ever and prints the id of each transaction once it
// has been acknowledged.
func crashChild(dir, round string) error {
	s, err := Open(Config{Dir: dir, MemTable: minMemTable, LowSpace: 64 << 20, CriticalSpace: 48 << 20})
	if err != nil {
		return err
	}
	failed := make(chan error)
	for w := range crashWriters {
		go func() {
			for n := 0; ; n++ {
				tx := fmt.Sprintf("r%s-w%d-n%d", round, w, n)
				if _, err := s.Commit(context.Background(), crashBatch(tx, n)); err != nil {
					failed <- err
				}
				fmt.Fprintln(os.Stdout, tx)
			}
		}()
	}
	return <-failed
}

// TestCrash kills a process that commits, many times, and looks after each:
// what was acknowledged is there, and everything is whole.
func TestCrash(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	acked := map[string]bool{}
	total := 0
	const rounds = 12
	for round := range rounds {
		for _, tx := range crashRound(t, dir, round) {
			acked[tx] = true
		}
		s := openTest(t, dir)
		total = verifyCrash(t, s, acked)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if len(acked) < 5*rounds {
		t.Fatalf("only %d transactions in %d rounds", len(acked), rounds)
	}
	t.Logf("%d kills, %d transactions acknowledged, %d found", rounds, len(acked), total)
}

// crashRound runs a child, kills it at a random moment and returns what it
// acknowledged.
func crashRound(t *testing.T, dir string, round int) (acked []string) {
	cmd := child(t, "crash", dir)
	cmd.Env = append(cmd.Env, fmt.Sprint("STORE_ROUND=", round))
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var reading sync.WaitGroup
	first := make(chan struct{})
	reading.Go(func() {
		lines := bufio.NewReader(out)
		for {
			line, err := lines.ReadString('\n')
			if err == io.EOF {
				break // a line that was cut is not an acknowledgement
			}
			if err != nil {
				t.Error(err)
				break
			}
			if acked = append(acked, strings.TrimSuffix(line, "\n")); len(acked) == 1 {
				close(first)
			}
		}
	})
	select {
	case <-first:
		time.Sleep(time.Duration(rand.IntN(150)) * time.Millisecond)
	case <-time.After(20 * time.Second):
		t.Errorf("the child acknowledged nothing: %s", stderr.String())
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatalf("kill: %v: %s", err, stderr.String())
	}
	reading.Wait()
	cmd.Wait() // reports the kill
	if t.Failed() {
		t.FailNow()
	}
	return acked
}

// verifyCrash checks the store after a crash and returns how many
// transactions it holds.
func verifyCrash(t *testing.T, s *Store, acked map[string]bool) int {
	t.Helper()
	ctx := context.Background()
	records, err := s.List(ctx, "tx", "", 1e6, false)
	if err != nil {
		t.Fatal(err)
	}
	items, err := s.Read(ctx, "q", 0, 1e6)
	if err != nil {
		t.Fatal(err)
	}
	wakes, err := s.Due(ctx, store.Wake{}, time.Unix(1e6, 0), 1e6)
	if err != nil {
		t.Fatal(err)
	}
	parts := map[string]int{} // of each transaction, how much there is
	for _, r := range records {
		var round, w, n int
		if _, err := fmt.Sscanf(r.ID.Key, "r%d-w%d-n%d", &round, &w, &n); err != nil {
			t.Fatal(err)
		}
		if string(r.Value) != string(crashValue(r.ID.Key, n)) {
			t.Fatalf("record %q has another value", r.ID.Key)
		}
		applied, err := s.Resolve(ctx, r.ID.Key)
		if err != nil || !applied {
			t.Fatalf("record %q is there, but resolve says %v, %v", r.ID.Key, applied, err)
		}
		parts[r.ID.Key]++
	}
	for _, it := range items {
		parts[string(it.Value)]++
	}
	for _, w := range wakes {
		parts[w.Key]++
	}
	for tx, n := range parts {
		if n != 3 {
			t.Fatalf("transaction %q is half applied: %d of 3 parts", tx, n)
		}
	}
	for tx := range acked {
		if parts[tx] == 0 {
			t.Fatalf("transaction %q was acknowledged and is lost", tx)
		}
	}
	last, err := s.List(ctx, "last", "", 9, false)
	if err != nil || len(last) == 0 {
		t.Fatalf("%d replaced records, %v", len(last), err)
	}
	blobs := 0
	for _, r := range append(records, last...) {
		if len(r.Value) > maxInline {
			blobs++
		}
	}
	if files := blobFiles(t, s); files != blobs {
		t.Fatalf("%d blob files for %d blobs", files, blobs)
	}
	return len(records)
}
