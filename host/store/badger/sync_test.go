//go:build linux

package badger

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	badgerdb "github.com/dgraph-io/badger/v4"

	"github.com/trama-run/trama/host/store"
)

// kill -9 does not show whether anything was synced: the page cache survives
// it. These tests look at the system calls, and let one fail.

const syncCommits = 8

// traced runs a job of this test binary under strace and returns the trace and
// what the job printed.
func traced(t *testing.T, job, dir string, options ...string) (trace, out string) {
	t.Helper()
	strace, err := exec.LookPath("strace")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("strace is not installed: nothing proves that commits are synced")
		}
		t.Skip("NOT TESTED that commits are synced: install strace (Debian package strace)")
	}
	cmd := child(t, job, dir)
	file := filepath.Join(t.TempDir(), "trace")
	cmd.Path, cmd.Args = strace, append(append([]string{"strace", "-f", "-qq", "-y", "-o", file}, options...), cmd.Args...)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s%s", job, err, stdout.String(), stderr.String())
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data), stdout.String()
}

// syncedChild commits one by one, and says when each begins and is answered.
func syncedChild(dir string) error {
	s, err := Open(testConfig(dir))
	if err != nil {
		return err
	}
	err = announce(func(n int) error {
		_, err := s.Commit(context.Background(), imageBatch(n))
		return err
	})
	return exit(errors.Join(err, s.Close()))
}

// unsyncedChild does the same with the engine alone, told not to sync.
func unsyncedChild(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	o := options(dir, minMemTable, slog.New(slog.DiscardHandler))
	o.SyncWrites = false
	db, err := badgerdb.OpenManaged(o)
	if err != nil {
		return err
	}
	err = announce(func(n int) error {
		txn := db.NewTransactionAt(uint64(n), true)
		if err := txn.Set(number(uint64(n)), noise(1000, n)); err != nil {
			return err
		}
		return txn.CommitAt(uint64(n)+1, nil)
	})
	return exit(errors.Join(err, db.Close()))
}

func announce(commit func(n int) error) error {
	for n := range syncCommits {
		fmt.Fprintf(os.Stdout, "begin %d\n", n)
		if err := commit(n); err != nil {
			return err
		}
		fmt.Fprintf(os.Stdout, "answer %d\n", n)
	}
	return nil
}

// exit ends a child that has done its job.
func exit(err error) error {
	if err == nil {
		os.Exit(0)
	}
	return err
}

// Lines of a trace. A call that another thread's interrupts has two.
var (
	traceMap     = regexp.MustCompile(`mmap\(.*<([^>]*)>, 0(?:x0)?\) = (0x[0-9a-f]+)`)
	traceSync    = regexp.MustCompile(`^(\d+) +msync\((0x[0-9a-f]+), .*?(= 0|<unfinished)`)
	traceResumed = regexp.MustCompile(`^(\d+) +<\.\.\. msync resumed>.* = 0$`)
	traceWrite   = regexp.MustCompile(`write\(1<[^>]*>, "(begin|answer) (\d+)\\n"`)
)

// unsynced reads a trace and returns the commits that were answered before a
// log was synced, and how many were answered.
func unsynced(t *testing.T, trace string) (early []string, answered int) {
	t.Helper()
	logs, pending := map[string]bool{}, map[string]bool{} // by address, by thread
	synced, begun := false, false
	for line := range strings.Lines(trace) {
		line = strings.TrimSuffix(line, "\n")
		if m := traceMap.FindStringSubmatch(line); m != nil {
			logs[m[2]] = strings.HasSuffix(m[1], ".mem")
		}
		if m := traceSync.FindStringSubmatch(line); m != nil && logs[m[2]] {
			if pending[m[1]] = m[3] != "= 0"; !pending[m[1]] {
				synced = true
			}
		}
		if m := traceResumed.FindStringSubmatch(line); m != nil && pending[m[1]] {
			pending[m[1]], synced = false, true
		}
		m := traceWrite.FindStringSubmatch(line)
		switch {
		case m == nil:
		case m[1] == "begin":
			begun, synced = true, false
		case !begun || !synced:
			early = append(early, m[2])
			fallthrough
		default:
			answered++
			begun = false
		}
	}
	return early, answered
}

// TestCommitIsSynced: the log is synced between the beginning of a commit and
// its answer. The engine without SyncWrites shows that the test would notice.
func TestCommitIsSynced(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		job  string
		want int // commits answered early
	}{{"synced", 0}, {"unsynced", syncCommits}} {
		trace, _ := traced(t, c.job, filepath.Join(t.TempDir(), "data"), "-e", "trace=mmap,msync,write")
		early, answered := unsynced(t, trace)
		if answered != syncCommits || len(early) != c.want {
			t.Errorf("%s: %d commits answered, %v of them before a sync; want %d and %d of them\n%.4000s", c.job, answered, early, syncCommits, c.want, trace)
		}
	}
}

// failedSyncChild commits while every msync fails.
func failedSyncChild(dir string) error {
	s, err := Open(testConfig(dir))
	if err != nil {
		return err
	}
	for n := range 3 {
		b := imageBatch(10 + n)
		b.Tx = fmt.Sprint("tx", n)
		_, err := s.Commit(context.Background(), b)
		fmt.Printf("commit unknown=%v closed=%v %v\n", errors.Is(err, store.ErrUnknown), errors.Is(err, store.ErrClosed), err)
	}
	r, err := s.Load(context.Background(), imageBatch(3).Put[0].ID)
	fmt.Printf("load %v %v\n", r.Revision > 0, err)
	os.Exit(0)
	return nil
}

// TestSyncFails: after a failed sync the outcome is unknown and no commit is
// taken; the store that is opened again knows it, and all that was answered.
func TestSyncFails(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	s := openTest(t, dir)
	for n := range 5 {
		if _, err := s.Commit(context.Background(), imageBatch(n)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, out := traced(t, "failed sync", dir, "-e", "trace=msync", "-e", "inject=msync:error=EIO")
	lines := bufio.NewScanner(strings.NewReader(out))
	for _, want := range []string{"commit unknown=true closed=false .*input/output error", "commit unknown=false closed=true .*open the store again", "commit unknown=false closed=true", "load true <nil>"} {
		if !lines.Scan() || !regexp.MustCompile("^"+want).MatchString(lines.Text()) {
			t.Fatalf("got %q, want %q in\n%s", lines.Text(), want, out)
		}
	}
	s = openTest(t, dir)
	defer s.Close()
	for n := range 5 {
		if _, err := s.Load(context.Background(), imageBatch(n).Put[0].ID); err != nil {
			t.Errorf("commit %d was answered: %v", n, err)
		}
	}
	for n := range 3 {
		_, err := s.Load(context.Background(), imageBatch(10 + n).Put[0].ID)
		applied, resolveErr := s.Resolve(context.Background(), fmt.Sprint("tx", n))
		if resolveErr != nil || applied != (err == nil) || n > 0 && applied {
			t.Errorf("commit %d: applied %v, %v; load %v", n, applied, resolveErr, err)
		}
	}
}
