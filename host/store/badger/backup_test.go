//go:build linux

package badger

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/store"
)

// TestBackupUnreadable: what can't be read fails the backup, and is not left
// out of it.
func TestBackupUnreadable(t *testing.T) {
	for name, c := range map[string]struct {
		pattern string
		damage  func(path string) error
	}{
		"table":                   {engineDir + "/*.sst", func(path string) error { return flipBit(path, 3000) }},
		"long value that is gone": {blobDir + "/*", os.Remove},
		"long value":              {blobDir + "/*", func(path string) error { return flipBit(path, 3000) }},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := openTest(t, dir)
			for n := range 10 { // one of them long
				if _, err := s.Commit(context.Background(), imageBatch(n)); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Close(); err != nil { // makes a table
				t.Fatal(err)
			}
			s = openTest(t, dir)
			defer s.Close()
			if err := s.Backup(context.Background(), io.Discard); err != nil {
				t.Fatal(err)
			}
			files, err := filepath.Glob(filepath.Join(dir, c.pattern))
			if err != nil || len(files) == 0 {
				t.Fatalf("%v, %v", files, err)
			}
			if err := c.damage(files[0]); err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			err = s.Backup(context.Background(), &out)
			if err == nil || !strings.Contains(err.Error(), files[0]) {
				t.Fatalf("backup: %v", err)
			}
			if err := Restore(context.Background(), testConfig(filepath.Join(t.TempDir(), "new")), &out); err == nil {
				t.Fatal("what was written until then was restored")
			}
		})
	}
}

// flipBit flips a bit of a file in its place.
func flipBit(path string, at int64) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	b := make([]byte, 1)
	_, err = f.ReadAt(b, at)
	if err == nil {
		b[0] ^= 1
		_, err = f.WriteAt(b, at)
	}
	return errors.Join(err, f.Close())
}

// TestRestoreRefuses a directory that holds something, and a backup that needs
// more space than there is.
func TestRestoreRefuses(t *testing.T) {
	s := openTest(t, t.TempDir())
	defer s.Close()
	for n := range 60 {
		b := imageBatch(n)
		b.Append = []store.Append{{Queue: "q", Value: noise(1<<20, n)}}
		if _, err := s.Commit(context.Background(), b); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	if err := s.Backup(context.Background(), &out); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "notes"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Restore(context.Background(), testConfig(dir), bytes.NewReader(out.Bytes())); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Fatalf("into a directory with notes: %v", err)
	}
	small := t.TempDir()
	mount(t, "tmpfs", small, "tmpfs", 0, "size=80m")
	c := Config{Dir: filepath.Join(small, "data"), MemTable: minMemTable, LowSpace: 40 << 20, CriticalSpace: 24 << 20}
	if err := Restore(context.Background(), c, bytes.NewReader(out.Bytes())); !errors.Is(err, store.ErrNoSpace) {
		t.Fatalf("into a small volume: %v", err)
	}
	if left, err := os.ReadDir(small); err != nil || len(left) != 0 {
		t.Fatalf("left: %v, %v", left, err)
	}
}
