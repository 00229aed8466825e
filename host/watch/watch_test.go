package watch

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// write writes a file now, by the clock of the bubble that the test is in.
func write(t *testing.T, path, text string) {
	t.Helper()
	now := time.Now()
	if err := errors.Join(os.WriteFile(path, []byte(text), 0o644), os.Chtimes(path, now, now)); err != nil {
		t.Fatal(err)
	}
}

func TestFilesNoticesEveryKindOfChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		path := filepath.Join(dir, "a.yaml")
		write(t, path, "one")
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var changes atomic.Int64
		go Files(ctx, []string{filepath.Join(dir, "*.yaml")}, func() { changes.Add(1) })
		synctest.Wait() // the first look is taken
		notices := func(what string, want int64) {
			t.Helper()
			time.Sleep(3 * every)
			synctest.Wait()
			if n := changes.Swap(0); n != want {
				t.Errorf("%s: noticed %d times, want %d", what, n, want)
			}
		}
		write(t, path, "two!")
		notices("a longer file", 1)
		temp := filepath.Join(dir, "new")
		write(t, temp, "six!")
		if err := os.Rename(temp, path); err != nil {
			t.Fatal(err)
		}
		notices("a file replaced by one of the same size", 1)
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		notices("a removed file", 1)
		write(t, filepath.Join(dir, "other.txt"), "")
		notices("a file that no pattern matches", 0)
	})
}

func TestLookWaitsForACopyToSettle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "a.wasm")
		write(t, path, "half")
		time.Sleep(Settle)
		if _, settled := look([]string{path}); settled {
			t.Error("a file that was just written counts as settled")
		}
		time.Sleep(time.Nanosecond)
		if stamps, settled := look([]string{path}); !settled || len(stamps) != 1 {
			t.Errorf("look: %d files, settled %v; want 1, true", len(stamps), settled)
		}
	})
}
