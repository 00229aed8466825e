package compile

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func TestPrune(t *testing.T) {
	w := open(t, childCompiles, nil)
	var size int64
	age := func(path string, idle time.Duration) {
		t.Helper()
		then := time.Now().Add(-idle)
		if err := os.Chtimes(path, then, then); err != nil {
			t.Fatal(err)
		}
	}
	// 0 is used now; the others were used so long ago.
	idle := []time.Duration{40 * 24 * time.Hour, 40 * 24 * time.Hour, 3 * time.Hour, 2 * time.Hour, time.Hour, time.Second}
	for i := range idle {
		code, err := w.Load(context.Background(), module(byte(i)))
		if err != nil {
			t.Fatal(err)
		}
		if i > 0 {
			if err := code.Close(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
		size = sizeOf(w.entry(module(byte(i))))
	}
	for i, d := range idle {
		age(w.entry(module(byte(i))), d)
	}
	for name, d := range map[string]time.Duration{stagedPrefix + "dead": 2 * time.Hour, stagedPrefix + "busy": time.Minute, "not-ours": 90 * 24 * time.Hour} {
		if err := os.Mkdir(filepath.Join(w.dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		age(filepath.Join(w.dir, name), d)
	}
	left := func() (entries []byte) {
		for i := range idle {
			if _, err := os.Stat(w.entry(module(byte(i)))); err == nil {
				entries = append(entries, byte(i))
			}
		}
		return entries
	}
	w.prune()
	if got := left(); !slices.Equal(got, []byte{0, 2, 3, 4, 5}) {
		t.Errorf("after the old ones: %v", got)
	}
	w.config.Size = 3 * size
	w.prune()
	if got := left(); !slices.Equal(got, []byte{0, 4, 5}) {
		t.Errorf("after the least recently used: %v", got)
	}
	w.config.Size = 1
	w.prune()
	if got := left(); !slices.Equal(got, []byte{0, 5}) {
		t.Errorf("what is used, or was just now: %v", got)
	}
	for name, want := range map[string]bool{stagedPrefix + "dead": false, stagedPrefix + "busy": true, "not-ours": true} {
		if _, err := os.Stat(filepath.Join(w.dir, name)); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Use makes an entry young, and a write prunes.
	age(w.entry(module(5)), time.Hour)
	load(t, w.Cache, module(5))
	load(t, w.Cache, module(9))
	if got := left(); !slices.Equal(got, []byte{0, 5}) {
		t.Errorf("at the end: %v", got)
	}
	if _, err := Open(w.config); err != nil || len(left()) != 1 {
		t.Errorf("another process, after a minute: %v, %v", left(), err)
	}
}
