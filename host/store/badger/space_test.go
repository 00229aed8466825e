//go:build linux

package badger

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/trama-run/trama/host/store"
)

// TestFullVolume fills a real small volume. Without the guard the process
// would end with SIGBUS: TestFullVolumeWithoutGuard shows that it does.
func TestFullVolume(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	mount(t, "tmpfs", dir, "tmpfs", 0, "size=72m")
	const low, critical = 48 << 20, 32 << 20
	open := func() *Store {
		s, err := Open(Config{Dir: dir, MemTable: minMemTable, LowSpace: low, CriticalSpace: critical})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := open()
	lowest := uint64(1 << 40)
	// Compaction frees space now and then: full is what stays full.
	fill := func(queue string, intake bool) (n int) {
		for refused := 0; refused < 6; {
			_, err := s.Commit(context.Background(), &store.Batch{Intake: intake, Append: []store.Append{{Queue: queue, Value: incompressible(60 << 10)}}})
			free, statErr := freeSpace(dir)
			if statErr != nil {
				t.Fatal(statErr)
			}
			lowest = min(lowest, free)
			switch {
			case errors.Is(err, store.ErrNoSpace):
				for _, text := range []string{dir, "MiB free", "free some space"} {
					if !strings.Contains(err.Error(), text) {
						t.Errorf("error %q does not say %q", err, text)
					}
				}
				refused++
				time.Sleep(spaceAge)
			case err != nil:
				t.Fatal(err)
			default:
				refused = 0
				n++
			}
		}
		return n
	}
	intake := fill("in", true)
	if intake < 100 {
		t.Fatalf("only %d batches were taken", intake)
	}
	if err := s.Space(); !errors.Is(err, store.ErrNoSpace) {
		t.Fatalf("space: %v", err)
	}
	big := store.Batch{Intake: true, Put: []store.Put{{ID: store.ID{Kind: "k", Key: "big"}, Value: incompressible(4 << 20)}}}
	if _, err := s.Commit(context.Background(), &big); !errors.Is(err, store.ErrNoSpace) {
		t.Fatalf("big intake: %v", err)
	}
	// Work in progress goes on, and is refused in its turn before the end.
	progress := fill("work", false)
	if progress < 20 {
		t.Fatalf("only %d batches of work in progress were taken", progress)
	}
	if _, err := s.Load(context.Background(), store.ID{Kind: "k", Key: "none"}); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("load on a full volume: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	s = open()
	defer s.Close()
	t.Logf("%d batches of intake, %d of work; least free space %s of marks %s and %s", intake, progress, mib(lowest), mib(low), mib(critical))
	for queue, want := range map[string]int{"in": intake, "work": progress} {
		items, err := s.Read(context.Background(), queue, 0, want+1)
		if err != nil || len(items) != want {
			t.Fatalf("queue %q after reopening: %d items, %v; want %d", queue, len(items), err, want)
		}
	}
	if free, err := freeSpace(dir); err != nil || free < 16<<20 {
		t.Fatalf("%d bytes free at the end, %v: the marks did not hold", free, err)
	}
}

// TestDrainOnLowVolume: below the low mark, work that removes still commits,
// and gives the space back.
func TestDrainOnLowVolume(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	mount(t, "tmpfs", dir, "tmpfs", 0, "size=160m")
	s, err := Open(Config{Dir: dir, MemTable: minMemTable, LowSpace: 100 << 20, CriticalSpace: 40 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	n := 0
	for ; ; n++ {
		_, err := s.Commit(context.Background(), &store.Batch{Intake: true, Append: []store.Append{{Queue: "q", Value: incompressible(1 << 20)}}})
		if errors.Is(err, store.ErrNoSpace) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for {
		items, err := s.Read(context.Background(), "q", 0, 4)
		if err != nil {
			t.Fatal(err)
		}
		if len(items) == 0 {
			break
		}
		b := store.Batch{Put: []store.Put{{ID: store.ID{Kind: "done", Key: fmt.Sprint(items[0].Position)}, Value: []byte("1")}}}
		for _, it := range items {
			b.Remove = append(b.Remove, store.ItemRef{Queue: "q", Position: it.Position})
			n--
		}
		if _, err := s.Commit(context.Background(), &b); err != nil {
			t.Fatal(err)
		}
	}
	if n != 0 {
		t.Fatalf("%d items are missing", n)
	}
	time.Sleep(2 * spaceAge)
	if _, err := s.Commit(context.Background(), &store.Batch{Intake: true, Append: []store.Append{{Queue: "q", Value: []byte("new")}}}); err != nil {
		t.Fatalf("intake after the drain: %v", err)
	}
}

// TestFullVolumeWithoutGuard proves the test above: with marks of one byte
// the process dies.
func TestFullVolumeWithoutGuard(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	mount(t, "tmpfs", dir, "tmpfs", 0, "size=40m")
	out, err := child(t, "fill", dir).CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || !strings.Contains(string(out), "SIGBUS") {
		t.Fatalf("filling a volume without a guard ended with %v, want SIGBUS:\n%.2000s", err, out)
	}
}

// fillChild commits until something happens.
func fillChild(dir string) error {
	s, err := Open(Config{Dir: dir, MemTable: minMemTable, LowSpace: 1, CriticalSpace: 1})
	if err != nil {
		return err
	}
	for {
		if _, err := s.Commit(context.Background(), &store.Batch{Append: []store.Append{{Queue: "q", Value: incompressible(60 << 10)}}}); err != nil {
			return err
		}
	}
}

func TestOpenOnFullVolume(t *testing.T) {
	dir := t.TempDir()
	mount(t, "tmpfs", dir, "tmpfs", 0, "size=15m")
	refuseOpen(t, Config{Dir: dir, MemTable: minMemTable, LowSpace: 2, CriticalSpace: 1}, dir, "opening needs 16.0 MiB", "enlarge the volume")
}

func TestGuard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free, asked := uint64(1000), 0
		g := &guard{dir: "/data", low: 500, critical: 100, free: func() (uint64, error) { asked++; return free, nil }}
		want := func(err error, refused bool) {
			t.Helper()
			if errors.Is(err, store.ErrNoSpace) != refused {
				t.Fatalf("got %v, refused should be %v", err, refused)
			}
		}
		want(g.admit(500, true), false)
		want(g.admit(1, true), true) // the first is not on disk yet
		want(g.admit(1, false), false)
		g.release(501)
		want(g.admit(400, true), false)
		g.release(400)
		if asked != 1 {
			t.Fatalf("asked %d times within %s", asked, spaceAge)
		}
		free = 499
		time.Sleep(spaceAge + 1)
		want(g.space(), true)
		want(g.admit(0, false), false)
		free = 99
		time.Sleep(spaceAge + 1)
		want(g.admit(0, false), true)
		free = 1 << 40
		time.Sleep(spaceAge + 1)
		want(g.space(), false)
		asked = 0
		for range 10 { // many bytes within the age
			want(g.admit(spaceBytes/2, false), false)
		}
		if asked < 3 {
			t.Fatalf("asked %d times for %d bytes", asked, 5*spaceBytes)
		}
	})
}

// incompressible returns bytes that take their length on disk.
func incompressible(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

// child is this test binary as another process that does one job.
func child(t *testing.T, job, dir string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), "STORE_JOB="+job, "STORE_DIR="+dir)
	return cmd
}
