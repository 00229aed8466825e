//go:build linux

package badger

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/store"
)

// image makes a directory with one record for each of n commits. crashed is a
// copy of it as a crash would leave it, with two logs: one is full and has no
// table yet. closed is what Close leaves.
func image(t *testing.T) (crashed, closed string, n int) {
	t.Helper()
	closed, crashed = filepath.Join(t.TempDir(), "closed"), filepath.Join(t.TempDir(), "crashed")
	s := openTest(t, closed)
	defer func() {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}()
	commit := func() {
		if _, err := s.Commit(context.Background(), imageBatch(n)); err != nil {
			t.Fatal(err)
		}
		n++
	}
	files := func(dir, pattern string) []string {
		names, err := filepath.Glob(filepath.Join(dir, engineDir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(names)
		return names
	}
	for n < 3000 {
		commit()
		logs := files(closed, "*.mem")
		if len(logs) != 1 || len(files(closed, "*.sst")) < 2 || used(t, logs[0]) < minMemTable {
			continue
		}
		// The next commit begins another log, and this one becomes a table.
		if err := os.RemoveAll(crashed); err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(crashed, os.DirFS(closed)); err != nil {
			continue // the engine removed a file
		}
		commit()
		later := files(closed, "*.mem")
		for _, name := range []string{filepath.Join(engineDir, filepath.Base(later[len(later)-1])), countFile} {
			data, err := os.ReadFile(filepath.Join(closed, name))
			if err == nil {
				err = os.WriteFile(filepath.Join(crashed, name), data, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		listed, err := checkListed(options(filepath.Join(crashed, engineDir), minMemTable, slog.New(slog.DiscardHandler)))
		if err == nil && listed < uint64(n)-100 && len(files(crashed, "*.mem")) == 2 {
			return crashed, closed, n
		}
	}
	t.Fatal("no copy has two logs")
	return "", "", 0
}

func imageBatch(n int) *store.Batch {
	return &store.Batch{Put: []store.Put{{ID: store.ID{Kind: "k", Key: fmt.Sprintf("%05d", n)}, Value: imageValue(n)}}}
}

func imageValue(n int) []byte {
	size := 20 << 10
	if n%100 == 7 {
		size = maxInline + 100
	}
	return noise(size, n)
}

// noise returns bytes that do not compress, the same for the same seed.
func noise(n, seed int) []byte {
	b := make([]byte, n)
	x := uint64(seed)*2 + 1
	for i := range b {
		x = x*6364136223846793005 + 1442695040888963407
		b[i] = byte(x >> 56)
	}
	return b
}

// used returns where the zeros begin that a log ends with.
func used(t *testing.T, path string) int {
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return len(bytes.TrimRight(data, "\x00"))
}

// damageChild opens each directory that it reads from stdin, and says what
// came of it: "refused" with the error, or "whole" if every commit is there.
func damageChild() error {
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		var dir string
		var n int
		if _, err := fmt.Sscan(in.Text(), &dir, &n); err != nil {
			return err
		}
		fmt.Printf("%s %s\n", dir, strings.ReplaceAll(outcome(dir, n), "\n", " "))
	}
	os.Exit(0)
	return nil
}

func outcome(dir string, n int) string {
	s, err := Open(testConfig(dir))
	if err != nil {
		return "refused: " + err.Error()
	}
	defer s.Close()
	for i := range n {
		b := imageBatch(i)
		r, err := s.Load(context.Background(), b.Put[0].ID)
		switch {
		case errors.Is(err, store.ErrNotFound):
			return fmt.Sprintf("LOST commit %d of %d", i, n)
		case err != nil:
			return "refused: " + err.Error()
		case !bytes.Equal(r.Value, b.Put[0].Value):
			return fmt.Sprintf("CHANGED commit %d of %d", i, n)
		}
	}
	return "whole"
}

// copyImage copies an image. What nobody writes to is linked.
func copyImage(t *testing.T, to, from string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, name)
		switch {
		case d.IsDir():
			return os.MkdirAll(target, 0o700)
		case filepath.Ext(name) == ".sst" || filepath.Dir(name) == blobDir:
			return os.Link(path, target)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(target, data, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestDamage damages every kind of file that a store leaves, after a crash and
// after Close. Either Open (for the file of a long value: Load) refuses and
// names the remedy, or all that was committed is there. It never ends the
// process, and never goes on without a word.
func TestDamage(t *testing.T) {
	t.Parallel()
	crashed, closed, n := image(t)
	for _, c := range []struct {
		name, from, pattern string
		harmless            bool // nothing is lost with this file
	}{
		{"log that is full", crashed, engineDir + "/0*.mem", false},
		{"log", crashed, engineDir + "/LAST.mem", false},
		{"table", crashed, engineDir + "/0*.sst", false},
		{"table after close", closed, engineDir + "/0*.sst", false},
		{"newest table", closed, engineDir + "/LAST.sst", false},
		{"manifest", crashed, engineDir + "/MANIFEST", false},
		{"manifest after close", closed, engineDir + "/MANIFEST", false},
		{"value log", crashed, engineDir + "/0*.vlog", true},
		{"value log after close", closed, engineDir + "/0*.vlog", true},
		{"key registry", closed, engineDir + "/KEYREGISTRY", false},
		{"discard statistics", closed, engineDir + "/DISCARD", true},
		{"blob", closed, blobDir + "/*", false},
		{"commit counter", crashed, countFile, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			pattern := strings.Replace(c.pattern, "LAST", "*", 1)
			files, err := filepath.Glob(filepath.Join(c.from, pattern))
			if err != nil || len(files) == 0 {
				t.Fatalf("no such file: %v", err)
			}
			slices.Sort(files)
			file := files[0]
			if pattern != c.pattern {
				file = files[len(files)-1]
			}
			name, err := filepath.Rel(c.from, file)
			if err != nil {
				t.Fatal(err)
			}
			size := used(t, file)
			damages := map[string]func([]byte) []byte{"removed": nil}
			for _, at := range []int{0, 3, 10, size / 2, size - 1} {
				damages[fmt.Sprintf("cut at %d of %d", at, size)] = func(b []byte) []byte { return b[:min(max(at, 0), len(b))] }
			}
			for _, at := range []int{0, 5, 9, 13, 22, 40, size / 3, size / 2, size - 40, size - 5, size - 1} {
				if at >= 0 && at < size {
					damages[fmt.Sprintf("changed at %d of %d", at, size)] = func(b []byte) []byte { b[at] ^= 0x10; return b }
				}
			}
			run := child(t, "damage", "")
			var in, out, stderr strings.Builder
			dirs, root := map[string]string{}, t.TempDir()
			for what, damage := range damages {
				dir := filepath.Join(root, fmt.Sprint(len(dirs)))
				dirs[dir] = what
				copyImage(t, dir, c.from)
				path := filepath.Join(dir, name)
				data, err := os.ReadFile(path)
				if err == nil {
					err = os.Remove(path) // it may be a link
				}
				if err == nil && damage != nil {
					err = os.WriteFile(path, damage(data), 0o600)
				}
				if err != nil {
					t.Fatal(err)
				}
				fmt.Fprintf(&in, "%s %d\n", dir, n)
			}
			run.Stdin, run.Stdout, run.Stderr = strings.NewReader(in.String()), &out, &stderr
			if err := run.Run(); err != nil {
				t.Errorf("the process ended: %v\n%s\n%.3000s", err, out.String(), stderr.String())
			}
			refused := 0
			for line := range strings.Lines(out.String()) {
				dir, result, _ := strings.Cut(strings.TrimSpace(line), " ")
				what := dirs[dir]
				delete(dirs, dir)
				switch {
				case result == "whole":
				case strings.HasPrefix(result, "refused: ") && (strings.Contains(result, "restore a") || strings.Contains(result, "from a backup")):
					refused++
				default:
					t.Errorf("%s: %s", what, result)
				}
				t.Logf("%s: %.300s", what, result)
			}
			for _, what := range dirs {
				t.Errorf("%s: no answer", what)
			}
			if !c.harmless && refused == 0 {
				t.Error("no damage was noticed")
			}
		})
	}
}

// TestDamageAccepted: an operator who has no backup can go on.
func TestDamageAccepted(t *testing.T) {
	dir, copied := t.TempDir(), filepath.Join(t.TempDir(), "copied")
	s := openTest(t, dir)
	for n := range 20 {
		if _, err := s.Commit(context.Background(), imageBatch(n)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.CopyFS(copied, os.DirFS(dir)), s.Close()); err != nil {
		t.Fatal(err)
	}
	logs, err := filepath.Glob(filepath.Join(copied, engineDir, "*.mem"))
	if err != nil || len(logs) != 1 {
		t.Fatalf("%v, %v", logs, err)
	}
	if err := os.Truncate(logs[0], int64(used(t, logs[0])/2)); err != nil {
		t.Fatal(err)
	}
	for range 2 { // it is still known at the second attempt
		refuseOpen(t, testConfig(copied), copied, "20 commits were answered, the data ends at commit", "restore a backup", "remove "+filepath.Join(copied, damagedFile))
	}
	if err := os.Remove(filepath.Join(copied, damagedFile)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		again := openTest(t, copied)
		_, err := again.Commit(context.Background(), imageBatch(99))
		if err := errors.Join(err, again.Close()); err != nil {
			t.Fatal(err)
		}
	}
}
