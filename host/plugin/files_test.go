package plugin

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trama-run/trama/host/grant"
)

// What can happen to a file in a plugin directory, each with what serves
// meanwhile. A scan is what a change of the directory causes.

// granted is a world with a plugin that serves.
func granted(t *testing.T) (w *world, digest string) {
	t.Helper()
	w = newWorld(t)
	w.put(t, "adder.yaml", []byte(sidecarText))
	w.put(t, "adder.wasm", guest(t, "json", ""))
	digest = w.status(t).Digest
	w.SetGrants(grantOf(digest))
	return w, digest
}

// serves fails the test unless this content answers calls.
func (w *world) serves(t *testing.T, digest string) {
	t.Helper()
	if got := w.Serving("adder"); got != digest {
		t.Errorf("content %q serves, want %q", got, digest)
	}
	if _, err := w.total(t); (err == nil) != (digest != "") {
		t.Errorf("call: %v", err)
	}
}

func TestHalfWrittenFile(t *testing.T) {
	w, old := granted(t)
	next := guest(t, "json", "next")
	want := Digest(next, []byte(sidecarText))
	w.SetGrants(append(grantOf(old), grantOf(want)...))
	for _, length := range []int{0, 4, 8, len(next) / 2, len(next) - 1} {
		w.put(t, "adder.wasm", next[:length])
		if s := w.status(t); s.State != StateBroken || s.Serving != old || s.Name != "adder" {
			t.Errorf("%d bytes of it: %+v", length, s)
		}
		w.serves(t, old)
	}
	w.put(t, "adder.wasm", next)
	if s := w.status(t); s.State != StateReady || s.Digest != want {
		t.Errorf("all of it: %+v", s)
	}
	w.serves(t, want)
}

// TestWrittenWhileRead: a file that changes while it is read is read again by
// the next scan, though its size and time are those of the last look.
func TestWrittenWhileRead(t *testing.T) {
	w, old := granted(t)
	e := w.entries[filepath.Join(w.dir, "adder.wasm")]
	next := guest(t, "json", "next")
	w.SetGrants(append(grantOf(old), grantOf(Digest(next, []byte(sidecarText)))...))
	if err := os.WriteFile(e.file, next, 0o644); err != nil {
		t.Fatal(err)
	}
	e.stamp = "" // as look leaves it then
	w.scan(t)
	w.serves(t, Digest(next, []byte(sidecarText)))
	if e.stamp == "" {
		t.Error("it would be read for ever")
	}
}

func TestRenamedFile(t *testing.T) {
	w, old := granted(t)
	w.serves(t, old)
	g := w.table.Load().byName["adder"].generation
	module := g.build
	for _, name := range []string{"adder.yaml", "adder.wasm"} {
		if err := os.Rename(filepath.Join(w.dir, name), filepath.Join(w.dir, "b"+name)); err != nil {
			t.Fatal(err)
		}
	}
	w.scan(t)
	if s := w.status(t); s.State != StateReady || s.Digest != old || s.File != filepath.Join(w.dir, "badder.wasm") {
		t.Errorf("renamed: %+v", s)
	}
	w.serves(t, old)
	if g.build != module {
		t.Error("the same content was compiled again")
	}
	if got := w.retired(); got != "" {
		t.Errorf("retired: %s", got)
	}
}

func TestDeletedFile(t *testing.T) {
	w, old := granted(t)
	path := filepath.Join(w.dir, "adder.wasm")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	w.scan(t)
	w.serves(t, "")
	if got := w.retired(); got != old+" 0" {
		t.Errorf("retired %q, want %s", got, old)
	}
	// A content that nobody granted doesn't bring the deleted one back.
	w.put(t, "adder.wasm", guest(t, "json", "other"))
	w.serves(t, "")
	w.put(t, "adder.wasm", guest(t, "json", ""))
	w.serves(t, old)
	if got := w.retired(); got != "" {
		t.Errorf("put back, and retired: %s", got)
	}
}

func TestTouchedFile(t *testing.T) {
	w, old := granted(t)
	w.serves(t, old)
	g := w.table.Load().byName["adder"].generation
	build := g.build
	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(filepath.Join(w.dir, "adder.wasm"), later, later); err != nil {
		t.Fatal(err)
	}
	w.scan(t)
	w.serves(t, old)
	if p := w.table.Load().byName["adder"]; p.generation != g || g.build != build {
		t.Error("the same content makes another generation")
	}
}

// TestNameClash: of two files with one name the first keeps it, until it goes.
func TestNameClash(t *testing.T) {
	w, old := granted(t)
	w.put(t, "zwei.yaml", []byte(sidecarText))
	w.put(t, "zwei.wasm", guest(t, "json", "two"))
	second := Digest(guest(t, "json", "two"), []byte(sidecarText))
	w.SetGrants(append(grantOf(old), grantOf(second)...))
	states := func() (list []string) {
		for _, s := range w.List() {
			list = append(list, filepath.Base(s.File)+" "+string(s.State))
		}
		return list
	}
	if got := states(); !slices.Equal(got, []string{"adder.wasm ready", "zwei.wasm broken"}) {
		t.Errorf("%q", got)
	}
	if s := w.List()[1]; !strings.HasSuffix(s.Reason, "adder.wasm") || s.Remedy == "" || s.Grant != nil {
		t.Errorf("the second: %+v", s)
	}
	w.serves(t, old)
	// The very same content under a second name is no harm either.
	w.put(t, "drei.yaml", []byte(sidecarText))
	w.put(t, "drei.wasm", guest(t, "json", ""))
	w.serves(t, old)
	for _, name := range []string{"adder.wasm", "adder.yaml", "drei.wasm", "drei.yaml"} {
		if err := os.Remove(filepath.Join(w.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	w.scan(t)
	w.serves(t, second)
	if got := states(); !slices.Equal(got, []string{"zwei.wasm ready", "adder.wasm retired"}) && !slices.Equal(got, []string{"zwei.wasm ready", "drei.wasm retired"}) {
		t.Errorf("after the first is gone: %q", got)
	}
}

// TestMisplaced: a file that is meant for a plugin and is none is listed with what
// to do, until that is done.
func TestMisplaced(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"README.md", "adder.yml", ".adder.yaml.swp"} { // anybody's
		w.put(t, name, []byte(sidecarText))
	}
	if list := w.List(); len(list) != 0 {
		t.Errorf("other files: %+v", list)
	}
	w.put(t, "adder.yaml", []byte(sidecarText))
	want := Status{
		Name: "adder", File: filepath.Join(w.dir, "adder.yaml"), State: StateBroken,
		Reason: "adder.yaml is a manifest without a module: there is no adder.wasm beside it", Remedy: "put adder.wasm beside it, or remove it",
	}
	if s := w.status(t); s != want {
		t.Errorf("a manifest alone: %+v", s)
	}
	w.put(t, "adder.Wasm", guest(t, "json", ""))
	want = Status{
		Name: "adder", File: filepath.Join(w.dir, "adder.Wasm"), State: StateBroken,
		Reason: "the ending of adder.Wasm is not in lower case", Remedy: "rename it to adder.wasm, or remove it",
	}
	if list := w.List(); len(list) != 2 || list[0] != want {
		t.Errorf("a module in capitals: %+v", list)
	}
	if _, err := w.total(t); err == nil || !strings.Contains(err.Message, "rename it to adder.wasm") {
		t.Errorf("call: %v", err)
	}
	if err := os.Rename(want.File, filepath.Join(w.dir, "adder.wasm")); err != nil {
		t.Fatal(err)
	}
	w.scan(t)
	w.SetGrants(grantOf(w.status(t).Digest))
	w.serves(t, w.status(t).Digest)
	for _, file := range []string{"adder.WASM", "adder.wasm", "adder.yaml"} { // what a server watches
		matches := func(pattern string) bool {
			ok, err := filepath.Match(pattern, filepath.Join(w.dir, file))
			return ok && err == nil
		}
		if !slices.ContainsFunc(w.Patterns(), matches) {
			t.Errorf("%s is not watched: %q", file, w.Patterns())
		}
	}
}

// TestSwapUnderLoad: while a file is replaced over and over, written in pieces
// and renamed into place, none of 1,000 calls fails.
func TestSwapUnderLoad(t *testing.T) {
	w, old := granted(t)
	contents := [][]byte{guest(t, "json", ""), guest(t, "json", "one"), guest(t, "json", "two")}
	var grants []grant.Grant
	for _, wasm := range contents {
		grants = append(grants, grantOf(Digest(wasm, []byte(sidecarText)))...)
	}
	w.SetGrants(grants)
	w.serves(t, old)
	const calls = 1000
	var made, failed atomic.Int64
	var swapped atomic.Bool // calls go on until then
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for made.Add(1) <= calls || !swapped.Load() {
				if out, err := w.total(t); err != nil || out != `{"total":15,"items":1}` {
					failed.Add(1)
					t.Errorf("call: %s, %v", out, err)
				}
			}
		})
	}
	const swaps = 20
	path := filepath.Join(w.dir, "adder.wasm")
	for swaps := range swaps {
		next := contents[swaps%len(contents)]
		if swaps%2 == 0 {
			w.put(t, "adder.wasm", next[:len(next)/2])
			w.put(t, "adder.wasm", next)
		} else if err := errors.Join(os.WriteFile(path+".new", next, 0o644), os.Rename(path+".new", path)); err != nil {
			t.Fatal(err)
		}
		w.scan(t)
	}
	swapped.Store(true)
	all.Wait()
	t.Logf("%d swaps, %d of %d calls failed", swaps, failed.Load(), made.Load())
}
