//go:build linux

package badger

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/trama-run/trama/host/store"
)

// refuseOpen opens a store and wants an error with all the texts.
func refuseOpen(t *testing.T, c Config, texts ...string) {
	t.Helper()
	s, err := Open(c)
	if err == nil {
		s.Close()
		t.Fatal("the store opened")
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("error %q does not say %q", err, text)
		}
	}
}

func TestOpenLocked(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir)
	refuseOpen(t, Config{Dir: dir}, dir, fmt.Sprintf("in use by process %d", os.Getpid()), "stop that one")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := openTest(t, dir).Close(); err != nil { // the refusal left no lock
		t.Fatal(err)
	}
}

func TestOpenReadOnly(t *testing.T) {
	dir := t.TempDir()
	if err := openTest(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 { // rights do not bind root: a read-only mount does
		mount(t, dir, dir, "", syscall.MS_BIND, "")
		if err := syscall.Mount("", dir, "", syscall.MS_BIND|syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
			t.Fatal(err)
		}
		refuseOpen(t, Config{Dir: dir}, dir, "read-only", "mount it writable")
		return
	}
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Chmod(dir, 0o700) })
	refuseOpen(t, Config{Dir: dir}, dir, "permission denied", "give this user the right")
}

func TestOpenMeta(t *testing.T) {
	old := func(t *testing.T) string {
		dir := t.TempDir()
		if err := openTest(t, dir).Close(); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	write := func(t *testing.T, dir, text string) {
		if err := os.WriteFile(filepath.Join(dir, metaFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("another format", func(t *testing.T) {
		dir := old(t)
		write(t, dir, `{"format":7,"memtable":16777216}`)
		refuseOpen(t, Config{Dir: dir}, "format 7", "format 1", "run the release that wrote it")
	})
	t.Run("damaged", func(t *testing.T) {
		dir := old(t)
		write(t, dir, `{"format":1`)
		refuseOpen(t, Config{Dir: dir}, metaFile, "backup")
	})
	t.Run("size out of bounds", func(t *testing.T) {
		dir := old(t)
		write(t, dir, `{"format":1,"memtable":1}`)
		refuseOpen(t, Config{Dir: dir}, metaFile, "memtable 1")
	})
	t.Run("missing beside an engine", func(t *testing.T) {
		dir := old(t)
		if err := os.Remove(filepath.Join(dir, metaFile)); err != nil {
			t.Fatal(err)
		}
		refuseOpen(t, Config{Dir: dir}, dir, "no "+metaFile)
	})
	t.Run("other files are welcome", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, "lost+found"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := openTest(t, dir).Close(); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("bad settings", func(t *testing.T) {
		refuseOpen(t, Config{}, "no directory")
		refuseOpen(t, Config{Dir: t.TempDir(), MemTable: 1}, "memtable 1")
		refuseOpen(t, Config{Dir: t.TempDir(), LowSpace: 1, CriticalSpace: 2}, "below critical")
	})
}

// TestMemTableStays: a log longer than the write buffer would end the process
// at start, so the size of the directory wins over the configured one. The log
// of a killed process is what TestCrash leaves; here it is a copy of a live
// store's files.
func TestMemTableStays(t *testing.T) {
	t.Parallel()
	dir, copied := t.TempDir(), t.TempDir()
	s, err := Open(Config{Dir: dir, MemTable: 32 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	value := make([]byte, 200<<10)
	for i := range 60 { // 12 MB in the log
		if _, err := s.Commit(context.Background(), &store.Batch{Append: []store.Append{{Queue: "q", Value: append(value, byte(i))}}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	again := openTest(t, copied) // asks for 4 MiB
	defer again.Close()
	if got := again.db.Opts().MemTableSize; got != 32<<20 {
		t.Fatalf("memtable %d, want that of the directory", got)
	}
	items, err := again.Read(context.Background(), "q", 0, 99)
	if err != nil || len(items) != 60 {
		t.Fatalf("%d items, %v", len(items), err)
	}
}

// mount mounts until the test ends. It needs root.
func mount(t *testing.T, source, dir, kind string, flags uintptr, data string) {
	t.Helper()
	if err := syscall.Mount(source, dir, kind, flags, data); err != nil {
		if errors.Is(err, syscall.EPERM) {
			t.Skipf("NOT TESTED: this machine does not let us mount: %v", err)
		}
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
}
