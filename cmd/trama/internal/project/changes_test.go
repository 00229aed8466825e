package project

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestChanges: a change of any file that a build reads is told once, in the
// project or beyond it, and what builds leave is none.
func TestChanges(t *testing.T) {
	dir, other := t.TempDir(), filepath.Join(t.TempDir(), "words.json")
	start := time.Now().Add(-time.Hour) // long ago, so that all is settled
	write := func(path string, minutes int) {
		t.Helper()
		at := start.Add(time.Duration(minutes) * time.Minute)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	main := filepath.Join(dir, "main.go")
	write(main, 0)
	write(other, 0)
	c, err := watched(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		name string
		do   func()
		want bool
	}{
		{"nothing", func() {}, false},
		{"a file that a build leaves", func() { write(filepath.Join(dir, "build", "a.wasm"), 1) }, false},
		{"a file deep in the project", func() { write(filepath.Join(dir, "a", "b", "c", "d", "page.html"), 1) }, true},
		{"a source", func() { write(main, 2) }, true},
		{"one beyond, not read yet", func() { write(other, 3) }, false},
		{"a build that reads it", func() { err = c.read([]string{other}, start.Add(4*time.Minute)) }, false},
		{"one beyond", func() { write(other, 5) }, true},
		{"a build that reads it again", func() { err = c.read([]string{other}, start.Add(6*time.Minute)) }, false},
		{"a removed one beyond", func() { err = os.Remove(other) }, true},
		{"a build that reads none", func() { err = c.read(nil, start.Add(7*time.Minute)) }, false},
		{"one that is changed during the build", func() { write(other, 9); err = c.read([]string{other}, start.Add(8*time.Minute)) }, true},
		{"a build that doesn't read it", func() { err = c.read(nil, start.Add(10*time.Minute)) }, false},
		{"one that is being written", func() {
			if err := os.Chtimes(main, time.Now().Add(time.Hour), time.Now().Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
		}, false},
		{"one that was written", func() { write(main, 11) }, true},
	} {
		step.do()
		if err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if is, err := c.new(); is != step.want || err != nil {
			t.Errorf("%s: %v, %v", step.name, is, err)
		}
		if is, err := c.new(); is || err != nil {
			t.Errorf("%s, looked at again: %v, %v", step.name, is, err)
		}
	}
}
