package watch

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestFilesNoticesEveryKindOfChange(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("one")
	ctx, cancel := context.WithCancel(t.Context())
	changes, ended := make(chan struct{}, 16), make(chan struct{})
	go func() {
		Files(ctx, []string{filepath.Join(dir, "*.yaml")}, func() { changes <- struct{}{} })
		close(ended)
	}()
	notices := func(what string) {
		t.Helper()
		select {
		case <-changes:
		case <-time.After(10 * time.Second):
			t.Fatalf("%s: not noticed within 10 s", what)
		}
	}
	time.Sleep(100 * time.Millisecond) // the first look is taken
	write("two!")
	notices("a longer file")
	temp := filepath.Join(dir, "new")
	if err := os.WriteFile(temp, []byte("six!"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(temp, path); err != nil {
		t.Fatal(err)
	}
	notices("a file replaced by one of the same size")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	notices("a removed file")
	if err := os.WriteFile(filepath.Join(dir, "other.txt"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	select {
	case <-changes:
		t.Error("a file that no pattern matches was reported")
	case <-time.After(2 * every):
	}
	cancel()
	<-ended
}

func TestLookWaitsForACopyToSettle(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.wasm")
	if err := os.WriteFile(path, []byte("half"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, settled := look([]string{path}); settled {
		t.Error("a file that was just written counts as settled")
	}
	old := time.Now().Add(-time.Minute)
	if err := os.Chtimes(path, old, old); err != nil {
		t.Fatal(err)
	}
	if stamps, settled := look([]string{path}); !settled || len(stamps) != 1 {
		t.Errorf("look: %d files, settled %v; want 1, true", len(stamps), settled)
	}
}
